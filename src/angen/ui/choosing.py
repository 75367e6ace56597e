"""What several tabs of the studio share: choosing music, section buttons, jobs that end, fields with numbers."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr

from angen.errors import AngenError, ConflictError, GenerationError
from angen.jobs import Job
from angen.ui.context import Page
from angen.ui.history import Piece, PieceKind, find_piece, list_pieces
from angen.ui.problems import Told, note
from angen.ui.watch import JobWatch

__all__ = [
    "SECTIONS", "MusicChoice", "bring_recording", "chosen_paths", "component_of", "number_words", "optional_number",
    "required_number", "section_buttons", "style_studio", "when_ended", "whole_number",
]  # fmt: skip

_LOG = logging.getLogger("angen.ui")
UPLOADS = "studio-uploads"
"""The set of recordings that the studio's tabs put uploads into."""
SECTIONS = ("Intro", "Verse", "Chorus", "Bridge", "Hook", "Solo", "Inst", "Break", "Outro")
_STYLE = """
.gradio-container .row.align-end { align-items: flex-end; }
.gradio-container .pieces label { width: 100%; }
.gradio-container input[role=combobox] { text-overflow: ellipsis; padding-right: 1.9rem !important; }
"""
_INSERT = """(text) => {
  const area = document.querySelector('#%s textarea');
  const at = area ? area.selectionStart : (text || '').length;
  const before = (text || '').slice(0, at), after = (text || '').slice(at);
  const made = (before && !before.endsWith('\\n') ? before + '\\n' : before) + %s + '\\n';
  if (area) setTimeout(() => { area.focus(); area.setSelectionRange(made.length, made.length); }, 60);
  return made + after;
}"""


class MusicChoice:
    """A list of the workspace's music to choose from, and a button to bring a sound file.

    Args:
        page: The page; called inside a tab.
        label: Of the list.
        kinds: Only these; none for all.
        many: Whether several may be chosen.
        bring: Words of the button; empty for none.
        first: Whether the newest piece is chosen at first.
        elem_id: Of the list.
    """

    def __init__(
        self,
        page: Page,
        label: str,
        *,
        kinds: Sequence[PieceKind] = (),
        many: bool = False,
        bring: str = "Bring a sound file",
        first: bool = False,
        elem_id: str | None = None,
    ) -> None:
        self.page, self.kinds, self.many, self.first = page, tuple(kinds), many, first
        self.choice = gr.Dropdown(
            [], label=label, multiselect=many, filterable=True, elem_id=elem_id,
            info="All music of this workspace, the newest first.",
        )  # fmt: skip
        if bring:
            upload = gr.UploadButton(bring, file_types=["audio"], size="sm")
            problem = note()
            page.act(
                upload.upload, self.take, [upload, self.choice], [self.choice], problem=problem, queue=True
            )
        page.on_show(self.refreshed, [self.choice], [self.choice, gr.State()])

    def refreshed(self, chosen: str | Sequence[str] | None) -> Any:
        """The list as it is now; what was chosen stays chosen if it is still there."""
        choices = self._choices()
        known = [piece_id for _, piece_id in choices]
        if self.many:
            return gr.update(choices=choices, value=[one for one in chosen or [] if one in known])
        value = chosen if chosen in known else known[0] if self.first and known else None
        return gr.update(choices=choices, value=value)

    def take(self, upload: str | None, chosen: str | Sequence[str] | None) -> Told:
        """Put an uploaded file into the workspace, and choose it.

        Raises:
            UploadError: If it is no sound, too large, or damaged; `AudioError` likewise.
        """
        piece = bring_recording(self.page, upload)
        value = [*(chosen or []), piece.id] if self.many else piece.id
        return Told(f"{piece.path.name} is here.", [gr.update(choices=self._choices(), value=value)])

    def _choices(self) -> list[tuple[str, str]]:
        return [(piece.label, piece.id) for piece in list_pieces(self.page.settings, self.kinds)]


def bring_recording(page: Page, upload: str | None) -> Piece:
    """An uploaded file as a piece of the workspace: checked to its end, and copied into a set of recordings.

    Raises:
        AngenError: If it cannot be taken.
    """
    from angen.workflows.uploads import add_recording, create_set, recording_path

    source = page.uploaded(upload)
    with suppress(ConflictError):  # it is there already
        create_set(page.settings, UPLOADS)
    taken = add_recording(page.settings, UPLOADS, source, source.name)
    path = recording_path(page.settings, UPLOADS, taken.file)
    return next(
        piece for piece in list_pieces(page.settings, ("recording",), limit=100_000) if piece.path == path
    )


def chosen_paths(page: Page, chosen: str | Sequence[str] | None) -> list[Path]:
    """Files of the pieces that were chosen.

    Raises:
        MissingFileError: If nothing was chosen, or a piece is gone.
    """
    ids = [chosen] if isinstance(chosen, str) else list(chosen or [])
    return [find_piece(page.settings, one).path for one in ids or [""]]


def section_buttons(text: gr.Textbox, elem_id: str) -> None:
    """Small buttons that put a section's tag where the cursor is.

    Args:
        text: The lyrics.
        elem_id: Of the text box.
    """
    with gr.Row(elem_classes="sections"):
        for name in SECTIONS:
            button = gr.Button(f"[{name}]", size="sm", min_width=64)
            button.click(None, [text], [text], js=_INSERT % (elem_id, json.dumps(f"[{name}]")))


def style_studio(page: Page) -> None:
    """Give the browser what the studio's tabs add to the page's style."""
    made = "const s = document.createElement('style'); s.textContent = %s; document.head.append(s);"
    page.blocks.load(None, js=f"() => {{ {made % json.dumps(_STYLE)} }}", api_visibility="private")


def component_of(page: Page, elem_id: str) -> Any:
    """A component of a tab that was built before, by its id; None where that tab is not there."""
    return next(
        (one for one in page.blocks.blocks.values() if getattr(one, "elem_id", None) == elem_id), None
    )


def when_ended(
    page: Page,
    watch: JobWatch,
    handler: Callable[..., Sequence[Any]],
    outputs: Sequence[Any],
    inputs: Sequence[Any] = (),
) -> None:
    """Call a handler once with the job that is shown when it has ended, and once after each load of the page.

    Args:
        page: The page.
        watch: Shows the job.
        handler: Gets the job and the values of `inputs`, and gives updates of `outputs`, or fewer.
        outputs: Components.
        inputs: Components; their values travel once a second.
    """
    told = gr.State("")

    def look(job_id: str, before: str, *values: Any) -> list[Any]:
        if not job_id:
            return []
        job: Job = page.store.get(job_id)
        now = f"{job.id} {job.attempt} {job.state}"
        if not job.has_ended or now == before:
            return []
        try:
            return [now, *handler(job, *values)]
        except AngenError as error:  # a file that is gone, say: it is not asked again
            _LOG.warning("What %s made cannot be shown: %s", job.title, error)
            return [now]

    page.on_beat(look, [watch.job_id, told, *inputs], [told, *outputs])


def optional_number(name: str, value: Any) -> float | None:
    """A number that may be left out, as it was typed.

    Raises:
        GenerationError: If it is no number.

    Example:
        >>> optional_number("The tempo", " 112.5 "), optional_number("The tempo", "")
        (112.5, None)
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        number = float(str(value).strip().replace(",", "."))
    except ValueError:
        number = float("nan")
    if not math.isfinite(number):
        raise GenerationError(f"{name} is {str(value)[:40]!r}.", remedy="Write a number, or leave it empty.")
    return number


def number_words(value: float | None) -> str:
    """A number as a field takes it; empty for none."""
    return "" if value is None else f"{value:g}"


def required_number(name: str, value: Any) -> float:
    """A number that a field has to hold.

    Raises:
        GenerationError: If it is empty or no number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise GenerationError(f"{name} is missing.", remedy="Write a number.")
    return float(value)


def whole_number(name: str, value: Any) -> int:
    """A whole number that a field has to hold.

    Raises:
        GenerationError: If it is empty, no number, or not whole.
    """
    number = required_number(name, value)
    if number != int(number):
        raise GenerationError(f"{name} is {number:g}.", remedy="Write a whole number.")
    return int(number)

"""Export: pieces, an album or stems as files for the world, with tags, a cover and the mark of their origin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from angen.errors import ExportError
from angen.export import FORMATS
from angen.jobs import Job
from angen.ui.choosing import MusicChoice, chosen_paths, optional_number, when_ended
from angen.ui.context import Page
from angen.ui.listening import files_html, number_text, report_place, report_table
from angen.ui.problems import Told, note
from angen.ui.watch import JobWatch

__all__ = ["build", "submit_export"]

_WHAT = [
    ("Each piece by itself", "pieces"),
    ("An album, in the order chosen", "album"),
    ("Stems of one piece", "stems"),
]
_FORMAT_WORDS = {
    "wav16": "WAV 16 bit", "wav24": "WAV 24 bit", "wav32f": "WAV 32 bit float", "flac16": "FLAC 16 bit",
    "flac": "FLAC 24 bit", "mp3": "MP3", "ogg": "Ogg Vorbis", "opus": "Opus", "m4a": "M4A",
}  # fmt: skip
_TAGS = (
    ("title", "Title"), ("artist", "Artist"), ("album", "Album"), ("genre", "Genre"), ("date", "Date, as 2026-05-31"),
    ("key", "Key"), ("licence", "Licence, as CC-BY-4.0"), ("copyright", "Copyright"), ("comment", "Comment"),
)  # fmt: skip
_EMPTY = '<p class="empty">Choose music, choose formats, press Export: the files to download stand here.</p>'


def build(page: Page) -> None:
    """Make the tab."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            music = MusicChoice(page, "Music to export", many=True, elem_id="export-pieces")
            what = gr.Radio(_WHAT, value="pieces", label="As")
            formats = gr.CheckboxGroup(
                [(_FORMAT_WORDS.get(name, name), name) for name in FORMATS], value=["wav24", "mp3"], label="Formats",
                elem_id="export-formats",
            )  # fmt: skip
            with gr.Accordion("Tags: what the files say of themselves", open=False):
                gr.Markdown("What is empty comes from the piece: its prompt, tempo, key, date and licences.")
                tags = [
                    gr.Textbox("", label=words, max_lines=1, elem_id=f"export-{name}")
                    for name, words in _TAGS
                ]
                bpm = gr.Textbox("", label="Tempo in BPM", max_lines=1)
                lyrics = gr.Textbox("", label="Lyrics", lines=3, max_lines=12)
            cover = gr.Checkbox(True, label="Draw a cover where there is none")
            mark = gr.Checkbox(
                True, label="Say in the files that a machine made them",
                info="The law of some countries asks for it (EU AI Act, article 50).",
            )  # fmt: skip
            go = gr.Button("Export", variant="primary", elem_id="export-go")
            problem = note()
            watch = JobWatch(page, ["export"])
        with gr.Column(scale=2, min_width=320):
            told = report_place(_EMPTY, "What was written", "export-told")
            files = gr.File(
                label="Files to download",
                file_count="multiple",
                interactive=False,
                visible=False,
                elem_id="export-files",
            )
    page.act(
        go.click, lambda *values: submit_export(page, *values),
        [music.choice, what, formats, cover, mark, bpm, lyrics, *tags], problem=problem,
    )  # fmt: skip
    when_ended(page, watch, lambda job: _ended(page, job), [told, files])


def submit_export(
    page: Page, chosen: list[str] | None, what: str, formats: list[str] | None, cover: bool, mark: bool, bpm: Any,
    lyrics: str | None, *tags: str | None,
) -> Told:  # fmt: skip
    """Queue an export.

    Raises:
        AngenError: If nothing is chosen, or a choice is impossible.
    """
    if not formats:
        raise ExportError("No format is chosen.", remedy="Choose at least one.")
    lossless = [name for name in formats if name in FORMATS and FORMATS[name].is_lossless]
    if what == "stems" and (len(formats) != 1 or not lossless):
        raise ExportError("Stems take one lossless format.", remedy="Choose one of the WAVs or FLACs.")
    tempo = optional_number("The tempo", bpm)
    if tempo is not None and not 20 <= tempo <= 400:
        raise ExportError(f"The tempo is {tempo:g}.", remedy="Write 20 to 400, or leave it empty.")
    said = {name: (value or "").strip() for (name, _), value in zip(_TAGS, tags, strict=True)}
    params = {
        "files": [str(path) for path in chosen_paths(page, chosen)], "what": what, "formats": ",".join(formats),
        "draws_cover": bool(cover), "ai_mark": bool(mark),
        "tags": {**said, "bpm": tempo, "lyrics": lyrics or ""},
    }  # fmt: skip
    page.submit("export", params)
    return Told("On its way.")


def _ended(page: Page, job: Job) -> list[Any]:
    made = job.result if isinstance(job.result, list) else []
    problems = [f"{Path(one['source']).name}: {one['error']['message']}" for one in made if "error" in one]
    whole = [one for one in made if "error" not in one]
    paths = [Path(file["path"]) for one in whole for file in one["files"]]
    rows = [
        (Path(file["path"]).name, _size(Path(file["path"])), number_text(one.get("loudness_lufs")),
         number_text(one.get("true_peak_dbtp")))
        for one in whole for file in one["files"]
    ]  # fmt: skip
    warnings = [warning for one in whole for warning in one.get("warnings") or []]
    table = report_table("Written", ("File", "Size", "LUFS", "dBTP"), rows) if rows else ""
    files = [page.serve(path) for path in paths if path.is_file()]
    sidecars = [
        page.serve(one["sidecar"]) for one in whole if one.get("sidecar") and Path(one["sidecar"]).is_file()
    ]
    return [
        table + files_html(warnings) + files_html(problems, "problem"),
        gr.update(value=[*files, *sidecars], visible=bool(files)),
    ]


def _size(path: Path) -> str:
    try:
        return f"{path.stat().st_size / 1e6:.1f} MB"
    except OSError:
        return "gone"

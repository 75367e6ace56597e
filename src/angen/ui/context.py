"""What the tabs of the page share: the workspace, their heartbeats, handlers whose errors are sentences, files to hear.

A tab is a module `angen.ui.tabs.<name>` with `build(page: Page) -> None`, called inside its `gr.Tab`. It makes its
components and says what happens by the methods here:

* `page.act(button.click, handler, inputs, outputs, problem=note())`: a click. The handler is a plain function; what
  it raises is said in `problem`, and its outputs stay. `Told("Saved.", outputs)` says good news. Quick by default
  (`queue=False`); what takes a second or more is a job.
* `page.on_show(handler, inputs, outputs)`: when the page loads, and each time the tab is chosen: choices, tables.
* `page.quietly(component.change, handler, inputs, outputs)`: what follows from a change that was no click.
* `page.on_beat(beat, inputs, outputs)`: once a second while the tab is open, for what changes by itself. All beats of a
  tab are one request, so a beat reads a row or two, and gives `gr.skip()` for every output that has not changed.
* `page.submit(kind, params)`: queues a job. `angen.ui.watch.JobWatch(page, ["generate"])` shows it, wherever it was
  started, and after a reload.
* `page.kept(key, value)`: text that the browser remembers, for what was typed and not sent yet.
* `page.remembers(key, components)`: a form that a reload leaves as it was set.
* `page.opens(button.click, "training")`: opens another tab.
* `page.serve(path)`: a file of the workspace as a copy that the browser may fetch; without it Gradio refuses the file.
* `page.uploaded(path)`: a file that came by an upload; anything else is refused.

Every component has a label, every text of a user is escaped where HTML is made (`html.escape`).
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import gradio as gr

from angen.errors import AngenError, MissingFileError
from angen.jobs import Job, JobStore, ensure_supervisor, open_store, submit_job
from angen.settings import Settings
from angen.ui.problems import guarded
from angen.ui.tabs import TABS

__all__ = ["Beat", "Page", "player"]

_LOG = logging.getLogger("angen.ui")
Handler = Callable[..., Any]


@dataclass(frozen=True)
class Beat:
    """Something that is looked at once a second.

    Attributes:
        look: Of the inputs' values, gives as many values as there are outputs.
        inputs: Components.
        outputs: Components.
        tab: The name of the tab it belongs to; "" for the whole page.
    """

    look: Handler
    inputs: Sequence[Any]
    outputs: Sequence[Any]
    tab: str = ""


@dataclass
class Page:
    """The page while it is built.

    Attributes:
        settings: The workspace.
        blocks: All of it.
        tab: The tab that is being built.
        tab_name: Its name, as in `?tab=generate`.
        asked_job: State: the id of the job of `?job=ID`, or "".
        beats: What the heartbeat looks at.
        kinds: The tab that shows a kind of job.
    """

    settings: Settings
    blocks: gr.Blocks
    asked_job: gr.State
    tab: gr.Tab | None = None
    tab_name: str = ""
    beats: list[Beat] = field(default_factory=list)
    shows: list[Beat] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)

    @cached_property
    def store(self) -> JobStore:
        """The jobs of the workspace; each thread that asks has a connection of its own."""
        return open_store(self.settings)

    def act(
        self,
        event: Callable[..., Any],
        handler: Handler,
        inputs: Sequence[Any] = (),
        outputs: Sequence[Any] = (),
        *,
        problem: gr.HTML,
        queue: bool = False,
        js: str | None = None,
        **options: Any,
    ) -> Any:
        """Let an event call a handler.

        Args:
            event: As `button.click`.
            handler: A plain function of the inputs' values; see `problems.guarded`.
            inputs: Components.
            outputs: Components.
            problem: Where its errors and news are said; made by `problems.note()`.
            queue: Whether it may take longer than a moment.
            js: What the browser does first, as Gradio's `js`.
            options: Others of Gradio's: `show_progress`, `trigger_mode`, `concurrency_id`.

        Returns:
            Gradio's dependency, for `.then` and `.success`.
        """
        return event(
            guarded(handler, len(outputs)), list(inputs), [*outputs, problem], queue=queue, js=js,
            api_visibility="private", **{"show_progress": "minimal" if queue else "hidden", **options},
        )  # fmt: skip

    def on_show(
        self,
        handler: Handler,
        inputs: Sequence[Any] = (),
        outputs: Sequence[Any] = (),
        *,
        kept: gr.Textbox | None = None,
    ) -> None:
        """Call a handler when the page loads and when the tab is chosen; an error leaves the outputs as they are.

        `kept` is of `Page.kept`, one of the inputs: what the browser remembers is read first.
        """
        js = None
        if kept is None:
            self.shows.append(Beat(handler, inputs, outputs))
        else:
            place = [one is kept for one in inputs].index(True)
            js = f"(...values) => window.angenRecall(values, {place}, {json.dumps(kept.elem_id)})"
            self.quietly(self.blocks.load, handler, inputs, outputs, js=js)
        if self.tab is not None:
            self.quietly(self.tab.select, handler, inputs, outputs, js=js)

    def quietly(
        self,
        event: Callable[..., Any],
        handler: Handler,
        inputs: Sequence[Any] = (),
        outputs: Sequence[Any] = (),
        *,
        js: str | None = None,
    ) -> Any:
        """Let an event that nobody clicked for call a handler; an error goes to the server's log."""
        return event(
            _quiet(handler, len(outputs)), list(inputs), list(outputs), queue=False, show_progress="hidden",
            api_visibility="private", js=js,
        )  # fmt: skip

    def kept(self, key: str, value: str) -> gr.Textbox:
        """Text that the browser remembers, unseen: an output writes it, `on_show(..., kept=...)` reads it again.

        It outlives reloads and the server; all windows of one browser share it. The server must not believe it.
        """
        box = gr.Textbox(value, label="What this browser remembers", visible="hidden", elem_id=key)
        box.change(None, box, None, js=f"(text) => localStorage.setItem({json.dumps(key)}, text)")
        return box

    def remembers(self, key: str, components: Sequence[Any]) -> None:
        """Let the browser keep what a form is set to, and set it again when the page loads.

        It outlives reloads and the server, and never reaches the server but by the form's own buttons. Every component
        has an `elem_id`; one that is new or was renamed keeps its first value.
        """
        ids = json.dumps([one.elem_id for one in components])
        everything = list(components)
        keep = f"(...values) => window.angenKeep({json.dumps(key)}, {ids}, values)"
        gr.on([one.change for one in components], None, everything, None, js=keep, api_visibility="private")
        recall = f"(...values) => window.angenRefill({json.dumps(key)}, {ids}, values)"
        self.blocks.load(None, everything, everything, js=recall, api_visibility="private")

    def opens(self, event: Callable[..., Any], name: str) -> Any:
        """Let an event open a tab."""
        title = next(title for title, tabs in TABS.items() if name in tabs)
        return event(None, js=f"() => window.angenOpen({json.dumps([title, name])})")

    def on_beat(self, look: Handler, inputs: Sequence[Any] = (), outputs: Sequence[Any] = ()) -> None:
        """Look once a second while the tab that is being built is open, and its window is seen."""
        self.beats.append(Beat(look, inputs, outputs, self.tab_name))

    def submit(self, kind: str, params: dict[str, Any], *, title: str = "") -> Job:
        """Queue a job, and see to it that somebody does it.

        Args:
            kind: One of `angen.jobs.studio.KINDS`.
            params: JSON values; paths from the root.
            title: For people.

        Raises:
            AngenError: If it cannot begin; nothing is queued then.
        """
        from angen.jobs.studio import KINDS

        job = submit_job(self.settings, KINDS, kind, params, title=title)
        ensure_supervisor(self.settings)
        return job

    def serve(self, path: str | Path) -> str:
        """A copy, for the browser to fetch, of a file of the workspace.

        Raises:
            MissingFileError: If it is not there, or not in the workspace.
        """
        from gradio.processing_utils import save_file_to_cache

        file, home = Path(path).resolve(), self.settings.home.resolve()
        if not file.is_relative_to(home) or not file.is_file():
            raise MissingFileError(
                path, "it is not in the workspace.", remedy="Choose another, or reload the page."
            )
        return str(save_file_to_cache(file, os.environ["GRADIO_TEMP_DIR"]))

    def uploaded(self, path: str | None) -> Path:
        """A file that came by an upload of this page.

        Raises:
            MissingFileError: If it is anything else.
        """
        root = Path(os.environ["GRADIO_TEMP_DIR"]).resolve()
        file = Path(path or "").resolve()
        if not path or not file.is_relative_to(root) or not file.is_file():
            raise MissingFileError(
                path or "", "nothing was uploaded.", remedy="Choose a file, and try again."
            )
        return file

    def add_heart(self) -> None:
        """Wire the looks of the tab that is being built; called last within it, and once for the whole page.

        The browser writes into a field that nobody sees, once a second, while the tab around it is open. One heart for
        all tabs would make the browser search for hundreds of components each second, which costs a third of a core.
        """
        beats = [beat for beat in self.beats if beat.tab == self.tab_name]
        if not beats:
            return
        heart = gr.Textbox(
            label="Look again",
            visible="hidden",
            elem_classes="heart",
            elem_id=f"heart-{self.tab_name or 'page'}",
        )
        inputs, outputs = _ends(beats)
        heart.change(
            lambda *values: _all(beats, values), inputs, outputs, trigger_mode="once", queue=False,
            show_progress="hidden", api_visibility="private",
        )  # fmt: skip

    def show_first(self) -> None:
        """Wire what is shown when the page loads. Called last, by `build_page`."""
        show_in, show_out = _ends(self.shows)
        self.quietly(self.blocks.load, lambda *values: _all(self.shows, values), show_in, show_out)


def player(label: str, **options: Any) -> gr.Audio:
    """Something to hear: served as a file, downloaded, and never sent to anybody, as Gradio's own buttons would."""
    return gr.Audio(label=label, type="filepath", interactive=False, buttons=["download"], **options)


def _ends(beats: Sequence[Beat]) -> tuple[list[Any], list[Any]]:
    return [one for beat in beats for one in beat.inputs], [one for beat in beats for one in beat.outputs]


def _all(beats: Sequence[Beat], values: Sequence[Any]) -> list[Any]:
    """The outputs of several handlers, each given its share of the values."""
    outputs: list[Any] = []
    begin = 0
    for beat in beats:
        given = values[begin : begin + len(beat.inputs)]
        begin += len(beat.inputs)
        outputs += _quiet(beat.look, len(beat.outputs))(*given)
    return outputs


def _quiet(handler: Handler, outputs: int) -> Callable[..., list[Any]]:
    """A handler that nobody clicked for: where it fails, all stays as it is, and the log says why."""

    def call(*inputs: Any) -> list[Any]:
        try:
            made = handler(*inputs)
        except AngenError as error:
            _LOG.warning("%s", error)
            made = ()
        except Exception:  # noqa: BLE001 - one tab's fault must not stop the others
            _LOG.exception("A look of the page failed")
            made = ()
        values = list(made) if isinstance(made, list | tuple) else [] if made is None else [made]
        return [*values, *[gr.skip()] * (outputs - len(values))]

    return call

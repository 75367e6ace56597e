"""Timeline: place, trim, fade, move, hear. Every edit is saved at once; two windows see each other's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from angen.errors import TimelineError
from angen.jobs import Job
from angen.timeline import clip_edits, edits
from angen.timeline.storage import PROJECT, project_folder
from angen.ui import arrange
from angen.ui import timeline_view as desk
from angen.ui.choosing import MusicChoice, when_ended
from angen.ui.context import Page, player
from angen.ui.lanes import lanes_component
from angen.ui.problems import Told, guarded, note
from angen.ui.timeline_view import NEW_TRACK, view
from angen.ui.watch import JobWatch
from angen.workflows.timeline import Edit, export_project, open_project, project_names

__all__ = ["build"]

_EXPORTS = [
    ("DAWproject (Bitwig, Studio One, Cubase)", "dawproject"), ("Reaper project", "reaper"),
    ("Stems, a zip of WAVs", "stems"), ("Labels for Audacity", "labels"), ("MIDI, tempo and markers", "midi"),
]  # fmt: skip
_START = (
    "A project is an arrangement of music on tracks. Name one and press “New project”, then add music to it."
)


@dataclass
class _Tab:
    """The components that show a project, by their names in `timeline_view.FIELDS`, with the project and the zoom."""

    page: Page
    parts: dict[str, Any]

    @property
    def state(self) -> list[Any]:
        """What every edit is told: project, revision, chosen clip, zoom."""
        return self.of("project", "seen", "chosen", "zoom")

    @property
    def outputs(self) -> list[Any]:
        """What `view` gives updates for."""
        return self.of(*desk.FIELDS)

    def of(self, *names: str) -> list[Any]:
        """Components by their names."""
        return [self.parts[name] for name in names]


def build(page: Page) -> None:
    """Make the tab."""
    with gr.Row(elem_classes="align-end"):
        project = gr.Dropdown([], label="Project", min_width=200, elem_id="timeline-project")
        new_name = gr.Textbox(
            "", label="Name of a new project", max_lines=1, min_width=160, elem_id="timeline-name"
        )
        new_tempo = gr.Number(120, label="Its tempo in BPM", min_width=100)
        new = gr.Button("New project", min_width=120, elem_id="timeline-new")
    new_problem = note()
    words = gr.HTML(f'<p class="empty">{_START}</p>', label="Project")
    lanes = lanes_component(elem_id="timeline-lanes")
    with gr.Row():
        undo = gr.Button("Undo", min_width=80, interactive=False, elem_id="timeline-undo")
        redo = gr.Button("Redo", min_width=80, interactive=False, elem_id="timeline-redo")
        play = gr.Button("Hear the mix", variant="primary", min_width=140, elem_id="timeline-play")
    problem = note()
    with gr.Accordion("Zoom and keys", open=False):
        zoom = gr.Slider(1, 100, 8, step=1, label="Zoom, pixels a second")
        gr.Markdown(
            "On the clip that has the focus:\n\n"
            + "\n".join(f"* **{key}**: {what}" for key, what in arrange.KEYS)
        )
    mix = player("The mix", visible=False, elem_id="timeline-mix")
    mix_words = gr.HTML("", label="About the mix")
    watch = JobWatch(
        page, ["render"], matches=lambda job, name: job.params.get("project") == name, inputs=[project]
    )
    with gr.Row(equal_height=False):
        with gr.Column(min_width=320):
            add = _add_box(page)
        with gr.Column(min_width=320):
            clip_box, clip_buttons, clip_problem = _clip_box()
        with gr.Column(min_width=320):
            track_box, track_buttons, track_problem = _track_box()
            export = _export_box()
    place_track, music, place_at, place_button, place_problem = add
    parts = {
        "project": project, "zoom": zoom, "seen": gr.State(""), "chosen": gr.State(""), "lanes": lanes, "words": words,
        "undo": undo, "redo": redo, "place_track": place_track, **clip_box, **track_box,
    }  # fmt: skip
    tab = _Tab(page, parts)
    _wire_project(tab, new, new_name, new_tempo, new_problem, problem)
    page.act(
        place_button.click, lambda *values: desk.placed(page, *values),
        [*tab.state, music.choice, place_at, place_track], tab.outputs, problem=place_problem, queue=True,
    )  # fmt: skip
    _wire_clip(tab, clip_buttons, clip_problem)
    _wire_track(tab, track_buttons, track_problem)
    _wire_sound(tab, play, problem, watch, mix, mix_words, export)


def _add_box(page: Page) -> tuple[Any, MusicChoice, Any, Any, Any]:
    with gr.Accordion("Add music", open=True):
        music = MusicChoice(page, "Music to place", first=True, elem_id="timeline-music")
        at = gr.Textbox("0", label="At (seconds, 1:02.5, or bar|beat as 5|1)", max_lines=1)
        track = gr.Dropdown([("a new track", NEW_TRACK)], value=NEW_TRACK, label="On")
        button = gr.Button("Place", elem_id="timeline-place")
        problem = note()
    return track, music, at, button, problem


def _clip_box() -> tuple[dict[str, Any], dict[str, Any], Any]:
    with gr.Accordion("The chosen clip", open=True):
        clip = gr.Dropdown([], label="Clip", elem_id="timeline-clip")
        with gr.Row():
            start = gr.Textbox("", label="Starts at", max_lines=1, min_width=100)
            to_track = gr.Dropdown([], label="On track", min_width=120)
        move = gr.Button("Move", size="sm", elem_id="timeline-move")
        with gr.Row():
            begin = gr.Textbox("", label="Cut from", max_lines=1, min_width=100)
            end = gr.Textbox("", label="Cut to", max_lines=1, min_width=100)
        trim = gr.Button("Trim", size="sm", elem_id="timeline-trim")
        with gr.Row():
            fade_in = gr.Number(0, label="Fade in, s", minimum=0, min_width=90)
            fade_out = gr.Number(0, label="Fade out, s", minimum=0, min_width=90)
            level = gr.Number(0, label="Level, dB", min_width=90)
        shape = gr.Button("Set fades and level", size="sm", elem_id="timeline-shape")
        with gr.Row(elem_classes="align-end"):
            split_at = gr.Textbox("", label="Split at", max_lines=1, min_width=100)
            split = gr.Button("Split", size="sm", min_width=70)
        with gr.Row():
            copy = gr.Button("Copy", size="sm", min_width=70)
            remove = gr.Button("Remove", size="sm", min_width=70)
        problem = note()
    fields = {
        "clip": clip, "start": start, "to_track": to_track, "begin": begin, "end": end, "fade_in": fade_in,
        "fade_out": fade_out, "level": level,
    }  # fmt: skip
    buttons = {
        "move": move, "trim": trim, "shape": shape, "split": split, "split_at": split_at, "copy": copy,
        "remove": remove,
    }  # fmt: skip
    return fields, buttons, problem


def _track_box() -> tuple[dict[str, Any], dict[str, Any], Any]:
    with gr.Accordion("Tracks", open=False):
        track = gr.Dropdown([], label="Track")
        name = gr.Textbox("", label="Name of the track", max_lines=1)
        with gr.Row():
            fader = gr.Number(0, label="Fader, dB", min_width=90)
            pan = gr.Slider(-1, 1, 0, step=0.05, label="Balance, left to right", min_width=160)
        with gr.Row():
            muted = gr.Checkbox(False, label="Mute", min_width=80)
            soloed = gr.Checkbox(False, label="Solo", min_width=80)
        mix = gr.Button("Set the track", size="sm")
        with gr.Row():
            up = gr.Button("Move up", size="sm", min_width=80)
            down = gr.Button("Move down", size="sm", min_width=80)
            remove = gr.Button("Remove track", size="sm", min_width=110)
        problem = note()
    fields = {
        "track": track,
        "track_name": name,
        "fader": fader,
        "pan": pan,
        "muted": muted,
        "soloed": soloed,
    }
    return fields, {"set": mix, "up": up, "down": down, "remove": remove}, problem


def _export_box() -> tuple[Any, Any, Any, Any]:
    with gr.Accordion("To another program", open=False):
        kind = gr.Dropdown(_EXPORTS, value="dawproject", label="As")
        button = gr.Button("Write it", size="sm", elem_id="timeline-export")
        problem = note()
        files = gr.File(label="To download", interactive=False, visible=False, elem_id="timeline-files")
    return kind, button, problem, files


def _wire_project(tab: _Tab, new: Any, name: Any, tempo: Any, new_problem: Any, problem: Any) -> None:
    page = tab.page
    outputs = tab.outputs

    def made(wanted: str, bpm: Any) -> list[Any]:
        loaded = desk.new_project(page, wanted, bpm)
        names = project_names(page.settings)
        return ["", gr.update(choices=names, value=loaded.folder.name), *view(page, loaded)]

    page.act(new.click, made, [name, tempo], [name, tab.parts["project"], *outputs], problem=new_problem)
    page.act(
        tab.parts["project"].input, lambda chosen, zoom: view(page, open_project(page.settings, chosen), zoom=zoom),
        tab.of("project", "zoom"), outputs, problem=problem,
    )  # fmt: skip
    page.quietly(
        tab.parts["zoom"].release,
        lambda name, seen, clip, zoom: desk.drawn(page, name, clip, zoom),
        tab.state,
        [tab.parts["lanes"], gr.State()],
    )
    page.on_show(lambda *values: desk.opened(page, *values), tab.state, [tab.parts["project"], *outputs])
    page.on_beat(lambda *values: desk.noticed(page, *values), tab.state, outputs)
    for button, key in ((tab.parts["undo"], "undo"), (tab.parts["redo"], "redo")):

        def stepped(name: str, seen: str, clip: str, zoom: float, key: str = key) -> list[Any]:
            return desk.pressed(page, name, seen, zoom, {"clip": clip, "key": key})

        page.act(button.click, stepped, tab.state, outputs, problem=problem)

    def on_lanes(name: str, seen: str, zoom: float, event: gr.EventData) -> list[Any]:
        return guarded(lambda: desk.pressed(page, name, seen, zoom, event._data), len(outputs))()

    tab.parts["lanes"].select(
        on_lanes, tab.of("project", "seen", "zoom"), [*outputs, problem], queue=False, show_progress="hidden",
        api_visibility="private", trigger_mode="multiple",
    )  # fmt: skip


def _wire_clip(tab: _Tab, buttons: dict[str, Any], problem: Any) -> None:
    page = tab.page

    def wire(button: Any, fields: list[Any], label: str, edit: Callable[..., Edit]) -> None:
        def act(name: str | None, seen: str, chosen: str, zoom: float, *values: Any) -> list[Any]:
            if not chosen:
                raise TimelineError("No clip is chosen.", remedy="Place music, or click a clip.")
            loaded = arrange.change(
                page.settings, desk.named(name), seen, edit(chosen, *values), f"{label} {chosen}"
            )
            return view(page, loaded, chosen, zoom)

        page.act(button.click, act, [*tab.state, *fields], tab.outputs, problem=problem)

    wire(buttons["move"], tab.of("start", "to_track"), "move", desk.moved)
    wire(buttons["trim"], tab.of("begin", "end"), "trim", desk.trimmed)
    wire(buttons["shape"], tab.of("fade_in", "fade_out", "level"), "fade", desk.shaped)
    wire(buttons["split"], [buttons["split_at"]], "split", desk.split)
    wire(buttons["copy"], [], "copy", lambda clip: lambda project: clip_edits.duplicate_clip(project, clip))
    wire(buttons["remove"], [], "remove", lambda clip: lambda project: clip_edits.remove_clip(project, clip))

    def choose(name: str | None, clip: str | None, zoom: float) -> list[Any]:
        return view(page, open_project(page.settings, desk.named(name)), clip or "", zoom)

    page.act(tab.parts["clip"].input, choose, tab.of("project", "clip", "zoom"), tab.outputs, problem=problem)


def _wire_track(tab: _Tab, buttons: dict[str, Any], problem: Any) -> None:
    page = tab.page

    def wire(button: Any, fields: list[Any], label: str, edit: Callable[..., Edit]) -> None:
        def act(
            name: str | None, seen: str, chosen: str, zoom: float, track: str | None, *values: Any
        ) -> list[Any]:
            if not track:
                raise TimelineError("No track is chosen.", remedy="Place music first: it gets a track.")
            loaded = arrange.change(page.settings, desk.named(name), seen, edit(track, *values), label)
            return view(page, loaded, chosen, zoom)

        page.act(button.click, act, [*tab.state, tab.parts["track"], *fields], tab.outputs, problem=problem)

    wire(buttons["set"], tab.of("track_name", "fader", "pan", "muted", "soloed"), "set track", desk.track_set)
    wire(buttons["up"], [], "track up", lambda track: desk.track_moved(track, -1))
    wire(buttons["down"], [], "track down", lambda track: desk.track_moved(track, 1))
    wire(
        buttons["remove"],
        [],
        "remove track",
        lambda track: lambda project: edits.remove_track(project, track),
    )

    def named(name: str | None, track: str | None) -> list[Any]:
        project = open_project(page.settings, desk.named(name)).project
        one = edits.find_track(project, str(track))
        return [one.name, one.gain_db, one.pan, one.muted, one.soloed]

    page.quietly(
        tab.parts["track"].input, named, tab.of("project", "track"),
        tab.of("track_name", "fader", "pan", "muted", "soloed"),
    )  # fmt: skip


def _wire_sound(
    tab: _Tab,
    play: Any,
    problem: Any,
    watch: JobWatch,
    mix: Any,
    mix_words: Any,
    export: tuple[Any, Any, Any, Any],
) -> None:
    page = tab.page
    kind, button, export_problem, files = export

    def hear(name: str | None) -> Told:
        if not open_project(page.settings, desk.named(name)).project.length:
            raise TimelineError("There is nothing to hear yet.", remedy="Place music first.")
        page.submit("render", {"project": name})
        return Told("The mix is on its way.")

    def write(name: str | None, wanted: str) -> Told | list[Any]:
        if wanted == "stems":
            page.submit("render", {"project": desk.named(name), "stems": True})
            return Told("The stems are on their way.")
        if wanted not in [value for _, value in _EXPORTS]:
            raise TimelineError(f"There is no export {wanted!r}.", remedy="Choose one of the list.")
        path = export_project(page.settings, desk.named(name), wanted)  # type: ignore[arg-type]
        return Told(f"{path.name} is written.", [gr.update(value=page.serve(path), visible=True)])

    def ended(job: Job) -> list[Any]:
        path = Path(str((job.result or {}).get("path", "")))
        if not path.is_file():
            return []
        if job.params.get("stems"):
            return [gr.skip(), gr.skip(), gr.update(value=page.serve(path), visible=True)]
        edited = (project_folder(page.settings.projects, job.params["project"]) / PROJECT).stat().st_mtime
        words = '<p class="empty">It is from before your last edit. Press “Hear the mix” again.</p>'
        return [gr.update(value=page.serve(path), visible=True), words if edited > job.created else ""]

    page.act(play.click, hear, tab.of("project"), problem=problem)
    page.act(button.click, write, [tab.parts["project"], kind], [files], problem=export_problem, queue=True)
    when_ended(page, watch, ended, [mix, mix_words, files])

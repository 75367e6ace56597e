"""What the Timeline tab does with a project: its view, presses and drags, and the edits of its buttons.

Every function is plain: values in, updates of the tab's components out, in the order of `FIELDS`.
"""

from __future__ import annotations

import html
from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr

from angen.errors import TimelineError
from angen.files import safe_name
from angen.settings import Settings
from angen.timeline import Fade, Loaded, Project, clip_edits, edits, scan_source
from angen.timeline.storage import PROJECT, project_folder
from angen.ui import arrange
from angen.ui.choosing import required_number
from angen.ui.context import Page
from angen.ui.history import find_piece
from angen.workflows.timeline import Edit, create_project, open_project, project_names

__all__ = [
    "FIELDS", "NEW_TRACK", "drawn", "moved", "named", "new_project", "noticed", "opened", "placed", "pressed",
    "revision_now", "shaped", "split", "track_moved", "track_set", "trimmed", "view",
]  # fmt: skip

NEW_TRACK = "new"
FIELDS = (
    "lanes", "words", "seen", "chosen", "undo", "redo", "clip", "start", "to_track", "begin", "end", "fade_in",
    "fade_out", "level", "track", "track_name", "fader", "pan", "muted", "soloed", "place_track",
)  # fmt: skip
"""The components that show a project, in the order in which `view` gives their updates."""


def pressed(page: Page, name: str | None, seen: str, zoom: float, told: Any) -> list[Any]:
    """What the lanes told: a key, a drag, a click, undo or redo.

    Raises:
        ConflictError: If the project was changed meanwhile.
        TimelineError: If it is not possible.
    """
    told = told if isinstance(told, dict) else {}
    key, clip_id = str(told.get("key", "")), str(told.get("clip") or "")
    name, settings = named(name), page.settings
    if key in ("undo", "redo"):
        loaded = (arrange.undo if key == "undo" else arrange.redo)(settings, name, seen)
        return view(page, loaded, clip_id, zoom)
    if key == "choose":
        return view(page, open_project(settings, name), clip_id, zoom)
    if key == "drag":
        by, track = told.get("by"), told.get("track")
        if isinstance(by, bool) or not isinstance(by, int | float) or by != by:
            raise TimelineError(f"{by!r} is no distance.", remedy="Drag the clip again.")
        to = str(track) if track else None
        loaded = arrange.change(
            settings, name, seen, lambda project: arrange.dragged(project, clip_id, by, to), f"drag {clip_id}"
        )
        return view(page, loaded, clip_id, zoom)
    edit = arrange.keyed(open_project(settings, name).project, clip_id, key, shift=bool(told.get("shift")))
    if edit is None:
        return []
    shift = bool(told.get("shift"))

    def again(project: Project) -> Project:
        found = arrange.keyed(project, clip_id, key, shift=shift)
        assert found is not None
        return found[0]

    return view(page, arrange.change(settings, name, seen, again, f"{edit[1]} {clip_id}"), clip_id, zoom)


def view(page: Page, loaded: Loaded, chosen: str = "", zoom: float = 8.0) -> list[Any]:
    """Updates of all that shows a project, in the order of `FIELDS`."""
    project = loaded.project
    clips = [
        (arrange.clip_line(project, clip, track), clip.id) for track in project.tracks for clip in track.clips
    ]
    ids = [clip_id for _, clip_id in clips]
    chosen = chosen if chosen in ids else ids[0] if ids else ""
    tracks = [(f"{number}. {track.name}", track.id) for number, track in enumerate(project.tracks, 1)]
    history = loaded.history
    return [
        arrange.lanes_html(page.settings, loaded, chosen, zoom=zoom or 8.0), _words(loaded), arrange.revision(project),
        chosen, gr.update(interactive=history.can_undo), gr.update(interactive=history.can_redo),
        gr.update(choices=clips, value=chosen or None), *_clip_values(project, chosen, tracks),
        *_track_values(project, chosen, tracks),
        gr.update(choices=[("a new track", NEW_TRACK), *tracks]),
    ]  # fmt: skip


def _clip_values(project: Project, chosen: str, tracks: list[tuple[str, str]]) -> list[Any]:
    if not chosen:
        return ["", gr.update(choices=tracks, value=None), "", "", 0, 0, 0]
    track, clip = clip_edits.find_clip(project, chosen)
    fades = [
        0.0 if fade is None else fade.samples / project.rate_hz for fade in (clip.fade_in, clip.fade_out)
    ]
    start, end = (arrange.seconds_text(project, at) for at in (clip.start, clip.end))
    return [
        start,
        gr.update(choices=tracks, value=track.id),
        start,
        end,
        *(round(one, 3) for one in fades),
        clip.gain_db,
    ]


def _track_values(project: Project, chosen: str, tracks: list[tuple[str, str]]) -> list[Any]:
    track = next((one for one in project.tracks if any(clip.id == chosen for clip in one.clips)), None)
    track = track or (project.tracks[0] if project.tracks else None)
    if track is None:
        return [gr.update(choices=[], value=None), "", 0, 0, False, False]
    return [
        gr.update(choices=tracks, value=track.id), track.name, track.gain_db, track.pan, track.muted, track.soloed,
    ]  # fmt: skip


def _words(loaded: Loaded) -> str:
    project, history = loaded.project, loaded.history
    tempo = project.tempos[0].tempo_bpm
    metre = project.metres[0]
    length = arrange.seconds_text(project, project.length)
    last = f" Last edit: {history.steps[history.at].label}." if history.can_undo else ""
    notes = "".join(f"<br>{html.escape(one)}" for one in loaded.notes)
    return f'<p class="empty">{length} s, {tempo:g} BPM, {metre.beats}/{metre.unit}.{html.escape(last)}{notes}</p>'


def drawn(page: Page, name: str | None, clip: str, zoom: float) -> list[Any]:
    """The lanes only: the zoom has changed."""
    return (
        [arrange.lanes_html(page.settings, open_project(page.settings, named(name)), clip, zoom=zoom)]
        if name
        else []
    )


def named(name: str | None) -> str:
    """The project that is open.

    Raises:
        TimelineError: If there is none.
    """
    if not name:
        raise TimelineError(
            "There is no project open.", remedy="Name a new one above, and press “New project”."
        )
    return name


def new_project(page: Page, wanted: str, tempo: Any) -> Loaded:
    """Make a project of a name as it was typed.

    Raises:
        TimelineError: If the name or the tempo cannot be, or is taken.
    """
    name = safe_name(wanted or "", fallback="")
    if not name:
        raise TimelineError("The project has no name.", remedy="Write one, with letters or digits.")
    return create_project(page.settings, name, tempo_bpm=required_number("The tempo", tempo))


def opened(page: Page, name: str | None, seen: str, clip: str, zoom: float) -> list[Any]:
    """The tab is shown: the projects there are, and the one that was open, else the one last worked at."""
    names = project_names(page.settings)
    if not names:
        return [gr.update(choices=[], value=None)]
    if name not in names:
        folders = {one: page.settings.projects / one / PROJECT for one in names}
        name = max(names, key=lambda one: folders[one].stat().st_mtime if folders[one].is_file() else 0.0)
    choice = gr.update(choices=names, value=name)
    return [choice, *view(page, open_project(page.settings, name), clip, zoom)]


def noticed(page: Page, name: str | None, seen: str, clip: str, zoom: float) -> list[Any]:
    """Another window or program has changed the project that is shown: show it as it is now."""
    if not name or revision_now(page.settings, name) in (seen, ""):
        return []
    return view(page, open_project(page.settings, name), clip, zoom)


def revision_now(settings: Settings, name: str) -> str:
    """The revision of a project as it is on disk; "" where it cannot be read."""
    path = project_folder(settings.projects, name) / PROJECT
    try:
        state = path.stat()
    except OSError:
        return ""
    return _revision_of(str(path), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=64)
def _revision_of(path: str, changed_ns: int, size: int) -> str:
    del changed_ns, size  # they tell one state of the file from another
    try:
        return arrange.revision(Project.model_validate_json(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return ""


def placed(
    page: Page,
    name: str | None,
    seen: str,
    clip: str,
    zoom: float,
    piece_id: str | None,
    at: str,
    track: str | None,
) -> list[Any]:
    """Place a piece on a track, and choose it.

    Raises:
        AngenError: If the piece, the place or the track cannot be used.
    """
    settings, name = page.settings, named(name)
    piece = find_piece(settings, piece_id)
    loaded = open_project(settings, name)
    new_id = clip_edits.next_clip_id(loaded.project)
    source = scan_source(piece.path, relative_to=loaded.folder)

    def edit(project: Project) -> Project:
        samples, track_id = arrange.place(project, at or "0"), str(track or NEW_TRACK)
        if track_id == NEW_TRACK:
            track_id = edits.next_track_id(project)
            project = edits.add_track(project, piece.short)
        return clip_edits.place_clip(project, track_id, source, samples, name=piece.short)

    return view(page, arrange.change(settings, name, seen, edit, f"add {piece.short}"), new_id, zoom)


def moved(clip: str, start: str, track: str | None) -> Edit:
    """To another place, another track."""
    return lambda project: clip_edits.move_clip(
        project, clip, arrange.place(project, start), track_id=track or None
    )


def trimmed(clip: str, begin: str, end: str) -> Edit:
    """New edges, what is heard stays where it is."""
    return lambda project: clip_edits.trim_clip(
        project, clip, start=arrange.place(project, begin), end=arrange.place(project, end)
    )


def split(clip: str, at: str) -> Edit:
    """In two."""
    return lambda project: clip_edits.split_clip(project, clip, arrange.place(project, at))


def shaped(clip: str, fade_in: Any, fade_out: Any, level: Any) -> Edit:
    """Fades in seconds, and a level."""
    lengths = {
        "in": required_number("The fade in", fade_in),
        "out": required_number("The fade out", fade_out),
    }
    gain_db = required_number("The level", level)
    for length in lengths.values():
        if not 0 <= length <= 3600:
            raise TimelineError(f"A fade of {length:g} s is not possible.", remedy="Write 0 or more seconds.")

    def edit(project: Project) -> Project:
        for edge, length in lengths.items():
            samples = round(length * project.rate_hz)
            _, found = clip_edits.find_clip(project, clip)
            there = found.fade_in if edge == "in" else found.fade_out
            if samples != (0 if there is None else there.samples):
                fade = (
                    Fade(samples=samples, curve=there.curve if there else "equal-power") if samples else None
                )
                project = clip_edits.fade_clip(project, clip, edge, fade)  # type: ignore[arg-type]
        return clip_edits.set_clip_gain(project, clip, gain_db)

    return edit


def track_set(track: str, name: str, fader: Any, pan: Any, muted: bool, soloed: bool) -> Edit:
    """Name, fader, balance, mute and solo."""
    gain_db, balance = required_number("The fader", fader), required_number("The balance", pan)

    def edit(project: Project) -> Project:
        project = edits.rename_track(project, track, (name or "").strip())
        project = edits.set_pan(edits.set_track_gain(project, track, gain_db), track, balance)
        return edits.set_soloed(edits.set_muted(project, track, bool(muted)), track, bool(soloed))

    return edit


def track_moved(track: str, by: int) -> Edit:
    """Up (-1) or down (1) among the tracks."""

    def edit(project: Project) -> Project:
        ids = [one.id for one in project.tracks]
        edits.find_track(project, track)
        return edits.reorder_track(project, track, min(max(ids.index(track) + by, 0), len(ids) - 1))

    return edit

"""The timeline as a page needs it: edits that notice another hand, keys and drags as edits, and the lanes as HTML.

A page keeps the *revision* of the project it shows. An edit made on another revision is refused with a
`ConflictError` before anything is changed; the check and the edit are one step under the project's lock.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from angen.errors import ConflictError, TimelineError
from angen.files import locked
from angen.settings import Settings
from angen.timeline import (
    Fade,
    History,
    Loaded,
    Project,
    TempoMap,
    clip_edits,
    edits,
    load_project,
    save_project,
)
from angen.timeline.records import Clip, Track
from angen.timeline.sources import source_path
from angen.timeline.storage import project_folder, project_json
from angen.ui.waveform import peaks_of, svg_path
from angen.workflows.timeline import Edit, place_of

__all__ = [
    "KEYS", "change", "clip_line", "dragged", "keyed", "lanes_html", "place", "redo", "revision", "seconds_text",
    "undo",
]  # fmt: skip

KEYS = (
    ("Left, Right", "a beat earlier, later; with Shift a bar"),
    ("comma, full stop", "a hundredth of a second earlier, later"),
    ("Up, Down", "to the track above, below"),
    ("[ and ]", "cut a beat off the beginning, off the end; with Shift give it back"),
    ("F, G", "fade in, fade out over a bar; again for none"),
    ("D", "copy it behind itself"),
    ("Delete", "take it away"),
    ("Ctrl+Z, Ctrl+Shift+Z", "undo, redo"),
)
"""What keys do to the clip that has the focus, for the page's help."""

NUDGE_S = 0.01
_SECONDS = re.compile(r"\d+(\.\d+)?")


def revision(project: Project) -> str:
    """What tells a state of a project from every other."""
    return hashlib.sha256(project_json(project).encode()).hexdigest()[:16]


def change(settings: Settings, name: str, seen: str, edit: Edit, label: str) -> Loaded:
    """Edit a project and save it, if it is still as it was seen.

    Args:
        settings: The workspace.
        name: The project.
        seen: Its revision when it was shown.
        edit: A function from a project to a new one.
        label: The edit in a word or two, for the history.

    Raises:
        ConflictError: If it was changed meanwhile; nothing was done.
        TimelineError: If the edit is impossible; nothing has changed then.
    """
    return _step(settings, name, seen, lambda history: history.done(edit(history.project), label))


def undo(settings: Settings, name: str, seen: str) -> Loaded:
    """Take back the last edit; errors as `change`."""
    return _step(settings, name, seen, History.undone)


def redo(settings: Settings, name: str, seen: str) -> Loaded:
    """Do again what was just undone; errors as `change`."""
    return _step(settings, name, seen, History.redone)


def _step(settings: Settings, name: str, seen: str, step: Callable[[History], History]) -> Loaded:
    folder = project_folder(settings.projects, name)
    if not folder.is_dir():
        return load_project(folder)  # raises: there is none
    with locked(folder):
        loaded = load_project(folder)
        if revision(loaded.project) != seen:
            raise ConflictError(
                "This project was changed meanwhile, in another window or by another program; your edit was not done.",
                remedy="It is shown as it is now. Make your edit again.",
            )
        history = step(loaded.history)
        save_project(folder, history)
    return Loaded(history, folder, loaded.notes)


def place(project: Project, text: str) -> int:
    """A place as a musician writes it, in samples: seconds ("12.5"), "1:02.5", or bar|beat ("17|3").

    Raises:
        TimelineError: If it is none of these.
    """
    text = text.strip()
    if _SECONDS.fullmatch(text):
        text += "s"
    try:
        return place_of(project, text)
    except TimelineError as error:
        raise TimelineError(
            f"{text!r} is no place on the timeline.",
            remedy="Write seconds (12.5), 1:02.5, or bar|beat (17|3).",
        ) from error


def seconds_text(project: Project, samples: int) -> str:
    """A place or length in seconds, as `place` reads it again, to the millisecond."""
    return f"{samples / project.rate_hz:.3f}".rstrip("0").rstrip(".")


def clip_line(project: Project, clip: Clip, track: Track) -> str:
    """A clip in one line, for a list and for a screen reader."""
    start, end = (_clock(sample / project.rate_hz) for sample in (clip.start, clip.end))
    return f"{clip.name}, {start} to {end}, on {track.name}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds, 1), 60)
    return f"{int(minutes)}:{rest:04.1f}"


def keyed(project: Project, clip_id: str, key: str, *, shift: bool = False) -> tuple[Project, str] | None:
    """The project after a key was pressed on a clip, and what the edit is called; None for a key without meaning.

    Raises:
        TimelineError: If the edit is impossible.
    """
    track, clip = clip_edits.find_clip(project, clip_id)
    step = _step_of(project, clip.start, "bar" if shift else "beat")
    beat = _step_of(project, clip.start, "beat")
    nudge = max(1, round(NUDGE_S * project.rate_hz))
    moves = {"ArrowLeft": -step, "ArrowRight": step, ",": -nudge, ".": nudge}
    if key in moves:
        return clip_edits.move_clip(project, clip_id, max(0, clip.start + moves[key])), "move"
    if key in ("ArrowUp", "ArrowDown"):
        return _to_neighbour(project, track, clip, -1 if key == "ArrowUp" else 1), "to another track"
    trims: dict[str, tuple[int, int]] = {"[": (beat, 0), "{": (-beat, 0), "]": (0, -beat), "}": (0, beat)}
    if key in trims:
        return _trimmed(project, clip, *trims[key]), "trim"
    if key in ("f", "F"):
        return _faded(project, clip, "in"), "fade in"
    if key in ("g", "G"):
        return _faded(project, clip, "out"), "fade out"
    if key in ("d", "D"):
        return clip_edits.duplicate_clip(project, clip_id), "copy"
    if key in ("Delete", "Backspace"):
        return clip_edits.remove_clip(project, clip_id), "remove"
    return None


def _step_of(project: Project, at: int, grid: str) -> int:
    """Samples of a bar or a beat at a place."""
    tempo = TempoMap.of(project)
    bar = tempo.position(at).bar
    beats = 1 if grid == "bar" else tempo.metre_at(bar).beats
    return max(1, round((tempo.sample(bar + 1) - tempo.sample(bar)) / beats))


def _to_neighbour(project: Project, track: Track, clip: Clip, by: int) -> Project:
    ids = [other.id for other in project.tracks]
    index = ids.index(track.id) + by
    if index == len(ids):
        project = edits.add_track(project, f"Track {len(ids) + 1}")
        ids = [other.id for other in project.tracks]
    if index < 0:
        raise TimelineError("There is no track above.", remedy="Move it down, or move its track.")
    return clip_edits.move_clip(project, clip.id, clip.start, track_id=ids[index])


def _trimmed(project: Project, clip: Clip, start_by: int, end_by: int) -> Project:
    """A clip with its edges moved, as far as its recording and the timeline reach."""
    source = next(source for source in project.sources if source.sha256 == clip.source)
    longest = source.length_at(project.rate_hz)
    start = max(clip.start + start_by, clip.start - clip.offset, 0)
    end = min(clip.end + end_by, clip.start - clip.offset + longest)
    return clip_edits.trim_clip(project, clip.id, start=start, end=end)


def _faded(project: Project, clip: Clip, edge: str) -> Project:
    """A fade over a bar, or none where there is one."""
    side = "in" if edge == "in" else "out"
    there = clip.fade_in if side == "in" else clip.fade_out
    if there is not None and there.samples:
        return clip_edits.fade_clip(project, clip.id, side, None)  # type: ignore[arg-type]
    samples = min(_step_of(project, clip.start, "bar"), clip.length)
    return clip_edits.fade_clip(project, clip.id, side, Fade(samples=samples, curve="equal-power"))  # type: ignore[arg-type]


def dragged(project: Project, clip_id: str, by_s: float, to_track: str | None) -> Project:
    """The project after a clip was dragged: to the nearest beat, and to another track if it was let go there.

    Raises:
        TimelineError: If there is no such clip or track.
    """
    _, clip = clip_edits.find_clip(project, clip_id)
    start = max(0, clip.start + round(max(-1e6, min(1e6, by_s)) * project.rate_hz))
    if abs(by_s) * project.rate_hz < 1:  # let go on another track: its time stays
        return clip_edits.move_clip(project, clip_id, clip.start, track_id=to_track)
    start = TempoMap.of(project).snapped(start, "beat")
    return clip_edits.move_clip(project, clip_id, start, track_id=to_track)


@dataclass(frozen=True)
class _Scale:
    """How the timeline is drawn: its length in samples, so that places become percents."""

    length: int
    rate_hz: int

    def percent(self, samples: int) -> str:
        return f"{100 * samples / self.length:.4f}%"


def lanes_html(settings: Settings, loaded: Loaded, chosen: str = "", *, zoom: float = 8.0) -> str:
    """The lanes of a project: a ruler, a row for each track, a button for each clip.

    Args:
        settings: The workspace, whose cache keeps the waveforms.
        loaded: The project.
        chosen: Id of the clip that is chosen.
        zoom: Least pixels a second; a short project fills the width anyway.
    """
    project = loaded.project
    if not project.tracks:
        return (
            '<p class="empty">Nothing is here yet. Choose music under “Add music” and press Place; '
            "it gets a track of its own.</p>"
        )
    bar = _step_of(project, 0, "bar")
    scale = _Scale(max(project.length, 1) + bar, project.rate_hz)
    width = max(0, round(scale.length / project.rate_hz * zoom))
    rows = "".join(_lane(settings, loaded, track, scale, chosen) for track in project.tracks)
    name = html.escape(project.name, quote=True)
    return (
        f'<div class="lanes" role="group" aria-label="Timeline of {name}" '
        f'data-seconds="{scale.length / project.rate_hz:.4f}">'
        f'<div class="lanes-scroll" tabindex="0" role="region" aria-label="Lanes, scroll sideways">'
        f'<div class="lanes-body" style="min-width:{width}px">{_ruler(project, scale, width)}{rows}</div></div></div>'
    )


def _ruler(project: Project, scale: _Scale, width: int) -> str:
    """Numbers of bars, as many as there is room for."""
    grid = TempoMap.of(project)
    bars = grid.position(scale.length).bar
    most = max(4, min(12, width // 60) if width > 720 else 8)
    every = next(step for step in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 10**9) if bars / step <= most)
    marks = []
    for number in range(1, bars + 1, every):
        at = grid.sample(number)
        if at < scale.length:
            marks.append(f'<span style="left:{scale.percent(at)}">{number}</span>')
    return (
        '<div class="lane ruler" aria-hidden="true"><div class="lane-name">bar</div>'
        f'<div class="lane-clips">{"".join(marks)}</div></div>'
    )


def _lane(settings: Settings, loaded: Loaded, track: Track, scale: _Scale, chosen: str) -> str:
    project = loaded.project
    state = [word for word, holds in (("muted", track.muted), ("solo", track.soloed)) if holds]
    state += [f"{track.gain_db:+g} dB"] if track.gain_db else []
    soloed = any(other.soloed for other in project.tracks)
    silent = track.muted or (soloed and not track.soloed)
    draw = partial(_clip, settings, loaded, track, scale, chosen)
    words = f'<span class="lane-state">{html.escape(", ".join(state))}</span>' if state else ""
    return (
        f'<div class="lane{" silent" if silent else ""}" data-track="{track.id}">'
        f'<div class="lane-name">{html.escape(track.name)}{words}</div>'
        f'<div class="lane-clips">{"".join(draw(clip) for clip in track.clips)}</div></div>'
    )


def _clip(settings: Settings, loaded: Loaded, track: Track, scale: _Scale, chosen: str, clip: Clip) -> str:
    project = loaded.project
    source = next(source for source in project.sources if source.sha256 == clip.source)
    peaks = peaks_of(settings, source_path(source, loaded.folder))
    first, last = clip.offset / project.rate_hz, (clip.offset + clip.length) / project.rate_hz
    path = svg_path(peaks, first, last)
    wide = path.count(" L") // 2 + 1
    fades = "".join(
        f'<span class="fade {side}" style="width:{100 * min(fade.samples, clip.length) / clip.length:.3f}%"></span>'
        for side, fade in (("in", clip.fade_in), ("out", clip.fade_out))
        if fade is not None and fade.samples
    )
    line = html.escape(clip_line(project, clip, track), quote=True)
    place_css = f"left:{scale.percent(clip.start)};width:{scale.percent(clip.length)}"
    drawing = (
        f'<svg viewBox="0 0 {wide} 40" preserveAspectRatio="none" aria-hidden="true"><path d="{path}"/></svg>'
        if path
        else '<span class="missing">recording not found</span>'
    )
    return (
        f'<button type="button" class="clip{" chosen" if clip.id == chosen else ""}" data-clip="{clip.id}" '
        f'aria-pressed="{"true" if clip.id == chosen else "false"}" aria-label="{line}" title="{line}" '
        f'style="{place_css}">{drawing}{fades}<span class="clip-name">{html.escape(clip.name)}</span></button>'
    )

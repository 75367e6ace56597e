"""Projects of the workspace by name: opened, edited and saved at once, rendered, exported.

There is no save button: an edit is not done before it is on disk, and every edit can be undone. Edits of one project
by several processes wait for each other.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from angen.errors import TimelineError
from angen.files import atomic_path, locked, safe_name
from angen.progress import ProgressCallback, no_progress
from angen.settings import Settings
from angen.timeline import (
    History,
    Loaded,
    MetreChange,
    OpenSources,
    Project,
    TempoChange,
    TempoMap,
    clip_edits,
    edits,
    load_project,
    parse_place,
    recover_project,
    save_project,
    scan_source,
    source_problems,
)
from angen.timeline.dawproject import write_dawproject
from angen.timeline.labels import write_labels, write_midi
from angen.timeline.reaper import write_reaper
from angen.timeline.records import Source, Track
from angen.timeline.sources import SourceProblem, source_path
from angen.timeline.storage import list_projects, project_folder
from angen.timeline.waves import Rendered, ShouldStop, never, write_mix, write_stems

Edit = Callable[[Project], Project]
ExportKind = Literal["stems", "dawproject", "reaper", "labels", "midi"]
SUFFIXES: dict[ExportKind, str] = {
    "stems": ".zip",
    "dawproject": ".dawproject",
    "reaper": ".rpp",
    "labels": ".txt",
    "midi": ".mid",
}


@dataclass(frozen=True)
class Placement:
    """Where a recording goes.

    Attributes:
        track: Id or name of a track; None is a new one, named after the file. An unknown name makes a track.
        at: Its place, as `parse_place` reads it.
        offset: What of its beginning is left out, likewise.
        length: How much of it sounds, likewise; None is all.
        copy: Whether the file is copied into the project's folder; otherwise it is used where it is.
    """

    track: str | None = None
    at: str = "0"
    offset: str = "0"
    length: str | None = None
    copy: bool = False


def create_project(
    settings: Settings,
    name: str,
    *,
    rate_hz: int = 44_100,
    tempo_bpm: float = 120.0,
    beats: int = 4,
    unit: int = 4,
) -> Loaded:
    """Make an empty project.

    Raises:
        TimelineError: If the name is taken or none, or a value is out of range.
    """
    folder = project_folder(settings.projects, name)
    project = edits.made(
        Project,
        name=name,
        rate_hz=rate_hz,
        tempos=(edits.made(TempoChange, tempo_bpm=tempo_bpm),),
        metres=(edits.made(MetreChange, beats=beats, unit=unit),),
    )
    if folder.exists() and any(entry.name != ".lock" for entry in folder.iterdir()):
        raise TimelineError(
            f"There is something at {str(folder)!r} already.",
            remedy="Choose another name, or delete that folder.",
        )
    with locked(folder):
        save_project(folder, History.of(project))
    return load_project(folder)


def open_project(settings: Settings, name: str) -> Loaded:
    """A project by its name. Recordings that are missing do not matter here: see `project_problems`.

    Raises:
        TimelineError: If there is none, or it is damaged.
    """
    return load_project(project_folder(settings.projects, name))


def project_names(settings: Settings) -> list[str]:
    """Names of the projects of the workspace."""
    return list_projects(settings.projects)


def project_problems(loaded: Loaded) -> tuple[SourceProblem, ...]:
    """Recordings of a project that are missing or changed."""
    return source_problems(loaded.project, loaded.folder)


def edit_project(settings: Settings, name: str, edit: Edit, label: str) -> Loaded:
    """Edit a project and save it.

    Args:
        settings: The workspace.
        name: The project.
        edit: A function from a project to a new one.
        label: The edit in a word or two, for the history.

    Raises:
        TimelineError: If the edit is impossible; nothing has changed then.
    """
    return _step(settings, name, lambda history: history.done(edit(history.project), label))


def undo_edit(settings: Settings, name: str) -> Loaded:
    """Take back the last edit."""
    return _step(settings, name, History.undone)


def redo_edit(settings: Settings, name: str) -> Loaded:
    """Do again what was just undone."""
    return _step(settings, name, History.redone)


def recover(settings: Settings, name: str) -> Loaded:
    """Go back to the last good copy of a damaged project."""
    folder = project_folder(settings.projects, name)
    if not folder.is_dir():
        return load_project(folder)  # raises: there is none
    with locked(folder):
        return recover_project(folder)


def _step(settings: Settings, name: str, step: Callable[[History], History]) -> Loaded:
    folder = project_folder(settings.projects, name)
    if not folder.is_dir():
        return load_project(folder)  # raises: there is none
    with locked(folder):
        loaded = load_project(folder)
        history = step(loaded.history)
        save_project(folder, history)
    return Loaded(history, folder, loaded.notes)


def add_recording(settings: Settings, name: str, file: Path, placement: Placement | None = None) -> Loaded:
    """Place a recording on a track.

    Raises:
        AudioError: If the file cannot be used.
        TimelineError: If the place or the track cannot.
    """
    placement = placement or Placement()
    source = _source(open_project(settings, name).folder, file, copy=placement.copy)

    def place(project: Project) -> Project:
        project, track_id = _track_for(project, placement.track, file)
        return clip_edits.place_clip(
            project,
            track_id,
            source,
            place_of(project, placement.at),
            name=_label(file),
            offset=place_of(project, placement.offset),
            length=None if placement.length is None else place_of(project, placement.length),
        )

    return edit_project(settings, name, place, f"add {_label(file)}")


def relink_recording(settings: Settings, name: str, sha256: str, file: Path) -> Loaded:
    """Let all clips of a recording play another file."""
    source = _source(open_project(settings, name).folder, file, copy=False)
    return edit_project(
        settings, name, lambda project: clip_edits.relink_source(project, sha256, source), "relink"
    )


def place_of(project: Project, text: str) -> int:
    """A place of the project's timeline as a person writes it, in samples."""
    return parse_place(text, TempoMap.of(project), project.rate_hz)


def track_of(project: Project, text: str) -> Track:
    """A track by its id, or by its name where only one has it."""
    named = [track for track in project.tracks if track.name == text]
    if len(named) == 1 and all(track.id != text for track in project.tracks):
        return named[0]
    return edits.find_track(project, text)


def render_project(
    settings: Settings,
    name: str,
    out: Path | None = None,
    *,
    start: str = "0",
    stop: str | None = None,
    bit_depth: int = 24,
    on_progress: ProgressCallback = no_progress,
    should_stop: ShouldStop = never,
) -> Rendered:
    """Render the mix of a project to a WAV.

    Args:
        settings: The workspace.
        name: The project.
        out: The file; None is `renders/NAME.wav` in the project's folder.
        start: Where to begin, as `parse_place` reads it.
        stop: Where to end; None is the end of the last clip.
        bit_depth: 16, 24 or 32.
        on_progress: Told of decoding and rendering.
        should_stop: Asked now and then.
    """
    loaded = open_project(settings, name)
    project = loaded.project
    target = _checked_target(loaded, out or loaded.folder / "renders" / f"{name}.wav")
    with _sources(settings, loaded, on_progress) as read:
        return write_mix(
            project,
            read,
            target,
            start=place_of(project, start),
            stop=None if stop is None else place_of(project, stop),
            bit_depth=bit_depth,
            on_progress=on_progress,
            should_stop=should_stop,
        )


def export_project(
    settings: Settings,
    name: str,
    kind: ExportKind,
    out: Path | None = None,
    *,
    bit_depth: int = 32,
    on_progress: ProgressCallback = no_progress,
    should_stop: ShouldStop = never,
) -> Path:
    """Write a project for another program.

    Args:
        settings: The workspace.
        name: The project.
        kind: "stems" (zip of WAVs), "dawproject", "reaper", "labels" (Audacity), or "midi" (tempo, markers).
        out: The file; None is `exports/NAME` with the right suffix in the project's folder.
        bit_depth: Of the stems: 16, 24 or 32.
        on_progress: Told of decoding and rendering.
        should_stop: Asked now and then.

    Returns:
        The file that was written.
    """
    loaded = open_project(settings, name)
    project, folder = loaded.project, loaded.folder
    target = _checked_target(loaded, out or folder / "exports" / f"{name}{SUFFIXES[kind]}")
    if kind == "dawproject":
        return write_dawproject(project, folder, target)
    if kind == "reaper":
        return write_reaper(project, folder, target)
    if kind == "labels":
        return write_labels(project, target)
    if kind == "midi":
        return write_midi(project, target)
    with _sources(settings, loaded, on_progress) as read:
        write_stems(
            project, read, target, bit_depth=bit_depth, on_progress=on_progress, should_stop=should_stop
        )
    return target


def project_record(loaded: Loaded) -> dict[str, Any]:
    """A project as a record for machines: where it is, what can be undone, and all of it."""
    history = loaded.history
    return {
        "folder": str(loaded.folder),
        "length_samples": loaded.project.length,
        "undo": history.steps[history.at].label if history.can_undo else None,
        "redo": history.steps[history.at + 1].label if history.can_redo else None,
        "notes": list(loaded.notes),
        "project": loaded.project.model_dump(mode="json"),
    }


def _sources(settings: Settings, loaded: Loaded, on_progress: ProgressCallback) -> OpenSources:
    return OpenSources(loaded.project, loaded.folder, settings.cache / "timeline", on_progress=on_progress)


def _checked_target(loaded: Loaded, target: Path) -> Path:
    """A place to write to that is none of the project's recordings."""
    recordings = [source_path(source, loaded.folder) for source in loaded.project.sources]
    if target.resolve() in [path.resolve() for path in recordings]:
        raise TimelineError(
            f"{str(target)!r} is a recording of this project; it is not overwritten.",
            remedy="Choose another name.",
        )
    return target


def _source(folder: Path, file: Path, *, copy: bool) -> Source:
    """A recording scanned, and copied into the project's folder if that is wanted."""
    source = scan_source(file, relative_to=folder)
    if not copy or not Path(source.path).is_absolute():
        return source
    target = folder / "audio" / f"{source.sha256[:8]}-{safe_name(file.stem)}{file.suffix.lower()}"
    if not target.exists():
        with atomic_path(target) as temporary:
            shutil.copyfile(file.expanduser(), temporary)
    return scan_source(target, relative_to=folder)


def _track_for(project: Project, text: str | None, file: Path) -> tuple[Project, str]:
    """The track that is meant, made if need be."""
    if text is not None and any(text in (track.id, track.name) for track in project.tracks):
        return project, track_of(project, text).id
    new = edits.next_track_id(project)
    return edits.add_track(project, _label(file) if text is None else text), new


def _label(file: Path) -> str:
    """A name of a file that a record takes."""
    return (
        "".join(letter if letter.isprintable() else " " for letter in file.stem)[:200].strip() or "untitled"
    )

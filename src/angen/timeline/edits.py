"""Edits of tracks, tempo, markers and sections: pure functions from a project to a new one.

An edit either gives a valid project or raises `TimelineError` and changes nothing. Clips have their own file,
`clip_edits`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from angen.errors import TimelineError
from angen.timeline.records import Marker, MetreChange, Project, Section, Source, TempoChange, Track

Record = TypeVar("Record", bound=BaseModel)


def changed(record: Record, **values: Any) -> Record:
    """A record with some values replaced, checked as a whole.

    Raises:
        TimelineError: If the result is not valid; it names the field.
    """
    return made(type(record), **{**dict(record), **values})


def made(kind: type[Record], **values: Any) -> Record:
    """A new record.

    Raises:
        TimelineError: If a value is out of range; it names the field.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise TimelineError(
            f"This edit is not possible: {first_problem(error)}.", remedy="Check the values of the edit."
        ) from error


def first_problem(error: ValidationError) -> str:
    """Where a record is wrong and how, in one line: `tracks[0].clips[2].length: should be ...`."""
    problem = error.errors(include_url=False)[0]
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"]).lstrip(
        "."
    )
    what = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{where}: {what}" if where else what


def find_track(project: Project, track_id: str) -> Track:
    """A track by its id.

    Raises:
        TimelineError: If there is none.
    """
    for track in project.tracks:
        if track.id == track_id:
            return track
    known = ", ".join(f"{track.id} ({track.name})" for track in project.tracks)
    raise TimelineError(
        f"There is no track {track_id!r}.", remedy=f"Tracks: {known}." if known else "Add a track first."
    )


def with_tracks(project: Project, tracks: Iterable[Track], sources: Iterable[Source] = ()) -> Project:
    """The project with other tracks, and with exactly the sources that their clips play.

    Args:
        project: The project.
        tracks: All of its tracks.
        sources: Recordings it may not know yet.
    """
    tracks = tuple(tracks)
    used = {clip.source for track in tracks for clip in track.clips}
    known = {source.sha256: source for source in (*project.sources, *sources)}
    kept = tuple(source for sha256, source in sorted(known.items()) if sha256 in used)
    return changed(project, tracks=tracks, sources=kept)


def with_track(project: Project, track_id: str, edit: Callable[[Track], Track]) -> Project:
    """The project with one track edited."""
    find_track(project, track_id)
    return with_tracks(project, (edit(track) if track.id == track_id else track for track in project.tracks))


def next_id(prefix: str, ids: Iterable[str]) -> str:
    """The first id of the form `t1`, `t2` after all that are used."""
    numbers = [int(name[1:]) for name in ids if name[:1] == prefix and name[1:].isdigit()]
    return f"{prefix}{max(numbers, default=0) + 1}"


def next_track_id(project: Project) -> str:
    """The id that the next new track will have."""
    return next_id("t", (track.id for track in project.tracks))


def add_track(project: Project, name: str, *, index: int | None = None) -> Project:
    """Add an empty track, at the bottom or at a place among the others."""
    track = made(Track, id=next_track_id(project), name=name)
    tracks = list(project.tracks)
    tracks.insert(len(tracks) if index is None else _place_among(tracks, index), track)
    return with_tracks(project, tracks)


def remove_track(project: Project, track_id: str) -> Project:
    """Remove a track with its clips."""
    gone = find_track(project, track_id)
    return with_tracks(project, (track for track in project.tracks if track is not gone))


def rename_track(project: Project, track_id: str, name: str) -> Project:
    """Give a track another name."""
    return with_track(project, track_id, lambda track: changed(track, name=name))


def reorder_track(project: Project, track_id: str, index: int) -> Project:
    """Move a track to another place among the tracks; 0 is the top."""
    track = find_track(project, track_id)
    tracks = [other for other in project.tracks if other is not track]
    tracks.insert(_place_among(tracks, index), track)
    return with_tracks(project, tracks)


def _place_among(tracks: list[Track], index: int) -> int:
    if not 0 <= index <= len(tracks):
        raise TimelineError(
            f"There is no place {index} among the tracks.", remedy=f"Give 0 to {len(tracks)}."
        )
    return index


def set_track_gain(project: Project, track_id: str, gain_db: float) -> Project:
    """Set a track's fader."""
    return with_track(project, track_id, lambda track: changed(track, gain_db=gain_db))


def set_pan(project: Project, track_id: str, pan: float) -> Project:
    """Set a track's balance, -1 (left) to 1 (right)."""
    return with_track(project, track_id, lambda track: changed(track, pan=pan))


def set_muted(project: Project, track_id: str, muted: bool = True) -> Project:
    """Mute a track, or let it be heard."""
    return with_track(project, track_id, lambda track: changed(track, muted=muted))


def set_soloed(project: Project, track_id: str, soloed: bool = True) -> Project:
    """Solo a track, or end its solo."""
    return with_track(project, track_id, lambda track: changed(track, soloed=soloed))


def set_master_gain(project: Project, gain_db: float) -> Project:
    """Set the master fader."""
    return changed(project, gain_db=gain_db)


def set_tempo(project: Project, tempo_bpm: float, *, bar: int = 1, beat: int = 1) -> Project:
    """Set the tempo from a beat on, until the next change. Clips stay at their samples; the grid moves."""
    new = made(TempoChange, bar=bar, beat=beat, tempo_bpm=tempo_bpm)
    others = [tempo for tempo in project.tempos if (tempo.bar, tempo.beat) != (bar, beat)]
    return changed(project, tempos=tuple(sorted([*others, new], key=lambda tempo: (tempo.bar, tempo.beat))))


def remove_tempo(project: Project, *, bar: int, beat: int = 1) -> Project:
    """Remove a change of tempo. The first stays."""
    kept = tuple(tempo for tempo in project.tempos if (tempo.bar, tempo.beat) != (bar, beat))
    if len(kept) == len(project.tempos) or (bar, beat) == (1, 1):
        raise TimelineError(
            f"There is no change of tempo to remove at bar {bar}, beat {beat}.",
            remedy="The tempo at bar 1, beat 1 stays; set another one there.",
        )
    return changed(project, tempos=kept)


def set_metre(project: Project, beats: int, unit: int, *, bar: int = 1) -> Project:
    """Set the metre from a bar on, until the next change."""
    new = made(MetreChange, bar=bar, beats=beats, unit=unit)
    others = [metre for metre in project.metres if metre.bar != bar]
    return changed(project, metres=tuple(sorted([*others, new], key=lambda metre: metre.bar)))


def remove_metre(project: Project, *, bar: int) -> Project:
    """Remove a change of metre. The first stays."""
    kept = tuple(metre for metre in project.metres if metre.bar != bar)
    if len(kept) == len(project.metres) or bar == 1:
        raise TimelineError(
            f"There is no change of metre to remove at bar {bar}.", remedy="The metre of bar 1 stays."
        )
    return changed(project, metres=kept)


def add_marker(project: Project, name: str, at: int) -> Project:
    """Name a place."""
    markers = [*project.markers, made(Marker, at=at, name=name)]
    return changed(project, markers=tuple(sorted(markers, key=lambda marker: marker.at)))


def remove_marker(project: Project, name: str) -> Project:
    """Remove the markers of that name."""
    kept = tuple(marker for marker in project.markers if marker.name != name)
    if len(kept) == len(project.markers):
        raise TimelineError(f"There is no marker {name!r}.", remedy="Names are written exactly.")
    return changed(project, markers=kept)


def add_section(project: Project, name: str, start: int, end: int) -> Project:
    """Name a stretch."""
    sections = [*project.sections, made(Section, start=start, end=end, name=name)]
    return changed(project, sections=tuple(sorted(sections, key=lambda section: section.start)))


def remove_section(project: Project, name: str) -> Project:
    """Remove the sections of that name."""
    kept = tuple(section for section in project.sections if section.name != name)
    if len(kept) == len(project.sections):
        raise TimelineError(f"There is no section {name!r}.", remedy="Names are written exactly.")
    return changed(project, sections=kept)

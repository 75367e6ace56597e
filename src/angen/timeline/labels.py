"""Small exchange formats: Audacity labels, and a MIDI file with the tempo map and the markers."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import mido

from angen.errors import TimelineError
from angen.files import atomic_path, write_text
from angen.timeline.records import Project
from angen.timeline.tempo import TempoMap

TICKS_PER_QUARTER = 960
MOST_TICKS = 2**28 - 1  # a time in a MIDI file has at most 28 bits


def write_labels(project: Project, path: Path) -> Path:
    """Write markers and sections as an Audacity label track: start, end, name, by tabs, in seconds.

    Raises:
        TimelineError: If the name does not end in `.txt`.
    """
    if path.suffix.lower() != ".txt":
        raise TimelineError(f"{str(path)!r} is no .txt.", remedy="End its name in .txt.")
    write_text(path, labels_text(project))
    return path


def labels_text(project: Project) -> str:
    """The lines of the label track, by time. A marker's end is its start."""
    places = [(marker.at, marker.at, marker.name) for marker in project.markers]
    places += [(section.start, section.end, section.name) for section in project.sections]
    return "".join(
        f"{start / project.rate_hz:.9f}\t{end / project.rate_hz:.9f}\t{name}\n"
        for start, end, name in sorted(places)
    )


def write_midi(project: Project, path: Path) -> Path:
    """Write the tempo map, the metres, the markers and the beginnings of sections as a MIDI file.

    MIDI holds a quarter note in whole microseconds and a place in ticks (960 a quarter), so places are right to
    half a tick and tempo to a millionth.

    Raises:
        TimelineError: If the name does not end in `.mid`, or something stands later than MIDI can say.
    """
    if path.suffix.lower() not in (".mid", ".midi"):
        raise TimelineError(f"{str(path)!r} is no .mid.", remedy="End its name in .mid.")
    with atomic_path(path) as temporary:
        midi_file(project).save(temporary)
    return path


def midi_file(project: Project) -> mido.MidiFile:
    """The MIDI file, of one track with nothing but meta events."""
    grid = TempoMap.of(project)
    events: list[tuple[int, mido.MetaMessage]] = [(0, mido.MetaMessage("track_name", name=project.name))]
    for metre in project.metres:
        message = mido.MetaMessage("time_signature", numerator=metre.beats, denominator=metre.unit)
        events.append((_ticks(grid.quarter(metre.bar)), message))
    for tempo in project.tempos:
        message = mido.MetaMessage("set_tempo", tempo=round(60e6 / tempo.tempo_bpm))
        events.append((_ticks(grid.quarter(tempo.bar, tempo.beat)), message))
    for at, name in [(mark.at, mark.name) for mark in project.markers] + [
        (section.start, section.name) for section in project.sections
    ]:
        events.append((_ticks(grid.quarter_of(at)), mido.MetaMessage("marker", text=name)))
    end = _ticks(grid.quarter_of(project.length))
    track, now = mido.MidiTrack(), 0
    for at, message in sorted(events, key=lambda event: event[0]):
        track.append(message.copy(time=at - now))
        now = at
    track.append(mido.MetaMessage("end_of_track", time=max(0, end - now)))
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_QUARTER, charset="utf-8")
    file.tracks.append(track)
    return file


def _ticks(quarter: Fraction) -> int:
    ticks = round(quarter * TICKS_PER_QUARTER)
    if ticks > MOST_TICKS:
        raise TimelineError(
            f"Quarter note {float(quarter):.0f} is later than a MIDI file can say.",
            remedy="Export the markers as labels instead.",
        )
    return ticks

"""Reaper projects (`.rpp`): text that Reaper opens, with the recordings where they are.

Facts of the format: a block opens with `<NAME` and closes with `>` on its own line; item times are seconds; volume
is a factor; the first number of a fade is its curve (0 linear, 1 fast start, 4 steep); a region is two MARKER lines
of one number, its end without a name; a tempo point holds its metre as 65536 x lower + upper number, and shape 1
means that the tempo stays until the next point. Sources: Cockos wiki and ReaTeam's "State Chunk Definitions".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from angen.errors import TimelineError
from angen.files import write_text
from angen.timeline.fades import clip_fades
from angen.timeline.records import Clip, Curve, Fade, Project, Track
from angen.timeline.rendering import amplitude
from angen.timeline.sources import check_sources, source_path
from angen.timeline.tempo import TempoMap

CURVES: dict[Curve, int] = {"linear": 0, "equal-power": 1, "exponential": 4}
READERS = {".mp3": "MP3", ".flac": "FLAC", ".ogg": "VORBIS", ".oga": "VORBIS", ".opus": "VORBIS"}


def write_reaper(project: Project, folder: Path, path: Path) -> Path:
    """Write a project as `.rpp`. Recordings in its folder or below are named relative to it.

    Args:
        project: What to write.
        folder: The project's folder, where relative paths of recordings begin.
        path: The file, ending in `.rpp`.

    Raises:
        TimelineError: If a recording is missing or changed, or the name has another suffix.
    """
    if path.suffix.lower() != ".rpp":
        raise TimelineError(f"{str(path)!r} is no .rpp.", remedy="End its name in .rpp.")
    check_sources(project, folder)
    beside = path.parent.absolute()
    files = {}
    for source in project.sources:
        file = source_path(source, folder).absolute()
        files[source.sha256] = str(file.relative_to(beside)) if file.is_relative_to(beside) else str(file)
    write_text(path, reaper_text(project, files))
    return path


def reaper_text(project: Project, files: dict[str, str]) -> str:
    """The text of the project; `files` names each recording's file by its hash."""
    return "\n".join(_indented(_project_lines(project, files))) + "\n"


def _indented(lines: Iterator[str]) -> Iterator[str]:
    depth = 0
    for line in lines:
        if line == ">":
            depth -= 1
        yield "  " * depth + line
        if line.startswith("<"):
            depth += 1


def _project_lines(project: Project, files: dict[str, str]) -> Iterator[str]:
    rate_hz, tempo, metre = project.rate_hz, project.tempos[0], project.metres[0]
    yield '<REAPER_PROJECT 0.1 "6.0" 0'
    yield "PANLAW 1"
    yield f"SAMPLERATE {rate_hz} 1 0"
    yield f"TEMPO {tempo.tempo_bpm!r} {metre.beats} {metre.unit}"
    yield f"MASTER_VOLUME {amplitude(project.gain_db)!r} 0 -1 -1 1"
    yield from _grid_lines(project)
    number = 0
    for marker in project.markers:
        number += 1
        yield f"MARKER {number} {_seconds(marker.at, rate_hz)} {_quoted(marker.name)} 0"
    for section in project.sections:
        number += 1
        yield f"MARKER {number} {_seconds(section.start, rate_hz)} {_quoted(section.name)} 1"
        yield f'MARKER {number} {_seconds(section.end, rate_hz)} "" 1'
    for track in project.tracks:
        yield from _track_lines(track, rate_hz, files)
    yield ">"


def _grid_lines(project: Project) -> Iterator[str]:
    """Points of tempo and metre; a change of metre alone is a point with the tempo that holds."""
    grid = TempoMap.of(project)
    tempos = {grid.quarter(tempo.bar, tempo.beat): tempo.tempo_bpm for tempo in project.tempos}
    metres = {grid.quarter(metre.bar): 65536 * metre.unit + metre.beats for metre in project.metres}
    yield "<TEMPOENVEX"
    yield "ACT 1 -1"
    yield "DEFSHAPE 1 -1 -1"
    tempo_bpm = project.tempos[0].tempo_bpm
    for quarter in sorted({*tempos, *metres}):
        tempo_bpm = tempos.get(quarter, tempo_bpm)
        at = _seconds(round(grid.sample_of(quarter)), project.rate_hz)
        metre = f" {metres[quarter]}" if quarter in metres else ""
        yield f"PT {at} {tempo_bpm!r} 1{metre}"
    yield ">"


def _track_lines(track: Track, rate_hz: int, files: dict[str, str]) -> Iterator[str]:
    yield f"<TRACK {_guid(track.id)}"
    yield f"NAME {_quoted(track.name)}"
    yield f"VOLPAN {amplitude(track.gain_db)!r} {track.pan!r} -1 -1 1"
    yield f"MUTESOLO {int(track.muted)} {int(track.soloed)} 0"
    yield "NCHAN 2"
    yield f"TRACKID {_guid(track.id)}"
    yield "MAINSEND 1 0"
    fades = clip_fades(track.clips)
    for clip in track.clips:
        yield from _item_lines(clip, fades[clip.id], rate_hz, files[clip.source])
    yield ">"


def _item_lines(clip: Clip, fades: tuple[Fade, Fade], rate_hz: int, file: str) -> Iterator[str]:
    yield "<ITEM"
    yield f"POSITION {_seconds(clip.start, rate_hz)}"
    yield f"LENGTH {_seconds(clip.length, rate_hz)}"
    yield "LOOP 0"
    for word, fade in zip(("FADEIN", "FADEOUT"), fades, strict=True):
        yield f"{word} {CURVES[fade.curve]} {_seconds(fade.samples - fade.skipped, rate_hz)} 0"
    yield "MUTE 0 0"
    yield f"IGUID {_guid(clip.id)}"
    yield f"NAME {_quoted(clip.name)}"
    yield f"VOLPAN {amplitude(clip.gain_db)!r} 0 1 -1"
    yield f"SOFFS {_seconds(clip.offset, rate_hz)}"
    yield "PLAYRATE 1 1 0 -1 0 0.0025"
    yield "CHANMODE 0"
    yield f"<SOURCE {READERS.get(Path(file).suffix.lower(), 'WAVE')}"
    yield f"FILE {_quoted(file)}"
    yield ">"
    yield ">"


def _seconds(samples: int, rate_hz: int) -> str:
    return f"{samples / rate_hz:.14f}"


def _guid(name: str) -> str:
    """The same id for the same object: the same project gives the same text."""
    return f"{{{str(uuid5(NAMESPACE_URL, f'angen:{name}')).upper()}}}"


def _quoted(text: str) -> str:
    """Text in the first of the three kinds of quotes that it does not hold."""
    for quote in ('"', "'", "`"):
        if quote not in text:
            return f"{quote}{text}{quote}"
    return "`" + text.replace("`", "'") + "`"

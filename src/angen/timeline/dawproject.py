"""`.dawproject`: the open exchange format of music programs. A zip of `project.xml`, `metadata.xml` and the audio.

Facts of the format are from its published schema (bitwig/dawproject, version 1.0): the order of elements, the
units, and that an object another one points at has an `id`. Clips stand in seconds, tempo and metre in quarter
notes. The recordings go in as they are; trims, gains and fade lengths travel, fade curves do not.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from xml.etree import ElementTree as Xml

from angen import __version__
from angen.errors import TimelineError
from angen.files import atomic_path, safe_name
from angen.timeline.fades import clip_fades
from angen.timeline.records import Clip, Fade, Project, Source, Track
from angen.timeline.rendering import amplitude
from angen.timeline.sources import check_sources, source_path
from angen.timeline.tempo import TempoMap
from angen.timeline.waves import add_files, add_text

TEMPO_ID, METRE_ID, MASTER_ID = "tempo", "metre", "master"


def write_dawproject(project: Project, folder: Path, path: Path) -> Path:
    """Write a project as `.dawproject`, with all of its recordings.

    Args:
        project: What to write.
        folder: The project's folder, where relative paths of recordings begin.
        path: The file, ending in `.dawproject`.

    Raises:
        TimelineError: If a recording is missing or changed, or the name has another suffix.
    """
    if path.suffix.lower() != ".dawproject":
        raise TimelineError(f"{str(path)!r} is no .dawproject.", remedy="End its name in .dawproject.")
    check_sources(project, folder)
    names = _audio_names(project)
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        add_text(archive, "project.xml", project_xml(project))
        add_text(archive, "metadata.xml", metadata_xml(project))
        add_files(
            archive, [(source_path(source, folder), names[source.sha256]) for source in project.sources]
        )
    return path


def metadata_xml(project: Project) -> str:
    """The text of `metadata.xml`."""
    root = Xml.Element("MetaData")
    Xml.SubElement(root, "Title").text = project.name
    Xml.SubElement(root, "Comment").text = "Made with Angen."
    return _text(root)


def project_xml(project: Project) -> str:
    """The text of `project.xml`."""
    root = Xml.Element("Project", version="1.0")
    Xml.SubElement(root, "Application", name="Angen", version=__version__)
    transport = Xml.SubElement(root, "Transport")
    tempo, metre = project.tempos[0], project.metres[0]
    Xml.SubElement(transport, "Tempo", id=TEMPO_ID, unit="bpm", value=_number(tempo.tempo_bpm))
    Xml.SubElement(
        transport, "TimeSignature", id=METRE_ID, numerator=str(metre.beats), denominator=str(metre.unit)
    )
    structure = Xml.SubElement(root, "Structure")
    for track in project.tracks:
        _add_track(structure, track)
    _add_master(structure, project)
    arrangement = Xml.SubElement(root, "Arrangement", id="arrangement")
    lanes = Xml.SubElement(arrangement, "Lanes", id="lanes", timeUnit="seconds")
    for track in project.tracks:
        _add_clips(lanes, project, track)
    _add_markers(arrangement, project)
    _add_grid(arrangement, project)
    return _text(root)


def _add_track(structure: Xml.Element, track: Track) -> None:
    element = Xml.SubElement(
        structure, "Track", contentType="audio", loaded="true", id=track.id, name=track.name
    )
    channel = Xml.SubElement(
        element,
        "Channel",
        audioChannels="2",
        destination=MASTER_ID,
        role="regular",
        solo=_flag(track.soloed),
        id=f"{track.id}-channel",
    )
    _add_mixer(channel, track.id, track.muted, track.pan, track.gain_db)


def _add_master(structure: Xml.Element, project: Project) -> None:
    element = Xml.SubElement(
        structure, "Track", contentType="audio", loaded="true", id="master-track", name="Master"
    )
    channel = Xml.SubElement(element, "Channel", audioChannels="2", role="master", id=MASTER_ID)
    _add_mixer(channel, MASTER_ID, False, 0.0, project.gain_db)


def _add_mixer(channel: Xml.Element, owner: str, muted: bool, pan: float, gain_db: float) -> None:
    """Mute, pan and volume, in the order of the schema. Pan is 0 (left) to 1, volume a factor."""
    Xml.SubElement(channel, "Mute", id=f"{owner}-mute", name="Mute", value=_flag(muted))
    Xml.SubElement(
        channel,
        "Pan",
        id=f"{owner}-pan",
        name="Pan",
        unit="normalized",
        min="0",
        max="1",
        value=_number((pan + 1) / 2),
    )
    level = amplitude(gain_db)
    most = _number(max(2.0, level))
    Xml.SubElement(
        channel,
        "Volume",
        id=f"{owner}-volume",
        name="Volume",
        unit="linear",
        min="0",
        max=most,
        value=_number(level),
    )


def _add_clips(lanes: Xml.Element, project: Project, track: Track) -> None:
    lane = Xml.SubElement(lanes, "Lanes", id=f"{track.id}-lanes", track=track.id)
    clips = Xml.SubElement(lane, "Clips", id=f"{track.id}-clips")
    fades = clip_fades(track.clips)
    sources = {source.sha256: source for source in project.sources}
    names = _audio_names(project)
    for clip in track.clips:
        source = sources[clip.source]
        _add_clip(clips, clip, fades[clip.id], source, names[source.sha256], project.rate_hz)


def _add_clip(
    clips: Xml.Element, clip: Clip, fades: tuple[Fade, Fade], source: Source, name: str, rate_hz: int
) -> None:
    element = Xml.SubElement(
        clips,
        "Clip",
        time=_seconds(clip.start, rate_hz),
        duration=_seconds(clip.length, rate_hz),
        contentTimeUnit="seconds",
        playStart=_seconds(clip.offset, rate_hz),
        fadeTimeUnit="seconds",
        fadeInTime=_seconds(fades[0].samples - fades[0].skipped, rate_hz),
        fadeOutTime=_seconds(fades[1].samples - fades[1].skipped, rate_hz),
        name=clip.name,
    )
    holder = element
    if clip.gain_db:  # a clip has no gain of its own: an expression over its whole length
        holder = Xml.SubElement(element, "Lanes", id=f"{clip.id}-lanes")
        points = Xml.SubElement(holder, "Points", id=f"{clip.id}-gain", unit="linear")
        Xml.SubElement(points, "Target", expression="gain")
        Xml.SubElement(points, "RealPoint", time="0", value=_number(amplitude(clip.gain_db)))
    audio = Xml.SubElement(
        holder,
        "Audio",
        id=f"{clip.id}-audio",
        channels=str(source.channels),
        sampleRate=str(source.rate_hz),
        duration=_seconds(source.samples, source.rate_hz),
        algorithm="raw",
    )
    Xml.SubElement(audio, "File", path=name, external="false")


def _add_markers(arrangement: Xml.Element, project: Project) -> None:
    """Markers, and the beginnings of sections. Their list may not be empty."""
    places = [(marker.at, marker.name) for marker in project.markers]
    places += [(section.start, section.name) for section in project.sections]
    if places:
        markers = Xml.SubElement(arrangement, "Markers", id="markers", timeUnit="seconds")
        for at, name in sorted(places):
            Xml.SubElement(markers, "Marker", time=_seconds(at, project.rate_hz), name=name)


def _add_grid(arrangement: Xml.Element, project: Project) -> None:
    grid = TempoMap.of(project)
    tempos = Xml.SubElement(arrangement, "TempoAutomation", id="tempos", timeUnit="beats", unit="bpm")
    Xml.SubElement(tempos, "Target", parameter=TEMPO_ID)
    for tempo in project.tempos:
        at = _number(float(grid.quarter(tempo.bar, tempo.beat)))
        Xml.SubElement(tempos, "RealPoint", time=at, value=_number(tempo.tempo_bpm), interpolation="hold")
    metres = Xml.SubElement(arrangement, "TimeSignatureAutomation", id="metres", timeUnit="beats")
    Xml.SubElement(metres, "Target", parameter=METRE_ID)
    for metre in project.metres:
        Xml.SubElement(
            metres,
            "TimeSignaturePoint",
            time=_number(float(grid.quarter(metre.bar))),
            numerator=str(metre.beats),
            denominator=str(metre.unit),
        )


def _audio_names(project: Project) -> dict[str, str]:
    """A place in the archive for each recording: its name, made unique by its hash."""
    return {
        source.sha256: f"audio/{source.sha256[:8]}-{safe_name(Path(source.path).name, fallback='audio')}"
        for source in project.sources
    }


def _seconds(samples: int, rate_hz: int) -> str:
    return _number(samples / rate_hz)


def _number(value: float) -> str:
    """The shortest text that reads back as the same number."""
    return repr(float(value)) if value != int(value) else str(int(value))


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _text(root: Xml.Element) -> str:
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"

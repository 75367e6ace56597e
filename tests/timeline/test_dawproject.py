"""The archive is held against rules written here from the published schema, read back by a small reader of its own,
and, where ANGEN_DAWPROJECT_XSD names a folder with Project.xsd and MetaData.xsd, validated by them."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.errors import TimelineError
from angen.timeline import Project, TempoMap, edits
from angen.timeline.dawproject import metadata_xml, project_xml, write_dawproject
from angen.timeline.fades import clip_fades

NAMEABLE = {"name": "text", "color": "text", "comment": "text"}
OBJECT = {**NAMEABLE, "id": "id"}
TIMELINE = {**OBJECT, "timeUnit": "time", "track": "ref"}
REAL = {**OBJECT, "unit!": "unit", "value": "number", "min": "number", "max": "number"}
TIMELINES = "Lanes Notes Clips ClipSlot markers Warps Audio Video Points"

# element: (its children in order: name and how often, attributes: kind, ! for required)
RULES: dict[str, tuple[str, dict[str, str]]] = {
    "Project": ("Application Transport? Structure? Arrangement? Scenes?", {"version!": "text"}),
    "Application": ("", {"name!": "text", "version!": "text"}),
    "Transport": ("Tempo? TimeSignature?", {}),
    "Tempo": ("", REAL),
    "TimeSignature": ("", {**OBJECT, "numerator!": "int", "denominator!": "int"}),
    "Structure": ("Track*", {}),
    "Track": ("Channel? Track*", {**OBJECT, "contentType": "content", "loaded": "flag"}),
    "Channel": (
        "Devices? Mute? Pan? Sends? Volume?",
        {**OBJECT, "audioChannels": "int", "destination": "ref", "role": "role", "solo": "flag"},
    ),
    "Mute": ("", {**OBJECT, "value": "flag"}),
    "Pan": ("", REAL),
    "Volume": ("", REAL),
    "Arrangement": ("Lanes? Markers? TempoAutomation? TimeSignatureAutomation?", OBJECT),
    "Lanes": (f"({TIMELINES})*", TIMELINE),
    "Clips": ("Clip*", TIMELINE),
    "Clip": (
        f"({TIMELINES})?",
        {**NAMEABLE, "time!": "number", "duration": "number", "contentTimeUnit": "time", "playStart": "number",
         "fadeTimeUnit": "time", "fadeInTime": "number", "fadeOutTime": "number"},
    ),
    "Audio": (
        "File",
        {**TIMELINE, "channels!": "int", "sampleRate!": "int", "duration!": "number", "algorithm": "text"},
    ),
    "File": ("", {"path!": "text", "external": "flag"}),
    "Markers": ("Marker+", TIMELINE),
    "Marker": ("", {**NAMEABLE, "time!": "number"}),
    "TempoAutomation": ("Target RealPoint*", {**TIMELINE, "unit": "unit"}),
    "TimeSignatureAutomation": ("Target TimeSignaturePoint*", TIMELINE),
    "Points": ("Target RealPoint*", {**TIMELINE, "unit": "unit"}),
    "Target": ("", {"parameter": "ref", "expression": "expression"}),
    "RealPoint": ("", {"time!": "number", "value!": "number", "interpolation": "interpolation"}),
    "TimeSignaturePoint": ("", {"time!": "number", "numerator!": "int", "denominator!": "int"}),
    "MetaData": ("Title? Artist? Album? Comment?", {}),
    "Title": ("", {}),
    "Comment": ("", {}),
}  # fmt: skip
WORDS = {
    "flag": "true false",
    "time": "beats seconds",
    "unit": "linear normalized bpm",
    "role": "regular master",
    "content": "audio",
    "interpolation": "hold linear",
    "expression": "gain pan",
}


def check(root: Xml.Element) -> None:
    """Hold an element and all below it against the rules."""
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    for element in root.iter():
        children, attributes = RULES[element.tag]
        _check_children(element.tag, [child.tag for child in element], children)
        known = {name.rstrip("!"): kind for name, kind in attributes.items()}
        assert set(element.attrib) <= set(known), element.tag
        for name in (name[:-1] for name in attributes if name.endswith("!")):
            assert name in element.attrib, (element.tag, name)
        for name, value in element.attrib.items():
            _check_value(known[name], value, ids)


def _check_children(tag: str, found: list[str], rule: str) -> None:
    if rule.startswith("("):
        allowed = rule[1:-2].split()
        assert all(name in allowed for name in found), (tag, found)
        assert rule.endswith("*") or len(found) <= 1, (tag, found)
        return
    left = list(found)
    for part in rule.split():
        name, times = part.rstrip("?*+"), part[-1]
        count = 0
        while left and left[0] == name:
            left.pop(0)
            count += 1
        most = 10**9 if times in "*+" else 1
        least = 0 if times in "?*" else 1
        assert least <= count <= most, (tag, name, count)
    assert not left, (tag, "unexpected or out of order", left)


def _check_value(kind: str, value: str, ids: list[str | None]) -> None:
    if kind == "number":
        assert float(value) == float(value)
    elif kind == "int":
        assert int(value) >= 0
    elif kind == "ref":
        assert value in ids
    elif kind == "id":
        assert value[0].isalpha()
        assert value.replace("-", "").isalnum()
    elif kind != "text":
        assert value in WORDS[kind].split()


@pytest.fixture
def archive(arranged, tmp_path) -> zipfile.ZipFile:
    project, folder = arranged
    return zipfile.ZipFile(write_dawproject(project, folder, tmp_path / "out" / "song.dawproject"))


def test_the_archive_holds_the_two_texts_and_every_recording_as_it_is(arranged, archive):
    _, folder = arranged
    assert archive.testzip() is None
    assert archive.namelist()[:2] == ["project.xml", "metadata.xml"]
    held = sorted(archive.read(name) for name in archive.namelist() if name.startswith("audio/"))
    assert held == sorted(path.read_bytes() for path in folder.iterdir())


def test_the_texts_keep_the_rules_of_the_schema(archive):
    check(Xml.fromstring(archive.read("project.xml")))
    check(Xml.fromstring(archive.read("metadata.xml")))


@settings(max_examples=30)
@given(data=st.data())
def test_any_project_keeps_the_rules_of_the_schema(projects, data):
    project = data.draw(projects)
    check(Xml.fromstring(project_xml(project).encode()))
    check(Xml.fromstring(metadata_xml(project).encode()))


def test_the_rules_do_refuse():
    for spoil in ("<Transport/><Application name='a' version='1'/>", "<Application name='a'/>", "<Scenes/>"):
        with pytest.raises((AssertionError, KeyError)):
            check(Xml.fromstring(f"<Project version='1.0'>{spoil}</Project>"))


@settings(max_examples=30)
@given(data=st.data())
def test_any_project_is_valid_by_the_official_schema(projects, data):
    _validate(project_xml(data.draw(projects)), "Project.xsd")


def test_the_archive_is_valid_by_the_official_schema(archive):
    _validate(archive.read("project.xml").decode(), "Project.xsd")
    _validate(archive.read("metadata.xml").decode(), "MetaData.xsd")


def _validate(text: str, schema: str) -> None:
    folder = os.environ.get("ANGEN_DAWPROJECT_XSD")
    if not folder:
        pytest.skip("ANGEN_DAWPROJECT_XSD names no folder with Project.xsd and MetaData.xsd")
    etree = pytest.importorskip("lxml.etree")
    etree.XMLSchema(etree.parse(str(Path(folder) / schema))).assertValid(etree.fromstring(text.encode()))


def test_a_reader_of_its_own_finds_every_clip_where_it_is(arranged, archive):
    project, _ = arranged
    root = Xml.fromstring(archive.read("project.xml"))
    rate_hz = project.rate_hz
    lanes = {lane.get("track"): lane for lane in root.findall("Arrangement/Lanes/Lanes")}
    for track in project.tracks:
        fades = clip_fades(track.clips)
        for element, clip in zip(lanes[track.id].findall("Clips/Clip"), track.clips, strict=True):
            fade_in, fade_out = fades[clip.id]
            expected = (clip.start, clip.length, clip.offset, fade_in.samples, fade_out.samples)
            names = ("time", "duration", "playStart", "fadeInTime", "fadeOutTime")
            assert tuple(round(float(element.get(name)) * rate_hz) for name in names) == expected
            audio = element.find(".//Audio")
            info = soundfile.info(io.BytesIO(archive.read(audio.find("File").get("path"))))
            assert (info.samplerate, info.channels) == (
                int(audio.get("sampleRate")),
                int(audio.get("channels")),
            )
            assert float(audio.get("duration")) == pytest.approx(info.duration, abs=1e-9)
            points = element.find("Lanes/Points")
            level = 1.0 if points is None else float(points.find("RealPoint").get("value"))
            assert 20 * np.log10(level) == pytest.approx(clip.gain_db, abs=1e-9)
    found = clip_fades(project.tracks[0].clips)
    assert found["c1"][1].samples == 80_001 - 66_150 > 0  # a crossfade is among them


def test_a_reader_of_its_own_finds_mixer_tempo_and_markers(arranged, archive):
    project, _ = arranged
    root = Xml.fromstring(archive.read("project.xml"))
    first, second, master = root.findall("Structure/Track")
    assert [first.get("name"), second.get("name")] == ['Say "hi" & <go>', "Bass"]
    assert 20 * np.log10(float(first.find("Channel/Volume").get("value"))) == pytest.approx(-6)
    assert float(first.find("Channel/Pan").get("value")) == 0.625
    assert [track.find("Channel/Mute").get("value") for track in (first, second)] == ["false", "true"]
    assert [track.find("Channel").get("solo") for track in (first, second)] == ["true", "false"]
    assert 20 * np.log10(float(master.find("Channel/Volume").get("value"))) == pytest.approx(-1.5)
    points = root.findall("Arrangement/TempoAutomation/RealPoint")
    # 2 bars of 4/4, 2 of 6/8 (3 quarters each), and two eighths of the fifth
    assert [(float(point.get("time")), float(point.get("value"))) for point in points] == [
        (0, 97.5),
        (15, 140),
    ]
    metres = root.findall("Arrangement/TimeSignatureAutomation/TimeSignaturePoint")
    assert [(float(point.get("time")), point.get("numerator"), point.get("denominator")) for point in metres] == [
        (0, "4", "4"), (8, "6", "8"), (26, "3", "4"),
    ]  # fmt: skip
    markers = root.findall("Arrangement/Markers/Marker")
    assert [(round(float(mark.get("time")) * 44_100), mark.get("name")) for mark in markers] == [
        (12_345, "Einsatz"), (44_100, "副歌"), (200_000, "Ende\u00a0!"),
    ]  # fmt: skip
    assert Xml.fromstring(archive.read("metadata.xml")).find("Title").text == project.name
    assert TempoMap.of(project).quarter(5, 3) == 15


def test_a_missing_recording_or_another_suffix_is_refused(arranged, tmp_path):
    project, folder = arranged
    with pytest.raises(TimelineError, match=r"End its name in \.dawproject"):
        write_dawproject(project, folder, tmp_path / "a.zip")
    (folder / "one.wav").unlink()
    with pytest.raises(TimelineError, match=r"one\.wav' is missing"):
        write_dawproject(project, folder, tmp_path / "a.dawproject")
    assert not (tmp_path / "a.dawproject").exists()


def test_a_project_without_anything_can_be_written(tmp_path):
    path = write_dawproject(edits.add_track(Project(name="a"), "b"), tmp_path, tmp_path / "a.dawproject")
    check(Xml.fromstring(zipfile.ZipFile(path).read("project.xml")))

"""The text is read back by a small reader that knows only blocks, lines and quoted words."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.errors import TimelineError
from angen.timeline import TempoMap
from angen.timeline.fades import clip_fades
from angen.timeline.reaper import reaper_text, write_reaper

_WORD = re.compile(r'"([^"]*)"|\'([^\']*)\'|`([^`]*)`|(\S+)')


def words(line):
    return [next(part for part in found if part) if any(found) else "" for found in _WORD.findall(line)]


def read(text):
    """Nested blocks: (name and words of the first line, lines, blocks)."""
    root = ([], [], [])
    stack = [root]
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("<"):
            block = (words(line[1:]), [], [])
            stack[-1][2].append(block)
            stack.append(block)
        elif line == ">":
            stack.pop()
        else:
            stack[-1][1].append(words(line))
    assert stack == [root]
    (project,) = root[2]
    return project


def lines(block, name):
    return [line[1:] for line in block[1] if line[0] == name]


def one(block, name):
    (found,) = lines(block, name)
    return found


def blocks(block, name):
    return [child for child in block[2] if child[0][0] == name]


@pytest.fixture
def song(arranged, tmp_path):
    project, folder = arranged
    return project, read(write_reaper(project, folder, tmp_path / "song.rpp").read_text("utf-8"))


def samples(text, rate_hz=44_100):
    return round(float(text) * rate_hz)


def test_items_are_where_the_clips_are(song):
    project, read_back = song
    tracks = blocks(read_back, "TRACK")
    assert [one(track, "NAME") for track in tracks] == [['Say "hi" & <go>'], ["Bass"]]
    for block, track in zip(tracks, project.tracks, strict=True):
        fades = clip_fades(track.clips)
        for item, clip in zip(blocks(block, "ITEM"), track.clips, strict=True):
            places = [samples(one(item, name)[0]) for name in ("POSITION", "LENGTH", "SOFFS")]
            assert places == [clip.start, clip.length, clip.offset]
            for name, fade in zip(("FADEIN", "FADEOUT"), fades[clip.id], strict=True):
                curve, length, _ = one(item, name)
                assert samples(length) == fade.samples
                assert int(curve) == {"linear": 0, "equal-power": 1, "exponential": 4}[fade.curve]
            assert 20 * np.log10(float(one(item, "VOLPAN")[0])) == pytest.approx(clip.gain_db, abs=1e-9)
            assert one(item, "NAME") == [clip.name]


def test_sources_are_named_relative_where_they_can_be(song, arranged):
    items = [item for track in blocks(song[1], "TRACK") for item in blocks(track, "ITEM")]
    sources = [(block[0][1], one(block, "FILE")[0]) for item in items for block in blocks(item, "SOURCE")]
    assert sources == [("WAVE", "song/one.wav"), ("FLAC", "song/two; it's.flac"), ("WAVE", "song/three.wav")]


def test_recordings_elsewhere_are_named_in_full(arranged, tmp_path):
    project, folder = arranged
    text = write_reaper(project, folder, tmp_path / "other" / "song.rpp").read_text("utf-8")
    assert f'FILE "{folder / "one.wav"}"' in text


def test_mixer_tempo_metre_markers_and_regions(song):
    project, read_back = song
    first, second = blocks(read_back, "TRACK")
    level, pan = map(float, one(first, "VOLPAN")[:2])
    assert (20 * np.log10(level), pan) == (pytest.approx(-6), 0.25)
    assert [one(track, "MUTESOLO")[:2] for track in (first, second)] == [["0", "1"], ["1", "0"]]
    assert one(read_back, "TEMPO") == ["97.5", "4", "4"]
    assert one(read_back, "SAMPLERATE")[0] == "44100"
    grid = TempoMap.of(project)
    (envelope,) = blocks(read_back, "TEMPOENVEX")
    points = [(samples(at), float(tempo), shape, metre) for at, tempo, shape, *metre in lines(envelope, "PT")]
    assert points == [
        (0, 97.5, "1", [str(4 * 65536 + 4)]),
        (grid.sample(3), 97.5, "1", [str(8 * 65536 + 6)]),
        (grid.sample(5, 3), 140.0, "1", []),
        (grid.sample(9), 140.0, "1", [str(4 * 65536 + 3)]),
    ]
    found = [(number, samples(at), name, kind) for number, at, name, kind in lines(read_back, "MARKER")]
    assert found == [
        ("1", 12_345, "Einsatz", "0"), ("2", 200_000, "Ende\u00a0!", "0"),
        ("3", 44_100, "副歌", "1"), ("3", 132_300, "", "1"),
    ]  # fmt: skip


@settings(max_examples=30)
@given(data=st.data())
def test_any_project_gives_balanced_blocks_and_every_clip(projects, data):
    project = data.draw(projects)
    files = {source.sha256: source.path for source in project.sources}
    back = read(reaper_text(project, files))
    starts = [
        [samples(one(item, "POSITION")[0], 8000) for item in blocks(track, "ITEM")]
        for track in blocks(back, "TRACK")
    ]
    assert starts == [[clip.start for clip in track.clips] for track in project.tracks]
    assert reaper_text(project, files) == reaper_text(project, files)


def test_a_missing_recording_or_another_suffix_is_refused(arranged, tmp_path):
    project, folder = arranged
    with pytest.raises(TimelineError, match=r"End its name in \.rpp"):
        write_reaper(project, folder, tmp_path / "a.txt")
    (folder / "one.wav").unlink()
    with pytest.raises(TimelineError, match="is missing"):
        write_reaper(project, folder, tmp_path / "a.rpp")

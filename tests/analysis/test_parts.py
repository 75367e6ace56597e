"""Files of any length: heard whole, or in parts as they are decoded."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from angen.analysis import analyze, parts
from angen.analysis.analyzing import Measured, analyze_audio
from angen.analysis.parts import Part, hear_file, is_long, merged
from angen.audio import Audio, read_audio
from angen.errors import SilentAudioError, TruncatedAudioError

from ..peak import TELL_PEAK


@pytest.fixture
def short_parts(monkeypatch):
    """Long starts at 40 s, and a part lasts 20 s."""
    monkeypatch.setattr(parts, "LONGEST_WHOLE_S", 40.0)
    monkeypatch.setattr(parts, "PART_S", 20.0)
    monkeypatch.setattr(parts, "SHORTEST_PART_S", 10.0)


@pytest.fixture
def song(make_drums, make_chords):
    """Drums at 120 BPM over cadences in A minor, 80 s."""
    chords = make_chords(9, "minor", bars=8)
    samples = make_drums(120, seconds=chords.duration_s).samples
    samples += np.roll(chords.samples, round(0.25 * chords.rate_hz), axis=1)
    return Audio(np.tile(samples, 5), chords.rate_hz)


def write(path: Path, audio: Audio, channels: int = 1) -> Path:
    soundfile.write(path, np.repeat(audio.samples.T, channels, axis=1), audio.rate_hz, subtype="FLOAT")
    return path


@pytest.mark.usefixtures("short_parts")
@pytest.mark.parametrize("rate_hz", [22050, 48000, 11025])
def test_a_long_file_is_heard_in_parts_as_it_would_be_whole(tmp_path, song, rate_hz):
    audio = song.resampled(rate_hz)
    path = write(tmp_path / "long.wav", audio, channels=2)
    assert is_long(path)
    whole, heard = analyze_audio(read_audio(path)), analyze(path)
    assert (heard.duration_s, heard.rate_hz, heard.channels) == (whole.duration_s, rate_hz, 2)
    assert heard.tempo_bpm == pytest.approx(whole.tempo_bpm, rel=1e-3)
    assert (heard.key, heard.camelot, heard.metre) == ("A minor", "8A", whole.metre)
    assert heard.loudness_lufs == pytest.approx(whole.loudness_lufs, abs=0.1)
    assert heard.energy == pytest.approx(whole.energy, rel=1e-4)
    assert abs(len(heard.beats_s) - len(whole.beats_s)) <= 5
    grid = (np.array(heard.beats_s) - 0.25) / 0.5
    assert np.abs(grid - np.round(grid)).max() < 0.02
    assert heard.beats_s == sorted(heard.beats_s)
    assert set(heard.downbeats_s) <= set(heard.beats_s)
    assert ("drums" in heard.instruments) == ("drums" in whole.instruments) == (rate_hz > 20_000)


@pytest.mark.usefixtures("short_parts")
def test_segments_of_parts_cover_the_recording_without_gaps(tmp_path, song):
    cuts = analyze(write(tmp_path / "long.wav", song)).segments
    assert cuts[0][0] == 0
    assert cuts[-1][1] == pytest.approx(song.duration_s, abs=1e-3)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(cuts))
    assert all(10 - 1e-3 <= end - start <= 30 + 1e-3 for start, end in cuts)


@pytest.mark.usefixtures("short_parts")
def test_a_tagger_is_given_the_part_in_the_middle(tmp_path, song):
    audio, heard = hear_file(write(tmp_path / "long.wav", song))
    assert audio.rate_hz == 22050
    assert 20 <= audio.duration_s <= 30
    middle = song.span(40, 40 + audio.duration_s)
    assert np.corrcoef(audio.samples[0][:10000], middle.samples[0][:10000])[0, 1] > 0.99
    assert heard.analysis.duration_s == pytest.approx(song.duration_s)
    assert heard.spectrum.duration_s == pytest.approx(audio.duration_s)


@pytest.mark.usefixtures("short_parts")
def test_a_long_file_is_refused_for_the_same_reasons_as_a_short_one(tmp_path, song):
    path = write(tmp_path / "cut.wav", song)
    path.write_bytes(path.read_bytes()[:-100_000])
    with pytest.raises(TruncatedAudioError):
        analyze(path)
    silent = write(tmp_path / "silent.wav", Audio(np.zeros((1, 60 * 8000), np.float32), 8000))
    with pytest.raises(SilentAudioError):
        analyze(silent)


@pytest.mark.usefixtures("short_parts")
def test_silence_for_minutes_is_no_trouble(tmp_path, song):
    samples = song.samples.copy()
    samples[:, : 60 * song.rate_hz] = 0
    heard = analyze(write(tmp_path / "late.wav", Audio(samples, song.rate_hz)))
    assert heard.duration_s == song.duration_s
    assert heard.key in (None, "A minor")


def test_a_recording_from_a_pipe_is_read_to_its_end_without_a_copy(tmp_path, make_chords):
    """Its header says that there are 0 bytes of sound."""
    path = write(tmp_path / "pipe.wav", make_chords(0, "major"))
    content = bytearray(path.read_bytes())
    at = content.index(b"data")
    content[at + 4 : at + 8] = struct.pack("<I", 0)
    path.write_bytes(content)
    assert analyze(path).key == "C major"


def part(start_s: float, **known) -> Part:
    """A part of 20 s."""
    silence = analyze_audio(Audio(np.full((1, 20 * 8000), 0.1, np.float32), 8000))
    confidence = {"tempo_confidence": 0.8, "key_confidence": 0.8}
    return Part(start_s, type(silence)(**{**silence.as_dict(), **confidence, **known}), 3.0)


MEASURED = Measured(60.0, 8000, 1, -14.0, 0.1)


def test_what_parts_disagree_on_is_unknown():
    found = merged([part(20.0 * i, tempo_bpm=60.0 + 20 * i) for i in range(4)], MEASURED)
    assert found.tempo_bpm is None
    assert found.beats_s == []
    assert found.tempo_confidence == pytest.approx(0.2)


def test_beats_are_those_of_the_parts_with_the_common_tempo():
    parts_ = [part(20.0 * i, tempo_bpm=bpm, beats_s=[1.0, 2.0]) for i, bpm in enumerate((120.0, 80.0, 121.0))]
    found = merged(parts_, MEASURED)
    assert found.tempo_bpm == pytest.approx(120.5)
    assert found.beats_s == [1.0, 2.0, 41.0, 42.0]
    assert found.tempo_confidence == pytest.approx(2 * 0.8 / 3, abs=1e-3)


def test_the_key_is_the_best_supported_one():
    keys = ["A minor", "C major", "A minor"]
    found = merged([part(20.0 * i, key=key) for i, key in enumerate(keys)], MEASURED)
    assert (found.key, found.camelot) == ("A minor", "8A")
    assert found.key_confidence == pytest.approx(1.6 / 3, abs=1e-3)
    assert found.loudness_lufs == -14.0


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length_of_a_file(tmp_path):
    """Twenty minutes and an hour need the same, in processes of their own."""
    import subprocess
    import sys

    peaks = []
    for minutes in (20, 60):
        path = tmp_path / f"{minutes}.wav"
        loop = (0.2 * np.random.default_rng(0).standard_normal((60 * 44100, 2))).astype(np.float32)
        with soundfile.SoundFile(path, "w", 44100, 2, "PCM_16") as file:
            for _ in range(minutes):
                file.write(loop)
        script = "import sys; from angen.analysis import analyze; analyze(sys.argv[1])" + TELL_PEAK
        done = subprocess.run(
            [sys.executable, "-c", script, path], capture_output=True, text=True, check=True
        )
        peaks.append(int(done.stdout) / 2**20)
        path.unlink()
    assert peaks[1] < 1.15 * peaks[0]
    assert max(peaks) < 800

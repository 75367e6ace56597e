"""Folders of stems and files through the enhancing and upscaling workflows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from angen.audio import read_audio
from angen.enhancement import StoppedError
from angen.errors import EnhancementError
from angen.workflows.enhance import enhance_files, stem_of, upscale_files

RATE = 22_050


@pytest.fixture
def stems(tmp_path: Path) -> Path:
    """Drums with hiss, a bass, silent vocals, and their sum."""
    folder = tmp_path / "my stems"
    folder.mkdir()
    rng, time_s = np.random.default_rng(0), np.arange(5 * RATE) / RATE
    hits = 0.1 * np.exp(-40 * (time_s % 0.5)) * rng.standard_normal(len(time_s))
    drums = hits + 0.004 * rng.standard_normal(len(time_s))
    bass = 0.3 * np.sin(2 * np.pi * 80 * time_s) * np.exp(-2 * (time_s % 1))
    for name, sound in {"drums.wav": drums, "bass.flac": bass, "mix.wav": drums + bass}.items():
        soundfile.write(folder / name, sound, RATE, subtype="PCM_24")
    soundfile.write(folder / "vocals.wav", np.zeros(len(time_s)), RATE)
    return folder


def test_names_tell_stems() -> None:
    names = {
        "01 Lead Vocals": "vocals",
        "drums": "drums",
        "BASS_02": "bass",
        "Guitar-L": "other",
        "take 3": "mix",
    }
    assert {name: stem_of(Path(name + ".wav")) for name in names} == names


def test_a_folder_of_stems(stems: Path, tmp_path: Path) -> None:
    out, seen = tmp_path / "better", []
    done = enhance_files([stems], out, strength=1.0, on_progress=seen.append)
    by_name = {Path(record["path"]).name: record for record in done.records}
    assert sorted(path.name for path in out.iterdir() if path.suffix != ".json") == sorted(by_name)
    assert {name: record["stem"] for name, record in by_name.items()} == {
        "drums.wav": "drums", "bass.flac": "bass", "mix.wav": "mix", "vocals.wav": "vocals",
    }  # fmt: skip
    drums = by_name["drums.wav"]
    assert drums["before"]["noise_db"] == pytest.approx(-48, abs=1.5)
    assert drums["after"]["noise_db"] is None or drums["after"]["noise_db"] < -55
    assert drums["chain"][0]["processor"] == "DeNoise"
    assert -40 < drums["residual_db"] < 6
    assert by_name["vocals.wav"]["silent"]
    assert read_audio(out / "drums.wav").samples.shape == (1, 5 * RATE)
    assert (out / "vocals.wav").read_bytes() == (stems / "vocals.wav").read_bytes()
    assert json.loads((out / "drums.wav.json").read_text())["chain"] == drums["chain"]
    assert json.loads((out / "report.json").read_text())["files"] == done.records
    assert len(done.residuals) == 1
    assert done.residuals[0]["before_db"] < -80
    assert done.residuals[0]["after_db"] > done.residuals[0]["before_db"] + 20
    assert seen[-1].fraction == 1


def test_strength_0_writes_the_same_samples(stems: Path, tmp_path: Path) -> None:
    done = enhance_files([stems], tmp_path / "same", strength=0.0)
    for record in done.records:
        if record.get("silent"):
            continue
        assert record["residual_db"] is None
        assert np.array_equal(read_audio(record["out"]).samples, read_audio(record["path"]).samples)


def test_a_bad_file_does_not_stop_the_others(stems: Path, tmp_path: Path) -> None:
    (stems / "broken.wav").write_text("these are words")
    done = enhance_files([stems], tmp_path / "out", stem="other")
    errors = [record["error"]["type"] for record in done.records if "error" in record]
    assert errors == ["audio-unreadable"]
    assert not done.failed
    assert {record["stem"] for record in done.records if "stem" in record} == {"other"}
    only = enhance_files([stems / "broken.wav"], tmp_path / "none")
    assert only.failed


def test_originals_are_never_replaced(stems: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in stems.iterdir()}
    for work in (enhance_files, upscale_files):
        with pytest.raises(EnhancementError, match="take the place"):
            work([stems / "drums.wav"], stems)
        twin = tmp_path / "other" / "drums.wav"
        twin.parent.mkdir(exist_ok=True)
        twin.write_bytes((stems / "drums.wav").read_bytes())
        with pytest.raises(EnhancementError, match="Two results"):
            work([stems / "drums.wav", twin], tmp_path / "out")
        with pytest.raises(EnhancementError, match="no recordings"):
            work([], tmp_path / "out")
    assert {path: path.read_bytes() for path in stems.iterdir()} == before
    assert not (tmp_path / "out").exists()


def test_stopping_keeps_what_is_finished(stems: Path, tmp_path: Path) -> None:
    out = tmp_path / "half"
    with pytest.raises(StoppedError):
        enhance_files([stems], out, should_stop=lambda: (out / "bass.flac.json").exists())
    assert sorted(path.name for path in out.iterdir()) == ["bass.flac", "bass.flac.json"]


def test_sound_beyond_full_scale_is_kept_in_wav(tmp_path: Path) -> None:
    loud = 1.5 * np.sin(2 * np.pi * 330 * np.arange(2 * RATE) / RATE)
    soundfile.write(tmp_path / "loud.wav", loud, RATE, subtype="FLOAT")
    enhance_files([tmp_path / "loud.wav"], tmp_path / "a", strength=0)
    assert np.abs(read_audio(tmp_path / "a" / "loud.wav").samples).max() == pytest.approx(1.5, abs=1e-3)


def test_upscaling_says_what_it_did(stems: Path, tmp_path: Path) -> None:
    out = tmp_path / "higher"
    done = upscale_files(
        [stems / "drums.wav", stems / "bass.flac", stems / "vocals.wav"], out, rate_hz=48_000
    )
    drums, bass, vocals = done.records
    assert drums["method"] == f"extended above {drums['extended_above_hz']} Hz"
    assert 9500 < drums["extended_above_hz"] < 11_100
    assert bass["method"] == "resampled"
    assert vocals["error"]["type"] == "audio-silent"
    info = soundfile.info(out / "bass.flac")
    assert (info.samplerate, info.frames) == (48_000, 240_000)
    plain = upscale_files([stems / "drums.wav"], tmp_path / "plain", extend=False)
    assert plain.records[0]["method"] == "resampled"

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from angen.audio import Audio, read_audio, write_audio
from angen.errors import AngenError, AudioError, MasteringError, SilentAudioError
from angen.mastering import PRESETS, measure
from angen.settings import Settings
from angen.workflows.master import MasterChoices, MasteredFile, Unmastered, master_file, master_files

CALYPSO = Path(__file__).parents[2] / "examples" / "calypso"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "workspace")


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three and a half seconds of real music."""
    path = tmp_path_factory.mktemp("songs") / "Harbour Morning.wav"
    write_audio(path, read_audio(CALYPSO / "01 Harbour Morning.ogg").span(10, 13.5), bit_depth=24)
    return path


@pytest.mark.parametrize(("preset", "suffix"), [("streaming", ".flac"), ("cd", ".wav"), ("vinyl", ".wav")])
def test_the_file_has_the_sound_that_was_measured(
    song: Path, tmp_path: Path, preset: str, suffix: str
) -> None:
    made = master_file(song, tmp_path / f"new folder/master{suffix}", MasterChoices(preset))
    written = read_audio(made.path)
    np.testing.assert_array_equal(written.samples, made.mastered.audio.samples)
    assert soundfile.info(made.path).subtype == f"PCM_{PRESETS[preset].bit_depth}"
    assert measure(written) == made.mastered.after
    assert sorted(path.name for path in made.path.parent.iterdir()) == sorted(
        f"master{suffix}{end}" for end in ("", ".json", ".html")
    )


def test_the_record_makes_the_same_file_again(song: Path, tmp_path: Path) -> None:
    first = master_file(song, tmp_path / "a.wav", MasterChoices("club", "open", 0.8, seed=7))
    record = json.loads(first.record_path.read_text())
    made = record["settings"]
    choices = MasterChoices(made["preset"]["name"], made["style"], made["intensity"], seed=made["seed"])
    again = master_file(song, tmp_path / "b.wav", choices)
    assert again.path.read_bytes() == first.path.read_bytes()
    assert record["sha256"] == json.loads(again.record_path.read_text())["sha256"]
    assert record["source"] == song.name
    assert record["after"]["integrated_lufs"] == pytest.approx(-9, abs=0.1)
    assert record["warnings"]


def test_the_original_is_never_touched(song: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.wav"
    own.write_bytes(song.read_bytes())
    before = own.read_bytes(), own.stat().st_mtime_ns
    link = tmp_path / "link.wav"
    link.symlink_to(own)
    os.link(own, tmp_path / "hard.wav")
    for target in (own, link, tmp_path / "hard.wav"):
        with pytest.raises(MasteringError, match="would replace its own source"):
            master_file(own, target, MasterChoices())
    with pytest.raises(MasteringError, match="would replace its own source"):
        master_file(song, own, MasterChoices("match", reference=own))
    master_file(own, tmp_path / "master.wav", MasterChoices())
    assert (own.read_bytes(), own.stat().st_mtime_ns) == before


def test_names_are_new_each_time_and_a_bad_file_does_not_stop_the_others(
    song: Path, settings: Settings, tmp_path: Path
) -> None:
    quiet = tmp_path / "quiet.wav"
    soundfile.write(quiet, np.zeros(48_000), 48_000)
    short = tmp_path / "short.wav"
    soundfile.write(short, np.random.default_rng(0).uniform(-0.5, 0.5, 4_800), 48_000)
    results = list(master_files(settings, [song, quiet, short, song], MasterChoices("apple")))
    kinds = [type(result) for result in results]
    assert kinds == [MasteredFile, Unmastered, Unmastered, MasteredFile]
    first, silent, brief, second = results
    assert isinstance(silent, Unmastered)
    assert isinstance(silent.error, SilentAudioError)
    assert isinstance(brief, Unmastered)
    assert "at least 0.4 s" in brief.error.message
    assert isinstance(first, MasteredFile)
    assert isinstance(second, MasteredFile)
    assert first.path.name == "Harbour-Morning-apple.wav"
    assert second.path.name == "Harbour-Morning-apple-2.wav"
    assert settings.outputs in first.path.parents
    assert first.path.read_bytes() == second.path.read_bytes()


def test_progress_runs_over_all_files(song: Path, settings: Settings, tmp_path: Path) -> None:
    told = []
    list(
        master_files(
            settings, [song, song], MasterChoices(), out=tmp_path / "masters v1.2", on_progress=told.append
        )
    )
    assert [progress.done for progress in told] == sorted(progress.done for progress in told)
    assert told[-1].fraction == 1
    assert (tmp_path / "masters v1.2" / "Harbour-Morning-streaming-2.wav").exists()


@pytest.mark.parametrize(
    ("choices", "out", "count", "message"),
    [
        (MasterChoices("match"), None, 1, "needs a reference"),
        (MasterChoices("loud"), None, 1, "no preset 'loud'"),
        (MasterChoices(), "all.wav", 2, "2 recordings cannot be written to one file"),
        (MasterChoices(), "lossy.mp3", 1, "no name for a master"),
        (MasterChoices("match", reference=Path("nowhere.wav")), None, 1, "no such file"),
    ],
)
def test_impossible_choices_are_refused_before_anything_is_made(
    song: Path,
    settings: Settings,
    tmp_path: Path,
    choices: MasterChoices,
    out: str | None,
    count: int,
    message: str,
) -> None:
    target = tmp_path / out if out else None
    with pytest.raises(AngenError, match=message):
        master_files(settings, [song] * count, choices, out=target)
    assert not settings.home.exists()


def test_what_the_disk_refuses_is_told_and_the_master_made_so_far_stays(
    song: Path, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "out" / "Harbour-Morning-apple.wav.html" / "in the way").mkdir(parents=True)
    results = list(master_files(settings, [song, song], MasterChoices("apple"), out=tmp_path / "out"))
    assert [type(result) for result in results] == [Unmastered, MasteredFile]
    assert isinstance(results[0], Unmastered)
    assert "Harbour-Morning-apple.wav.html" in results[0].error.message
    assert (tmp_path / "out" / "Harbour-Morning-apple.wav").exists()


def test_a_full_disk_leaves_what_was_there(
    song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "kept.wav"
    target.write_bytes(b"an older master")

    def full(*_words: object, **_more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(soundfile.SoundFile, "write", full)
    with pytest.raises(AudioError, match="No space left"):
        master_file(song, target, MasterChoices())
    assert target.read_bytes() == b"an older master"
    assert [path.name for path in tmp_path.iterdir()] == ["kept.wav"]


def test_a_reference_of_another_rate_and_mono(song: Path, tmp_path: Path) -> None:
    other = read_audio(CALYPSO / "07 Carnival Tuesday.ogg").span(5, 12).mono().resampled(48_000)
    reference = tmp_path / "reference.wav"
    write_audio(reference, Audio(other.samples * np.float32(0.5), 48_000))
    made = master_file(song, tmp_path / "m.wav", MasterChoices("match", reference=reference))
    wanted = measure(read_audio(reference)).integrated_lufs
    assert made.mastered.after.integrated_lufs == pytest.approx(wanted, abs=0.1)
    assert json.loads(made.record_path.read_text())["reference"] == "reference.wav"

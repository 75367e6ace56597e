"""`angen dataset` for one's own recordings as a person or a script meets it: parts, names, files, duplicates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile
from tests.tunes import tune
from typer.testing import CliRunner, Result

from angen.audio import write_audio
from angen.cli import app
from angen.dataset import held_dataset


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    for number in range(3):
        write_audio(tmp_path / "songs" / f"song {number}.wav", tune(12.0, seed=number, rate_hz=16_000))
    return tmp_path / "songs"


@pytest.fixture
def prepared(songs: Path, workspace: Path) -> Path:
    assert _run("dataset", "prepare", "mine", songs).exit_code == 0
    return workspace / "training_data"


def test_preparing_again_says_what_was_there(songs: Path, prepared: Path) -> None:
    told = json.loads(_run("dataset", "prepare", "mine", songs, "--replace", "--json").stdout)
    assert told["work"] == {"heard": 0, "heard_before": 3, "cut": 0, "cut_before": 3}
    assert (told["part"], told["separator"], told["alike"]) == ("mix", None, [])
    text = _run("dataset", "prepare", "mine", songs, "--replace").stdout
    assert "0 songs heard and 0 cut; 3 and 3 were there already" in " ".join(text.split())


def test_clips_can_be_played_renamed_and_deleted(prepared: Path) -> None:
    files = _run("dataset", "play", "mine").stdout.split()
    assert [Path(file).name for file in files] == [f"song-{number}-001.flac" for number in range(3)]
    assert all(soundfile.info(file).duration == pytest.approx(12.0) for file in files)
    one = json.loads(_run("dataset", "play", "mine", "song-1-001", "--json").stdout)
    assert list(one) == ["song-1-001"]
    assert _run("dataset", "play", "mine", "--stem", "vocals").exit_code == 1
    assert json.loads(_run("dataset", "rename", "mine", "Yours too", "--json").stdout) == {
        "renamed": "Yours-too"
    }
    assert _run("dataset", "play", "mine").exit_code == 1
    assert len(_run("dataset", "play", "Yours-too").stdout.split()) == 3
    assert json.loads(_run("dataset", "delete", "Yours-too", "--yes", "--json").stdout) == {
        "deleted": "Yours-too"
    }
    assert list(prepared.iterdir()) == []


def test_nothing_happens_to_a_dataset_that_a_run_uses(songs: Path, prepared: Path) -> None:
    with held_dataset(prepared, "mine", "training calypso"):
        for words in (
            ["delete", "mine", "--yes"],
            ["rename", "mine", "x"],
            ["prepare", "mine", songs, "--replace"],
        ):
            refused = _run("dataset", *words)
            assert refused.exit_code == 1
            assert "training calypso" in refused.stderr
        assert _run("dataset", "show", "mine").exit_code == 0


def test_a_leak_is_shown_and_is_a_failure(songs: Path, prepared: Path) -> None:
    assert "No two clips" in _run("dataset", "duplicates", "mine").stdout
    samples, rate_hz = soundfile.read(songs / "song 1.wav", dtype="float32")
    for number in (0, 2):
        (songs / f"song {number}.wav").unlink()
    soundfile.write(songs / "again.ogg", 0.5 * samples[9000:], rate_hz)
    made = _run("dataset", "prepare", "leaky", songs)
    assert made.exit_code == 0
    assert "WARNING, a leak" in made.stdout
    found = _run("dataset", "duplicates", "leaky", "--json")
    assert found.exit_code == 1
    assert json.loads(found.stdout)["leaks"] == 1
    assert "LEAK" in _run("dataset", "duplicates", "leaky").stdout


def test_misuse_is_2(songs: Path, workspace: Path) -> None:
    for words in (
        ["--part", "drums"],
        ["--backend", "threads"],
        ["--workers", "0"],
        ["--separator", "magic"],
    ):
        assert _run("dataset", "prepare", "x", songs, *words).exit_code == 2
    assert _run("dataset", "prepare", "mutopia", "--stems").exit_code == 2
    assert not workspace.exists()

"""`angen produce` as a person or a script meets it; generating is tested with the workflow, on the small model."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from angen.cli import app
from angen.export import read_tags


@pytest.fixture
def song(tmp_path: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A second of noise; and no page of the mastering report, which takes most of the time."""
    monkeypatch.setattr("angen.report.mastering.write_mastering_report", lambda page, *_: page.touch())
    path = tmp_path / "my song.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.3, 0.3, (24_000, 2)), 24_000)
    return path


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, ["produce", *(str(word) for word in words)])


def test_a_recording_becomes_files_with_every_option(song: Path, tmp_path: Path, workspace: Path) -> None:
    (tmp_path / "words.lrc").write_text("[00:00.10]привет\n", "utf-8")
    result = _run(
        song, "--enhance", "0.2", "--upscale", "32000", "--preset", "apple", "--style", "warm", "--intensity", "0.3",
        "--format", "wav16,flac", "--title", "Песня", "--artist", "A", "--album", "B", "--genre", "G", "--bpm", "99",
        "--key", "A minor", "--date", "2026", "--comment", "C", "--copyright", "©", "--licence", "CC-BY-4.0",
        "--language", "rus", "--lyrics", tmp_path / "words.lrc", "--no-cover", "--no-ai-mark", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    made = json.loads(result.stdout)
    assert Path(made["folder"]).parent.parent == workspace / "outputs"
    assert [Path(path).name for path in made["files"]] == ["Песня.wav", "Песня.flac"]
    _, enhanced, mastered, exported = made["stages"]
    assert enhanced["settings"]["strength"] == 0.2
    assert enhanced["settings"]["upscaling"]["rate_hz"] == 32_000
    settings = mastered["settings"]["settings"]
    assert (settings["preset"]["name"], settings["style"], settings["intensity"]) == ("apple", "warm", 0.3)
    assert exported["settings"]["formats"] == ["wav16", "flac"]
    for path in made["files"]:
        tags = read_tags(path).tags
        assert (tags.title, tags.artist, tags.album, tags.genre, tags.bpm) == ("Песня", "A", "B", "G", 99)
        assert (tags.key, tags.date, tags.comment, tags.copyright) == ("Am", "2026", "C", "©")
        assert (tags.licence, tags.language, tags.lyrics) == ("CC-BY-4.0", "rus", "привет")
        assert [line.start_s for line in tags.timed_lyrics] == [0.1]
        assert (tags.cover, tags.ai) == (None, None)


def test_it_is_resumed_and_made_again(song: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    words = [song, "--no-enhance", "--no-upscale", "--out", folder]
    first = _run(*words)
    assert first.exit_code == 0, first.stderr
    assert first.stdout == f"{folder / 'export' / 'my-song.wav'}\n"
    (folder / "03-mastered.wav").write_bytes(b"spoilt")
    result = _run("--resume", folder)
    assert result.exit_code == 0
    assert "03-mastered.wav was changed or damaged" in result.stderr
    again = _run("--from", folder / "export" / "my-song.angen.json", "--out", tmp_path / "again")
    assert "Every file is the same as before" in again.stderr
    assert (tmp_path / "again/export/my-song.wav").read_bytes() == (
        folder / "export/my-song.wav"
    ).read_bytes()
    other = _run(*words, "--intensity", "1", "--json")
    assert other.exit_code == 1
    assert json.loads(other.stdout)["error"]["type"] == "production"


def test_ctrl_c_stops_well_and_says_how_to_go_on(
    song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from angen.workflows import produce as workflow

    whole = workflow.master_file

    def interrupted(*given: Any, **how: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return whole(*given, **how)

    monkeypatch.setattr(workflow, "master_file", interrupted)
    result = _run(song, "--no-enhance", "--no-upscale", "--out", tmp_path / "out", "--json")
    assert result.exit_code == 130
    told = json.loads(result.stdout)
    assert (told["error"]["type"], told["folder"]) == ("stopped", str(tmp_path / "out"))
    assert f"--resume {tmp_path / 'out'}" in result.stderr
    assert not (tmp_path / "out" / "03-mastered.wav").exists()


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--prompt", " "],
        ["a.wav", "--prompt", "calypso"],
        ["a.wav", "--seed", "3"],
        ["a.wav", "--adapter", "mine"],
        ["--prompt", "a", "--enhance", "0.5", "--no-enhance"],
        ["--prompt", "a", "--upscale", "48000", "--no-upscale"],
        ["--prompt", "a", "--enhance", "2"],
        ["--resume", "x", "--prompt", "calypso"],
        ["--resume", "x", "--format", "wav24"],
        ["--resume", "x", "--out", "y"],
        ["--resume", "x", "--from", "y"],
        ["--from", "x", "--title", "T"],
    ],
    ids=" ".join,
)
def test_misuse_exits_with_2(words: list[str], workspace: Path) -> None:
    result = _run(*words)
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize(
    "words", [["nowhere.wav"], ["--resume", "nowhere"], ["--from", "nowhere.angen.json"]]
)
def test_what_is_not_there_exits_with_1(words: list[str], workspace: Path) -> None:
    result = _run(*words, "--json")
    assert result.exit_code == 1
    assert "nowhere" in json.loads(result.stdout)["error"]["message"]

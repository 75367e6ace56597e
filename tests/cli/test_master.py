from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from angen.audio import read_audio, write_audio
from angen.cli import app
from angen.cli.master import PhaseChoice, Preset, StyleChoice
from angen.mastering import PRESETS, STYLES, measure

SONG = Path(__file__).parents[2] / "examples" / "calypso" / "01 Harbour Morning.ogg"


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def song(tmp_path: Path) -> Path:
    write_audio(tmp_path / "my song.wav", read_audio(SONG).span(10, 13))
    return tmp_path / "my song.wav"


def test_the_choices_are_those_of_the_room() -> None:
    assert [choice.value for choice in Preset] == list(PRESETS)
    assert [choice.value for choice in StyleChoice] == list(STYLES)
    assert [choice.value for choice in PhaseChoice] == ["minimum", "linear"]


def test_one_file_with_its_numbers(song: Path, tmp_path: Path, workspace: Path) -> None:
    result = _run("master", song, "--style", "open", "--intensity", "0.3", "--out", tmp_path / "m.flac")
    assert result.exit_code == 0, result.stderr
    assert str(tmp_path / "m.flac") in result.stdout
    assert "-> -14.0 LUFS" in result.stdout
    assert measure(read_audio(tmp_path / "m.flac")).integrated_lufs == pytest.approx(-14, abs=0.1)
    assert (tmp_path / "m.flac.html").exists()
    assert not workspace.exists()


def test_json_has_one_record_a_line_and_a_bad_file_makes_the_exit_code_1(
    song: Path, tmp_path: Path, workspace: Path
) -> None:
    result = _run(
        "master", song, tmp_path / "nowhere.wav", song, "--preset", "club", "--json", "--phase", "linear"
    )
    assert result.exit_code == 1
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [("error" in record) for record in records] == [False, True, False]
    assert records[1]["error"]["type"] == "audio-missing"
    assert records[0]["after"]["integrated_lufs"] == pytest.approx(-9, abs=0.1)
    assert Path(records[0]["path"]).parent.parent == workspace / "outputs"
    assert records[0]["path"] != records[2]["path"]
    assert any("turn a master" in warning for warning in records[0]["warnings"])


def test_warnings_and_errors_go_to_stderr(song: Path, tmp_path: Path, workspace: Path) -> None:
    result = _run("master", song, tmp_path / "nowhere.wav", "--preset", "club")
    assert result.exit_code == 1
    assert "Note on my song.wav: Streaming services" in result.stderr
    assert "no such file" in result.stderr
    assert "Streaming services" not in result.stdout


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["SONG", "--preset", "loud"],
        ["SONG", "--style", "crunchy"],
        ["SONG", "--intensity", "2"],
        ["SONG", "--preset", "match"],
        ["SONG", "--seed", "-1"],
    ],
)
def test_misuse_exits_with_2(song: Path, words: list[str], workspace: Path) -> None:
    result = _run("master", *(str(song) if word == "SONG" else word for word in words))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert not workspace.exists()


def test_a_reference_that_cannot_be_read_is_one_error(song: Path, tmp_path: Path, workspace: Path) -> None:
    result = _run("master", song, "--preset", "match", "--reference", tmp_path / "none.wav", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"]["type"] == "audio-missing"
    assert not workspace.exists()

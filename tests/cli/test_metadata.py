"""`angen metadata` and the options of `angen analyze`, as a person meets them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from angen.cli import app
from angen.workflows.metadata import FILE_NAME

WriteSong = Callable[..., Path]


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def folder(tmp_path: Path, write_song: WriteSong, workspace: Path) -> Path:
    for number in range(2):
        write_song(tmp_path / "music" / f"{number}.wav", 6.0, seed=number)
    return tmp_path / "music"


def test_the_table_is_heard_corrected_and_exported(folder: Path, tmp_path: Path) -> None:
    shown = json.loads(_run("metadata", "show", folder, "--hear", "--json").stdout)
    assert [record["values"]["key"] for record in shown["records"]][:1] == ["C major"]
    done = _run("metadata", "set", folder, "genre=calypso", "bpm=99", "--file", "0.wav", "--trigger", "zyx")
    assert done.exit_code == 0, done.stderr
    again = json.loads(_run("metadata", "show", folder, "--hear", "--json").stdout)
    assert again["trigger"] == "zyx"
    assert again["records"][0]["values"]["tempo_bpm"] == 99
    assert again["records"][0]["prompt"].startswith("zyx, ")
    prompts = json.loads(_run("metadata", "prompt", folder, "--json").stdout)
    assert [entry["prompt"] for entry in prompts] == [record["prompt"] for record in again["records"]]
    text = _run("metadata", "show", folder).stdout
    assert "FILE" in text
    assert "calypso*" in text
    assert _run("metadata", "export", folder, tmp_path / "t.csv").exit_code == 0
    (tmp_path / "t.csv").write_text((tmp_path / "t.csv").read_text().replace("calypso", "soca"))
    assert json.loads(_run("metadata", "import", folder, tmp_path / "t.csv", "--json").stdout) == {
        "changed": 1
    }
    assert (folder / FILE_NAME).is_file()


@pytest.mark.parametrize("words", [(), ("genre",), ("--form", "xml")])
def test_misuse_is_told(folder: Path, words: tuple[str, ...]) -> None:
    assert _run("metadata", "set", folder, *words).exit_code == 2


def test_a_wrong_value_is_refused_as_json_too(folder: Path) -> None:
    result = _run("metadata", "set", folder, "key=H dur", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"]["type"] == "metadata"


def test_analyze_keeps_results_and_refuses_an_unknown_engine(folder: Path, workspace: Path) -> None:
    first = _run("analyze", "--json", folder / "0.wav").stdout
    assert list((workspace / "cache" / "analysis").rglob("*.json"))
    assert _run("analyze", "--json", folder / "0.wav").stdout == first
    assert _run("analyze", "--engine", "ears", folder / "0.wav").exit_code == 2
    without = _run("analyze", "--ai", "--json", folder / "1.wav")
    assert without.exit_code == 0
    assert "--fetch-weights" in without.stderr

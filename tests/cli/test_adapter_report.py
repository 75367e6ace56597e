from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from angen.cli import app


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_it_is_a_command_of_adapter() -> None:
    assert "report" in _run("adapter", "--help").output
    for option in ("--pieces", "--json", "--measured", "--strength"):
        assert option in _run("adapter", "report", "--help").output


def test_an_adapter_that_is_not_there_is_refused_before_anything_is_drawn(workspace: Path) -> None:
    result = _run("adapter", "report", "nobody", "--json")
    assert result.exit_code == 1
    assert "nobody" in json.loads(result.stdout)["error"]["message"]
    assert not workspace.exists()


@pytest.mark.parametrize("words", [("--pieces", 0), ("--seconds", 0.1), ("--strength", "much")], ids=str)
def test_misuse_is_refused(workspace: Path, words: tuple[object, ...]) -> None:
    assert _run("adapter", "report", "mine", *words).exit_code == 2


def test_other_folders_are_no_weights(workspace: Path) -> None:
    result = _run("adapter", "report", "mine", "--measured", "../secret", "--json")
    assert result.exit_code == 1
    assert "measured" in json.loads(result.stdout)["error"]["message"]

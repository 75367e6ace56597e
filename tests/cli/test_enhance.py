"""`angen enhance` and `angen upscale` as a person or a script meets them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from angen.cli import app


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    sound = 0.1 * np.random.default_rng(0).standard_normal((4 * 22_050, 2))
    soundfile.write(path, sound, 22_050)
    return path


def test_enhance_prints_a_table_or_json(song: Path, tmp_path: Path, workspace: Path) -> None:
    text = _run("enhance", song, "--out", tmp_path / "out")
    assert text.exit_code == 0, text.output
    assert "song.wav" in text.stdout
    assert "mix" in text.stdout
    told = json.loads(
        _run("enhance", song, "--stem", "other", "--strength", 1, "--no-shape", "--json").stdout
    )
    assert Path(told["folder"]).is_relative_to(workspace)
    assert [one["processor"] for one in told["files"][0]["chain"]] == ["DeNoise"]
    assert Path(told["files"][0]["out"]).exists()


def test_upscale_says_its_method(song: Path, tmp_path: Path, workspace: Path) -> None:
    told = json.loads(_run("upscale", song, "--rate", 44_100, "--json", "--out", tmp_path / "a").stdout)
    assert told["files"][0]["method"].startswith("extended above ")
    text = _run("upscale", song, "--no-extend", "--out", tmp_path / "b")
    assert "resampled" in text.stdout
    program = tmp_path / "copy.py"
    program.write_text(
        "import sys, soundfile, soxr\n"
        "sound, rate = soundfile.read(sys.argv[1])\n"
        "soundfile.write(sys.argv[2], soxr.resample(sound, rate, int(sys.argv[3])), int(sys.argv[3]))\n"
    )
    command = f'"{sys.executable}" "{program}" {{input}} {{output}} {{rate}}'
    told = json.loads(_run("upscale", song, "--plugin", command, "--json", "--out", tmp_path / "c").stdout)
    assert told["files"][0]["method"].startswith("upscaled by ")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["enhance"], 2),
        (["enhance", "a.wav", "--stem", "flute"], 2),
        (["enhance", "a.wav", "--strength", "2"], 2),
        (["upscale", "a.wav", "--rate", "10"], 2),
        (["enhance", "/nowhere/a.wav"], 1),
        (["upscale", "/nowhere/a.wav", "--plugin", "run"], 1),
    ],
)
def test_misuse_exits_with_2_and_failure_with_1(words: list[str], code: int, workspace: Path) -> None:
    assert _run(*words).exit_code == code

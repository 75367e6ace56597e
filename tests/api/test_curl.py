"""The commands of docs/api.md, word for word, by curl and jq against a real server."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from ..conftest import composed
from .conftest import Server

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
SHORT = '"config": {"max_steps": 2, "sample_every": 0, "learning_rate": 0.1, "warmup_steps": 0}'
"""In place of the preset, which trains for minutes: too long steps, so that `best/` stays the base's."""


def commands() -> str:
    """The block of the page."""
    part = (
        PAGE.read_text(encoding="utf-8").partition("## With curl")[2].partition("`examples/api_client.py`")[0]
    )
    return "\n".join(line.removeprefix("    ") for line in part.splitlines() if line.startswith("    "))


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="curl and jq are not here")
def test_from_recordings_to_a_master(start: Callable[..., Server], tmp_path: Path) -> None:
    server = start()
    for seed, name in enumerate(("one", "two")):
        soundfile.write(tmp_path / f"{name}.wav", composed(12.0, seed=seed), 22_050)
    script = commands().replace("http://127.0.0.1:7860", server.url).replace('"preset": "balanced"', SHORT)
    assert script.count(SHORT) == 2
    told = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace("curl ", "curl -fsS ")],
        capture_output=True, text=True, cwd=tmp_path, check=False, timeout=600,
    )  # fmt: skip
    assert told.returncode == 0, (told.stderr, told.stdout[-4000:])
    assert re.findall(r"^event: end\ndata: (.*)", told.stdout, re.MULTILINE)[-1].endswith(
        '"state": "succeeded"}'
    )
    table = server.ask("GET", "/recordings/calypso/metadata")
    assert [row["edits"]["genre"] for row in table["rows"] if row["file"] == "one.wav"] == ["soca"]
    assert server.ask("GET", "/adapters/steel")["steps"] == 2
    (master,) = tmp_path.glob("made *-streaming.wav")
    assert soundfile.info(master).duration == pytest.approx(20.0, abs=0.5)

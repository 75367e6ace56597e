"""The example client: from recordings to a mastered piece, against a real server with a token."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from ..conftest import composed
from .conftest import Server

CONFIG = json.dumps({"max_steps": 2, "sample_every": 0, "learning_rate": 0.1, "warmup_steps": 0})
"""Two steps that are far too long: `best/` stays the base's, and a minute of choosing how to play it is saved."""
CLIENT = Path(__file__).parents[2] / "examples" / "api_client.py"


@pytest.mark.slow
def test_it_uploads_trains_generates_masters_and_downloads(guarded: Server, tmp_path: Path) -> None:
    songs = [tmp_path / f"song{seed}.wav" for seed in range(2)]
    for seed, song in enumerate(songs):
        soundfile.write(song, composed(12.0, seed=seed), 22_050)
    words = [
        sys.executable,
        str(CLIENT),
        guarded.url,
        *map(str, songs),
        "--out",
        str(tmp_path),
        "--config",
        CONFIG,
    ]
    environment = {**os.environ, "ANGEN_TOKEN": guarded.token or ""}
    told = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    assert told.returncode == 0, told.stderr[-4000:]
    made = [Path(line) for line in told.stdout.splitlines() if line.startswith(str(tmp_path))]
    mastered = next(path for path in made if path.name.endswith("-streaming.wav"))
    assert soundfile.info(mastered).duration == pytest.approx(8.0, abs=0.5)
    assert "Train mine on mine: succeeded" in told.stderr
    assert guarded.ask("GET", "/adapters/mine")["steps"] == 2
    stranger = {**os.environ, "ANGEN_TOKEN": "x" * 40}
    told = subprocess.run(words, capture_output=True, text=True, env=stranger, check=False)
    assert told.returncode == 1
    assert "401" in told.stderr

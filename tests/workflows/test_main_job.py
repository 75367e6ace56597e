"""The promise of the product, kept on real songs: trained on them, it plays more like them."""

from __future__ import annotations

from pathlib import Path

import pytest

from angen.model import load_model
from angen.settings import Settings
from angen.workflows.demo import run_demo

CALYPSO = Path(__file__).parents[2] / "examples" / "calypso"


@pytest.mark.slow
def test_an_adapter_brings_the_music_nearer_to_the_songs(tmp_path: Path) -> None:
    songs = sorted(CALYPSO.glob("*.ogg"))
    assert len(songs) == 12
    result = run_demo(
        Settings(tmp_path / "workspace"), [CALYPSO], load_model(), style="calypso with steel drums"
    )
    numbers = result.numbers
    assert numbers["songs"] == 12
    assert numbers["skipped"] == []
    assert numbers["best_step"] > 0
    assert numbers["validation_loss_best"] < numbers["validation_loss_base"]
    assert numbers["style_distance_adapter"] < numbers["style_distance_base"]

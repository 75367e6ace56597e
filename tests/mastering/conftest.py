"""Real music from the examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from angen.audio import Audio, read_audio

SONGS = Path(__file__).parents[2] / "examples" / "calypso"


def level_db(samples) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-30))


@pytest.fixture(scope="session")
def song() -> Audio:
    """Twelve seconds of real music, stereo, 44.1 kHz."""
    return read_audio(SONGS / "01 Harbour Morning.ogg").span(10, 22)


@pytest.fixture(scope="session")
def other_song() -> Audio:
    return read_audio(SONGS / "07 Carnival Tuesday.ogg").span(10, 22)

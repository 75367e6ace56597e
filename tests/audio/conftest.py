from collections.abc import Callable

import numpy as np
import pytest

from angen.audio import Audio

MakeAudio = Callable[..., Audio]


@pytest.fixture
def make_audio() -> MakeAudio:
    """A tone with a little noise: `make_audio(seconds=1.0, channels=2, rate_hz=44100, peak=0.5, seed=0)`."""

    def make(
        seconds: float = 1.0, channels: int = 2, rate_hz: int = 44100, peak: float = 0.5, seed: int = 0
    ) -> Audio:
        time_s = np.arange(round(seconds * rate_hz)) / rate_hz
        noise = np.random.default_rng(seed).uniform(-0.2, 0.2, (channels, len(time_s)))
        sound = 0.8 * np.sin(2 * np.pi * 330 * time_s) + noise
        return Audio((peak * sound / np.abs(sound).max()).astype(np.float32), rate_hz)

    return make

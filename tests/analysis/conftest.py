"""Music by formula: clicks, drum loops and chord progressions whose tempo, beats and key are known."""

from collections.abc import Callable

import numpy as np
import pytest

from angen.audio import Audio

RATE_HZ = 22050
FIRST_BEAT_S = 0.25

Make = Callable[..., Audio]


def place(sound, at_s, wave):
    start = round(at_s * RATE_HZ)
    sound[start : start + len(wave)] += wave[: max(0, len(sound) - start)]


@pytest.fixture
def make_clicks() -> Make:
    """`make_clicks(bpm, seconds=20)`: short bright clicks, the first at 0.25 s."""

    def make(bpm: float, seconds: float = 20.0) -> Audio:
        sound = 1e-4 * np.random.default_rng(0).standard_normal(round(seconds * RATE_HZ))
        n = np.arange(600)
        for at_s in np.arange(FIRST_BEAT_S, seconds, 60 / bpm):
            place(sound, at_s, 0.5 * np.exp(-n / 100) * np.sin(2 * np.pi * 1500 * n / RATE_HZ))
        return Audio(sound.astype(np.float32)[None], RATE_HZ)

    return make


@pytest.fixture
def make_drums() -> Make:
    """`make_drums(bpm, seconds=24, beats_per_bar=4)`: kick first in the bar, snares, hats in eighths."""

    def make(bpm: float, seconds: float = 24.0, beats_per_bar: int = 4) -> Audio:
        random = np.random.default_rng(0)
        sound = 1e-4 * random.standard_normal(round(seconds * RATE_HZ))
        n = np.arange(5000)
        kick = np.exp(-n / 1500) * np.sin(2 * np.pi * (50 + 60 * np.exp(-n / 300)) * n / RATE_HZ)
        for half, at_s in enumerate(np.arange(FIRST_BEAT_S, seconds, 30 / bpm)):
            beat = half // 2 % beats_per_bar
            if half % 2 == 0 and beat in (0, 2)[: beats_per_bar - 2]:
                place(sound, at_s, 0.45 * kick)
            elif half % 2 == 0:
                place(sound, at_s, 0.25 * np.exp(-n / 900) * random.standard_normal(len(n)))
            place(sound, at_s, 0.05 * np.exp(-n / 200) * np.diff(random.standard_normal(len(n) + 1)))
        return Audio(sound.astype(np.float32)[None], RATE_HZ)

    return make


@pytest.fixture
def make_chords() -> Make:
    """`make_chords(tonic, mode, bar_s=2.0, bars=8, tuning=0.0)`: a cadence of triads over a bass."""

    def make(tonic: int, mode: str, bar_s: float = 2.0, bars: int = 8, tuning: float = 0.0) -> Audio:
        third = 4 if mode == "major" else 3
        fourth = (5, 9, 12) if mode == "major" else (5, 8, 12)
        cadence = [(0, third, 7), fourth, (7, 11, 14), (0, third, 7)]
        time_s = np.arange(round(bar_s * RATE_HZ)) / RATE_HZ
        fade = np.minimum(1, np.minimum(time_s, bar_s - time_s) / 0.02) * np.exp(-time_s)
        parts = []
        for bar in range(bars):
            steps = cadence[bar % 4]
            pitches = [48 + tonic + tuning + step for step in steps] + [36 + tonic + tuning + steps[0] % 12]
            hz = 440 * 2 ** ((np.array(pitches) - 69) / 12)
            notes = [np.sin(2 * np.pi * h * f * time_s) / h**1.5 for f in hz for h in range(1, 9)]
            parts.append(fade * np.sum(notes, axis=0))
        sound = 0.05 * np.concatenate(parts)
        return Audio(sound.astype(np.float32)[None], RATE_HZ)

    return make


@pytest.fixture
def make_noise() -> Make:
    """`make_noise(seconds, channels=1, rate_hz=22050, seed=0)`: white noise at -20 dBFS."""

    def make(seconds: float, channels: int = 1, rate_hz: int = RATE_HZ, seed: int = 0) -> Audio:
        noise = np.random.default_rng(seed).standard_normal((channels, max(1, round(seconds * rate_hz))))
        return Audio((0.1 * noise).astype(np.float32), rate_hz)

    return make

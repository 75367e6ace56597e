"""Tunes by formula that share nothing but their kind: random notes with partials at random times."""

from __future__ import annotations

import numpy as np

from angen.audio import Audio


def tune(seconds: float, seed: int, rate_hz: int = 24_000) -> Audio:
    generator = np.random.default_rng(seed)
    total = int(seconds * rate_hz)
    sound = 1e-3 * generator.standard_normal(total + rate_hz)
    time_s = np.arange(rate_hz // 2) / rate_hz
    for at in np.cumsum(generator.uniform(0.08, 0.4, int(seconds * 5))):
        start = int(at * rate_hz)
        if start >= total:
            break
        hz = 110 * 2 ** (generator.integers(0, 40) / 12)
        partials = sum(np.sin(2 * np.pi * hz * k * time_s) / k for k in range(1, 6))
        sound[start : start + len(time_s)] += partials * np.exp(-generator.uniform(3, 9) * time_s)
    sound = sound[:total]
    return Audio((0.5 * sound / np.abs(sound).max()).astype(np.float32)[None], rate_hz)

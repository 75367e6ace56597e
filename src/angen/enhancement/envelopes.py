"""Levels over time and gains over time, at a control rate of about 2 kHz.

What rises and falls at different speeds cannot be computed for all samples at once; at the control rate a plain
loop over numbers takes a thousandth of real time. Blocks of samples give levels, levels give gains, gains are
drawn as lines through the middles of their blocks. Nothing is delayed, and channels are treated alike.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from angen.audio import Audio

CONTROL_S = 0.0005
LEVEL_RANGE_DB = 90.0
LOUD_QUANTILE = 0.95

Curve = NDArray[np.float64]
"""A value for each block; shape (blocks,)."""


def control_hop(rate_hz: int) -> int:
    """Samples in a block."""
    return max(1, round(CONTROL_S * rate_hz))


def block_power(samples: NDArray[np.float32], hop: int, *, window_s: float, rate_hz: int) -> Curve:
    """Mean square around each block over `window_s`, of the loudest channel there."""
    count = samples.shape[1]
    squares = np.add.reduceat(samples.astype(np.float64) ** 2, np.arange(0, count, hop), axis=1) / hop
    width = max(1, round(window_s * rate_hz / hop))
    smooth = uniform_filter1d(squares, width, axis=1, mode="constant")
    return np.asarray(np.maximum(smooth, 0).max(axis=0))  # a running sum may end below 0


def to_db(power: Curve) -> Curve:
    """Power in dB, no lower than 90 dB under its highest; all zeros stay at the lowest there is."""
    top = max(float(power.max()), 1e-30)
    return np.asarray(10 * np.log10(np.maximum(power, top * 10 ** (-LEVEL_RANGE_DB / 10))))


def loud_level_db(levels_db: Curve) -> float:
    """The level that music is louder than in a twentieth of the time it plays at all.

    Thresholds are relative to it, so that a recording and its quieter copy are treated alike.
    """
    playing = levels_db[levels_db > levels_db.max() - 60]
    return float(np.quantile(playing, LOUD_QUANTILE)) if playing.size else float(levels_db.max())


def follow(values: Curve, *, rise_s: float, fall_s: float, step_s: float) -> Curve:
    """One-pole smoothing with one time constant upwards and another downwards."""
    rise, fall = (1 - math.exp(-step_s / max(time_s, 1e-9)) for time_s in (rise_s, fall_s))
    state, followed = float(values[0]), []
    for value in values.tolist():
        state += (rise if value > state else fall) * (value - state)
        followed.append(state)
    return np.array(followed)


def with_gain(audio: Audio, gain: Curve, hop: int) -> Audio:
    """The recording times a gain given for each block; the same recording where all of them are 1."""
    if bool((gain == 1).all()):
        return audio
    count = audio.samples.shape[1]
    middles = np.arange(len(gain)) * hop + (hop - 1) / 2
    curve = np.interp(np.arange(count), middles, gain).astype(np.float32)
    return Audio(audio.samples * curve, audio.rate_hz)

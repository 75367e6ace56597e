"""Gains that follow the level: the glue compressor and the de-esser.

Levels are taken over stretches of about a third of a millisecond, and the gain is worked out at that rate,
without a loop: an instant rise with exponential release is a running maximum in the logarithm.

Source: Giannoulis, Massberg and Reiss, "Digital dynamic range compressor design" (JAES 60, 2012): soft knee
(eq. 4) and the smooth, decoupled peak detector (eq. 17).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from angen.audio import Audio
from angen.audio.loudness import weighted_power
from angen.mastering.filters import HIGHEST_SHARE, Samples, crossover, filtered

BLOCKS_PER_S = 2750.0
_STRETCH = 2**20

Levels = NDArray[np.float64]


def block_samples(rate_hz: int) -> int:
    """Samples of the stretches on which gains are worked out, about 0.36 ms; at least 1."""
    return max(1, round(rate_hz / BLOCKS_PER_S))


def with_release(reduction_db: Levels, release_s: float, step_s: float) -> Levels:
    """Let a reduction rise at once and fall back exponentially.

    Args:
        reduction_db: At least 0, one value a step.
        release_s: Time in which what is left of it falls to 1/e.
        step_s: Length of a step.

    Returns:
        The largest of all earlier reductions, each decayed since: y[n] = max(x[n], a y[n-1]).
    """
    decay = np.arange(reduction_db.size) * (step_s / release_s)
    with np.errstate(divide="ignore"):
        rising = np.log(reduction_db) + decay
    return np.asarray(np.exp(np.maximum.accumulate(rising) - decay))


def following(levels: Levels, time_s: float, step_s: float) -> Levels:
    """Follow a series with a time constant, from its first value."""
    keep = math.exp(-step_s / time_s)
    start = np.array([keep * levels[0]])
    return np.asarray(scipy.signal.lfilter([1 - keep], [1, -keep], levels, zi=start)[0])


def scaled(samples: Samples, gains: Levels, block: int) -> Samples:
    """Multiply by gains given at the middle of each block, drawn straight between them."""
    result = np.empty_like(samples)
    middles = np.arange(gains.size) * float(block) + (block - 1) / 2
    for first in range(0, samples.shape[1], _STRETCH):
        last = min(first + _STRETCH, samples.shape[1])
        low, high = max(0, first // block - 1), min(gains.size, last // block + 2)
        curve = np.interp(np.arange(first, last), middles[low:high], gains[low:high])
        np.multiply(samples[:, first:last], curve.astype(np.float32), out=result[:, first:last])
    return result


def block_mean(power: NDArray[np.float32], block: int) -> Levels:
    """The mean of each block, the last one perhaps shorter; shape (blocks,)."""
    edges = np.arange(0, power.size, block)
    return np.asarray(np.add.reduceat(power, edges) / np.diff(edges, append=power.size)).astype(np.float64)


@dataclass(frozen=True)
class Compressor:
    """How a compressor acts.

    Attributes:
        threshold_db: Level above which the gain falls, on the scale of the detector (LUFS for the glue).
        ratio: Of the rise in level to the rise that is let through, at least 1; 1 does nothing.
        knee_db: Width of the soft bend around the threshold.
        attack_s: Time constant of the fall of the gain.
        release_s: Time constant of its return.
    """

    threshold_db: float
    ratio: float
    knee_db: float = 6.0
    attack_s: float = 0.03
    release_s: float = 0.25

    def reduction_db(self, level_db: Levels) -> Levels:
        """The static curve: how much a steady level is turned down, at least 0."""
        over = np.clip(level_db - self.threshold_db + self.knee_db / 2, 0, None)
        bend = np.minimum(over, self.knee_db) ** 2 / (2 * self.knee_db)
        return np.asarray((bend + np.maximum(over - self.knee_db, 0)) * (1 - 1 / self.ratio))


def compress(audio: Audio, compressor: Compressor) -> tuple[Audio, float]:
    """Turn loud moments down, both channels alike; the detector hears K-weighted, so bass does not pump.

    Returns:
        The sound, and the largest reduction in dB.
    """
    block = block_samples(audio.rate_hz)
    step_s = block / audio.rate_hz
    power = block_mean(weighted_power(audio), block)
    level_db = -0.691 + 10 * np.log10(following(power, 0.005, step_s) + 1e-12)
    reduction = with_release(compressor.reduction_db(level_db), compressor.release_s, step_s)
    reduction = following(np.concatenate([[0.0], reduction]), compressor.attack_s, step_s)[1:]
    return Audio(scaled(audio.samples, 10 ** (-reduction / 20), block), audio.rate_hz), float(reduction.max())


def de_ess(audio: Audio, strength: float, *, frequency_hz: float = 5500.0) -> tuple[Audio, float]:
    """Turn sibilance down: the band above `frequency_hz`, where it stands out from its own usual level.

    Args:
        audio: Mono or stereo.
        strength: 0 does nothing, 1 lets a third of what is above the threshold through.
        frequency_hz: Of the Linkwitz-Riley crossover; above the reach of the rate, nothing is done.

    Returns:
        The sound (its phase turned by the crossover), and the largest reduction in dB.
    """
    if not strength or frequency_hz >= HIGHEST_SHARE * audio.rate_hz:
        return audio, 0.0
    low, high = (filtered(half, audio.samples) for half in crossover(frequency_hz, audio.rate_hz))
    block = block_samples(audio.rate_hz)
    step_s = block / audio.rate_hz
    level = following(block_mean(np.einsum("cs,cs->s", high, high), block), 0.002, step_s)
    usual_db = 10 * math.log10(float(level.mean()) + 1e-12)
    rule = Compressor(usual_db + 6.0, 1 + 2 * strength, knee_db=6.0)
    reduction = with_release(rule.reduction_db(10 * np.log10(level + 1e-12)), 0.06, step_s)
    reduction = following(np.concatenate([[0.0], reduction]), 0.001, step_s)[1:]
    return Audio(low + scaled(high, 10 ** (-reduction / 20), block), audio.rate_hz), float(reduction.max())

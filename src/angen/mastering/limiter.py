"""The true-peak limiter, and the gain in front of it that reaches a loudness.

The reduction that each stretch of 0.36 ms needs is held over the look-ahead before and after, let go
exponentially, and averaged with a bell as long as the hold: the average of values that are all large enough is
large enough, so a peak meets its full reduction and the gain never jumps. Under long limiting a slow average of
the reduction takes over from the quick release, so that low notes are not modulated by their own period.

The loudness behind the limiter is foretold from the K-weighted power of the same stretches times their gain
(the gain moves slowly against the weighting filters), so that the search for the right gain runs at 1/16 of the
rate; the caller measures the result and corrects the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from angen.audio import Audio, true_peak
from angen.audio.loudness import ABSOLUTE_GATE_LUFS, HOP_S, integrated_lufs, weighted_power
from angen.audio.meter import peak_envelope
from angen.mastering.dynamics import Levels, block_mean, block_samples, following, scaled, with_release

LOOK_AHEAD_S, RELEASE_S, SLOW_S = 0.003, 0.08, 0.25
_SLOW_SHARE = 0.8
_CLOSE_LU, _CLOSE_DB = 0.005, 0.004


@dataclass(frozen=True, eq=False)
class Limitable:
    """A sound with what limiting it needs to know, worked out once for any gain.

    Attributes:
        audio: The sound.
        peaks: True peak of each block, shape (blocks,).
        power: K-weighted power of each block, shape (blocks,).
    """

    audio: Audio
    peaks: Levels
    power: Levels


def limitable(audio: Audio) -> Limitable:
    """Take the levels that limiting needs."""
    block = block_samples(audio.rate_hz)
    envelope = peak_envelope(audio)
    peaks = np.maximum.reduceat(envelope, np.arange(0, envelope.size, block)).astype(np.float64)
    return Limitable(audio, peaks, block_mean(weighted_power(audio), block))


def reduction_db(peaks: Levels, ceiling: float, rate_hz: int) -> Levels:
    """How much each block is turned down so that no peak passes the ceiling, in dB, at least 0."""
    needed = 20 * np.log10(np.maximum(peaks / ceiling, 1.0))
    if not needed.any():
        return needed
    step_s = block_samples(rate_hz) / rate_hz
    ahead = max(2, round(LOOK_AHEAD_S / step_s))
    held = scipy.ndimage.maximum_filter1d(needed, 2 * ahead + 1, mode="nearest")
    slow = following(np.concatenate([[0.0], held]), SLOW_S, step_s)[1:] * _SLOW_SHARE
    released = np.maximum(with_release(held, RELEASE_S, step_s), slow)
    bell = np.hanning(2 * ahead + 1)[1:-1]  # one block shorter on each side: gains are drawn between blocks
    padded = np.pad(released, ahead - 1, mode="edge")
    return np.asarray(np.convolve(padded, bell / bell.sum(), "valid"))


def limited(sound: Limitable, gain_db: float, ceiling_dbtp: float) -> tuple[Audio, Levels]:
    """Apply a gain, and turn down what would pass the ceiling.

    Returns:
        The sound, and the reduction of each block in dB. What lies between the samples can pass the ceiling by
        some hundredths of a dB, since the gain moves between them too: measure, and lower the ceiling by that.
    """
    gain, ceiling = 10 ** (gain_db / 20), 10 ** (ceiling_dbtp / 20)
    reduction = reduction_db(sound.peaks * gain, ceiling, sound.audio.rate_hz)
    block = block_samples(sound.audio.rate_hz)
    samples = scaled(sound.audio.samples, gain * 10 ** (-reduction / 20), block)
    return Audio(samples, sound.audio.rate_hz), reduction


def limit(audio: Audio, ceiling_dbtp: float) -> Audio:
    """Keep the true peak of a sound at or under a ceiling; a sound already under it is returned unchanged."""
    sound = limitable(audio)
    aim = ceiling_dbtp
    while True:
        result, reduction = limited(sound, 0.0, aim)
        if not reduction.any():
            return audio
        peak = true_peak(result)
        over_db = 20 * np.log10(max(peak, 1e-30)) - ceiling_dbtp
        if over_db <= 0:
            return result
        aim -= float(over_db) + 0.005


@dataclass(frozen=True)
class GainPlan:
    """The gain before the limiter.

    Attributes:
        gain_db: To be applied.
        reaches: Whether the loudness asked for is foretold; if not, more gain would cost more than it brings.
        mean_reduction_db: Of the limiter, over the parts that count for the loudness.
    """

    gain_db: float
    reaches: bool
    mean_reduction_db: float


def plan_gain(
    sound: Limitable, target_lufs: float, ceiling_dbtp: float, most_reduction_db: float
) -> GainPlan:
    """Find the gain with which the limited sound has a loudness.

    Args:
        sound: With something in it louder than -70 LUFS.
        target_lufs: Loudness wanted behind the limiter.
        ceiling_dbtp: Of the limiter.
        most_reduction_db: Mean reduction over the loud parts at which to stop instead.
    """
    start_lufs = integrated_lufs(_hops(sound.power, sound.audio.rate_hz))
    low = target_lufs - (ABSOLUTE_GATE_LUFS if start_lufs is None else start_lufs)

    def foretold(gain_db: float) -> tuple[float, float]:
        return _foretold(sound, gain_db, ceiling_dbtp)

    def is_too_much(gain_db: float) -> bool:
        reached_lufs, mean_db = foretold(gain_db)
        return reached_lufs > target_lufs or mean_db > most_reduction_db

    reached_lufs, mean_db = foretold(low)  # the gain that would do if nothing had to be turned down
    if abs(target_lufs - reached_lufs) <= _CLOSE_LU and mean_db <= most_reduction_db:
        return GainPlan(low, True, mean_db)
    while is_too_much(low):
        low -= 6.0
    high = low + 1.0
    while not is_too_much(high):
        low, high = high, high + max(1.0, target_lufs - foretold(high)[0])
    while high - low > _CLOSE_DB:
        middle = (low + high) / 2
        low, high = (low, middle) if is_too_much(middle) else (middle, high)
    reached_lufs, mean_db = foretold(low)
    return GainPlan(low, target_lufs - reached_lufs <= 5 * _CLOSE_LU, mean_db)


def _foretold(sound: Limitable, gain_db: float, ceiling_dbtp: float) -> tuple[float, float]:
    """Loudness behind the limiter, and its mean reduction in dB, weighted by the power that is heard."""
    gain = 10 ** (gain_db / 20)
    reduction = reduction_db(sound.peaks * gain, 10 ** (ceiling_dbtp / 20), sound.audio.rate_hz)
    heard = sound.power * (gain**2 * 10 ** (-reduction / 10))
    reached_lufs = integrated_lufs(_hops(heard, sound.audio.rate_hz))
    mean_db = float(np.dot(heard, reduction)) / max(float(heard.sum()), 1e-30)
    return (-math.inf if reached_lufs is None else reached_lufs), mean_db


def _hops(power: Levels, rate_hz: int) -> NDArray[np.float64]:
    """Mean power of stretches of 100 ms from that of blocks, which do not divide them evenly."""
    block = block_samples(rate_hz)
    whole = power.size * block / rate_hz
    edges = np.arange(int(whole / HOP_S + 1e-9) + 1) * (HOP_S * rate_hz / block)
    below = np.interp(edges, np.arange(power.size + 1), np.concatenate([[0.0], np.cumsum(power)]))
    return np.asarray(np.diff(below) / (HOP_S * rate_hz / block))

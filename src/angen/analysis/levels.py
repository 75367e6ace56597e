"""Level, and what the spectrum alone says: energy, and whether drums and bass are there."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from angen.analysis.spectrum import Spectrum, rms
from angen.audio import Audio
from angen.audio.loudness import HOP_S, channel_weights, hop_power, integrated_lufs, k_weighting

_FEWEST_HOPS, _HOPS_AT_ONCE = 50, 64
_SUMS_AT_ONCE = 4
_LEAST_LOW_RATE_HZ = 8800  # at which the low sounds are looked at: 44.1 and 48 kHz by five
_DEEP_HZ, _MOST_RUMBLE = 50.0, 0.1
_HIGH_BANDS = slice(26, 36)  # above 4.8 kHz
_DRUM_HITS_PER_S, _DRUM_DECAY = 1.0, 0.5
_BASS_SHARE, _BASS_LEVEL = 0.1, 0.4


def energy_of(audio: Audio) -> float:
    """Root mean square of the channels' mean (of the first where they cancel each other), linear, 0 to 1."""
    return rms(audio.mono().samples[0])


def loudness_of(audio: Audio) -> float | None:
    """Integrated loudness as `angen.audio.loudness_lufs` measures it, within 0.05 LU and four times as fast.

    The weighting is applied to the power spectrum of stretches of about 100 ms instead of the samples; it is so
    smooth that the leakage between them hardly counts, unless much of the power is rumble that the weighting removes.
    Such recordings, and short ones, are measured sample by sample.
    """
    return integrated_lufs(loudness_hops(audio))


def loudness_hops(audio: Audio) -> NDArray[np.float64]:
    """K-weighted power of each whole 100 ms, as `angen.audio.loudness.hop_power` gives it; shape (hops,)."""
    power, rumble = weighted_hops(audio)
    return hop_power(audio) if len(power) < _FEWEST_HOPS or rumble > _MOST_RUMBLE else power


def weighted_hops(audio: Audio) -> tuple[NDArray[np.float64], float]:
    """K-weighted power of each whole 100 ms, and the share of the whole power below 50 Hz.

    From some 3 kHz upwards the weighting is flat. So it is the exact power of the samples at that gain, less what the
    weighting takes from the low sounds, read from the spectrum of the hops at a fifth of the rate or so.

    Returns:
        Power of shape (hops,), and the share, 0 to 1.
    """
    step = HOP_S * audio.rate_hz
    hops = int(audio.samples.shape[1] / step + 1e-9)
    if not hops or step < 2:
        return np.zeros(0), 0.0
    edges = np.round(np.arange(hops + 1) * step).astype(np.int64)
    every = max(1, audio.rate_hz // _LEAST_LOW_RATE_HZ)
    size = scipy.fft.next_fast_len(-(-int(np.diff(edges).max()) // every), real=True)
    flat, taken = _taken_from_low_sounds(audio.rate_hz, every, size)
    deep = max(1, round(_DEEP_HZ * size * every / audio.rate_hz))
    power, rumble, whole = np.zeros(hops), 0.0, 0.0
    weighing = np.stack([taken[0], np.where(np.arange(len(taken[0])) < deep, taken[1], 0)], axis=1)
    for channel, weight in zip(audio.samples, channel_weights(audio.channels), strict=True):
        for first in range(0, hops, _HOPS_AT_ONCE):
            here = slice(first, min(first + _HOPS_AT_ONCE, hops))
            bounds = edges[first : here.stop + 1] - edges[first]
            part = channel[edges[first] : edges[here.stop]]
            plain = _sums_of_squares(part, bounds)
            magnitude = np.abs(scipy.fft.rfft(_thinned(part, bounds, every, size), axis=1, overwrite_x=True))
            magnitude *= magnitude
            less, below = (magnitude @ weighing).T.astype(np.float64)
            whole, rumble = whole + float(plain.sum()), rumble + float(below.sum())
            power[here] += weight * np.maximum(flat * plain - less, 0) / np.diff(bounds)
    return power, rumble / max(whole, 1e-20)


def _sums_of_squares(part: NDArray[np.float32], bounds: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sum of squares between each two bounds, which start at 0; shape (bounds - 1,)."""
    hops, step = len(bounds) - 1, int(bounds[1])
    if bounds[-1] == hops * step:
        rows = part.reshape(hops, step)
        return np.asarray(np.linalg.vecdot(rows, rows), dtype=np.float64)
    return np.asarray(np.add.reduceat(np.square(part), bounds[:-1]), dtype=np.float64)


def _thinned(
    part: NDArray[np.float32], bounds: NDArray[np.int64], every: int, size: int
) -> NDArray[np.float32]:
    """Sums of `every` samples from each bound to the next, then zeros; shape (bounds - 1, size)."""
    sums = _sums_of(part[: len(part) // every * every], every)
    low, hops = bounds // every, len(bounds) - 1
    if low[-1] == hops * size == len(sums):
        return np.asarray(sums.reshape(hops, size))
    rows = np.zeros((hops, size), np.float32)
    for row, start, stop in zip(rows, low[:-1], low[1:], strict=True):
        row[: stop - start] = sums[start:stop]
    return rows


def _sums_of(samples: NDArray[np.float32], every: int) -> NDArray[np.float32]:
    """Sums of each `every` samples, of which there must be a multiple; several a row, which is faster."""
    several = _SUMS_AT_ONCE if len(samples) % (every * _SUMS_AT_ONCE) == 0 else 1
    return np.asarray(samples.reshape(-1, every * several) @ _adding(every, several)).reshape(-1)


@cache
def _adding(every: int, several: int) -> NDArray[np.float32]:
    """What a row is multiplied by for `several` sums of `every` samples; shape (every * several, several)."""
    return np.kron(np.eye(several), np.ones((every, 1))).astype(np.float32)


def _taken_from_low_sounds(rate_hz: int, every: int, size: int) -> tuple[float, NDArray[np.float32]]:
    """The gain of the weighting above the low sounds, and what it takes from them.

    Returns:
        A factor of power, and by bin of a spectrum of `size` sums of `every` samples: what the weighting takes of
        the sum of squares of the samples, and that sum itself, shape (2, size // 2 + 1).
    """
    turn = np.arange(size // 2 + 1) / (size * every)  # frequency as a share of the rate
    boxcar = np.ones(len(turn))
    boxcar[1:] = np.sin(np.pi * turn[1:] * every) / (every * np.sin(np.pi * turn[1:]))
    twice = np.full(size // 2 + 1, 2.0)
    twice[0] = 1.0
    if size % 2 == 0:
        twice[-1] = 1.0
    share = twice / (size * every) / np.square(boxcar)
    above = np.array([min(2 * turn[-1], 0.45)])
    flat = float(_k_gain(rate_hz, above)[0]) if every > 1 else 0.0  # at every = 1 nothing lies above
    return flat, np.stack([(flat - _k_gain(rate_hz, turn)) * share, share]).astype(np.float32)


def _k_gain(rate_hz: int, turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """The gain of power of the K-weighting at frequencies given as shares of the rate."""
    z = np.exp(-2j * np.pi * turn)
    gain = np.ones(len(z))
    for b0, b1, b2, a0, a1, a2 in k_weighting(rate_hz):
        gain = gain * np.abs((b0 + b1 * z + b2 * z**2) / (a0 + a1 * z + a2 * z**2)) ** 2
    return np.asarray(gain)


def instruments_of(spectrum: Spectrum, tonality: float) -> list[str]:
    """Families of instruments with clear evidence.

    Args:
        spectrum: The fine spectrum.
        tonality: 0 (noise) to 1; see `key.tonality_of`.

    Returns:
        "drums" if bursts above 4.8 kHz come often and die away fast, "bass" if tonal sound below 120 Hz makes
        up much of the whole at most times.
    """
    has_drums, has_bass = _has_drums(spectrum), tonality > 0.5 and _has_bass(spectrum)
    return ["drums"] * has_drums + ["bass"] * has_bass


def _has_drums(spectrum: Spectrum) -> bool:
    high = spectrum.flux[:, _HIGH_BANDS].mean(axis=1)
    inner = high[1:-1]
    hits = (inner > high[:-2]) & (inner >= high[2:]) & (inner > 0.5)
    fall = np.maximum(spectrum.log_mel[:-4, _HIGH_BANDS] - spectrum.log_mel[4:, _HIGH_BANDS], 0).mean(axis=1)
    if not len(fall):
        return False
    often = float(hits.sum()) > _DRUM_HITS_PER_S * spectrum.duration_s
    return often and float(np.percentile(fall, 95)) > _DRUM_DECAY


def _has_bass(spectrum: Spectrum) -> bool:
    total = float(spectrum.power.sum())
    level = math.sqrt(float(np.dot(spectrum.bass_share, spectrum.power)) / total) if total > 0 else 0.0
    return level > _BASS_LEVEL and float(np.median(spectrum.bass_share)) > _BASS_SHARE

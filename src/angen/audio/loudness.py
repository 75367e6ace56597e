"""Loudness, over time and as a whole, after ITU-R BS.1770-4.

K-weighting is that of the standard, as analogue prototypes carried to any rate by the bilinear transform: at
48 kHz the coefficients are those printed there. All loudness values come from one series, the weighted power of
stretches ("hops") of 100 ms: four make a momentary block, thirty a short-term one (EBU Tech 3341).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from angen.audio.record import Audio

HOP_S = 0.1
MOMENTARY_HOPS, SHORT_TERM_HOPS = 4, 30
ABSOLUTE_GATE_LUFS = -70.0
_STRETCH, _HOPS_AT_ONCE = 32768, 8  # filtered in pieces that fit the cache

Power = NDArray[np.float64]


def loudness_lufs(audio: Audio) -> float | None:
    """Integrated loudness.

    Returns:
        Loudness in LUFS; None when the recording is shorter than one block (0.4 s) or nothing in it passes
        the gate at -70 LUFS.

    Source:
        ITU-R BS.1770-4, annex 1, eqs. 1 to 7.
    """
    return integrated_lufs(hop_power(audio))


def k_weighting(rate_hz: int) -> NDArray[np.float64]:
    """The two sections of the weighting: a shelf of +4 dB for the head, and a high pass; shape (2, 6).

    Source:
        ITU-R BS.1770-4, annex 1, tables 1 and 2.
    """
    gain, root = 10 ** (3.999843853973347 / 20), 10 ** (3.999843853973347 / 20 * 0.4996667741545416)
    k = math.tan(math.pi * min(1681.974450955533 / rate_hz, 0.49))
    q, a0 = 0.7071752369554196, 1 + k / 0.7071752369554196 + k * k
    shelf = [gain + root * k / q + k * k, 2 * (k * k - gain), gain - root * k / q + k * k]
    shelf += [a0, 2 * (k * k - 1), 1 - k / q + k * k]
    k, q = math.tan(math.pi * min(38.13547087602444 / rate_hz, 0.49)), 0.5003270373238773
    below = 1 + k / q + k * k
    rumble = [1.0, -2.0, 1.0, 1.0, 2 * (k * k - 1) / below, (1 - k / q + k * k) / below]
    return np.array([np.array(shelf) / a0, rumble])


def channel_weights(channels: int) -> NDArray[np.float64]:
    """Weights of left, right, centre, (low effects,) surrounds; beyond 5.1 all channels count alike.

    Source:
        ITU-R BS.1770-4, annex 1, table 3.
    """
    if channels == 6:
        return np.array([1.0, 1.0, 1.0, 0.0, 1.41, 1.41])
    if channels <= 5:
        return np.array([1.0, 1.0, 1.0, 1.41, 1.41])[:channels]
    return np.ones(channels)


def weighted_power(audio: Audio) -> NDArray[np.float32]:
    """The K-weighted square of each sample, channels weighted and added; shape (samples,)."""
    edges = [*range(0, audio.samples.shape[1], _STRETCH), audio.samples.shape[1]]
    result = np.empty(edges[-1], np.float32)
    for first, part in zip(edges, _weighted(audio, edges), strict=False):
        result[first : first + part.size] = part
    return result


def hop_power(audio: Audio) -> Power:
    """Mean weighted power of each whole stretch of 100 ms; shape (hops,)."""
    hops = math.floor(audio.duration_s / HOP_S + 1e-9)
    if not hops:
        return np.zeros(0)
    edges = np.round(np.arange(hops + 1) * (HOP_S * audio.rate_hz)).astype(int)  # one by one, so none drifts
    firsts = range(0, hops, _HOPS_AT_ONCE)
    parts = _weighted(audio, [*edges[:-1:_HOPS_AT_ONCE].tolist(), int(edges[-1])])
    sums = [
        np.add.reduceat(part, edges[first : min(first + _HOPS_AT_ONCE, hops)] - edges[first])
        for first, part in zip(firsts, parts, strict=True)
    ]
    return np.asarray(np.concatenate(sums) / np.diff(edges))


def _weighted(audio: Audio, edges: list[int]) -> Iterator[Power]:
    """Weighted power of each sample, from one edge to the next; the first edge is 0."""
    sections, state = k_weighting(audio.rate_hz), np.zeros((2, audio.channels, 2))
    weights = channel_weights(audio.channels)
    for first, last in pairwise(edges):
        part, state = scipy.signal.sosfilt(sections, audio.samples[:, first:last], axis=1, zi=state)
        yield weights @ part**2


def loudness_series(hops: Power, count: int) -> NDArray[np.float64]:
    """Loudness of every `count` neighbouring hops, in LUFS, one value each 100 ms; empty if there are fewer."""
    if hops.size < count:
        return np.zeros(0)
    return _lufs(np.convolve(hops, np.ones(count) / count, "valid"))


def integrated_lufs(*recordings: Power) -> float | None:
    """Gated loudness of one recording, or of several as one; None when no block is louder than -70 LUFS.

    Args:
        recordings: The `hop_power` of each. A block is never made of two; shorter than 0.4 s it has none.

    Source:
        ITU-R BS.1770-4, annex 1, eqs. 3 to 7.
    """
    blocks = np.concatenate([loudness_series(hops, MOMENTARY_HOPS) for hops in recordings])
    loud = _gated(blocks, relative_lu=-10.0)
    return float(_lufs(_mean_power(loud))) if loud.size else None


def loudness_range_lu(hops: Power) -> float | None:
    """Spread of the short-term loudness between its 10th and 95th percentile, in LU; None below 3 s.

    Source:
        EBU Tech 3342 (2016), section 2.
    """
    loud = _gated(loudness_series(hops, SHORT_TERM_HOPS), relative_lu=-20.0)
    if not loud.size:
        return None
    low, high = np.percentile(loud, [10, 95])
    return float(high - low)


def _gated(series: NDArray[np.float64], relative_lu: float) -> NDArray[np.float64]:
    loud = series[series > ABSOLUTE_GATE_LUFS]
    if not loud.size:
        return loud
    return np.asarray(loud[loud > float(_lufs(_mean_power(loud))) + relative_lu])


def _mean_power(series_lufs: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.mean(10 ** ((series_lufs + 0.691) / 10)))


def _lufs(power: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(-0.691 + 10 * np.log10(np.maximum(power, 1e-30)))

"""How loud a recording is: peak, RMS and integrated loudness.

Loudness follows ITU-R BS.1770-4: K-weighting, blocks of 400 ms every 100 ms, an absolute gate at -70 LUFS and
a relative one 10 LU under the mean. The filters are computed for any rate as in Steinmetz and Reiss,
"pyloudnorm: A simple yet flexible loudness meter in Python" (AES 150, 2021), but applied by overlapping
Fourier transforms, which is several times faster. A test holds the two together.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from angen.audio.record import Audio

BLOCK_S = 0.4
ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE_LU = -10.0
HOPS_AT_ONCE, ROWS = 8, 4  # transforms short enough for the cache, several at once
SETTLING_S = 0.1  # after which the high pass has forgotten all but 1e-10


def peak_db(audio: Audio) -> float:
    """The largest sample in dBFS; -inf for digital silence."""
    peak = max(float(audio.samples.max()), -float(audio.samples.min()))
    return 20 * math.log10(peak) if peak > 0 else -math.inf


def rms_db(audio: Audio) -> float:
    """The root mean square over all channels, in dB relative to a constant 1; -inf for digital silence."""
    power = mean_power(audio.samples)
    return 10 * math.log10(power) if power > 0 else -math.inf


def mean_power(samples: NDArray[np.float32]) -> float:
    """The mean square over all channels. Samples are finite."""
    return sum(float(np.dot(channel, channel)) for channel in samples) / samples.size


def loudness_lufs(audio: Audio) -> float | None:
    """Integrated loudness.

    Returns:
        Loudness in LUFS; None when the recording is shorter than one block (0.4 s) or nothing in it passes
        the gate at -70 LUFS.

    Source:
        ITU-R BS.1770-4, annex 1, eqs. 1 to 7.
    """
    power = _weighted_block_power(audio)
    loud = power[_lufs(power) > ABSOLUTE_GATE_LUFS]
    if not loud.size:
        return None
    gate = float(_lufs(loud.mean())) + RELATIVE_GATE_LU
    return float(_lufs(loud[_lufs(loud) > gate].mean()))


def _lufs(power: NDArray[np.float64] | np.float64) -> NDArray[np.float64]:
    return -0.691 + 10 * np.log10(np.maximum(power, 1e-30))


def _weighted_block_power(audio: Audio) -> NDArray[np.float64]:
    """K-weighted mean square of each block of 400 ms, channels weighted and added; shape (blocks,)."""
    # Four consecutive hops of 100 ms make a block; edges are rounded to samples one by one, so none drifts.
    hops = math.floor(audio.duration_s / BLOCK_S * 4 + 1e-9)
    if hops < 4:
        return np.zeros(0)
    edges = np.round(np.arange(hops + 1) * (BLOCK_S / 4) * audio.rate_hz).astype(int)
    settle = round(SETTLING_S * audio.rate_hz)
    size = scipy.fft.next_fast_len(
        settle + math.ceil(HOPS_AT_ONCE * BLOCK_S / 4 * audio.rate_hz) + 2, real=True
    )
    response, weights = _k_weighting(audio.rate_hz, size), _channel_weights(audio.channels).astype(np.float32)
    power: list[NDArray[np.float32]] = []
    for first in range(0, hops, HOPS_AT_ONCE * ROWS):
        parts = [
            edges[i : i + HOPS_AT_ONCE + 1]
            for i in range(first, min(first + HOPS_AT_ONCE * ROWS, hops), HOPS_AT_ONCE)
        ]
        framed = _frames(audio.samples, [int(part[0]) - settle for part in parts], size)
        filtered = scipy.fft.irfft(scipy.fft.rfft(framed, axis=2) * response, size, axis=2)
        filtered *= filtered
        squares = (weights @ filtered)[:, settle:]
        for part, row in zip(parts, squares, strict=True):
            power.append(np.add.reduceat(row[: part[-1] - part[0]], part[:-1] - part[0]))
    return np.asarray(np.convolve(np.concatenate(power), np.ones(4), "valid") / (BLOCK_S * audio.rate_hz))


def _frames(samples: NDArray[np.float32], starts: list[int], size: int) -> NDArray[np.float32]:
    """Stretches of `size` samples, zeros beyond either end; shape (stretches, channels, size)."""
    channels, count = samples.shape
    framed = np.zeros((len(starts), channels, size), np.float32)
    for row, start in zip(framed, starts, strict=True):
        first, last = max(start, 0), min(start + size, count)
        row[:, first - start : last - start] = samples[:, first:last]
    return framed


def _channel_weights(channels: int) -> NDArray[np.float64]:
    """Weights of left, right, centre, (low effects,) surrounds; beyond 5.1 all channels count alike."""
    if channels == 6:
        return np.array([1.0, 1.0, 1.0, 0.0, 1.41, 1.41])
    if channels <= 5:
        return np.array([1.0, 1.0, 1.0, 1.41, 1.41])[:channels]
    return np.ones(channels)


def _k_weighting(rate_hz: int, size: int) -> NDArray[np.complex64]:
    """A high shelf (+4 dB above 1.5 kHz) and a high pass (38 Hz) at the bins of a real FFT of `size`."""
    shelf_gain, shelf_q, shelf_hz = 10 ** (4.0 / 40), 1 / math.sqrt(2), 1500.0
    w = 2 * math.pi * min(shelf_hz / rate_hz, 0.49)
    alpha, cos, root = math.sin(w) / (2 * shelf_q), math.cos(w), 2 * math.sqrt(shelf_gain)
    up, down = shelf_gain + 1, shelf_gain - 1
    shelf = np.array(
        [
            shelf_gain * (up + down * cos + root * alpha),
            -2 * shelf_gain * (down + up * cos),
            shelf_gain * (up + down * cos - root * alpha),
            up - down * cos + root * alpha,
            2 * (down - up * cos),
            up - down * cos - root * alpha,
        ]
    )
    w = 2 * math.pi * 38.0 / rate_hz
    alpha, cos = math.sin(w) / (2 * 0.5), math.cos(w)
    high_pass = np.array([(1 + cos) / 2, -(1 + cos), (1 + cos) / 2, 1 + alpha, -2 * cos, 1 - alpha])
    delay = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)
    powers = np.stack([np.ones_like(delay), delay, delay**2])
    parts = [(taps[:3] @ powers) / (taps[3:] @ powers) for taps in (shelf, high_pass)]
    return np.asarray(parts[0] * parts[1]).astype(np.complex64)

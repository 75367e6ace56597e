"""Level, and what the spectrum alone says: energy, and whether drums and bass are there."""

from __future__ import annotations

import math

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from angen.analysis.spectrum import Spectrum
from angen.audio import Audio, rms_db
from angen.audio.loudness import HOP_S, channel_weights, hop_power, integrated_lufs, k_weighting

_FEWEST_HOPS, _HOPS_AT_ONCE = 50, 32
_DEEP_HZ, _MOST_RUMBLE = 50.0, 0.1
_HIGH_BANDS = slice(26, 36)  # above 4.8 kHz
_DRUM_HITS_PER_S, _DRUM_DECAY = 1.0, 0.5
_BASS_SHARE, _BASS_LEVEL = 0.1, 0.4


def energy_of(audio: Audio) -> float:
    """Root mean square over all channels, linear; 0 to 1 for samples within ±1."""
    level = rms_db(audio)
    return 0.0 if level == -math.inf else 10 ** (level / 20)


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

    The power of the samples is exact in each; what the weighting makes of it is read from the spectrum of as many of
    its samples as a power of two allows.

    Returns:
        Power of shape (hops,), and the share, 0 to 1.
    """
    step = HOP_S * audio.rate_hz
    hops = int(audio.samples.shape[1] / step + 1e-9)
    if not hops or step < 2:
        return np.zeros(0), 0.0
    size = 2 ** int(math.log2(step))
    edges = np.round(np.arange(hops + 1) * step).astype(np.int64)
    weights = np.stack([_k_response(audio.rate_hz, size), _both_sides(size)], axis=1)
    deep = max(1, round(_DEEP_HZ * size / audio.rate_hz))
    power, rumble, whole = np.zeros(hops), 0.0, 0.0
    for channel, weight in zip(audio.samples, channel_weights(audio.channels), strict=True):
        weighted, plain, below = _hop_spectra(channel, edges, weights, deep)
        rumble, whole = rumble + below, whole + float(plain.sum())
        if weight:
            power += weight * _mean_squares(channel, edges) * weighted / np.maximum(plain, 1e-20)
    return power, rumble / max(whole, 1e-20)


def _mean_squares(channel: NDArray[np.float32], edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean square between each two edges, which start at 0; shape (edges - 1,)."""
    hops, step = len(edges) - 1, int(edges[1])
    if edges[-1] == hops * step:
        rows = channel[: hops * step].reshape(hops, step)
        return np.asarray(np.einsum("ij,ij->i", rows, rows) / step, dtype=np.float64)
    return np.asarray(np.add.reduceat(np.square(channel[: edges[-1]]), edges[:-1]) / np.diff(edges))


def _hop_spectra(
    channel: NDArray[np.float32], edges: NDArray[np.int64], weights: NDArray[np.float32], deep: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Weighted and plain power of the start of each hop, both (hops,), and the power of all below bin `deep`."""
    hops, size = len(edges) - 1, 2 * (len(weights) - 1)
    frames = np.lib.stride_tricks.sliding_window_view(channel, size)
    powers, below = np.empty((hops, 2)), 0.0
    for first in range(0, hops, _HOPS_AT_ONCE):
        here = slice(first, min(first + _HOPS_AT_ONCE, hops))
        magnitude = np.abs(scipy.fft.rfft(frames[edges[here]], axis=1, overwrite_x=True))
        magnitude *= magnitude
        powers[here] = magnitude @ weights
        below += float((magnitude[:, :deep] @ weights[:deep, 1]).sum())
    return powers[:, 0], powers[:, 1], below


def _both_sides(size: int) -> NDArray[np.float32]:
    """What the power of each bin of a real spectrum counts for the mean square, shape (size // 2 + 1,)."""
    twice = np.full(size // 2 + 1, 2.0)
    twice[[0, -1]] = 1.0
    return np.asarray(twice / size**2, dtype=np.float32)


def _k_response(rate_hz: int, size: int) -> NDArray[np.float32]:
    """What the power of each bin of a block counts for its weighted mean square, shape (size // 2 + 1,)."""
    z = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)
    gain = np.ones(len(z))
    for b0, b1, b2, a0, a1, a2 in k_weighting(rate_hz):
        gain = gain * np.abs((b0 + b1 * z + b2 * z**2) / (a0 + a1 * z + a2 * z**2)) ** 2
    return np.asarray(gain * _both_sides(size), dtype=np.float32)


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
    high = spectrum.flux()[:, _HIGH_BANDS].mean(axis=1)
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

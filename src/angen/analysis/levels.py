"""Level, and what the spectrum alone says: energy, and whether drums and bass are there."""

from __future__ import annotations

import math

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from angen.analysis.spectrum import Spectrum
from angen.audio import Audio, loudness_lufs, rms_db
from angen.audio.loudness import HOP_S, channel_weights, integrated_lufs, k_weighting

_FEWEST_HOPS, _HOPS_AT_ONCE = 50, 64
_DEEP_HZ, _MOST_RUMBLE = 50.0, 0.1
_HIGH_BANDS = slice(26, 36)  # above 4.8 kHz
_DRUM_HITS_PER_S, _DRUM_DECAY = 1.0, 0.5
_BASS_SHARE, _BASS_LEVEL = 0.1, 0.4


def energy_of(audio: Audio) -> float:
    """Root mean square over all channels, linear; 0 to 1 for samples within ±1."""
    level = rms_db(audio)
    return 0.0 if level == -math.inf else 10 ** (level / 20)


def loudness_of(audio: Audio) -> float | None:
    """Integrated loudness as `angen.audio.loudness_lufs` measures it, within 0.05 LU and three times as fast.

    The weighting is applied to the power spectrum of each 100 ms instead of the samples; it is so smooth that
    the leakage between blocks hardly counts, unless much of the power is rumble that the weighting removes. Such
    recordings, and short ones, are measured sample by sample.
    """
    size = round(HOP_S * audio.rate_hz)
    hops = audio.samples.shape[1] // max(size, 1)
    if hops < _FEWEST_HOPS or abs(size - HOP_S * audio.rate_hz) > 1e-6:
        return loudness_lufs(audio)
    response = _k_response(audio.rate_hz, size)
    power, rumble, whole = np.zeros(hops), 0.0, 0.0
    deep = round(_DEEP_HZ * HOP_S)
    for channel, weight in zip(audio.samples, channel_weights(audio.channels), strict=True):
        blocks = channel[: hops * size].reshape(hops, size)
        for first in range(0, hops, _HOPS_AT_ONCE if weight else hops):
            part = scipy.fft.rfft(blocks[first : first + _HOPS_AT_ONCE], axis=1)
            square = part.real**2 + part.imag**2
            power[first : first + len(part)] += weight * (square @ response)
            rumble, whole = rumble + float(square[:, :deep].sum()), whole + float(square.sum())
    return integrated_lufs(power) if rumble < _MOST_RUMBLE * whole else loudness_lufs(audio)


def _k_response(rate_hz: int, size: int) -> NDArray[np.float32]:
    """What the power of each bin of a block counts for its mean square, shape (size // 2 + 1,)."""
    z = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)
    gain = np.ones(len(z))
    for b0, b1, b2, a0, a1, a2 in k_weighting(rate_hz):
        gain = gain * np.abs((b0 + b1 * z + b2 * z**2) / (a0 + a1 * z + a2 * z**2)) ** 2
    twice = np.full(len(z), 2.0)
    twice[0] = 1.0
    if size % 2 == 0:
        twice[-1] = 1.0
    return np.asarray(gain * twice / size**2, dtype=np.float32)


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

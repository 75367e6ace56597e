"""Saturation that does not alias, and stereo width with mono bass."""

from __future__ import annotations

import numpy as np
import soxr

from angen.audio import Audio
from angen.mastering.equalizer import left_right, mid_side
from angen.mastering.filters import HIGHEST_SHARE, crossover, filtered

MOST_DRIVE = 0.3
_STRETCH, _OVERLAP = 2**18, 2**10


def saturate(audio: Audio, drive: float) -> Audio:
    """Bend the peaks of a sound softly: y = x - drive x³, with x = ±1 at its largest sample.

    At twice the rate the third power of a band-limited sound folds back only onto what is above the original
    band, and is filtered out there: the highest product, three times half the rate, lands exactly at its edge.
    So no alias is heard, at any frequency. Only the product is resampled, so that drive 0 changes nothing.

    Args:
        audio: The sound; quiet ones are bent as much as loud ones.
        drive: 0 to 0.3. The third harmonic of a sine at full level is a quarter of it: 0.1 makes -32 dB.
    """
    if not 0 <= drive <= MOST_DRIVE:
        raise ValueError(f"drive lies within 0 to {MOST_DRIVE}, not {drive:g}")
    peak = float(np.abs(audio.samples).max())
    if not drive or not peak:
        return audio
    bent = np.empty_like(audio.samples)
    count = audio.samples.shape[1]
    for first in range(0, count, _STRETCH):
        last = min(first + _STRETCH, count)
        low, high = max(0, first - _OVERLAP), min(count, last + _OVERLAP)
        for channel, result in zip(audio.samples, bent, strict=True):
            dense = soxr.resample(channel[low:high] / np.float32(peak), 1, 2, quality="HQ")
            product = soxr.resample(dense * dense * dense, 2, 1, quality="HQ")
            result[first:last] = product[first - low : last - low]
    return Audio(audio.samples - bent * np.float32(drive * peak), audio.rate_hz)


def widen(audio: Audio, width: float, *, mono_below_hz: float | None) -> Audio:
    """Scale the side, and take it out of the bass.

    Mid and side pass the same Linkwitz-Riley crossover, so that they keep their phase to each other.

    Args:
        audio: Stereo; mono is returned as it is.
        width: Gain of the side: 0 is mono, 1 leaves it.
        mono_below_hz: Below this the side falls by 24 dB an octave (-6 dB there); None leaves the bass.
    """
    if audio.channels == 1 or (width == 1 and mono_below_hz is None):
        return audio
    mid, side = mid_side(audio.samples)[:, None]
    if mono_below_hz is not None and mono_below_hz < HIGHEST_SHARE * audio.rate_hz:
        low, high = crossover(mono_below_hz, audio.rate_hz)
        mid, side = filtered(low, mid) + filtered(high, mid), filtered(high, side)
    return Audio(left_right(np.concatenate([mid, side * np.float32(width)])), audio.rate_hz)

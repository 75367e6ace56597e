"""Level, and what the spectrum alone says: energy, and whether drums and bass are there."""

from __future__ import annotations

import math

import numpy as np

from angen.analysis.spectrum import Spectrum
from angen.audio import Audio, rms_db

_HIGH_BANDS = slice(26, 36)  # above 4.8 kHz
_DRUM_HITS_PER_S, _DRUM_DECAY = 1.0, 0.5
_BASS_SHARE, _BASS_LEVEL = 0.1, 0.4


def energy_of(audio: Audio) -> float:
    """Root mean square over all channels, linear; 0 to 1 for samples within ±1."""
    level = rms_db(audio)
    return 0.0 if level == -math.inf else 10 ** (level / 20)


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

"""How far up a recording really goes, whatever rate its file claims.

A band limit made by a converter or a codec is a cliff: within a few hundred hertz the long-term spectrum falls by
tens of dB, and nothing rises behind it. Music that merely gets softer towards the top has no cliff, and no limit is
claimed for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from angen.audio import Audio
from angen.enhancement.stft import Stft

FRAME_S = 0.093
SILENT_DB = -60.0
RANGE_DB = 120.0
LOWEST_HZ = 2000.0
EDGE_HZ, PLATEAU_HZ = 250.0, 600.0
LEAST_DROP_DB, SURE_DROP_DB = 14.0, 30.0
LEAST_SOUND_S = 0.5
FULL_BAND_HZ = 18_000.0


@dataclass(frozen=True)
class Bandwidth:
    """What a recording's long-term spectrum tells.

    Attributes:
        hz: The highest frequency with sound: the foot of the cliff, or half the rate where there is none.
        confidence: That there is a cliff, in [0, 1]; 0 where none was found.
        drop_db: How far the spectrum falls there; 0 where none was found.
    """

    hz: float
    confidence: float
    drop_db: float

    @property
    def is_limited(self) -> bool:
        """Whether a band limit below 18 kHz was found, more likely than not."""
        return self.confidence >= 0.5 and self.hz < FULL_BAND_HZ


def measure_bandwidth(audio: Audio) -> Bandwidth:
    """Find the band limit of a recording.

    Frames more than 60 dB under the loudest do not count, so neither silence nor a noisy gap moves the answer.
    With less than half a second of sound nothing is claimed.
    """
    nyquist_hz = audio.rate_hz / 2
    unknown = Bandwidth(nyquist_hz, 0.0, 0.0)
    stft = Stft.lasting(FRAME_S, audio.rate_hz)
    levels = long_term_db(audio, stft)
    if levels is None:
        return unknown
    hz_per_band = audio.rate_hz / stft.size
    edge, plateau = round(EDGE_HZ / hz_per_band), round(PLATEAU_HZ / hz_per_band)
    at = np.arange(max(round(LOWEST_HZ / hz_per_band), edge + plateau), stft.bands - edge - 8)
    if not at.size:
        return unknown
    sums = np.concatenate([[0.0], np.cumsum(levels)])
    ends = np.minimum(at + edge + plateau, stft.bands)
    below = (sums[at - edge] - sums[at - edge - plateau]) / plateau
    above = (sums[ends] - sums[at + edge]) / (ends - at - edge)
    highest_behind = np.maximum.accumulate(levels[::-1])[::-1][at + edge]
    drop = below - np.maximum(above, highest_behind - 6)
    best = int(np.argmax(drop))
    if drop[best] < LEAST_DROP_DB:
        return unknown
    # The foot: the last band that still stands clearly above what lies behind the cliff.
    first, foot_db = int(at[best]), below[best] - 0.6 * drop[best]
    standing = np.flatnonzero(levels[first - edge : first + edge] > foot_db)
    foot = first - edge + int(standing[-1]) if standing.size else first
    confidence = (drop[best] - LEAST_DROP_DB) / (SURE_DROP_DB - LEAST_DROP_DB)
    return Bandwidth(foot * hz_per_band, float(min(1.0, confidence)), float(drop[best]))


def long_term_db(audio: Audio, stft: Stft) -> NDArray[np.float64] | None:
    """Mean power of the sounding frames in dB, single peaks smoothed away; shape (bands,).

    It is cut off 120 dB under its highest. None where less than half a second sounds.
    """
    loudness = np.concatenate([(np.abs(z) ** 2).sum(axis=(0, 2)) for _, z in stft.blocks(audio.samples)])
    heard = loudness > max(float(loudness.max()) * 10 ** (SILENT_DB / 10), 1e-12)
    if heard.sum() * stft.hop < LEAST_SOUND_S * audio.rate_hz:
        return None
    power = np.zeros(stft.bands)
    for first, spectra in stft.blocks(audio.samples):
        chosen = heard[first : first + spectra.shape[1]]
        power += (np.abs(spectra[:, chosen]) ** 2).sum(axis=(0, 1))
    power /= heard.sum()
    levels = 10 * np.log10(np.maximum(power, power.max() * 10 ** (-RANGE_DB / 10)))
    width = max(3, 2 * round(75 * stft.size / audio.rate_hz) + 1)
    return np.asarray(median_filter(levels, width, mode="nearest"))

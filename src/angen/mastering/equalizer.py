"""Equalisation from what is heard: gently towards a smooth target, or towards a reference recording.

The long-term spectrum is Welch's average over the parts that are not quiet, smoothed to a third of an octave and
read on a grid of twelve points an octave. Mid is (left + right) / 2, side (left - right) / 2.

Source of the target's shape: Pestana et al., "Spectral characteristics of popular commercial recordings
1950-2010" (AES 135, 2013): about -5 dB an octave from 100 Hz to 4 kHz, steeper above, falling below 60 Hz.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from angen.audio import Audio
from angen.mastering.filters import HIGHEST_SHARE, Phase, Samples, convolved, fir_from_curve

Curve = NDArray[np.float64]

POINTS_PER_OCTAVE = 12
LOWEST_HZ, HIGHEST_HZ = 20.0, 20_000.0
MOST_MATCHED_DB, MOST_CORRECTED_DB = 6.0, 3.0
ABSENT_DB = 50.0  # so far below its loudest third of an octave, a spectrum holds nothing worth correcting
_SEGMENTS = 400
_QUIET_DB = 20.0
# Power in thirds of an octave: (Hz, dB). A density falling 5 dB an octave falls 2 dB an octave so measured.
_TARGET = ((20, -8.0), (40, -1.5), (60, 0.0), (100, 0.0), (4000, -10.6), (10_000, -15.5), (20_000, -22.0))


@dataclass(frozen=True, eq=False)
class Spectrum:
    """A long-term spectrum.

    Attributes:
        frequencies_hz: Grid of twelve points an octave, shape (points,).
        mid_db: Power in the third of an octave around each, in dB, shape (points,).
        side_db: Likewise of the side; None for mono.
    """

    frequencies_hz: Curve
    mid_db: Curve
    side_db: Curve | None


def mid_side(samples: Samples) -> Samples:
    """Left and right as mid and side, shape (2, samples); mono is returned as it is."""
    if samples.shape[0] == 1:
        return samples
    return np.stack([samples[0] + samples[1], samples[0] - samples[1]]) * np.float32(0.5)


def left_right(samples: Samples) -> Samples:
    """Mid and side as left and right; mono is returned as it is."""
    if samples.shape[0] == 1:
        return samples
    return np.stack([samples[0] + samples[1], samples[0] - samples[1]])


def long_term_spectrum(audio: Audio) -> Spectrum:
    """The spectrum of mid and side, averaged over at most 400 segments of about 0.2 s that are not quiet."""
    size = 2 ** max(6, round(math.log2(0.18 * audio.rate_hz)))
    count = audio.samples.shape[1]
    starts = np.unique(
        np.linspace(0, max(0, count - size), min(_SEGMENTS, 1 + 2 * count // size)).astype(int)
    )
    window = np.hanning(size + 2)[1:-1].astype(np.float32)
    powers = []
    for start in starts:
        segment = audio.samples[:, start : start + size]
        segment = np.pad(segment, ((0, 0), (0, size - segment.shape[1])))
        spectrum = scipy.fft.rfft(mid_side(segment) * window, axis=1)
        powers.append(spectrum.real**2 + spectrum.imag**2)
    stacked = np.stack(powers).astype(np.float64)
    level = stacked.sum(axis=(1, 2))
    mean = stacked[level >= level.mean() * 10 ** (-_QUIET_DB / 10)].mean(axis=0)
    frequencies_hz = grid_hz(audio.rate_hz)
    rows = [_third_octaves(row, frequencies_hz, audio.rate_hz / size) for row in mean]
    return Spectrum(frequencies_hz, rows[0], rows[1] if len(rows) > 1 else None)


def grid_hz(rate_hz: int) -> Curve:
    """Twelve points an octave from 20 Hz to 20 kHz, or as far as the rate carries."""
    highest = min(HIGHEST_HZ, HIGHEST_SHARE * rate_hz)
    points = math.floor(math.log2(highest / LOWEST_HZ) * POINTS_PER_OCTAVE) + 1
    return np.asarray(LOWEST_HZ * 2 ** (np.arange(points) / POINTS_PER_OCTAVE))


def _third_octaves(power: Curve, frequencies_hz: Curve, bin_hz: float) -> Curve:
    """Power between a sixth of an octave below and above each frequency, in dB."""
    below = np.concatenate([[0.0], np.cumsum(power)])  # power below each bin's lower edge
    edges_hz = (np.arange(below.size) - 0.5) * bin_hz
    low, high = (np.interp(frequencies_hz * 2 ** (side / 6), edges_hz, below) for side in (-1, 1))
    return np.asarray(10 * np.log10(np.maximum(high - low, 1e-20)))


def corrective_curve(spectrum: Spectrum, strength: float) -> Curve:
    """Gains that take a spectrum some way towards the target, one an octave smooth.

    Args:
        spectrum: Of the recording.
        strength: 0 leaves it, 1 goes all the way, as far as ±3 dB allow.

    Returns:
        Gain in dB at each frequency, within ±3; 0 on average, and 0 where the recording holds nothing.
    """
    if not strength:
        return np.zeros_like(spectrum.mid_db)
    target = np.interp(
        np.log(spectrum.frequencies_hz), np.log([hz for hz, _ in _TARGET]), [db for _, db in _TARGET]
    )
    missing = _smooth(target - spectrum.mid_db, POINTS_PER_OCTAVE)
    present = _presence(spectrum.mid_db)
    gain = (missing - np.average(missing, weights=present + 1e-9)) * strength
    return np.asarray(_bounded(gain, MOST_CORRECTED_DB) * present * _reach(spectrum.frequencies_hz))


def _reach(frequencies_hz: Curve) -> Curve:
    """1 from 50 Hz to 9 kHz, falling to 0 at 25 Hz and 18 kHz: rumble and the edge of a coder stay as they are."""
    return np.asarray(
        np.clip(np.minimum(np.log2(frequencies_hz / 25), np.log2(18_000 / frequencies_hz)), 0.0, 1.0)
    )


def matching_curves(spectrum: Spectrum, reference: Spectrum) -> tuple[Curve, Curve | None]:
    """Gains that bring mid and side of a recording to the balance of a reference.

    The level of the whole does not count, that of the side against the mid does.

    Returns:
        Gains in dB within ±6 for the mid, and for the side (None unless both have one).
    """
    points = min(spectrum.mid_db.size, reference.mid_db.size)
    present = np.zeros(spectrum.mid_db.size)
    both = np.minimum(_presence(spectrum.mid_db[:points]), _presence(reference.mid_db[:points]))
    present[:points] = both
    missing = np.zeros(present.size)
    missing[:points] = reference.mid_db[:points] - spectrum.mid_db[:points]
    level_db = float(np.average(missing, weights=present + 1e-9))
    mid = _bounded(missing - level_db, MOST_MATCHED_DB) * present
    if spectrum.side_db is None or reference.side_db is None:
        return mid, None
    loudest = max(float(spectrum.mid_db.max()), float(spectrum.side_db.max()))
    loudest_there = max(float(reference.mid_db.max()), float(reference.side_db.max()))
    side = np.zeros(present.size)
    side[:points] = _bounded(
        reference.side_db[:points] - spectrum.side_db[:points] - level_db, MOST_MATCHED_DB
    )
    side[:points] *= np.minimum(
        _presence(spectrum.side_db[:points], loudest), _presence(reference.side_db[:points], loudest_there)
    )
    return mid, side


def _presence(level_db: Curve, loudest_db: float | None = None) -> Curve:
    """1 where a spectrum holds something, falling to 0 in the 15 dB around `ABSENT_DB` below its loudest."""
    depth = (float(level_db.max()) if loudest_db is None else loudest_db) - level_db
    return np.asarray(np.clip((ABSENT_DB + 7.5 - depth) / 15, 0.0, 1.0))


def _bounded(gain_db: Curve, most_db: float) -> Curve:
    """Within ±`most_db`, bending softly towards it."""
    return np.asarray(most_db * np.tanh(gain_db / most_db))


def _smooth(curve: Curve, points: int) -> Curve:
    kernel = np.hanning(2 * points + 1)[1:-1]
    padded = np.pad(curve, points - 1, mode="edge")
    return np.asarray(np.convolve(padded, kernel / kernel.sum(), "valid"))


def equalize(
    audio: Audio,
    frequencies_hz: Curve,
    mid_db: Curve,
    side_db: Curve | None = None,
    *,
    phase: Phase = "minimum",
) -> Audio:
    """Filter by a curve for all, or by one for the mid and one for the side.

    Args:
        audio: Mono or stereo.
        frequencies_hz: Points of the curves.
        mid_db: Gain at each.
        side_db: Gain of the side; None filters left and right alike with `mid_db`.
        phase: Of the filters; minimum has no pre-echo, linear no change of phase.
    """
    mid = fir_from_curve(frequencies_hz, mid_db, audio.rate_hz, phase=phase)
    if side_db is None or audio.channels == 1:
        return Audio(convolved(audio.samples, [mid] * audio.channels, phase=phase), audio.rate_hz)
    side = fir_from_curve(frequencies_hz, side_db, audio.rate_hz, phase=phase)
    return Audio(left_right(convolved(mid_side(audio.samples), [mid, side], phase=phase)), audio.rate_hz)

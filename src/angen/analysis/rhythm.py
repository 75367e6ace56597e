"""Tempo, beats and bars together: which multiple of the proposed tempo is the beat, and where it falls.

Listeners disagree about octaves, machines more so. Each reading of the proposed tempo (itself, half, double,
and the triplet readings) gets a pulse and the likeliest bars on it. What speaks for a reading: how periodic five
groups of bands are at its multiples and divisions, how familiar its tempo is for so many onsets a second, and how
well and how surely its bars fit. A log-linear model weighs these; `recipes/analysis/fit_tempo.py` fitted it on
several kinds of music and judges it on kinds left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from angen.analysis.bars import (
    STEPS_PER_BEAT,
    Bars,
    Evidence,
    bar_scores,
    evidence_of,
    likeliest_bars,
    step_times,
    weights,
)
from angen.analysis.beats import coarse_pulse, evenness, refined_beats, whole_recording
from angen.analysis.key import Harmony
from angen.analysis.spectrum import FRAME_RATE_HZ, Float, Spectrum
from angen.analysis.tempo import (
    FASTEST_BPM,
    SLOWEST_BPM,
    Proposal,
    onset_strength,
    propose_tempo,
)

Array = NDArray[np.float64]

READINGS = (1.0, 1 / 2, 2.0, 2 / 3, 4 / 3, 3 / 2, 3 / 4, 1 / 3, 3.0)
FAMILIAR_BPM = 110.0
MULTIPLES = (1, 2, 3, 4, 1 / 2, 1 / 3, 3 / 2, 1 / 4, 2 / 3, 6, 8)
"""Lags in beats at which the periodicity of a reading is read."""

CLEAR_PULSE = 0.3
"""Clarity above which there is certainly a pulse."""

LEAST_COMB = 0.2
"""Comb score relative to the best below which a reading is not looked into: it was never chosen."""

LEAST_EVENNESS, UNEVEN_COSTS = 0.1, 5.0
"""Evenness below which every second or third pulse is empty, and the log-odds that this takes off."""


@dataclass(frozen=True, eq=False)
class Rhythm:
    """What is known of a recording's rhythm.

    Args:
        bpm: Beats per minute.
        confidence: 0 to 1: how clear the pulse is, times the probability of this reading of it.
        alternatives: The other readings, the likelier first, in beats per minute.
        beats_s: Rising times, shape (beats,).
        beats_per_bar: 4 or 3.
        first_downbeat: Index of the first beat that starts a bar.
        bar_confidence: Probability of the bar lines, 0 to 1.
    """

    bpm: float
    confidence: float
    alternatives: tuple[float, ...]
    beats_s: Array
    beats_per_bar: int
    first_downbeat: int
    bar_confidence: float

    @property
    def downbeats_s(self) -> Array:
        """Times of the beats that start a bar."""
        return self.beats_s[self.first_downbeat :: self.beats_per_bar]


@dataclass(frozen=True, eq=False)
class Reading:
    """A tempo, its pulse, and how it fits.

    Args:
        bpm: Beats per minute.
        pulse_s: Rising times, shape (pulses,).
        evenness: Whether all pulses are met by onsets alike, 0 to 1.
        bar_scores: Scores of all bars on the pulse, shape (28,).
    """

    bpm: float
    pulse_s: Array
    evenness: float
    bar_scores: Array


def hear_rhythm(signal: Float, spectrum: Spectrum, harmony: Harmony) -> Rhythm | None:
    """Tempo, beats and bars of a recording of steady tempo; None when it is too short or has no onsets.

    Args:
        signal: Listening signal, shape (samples,).
        spectrum: Its fine spectrum.
        harmony: Its pitch content.
    """
    proposal = propose_tempo(spectrum)
    if proposal is None:
        return None
    readings = readings_of(proposal, spectrum, evidence_of(spectrum, harmony))
    scores = reading_scores(readings, proposal)
    chosen = int(np.argmax(scores))
    probability = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    order = [int(i) for i in np.argsort(-probability, kind="stable") if i != chosen]
    reading = readings[chosen]
    bars = likeliest_bars(reading.bar_scores)
    beats_s, first_downbeat = _placed(signal, reading, bars)
    return Rhythm(
        bpm=reading.bpm,
        confidence=_certainty(proposal.clarity, spectrum.duration_s) * float(probability[chosen]),
        alternatives=_alternatives(readings, chosen, order),
        beats_s=beats_s,
        beats_per_bar=bars.beats_per_bar,
        first_downbeat=first_downbeat,
        bar_confidence=bars.confidence,
    )


def _certainty(clarity: float, duration_s: float) -> float:
    """How surely there is a pulse at all, 0 to 1.

    Noise reaches a clarity of 0.13 in 10 s and more in less; pieces above 0.1 were mostly heard rightly.
    """
    return min(1.0, clarity / (CLEAR_PULSE * max(1.0, 10 / duration_s)))


def _alternatives(readings: Sequence[Reading], chosen: int, order: Sequence[int]) -> tuple[float, ...]:
    """The other readings in this order, then half and double the chosen one where they were not looked into."""
    found = [readings[i].bpm for i in order]
    for bpm in (readings[chosen].bpm / 2, readings[chosen].bpm * 2):
        is_new = all(abs(bpm / other - 1) > 0.01 for other in found)
        if is_new and SLOWEST_BPM <= bpm <= FASTEST_BPM:
            found.append(bpm)
    return tuple(found)


def readings_of(proposal: Proposal, spectrum: Spectrum, evidence: Evidence) -> list[Reading]:
    """The proposed tempo, then its likelier readings within 40 to 240 BPM, each with its pulse and bars."""
    strength = onset_strength(spectrum.flux)
    tempi = proposal.bpm * np.array(READINGS)
    possible = (tempi >= SLOWEST_BPM) & (tempi <= FASTEST_BPM)
    possible &= proposal.relative_comb(np.where(possible, tempi, proposal.bpm)) >= LEAST_COMB
    possible[0] = True
    readings = []
    for bpm in tempi[possible].tolist():
        pulse_s = coarse_pulse(strength, bpm)
        readings.append(Reading(bpm, pulse_s, evenness(strength, pulse_s), bar_scores(evidence, pulse_s)))
    return readings


def reading_scores(readings: Sequence[Reading], proposal: Proposal) -> Array:
    """Log-odds of the readings up to a constant, shape (readings,): `level_features` weighed by fitted numbers.

    A pulse that finds every second or third place empty is hardly the beat, whatever else speaks for it.
    """
    fitted = weights()
    standard = (level_features(readings, proposal) - fitted["level_mean"]) / fitted["level_scale"]
    uneven = np.array([reading.evenness < LEAST_EVENNESS for reading in readings])
    return np.asarray(np.clip(standard, -8, 8) @ fitted["level"] - UNEVEN_COSTS * uneven)


def level_features(readings: Sequence[Reading], proposal: Proposal) -> Array:
    """What speaks for each reading.

    Returns:
        Shape (readings, 71): the periodicity of five groups of bands at eleven multiples of the beat; the
        tempo in octaves from 110 BPM with its square and cube; evenness, the comb score relative to the best, the
        score and the log-probability of the best bars; onsets a beat in each group, in octaves; and the products
        of the tempo with clarity and onsets a second.
    """
    comb = proposal.relative_comb(np.array([reading.bpm for reading in readings]))
    often = np.maximum(proposal.onsets_per_s, 0.05)
    lags = np.arange(proposal.bands.shape[1])
    rows = []
    for reading, relative in zip(readings, comb, strict=True):
        beat = 60 * FRAME_RATE_HZ / reading.bpm
        periodic = [np.interp(np.array(MULTIPLES) * beat, lags, band, right=0.0) for band in proposal.bands]
        octaves = float(np.log2(reading.bpm / FAMILIAR_BPM))
        bars = reading.bar_scores
        certainty = -float(np.log(np.exp(bars - bars.max()).sum()))
        crossed = octaves * np.array([proposal.clarity, *np.log2(often[[4, 0, 3]])])
        own = [
            octaves,
            octaves**2,
            octaves**3,
            reading.evenness,
            float(relative),
            float(bars.max()) / 10,
            certainty / 10,
        ]
        rows.append(np.concatenate([*periodic, own, np.log2(often * 60 / reading.bpm), crossed]))
    return np.array(rows)


def _placed(signal: Float, reading: Reading, bars: Bars) -> tuple[Array, int]:
    """Fine times of the beats through the whole recording, and which of them starts the first bar."""
    coarse_s = step_times(reading.pulse_s)[bars.shift_steps :: STEPS_PER_BEAT]
    fine_s = refined_beats(signal, coarse_s if bars.shift_steps else reading.pulse_s)
    beats_s, added = whole_recording(fine_s, 60 / reading.bpm, len(signal))
    return beats_s, (added + bars.first_downbeat) % bars.beats_per_bar

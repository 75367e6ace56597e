"""Tempo, beats and bars together: which multiple of the proposed tempo is the beat, and where it falls.

Listeners disagree about octaves, machines more so. Each reading of the proposed tempo (itself, half, double,
and the triplet readings) gets a pulse and the likeliest bars on it. Three things speak for a reading: the
comb score, in which periodicity meets familiar tempi, how well the bars fit, and how certain they are; their
weights were fitted together with those of `bars`. A pulse that finds every second or third place empty is
hardly the beat. The first proposal stays unless another reading is clearly better.
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
from angen.analysis.spectrum import Float, Spectrum
from angen.analysis.tempo import (
    FASTEST_BPM,
    SLOWEST_BPM,
    Proposal,
    onset_strength,
    propose_tempo,
)

Array = NDArray[np.float64]

READINGS = (1.0, 1 / 2, 2.0, 2 / 3, 4 / 3, 3 / 2, 3 / 4)
CLEARLY_BETTER = 1.0
"""Log-odds that another reading needs over the first proposal."""

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
    scores = reading_scores(readings, proposal, weights()["level"])
    chosen = clearly_best(scores)
    probability = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    order = [int(i) for i in np.argsort(-probability, kind="stable") if i != chosen]
    reading = readings[chosen]
    bars = likeliest_bars(reading.bar_scores)
    beats_s, first_downbeat = _placed(signal, reading, bars)
    return Rhythm(
        bpm=reading.bpm,
        confidence=min(1.0, proposal.clarity / 0.5) * float(probability[chosen]),
        alternatives=tuple(readings[i].bpm for i in order),
        beats_s=beats_s,
        beats_per_bar=bars.beats_per_bar,
        first_downbeat=first_downbeat,
        bar_confidence=bars.confidence,
    )


def readings_of(proposal: Proposal, spectrum: Spectrum, evidence: Evidence) -> list[Reading]:
    """The proposed tempo, then its readings within 40 to 240 BPM, each with its pulse and bars."""
    strength = onset_strength(spectrum.flux())
    tempi = [proposal.bpm * ratio for ratio in READINGS]
    readings = []
    for bpm in tempi[:1] + [bpm for bpm in tempi[1:] if SLOWEST_BPM <= bpm <= FASTEST_BPM]:
        pulse_s = coarse_pulse(strength, bpm)
        readings.append(Reading(bpm, pulse_s, evenness(strength, pulse_s), bar_scores(evidence, pulse_s)))
    return readings


def reading_scores(readings: Sequence[Reading], proposal: Proposal, level: Array) -> Array:
    """Log-odds of the readings up to a constant, shape (readings,): `level_features` weighed by `level`."""
    uneven = np.array([reading.evenness < LEAST_EVENNESS for reading in readings])
    return np.asarray(level_features(readings, proposal) @ level - UNEVEN_COSTS * uneven)


def clearly_best(scores: Array) -> int:
    """The best reading if it is clearly better than the first, else the first."""
    best = int(np.argmax(scores))
    return best if scores[best] - scores[0] >= CLEARLY_BETTER else 0


def level_features(readings: Sequence[Reading], proposal: Proposal) -> Array:
    """What speaks for each reading.

    Returns:
        Shape (readings, 3): the comb score relative to the best, the score and the log-probability of the
        best bars.
    """
    comb = proposal.relative_comb(np.array([reading.bpm for reading in readings]))
    scores = [reading.bar_scores for reading in readings]
    certainty = [-np.log(np.exp(score - score.max()).sum()) for score in scores]
    return np.stack([comb, np.array([score.max() for score in scores]), np.array(certainty)], axis=1)


def _placed(signal: Float, reading: Reading, bars: Bars) -> tuple[Array, int]:
    """Fine times of the beats through the whole recording, and which of them starts the first bar."""
    coarse_s = step_times(reading.pulse_s)[bars.shift_steps :: STEPS_PER_BEAT]
    fine_s = refined_beats(signal, coarse_s if bars.shift_steps else reading.pulse_s)
    beats_s, added = whole_recording(fine_s, 60 / reading.bpm, len(signal))
    return beats_s, (added + bars.first_downbeat) % bars.beats_per_bar

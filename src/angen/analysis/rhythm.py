"""Tempo, beats and bars together: which multiple of the proposed tempo is the beat, and where it falls.

Listeners disagree about octaves, machines more so. Each reading of the proposed tempo (itself, half, double,
and the triplet readings) gets a pulse and the likeliest bars on it. Three things speak for a reading: the
comb score, in which periodicity meets familiar tempi, how well the bars fit, and how certain they are. Their
weights were fitted together with those of `bars`. The first proposal stays unless another reading is clearly
better.
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
from angen.analysis.beats import coarse_pulse, refined_beats, whole_recording
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
    """A tempo, its pulse, shape (pulses,) in seconds, and the scores of all bars on it, shape (28,)."""

    bpm: float
    pulse_s: Array
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
    comb = proposal.relative_comb(np.array([reading.bpm for reading in readings]))
    scores = level_features(comb, [reading.bar_scores for reading in readings]) @ weights()["level"]
    chosen = int(np.argmax(scores))
    if scores[chosen] - scores[0] < CLEARLY_BETTER:
        chosen = 0
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
    """The readings of a proposed tempo, with their pulses and bars."""
    pulses = pulses_of(proposal, spectrum)
    return [Reading(bpm, pulse_s, bar_scores(evidence, pulse_s)) for bpm, pulse_s in pulses]


def pulses_of(proposal: Proposal, spectrum: Spectrum) -> list[tuple[float, Array]]:
    """The proposed tempo, then its readings within 40 to 240 BPM, each with its pulse."""
    strength = onset_strength(spectrum.flux())
    tempi = [proposal.bpm * ratio for ratio in READINGS]
    within = [bpm for bpm in tempi[1:] if SLOWEST_BPM <= bpm <= FASTEST_BPM]
    return [(bpm, coarse_pulse(strength, bpm)) for bpm in [tempi[0], *within]]


def level_features(comb: Array, bar_scores: Sequence[Array]) -> Array:
    """What speaks for each reading.

    Args:
        comb: Comb scores relative to the best, shape (readings,).
        bar_scores: For each reading the scores of all bars on it, shape (28,).

    Returns:
        Shape (readings, 3): the comb score, and the score and log-probability of the best bars.
    """
    best = np.array([scores.max() for scores in bar_scores])
    certainty = [-np.log(np.exp(scores - scores.max()).sum()) for scores in bar_scores]
    return np.stack([comb, best, np.array(certainty)], axis=1)


def _placed(signal: Float, reading: Reading, bars: Bars) -> tuple[Array, int]:
    """Fine times of the beats through the whole recording, and which of them starts the first bar."""
    coarse_s = step_times(reading.pulse_s)[bars.shift_steps :: STEPS_PER_BEAT]
    fine_s = refined_beats(signal, coarse_s if bars.shift_steps else reading.pulse_s)
    beats_s, added = whole_recording(fine_s, 60 / reading.bpm, len(signal))
    return beats_s, (added + bars.first_downbeat) % bars.beats_per_bar

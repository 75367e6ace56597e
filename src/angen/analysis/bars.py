"""Where the bars start on a pulse, and with that which of the possible grids is the beat.

Dynamic programming finds a pulse, but often on the off-beat of music that stresses it. Here the pulse is cut
into quarters of a beat; what happens on each is averaged over all bars, and this profile is compared with a
template in each of its rotations: basses and new harmonies at the bar line, snares between. The winning
rotation gives bar line, beat and metre (three or four beats) at once.

The templates are one log-linear model with a weight for each step and feature. They were fitted by
`recipes/rhythm/fit.py` on excerpts composed and rendered there, whose bar lines are known exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from angen.analysis.key import FRAME_RATE_HZ as CHROMA_RATE_HZ
from angen.analysis.key import Harmony
from angen.analysis.spectrum import FRAME_RATE_HZ, ONSET_LEAD_FRAMES, Spectrum

Array = NDArray[np.float64]

STEPS_PER_BEAT = 4
METRES = (4, 3)
FEATURES = 5
FEWEST_PULSES = 8
WEIGHTS_FILE = Path(__file__).with_name("rhythm.npz")


@dataclass(frozen=True)
class Bars:
    """The likeliest bar lines on a pulse.

    Args:
        beats_per_bar: 4 or 3.
        shift_steps: How many quarters of a beat the beat lies behind the pulse, 0 to 3.
        first_downbeat: Which of the beats so shifted is the first to start a bar.
        confidence: Probability of these bar lines among all that are possible, 0 to 1.
    """

    beats_per_bar: int
    shift_steps: int
    first_downbeat: int
    confidence: float


@dataclass(frozen=True, eq=False)
class Evidence:
    """Curves that tell of bars, made once for a recording.

    Args:
        onsets: Bass entering, middle onsets and high onsets by frame, shape (3, frames).
        chroma_until: Running sum of pitch-class votes, shape (chroma frames + 1, 12).
    """

    onsets: Array
    chroma_until: Array


def evidence_of(spectrum: Spectrum, harmony: Harmony) -> Evidence:
    """Collect what tells of bars."""
    bass = np.sqrt(spectrum.bass_share * spectrum.power)
    entering = np.zeros(len(bass))
    entering[:-2] = np.sqrt(np.maximum(bass[2:] - bass[:-2], 0))
    flux = spectrum.flux
    onsets = np.stack([entering, flux[:, 8:18].mean(axis=1), flux[:, 28:36].mean(axis=1)])
    chroma_until = np.concatenate([np.zeros((1, 12)), np.cumsum(harmony.chroma, axis=0)])
    return Evidence(onsets, chroma_until)


def step_times(pulse_s: Array) -> Array:
    """Times of the quarters of beats from the first pulse up to the last; shape ((pulses - 1) * 4,)."""
    count = len(pulse_s)
    return np.interp(np.arange((count - 1) * STEPS_PER_BEAT) / STEPS_PER_BEAT, np.arange(count), pulse_s)


def step_features(evidence: Evidence, pulse_s: Array) -> Array:
    """What happens on each quarter of a beat, standardised over the recording.

    Args:
        evidence: Of the recording.
        pulse_s: Rising times, shape (pulses,), at least two.

    Returns:
        Shape ((pulses - 1) * 4, 5): bass entering, middle onsets, high onsets, and how the harmony of the
        beat (of the two beats) after the step differs from that before.
    """
    steps_s = step_times(pulse_s)
    near = np.round(steps_s * FRAME_RATE_HZ - ONSET_LEAD_FRAMES).astype(int)[:, None] + np.arange(-1, 2)
    onsets = evidence.onsets[:, np.clip(near, 0, evidence.onsets.shape[1] - 1)].max(axis=2)
    beat_s = float(np.median(np.diff(pulse_s)))
    changes = [_harmony_change(evidence.chroma_until, steps_s, reach * beat_s) for reach in (1, 2)]
    return standardised(np.stack([*onsets, *changes], axis=1))


def _harmony_change(chroma_until: Array, times_s: Array, reach_s: float) -> Array:
    """One minus the cosine between the pitch classes `reach_s` before and after each time; shape (times,)."""
    frames = len(chroma_until) - 1

    def until(seconds: Array) -> Array:
        position = np.clip(seconds * CHROMA_RATE_HZ + 0.5, 0, frames)
        whole = np.minimum(position.astype(int), frames - 1)
        part = (position - whole)[:, None]
        return np.asarray((1 - part) * chroma_until[whole] + part * chroma_until[whole + 1])

    here = until(times_s)
    after, before = until(times_s + reach_s) - here, here - until(times_s - reach_s)
    norms = np.linalg.norm(after, axis=1) * np.linalg.norm(before, axis=1)
    alike = np.einsum("ij,ij->i", after, before) / np.maximum(norms, 1e-9)
    return np.where(norms > 1e-9, 1 - alike, 0.0)


def standardised(values: NDArray[np.floating]) -> Array:
    """Each column with mean 0 and deviation 1, or 0 throughout if it is constant."""
    deviation = values.std(axis=0)
    return np.asarray((values - values.mean(axis=0)) / np.where(deviation > 1e-9, deviation, np.inf))


def rotations(features: Array) -> Array:
    """Profiles of all bars that may be meant, one a row.

    Args:
        features: Shape (steps, 5).

    Returns:
        Shape (28, 141): for a bar of four beats its mean profile (16 steps of 5 features) starting at each of
        its steps, then the same for a bar of three beats in the columns behind, where the last column says
        "three".
    """
    width = sum(METRES) * STEPS_PER_BEAT * FEATURES
    rows = np.zeros((sum(METRES) * STEPS_PER_BEAT, width + 1))
    first, column = 0, 0
    for metre in METRES:
        steps = metre * STEPS_PER_BEAT
        whole = len(features) // steps
        sums = features[: whole * steps].reshape(whole, steps, FEATURES).sum(axis=0)
        rest = len(features) - whole * steps
        sums[:rest] += features[whole * steps :]
        profile = sums / (whole + (np.arange(steps) < rest))[:, None]
        turned = profile[(np.arange(steps) + np.arange(steps)[:, None]) % steps]
        rows[first : first + steps, column : column + steps * FEATURES] = turned.reshape(steps, -1)
        rows[first : first + steps, -1] = metre != METRES[0]
        first, column = first + steps, column + steps * FEATURES
    return rows


@cache
def weights() -> dict[str, Array]:
    """The fitted numbers.

    Returns:
        `bar`, shape (141,), for `rotations`; `level`, `level_mean` and `level_scale`, shape (71,), for
        `rhythm.level_features`.
    """
    with np.load(WEIGHTS_FILE, allow_pickle=False) as stored:
        return {name: stored[name].astype(np.float64) for name in stored.files}


def bar_scores(evidence: Evidence, pulse_s: Array) -> Array:
    """Log-likelihood, up to a constant, of each of the bars of `rotations` on a pulse; shape (28,).

    With fewer than 8 pulses there is nothing to tell: all scores are 0.
    """
    if len(pulse_s) < FEWEST_PULSES:
        return np.zeros(sum(METRES) * STEPS_PER_BEAT)
    return np.asarray(rotations(step_features(evidence, pulse_s)) @ weights()["bar"])


def likeliest_bars(scores: Array) -> Bars:
    """The best of the bars scored by `bar_scores`."""
    best = int(np.argmax(scores))
    four = METRES[0] * STEPS_PER_BEAT
    metre, start = (METRES[0], best) if best < four else (METRES[1], best - four)
    first, shift = divmod(start, STEPS_PER_BEAT)
    return Bars(metre, shift, first, 1 / float(np.exp(scores - scores[best]).sum()))

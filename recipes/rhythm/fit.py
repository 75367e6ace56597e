"""Fit the bar templates and the choice of tempo reading on composed and rendered excerpts.

    python -m recipes.rhythm.fit --count 1140

Composes excerpts in every style (recipes/angen_tiny), renders them, and hears them with the package's own
code. Two log-linear models are fitted by maximum likelihood with a quadratic penalty: which rotation of which
metre is the bar, and then which reading of the tempo is the beat. Before the final fit each style is left out
once and judged by the fit on all others; those figures are printed. Nothing but composed music is used.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from angen.analysis.bars import (
    METRES,
    STEPS_PER_BEAT,
    WEIGHTS_FILE,
    evidence_of,
    rotations,
    step_features,
    step_times,
)
from angen.analysis.beats import coarse_pulse
from angen.analysis.key import harmony_of
from angen.analysis.rhythm import Reading, clearly_best, level_features, reading_scores, readings_of
from angen.analysis.spectrum import listening_signal, spectrum_of
from angen.analysis.tempo import Proposal, onset_strength, propose_tempo
from angen.audio import Audio
from angen.files import atomic_path
from recipes.angen_tiny.compose import compose
from recipes.angen_tiny.piece import Labels
from recipes.angen_tiny.render import render
from recipes.angen_tiny.soundfonts import find_soundfonts
from recipes.angen_tiny.styles import STYLES

Array = NDArray[np.float64]

RATE_HZ = 24_000
DURATION_S = 36.0
TEMPO_CHANGES = (0.82, 1.2)
BAR_PENALTY, LEVEL_PENALTY = 10.0, 5.0
THREE_COUNTS = 3.0
"""Bars of three are rare in the styles; each example of them counts for so many."""
NEAR_S = 0.04


@dataclass(frozen=True, eq=False)
class Example:
    """An excerpt as the models see it.

    Args:
        style: Its style.
        bars: `rotations` on a pulse of the true tempo, shape (28, 141).
        true_bar: The right row of `bars`; None if no row is (6/8, or a pulse astray).
        proposal: The tempo proposed.
        readings: Its readings, with bar scores of weights still to be replaced.
        rotations: `rotations` on the pulse of each reading.
        true_reading: Which of them is the beat; None if none is.
    """

    style: str
    bars: Array
    true_bar: int | None
    proposal: Proposal
    readings: list[Reading]
    rotations: list[Array]
    true_reading: int | None


def make_example(style: str, rng: np.random.Generator) -> Example | None:
    """Compose, render and hear an excerpt; two in five are played faster or slower than their style is."""
    seed = int(rng.integers(2**32))
    piece = compose(np.random.default_rng(seed), style, DURATION_S)
    if rng.random() < 0.4:
        tempo_bpm = piece.labels.tempo_bpm * float(rng.uniform(*TEMPO_CHANGES))
        piece = compose(np.random.default_rng(seed), style, DURATION_S, tempo_bpm=tempo_bpm)
    sound = render(piece, rng, find_soundfonts(), rate_hz=RATE_HZ, duration_s=DURATION_S)
    signal = listening_signal(Audio(np.asarray(sound, np.float32)[None], RATE_HZ))
    spectrum, harmony = spectrum_of(signal), harmony_of(signal)
    evidence, proposal = evidence_of(spectrum, harmony), propose_tempo(spectrum)
    if proposal is None:
        return None
    readings = readings_of(proposal, spectrum, evidence)
    bpm = np.array([reading.bpm for reading in readings])
    right = np.flatnonzero(np.abs(bpm / piece.labels.tempo_bpm - 1) < 0.04)
    pulse_s = coarse_pulse(onset_strength(spectrum.flux()), piece.labels.tempo_bpm)
    return Example(
        style=style,
        bars=rotations(step_features(evidence, pulse_s)),
        true_bar=true_rotation(pulse_s, piece.labels),
        proposal=proposal,
        readings=readings,
        rotations=[rotations(step_features(evidence, reading.pulse_s)) for reading in readings],
        true_reading=int(right[0]) if len(right) else None,
    )


def true_rotation(pulse_s: Array, labels: Labels) -> int | None:
    """Which row of `rotations` is the labelled bar; None if none is within 40 ms."""
    metre = {"4/4": 4, "3/4": 3}.get(labels.metre)
    if metre is None:
        return None
    steps_s, bar_steps = step_times(pulse_s), metre * STEPS_PER_BEAT
    bar_s = metre * 60 / labels.tempo_bpm
    off = []
    for start in range(bar_steps):
        bars_off = (steps_s[start::bar_steps] - labels.downbeats_s[0]) / bar_s
        off.append(float(np.median(np.abs(bars_off - np.round(bars_off)))) * bar_s)
    best = int(np.argmin(off))
    before = 0 if metre == METRES[0] else METRES[0] * STEPS_PER_BEAT
    return before + best if off[best] < NEAR_S else None


def fit_choice(options: Sequence[Array], chosen: Sequence[int], counts: Array, penalty: Array) -> Array:
    """Weights w of the model P(option) = softmax(option @ w) that make the chosen options likeliest.

    Args:
        options: For each example, shape (options, features); their number may differ.
        chosen: The right option of each.
        counts: How much each example counts, shape (examples,).
        penalty: Of each squared weight, shape (features,).
    """

    def cost(w: Array) -> tuple[float, Array]:
        total, gradient = float(penalty @ w**2), 2 * penalty * w
        for table, right, count in zip(options, chosen, counts, strict=True):
            scores = table @ w
            odds = np.exp(scores - scores.max())
            probability = odds / odds.sum()
            total -= count * float(np.log(probability[right] + 1e-300))
            gradient = gradient + count * (probability @ table - table[right])
        return total, gradient

    return np.asarray(minimize(cost, np.zeros(len(penalty)), jac=True, method="L-BFGS-B").x)


def fit_bar(examples: Sequence[Example]) -> Array:
    """Weights of the bar templates, shape (141,)."""
    known = [(example.bars, example.true_bar) for example in examples if example.true_bar is not None]
    four = METRES[0] * STEPS_PER_BEAT
    counts = np.array([THREE_COUNTS if right >= four else 1.0 for _, right in known])
    penalty = np.full(known[0][0].shape[1], BAR_PENALTY)
    penalty[-1] = 0.01
    return fit_choice([table for table, _ in known], [right for _, right in known], counts, penalty)


def fit_level(examples: Sequence[Example], bar: Array) -> Array:
    """Weights of what speaks for a reading, shape (3,)."""
    known = [
        (level_features(rescored(example, bar), example.proposal), example.true_reading)
        for example in examples
        if example.true_reading is not None
    ]
    scale = np.concatenate([table for table, _ in known]).std(axis=0)
    tables, chosen = [table / scale for table, _ in known], [right for _, right in known]
    return fit_choice(tables, chosen, np.ones(len(known)), np.full(len(scale), LEVEL_PENALTY)) / scale


def rescored(example: Example, bar: Array) -> list[Reading]:
    """The readings of an example under other bar weights."""
    pairs = zip(example.readings, example.rotations, strict=True)
    return [replace(reading, bar_scores=table @ bar) for reading, table in pairs]


def judged(examples: Sequence[Example], bar: Array, level: Array) -> Array:
    """Shares right of: the first proposal, the chosen reading, beat and metre, bar line; shape (4,)."""
    tempo, bars = [], []
    for example in examples:
        chosen = clearly_best(reading_scores(rescored(example, bar), example.proposal, level))
        tempo.append((example.true_reading == 0, example.true_reading == chosen))
        if example.true_bar is not None:
            found = int(np.argmax(example.bars @ bar))
            same_metre = (found < 16) == (example.true_bar < 16)
            on_beat = (found - example.true_bar) % STEPS_PER_BEAT == 0
            bars.append((same_metre and on_beat, found == example.true_bar))
    return np.concatenate([np.mean(tempo, axis=0), np.mean(bars, axis=0) if bars else [np.nan, np.nan]])


def leave_styles_out(examples: Sequence[Example], show: Callable[[str], None]) -> None:
    """Judge each style by a fit on all others."""
    styles = sorted({example.style for example in examples})
    rows, counts = [], []
    for style in styles:
        others = [example for example in examples if example.style != style]
        own = [example for example in examples if example.style == style]
        bar = fit_bar(others)
        rows.append(judged(own, bar, fit_level(others, bar)))
        counts.append(len(own))
        show(f"{style:16s}" + "".join(f"{100 * share:7.1f}" for share in rows[-1]))
    mean = np.ma.average(np.ma.masked_invalid(rows), axis=0, weights=counts)
    show(f"{'mean':16s}" + "".join(f"{100 * share:7.1f}" for share in mean))


def main() -> None:
    """Make the examples, judge, fit, and write the weights into the package."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1140, help="excerpts, over all styles")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    styles = list(STYLES)
    made = (make_example(styles[i % len(styles)], rng) for i in range(options.count))
    examples = [example for example in made if example is not None]
    print("style left out   first chosen   beat    bar (% right)")
    leave_styles_out(examples, print)
    bar = fit_bar(examples)
    level = fit_level(examples, bar)
    with atomic_path(WEIGHTS_FILE) as temporary, temporary.open("wb") as handle:
        np.savez(handle, bar=bar.astype(np.float32), level=level.astype(np.float32))
    print(f"wrote {WEIGHTS_FILE}; level weights {level.round(2)}")


if __name__ == "__main__":
    main()

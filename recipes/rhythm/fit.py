"""Fit the bar templates on composed and rendered excerpts.

    python -m recipes.rhythm.fit --count 1140

Composes excerpts in every style (recipes/angen_tiny), renders them, and hears them with the package's own
code. A log-linear model is fitted by maximum likelihood with a quadratic penalty: which rotation of which metre is
the bar. Before the final fit each style is left out once and judged by the fit on all others; those figures are
printed. Nothing but composed music is used. Which reading of the tempo is the beat is fitted afterwards, by
`recipes/analysis/fit_tempo.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
    weights,
)
from angen.analysis.beats import coarse_pulse
from angen.analysis.key import harmony_of
from angen.analysis.spectrum import listening_signal, spectrum_of
from angen.analysis.tempo import onset_strength
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
BAR_PENALTY = 10.0
THREE_COUNTS = 3.0
"""Bars of three are rare in the styles; each example of them counts for so many."""
NEAR_S = 0.04


@dataclass(frozen=True, eq=False)
class Example:
    """An excerpt as the model sees it.

    Args:
        style: Its style.
        bars: `rotations` on a pulse of the true tempo, shape (28, 141).
        true_bar: The right row of `bars`; None if no row is (6/8, or a pulse astray).
    """

    style: str
    bars: Array
    true_bar: int | None


def make_example(style: str, rng: np.random.Generator) -> Example:
    """Compose, render and hear an excerpt; two in five are played faster or slower than their style is."""
    seed = int(rng.integers(2**32))
    piece = compose(np.random.default_rng(seed), style, DURATION_S)
    if rng.random() < 0.4:
        tempo_bpm = piece.labels.tempo_bpm * float(rng.uniform(*TEMPO_CHANGES))
        piece = compose(np.random.default_rng(seed), style, DURATION_S, tempo_bpm=tempo_bpm)
    sound = render(piece, rng, find_soundfonts(), rate_hz=RATE_HZ, duration_s=DURATION_S)
    signal = listening_signal(Audio(np.asarray(sound, np.float32)[None], RATE_HZ))
    spectrum = spectrum_of(signal)
    evidence = evidence_of(spectrum, harmony_of(signal))
    pulse_s = coarse_pulse(onset_strength(spectrum.flux), piece.labels.tempo_bpm)
    return Example(style, rotations(step_features(evidence, pulse_s)), true_rotation(pulse_s, piece.labels))


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


def judged(examples: Sequence[Example], bar: Array) -> Array:
    """Shares right of: beat and metre, bar line; shape (2,)."""
    found = []
    for example in examples:
        if example.true_bar is None:
            continue
        best = int(np.argmax(example.bars @ bar))
        same_metre = (best < 16) == (example.true_bar < 16)
        on_beat = (best - example.true_bar) % STEPS_PER_BEAT == 0
        found.append((same_metre and on_beat, best == example.true_bar))
    return np.mean(found, axis=0) if found else np.array([np.nan, np.nan])


def leave_styles_out(examples: Sequence[Example], show: Callable[[str], None]) -> None:
    """Judge each style by a fit on all others."""
    styles = sorted({example.style for example in examples})
    rows, counts = [], []
    for style in styles:
        others = [example for example in examples if example.style != style]
        own = [example for example in examples if example.style == style]
        rows.append(judged(own, fit_bar(others)))
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
    examples = list(made)
    print("style left out     beat    bar (% right)")
    leave_styles_out(examples, print)
    kept = {name: values.astype(np.float32) for name, values in weights().items() if name != "bar"}
    with atomic_path(WEIGHTS_FILE) as temporary, temporary.open("wb") as handle:
        np.savez(handle, bar=fit_bar(examples).astype(np.float32), **kept)
    print(f"wrote {WEIGHTS_FILE}")


if __name__ == "__main__":
    main()

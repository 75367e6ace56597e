"""Fit the choice among readings of a tempo on several kinds of music, each judged by a fit on all others.

    python -m recipes.analysis.fit_tempo --sets work/sets --corpus work/base --cache work/tempo

`rhythm.level_features` says what speaks for each reading; a log-linear model weighs it, fitted by maximum likelihood
with a quadratic penalty. A kind counts for the root of its size. The composer's excerpts and its corpus are one kind:
neither is judged by a fit that saw the other. The bar templates are fitted before, by `recipes/rhythm/fit.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from angen.analysis.bars import WEIGHTS_FILE, evidence_of, weights
from angen.analysis.key import harmony_of
from angen.analysis.rhythm import level_features, readings_of
from angen.analysis.spectrum import listening_signal, spectrum_of
from angen.analysis.tempo import propose_tempo
from angen.files import atomic_path
from recipes.analysis.evaluate import tempo_figures
from recipes.analysis.fit_tagger import GROUPS, clips

Array = NDArray[np.float64]

PENALTY = 2.0


@dataclass(frozen=True, eq=False)
class Choice:
    """A recording's readings.

    Args:
        features: Shape (readings, 71).
        bpm: Their tempi, shape (readings,).
        true_bpm: What it is.
    """

    features: Array
    bpm: Array
    true_bpm: float

    @property
    def right(self) -> int | None:
        """Which reading is the true tempo; None if none is."""
        close = np.flatnonzero(np.abs(self.bpm / self.true_bpm - 1) < 0.04)
        return int(close[0]) if len(close) else None


def choices_of(folder: Path, cache: Path, count: int) -> list[Choice]:
    """The choices of a set or corpus; they are kept in `cache`."""
    stored = cache / f"{folder.name}.npz"
    if not stored.exists():
        tables, tempi, lengths, true = [], [], [], []
        for audio, label in clips(folder, count):
            signal = listening_signal(audio)
            spectrum, harmony = spectrum_of(signal), harmony_of(signal)
            proposal = propose_tempo(spectrum)
            if proposal is None:
                continue
            readings = readings_of(proposal, spectrum, evidence_of(spectrum, harmony))
            tables.append(level_features(readings, proposal))
            tempi.append([reading.bpm for reading in readings])
            lengths.append(len(readings))
            true.append(label["tempo_bpm"])
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(
            stored, tables=np.concatenate(tables), tempi=np.concatenate(tempi), lengths=lengths, true=true
        )
    with np.load(stored) as found:
        ends = np.cumsum(found["lengths"])[:-1]
        rows = zip(
            np.split(found["tables"], ends), np.split(found["tempi"], ends), found["true"], strict=True
        )
        return [Choice(table, bpm, float(true)) for table, bpm, true in rows]


def fit(kinds: Sequence[Sequence[Choice]]) -> dict[str, Array]:
    """Weights, and the mean and scale of the features; each of shape (71,)."""
    known = [(c.features, c.right, len(kind) ** -0.5) for kind in kinds for c in kind if c.right is not None]
    rows = np.concatenate([features for features, _, _ in known])
    mean, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-3
    most = max(len(features) for features, _, _ in known)
    table, blocked = np.zeros((len(known), most, rows.shape[1])), np.full((len(known), most), -1e9)
    for place, (features, _, _) in enumerate(known):
        table[place, : len(features)] = (features - mean) / scale
        blocked[place, : len(features)] = 0
    right = np.array([index for _, index, _ in known])
    counts = 10 * np.array([count for _, _, count in known])
    each = np.arange(len(known))

    def cost(w: Array) -> tuple[float, Array]:
        scores = table @ w + blocked
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        probability = odds / odds.sum(axis=1, keepdims=True)
        total = -float(counts @ np.log(probability[each, right] + 1e-300)) + PENALTY * float(w @ w)
        pull = np.einsum("i,ij,ijk->k", counts, probability, table) - counts @ table[each, right]
        return total, pull + 2 * PENALTY * w

    found = minimize(cost, np.zeros(rows.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
    return {"level": found, "level_mean": mean, "level_scale": scale}


def chosen(choices: Sequence[Choice], fitted: dict[str, Array]) -> list[float]:
    """The tempo a fit chooses for each."""
    found = []
    for choice in choices:
        standard = np.clip((choice.features - fitted["level_mean"]) / fitted["level_scale"], -8, 8)
        found.append(float(choice.bpm[np.argmax(standard @ fitted["level"])]))
    return found


def main() -> None:
    """Judge, fit and write the weights into the package."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--count", type=int, default=300, help="clips of the corpus")
    options = parser.parse_args()
    folders = [options.corpus, *sorted(path for path in options.sets.iterdir() if path.is_dir())]
    kinds = {folder.name: choices_of(folder, options.cache, options.count) for folder in folders}
    print("left out   Acc1  Acc2  P1")
    for name, own in kinds.items():
        group = GROUPS.get(name, name)
        others = [kind for other, kind in kinds.items() if GROUPS.get(other, other) != group]
        figures = tempo_figures(chosen(own, fit(others)), [choice.true_bpm for choice in own])
        print(f"{name:10s}", *(f"{share:5.1f}" for share in figures))
    fitted = {name: values.astype(np.float32) for name, values in fit(list(kinds.values())).items()}
    bar = weights()["bar"].astype(np.float32)
    with atomic_path(WEIGHTS_FILE) as temporary, temporary.open("wb") as handle:
        np.savez(handle, bar=bar, **fitted)
    print(f"wrote {WEIGHTS_FILE}")


if __name__ == "__main__":
    main()

"""How right analysis is, on each labelled set, with librosa on the same files in the same run.

    python -m recipes.analysis.evaluate --sets FOLDER [--kinds bands game] [--count 40] [--no-librosa] [--out FILE]

Tempo: Acc1 within 4 %, Acc2 also at 2, 1/2, 3 or 1/3 times, P1 within 1 % at the right octave. Key: exact, and
weighted as MIREX does (`mir_eval.key`). An estimate that is withheld counts as wrong, so the share that is
answered is printed too, and how often answers of each confidence are right.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import mir_eval.key
import numpy as np

from angen.analysis import Analysis, analyze
from angen.analysis.tagger import INSTRUMENTS
from angen.audio import read_audio
from recipes.analysis.fit_tagger import f1, targets


def tempo_figures(found: Sequence[float | None], true: Sequence[float]) -> list[float]:
    """Acc1, Acc2 and P1 in percent."""
    rows = []
    for bpm, right in zip(found, true, strict=True):
        ratio = (bpm or 1e-9) / right
        acc2 = any(abs(ratio / times - 1) < 0.04 for times in (1, 2, 0.5, 3, 1 / 3))
        rows.append((abs(ratio - 1) < 0.04, acc2, abs(ratio - 1) < 0.01))
    return [round(100 * float(share), 1) for share in np.mean(rows, axis=0)]


def key_figures(found: Sequence[str | None], true: Sequence[str]) -> list[float]:
    """Exact and MIREX-weighted, in percent."""
    exact = [a == b for a, b in zip(found, true, strict=True)]
    weighted = [mir_eval.key.weighted_score(b, a) if a else 0.0 for a, b in zip(found, true, strict=True)]
    return [round(100 * float(np.mean(exact)), 1), round(100 * float(np.mean(weighted)), 1)]


def reliability(sure: Sequence[float], right: Sequence[bool]) -> list[tuple[str, int, float]]:
    """For each band of confidence: how many estimates, and how many percent of them are right."""
    edges, rows = (0.0, 0.2, 0.4, 0.6, 0.8, 1.001), []
    for low, high in pairwise(edges):
        chosen = [ok for confidence, ok in zip(sure, right, strict=True) if low <= confidence < high]
        if chosen:
            rows.append(
                (f"{low:.1f}-{min(high, 1):.1f}", len(chosen), round(100 * float(np.mean(chosen)), 1))
            )
    return rows


def librosa_usual(path: Path) -> tuple[float, str]:
    """The usual librosa recipe: beat_track, and chroma_cqt with the profiles of Krumhansl and Kessler."""
    import librosa

    audio = read_audio(path)
    signal = audio.mono().resampled(22_050).samples[0]
    tempo, _ = librosa.beat.beat_track(y=signal, sr=22_050)
    chroma = librosa.feature.chroma_cqt(y=signal, sr=22_050).mean(axis=1)
    major = [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88]
    minor = [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17]
    fits = [
        (float(np.corrcoef(np.roll(profile, tonic), chroma)[0, 1]), tonic, mode)
        for mode, profile in (("major", major), ("minor", minor))
        for tonic in range(12)
    ]
    _, tonic, mode = max(fits)
    names = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
    return float(np.atleast_1d(tempo)[0]), f"{names[tonic]} {mode}"


def evaluate(folder: Path, count: int, with_librosa: bool) -> dict[str, Any]:
    """Figures of one set."""
    labels = [json.loads(line) for line in (folder / "labels.jsonl").read_text().splitlines()][:count]
    heard: list[Analysis] = [analyze(folder / label["file"]) for label in labels]
    tempi, keyed = (
        [label["tempo_bpm"] for label in labels],
        [i for i, label in enumerate(labels) if label["key"]],
    )
    found: dict[str, Any] = {"kind": folder.name, "files": len(labels)}
    found["tempo"] = tempo_figures([a.tempo_bpm for a in heard], tempi)
    found["tempo answered"] = round(100 * float(np.mean([a.tempo_bpm is not None for a in heard])), 1)
    right = [
        a.tempo_bpm is not None and abs(a.tempo_bpm / t - 1) < 0.04 for a, t in zip(heard, tempi, strict=True)
    ]
    found["tempo reliability"] = reliability([a.tempo_confidence for a in heard], right)
    if keyed:
        true = [labels[i]["key"] for i in keyed]
        found["key"] = key_figures([heard[i].key for i in keyed], true)
        found["key answered"] = round(100 * float(np.mean([heard[i].key is not None for i in keyed])), 1)
        hits = [heard[i].key == key for i, key in zip(keyed, true, strict=True)]
        found["key reliability"] = reliability([heard[i].key_confidence for i in keyed], hits)
    plays = np.array([targets(label)[1] for label in labels])
    named = np.array([[name in a.instruments for name in INSTRUMENTS] for a in heard])
    found["instrument F1, learnt from this kind too"] = round(100 * f1(named, plays), 1)
    if with_librosa:
        theirs = [librosa_usual(folder / label["file"]) for label in labels]
        found["librosa tempo"] = tempo_figures([bpm for bpm, _ in theirs], tempi)
        if keyed:
            found["librosa key"] = key_figures(
                [theirs[i][1] for i in keyed], [labels[i]["key"] for i in keyed]
            )
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", type=Path, required=True)
    parser.add_argument("--kinds", nargs="*")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--no-librosa", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    kinds = options.kinds or sorted(path.name for path in options.sets.iterdir() if path.is_dir())
    lines = []
    for kind in kinds:
        lines.append(json.dumps(evaluate(options.sets / kind, options.count, not options.no_librosa)))
        print(lines[-1], flush=True)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n")

"""Fit the built-in tagger, and its sibling that reads musicnn's embeddings too.

    python -m recipes.analysis.labelled ...                      # the sets; see there
    python -m recipes.angen_tiny.corpus --clips 1200 --seed 11 --out work/base
    python -m recipes.analysis.fit_tagger --sets work/sets --corpus work/base --cache work/tags [--musicnn WEIGHTS]

Every kind of music is left out once: its figures are those of a network that heard none of it. The composer's own
corpus and excerpts count as one kind. Then one network is fitted on all of them and written into the package.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from angen.analysis.key import harmony_of
from angen.analysis.spectrum import listening_signal, spectrum_of
from angen.analysis.tagger import GENRES, INSTRUMENTS, WEIGHTS_FILE, tag_features
from angen.audio import Audio
from angen.files import atomic_path
from recipes.angen_tiny.instruments import INSTRUMENTS as WORDS

Array = NDArray[np.float64]

STYLE_GENRES = {
    "house": "electronic", "techno": "electronic", "drum and bass": "electronic", "synthwave": "electronic",
    "chiptune": "electronic", "hip-hop": "hip-hop", "lo-fi": "hip-hop", "ambient": "ambient",
    "cinematic": "classical", "classical": "classical", "rock": "rock", "metal": "rock", "blues": "blues",
    "funk": "funk", "reggae": "reggae", "jazz": "jazz", "folk": "folk", "bossa nova": "latin", "calypso": "latin",
    "tango": "latin", "polka": "folk", "latin": "latin", "country": "country", "pop": "pop", "hymn": "classical",
    "ragtime": "jazz", "soul": "funk", "disco": "funk", "electronic": "electronic", "march": "folk",
}  # fmt: skip
FAMILIES = (
    (4, "piano"), (6, "electric piano"), (8, "harpsichord"), (16, "mallets"), (21, "organ"), (24, "accordion"),
    (26, "acoustic guitar"), (32, "electric guitar"), (40, "bass"), (43, "strings"), (44, "bass"), (46, "strings"),
    (47, ""), (48, ""), (52, "strings"), (55, "choir"), (56, ""), (64, "brass"), (68, "saxophone"),
    (80, "woodwinds"), (91, "synthesizer"), (92, "choir"), (104, "synthesizer"), (105, ""), (106, ""),
    (110, ""), (111, "strings"), (128, ""),
)  # fmt: skip
"""The first program that is no longer of the family, in rising order; "" is a family that is not told."""
HIDDEN, EPOCHS, SEEDS = 48, 60, 3
GROUPS = {"base": "composer", "composed": "composer"}


@dataclass(frozen=True, eq=False)
class Examples:
    """What is known of a kind of music.

    Args:
        kind: Its name.
        features: Shape (clips, features).
        genres: Index into `GENRES`, -1 where it is not known; shape (clips,).
        instruments: 1 for what plays, shape (clips, 16).
    """

    kind: str
    features: Array
    genres: NDArray[np.int64]
    instruments: Array


def family(program: int) -> str:
    """The family of a General MIDI program; "" where the tagger has none for it."""
    return next(name for end, name in FAMILIES if program < end)


def targets(label: dict[str, Any]) -> tuple[int, Array]:
    """Genre and instruments of a line of labels."""
    genre = STYLE_GENRES.get(label.get("style") or label.get("genre") or "", "")
    if "programs" in label:
        programs, drums = label["programs"], label["drums"]
    else:
        words = label["instruments"]
        programs = [WORDS[word].programs[0] for word in words if word in WORDS]
        drums = any(word not in WORDS for word in words)
    plays = {family(program) for program in programs} | ({"drums"} if drums else set())
    known = np.array([float(name in plays) for name in INSTRUMENTS])
    return (GENRES.index(genre) if genre else -1), known


def clips(folder: Path, count: int) -> Iterator[tuple[Audio, dict[str, Any]]]:
    """The clips of a set, or of a corpus in shards; wild ones, of random sounds, are left out."""
    if (folder / "labels.jsonl").exists():
        for line in (folder / "labels.jsonl").read_text().splitlines():
            label = json.loads(line)
            sound, rate_hz = soundfile.read(folder / label["file"], dtype="float32")
            yield Audio(sound[None], rate_hz), label
        return
    seen = 0
    for shard in sorted(folder.glob("*.npy")):
        sounds = np.load(shard, mmap_mode="r")
        for number, line in enumerate(shard.with_suffix(".jsonl").read_text().splitlines()):
            seen += 1
            if seen > count:
                return
            label = json.loads(line)
            if not label.get("wild"):
                yield Audio((np.array(sounds[number], np.float32) / 32768)[None], 24_000), label


def examples_of(folder: Path, cache: Path, count: int, networks: Sequence[Any]) -> Examples:
    """Features and targets of a folder; features are kept in `cache`."""
    stored = cache / f"{folder.name}{'-deep' if networks else ''}.npz"
    if not stored.exists():
        rows, genres, instruments = [], [], []
        for audio, label in clips(folder, count):
            signal = listening_signal(audio)
            features = tag_features(spectrum_of(signal), harmony_of(signal))
            rows.append(np.concatenate([features, _embedding(audio, networks)]) if networks else features)
            genre, plays = targets(label)
            genres.append(genre)
            instruments.append(plays)
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(stored, features=np.array(rows), genres=np.array(genres), instruments=np.array(instruments))
    with np.load(stored) as found:
        return Examples(folder.name, found["features"], found["genres"], found["instruments"])


def _embedding(audio: Audio, networks: Sequence[Any]) -> Array:
    from angen.analysis.musicnn import embedding_of

    return np.asarray(embedding_of(audio, networks, most=3)[0], np.float64)


def fit(sets: Sequence[Examples], seed: int) -> dict[str, Array]:
    """One network by stochastic gradient descent; each kind of music counts for the root of its size."""
    torch.manual_seed(seed)
    x = np.concatenate([each.features for each in sets])
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-3
    x = torch.tensor(np.clip((x - mean) / scale, -4, 4), dtype=torch.float32)
    genre = torch.tensor(np.concatenate([each.genres for each in sets]))
    plays = torch.tensor(np.concatenate([each.instruments for each in sets]), dtype=torch.float32)
    counts = torch.tensor(
        np.concatenate([np.full(len(s.features), len(s.features) ** -0.5) for s in sets])
    ).float()
    counts = counts / counts.mean()
    inner, outer = (
        torch.nn.Linear(x.shape[1], HIDDEN),
        torch.nn.Linear(HIDDEN, len(GENRES) + len(INSTRUMENTS)),
    )
    parameters = [*inner.parameters(), *outer.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=3e-3, weight_decay=0.1)
    dropout = torch.nn.functional.dropout
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(x)).split(64):
            seen = dropout(x[batch] + 0.15 * torch.randn_like(x[batch]), 0.2)
            scores = outer(dropout(torch.tanh(inner(seen)), 0.2))
            told = genre[batch] >= 0
            losses = torch.nn.functional.binary_cross_entropy_with_logits(
                scores[:, len(GENRES) :], plays[batch], reduction="none"
            ).mean(dim=1)
            named = torch.nn.functional.cross_entropy(
                scores[:, : len(GENRES)], genre[batch].clamp(min=0), reduction="none"
            )
            loss = (counts[batch] * (4 * losses + 0.7 * named * told)).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    found = {"in": inner.weight.T, "in_bias": inner.bias, "out": outer.weight.T, "out_bias": outer.bias}
    return {
        "mean": mean,
        "scale": scale,
        **{k: v.detach().numpy().astype(np.float64) for k, v in found.items()},
    }


def raw_scores(network: dict[str, Array], features: Array) -> Array:
    """Scores before any temperature, shape (clips, genres + instruments)."""
    standard = np.clip((features - network["mean"]) / network["scale"], -4, 4)
    return np.asarray(
        np.tanh(standard @ network["in"] + network["in_bias"]) @ network["out"] + network["out_bias"]
    )


def averaged(networks: Sequence[dict[str, Array]]) -> dict[str, Array]:
    """Several networks of one standardisation side by side as one, whose scores are their mean."""
    first = networks[0]
    return {
        "mean": first["mean"],
        "scale": first["scale"],
        "in": np.concatenate([n["in"] for n in networks], axis=1),
        "in_bias": np.concatenate([n["in_bias"] for n in networks]),
        "out": np.concatenate([n["out"] for n in networks]) / len(networks),
        "out_bias": np.mean([n["out_bias"] for n in networks], axis=0),
    }


def left_out(sets: Sequence[Examples]) -> tuple[Array, NDArray[np.int64], Array, list[str]]:
    """Scores of each clip by networks that heard nothing of its kind, with the truth."""
    scores, kinds = [], []
    for each in sets:
        mine = GROUPS.get(each.kind, each.kind)
        others = [other for other in sets if GROUPS.get(other.kind, other.kind) != mine]
        scores.append(raw_scores(averaged([fit(others, seed) for seed in range(SEEDS)]), each.features))
        kinds += [each.kind] * len(each.features)
    genres = np.concatenate([each.genres for each in sets])
    return np.concatenate(scores), genres, np.concatenate([each.instruments for each in sets]), kinds


def temperatures(scores: Array, genres: NDArray[np.int64], plays: Array) -> Array:
    """What genre and instrument scores are divided by so that probabilities are true; shape (2,)."""
    told = genres >= 0
    best = []
    grid = np.geomspace(0.5, 8, 60)
    costs = []
    for t in grid:
        s = scores[told, : len(GENRES)] / t
        s = s - s.max(axis=1, keepdims=True)
        costs.append(-(s[np.arange(len(s)), genres[told]] - np.log(np.exp(s).sum(axis=1))).mean())
    best.append(grid[int(np.argmin(costs))])
    signs = 2 * plays - 1
    costs = [np.logaddexp(0, -signs * scores[:, len(GENRES) :] / t).mean() for t in grid]
    best.append(grid[int(np.argmin(costs))])
    return np.array(best)


def f1(named: NDArray[np.bool_], plays: Array) -> float:
    """Micro-averaged F1."""
    hits = float((named & (plays > 0)).sum())
    return 2 * hits / max(float(named.sum() + plays.sum()), 1e-9)


def thresholds(probability: Array, plays: Array) -> Array:
    """For each instrument the threshold between 0.3 and 0.8 of the best F1, drawn towards 0.5."""
    grid = np.linspace(0.3, 0.8, 26)
    chosen = []
    for column in range(plays.shape[1]):
        values = [f1(probability[:, column] >= t, plays[:, column]) - 0.3 * (t - 0.5) ** 2 for t in grid]
        chosen.append(grid[int(np.argmax(values))])
    return np.array(chosen)


def report(
    scores: Array, genres: NDArray[np.int64], plays: Array, kinds: Sequence[str], limits: Array
) -> None:
    """Print the figures of each kind, left out: genre among those named and among all, F1 of instruments."""
    odds = np.exp(scores[:, : len(GENRES)] - scores[:, : len(GENRES)].max(axis=1, keepdims=True))
    probability = odds / odds.sum(axis=1, keepdims=True)
    present = 1 / (1 + np.exp(-scores[:, len(GENRES) :]))
    for kind in dict.fromkeys(kinds):
        rows = np.array(kinds) == kind
        told = rows & (genres >= 0)
        right = probability[told].argmax(axis=1) == genres[told]
        sure = probability[told].max(axis=1) >= limits[0]
        print(f"{kind:10s} clips {rows.sum():5d}  genre {100 * right.mean() if len(right) else 0:5.1f} % of all, "
              f"{100 * right[sure].mean() if sure.any() else 0:5.1f} % of the "
              f"{100 * sure.mean() if len(sure) else 0:.0f} % named; "
              f"instrument F1 {100 * f1(present[rows] >= limits[1:], plays[rows]):.1f} %")  # fmt: skip


def main() -> None:
    """Fit and write what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1200)
    parser.add_argument(
        "--musicnn", type=Path, help="folder of the safetensors; fits the network with embeddings"
    )
    options = parser.parse_args()
    networks: list[Any] = []
    if options.musicnn:
        from angen.workflows.tagging import load_networks

        networks = list(load_networks(options.musicnn))
    folders = [options.corpus, *sorted(path for path in options.sets.iterdir() if path.is_dir())]
    sets = [examples_of(folder, options.cache, options.count, networks) for folder in folders]
    scores, genres, plays, kinds = left_out(sets)
    temperature = temperatures(scores, genres, plays)
    scores = scores / np.repeat(temperature, [len(GENRES), len(INSTRUMENTS)])
    limits = np.concatenate([[0.4], thresholds(1 / (1 + np.exp(-scores[:, len(GENRES) :])), plays)])
    report(scores, genres, plays, kinds, limits)
    final = averaged([fit(sets, seed) for seed in range(SEEDS)])
    name = "deep" if networks else "fast"
    kept = {}
    if WEIGHTS_FILE.exists():
        with np.load(WEIGHTS_FILE) as stored:
            kept = {key: stored[key] for key in stored.files if not key.startswith(name)}
    small = {
        f"{name}_{key}": value.astype(np.float16 if key in ("in", "out") else np.float32)
        for key, value in final.items()
    }
    with atomic_path(WEIGHTS_FILE) as temporary, temporary.open("wb") as handle:
        np.savez(
            handle, **kept, **small, **{f"{name}_temperature": temperature, f"{name}_thresholds": limits}
        )
    print(f"wrote {WEIGHTS_FILE}")


if __name__ == "__main__":
    main()

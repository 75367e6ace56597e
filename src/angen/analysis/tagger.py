"""The built-in tagger: genre and instruments from statistics of the shared spectrum. It may answer "unknown".

A small network (one hidden layer) fitted by `recipes/analysis/fit_tagger.py` on music composed and rendered by this
repository. It knows thirteen genres and sixteen families of instruments; its probabilities are calibrated, and what is
below a threshold is not said. Where musicnn's weights are at hand, a second network reads its embeddings as well, and
the mean of both counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from angen.analysis.key import Harmony
from angen.analysis.spectrum import FRAME_RATE_HZ, Spectrum

Array = NDArray[np.float64]

GENRES = (
    "classical", "jazz", "rock", "electronic", "folk", "latin", "hip-hop", "funk", "blues", "ambient", "reggae",
    "country", "pop",
)  # fmt: skip
INSTRUMENTS = (
    "piano", "electric piano", "harpsichord", "mallets", "organ", "accordion", "acoustic guitar", "electric guitar",
    "bass", "strings", "choir", "brass", "saxophone", "woodwinds", "synthesizer", "drums",
)  # fmt: skip
WEIGHTS_FILE = Path(__file__).with_name("tagger.npz")
SHORTEST_S = 4.0
"""Less sound than this is not tagged."""


@dataclass(frozen=True, eq=False)
class Tags:
    """Probabilities, calibrated on music that was not learnt from.

    Args:
        genres: Of each of `GENRES`; they sum to 1. Shape (13,).
        instruments: That each of `INSTRUMENTS` plays, shape (16,).
        genre_threshold: Probability below which no genre is named.
        instrument_thresholds: The same for each instrument, shape (16,).
    """

    genres: Array
    instruments: Array
    genre_threshold: float
    instrument_thresholds: Array

    @property
    def genre(self) -> str | None:
        """The likeliest genre, None if it is not likely enough."""
        best = int(np.argmax(self.genres))
        return GENRES[best] if self.genres[best] >= self.genre_threshold else None

    @property
    def genre_confidence(self) -> float:
        """Probability of the likeliest genre."""
        return float(self.genres.max())

    def named_instruments(self) -> dict[str, float]:
        """Instruments above their thresholds, the surest first, with their probabilities."""
        above = np.flatnonzero(self.instruments >= self.instrument_thresholds)
        order = sorted(above, key=lambda i: -self.instruments[i])
        return {INSTRUMENTS[i]: float(self.instruments[i]) for i in order}


def tag_features(spectrum: Spectrum, harmony: Harmony) -> Array:
    """What the tagger sees: statistics of bands, of their movement, and of pitch.

    Returns:
        Shape (242,).
    """
    level = np.ascontiguousarray(spectrum.log_mel.T)  # (bands, frames)
    mean = level.mean(axis=0)
    loud = mean > 0.25 * np.percentile(mean, 95)  # rests say nothing
    heard = level[:, loud] if loud.sum() > 20 else level
    flux = np.ascontiguousarray(spectrum.flux.T)
    quantiles = _quantiles(heard, (0.1, 0.9))
    bursts = _quantiles(flux, (0.97,))[0]
    steps = level[:, 1:] - level[:, :-1]
    steady = np.abs(steps, out=steps).mean(axis=1) if steps.size else np.zeros(len(level))
    votes = harmony.chroma / np.maximum(harmony.chroma.sum(axis=1, keepdims=True), 1e-9)
    profile = np.sort(votes.mean(axis=0))[::-1]
    bass = np.sort(harmony.bass / max(float(harmony.bass.sum()), 1e-9))[::-1]
    centroid, bass_share = spectrum.centroid_hz / 1000, spectrum.bass_share
    moving = np.abs(np.diff(votes, axis=0)).sum(axis=1).mean() if len(votes) > 1 else 0.0
    single = np.array(
        [
            centroid.mean(), centroid.std(), bass_share.mean(), bass_share.std(), moving,
            spectrum.onsets_per_s() / 4, float(np.log1p(spectrum.power).std()), float(votes.max(axis=1).mean()),
            *np.abs(np.fft.rfft(flux.mean(axis=0), 4096))[_rhythm_bins()].reshape(8, -1).mean(axis=1) / flux.shape[1],
        ]
    )  # fmt: skip
    parts = (heard.mean(axis=1), heard.std(axis=1), *quantiles, bursts, steady)
    return np.concatenate([*parts, 12 * profile[:6], 6 * bass[:4], single])


def _quantiles(values: NDArray[np.float32], shares: tuple[float, ...]) -> Array:
    """Quantiles of each row, shape (shares, rows). Sorting float32 is several times as fast as `np.percentile`."""
    ordered = np.sort(values, axis=1)
    rows = []
    for share in shares:
        below, part = divmod(share * (values.shape[1] - 1), 1)
        above = min(int(below) + 1, values.shape[1] - 1)
        rows.append(ordered[:, int(below)] * (1 - part) + ordered[:, above] * part)
    return np.array(rows, dtype=np.float64)


def _rhythm_bins() -> NDArray[np.int64]:
    """Bins of a spectrum of the onsets between 0.5 and 12.5 Hz."""
    hz = np.geomspace(0.5, 12.5, 64)
    return np.asarray(np.round(hz * 4096 / FRAME_RATE_HZ), dtype=np.int64)


def hear_tags(
    spectrum: Spectrum, harmony: Harmony, embedding: NDArray[np.floating] | None = None
) -> Tags | None:
    """Genre and instruments of a recording; None for one shorter than 4 s.

    Args:
        spectrum: The fine spectrum.
        harmony: The pitch content.
        embedding: What musicnn made of it, shape (500,): embeddings and tags of both networks; None without it.
    """
    if spectrum.duration_s < SHORTEST_S or not spectrum.power.any():
        return None
    features = tag_features(spectrum, harmony)
    tags = _answer("fast", features)
    if embedding is None:
        return tags
    deep = _answer("deep", np.concatenate([features, np.asarray(embedding, dtype=np.float64)]))
    return Tags(
        (tags.genres + deep.genres) / 2,
        (tags.instruments + deep.instruments) / 2,
        tags.genre_threshold,
        (tags.instrument_thresholds + deep.instrument_thresholds) / 2,
    )


def _answer(name: str, features: Array) -> Tags:
    """What one of the two networks says."""
    stored = weights()
    standard = np.clip((features - stored[f"{name}_mean"]) / stored[f"{name}_scale"], -4, 4)
    hidden = np.tanh(standard @ stored[f"{name}_in"] + stored[f"{name}_in_bias"])
    scores = hidden @ stored[f"{name}_out"] + stored[f"{name}_out_bias"]
    genre = scores[: len(GENRES)] / float(stored[f"{name}_temperature"][0])
    odds = np.exp(genre - genre.max())
    plays = 1 / (1 + np.exp(-scores[len(GENRES) :] / float(stored[f"{name}_temperature"][1])))
    limits = stored[f"{name}_thresholds"]
    return Tags(odds / odds.sum(), plays, float(limits[0]), limits[1:])


@cache
def weights() -> dict[str, Array]:
    """The fitted numbers of both networks, by name."""
    with np.load(WEIGHTS_FILE, allow_pickle=False) as stored:
        return {name: stored[name].astype(np.float64) for name in stored.files}

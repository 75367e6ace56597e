"""Style in numbers: statistics of log-mel windows, a small space fitted to them, and distances in it.

Distances are Fréchet distances between Gaussians (Heusel et al. 2017, "GANs Trained by a Two Time-Scale
Update Rule ...", arXiv:1706.08500, eq. 6). They depend on the number of windows, so they are read against a
floor: the distance between two halves of the same data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from angen.analysis.spectrum import Float, magnitude_blocks, rms, triangles
from angen.audio import Audio
from angen.files import atomic_path

RATE_HZ = 24000
SIZE, HOP, BANDS = 1024, 256, 64
FLOOR = 1e-4
COMMON_RMS = 0.12
RIDGE = 1e-6
FEATURES = 4 * BANDS


def style_features(audio: Audio, *, window_s: float = 7.68) -> Float:
    """Statistics of 64-band log-mel frames for each window.

    Windows follow each other without a gap; a remainder of at least half a window is covered by one more,
    aligned to the end. Audio shorter than a window gives one. Each window is brought to a common RMS (a
    window more than 20 dB under the whole recording is raised by no more than that), so loudness does not
    count.

    Args:
        audio: The recording, any rate and channels.
        window_s: Length of a window in seconds.

    Returns:
        Shape (windows, 256): mean, deviation, three times the mean rise and mean absolute change from frame
        to frame, of 64 bands each.
    """
    signal = audio.mono().resampled(RATE_HZ).samples[0]
    length = min(round(window_s * RATE_HZ), len(signal))
    starts = list(range(0, len(signal) - length + 1, length))
    if len(signal) - starts[-1] - length >= length / 2:
        starts.append(len(signal) - length)
    least_rms = max(0.1 * rms(signal), 1e-6)
    filters = slaney_filters().T.copy()
    rows = []
    for start in starts:
        window = signal[start : start + length]
        levelled = window * np.float32(COMMON_RMS / max(rms(window), least_rms))
        blocks = [magnitude @ filters for _, magnitude in magnitude_blocks(levelled, SIZE, HOP)]
        rows.append(_statistics(np.log(np.concatenate(blocks) + np.float32(FLOOR))))
    return np.stack(rows)


def _statistics(log_mel: Float) -> Float:
    change = np.diff(log_mel, axis=0) if len(log_mel) > 1 else np.zeros_like(log_mel)
    rise = np.maximum(change, 0)
    parts = (log_mel.mean(axis=0), log_mel.std(axis=0), 3 * rise.mean(axis=0), np.abs(change).mean(axis=0))
    return np.concatenate(parts).astype(np.float32)


def slaney_filters() -> Float:
    """64 triangles of unit area from 0 to 12 kHz, even on Slaney's mel scale; shape (64, 513)."""
    top = 15 + np.log(RATE_HZ / 2 / 1000) * 27 / np.log(6.4)
    mels = np.linspace(0, top, BANDS + 2)
    hz = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((mels - 15) * np.log(6.4) / 27))
    area = (hz[2:] - hz[:-2]) / 2
    return (triangles(hz, SIZE, RATE_HZ) / area[:, None]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class StyleSpace:
    """A small space in which styles are compared: principal axes of standardised features.

    Args:
        mean: Subtracted from features, shape (256,).
        scale: Then divides them, shape (256,), positive.
        axes: Orthonormal directions, shape (dims, 256).
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    axes: NDArray[np.float64]

    @classmethod
    def fit(cls, features: NDArray[np.floating], dims: int = 8) -> StyleSpace:
        """The space of the `dims` directions in which these windows differ most.

        Args:
            features: Shape (windows, features), at least two windows.
            dims: Number of directions.

        Raises:
            ValueError: If there are not more windows than directions, or fewer features.
        """
        features = np.asarray(features, dtype=np.float64)
        if features.ndim != 2 or len(features) <= dims or not 0 < dims <= features.shape[1]:
            raise ValueError(
                f"{dims} directions need more than {dims} windows; the shape is {features.shape}"
            )
        mean, deviation = features.mean(axis=0), features.std(axis=0)
        scale = np.where(deviation > 1e-6, deviation, 1.0)
        _, _, axes = np.linalg.svd((features - mean) / scale, full_matrices=False)
        signs = np.sign(axes[np.arange(dims), np.abs(axes[:dims]).argmax(axis=1)])
        return cls(mean, scale, axes[:dims] * signs[:, None])

    @property
    def dims(self) -> int:
        """Number of directions."""
        return len(self.axes)

    def project(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Features (windows, 256) in this space, shape (windows, dims)."""
        return np.asarray((np.asarray(features, dtype=np.float64) - self.mean) / self.scale @ self.axes.T)

    def save(self, path: Path) -> None:
        """Write the space as `.npz`, atomically."""
        with atomic_path(path) as temporary, temporary.open("wb") as handle:
            np.savez(handle, mean=self.mean, scale=self.scale, axes=self.axes)

    @classmethod
    def load(cls, path: Path) -> StyleSpace:
        """Read a space written by `save`."""
        with np.load(path, allow_pickle=False) as stored:
            return cls(stored["mean"], stored["scale"], stored["axes"])


def frechet_distance(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Fréchet distance between Gaussians fitted to two sets.

    |mean_a - mean_b|² + trace(A + B - 2 (A^½ B A^½)^½), with a little added to the diagonals of the
    covariances A and B. The square roots are of symmetric matrices, so nothing complex arises. One point has
    no spread.

    Args:
        a: Shape (n, dims), n at least 1.
        b: Shape (m, dims), m at least 1.

    Returns:
        The squared distance, 0 or more.

    Source:
        Dowson and Landau 1982, eq. 4; Heusel et al. 2017 (arXiv:1706.08500), eq. 6.
    """
    mean_a, spread_a = _gaussian(a)
    mean_b, spread_b = _gaussian(b)
    # Both orders are taken, so that the rounding is symmetric too.
    shared = (_root_trace(spread_a, spread_b) + _root_trace(spread_b, spread_a)) / 2
    apart = float(np.sum((mean_a - mean_b) ** 2))
    return max(0.0, apart + float(np.trace(spread_a + spread_b)) - 2 * shared)


def _gaussian(points: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or not len(points):
        raise ValueError(f"a set has the shape (n, dims) and at least one point; this is {points.shape}")
    centred = points - points.mean(axis=0)
    covariance = centred.T @ centred / max(len(points) - 1, 1)
    return points.mean(axis=0), covariance + RIDGE * np.eye(points.shape[1])


def _root_trace(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Trace of (first^½ second first^½)^½ for two positive definite matrices."""
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return float(np.sqrt(np.maximum(np.linalg.eigvalsh(root @ second @ root), 0)).sum())


def split_half_floor(
    features_by_song: Sequence[NDArray[np.floating]],
    space: StyleSpace,
    count: int,
    draws: int = 20,
    seed: int = 0,
) -> float:
    """The distance that `count` windows of the very same style would show.

    Each draw splits the songs into random halves, takes `count` windows of one (all of them, if there are
    fewer) and measures them against all windows of the other. A single song is split by windows.

    Args:
        features_by_song: One array (windows, 256) a song; two windows at least altogether.
        space: Where distances are measured.
        count: Number of windows drawn, as many as will be measured later.
        draws: Number of random splits.
        seed: Of the splits.

    Returns:
        The mean Fréchet distance over the draws.
    """
    songs = [space.project(song) for song in features_by_song if len(song)]
    if len(songs) == 1:
        songs = [songs[0][i : i + 1] for i in range(len(songs[0]))]
    if len(songs) < 2 or count < 1 or draws < 1:
        raise ValueError("a split needs two windows at least, and a count and draws of 1 or more")
    generator = np.random.default_rng(seed)
    distances = []
    for _ in range(draws):
        order = generator.permutation(len(songs))
        one = np.concatenate([songs[i] for i in order[: len(songs) // 2]])
        other = np.concatenate([songs[i] for i in order[len(songs) // 2 :]])
        drawn = one[generator.choice(len(one), min(count, len(one)), replace=False)]
        distances.append(frechet_distance(drawn, other))
    return float(np.mean(distances))

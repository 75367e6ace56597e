"""Beat features: where in the beat and in the bar each latent frame lies.

Seven values a frame: sine and cosine of the beat phase, of twice it, and of the bar phase, and a flag that
says the grid is known. All zero where it is not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

BEAT_DIM = 7


def beat_features(
    beats_s: ArrayLike, downbeats_s: ArrayLike, frames: int, rate_hz: float, *, start_s: float = 0.0
) -> NDArray[np.float32]:
    """Features of `frames` latent frames from a beat grid.

    Args:
        beats_s: Rising beat times in seconds; fewer than two mean that the grid is unknown.
        downbeats_s: Rising first beats of bars; fewer than two leave the bar phase at zero.
        frames: How many frames.
        rate_hz: Frames a second.
        start_s: Time of the first frame on the clock of the beats.

    Returns:
        Shape (frames, 7). Before the first and after the last beat the nearest spacing goes on.
    """
    features = np.zeros((frames, BEAT_DIM), np.float32)
    beats = np.asarray(beats_s, np.float64)
    if len(beats) < 2:
        return features
    times: NDArray[np.float64] = start_s + (np.arange(frames, dtype=np.float64) + 0.5) / rate_hz
    angle = 2 * np.pi * _position(times, beats)
    features[:, :4] = np.stack([np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle)], axis=1)
    downbeats = np.asarray(downbeats_s, np.float64)
    if len(downbeats) >= 2:
        bar = 2 * np.pi * _position(times, downbeats)
        features[:, 4], features[:, 5] = np.sin(bar), np.cos(bar)
    features[:, 6] = 1.0
    return features


def steady_grid(
    tempo_bpm: float, duration_s: float, *, beats_per_bar: int = 4
) -> tuple[list[float], list[float]]:
    """Beats and downbeats of a steady tempo from 0 to just past `duration_s`."""
    period = 60.0 / tempo_bpm
    beats = [i * period for i in range(max(int(duration_s / period), beats_per_bar) + 2)]
    return beats, beats[::beats_per_bar]


def _position(times: NDArray[np.float64], grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many grid points have passed at each time, fractions between, extended at both ends."""
    inside = np.interp(times, grid, np.arange(len(grid), dtype=float))
    before = (times - grid[0]) / (grid[1] - grid[0])
    after = len(grid) - 1 + (times - grid[-1]) / (grid[-1] - grid[-2])
    position: NDArray[np.float64] = np.where(
        times < grid[0], before, np.where(times > grid[-1], after, inside)
    )
    return position

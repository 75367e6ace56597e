"""Where to cut a recording into clips: at bar lines, where the music changes, where it is quiet.

Candidates for cuts are bar lines (beats, if bars are unknown) and a plain grid that guarantees a solution;
each has a cost, made of how far off the bar it is, how little changes there (checkerboard novelty, Foote
2000, "Automatic Audio Segmentation Using a Measure of Audio Novelty") and how loud it is. Dynamic programming
then takes the cheapest sequence whose lengths are allowed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d
from scipy.signal import oaconvolve

from angen.analysis.key import FRAME_RATE_HZ as CHROMA_RATE_HZ
from angen.analysis.key import Harmony, harmony_of
from angen.analysis.record import Analysis
from angen.analysis.spectrum import FRAME_RATE_HZ, Spectrum, listening_signal, spectrum_of
from angen.audio import Audio

SHORTEST_S, LONGEST_S = 10.0, 30.0
"""Lengths of clips that are proposed unless others are asked for."""

_GRID_S = 0.25
_STEP_S = 0.1
_NOVELTY_REACHES_S = (8.0, 1.5)
_MOMENT_SHARE, _CLEAR, _SEAM, _AT_CHANGE = 0.5, 0.3, 0.7, 0.0
_OFF_BEAT, _OFF_BAR = 1.5, 0.75
_LENGTH_WEIGHT = 0.3
_ON_BEATS, _WITHOUT_BEATS = (3.0, 0.2), (0.5, 2.0)  # weights of novelty and loudness
_NEAR_BAR_S, _NEAR_BEAT_S = 0.3, 0.15
_SLACK_S = 1e-6


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording, from `start_s` to `end_s`."""

    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s


def suggest_segments(
    audio: Audio, analysis: Analysis, *, min_s: float = SHORTEST_S, max_s: float = LONGEST_S
) -> list[Segment]:
    """Cut a recording into clips.

    Args:
        audio: The recording.
        analysis: What was heard in it; its beats and bars are used where they are known.
        min_s: Least length of a clip, positive.
        max_s: Greatest length of a clip, at least `min_s`.

    Returns:
        Segments that follow each other and cover the recording. Each lasts `min_s` to `max_s`, if the
        duration can be made up of such lengths at all; otherwise, one segment for a recording shorter than
        `min_s`, and equal ones shorter than `max_s` for a longer one.

    Raises:
        ValueError: If the lengths are not 0 < min_s <= max_s.
    """
    if not 0 < min_s <= max_s:
        raise ValueError(f"clip lengths need 0 < min_s <= max_s, not {min_s} and {max_s}")
    if _is_one_clip(audio.duration_s, min_s, max_s):
        return [Segment(0.0, audio.duration_s)]
    signal = listening_signal(audio)
    spectrum, harmony = spectrum_of(signal), harmony_of(signal)
    return segments_between(audio.duration_s, analysis, spectrum, harmony, min_s=min_s, max_s=max_s)


def segments_between(
    duration_s: float,
    analysis: Analysis,
    spectrum: Spectrum,
    harmony: Harmony,
    *,
    min_s: float = SHORTEST_S,
    max_s: float = LONGEST_S,
) -> list[Segment]:
    """As `suggest_segments`, with the spectra that are there already."""
    fewest = math.ceil(duration_s / max_s - _SLACK_S)
    most = math.floor(duration_s / min_s + _SLACK_S)
    if most <= 1 or most < fewest:
        return _between(np.linspace(0, duration_s, max(fewest, 1) + 1))
    even = np.linspace(0, duration_s, (fewest + most) // 2 + 1)
    times, cost = _candidates(duration_s, analysis, spectrum, harmony, even)
    return _between(_cheapest_path(times, cost, min_s, max_s))


def _is_one_clip(duration_s: float, min_s: float, max_s: float) -> bool:
    return math.floor(duration_s / min_s + _SLACK_S) <= 1 and duration_s <= max_s


def _between(edges_s: NDArray[np.float64]) -> list[Segment]:
    edges = [float(edge) for edge in edges_s]
    return [Segment(start, end) for start, end in pairwise(edges)]


def _candidates(
    duration_s: float, analysis: Analysis, spectrum: Spectrum, harmony: Harmony, even: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rising times at which a cut is possible, the ends included, and the cost of a cut there."""
    beats = np.array(analysis.beats_s)
    bars = np.array(analysis.downbeats_s) if analysis.downbeats_s else beats[::4]
    curve = _novelty(spectrum, harmony.chroma)
    minor = _away_from(_away_from(_peaks(curve, _CLEAR), bars, _NEAR_BAR_S), beats, _NEAR_BEAT_S)
    changes = np.union1d(minor, _peaks(curve, _SEAM))
    grid = np.arange(_GRID_S, duration_s, _GRID_S)
    pools = [(even, _OFF_BEAT), (grid, _OFF_BEAT), (beats, _OFF_BAR), (changes, _AT_CHANGE), (bars, 0.0)]
    if not len(beats):
        pools = [(even, 0.0), (grid, 0.0), (changes, 0.0)]
    best: dict[float, float] = {}
    for pool, penalty in pools:
        inside = pool[(pool > 0) & (pool < duration_s)]
        best.update(dict.fromkeys(inside.tolist(), penalty))
    best[0.0] = best[duration_s] = 0.0
    times = np.array(sorted(best))
    penalties = np.array([best[time] for time in times])
    novelty = _at(curve, times / _STEP_S)
    loudness = _at(_loudness(spectrum), times * FRAME_RATE_HZ)
    change, loud = _ON_BEATS if len(beats) else _WITHOUT_BEATS
    return times, penalties + loud * loudness - change * novelty


def _away_from(
    times_s: NDArray[np.float64], grid_s: NDArray[np.float64], reach_s: float
) -> NDArray[np.float64]:
    """The times with nothing of a grid near: where there is, the music's own line is the better place to cut."""
    if not len(grid_s) or not len(times_s):
        return times_s
    return np.asarray(times_s[np.abs(times_s[:, None] - grid_s).min(axis=1) > reach_s])


def _at(curve: NDArray[np.floating], position: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.interp(position, np.arange(len(curve)), curve))


def _loudness(spectrum: Spectrum) -> NDArray[np.float64]:
    """Level of each frame: 1 at the median, 0 for 30 dB less, linear in between and above."""
    level_db = 10 * np.log10(spectrum.power + 1e-6)
    smooth = gaussian_filter1d(level_db, 4)
    return np.asarray(np.maximum(0, 1 + (smooth - np.median(smooth)) / 30))


def _novelty(spectrum: Spectrum, chroma: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much the music before differs from the music after, every 0.1 s, 0 to 1.

    A mean of two curves: seconds on either side tell where music changes, a moment tells when exactly.
    """
    steps = max(1, int(spectrum.duration_s / _STEP_S) + 1)
    timbre = _pooled(spectrum.log_mel, FRAME_RATE_HZ, steps)
    votes = _pooled(
        np.sqrt(chroma / np.maximum(chroma.sum(axis=1, keepdims=True), 1e-9)), CHROMA_RATE_HZ, steps
    )
    features = np.concatenate([_standard(timbre), _standard(votes) * np.sqrt(timbre.shape[1] / 12)], axis=1)
    curves = []
    for reach_s in _NOVELTY_REACHES_S:
        curve = checkerboard(features, min(round(reach_s / _STEP_S), max(1, steps // 4)))
        curves.append(curve / max(float(curve.max()), 1e-9))
    return np.asarray(curves[0] * (1 - _MOMENT_SHARE) + curves[1] * _MOMENT_SHARE)


def _peaks(curve: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """Times of the highest points within a second, where the novelty exceeds `least`."""
    highest = maximum_filter1d(curve, round(1 / _STEP_S))
    return np.asarray(np.flatnonzero((curve >= highest) & (curve > least)) * _STEP_S)


def _pooled(values: NDArray[np.floating], rate_hz: float, steps: int) -> NDArray[np.float64]:
    """Means over 0.1 s, shape (steps, features)."""
    edges = (np.arange(steps + 1) - 0.5) * _STEP_S * rate_hz
    low = np.clip(np.floor(edges[:-1]), 0, len(values) - 1).astype(int)
    high = np.clip(np.floor(edges[1:]), low + 1, len(values)).astype(int)
    if np.array_equal(low[1:], high[:-1]):
        sums = np.add.reduceat(values[: high[-1]], low, axis=0, dtype=np.float64)
        return np.asarray(sums / (high - low)[:, None])
    until = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=np.float64)])
    return np.asarray((until[high] - until[low]) / (high - low)[:, None])


def _standard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    deviation = values.std(axis=0)
    return np.asarray((values - values.mean(axis=0)) / np.where(deviation > 1e-9, deviation, 1.0))


def checkerboard(features: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Foote's novelty: how far the mean of what comes differs from the mean of what was, the nearest counting most.

    Args:
        features: Shape (steps, features), each step scaled to length 1 here.
        reach: Steps on either side that are looked at, under a Gaussian taper.

    Returns:
        Squared difference of the weighted sums, shape (steps,).
    """
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)
    weights = np.exp(-0.5 * ((np.arange(reach) + 0.5) / (0.5 * reach)) ** 2)
    padded = np.pad(unit, ((reach, reach), (0, 0)), mode="edge")
    kernel = np.concatenate([weights[::-1], -weights])[:, None]  # convolution turns it round
    change = oaconvolve(padded, kernel, mode="valid", axes=0)[: len(unit)]
    return np.asarray(np.einsum("ij,ij->i", change, change))


def _cheapest_path(
    times: NDArray[np.float64], cost: NDArray[np.float64], min_s: float, max_s: float
) -> NDArray[np.float64]:
    """Edges of the cheapest sequence of segments from the first time to the last."""
    middle, half = (min_s + max_s) / 2, max((max_s - min_s) / 2, 1e-9)
    total = np.full(len(times), np.inf)
    total[0] = 0.0
    origin = np.zeros(len(times), dtype=int)
    first = 1
    while first < len(times):  # cuts closer than the shortest segment do not depend on each other
        last = max(int(np.searchsorted(times, times[first] + min_s - 2 * _SLACK_S)), first + 1)
        here = times[first:last, None]
        low = int(np.searchsorted(times, here[0, 0] - max_s - _SLACK_S))
        high = min(int(np.searchsorted(times, here[-1, 0] - min_s + _SLACK_S, side="right")), first)
        if low < high:
            lengths = here - times[low:high]
            options = total[low:high] + _LENGTH_WEIGHT * ((lengths - middle) / half) ** 2
            options[(lengths > max_s + _SLACK_S) | (lengths < min_s - _SLACK_S)] = np.inf
            best = options.argmin(axis=1)
            origin[first:last] = low + best
            total[first:last] = options[np.arange(last - first), best] + cost[first:last]
        first = last
    path = [len(times) - 1]
    while path[-1]:
        path.append(int(origin[path[-1]]))
    return times[path[::-1]]

"""Where a score is cut into clips: at its own bar lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from angen.analysis import Segment
from angen.catalogue.symbolic.labels import Grid
from angen.catalogue.symbolic.reading import Score

_PLAIN_GRID_S = 0.5
_FEWEST_NOTES = 8


def excerpts(score: Score, grid: Grid, *, min_s: float, max_s: float, most: int, seed: int) -> list[Segment]:
    """Clips of a score, in order, from bar line to bar line; on beats or a plain grid where bars are not known.

    Args:
        score: Which.
        grid: Its beats.
        min_s: Least length.
        max_s: Greatest length.
        most: At most so many, spread over the piece by the seed.
        seed: Any whole number from 0.

    Returns:
        Segments that do not overlap, each `min_s` to `max_s` long and with at least eight notes.
    """
    edges = next((each for each in (grid.downbeats_s, grid.beats_s) if len(each) > 1), None)
    first_s = float(score.seconds(score.notes[:1, 0])[0])
    if edges is None:
        edges = np.arange(first_s, score.duration_s + _PLAIN_GRID_S, _PLAIN_GRID_S)
    found = [
        part for part in _covering(edges, first_s, score.duration_s, min_s, max_s) if _notes_in(score, part)
    ]
    if len(found) > most:
        kept = np.random.default_rng(seed).permutation(len(found))[:most]
        found = [found[index] for index in sorted(kept)]
    return found


def _covering(
    edges: NDArray[np.float64], first_s: float, end_s: float, min_s: float, max_s: float
) -> list[Segment]:
    """From the bar of the first note to the end, each part as long as it may be."""
    before = edges[edges <= first_s + 1e-6]
    start_s = float(before[-1]) if len(before) else first_s
    last_s = float(np.append(edges[edges >= end_s], end_s)[0])
    edges = np.append(edges[edges < last_s], last_s)
    parts = []
    while start_s < end_s:
        within = edges[(edges >= start_s + min_s - 1e-6) & (edges <= start_s + max_s + 1e-6)]
        if len(within):
            parts.append(Segment(start_s, float(within[-1])))
            start_s = float(within[-1])
            continue
        after = edges[edges > start_s + 1e-6]  # bars longer than a clip, or too little left
        if not len(after) or after[0] - start_s < max_s:
            break
        start_s = float(after[0])
    return parts


def _notes_in(score: Score, part: Segment) -> bool:
    starts: NDArray[np.float64] = score.seconds(score.notes[:, 0])
    return int(((starts >= part.start_s) & (starts < part.end_s)).sum()) >= _FEWEST_NOTES

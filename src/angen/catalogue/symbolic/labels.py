"""What a score says of itself: tempo, metre, beats and bars, key. Exact where the file states it, otherwise None.

A beat is what the metre counts: the lower number of a simple metre, three of it in 6/8, 9/8 and 12/8. A file that
states no tempo plays at 120 by the format's default, which says nothing about the music; one that states C major
once at its start has most likely left the field as its program filled it in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from angen.catalogue.symbolic.reading import Score

_COMPOUND = (6, 9, 12, 15, 18)
_MOST_BEATS = 20_000


@dataclass(frozen=True)
class Grid:
    """Beats of a whole score.

    Attributes:
        beats_s: In seconds; empty where no tempo is stated.
        downbeats_s: First beats of bars; empty where no metre is stated either.
    """

    beats_s: NDArray[np.float64]
    downbeats_s: NDArray[np.float64]


def beat_grid(score: Score) -> Grid:
    """The beats and bars of a score, from its metres and tempi."""
    if len(score.tempos) == 0:
        return Grid(np.empty(0), np.empty(0))
    metres = score.metres or ((0, 4, 4),)
    if metres[0][0] > 0:
        metres = ((0, 4, 4), *metres)
    beats: list[NDArray[np.float64]] = []
    bars: list[NDArray[np.float64]] = []
    ends = [tick for tick, _, _ in metres[1:]] + [score.end_tick]
    for (start, count, unit), end in zip(metres, ends, strict=True):
        step = score.ticks_per_quarter * 4 / unit
        beat = step * (3 if _is_compound(count, unit) else 1)
        if (end - start) / beat > _MOST_BEATS:
            return Grid(np.empty(0), np.empty(0))
        beats.append(np.arange(start, end, beat))
        bars.append(np.arange(start, end, step * count))
    found = score.seconds(np.concatenate(beats))
    return Grid(found, score.seconds(np.concatenate(bars)) if score.metres else np.empty(0))


def tempo_bpm(score: Score, start_s: float = 0.0, end_s: float | None = None) -> float | None:
    """Beats per minute: the tempo that holds longest between two moments; None where none is stated."""
    if len(score.tempos) == 0:
        return None
    end_s = score.duration_s if end_s is None else end_s
    held: dict[float, float] = {}
    for from_s, to_s, bpm in _tempo_spans(score):
        overlap = min(to_s, end_s) - max(from_s, start_s)
        if overlap > 0:
            held[bpm] = held.get(bpm, 0.0) + overlap
    return max(held, key=lambda bpm: held[bpm]) if held else None


def _tempo_spans(score: Score) -> list[tuple[float, float, float]]:
    """Spans of one tempo in one metre: from, to, beats per minute."""
    tempos = {0: 500_000} | {int(tick): int(tempo) for tick, tempo in score.tempos}
    metres = {0: (4, 4)} | {tick: (count, unit) for tick, count, unit in score.metres}
    ticks = sorted({*tempos, *metres})
    edges_s = score.seconds(np.array([*ticks, max(score.end_tick, ticks[-1])]))
    spans, tempo, metre = [], tempos[0], metres[0]
    for tick, from_s, to_s in zip(ticks, edges_s[:-1], edges_s[1:], strict=True):
        tempo, metre = tempos.get(tick, tempo), metres.get(tick, metre)
        quarters = 4 / metre[1] * (3 if _is_compound(*metre) else 1)
        spans.append((float(from_s), float(to_s), round(60e6 / tempo / quarters, 3)))
    return spans


def metre_of(score: Score, start_tick: int, end_tick: int) -> str | None:
    """The metre that holds longest between two ticks, as "3/4"; None where none is stated."""
    held: dict[str, int] = {}
    if not score.metres:
        return None
    ends = [tick for tick, _, _ in score.metres[1:]] + [score.end_tick + 1]
    for (start, count, unit), end in zip(score.metres, ends, strict=True):
        overlap = min(end, end_tick) - max(start, start_tick)
        if overlap > 0 and count < 100:
            held[f"{count}/{unit}"] = held.get(f"{count}/{unit}", 0) + overlap
    return max(held, key=lambda metre: held[metre]) if held else None


def key_of(score: Score, start_tick: int, end_tick: int) -> str | None:
    """The key between two ticks, if one holds throughout; None where none is stated, or it changes there."""
    if score.keys == ((0, "C major"),):
        return None
    before = [name for tick, name in score.keys if tick <= start_tick]
    within = [name for tick, name in score.keys if start_tick < tick < end_tick]
    holding = {*before[-1:], *within}
    return holding.pop() if len(holding) == 1 and before else None


def _is_compound(count: int, unit: int) -> bool:
    return unit >= 8 and count in _COMPOUND

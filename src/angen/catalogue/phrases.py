"""Joining the phrases of one song into clips of a useful length, in their order, with a short rest between."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from angen.audio import Audio

GAP_S = 0.3
"""Silence between two phrases."""

_FADE_S = 0.005
_BALANCE = 0.01


def join_plan(lengths_s: Sequence[float], *, min_s: float, max_s: float, gap_s: float = GAP_S) -> list[range]:
    """Which phrases of a song make up each clip.

    Every phrase is in exactly one clip, in order. No clip of several phrases is longer than `max_s`. As few seconds
    as possible are missing from clips shorter than `min_s`; among such plans the most even one is taken.

    Args:
        lengths_s: Of the phrases.
        min_s: Wanted least length of a clip.
        max_s: Greatest length.
        gap_s: Silence between two phrases.

    Example:
        >>> join_plan([6, 6, 6, 6], min_s=10, max_s=15)
        [range(0, 2), range(2, 4)]
    """
    count = len(lengths_s)
    best = [0.0] + [float("inf")] * count
    begins = [0] * (count + 1)
    middle_s = (min_s + max_s) / 2
    for end in range(1, count + 1):
        length_s = -gap_s
        for begin in range(end - 1, -1, -1):
            length_s += lengths_s[begin] + gap_s
            if length_s > max_s and begin < end - 1:
                break
            missing_s = max(0.0, min_s - length_s)
            cost = best[begin] + missing_s + _BALANCE * ((length_s - middle_s) / middle_s) ** 2
            if cost < best[end]:
                best[end], begins[end] = cost, begin
    plan: list[range] = []
    end = count
    while end:
        plan.append(range(begins[end], end))
        end = begins[end]
    return plan[::-1]


def joined(phrases: Sequence[Audio], *, rate_hz: int, gap_s: float = GAP_S) -> Audio:
    """Phrases in a row, mono, at one rate, their edges faded so that no cut clicks."""
    gap = np.zeros(round(gap_s * rate_hz), np.float32)
    parts: list[NDArray[np.float32]] = []
    for phrase in phrases:
        if parts:
            parts.append(gap)
        parts.append(_faded(phrase.mono().resampled(rate_hz).samples[0], rate_hz))
    return Audio(np.concatenate(parts)[None], rate_hz)


def _faded(samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    count = min(round(_FADE_S * rate_hz), len(samples) // 2)
    faded = samples.copy()
    if count:
        ramp = np.linspace(0, 1, count, endpoint=False, dtype=np.float32)
        faded[:count] *= ramp
        faded[-count:] *= ramp[::-1]
    return faded

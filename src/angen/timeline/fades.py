"""Fades: their curves, and which clips of a track crossfade by themselves.

A gain depends on nothing but the fade and the place in it, and the curves are always computed over the same whole
stretches: any way of cutting a render into blocks gives the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from angen.timeline.records import HARD_EDGE, Clip, Curve, Fade

STRETCH = 4096
EXPONENTIAL_RANGE_DB = 60.0


def clip_fades(clips: Iterable[Clip]) -> dict[str, tuple[Fade, Fade]]:
    """How each clip of a track begins and ends, by its id, automatic edges worked out.

    A clip crosses another where it begins within it and ends with it or later. Over such an overlap an
    automatic end of the earlier and an automatic beginning of the later clip fade with equal power. Clips that
    begin together, or lie within each other, are layers: both are heard as they are.
    """
    longest_in: dict[str, int] = {}
    longest_out: dict[str, int] = {}
    ordered = sorted(clips, key=lambda clip: (clip.start, clip.id))
    active: list[Clip] = []
    for later in ordered:
        active = [clip for clip in active if clip.end > later.start]
        for earlier in active:
            if earlier.start < later.start and earlier.end <= later.end:
                overlap = earlier.end - later.start
                longest_in[later.id] = max(longest_in.get(later.id, 0), overlap)
                longest_out[earlier.id] = max(longest_out.get(earlier.id, 0), overlap)
        active.append(later)
    return {
        clip.id: (
            _crossing(longest_in.get(clip.id, 0)) if clip.fade_in is None else clip.fade_in,
            _crossing(longest_out.get(clip.id, 0)) if clip.fade_out is None else clip.fade_out,
        )
        for clip in ordered
    }


def _crossing(samples: int) -> Fade:
    return Fade(samples=samples, curve="equal-power") if samples else HARD_EDGE


def curve_gain(curve: Curve, share: NDArray[np.float64]) -> NDArray[np.float64]:
    """The gain of a curve where `share` (0 to 1) of it has passed.

    Example:
        >>> curve_gain("linear", np.array([0.0, 0.25, 1.0])).tolist()
        [0.0, 0.25, 1.0]
    """
    if curve == "linear":
        return share
    if curve == "equal-power":
        return np.asarray(np.sin(math.pi / 2 * share))
    steepness = EXPONENTIAL_RANGE_DB / 20 * math.log(10)
    return np.asarray(np.expm1(steepness * share) / math.expm1(steepness))


@lru_cache(maxsize=64)
def _stretch(curve: Curve, samples: int, number: int) -> NDArray[np.float64]:
    """One whole stretch of a fade of `samples`; 1 beyond its end. Place n is taken at its middle, n + 1/2."""
    place = np.arange(number * STRETCH, (number + 1) * STRETCH, dtype=np.float64)
    gains = curve_gain(curve, np.minimum((place + 0.5) / samples, 1.0))
    gains[place >= samples] = 1.0
    gains.flags.writeable = False
    return gains


def fade_in_gains(fade: Fade, first: int, count: int) -> NDArray[np.float64] | None:
    """Gains at the samples `first` to `first + count` of a clip that comes in so; None where all are 1."""
    place = first + fade.skipped
    inside = min(fade.samples - place, count)
    if inside <= 0:
        return None
    gains = np.ones(count)
    numbers = range(place // STRETCH, (place + inside - 1) // STRETCH + 1)
    whole = np.concatenate([_stretch(fade.curve, fade.samples, number) for number in numbers])
    at = place - numbers.start * STRETCH
    gains[:inside] = whole[at : at + inside]
    return gains


def fade_out_gains(fade: Fade, first: int, count: int, length: int) -> NDArray[np.float64] | None:
    """Gains at the samples `first` to `first + count` of a clip of `length` that goes out so; None if all 1."""
    gains = fade_in_gains(fade, length - first - count, count)
    return None if gains is None else gains[::-1]

"""Which songs are held back to validate a training run.

The split is by song, never by clip: two clips of one song are so alike that one held back would measure
memory. Only a single song has to be split by time, with a gap between the sides.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from angen.analysis import Segment
from angen.dataset.records import Split

VALIDATION_SHARE = 0.1
GAP_S = 2.0

_SHORTEST_VALIDATION_S = 5.0
_SHARE_STEPS = 20_000
"""Lengths are compared in steps of this part of the whole."""
_MOST_EXACT = 1000
"""Among more songs the choice is exact for the last of them only: time and memory would grow with the square."""


def split_songs(
    songs: dict[str, float], *, validation_share: float = VALIDATION_SHARE, seed: int
) -> dict[str, Split]:
    """Choose validation songs whose seconds come closest to a share of the whole.

    Among choices that are equally close the seed decides, whatever the order of `songs`. From two songs on,
    each side has at least one.

    Args:
        songs: Seconds of music of each song, by its name.
        validation_share: Part of all seconds to hold back, above 0 and at most 0.5.
        seed: Any whole number from 0.

    Returns:
        The side of each song. A single song is all for training: `split_by_time` divides it.

    Example:
        >>> split_songs({"a": 180.0, "b": 20.0}, seed=0)
        {'a': 'train', 'b': 'validation'}
    """
    if not 0 < validation_share <= 0.5:
        raise ValueError(f"a validation share is above 0 and at most 0.5, not {validation_share}")
    if any(seconds <= 0 for seconds in songs.values()):
        raise ValueError("every song of a split has some music")
    held_back = _closest_subset(songs, validation_share, seed) if len(songs) > 1 else set()
    return {song: "validation" if song in held_back else "train" for song in songs}


def _closest_subset(songs: dict[str, float], share: float, seed: int) -> set[str]:
    """The non-empty, proper subset whose seconds are closest to `share` of all.

    Of very many songs most are held back one by one, as long as their share is not used up; the last ones decide.
    """
    names = sorted(songs)
    np.random.default_rng(seed).shuffle(names)
    early, late = names[:-_MOST_EXACT], names[-_MOST_EXACT:]
    room_s = share * sum(songs[name] for name in early)
    chosen: set[str] = set()
    for name in early:
        if songs[name] <= room_s:
            room_s -= songs[name]
            chosen.add(name)
    total_s = sum(songs[name] for name in late)
    return chosen | _exactly_closest(late, songs, share + room_s / total_s)


def _exactly_closest(names: list[str], songs: dict[str, float], share: float) -> set[str]:
    """The non-empty, proper subset closest to `share` of all: subset sums, song by song.

    `reachable[n]` is a bit mask: bit s is set if some of the first n songs have s steps together.
    """
    total_s = sum(songs[name] for name in names)
    steps = {name: max(1, round(songs[name] / total_s * _SHARE_STEPS)) for name in names}
    reachable = [1]
    for name in names:
        reachable.append(reachable[-1] | reachable[-1] << steps[name])
    whole, target = sum(steps.values()), share * sum(steps.values())
    sums = [at for at in range(1, whole) if reachable[-1] >> at & 1]
    remaining = min(sums, key=lambda at: abs(at - target))
    chosen: set[str] = set()
    for before, name in zip(reversed(reachable[:-1]), reversed(names), strict=True):
        if not before >> remaining & 1:  # only with this song can the sum be reached
            chosen.add(name)
            remaining -= steps[name]
    return chosen


def split_by_time(
    segments: Sequence[Segment], *, validation_share: float = VALIDATION_SHARE, gap_s: float = GAP_S
) -> list[tuple[Segment, Split]]:
    """Hold back the end of a single song, with a gap so that no note sounds on both sides.

    The segments at the end whose seconds come closest to the share become validation. Where the last one
    alone is twice as much, it is cut, and its end held back. The last training segment gives up its end for
    the gap.

    Args:
        segments: Parts of the song in order, not overlapping.
        validation_share: Part of the seconds to hold back, above 0 and at most 0.5.
        gap_s: Seconds between the sides; less where the training segment beside it is short.

    Example:
        >>> for segment, side in split_by_time([Segment(0.0, 20.0), Segment(20.0, 40.0)]):
        ...     print(segment.start_s, segment.end_s, side)
        0.0 20.0 train
        20.0 33.0 train
        35.0 40.0 validation
    """
    if not 0 < validation_share <= 0.5:
        raise ValueError(f"a validation share is above 0 and at most 0.5, not {validation_share}")
    if not segments:
        return []
    parts = list(segments)
    last, last_s = parts[-1], parts[-1].end_s - parts[-1].start_s
    target_s = validation_share * sum(part.end_s - part.start_s for part in parts)
    held_back_s = max(target_s, min(_SHORTEST_VALIDATION_S, last_s / 4))
    if last_s >= 2 * held_back_s:
        cut_s = last.end_s - held_back_s
        parts[-1:] = [Segment(last.start_s, cut_s), Segment(cut_s, last.end_s)]
    at_the_end = np.cumsum([part.end_s - part.start_s for part in parts[:0:-1]])  # of the last one, two, …
    count = 1 + int(np.argmin(np.abs(at_the_end - held_back_s)))
    training, validation = parts[:-count], parts[-count:]
    training[-1] = _shortened(training[-1], gap_s - (validation[0].start_s - training[-1].end_s))
    return [(part, "train") for part in training] + [(part, "validation") for part in validation]


def _shortened(segment: Segment, by_s: float) -> Segment:
    """The segment without its end; at least three quarters of it remain."""
    length_s = segment.end_s - segment.start_s
    return Segment(segment.start_s, segment.end_s - min(max(by_s, 0.0), length_s / 4))

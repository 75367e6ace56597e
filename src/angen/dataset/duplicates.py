"""Recordings that are nearly the same, found by their fingerprints without comparing each with each.

Two recordings that share words at one shift are candidates; only those are compared bit by bit. The words of all
lie on disk, apart by their first bits, so that memory does not grow with the number of recordings.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from angen.dataset.fingerprint import WORDS_PER_S, Match, Words, best_match
from angen.progress import Progress, ProgressCallback, no_progress

__all__ = ["NearDuplicate", "grouped", "near_duplicates"]

_ENTRY = np.dtype([("word", "<u4"), ("item", "<u4"), ("at", "<u4")])
_BUCKET_ENTRIES = 2_000_000
_DENSE_WORDS = 2000
"""Longer recordings are looked up by a quarter of their words: there are enough of them."""
_MOST_IN_COMMON = 64
"""A word that more neighbours share is a habit of the style."""
_COARSE = 4
_SHIFTS_A_PAIR = 3
_SHIFT_BITS, _ITEM_BITS = 22, 20  # of a 64-bit key: shift, and two items


@dataclass(frozen=True)
class NearDuplicate:
    """Two recordings with a stretch in common.

    Attributes:
        first: Number of a recording.
        second: Of a later one.
        match: The stretch.
    """

    first: int
    second: int
    match: Match

    @property
    def start_s(self) -> float:
        """Where the stretch begins in the first."""
        return self.match.start / WORDS_PER_S

    @property
    def shift_s(self) -> float:
        """By how much later it is in the second."""
        return self.match.shift / WORDS_PER_S


def near_duplicates(
    count: int,
    words_of: Callable[[int], Words],
    *,
    folder: Path | None = None,
    on_progress: ProgressCallback = no_progress,
) -> list[NearDuplicate]:
    """Pairs of recordings with at least three seconds in common, each pair once, by its longest stretch.

    Args:
        count: How many recordings there are, below a million.
        words_of: The fingerprint of one, by its number; asked more than once.
        folder: Where to keep the words meanwhile: 12 bytes each, about 30 words a second of music.
        on_progress: Told of recordings ("comparing").
    """
    if count < 2:
        return []
    if count >= 1 << _ITEM_BITS:
        raise ValueError(f"at most {1 << _ITEM_BITS} recordings can be compared, not {count}")
    with tempfile.TemporaryDirectory(dir=folder) as room:
        buckets = _sorted_out(count, words_of, Path(room), on_progress)
        candidates = _candidates(buckets, most=max(2000, 20 * count))
    kept = lru_cache(maxsize=64)(words_of)
    found: dict[tuple[int, int], Match] = {}
    for first, second, shift in candidates:
        match = best_match(kept(first), kept(second), shift)
        before = found.get((first, second))
        if match is not None and (before is None or match.seconds > before.seconds):
            found[first, second] = match
    return [NearDuplicate(*pair, match) for pair, match in sorted(found.items())]


def grouped(count: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """For each of `count` items the least item it hangs together with, directly or through others.

    Example:
        >>> grouped(5, [(1, 2), (2, 4)])
        [0, 1, 1, 3, 1]
    """
    root = list(range(count))

    def top(item: int) -> int:
        while root[item] != item:
            root[item] = root[root[item]]
            item = root[item]
        return item

    for one, other in pairs:
        low, high = sorted((top(one), top(other)))
        root[high] = low
    return [top(item) for item in range(count)]


def _sorted_out(
    count: int, words_of: Callable[[int], Words], room: Path, on_progress: ProgressCallback
) -> Iterator[NDArray[np.void]]:
    """Write the words apart by their first bits; then give them back, one part at a time."""
    bits = 4
    with ExitStack() as files:
        handles = [files.enter_context((room / f"{n}").open("wb")) for n in range(1 << bits)]
        for item in range(count):
            on_progress(Progress("comparing", item, count))
            for number, part in _parts(item, words_of(item), bits):
                handles[number].write(part.tobytes())
    on_progress(Progress("comparing", count, count))
    for number in range(1 << bits):
        entries = np.fromfile(room / f"{number}", _ENTRY)
        pieces = max(1, math.ceil(entries.size / _BUCKET_ENTRIES))
        for piece in range(pieces):
            yield entries[entries["word"] % pieces == piece] if pieces > 1 else entries


def _parts(item: int, words: Words, bits: int) -> Iterator[tuple[int, NDArray[np.void]]]:
    at = np.flatnonzero(words)
    if words.size > _DENSE_WORDS:
        at = at[(words[at] * np.uint32(2654435761)) >> np.uint32(30) == 0]
    entries = np.zeros(at.size, _ENTRY)
    entries["word"], entries["item"], entries["at"] = words[at], item, at
    numbers = entries["word"] >> np.uint32(32 - bits)
    for number in np.unique(numbers):
        yield int(number), entries[numbers == number]


def _candidates(buckets: Iterator[NDArray[np.void]], most: int) -> list[tuple[int, int, int]]:
    """Pairs and shifts, those with the most words in common first, at most `most` of them."""
    keys, votes = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for entries in buckets:
        fresh, times = np.unique(_votes(entries), return_counts=True)
        merged = np.concatenate([keys, fresh])
        keys, places = np.unique(merged, return_inverse=True)
        votes = np.bincount(places, np.concatenate([votes, times]), keys.size).astype(np.int64)
        if keys.size > 50 * most:  # those with a single word in common are chance, when there are so many
            best = np.sort(np.argsort(-votes, kind="stable")[: 25 * most])
            keys, votes = keys[best], votes[best]
    order = np.argsort(-votes, kind="stable")
    seen: dict[int, int] = {}
    chosen = []
    for key in keys[order].tolist():
        pair = key >> _SHIFT_BITS
        if seen.get(pair, 0) < _SHIFTS_A_PAIR:
            seen[pair] = seen.get(pair, 0) + 1
            shift = (key & ((1 << _SHIFT_BITS) - 1)) - (1 << (_SHIFT_BITS - 1))
            chosen.append(
                (pair >> _ITEM_BITS, pair & ((1 << _ITEM_BITS) - 1), shift * _COARSE + _COARSE // 2)
            )
        if len(chosen) == most:
            break
    return chosen


def _votes(entries: NDArray[np.void]) -> NDArray[np.int64]:
    """A key of pair and coarse shift for each two entries that share a word."""
    ordered = np.sort(entries, order=["word", "item", "at"])
    word, item, at = (ordered[name].astype(np.int64) for name in ("word", "item", "at"))
    keys = [np.zeros(0, np.int64)]
    for apart in range(1, min(_MOST_IN_COMMON, word.size)):
        same = word[apart:] == word[:-apart]
        if not same.any():
            break
        other = same & (item[apart:] != item[:-apart])
        shift = (at[apart:] - at[:-apart])[other] // _COARSE + (1 << (_SHIFT_BITS - 1))
        pair = item[:-apart][other] << _ITEM_BITS | item[apart:][other]
        keys.append(pair << _SHIFT_BITS | shift)
    return np.concatenate(keys)

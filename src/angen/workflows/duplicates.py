"""Recordings that are nearly the same, among the songs of a preparation or the clips of a dataset, and what to say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from angen.audio import read_audio
from angen.dataset import Dataset, Split
from angen.dataset.duplicates import near_duplicates
from angen.dataset.fingerprint import FINGERPRINT_VERSION, Words, fingerprint
from angen.files import atomic_path, write_json
from angen.progress import ProgressCallback, no_progress
from angen.settings import Settings

__all__ = ["Alike", "alike_among", "dataset_duplicates", "keep_duplicates", "told_of"]

DUPLICATES = "duplicates.json"
_MOST_TOLD = 5


@dataclass(frozen=True)
class Alike:
    """Two recordings with a stretch in common.

    Attributes:
        first: A song, or a clip.
        second: Another.
        seconds: Length of the stretch.
        start_s: Where it begins in the first.
        shift_s: By how much later it is in the second.
        error: Share of the fingerprint's bits that differ; 0.5 between recordings without relation.
    """

    first: str
    second: str
    seconds: float
    start_s: float
    shift_s: float
    error: float


def alike_among(
    names: Sequence[str],
    words_of: Callable[[int], Words],
    room: Path,
    *,
    on_progress: ProgressCallback = no_progress,
) -> list[Alike]:
    """Which of many recordings are nearly the same.

    Args:
        names: Of the recordings.
        words_of: The fingerprint of one, by its number.
        room: A folder for what does not fit into memory; made if need be.
        on_progress: Told of recordings ("comparing").
    """
    room.mkdir(parents=True, exist_ok=True)
    found = near_duplicates(len(names), words_of, folder=room, on_progress=on_progress)
    return [
        Alike(
            names[pair.first], names[pair.second], round(pair.match.seconds, 2), round(pair.start_s, 2),
            round(pair.shift_s, 2), round(pair.match.error, 3),
        )
        for pair in found
    ]  # fmt: skip


def dataset_duplicates(
    settings: Settings, dataset: Dataset, *, on_progress: ProgressCallback = no_progress
) -> tuple[list[Alike], list[str]]:
    """Clips of different songs of a dataset that are nearly the same, and notes for its owner.

    Fingerprints are kept in the workspace's cache. A chorus that comes back in its own song is none of them.
    """
    clips = dataset.clips
    folder = settings.cache / "fingerprints" / str(FINGERPRINT_VERSION)

    def words_of(number: int) -> Words:
        clip = clips[number]
        place = folder / clip.sha256[:2] / clip.sha256
        with suppress(OSError):
            return np.fromfile(place, "<u4").astype(np.uint32)
        words = fingerprint(read_audio(dataset.audio_path(clip)))
        with atomic_path(place) as temporary:
            words.astype("<u4").tofile(temporary)
        return words

    songs = {clip.clip_id: clip.song for clip in clips}
    found = alike_among([clip.clip_id for clip in clips], words_of, settings.cache, on_progress=on_progress)
    alike = [pair for pair in found if songs[pair.first] != songs[pair.second]]
    return alike, told_of(alike, {clip.clip_id: clip.split for clip in clips}, what="clips")


def told_of(alike: Sequence[Alike], sides: Mapping[str, Split], *, what: str = "songs") -> list[str]:
    """What to tell the owner: first of pairs on both sides of the split, which are a leak."""
    across = [pair for pair in alike if sides[pair.first] != sides[pair.second]]
    within = [pair for pair in alike if sides[pair.first] == sides[pair.second]]
    notes = []
    if across:
        notes.append(
            f"WARNING, a leak: {len(across)} pairs of {what} are nearly the same and on both sides of the split: "
            f"{_listed(across)}. Validation measures memory there; leave one of each out."
        )
    if within:
        notes.append(
            f"{len(within)} pairs of {what} are nearly the same, on one side of the split: {_listed(within)}. "
            "They count twice in training; leave one of each out unless you want that."
        )
    return notes


def _listed(pairs: Sequence[Alike]) -> str:
    told = [f"{pair.first} and {pair.second} ({pair.seconds:.0f} s)" for pair in pairs[:_MOST_TOLD]]
    more = len(pairs) - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")


def keep_duplicates(folder: Path, alike: Sequence[Alike], sides: Mapping[str, Split]) -> None:
    """Write `duplicates.json` into a dataset, or remove it where there are none."""
    path = folder / DUPLICATES
    path.unlink(missing_ok=True)
    if alike:
        write_json(path, {"format_version": 1, "pairs": [_as_record(pair, sides) for pair in alike]})


def _as_record(pair: Alike, sides: Mapping[str, Split]) -> dict[str, Any]:
    return {**asdict(pair), "crosses_the_split": sides[pair.first] != sides[pair.second]}

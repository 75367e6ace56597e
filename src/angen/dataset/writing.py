"""Records written one by one, however many: what is kept of each is a name and a place in the file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from angen.dataset.records import ClipRecord, Split, hashed_line
from angen.files import atomic_path

__all__ = ["Written", "write_metadata"]


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        clips: How many.
        seconds: Of all clips together.
        splits: How many on each side.
        sha256: As `records.content_sha256` of the same clips.
    """

    clips: int
    seconds: float
    splits: dict[Split, int]
    sha256: str


def write_metadata(path: Path, clips: Iterable[ClipRecord], prompt_prefix: str) -> Written:
    """Write `metadata.jsonl`, a line a clip, and take the dataset's hash.

    Args:
        path: The file; written whole or not at all.
        clips: Its lines; each is let go as soon as it is written. No two have the same `file_name`.
        prompt_prefix: The words for all of it.
    """
    seconds = 0.0
    splits: dict[Split, int] = {"train": 0, "validation": 0}
    with atomic_path(path) as temporary:
        places: list[tuple[str, int]] = []
        with temporary.open("wb") as file:
            for clip in clips:
                places.append((f'{clip.file_name}"', file.tell()))  # lines sort by what stands first in them
                file.write(f"{clip.model_dump_json()}\n".encode())
                seconds += clip.duration_s
                splits[clip.split] += 1
        digest = hashlib.sha256(prompt_prefix.encode())
        with temporary.open("rb") as file:
            for _, place in sorted(places):
                file.seek(place)
                line = hashed_line(ClipRecord.model_validate_json(file.readline()))
                digest.update(f"\n{line}".encode())
    return Written(len(places), seconds, splits, digest.hexdigest())

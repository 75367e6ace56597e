"""Whether the disks have room, each for all that goes onto it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from angen.errors import DownloadError
from angen.files import free_bytes

MARGIN = 1.1


@dataclass(frozen=True)
class Need:
    """Bytes that will go into a folder, and for what."""

    what: str
    folder: Path
    bytes: int


def check_space(needs: Sequence[Need]) -> None:
    """Refuse what does not fit, with a tenth to spare; needs on one disk are added up.

    Raises:
        DownloadError: Says for each need what it takes, and what is free.
    """
    by_disk: dict[int, list[Need]] = defaultdict(list)
    for need in needs:
        by_disk[_nearest(need.folder).stat().st_dev].append(need)
    for each in by_disk.values():
        needed, free = MARGIN * sum(need.bytes for need in each), free_bytes(_nearest(each[0].folder))
        if needed > free:
            parts = " + ".join(f"{need.what} {need.bytes / 1e9:.2f} GB" for need in each if need.bytes)
            raise DownloadError(
                f"{parts} and a tenth to spare make {needed / 1e9:.2f} GB; {free / 1e9:.2f} GB are free for "
                f"{str(each[0].folder)!r}.",
                remedy="Make space, choose a part (--hours, --singers, --pieces), or set ANGEN_HOME to a larger disk.",
            )


def _nearest(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder

"""Hashes of large files, remembered for as long as path, size and time of change are the same."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from contextlib import suppress
from pathlib import Path

from angen.files.whole import atomic_path

LARGE_BYTES = 64 * 2**20
_SETTLED_S = 2.0  # a file younger than a clock's grain may change and keep its time


def remembered_hash(path: Path, *, large_bytes: int = LARGE_BYTES) -> str:
    """The sha256 of a file's bytes, in hexadecimal.

    That of a large file is kept in the user's cache folder (`$XDG_CACHE_HOME/angen`, else `~/.cache/angen`), so that
    gigabytes are read once. Only a change that keeps path, size, inode and time of change is not seen.

    Args:
        path: The file; links are followed.
        large_bytes: From which size it is remembered.
    """
    before = _state(path)
    if before["size"] < large_bytes:
        return _computed(path)
    kept = _kept_in(path)
    if kept is None:
        return _computed(path)
    known = _read(kept, before)
    if known is not None:
        return known
    digest = _computed(path)
    is_settled = time.time() - before["modified_ns"] / 1e9 > _SETTLED_S
    if is_settled and _state(path) == before:
        with suppress(OSError), atomic_path(kept) as temporary:  # a cache that cannot be written is none
            temporary.write_text(json.dumps({**before, "path": str(path.resolve()), "sha256": digest}))
    return digest


def _computed(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _state(path: Path) -> dict[str, int]:
    stat = path.stat()
    return {"size": stat.st_size, "modified_ns": stat.st_mtime_ns, "inode": stat.st_ino}


def _kept_in(path: Path) -> Path | None:
    """The file that remembers this one's hash; None where the user has no home."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return None
    name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32]
    return base / "angen" / "hashes" / f"{name}.json"


def _read(kept: Path, state: dict[str, int]) -> str | None:
    """The hash remembered for a file in this state; None if there is none, or it is damaged."""
    try:
        stored = json.loads(kept.read_bytes())
        digest = str(stored["sha256"])
        is_same = all(stored[name] == value for name, value in state.items())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return digest if is_same and re.fullmatch("[0-9a-f]{64}", digest) else None

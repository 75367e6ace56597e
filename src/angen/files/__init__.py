"""Files written so that a crash never leaves half of one, and names that cannot escape their folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["atomic_path", "content_hash", "free_bytes", "safe_name", "write_json", "write_text"]


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary name in the same folder, renamed to `path` once the block ends well.

    The suffix is kept, since sound libraries choose a format by it. On an exception the temporary file is
    removed and whatever stood at `path` before is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    stem = os.fsencode(path.stem)[:100].decode(errors="ignore")  # a name may have 255 bytes in all
    temporary = path.with_name(f".{stem}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a value as readable JSON, atomically. NaN and infinity are refused: they are not JSON."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def content_hash(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def free_bytes(folder: Path) -> int:
    """Bytes free on the disk that holds `folder` (or its nearest existing parent)."""
    while not folder.exists():
        folder = folder.parent
    stats = os.statvfs(folder)
    return stats.f_bavail * stats.f_frsize


def safe_name(text: str, *, fallback: str = "untitled") -> str:
    """A file name made from any text: letters, digits, `-`, `_` and inner dots, at most 80 characters.

    Letters of other scripts are kept; accents are composed, so that the same name is the same file everywhere.

    Example:
        >>> safe_name("../My song: «été» / take 2"), safe_name("..")
        ('My-song-été-take-2', 'untitled')
    """
    text = unicodedata.normalize("NFC", text)
    name = re.sub(r"[^\w.]+", "-", text, flags=re.UNICODE).strip("-._")[:80].rstrip("-._")
    return name or fallback

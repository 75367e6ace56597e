"""Files written so that a crash never leaves half of one, and names that cannot escape their folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata
from pathlib import Path
from typing import Any

from angen.files.whole import atomic_path, is_running, locked, remove_folder, remove_left_overs, whole_folder

__all__ = [
    "atomic_path",
    "content_hash",
    "free_bytes",
    "is_running",
    "locked",
    "remove_folder",
    "remove_left_overs",
    "safe_name",
    "whole_folder",
    "write_json",
    "write_text",
]


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically, its line ends as they are."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


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

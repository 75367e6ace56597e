"""Which files of a folder are recordings."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

_READABLE = (".wav", ".wave", ".w64", ".rf64", ".flac", ".mp3", ".ogg", ".oga", ".opus")
_ALSO_READABLE = (".aif", ".aiff", ".aifc", ".caf", ".au")
_TO_BE_CONVERTED = (".m4a", ".aac", ".wma")

AUDIO_SUFFIXES = frozenset(_READABLE + _ALSO_READABLE + _TO_BE_CONVERTED)
"""Suffixes that promise sound, in lower case. Some cannot be read here; they are listed nevertheless, so that
their owner is told to convert them instead of finding them missing."""


def find_audio(paths: Iterable[Path]) -> list[Path]:
    """The recordings among files and folders.

    Args:
        paths: Files, kept as they are given (existing or not, whatever their suffix), and folders, searched
            through and through: hidden names and names without a suffix of `AUDIO_SUFFIXES` are skipped,
            links to folders are not followed.

    Returns:
        The files in the order given, those of a folder sorted by name; a file met again is left out.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        for file in _recordings_in(path) if path.is_dir() else [path]:
            found.setdefault(Path(os.path.abspath(file)), file)  # noqa: PTH100 - resolve() would follow links
    return list(found.values())


def _recordings_in(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir(), key=lambda path: path.name):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if not entry.is_symlink():
                yield from _recordings_in(entry)
        elif entry.suffix.lower() in AUDIO_SUFFIXES:
            yield entry

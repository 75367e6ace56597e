"""M4Singer: `meta.json`, and beside it `<Singer>#<song>/<nnnn>.{wav,mid,TextGrid}`.

The top folder's name differs between copies, so the root is where `meta.json` is.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from angen.catalogue.items import Found, Phrase, VocalSong
from angen.errors import DamagedArchiveError

LANGUAGE = "cmn"
_MEMBER = re.compile(r"(?:^|/)([^/#]+)#([^/]+)/[^/]+$")


def song_of_member(name: str) -> tuple[str, str] | None:
    """The singer and the title of a member of the archive, or None for `meta.json`.

    Example:
        >>> song_of_member("m4singer/Alto-1#美错/0000.wav")
        ('Alto-1', '美错')
    """
    match = _MEMBER.search(name)
    return (match[1], match[2]) if match else None


def read_m4singer(root: Path) -> Found:
    """The songs below `root`.

    Raises:
        DamagedArchiveError: If there is no `meta.json`, or it is not a list of clips.
    """
    meta = min(root.rglob("meta.json"), key=lambda path: len(path.parts), default=None)
    if meta is None:
        raise DamagedArchiveError(f"{str(root)!r} has no meta.json.", remedy="Download the collection again.")
    clips: dict[tuple[str, str], list[Phrase]] = defaultdict(list)
    odd: list[tuple[Path, str]] = []
    for entry in _entries(meta):
        parts = str(entry.get("item_name", "")).split("#")
        if len(parts) != 3 or not parts[2].isdecimal():
            odd.append((meta, f"an entry has the item_name {entry.get('item_name')!r}"))
            continue
        singer, title, number = parts
        path = _sound(meta.parent, singer, title, number)
        if path is not None:  # a part of the collection holds the whole list
            words = " ".join(str(entry.get("txt") or "").split()) or None
            clips[singer, title].append(Phrase(path, words, int(number)))
    songs = []
    for (singer, title), phrases in sorted(clips.items()):
        voice = f"{singer.partition('-')[0].lower()} voice"
        ordered = tuple(sorted(phrases, key=lambda phrase: phrase.number))
        songs.append(VocalSong(f"{singer} {title}", title, title, singer, LANGUAGE, voice, ordered))
    return Found(songs=tuple(songs), odd=tuple(odd))


def _entries(meta: Path) -> list[dict[str, Any]]:
    try:
        entries = json.loads(meta.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedArchiveError(
            f"{str(meta)!r}: {error}.", remedy="Download the collection again."
        ) from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DamagedArchiveError(
            f"{str(meta)!r} is no list of clips.", remedy="Download the collection again."
        )
    return entries


def _sound(root: Path, singer: str, title: str, number: str) -> Path | None:
    """A clip's file; spaces of a title may be dashes in its folder's name."""
    for name in (title, title.replace(" ", "-")):
        if "/" in name or name in (".", "..") or "/" in singer:
            return None
        path = root / f"{singer}#{name}" / f"{number}.wav"
        if path.is_file():
            return path
    return None

"""Lakh MIDI: `clean_midi/<artist>/<title>[.<n>].mid`, `lmd_full/<x>/<md5>.mid`, `lmd_matched/A/B/C/<track>/<md5>.mid`.

In `clean_midi` a number before `.mid` marks a further version of the same song: one is kept for each artist and
title. In the others a file's name is the md5 of its content.
"""

from __future__ import annotations

import re
from pathlib import Path

from angen.catalogue.items import Found, ScorePiece

_VERSION = re.compile(r"\.\d+$")
_MD5 = re.compile(r"^[0-9a-f]{32}$")


def piece_of_member(name: str) -> str | None:
    """Which piece a member of an archive belongs to; None for what is no MIDI file.

    Example:
        >>> piece_of_member("clean_midi/Boys/Song.2.mid"), piece_of_member("lmd_full/0/README")
        ('Boys/Song', None)
    """
    path = Path(name)
    if path.suffix.lower() not in (".mid", ".midi"):
        return None
    if _MD5.match(path.stem):
        return path.stem
    return f"{path.parent.name}/{_VERSION.sub('', path.stem)}"


def read_lakh(root: Path) -> Found:
    """The pieces below `root`; of several versions of a song the first."""
    pieces: dict[str, ScorePiece] = {}
    paths = [path for path in root.rglob("*") if path.suffix.lower() in (".mid", ".midi")]
    for path in sorted(paths, key=_by_version):
        key = piece_of_member(path.as_posix())
        if key is None or key.casefold() in pieces:
            continue
        if _MD5.match(path.stem):
            pieces[key.casefold()] = ScorePiece(key, None, (path,), md5=path.stem)
        else:
            artist, _, title = key.partition("/")
            credit = f"{title} by {artist}, transcribed by an unknown maker (Lakh MIDI Dataset, CC BY 4.0)"
            pieces[key.casefold()] = ScorePiece(key, title, (path,), composer=artist, credit=credit)
    return Found(pieces=tuple(pieces.values()))


def _by_version(path: Path) -> tuple[str, bool, str]:
    is_further = _VERSION.search(path.stem) is not None
    return _VERSION.sub("", path.with_suffix("").as_posix()), is_further, path.name

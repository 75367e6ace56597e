"""OpenSinger: `OpenSinger/{ManRaw,WomanRaw}/<singer>_<song>/<singer>_<song>_<n>.{wav,txt,lab}`.

Singer numbers start again in each gender's folder, so a singer is gender plus number.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from angen.catalogue.items import Found, Phrase, VocalSong

LANGUAGE = "cmn"

_GENDERS = {"ManRaw": ("man", "male voice"), "WomanRaw": ("woman", "female voice")}
_FOLDER = re.compile(r"^(\d+)_(.+)$", re.S)
_MEMBER = re.compile(r"(?:^|/)(ManRaw|WomanRaw)/(\d+)_([^/]+)/[^/]+$", re.S)


def song_of_member(name: str) -> tuple[str, str] | None:
    """The singer and the title of a member of the archive, or None for the licence and other papers.

    Example:
        >>> song_of_member("OpenSinger/WomanRaw/7_光年之外/7_光年之外_0.wav")
        ('woman 7', '光年之外')
    """
    match = _MEMBER.search(name)
    return (f"{_GENDERS[match[1]][0]} {int(match[2])}", match[3]) if match else None


def read_opensinger(root: Path) -> Found:
    """The songs below `root`, wherever in it the gender folders are."""
    songs, odd = [], []
    for gender_folder in sorted(path for name in _GENDERS for path in root.rglob(name) if path.is_dir()):
        gender, voice = _GENDERS[gender_folder.name]
        for folder in sorted(gender_folder.iterdir()):
            match = _FOLDER.match(folder.name)
            if folder.name.startswith(".") or not folder.is_dir():
                continue
            if match is None:
                odd.append((folder, "the folder is not named <singer>_<song>"))
                continue
            singer, title = f"{gender} {int(match[1])}", match[2]
            phrases = _phrases(folder, odd)
            if phrases:
                key, group = f"{singer} {title}", unicodedata.normalize("NFC", title)
                songs.append(VocalSong(key, title, group, singer, LANGUAGE, voice, phrases))
    return Found(songs=tuple(songs), odd=tuple(odd))


def _phrases(folder: Path, odd: list[tuple[Path, str]]) -> tuple[Phrase, ...]:
    by_number: dict[int, Path] = {}
    for path in sorted(folder.glob("*.wav")):
        number = path.stem.rpartition("_")[2]
        if path.name.startswith("."):
            continue
        if number.isdecimal():
            by_number[int(number)] = path
        else:
            odd.append((path, "the file is not named <singer>_<song>_<n>.wav"))
    return tuple(Phrase(path, _words(path, odd), number) for number, path in sorted(by_number.items()))


def _words(path: Path, odd: list[tuple[Path, str]]) -> str | None:
    text = path.with_suffix(".txt")
    try:
        return " ".join(text.read_text(encoding="utf-8-sig").split()) or None
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        odd.append((text, "the lyrics are not UTF-8 text; the clip is kept without them"))
        return None

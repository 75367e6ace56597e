"""One line of a lyrics text: what on it is a heading, a repeat sign, a chord, a time stamp, and what is sung.

A sung line is a fixed point: read again, it is itself and nothing else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from angen.lyrics.tags import LONGEST_HEADING, Heading, heading_of

__all__ = ["Mark", "clean_text", "is_sung_line", "marks"]

LONGEST_LINE = 200
MOST_TIMES = 8

_BRACKETS = re.compile(r"[\[【{]([^\[\]【】{}]*)[\]】}]")
_LOOSE_BRACKETS = re.compile(r"[\[\]【】{}]")
_WORD_STAMP = re.compile(r"<\s*\d{1,3}:\d{1,2}(?:[.:]\d{1,3})?\s*>")
_STAMP = re.compile(r"\s*(?:\d{1,2}:)?\d{1,3}:\d{1,2}(?:[.:]\d{1,3})?\s*")
_LRC_FACT = re.compile(r"\s*(?:ar|ti|al|au|by|re|ve|length|offset|la|lr|tool|#)\s*:.*", re.IGNORECASE)
_CHORD = re.compile(
    r"[A-G][#b♯♭]?(?:maj|min|mi|m|M|dim|aug|sus|add|°|\+)?\d{0,2}(?:(?:sus|add|maj|b|#)\d{1,2})*(?:/[A-G][#b♯♭]?)?"
)
_PLAIN_CHORD_OR_BAR = re.compile(r"[A-G]|[|%\-–.]+|N\.?C\.?")
_ROUND = re.compile(r"[(（]([^()（）]{1,60})[)）]\s*[:：]?\s*")
_COLON = re.compile(r"([^:：]{1,40}?)\s*[:：]\s*(.*)", re.DOTALL)
_TAIL = re.compile(
    r"(?:^|\s+|(?=[(（]))(?:[(（]\s*(?:repeat\s+)?(?:[x×*]\s?(\d{1,2})|(\d{1,2})\s?(?:[x×]|times)|(repeat|twice|bis))\s*[)）]"
    r"|[x×](\d{1,2})|(\d{1,2})[x×])$",
    re.IGNORECASE,
)
_EDGES = " *#`~_"
_KEPT_FORMATS = "\u200c\u200d"  # Persian and Indic writing need them


@dataclass(frozen=True)
class Mark:
    """One thing found on a line.

    Attributes:
        kind: `heading`; `line`, sung `times` times; `repeat`, of the whole section; `problem`.
        text: The words sung, or the reason of a problem.
        heading: For a heading.
        times: How often.
    """

    kind: Literal["heading", "line", "repeat", "problem"]
    text: str = ""
    heading: Heading | None = None
    times: int = 1


def clean_text(text: str) -> str:
    """Text without control, formatting and private characters, composed, blanks single and none at the ends."""
    text = unicodedata.normalize("NFC", text)
    kept = (
        " " if char.isspace() else char
        for char in text
        if char.isspace()
        or char in _KEPT_FORMATS
        or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co")
    )
    return unicodedata.normalize("NFC", re.sub(" +", " ", "".join(kept)).strip())


def is_sung_line(line: str) -> bool:
    """Whether a reader takes the line as sung exactly as it stands."""
    found = [mark for mark in marks(line) if mark.kind != "problem"]
    return "\n" not in line and found == [Mark("line", line)]


def marks(text: str) -> Iterator[Mark]:
    """What stands on one line of a text, in order."""
    if _is_chord_line(text):
        yield Mark("problem", "chords, not words; left out")
        return
    spoken = ""
    for position, piece in enumerate(_BRACKETS.split(text)):
        if position % 2 == 0:
            spoken += _LOOSE_BRACKETS.sub(" ", piece)
            continue
        if _STAMP.fullmatch(piece) or _LRC_FACT.fullmatch(piece) or _CHORD.fullmatch(piece.strip()):
            continue
        heading = heading_of(piece)
        repeat = _TAIL.fullmatch(f"({piece.strip()})") if len(piece) < LONGEST_HEADING else None
        yield from _piece(spoken)
        spoken = ""
        if heading is not None:
            yield Mark("heading", heading=heading, times=heading.times)
        elif repeat is not None:
            yield Mark("repeat", times=_times(repeat))
        elif piece.strip():
            yield Mark("problem", f"[{clean_text(piece)[:60]}] is no structure tag; left out")
    yield from _piece(spoken)


def _piece(text: str) -> Iterator[Mark]:
    """What a text without square brackets holds: headings at its head, a repeat at its tail, words between."""
    times = 1
    while True:
        text = _tidy(text)
        if (tail := _TAIL.search(text)) is not None:
            times, text = _times(tail), text[: tail.start()]
        elif (head := _head(text)) is not None:
            heading, text = head
            yield Mark("heading", heading=heading, times=heading.times)
        else:
            break
    if not text:
        if times > 1:
            yield Mark("repeat", times=times)
        return
    is_singable, reason = _singable(text)
    if _is_chord_line(text):
        is_singable, reason = False, "chords, not words; left out"
    if reason:
        yield Mark("problem", reason)
    if is_singable:
        yield Mark("line", text, times=times)


def _head(text: str) -> tuple[Heading, str] | None:
    """The heading a text begins with, and what follows it: "(Chorus) la", "Chorus: la", "Chorus"."""
    if (found := _ROUND.match(text)) and (heading := heading_of(found[1], written="round")):
        return heading, text[found.end() :]
    if (found := _COLON.fullmatch(text)) and (heading := heading_of(found[1], written="colon")):
        return heading, found[2]
    if (heading := heading_of(text, written="alone")) is not None:
        return heading, ""
    return None


def _tidy(text: str) -> str:
    """Clean text without word stamps and without marks of emphasis at its ends."""
    while True:
        tidied = clean_text(_WORD_STAMP.sub(" ", text)).strip(_EDGES)
        if tidied == text:
            return text
        text = tidied


def _times(found: re.Match[str]) -> int:
    counted = next((int(group) for group in found.groups() if group and group.isdigit()), 2)
    return min(MOST_TIMES, max(1, counted))


def _singable(text: str) -> tuple[bool, str]:
    """Whether any of it can be sung by a model of English and Chinese, and what cannot."""
    scripts = {_script(char) for char in text if char.isalpha()}
    foreign = sorted(scripts - {"Latin", "Chinese"})
    if not any((char.isascii() and char.isalpha()) or "\u4e00" <= char <= "\u9fa5" for char in text):
        if foreign:
            return False, f"in {' and '.join(foreign)} letters, which the model cannot sing; left out"
        if any(char.isdigit() for char in text):
            return False, "no letters to sing; write numbers as words; left out"
        return False, "no letters to sing; left out"
    if foreign:
        return True, f"has {' and '.join(foreign)} letters, which the model leaves out"
    if len(text) > LONGEST_LINE:
        return True, f"{len(text)} characters in one line; nobody has the breath: break it up"
    return True, ""


def _script(char: str) -> str:
    name = unicodedata.name(char, "UNKNOWN")
    return "Chinese" if name.startswith("CJK") else name.split()[0].split("-")[0].capitalize()


def _is_chord_line(text: str) -> bool:
    """Only chords, and surely so: a sign besides the letter, or set apart as over words."""
    words = text.split()
    if len(words) < 2 or not all(
        _CHORD.fullmatch(word) or _PLAIN_CHORD_OR_BAR.fullmatch(word) for word in words
    ):
        return False
    return any(not _PLAIN_CHORD_OR_BAR.fullmatch(word) for word in words) or "  " in text.strip()

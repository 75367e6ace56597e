"""The structure tags a model knows, and the many names people give them.

The thirteen tags are those of DiffRhythm 2: lower case, without numbers, alone on their line. Anything else
would be sung as words.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

__all__ = ["SUNG_TAGS", "TAGS", "Heading", "heading_of"]

LONGEST_HEADING = 60
TAGS = (
    ["start", "end", "intro", "verse", "chorus", "outro", "inst", "solo", "bridge", "hook", "break", "stop", "space"]
)  # fmt: skip
"""Every tag, in the order of the model's ids 500 to 512."""

SUNG_TAGS = frozenset({"verse", "chorus", "bridge", "hook"})
"""Sections that make no sense without lines."""

_NAMES = {
    "start": "start, begin, beginning",
    "end": "end, fin, 结束",
    "intro": "intro, introduction, opening, prelude, entrada, einleitung, 前奏, 引子, イントロ",
    "verse": "verse, vers, verso, estrofa, strophe, strofa, couplet, stanza, rap, rap verse, spoken word, "
    "pre chorus, "
    "prechorus, pre hook, lift, build, build up, buildup, rise, pre estribillo, pre refrain, 主歌, 预副歌, 导歌, Aメロ",
    "chorus": "chorus, refrain, coro, estribillo, ritornello, refrão, refräng, kehrreim, final chorus, last chorus, "
    "double chorus, 副歌, サビ",
    "outro": "outro, coda, ending, tag, fade, fade out, fadeout, salida, schluss, finale, 尾奏, "
    "尾声, "
    "アウトロ",
    "inst": "inst, instrumental, interlude, instrumental break, drop, beat drop, music, riff, interludio, "
    "zwischenspiel, "
    "intermède, 间奏, 間奏",
    "solo": "solo, guitar solo, piano solo, sax solo, drum solo, bass solo, violin solo, 独奏",
    "bridge": "bridge, middle eight, middle 8, mid 8, puente, pont, ponte, brücke, 桥段, 过渡",
    "hook": "hook, post chorus, postchorus, gancho, ad lib, adlib, ad libs, vocal hook",
    "break": "break, breakdown, drum break, percussion break",
    "stop": "stop",
    "space": "space, pause, silence, rest",
}
_TAG_OF = {name.strip().casefold(): tag for tag, names in _NAMES.items() for name in names.split(",")}
_WORD_OF = {
    name: tag for name, tag in _TAG_OF.items() if " " not in name and tag not in {"start", "end", "stop"}
}
_LONE = frozenset(
    name
    for names in (
        "verse, chorus, refrain, intro, outro, bridge, interlude, instrumental, pre chorus, prechorus, post chorus",
        "estribillo, estrofa, strophe, 主歌, 副歌, 前奏, 间奏, 尾奏",
    )
    for name in names.split(", ")
)
_BEFORE_COLON = _LONE | {"hook", "coro", "verso", "vers", "couplet", "puente", "pont", "ritornello", "strofa"}
_NUMBER = r"(?:\d{1,2}|[ivx]{1,4}|[a-d]|one|two|three|four|first|second|third)"
_NUMBERED = re.compile(rf"(?P<name>.*?\D)\s*[#.]?\s*{_NUMBER}\.?", re.IGNORECASE)
_TIMES = re.compile(
    r"[\s(]*(?:[x×]\s?(?P<after>\d{1,2})|(?P<before>\d{1,2})\s?[x×]|\brepeat)\)?\s*$", re.IGNORECASE
)


class Heading(NamedTuple):
    """What a heading says: its tag, its name as compared with others (`verse 2`), how often it is sung."""

    tag: str
    label: str
    times: int


def heading_of(text: str, *, written: str = "bracket") -> Heading | None:
    """The heading that `text` is, or None if it is none.

    Args:
        text: What stands in brackets, before a colon, or alone on a line.
        written: `bracket` for text in square brackets, where a known word among others is enough ("Verse 1:
            Anna", "Soft Intro"); `round` for parentheses and `colon`, where the whole must be a name; `alone`
            for a bare line, where only names that are hardly ever sung count.

    Example:
        >>> heading_of("Verse 2"), heading_of("PRE-CHORUS x2")
        (Heading(tag='verse', label='verse 2', times=1), Heading(tag='verse', label='pre chorus', times=2))
        >>> heading_of("whispered"), heading_of("Stop", written="alone")
        (None, None)
    """
    if len(text) > LONGEST_HEADING:
        return None
    label = re.sub(r"[\s_\-–—]+", " ", unicodedata.normalize("NFKC", text).casefold()).strip(" .:*#")
    found = _TIMES.search(label)
    times = 1
    if found is not None:
        times = max(1, int(found["after"] or found["before"] or 2))
        label = label[: found.start()].strip()
    tag = _tag(label, written)
    return None if tag is None else Heading(tag, label, times)


def _tag(label: str, written: str) -> str | None:
    name = _without_number(label)
    if written == "alone":
        return _TAG_OF[name] if name in _LONE else None
    if written == "colon":
        return _TAG_OF[name] if name in _BEFORE_COLON else None
    exact = _TAG_OF.get(label) or _TAG_OF.get(name)
    if exact or written == "round":
        return exact
    first = _without_number(re.split(r"[:,;|/(]", label)[0].strip())
    if first in _TAG_OF:
        return _TAG_OF[first]
    words = [word for word in re.split(r"[^\w']+", label) if word]
    known = [_WORD_OF[word] for word in (words[:1] + words[-1:]) if word in _WORD_OF]
    return known[0] if known else None


def _without_number(label: str) -> str:
    found = _NUMBERED.fullmatch(label)
    return found["name"].strip(" #.") if found and found["name"].strip(" #.") in _TAG_OF else label

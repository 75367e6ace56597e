"""Song forms as data: which sections follow each other, how many lines they have, and how these rhyme.

A rhyme scheme has a letter a line: the same letter rhymes, `x` rhymes with nothing, a capital letter repeats the
line of the same capital word for word (the hook of a chorus, the second line of a blues verse).
"""

from __future__ import annotations

from dataclasses import dataclass

from angen.errors import LyricsError
from angen.lyrics.timing import RAP, SUNG, SingingRate

__all__ = ["FORMS", "Form", "Part", "form_named"]


@dataclass(frozen=True)
class Part:
    """A section of a form.

    Attributes:
        tag: Its tag.
        scheme: A letter a line; empty for a part without words.
        syllables: Target of each line, in turn.
        name: Parts of the same name are the same words; empty for words of its own.
        drop: Order in which parts are left out of a song that is too short; 0 stays to the last.
    """

    tag: str
    scheme: str = ""
    syllables: tuple[int, ...] = (8,)
    name: str = ""
    drop: int = 0


@dataclass(frozen=True)
class Form:
    """A song form.

    Attributes:
        name: As asked for.
        about: What it is, in a few words.
        parts: In order.
        rate: How fast it is usually sung.
        tempo_bpm: Its usual tempo, where none is given.
    """

    name: str
    about: str
    parts: tuple[Part, ...]
    rate: SingingRate = SUNG
    tempo_bpm: float = 110.0


def _verse(scheme: str = "abab", syllables: tuple[int, ...] = (8,), drop: int = 0) -> Part:
    return Part("verse", scheme, syllables, drop=drop)


def _chorus(scheme: str = "AbAb", syllables: tuple[int, ...] = (6, 8), drop: int = 0) -> Part:
    return Part("chorus", scheme, syllables, "chorus", drop)


_BLUES = ("AAa", (10,))
_FORMS = (
    Form("verse-chorus", "verses that tell, a chorus that returns, a bridge", (
        Part("intro", drop=5), _verse(), _chorus(), _verse(drop=2), _chorus(drop=3),
        Part("bridge", "aabb", (8,), drop=4), _chorus(drop=1), Part("outro", drop=6))),
    Form("pre-chorus", "verse, a rise, chorus, twice, bridge, chorus", (
        Part("intro", drop=6), _verse("xaxa"), Part("verse", "aa", (6,), "rise"), _chorus("AabA", (7, 8, 8, 7)),
        _verse("xaxa", drop=2), Part("verse", "aa", (6,), "rise", 3), _chorus("AabA", (7, 8, 8, 7), 4),
        Part("bridge", "abab", (6, 8), drop=5), _chorus("AabA", (7, 8, 8, 7), 1))),
    Form("aaba", "the old standard: three like verses around a bridge", (
        _verse("aaba"), _verse("aaba", drop=2), Part("bridge", "abab", (8, 6)), _verse("aaba", drop=1))),
    Form("strophic", "verses of one shape, one after another", (
        _verse("xaxa", (8, 6)), _verse("xaxa", (8, 6)), _verse("xaxa", (8, 6), 3), _verse("xaxa", (8, 6), 2),
        _verse("xaxa", (8, 6), 1))),
    Form("ballad", "slow: long verses, a wide chorus, a bridge, the chorus again", (
        Part("intro", drop=6), _verse("ababcdcd", (8, 6), 0), _chorus("abAb", (8,)), _verse("abab", (8, 6), 2),
        _chorus("abAb", (8,), 3), Part("bridge", "abab", (8,), drop=4), _chorus("abAb", (8,), 1),
        Part("outro", drop=5)), tempo_bpm=72.0),
    Form("blues", "three-line verses: a line, the same again, and the answer", (
        _verse(*_BLUES), _verse(*_BLUES), Part("solo", drop=5), _verse(*_BLUES, 3), _verse(*_BLUES, 1)),
        tempo_bpm=84.0),
    Form("hip-hop", "sixteen-bar verses in couplets and a hook", (
        Part("intro", drop=5), Part("verse", "aabbccddeeffgghh", (10,)), Part("hook", "AabA", (8,), "hook"),
        Part("verse", "aabbccddeeffgghh", (10,), drop=2), Part("hook", "AabA", (8,), "hook", 3),
        Part("verse", "aabbccdd", (10,), drop=4), Part("hook", "AabA", (8,), "hook", 1)), rate=RAP, tempo_bpm=90.0),
    Form("edm", "few words: verse, build, drop, the hook again", (
        Part("intro", drop=4), _verse("abab", (6,)), Part("hook", "AAbA", (6,), "hook"), Part("inst"),
        _verse("abab", (6,), 2), Part("hook", "AAbA", (6,), "hook", 3), Part("inst", drop=5),
        Part("hook", "AAbA", (6,), "hook", 1)), tempo_bpm=126.0),
    Form("rock", "verse and chorus in couplets, a solo", (
        Part("intro", drop=6), _verse("aabb"), _chorus("AbAb", (6,)), _verse("aabb", drop=2), _chorus("AbAb", (6,), 3),
        Part("solo", drop=5), Part("bridge", "aa", (8,), drop=4), _chorus("AbAb", (6,), 1)), tempo_bpm=128.0),
    Form("lullaby", "short, soft verses that end alike", (
        _verse("aabb", (6,)), _verse("aabb", (6,)), _verse("aabb", (6,), 2), _verse("aabb", (6,), 1)), tempo_bpm=70.0),
    Form("short", "one verse, one chorus", (_verse(), _chorus())),
)  # fmt: skip
FORMS = {form.name: form for form in _FORMS}


def form_named(name: str) -> Form:
    """The form of this name, whatever its case and dashes.

    Raises:
        LyricsError: If there is none.

    Example:
        >>> form_named("Verse Chorus").name, form_named("HipHop").name
        ('verse-chorus', 'hip-hop')
    """
    wanted = "".join(char for char in name.casefold() if char.isalnum())
    for form in _FORMS:
        if wanted == form.name.replace("-", ""):
            return form
    raise LyricsError(f"There is no song form {name!r}.", remedy=f"Use one of {', '.join(FORMS)}.")

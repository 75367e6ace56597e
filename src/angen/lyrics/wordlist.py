"""The draft writer's words: what rhymes with what, how words are stressed, and lines with slots.

The files in `data/` say themselves how they are written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

from angen.errors import LyricsError
from angen.lyrics.syllables import count_syllables

__all__ = ["EndWord", "LineShape", "Mood", "Theme", "WordList", "word_list"]

_FILES = {"en": "english.txt", "es": "spanish.txt"}
_HEAD = re.compile(r"\[(\w+)(?: ([^\]]+))?\](.*)")
_END_SLOT = re.compile(r"\{([A-Z])\}$")


@dataclass(frozen=True)
class EndWord:
    """A word a line may end with.

    Attributes:
        text: The word.
        sounds: From its last stressed vowel on; the same in words that rhyme.
        kind: What it can be, a capital letter of the file.
        mark: `=` for any mood, `+` for bright ones, `-` for dark ones.
    """

    text: str
    sounds: str
    kind: str
    mark: str


@dataclass(frozen=True)
class LineShape:
    """A line with slots.

    Attributes:
        text: As in the file, without its mark.
        kind: What its last word must be.
        mark: As of `EndWord`.
        is_theme: Whether it belongs to a theme.
    """

    text: str
    kind: str
    mark: str
    is_theme: bool = False


@dataclass(frozen=True)
class Theme:
    """A theme: words to know it by, what fills the slots `p n q a`, and lines of its own."""

    name: str
    keywords: tuple[str, ...]
    slots: dict[str, tuple[str, ...]] = field(default_factory=dict)
    shapes: tuple[LineShape, ...] = ()


@dataclass(frozen=True)
class Mood:
    """A mood: the marks it takes, words to know it by, and what things are like in it."""

    name: str
    marks: str
    keywords: tuple[str, ...]
    words: tuple[str, ...]


@dataclass(frozen=True)
class WordList:
    """All words of one language."""

    language: str
    end_words: tuple[EndWord, ...]
    stresses: dict[str, str]
    weak: frozenset[str]
    shapes: tuple[LineShape, ...]
    hooks: tuple[LineShape, ...]
    themes: dict[str, Theme]
    moods: dict[str, Mood]

    def sounds_of(self, word: str) -> str | None:
        """The rhyming part of a word, or None if the list does not have it."""
        return _sounds_by_language(self.language).get(word.casefold().split()[-1])

    def stress_of(self, word: str) -> str:
        """Stresses of a word's syllables: `1` strong, `0` weak, `-` of a short word that takes either."""
        return _stress_of(self.language, word.casefold().strip("'"))


@cache
def word_list(language: str) -> WordList:
    """The words of a language.

    Raises:
        LyricsError: If the draft writer has none.
    """
    if language not in _FILES:
        raise LyricsError(
            f"The draft writer does not write {language!r}, only {', '.join(_FILES)}.",
            remedy="Use a language model (--url), or one of these languages.",
        )
    path = Path(__file__).parent / "data" / _FILES[language]
    return _parse(path.read_text(encoding="utf-8"), language)


@cache
def _sounds_by_language(language: str) -> dict[str, str]:
    return {word.text.split()[-1]: word.sounds for word in word_list(language).end_words}


@lru_cache(maxsize=20_000)
def _stress_of(language: str, word: str) -> str:
    words = word_list(language)
    if word in words.weak:
        return "-"
    known = words.stresses.get(word) or words.stresses.get(word.removesuffix("'s"))
    if known:
        return known
    count = count_syllables(word, language).count
    return "1" if count == 1 else "-" * count


def _parse(text: str, language: str) -> WordList:
    blocks = _blocks(text)
    shapes = [shape for _, body in blocks.get("lines", []) for shape in _shapes(body)]
    themes = [_theme(head, body) for head, body in blocks["theme"]]
    moods = [_mood(head, body) for head, body in blocks["mood"]]
    stresses = {
        word: line.split()[0]
        for _, body in blocks.get("stress", [])
        for line in body
        for word in line.split()[1:]
    }
    return WordList(
        language=language,
        end_words=tuple(word for _, body in blocks["rhymes"] for line in body for word in _end_words(line)),
        stresses=stresses,
        weak=frozenset(word for _, body in blocks.get("weak", []) for line in body for word in line.split()),
        shapes=tuple(shapes),
        hooks=tuple(shape for _, body in blocks["hooks"] for shape in _shapes(body)),
        themes={theme.name: theme for theme in themes},
        moods={mood.name: mood for mood in moods},
    )


def _blocks(text: str) -> dict[str, list[tuple[str, list[str]]]]:
    """Every block's head and lines, by its kind; comments and blank lines are left out, lines `#` are comments."""
    blocks: dict[str, list[tuple[str, list[str]]]] = {}
    body: list[str] = []
    for line in text.splitlines():
        if (head := _HEAD.fullmatch(line)) and not line.startswith("#"):
            body = []
            blocks.setdefault(head[1], []).append((f"{head[2] or ''}|{head[3].strip()}", body))
        elif line.strip() and not line.startswith("#"):
            body.append(line.strip())
    return blocks


def _end_words(line: str) -> list[EndWord]:
    sounds, _, listed = line.partition("|")
    found = []
    for entry in listed.split("|") if "|" in listed else listed.split():
        word, _, kind = entry.strip().partition(":")
        found.append(EndWord(word, sounds.strip(), kind[0], kind[1:] or "="))
    return found


def _shapes(body: list[str], *, is_theme: bool = False) -> list[LineShape]:
    found = []
    for line in body:
        end = _END_SLOT.search(line)
        if end and line[0] in "=+-":
            found.append(LineShape(line[2:], end[1], line[0], is_theme))
    return found


def _theme(head: str, body: list[str]) -> Theme:
    name, _, keywords = head.partition("|")
    slots = {line[0]: tuple(line[2:].strip().split("|")) for line in body if re.match(r"[pnqa]:", line)}
    return Theme(name, tuple(keywords.split()), slots, tuple(_shapes(body, is_theme=True)))


def _mood(head: str, body: list[str]) -> Mood:
    name, _, rest = head.partition("|")
    kind, *keywords = rest.split()
    marks = {"bright": "=+", "dark": "=-", "any": "="}[kind]
    words = tuple(word for line in body for word in line.removeprefix("m:").strip().split("|"))
    return Mood(name, marks, tuple(keywords), words)

"""Lyrics as DiffRhythm 2 takes them: structure tags and phones, each an id.

Tags and instrumental parts need nothing. Words need the extras `phonemes-gpl` (English, through espeak-ng) and
`phonemes-zh` (Chinese, through pypinyin and jieba); without them an error says which to install.

The phone table and the table of Chinese syllables are data of the public project (Apache-2.0; its front end
comes from Amphion, MIT).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from angen.errors import LyricsError
from angen.lyrics import TAGS, Lyrics, Problem, Section, read_lyrics, write_lyrics

FIRST_TAG_ID = 500
TAG_IDS = {tag: FIRST_TAG_ID + place for place, tag in enumerate(TAGS)}
STOP_ID = TAG_IDS["stop"]
LARGEST_ID = TAG_IDS["space"]
BLANK = "_"
INSTRUMENTAL = Lyrics((Section("inst"),))
_SCRIPT = re.compile(r"(?P<zh>[\u4e00-\u9fa5])|(?P<en>[A-Za-z])")

PhoneReader = Callable[[str], list[str]]


@dataclass(frozen=True)
class PhonedLyrics:
    """A lyrics sheet as ids.

    Attributes:
        text: The sheet, exactly as it was turned into ids.
        ids: What the model is given.
        phones: The phones of every sung line.
        problems: Lines that will not be sung as written, with their numbers in the text that was read.
    """

    text: str
    ids: tuple[int, ...]
    phones: tuple[tuple[str, ...], ...] = ()
    problems: tuple[Problem, ...] = ()


@cache
def phone_table() -> Mapping[str, int]:
    """Every phone and its id, 1 to 363; 0 is the filler."""
    return {phone: index + 1 for phone, index in read_table("phones.json").items()}


@cache
def read_table(name: str) -> Any:
    """A JSON table of the package."""
    return json.loads((files("angen.model") / "data" / name).read_text(encoding="utf-8"))


def segments(line: str) -> list[tuple[str, str]]:
    """A line cut where its language changes: (text, `en` or `zh`); empty without a letter of either.

    Example:
        >>> segments("...你 a"), segments("I'm 25 岁"), segments("123")
        ([('...你 ', 'zh'), ('a', 'en')], [("I'm 25 ", 'en'), ('岁', 'zh')], [])
    """
    cut: list[tuple[str, str]] = []
    start, language = 0, ""
    for found in _SCRIPT.finditer(line):
        here = str(found.lastgroup)
        if language and here != language:
            cut.append((line[start : found.start()], language))
            start = found.start()
        language = here
    return [*cut, (line[start:], language)] if language else []


def line_phones(line: str, readers: Mapping[str, PhoneReader] | None = None) -> list[str]:
    """The phones of one line, those only that the model has.

    Args:
        line: Words in English, Chinese, or both.
        readers: How to read `en` and `zh`; None for ours.

    Raises:
        LyricsError: If it has no letter that can be sung, or what reads its language is not installed.
    """
    parts = segments(line)
    if not parts:
        raise LyricsError(f"{line[:60]!r} has no letters to sing.", remedy="Write English or Chinese words.")
    readers = _READERS if readers is None else readers
    table = phone_table()
    phones: list[str] = []
    for number, (text, language) in enumerate(parts, start=1):
        part = [phone for phone in readers[language](text) if phone in table]
        if number == len(parts) and language == "en" and part[-1:] == [BLANK]:
            part.pop()
        phones += part
    return phones


def lyrics_ids(lyrics: Lyrics, readers: Mapping[str, PhoneReader] | None = None) -> PhonedLyrics:
    """Ids of lyrics: each tag and each line, followed by the id of `[stop]`.

    Lyrics without a section are an instrumental: `[start] [inst] [end]`.

    Raises:
        LyricsError: If what reads their language is not installed.

    Example:
        >>> lyrics_ids(INSTRUMENTAL).ids
        (500, 511, 506, 511, 501, 511)
    """
    text = write_lyrics(lyrics if lyrics.sections else INSTRUMENTAL)
    ids: list[int] = []
    phones: list[tuple[str, ...]] = []
    table = phone_table()
    tags = {f"[{tag}]": number for tag, number in TAG_IDS.items()}
    for line in text.splitlines():
        if line in tags:
            ids += [tags[line], STOP_ID]
        else:
            phones.append(tuple(line_phones(line, readers)))
            ids += [*(table[phone] for phone in phones[-1]), STOP_ID]
    return PhonedLyrics(text, tuple(ids), tuple(phones))


def read_ids(text: str, readers: Mapping[str, PhoneReader] | None = None) -> PhonedLyrics:
    r"""Ids of lyrics in any form that `read_lyrics` takes; what cannot be sung is reported with its line.

    Example:
        >>> read = read_ids("[Intro]\r\n\r\n[Guitar Solo]\r\n123\r\n")
        >>> read.ids, read.problems[0].line
        ((500, 511, 502, 511, 507, 511, 501, 511), 4)
    """
    from dataclasses import replace

    read = read_lyrics(text)
    return replace(lyrics_ids(read.lyrics, readers), problems=read.problems)


def ids_as_reference(text: str, encode: Callable[[str], list[int]]) -> list[int]:
    r"""Ids as the public program makes them, defects included: tags only match unstripped and in lower case.

    Args:
        text: A lyrics sheet.
        encode: Turns a stripped line into ids; the public program's raises on an empty one.

    Example:
        >>> ids_as_reference("[verse]\nA\n[verse] ", lambda line: [len(line)])
        [503, 511, 1, 511, 7, 511]
    """
    tags = {f"[{tag}]": number for tag, number in TAG_IDS.items()}
    ids: list[int] = []
    for line in text.split("\n"):
        ids += [tags[line]] if line in tags else encode(line.strip())
        ids.append(STOP_ID)
    return ids


def installed_languages() -> Iterator[tuple[str, bool, str]]:
    """Each language, whether it can be read here, and the extra that reads it."""
    from importlib.util import find_spec

    for language, (modules, extra) in EXTRAS.items():
        yield language, all(find_spec(name) is not None for name in modules), extra


EXTRAS = {
    "en": (("phonemizer", "espeakng_loader"), "phonemes-gpl"),
    "zh": (("pypinyin", "jieba"), "phonemes-zh"),
}


def needed(language: str) -> LyricsError:
    """The error where a language cannot be read."""
    modules, extra = EXTRAS[language]
    name = {"en": "English", "zh": "Chinese"}[language]
    note = " (phonemizer and espeak-ng are under the GPL-3)" if extra.endswith("gpl") else ""
    return LyricsError(
        f"{name} lyrics need {' and '.join(modules)}, which are not installed.",
        remedy=f"Install them: pip install 'angen[{extra}]'{note}; or write structure tags only, as [inst].",
    )


def _english(text: str) -> list[str]:
    from angen.model.phones_english import english_phones

    return english_phones(text)


def _chinese(text: str) -> list[str]:
    from angen.model.phones_chinese import chinese_phones

    return chinese_phones(text)


_READERS: Mapping[str, PhoneReader] = {"en": _english, "zh": _chinese}

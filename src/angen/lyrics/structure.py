"""Give a text without tags its tags: what returns is the chorus, what stands alone late is the bridge."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from angen.lyrics.forms import form_named
from angen.lyrics.lines import marks
from angen.lyrics.reading import read_lyrics
from angen.lyrics.record import Lyrics, ReadLyrics, Section

__all__ = ["structured"]

LINES_A_SECTION = 4


def structured(text: str, *, form: str | None = None) -> ReadLyrics:
    r"""Read a text and set the tags it lacks. No word is changed, none moved.

    A text that has headings keeps them. Otherwise its stanzas are the sections (a text without blank lines is cut
    into four lines each): those of which half the lines return are the chorus, one between two choruses after the
    second verse is the bridge, the rest are verses. If nothing returns and a form is given, the stanzas take the
    tags of its sung parts in order; the form's intro and outro are added.

    Example:
        >>> text = "One\nTwo\n\nSing\nla la\n\nThree\nFour\n\nSing\nla la\n"
        >>> [section.tag for section in structured(text).lyrics.sections]
        ['verse', 'chorus', 'verse', 'chorus']
    """
    read = read_lyrics(text)
    if any(mark.kind == "heading" for line in text.splitlines() for mark in marks(line)):
        return read
    stanzas = [section.lines for section in read.lyrics.sections]
    if len(stanzas) == 1:
        stanzas = _cut(stanzas[0])
    tags = _tags(stanzas)
    played: tuple[list[Section], list[Section]] = ([], [])
    if form is not None:
        parts = form_named(form).parts
        sung = [part.tag for part in parts if part.scheme]
        if "chorus" not in tags:
            tags = [sung[number % len(sung)] for number in range(len(stanzas))]
        played = (
            [Section("intro")] if parts[0].tag == "intro" else [],
            [Section("outro")] if parts[-1].tag == "outro" else [],
        )
    sections = [Section(tag, lines) for tag, lines in zip(tags, stanzas, strict=True)]
    return replace(read, lyrics=Lyrics((*played[0], *sections, *played[1])))


def _cut(lines: Sequence[str]) -> list[tuple[str, ...]]:
    if len(lines) <= LINES_A_SECTION + 2:
        return [tuple(lines)]
    starts = range(0, len(lines), LINES_A_SECTION)
    pieces = [tuple(lines[at : at + LINES_A_SECTION]) for at in starts]
    if len(pieces[-1]) == 1:  # no section of a single line at the end
        last = pieces.pop()
        pieces[-1] += last
    return pieces


def _tags(stanzas: Sequence[Sequence[str]]) -> list[str]:
    keys = [{_key(line) for line in stanza} for stanza in stanzas]
    tags = []
    for number, key in enumerate(keys):
        returns = any(
            other != number and len(key & keys[other]) * 2 >= max(len(key), len(keys[other]))
            for other in range(len(keys))
        )
        tags.append("chorus" if returns else "verse")
    for number in range(1, len(tags) - 1):
        before = tags[:number]
        if (
            tags[number - 1 : number + 2] == ["chorus", "verse", "chorus"]
            and before.count("verse") >= 2
            and "chorus" not in tags[number + 2 :]
        ):
            tags[number] = "bridge"
    return tags


def _key(line: str) -> str:
    return re.sub(r"\W+", " ", line.casefold()).strip()

"""Read lyrics as people write and paste them; write them as a model takes them.

Forgiving: case, blanks, line ends, numbered and decorated headings, tags of other programs, "Chorus:", "(x2)",
chords, LRC time stamps. What cannot be sung is reported with its line, never sung as words.
"""

from __future__ import annotations

import re

from angen.errors import LyricsError
from angen.lyrics.lines import Mark, marks
from angen.lyrics.record import Lyrics, Problem, ReadLyrics, Section
from angen.lyrics.tags import SUNG_TAGS, Heading

__all__ = ["LONGEST_TEXT", "MOST_LINES", "read_lyrics", "write_lyrics"]

LONGEST_TEXT = 200_000
MOST_LINES = 2_000
_LINE_ENDS = re.compile(r"\r\n|\r|\n")


def read_lyrics(text: str) -> ReadLyrics:
    r"""Read lyrics from any text.

    Lines before the first heading are a verse; without any heading, every stanza is one. A chorus whose heading
    stands alone is the chorus sung before. `(x2)` after a line sings it twice, on a line of its own or in a
    heading the whole section. `[start]` and `[end]` are implied; nothing after `[end]` is sung.

    Raises:
        LyricsError: If the text is longer than 200 000 characters, or makes more than 2000 lines.

    Example:
        >>> read = read_lyrics("[Verse 1]\r\nHello\n123\nChorus:\nSing (x2)\n")
        >>> read.lyrics.sections
        (Section(tag='verse', lines=('Hello',)), Section(tag='chorus', lines=('Sing', 'Sing')))
        >>> read.problems
        (Problem(line=3, text='123', reason='no letters to sing; write numbers as words; left out'),)
    """
    if len(text) > LONGEST_TEXT:
        raise LyricsError(
            f"The text has {len(text)} characters; lyrics have at most {LONGEST_TEXT}.",
            remedy="Give one song.",
        )
    reader = _Reader()
    for number, line in enumerate(_LINE_ENDS.split(text), start=1):
        reader.take(number, line)
    return reader.result()


def write_lyrics(lyrics: Lyrics) -> str:
    r"""The canonical text: `[start]`, every section's tag and lines, `[end]`; no blank lines.

    Reading it gives the same lyrics.

    Example:
        >>> write_lyrics(Lyrics((Section("verse", ("Hello",)), Section("inst"))))
        '[start]\n[verse]\nHello\n[inst]\n[end]\n'
    """
    parts = [line for part in lyrics.sections for line in (f"[{part.tag}]", *part.lines)]
    return "\n".join(["[start]", *parts, "[end]"]) + "\n"


class _Reader:
    """Gathers sections line by line."""

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self.problems: list[Problem] = []
        self.known: dict[str, tuple[str, ...]] = {}
        self.heading: Heading | None = None
        self.heading_at = (0, "")
        self.times = 1
        self.lines: list[str] = []
        self.has_ended = False
        self.count = 0

    def take(self, number: int, text: str) -> None:
        """Read one line of the text."""
        if not text.strip():
            if self.heading is None:
                self._close()
            return
        for mark in marks(text):
            if mark.kind == "problem":
                self._report(number, text, mark.text)
            elif self.has_ended:
                self._report(number, text, "after [end]; left out")
            else:
                self._follow(number, text, mark)

    def _follow(self, number: int, text: str, mark: Mark) -> None:
        if mark.kind == "line":
            self.lines += [mark.text] * mark.times
            self._count(mark.times)
        elif mark.kind == "repeat":
            self.times = max(self.times, mark.times)
        elif mark.heading is not None:
            self._close()
            self.has_ended = mark.heading.tag == "end"
            self.heading = None if mark.heading.tag in ("start", "end") else mark.heading
            self.heading_at, self.times = (number, text), min(8, mark.times)

    def _close(self) -> None:
        """End the section that is open."""
        tag = self.heading.tag if self.heading else "verse"
        lines = tuple(self.lines)
        if self.heading and not lines and tag in SUNG_TAGS:
            lines = self.known.get(self.heading.label, ())
            if not lines:
                self._report(*self.heading_at, "no words follow this heading; left out")
        if self.heading and lines:
            self.known.setdefault(self.heading.label, lines)
        if lines or (self.heading and tag not in SUNG_TAGS):
            self.sections += [Section(tag, lines)] * self.times
            self._count(self.times * (1 + len(lines)))
        self.heading, self.lines, self.times = None, [], 1

    def _count(self, more: int) -> None:
        self.count += more
        if self.count > MOST_LINES:
            raise LyricsError(
                f"The text makes more than {MOST_LINES} lines, repeats included.", remedy="Give one song."
            )

    def _report(self, number: int, text: str, reason: str) -> None:
        self.problems.append(Problem(number, text.strip()[:120], reason))

    def result(self) -> ReadLyrics:
        """What was read."""
        self._close()
        return ReadLyrics(Lyrics(tuple(self.sections)), tuple(self.problems))

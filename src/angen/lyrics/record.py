"""Lyrics as a record: ordered sections, each a tag the model knows and the lines sung in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from angen.errors import LyricsError
from angen.lyrics.lines import is_sung_line
from angen.lyrics.tags import SUNG_TAGS, TAGS

__all__ = ["Lyrics", "Problem", "ReadLyrics", "Section"]


@dataclass(frozen=True)
class Section:
    """A part of a song.

    Attributes:
        tag: One of `TAGS`, without its brackets; not `start` or `end`, which are implied.
        lines: What is sung, a line each; none for a part that is only played.

    Raises:
        LyricsError: If the tag is unknown, a verse, chorus, bridge or hook has no lines, or a line would not be
            read back as itself (empty, in brackets, a heading, not singable).
    """

    tag: str
    lines: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the tag and the lines."""
        if self.tag not in TAGS or self.tag in ("start", "end"):
            known = ", ".join(tag for tag in TAGS if tag not in ("start", "end"))
            raise LyricsError(f"{self.tag!r} is no section's tag.", remedy=f"Use one of {known}.")
        if self.tag in SUNG_TAGS and not self.lines:
            raise LyricsError(
                f"A {self.tag} without lines cannot be sung.", remedy="Give it lines, or use 'inst'."
            )
        for line in self.lines:
            if not is_sung_line(line):
                raise LyricsError(
                    f"{line[:80]!r} is not one clean line of words.", remedy="Read it with read_lyrics first."
                )


@dataclass(frozen=True)
class Lyrics:
    """The words of a song, in the order they are sung."""

    sections: tuple[Section, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """Every sung line, in order."""
        return tuple(line for section in self.sections for line in section.lines)

    def with_sections(self, more: Iterable[Section]) -> Lyrics:
        """These lyrics with sections after them."""
        return Lyrics((*self.sections, *more))

    def as_dict(self) -> dict[str, Any]:
        """For JSON: `{"sections": [{"tag", "lines"}]}`."""
        return {"sections": [{"tag": part.tag, "lines": list(part.lines)} for part in self.sections]}


@dataclass(frozen=True)
class Problem:
    """Something in a text that will not be sung as written.

    Attributes:
        line: Its line in the text, the first is 1.
        text: What stands there, at most 120 characters.
        reason: Why, and what was done, as a phrase.
    """

    line: int
    text: str
    reason: str


@dataclass(frozen=True)
class ReadLyrics:
    """What a reader made of a text: the lyrics, and what it could not take over as it was."""

    lyrics: Lyrics
    problems: tuple[Problem, ...] = ()

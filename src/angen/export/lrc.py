"""Lyrics with times, and their plain text form, LRC: `[01:02.345]words`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from angen.errors import ExportError

LARGEST_LYRICS = 10 * 2**20
LONGEST_S = 99 * 3600.0
_STAMP = re.compile(r"\[(\d{1,4}):([0-5]?\d)(?:[.:](\d{1,3}))?\]")
_OFFSET = re.compile(r"\[offset:\s*([+-]?\d{1,7})\s*\]", re.IGNORECASE)


@dataclass(frozen=True)
class TimedLine:
    """A line of lyrics and when it starts.

    Attributes:
        start_s: Seconds from the start of the piece, kept to a millisecond.
        text: The words; may be empty, for a pause.

    Raises:
        ExportError: If the time is negative or beyond 99 hours.
    """

    start_s: float
    text: str

    def __post_init__(self) -> None:
        """Round the time, clean the text."""
        if not 0 <= self.start_s <= LONGEST_S:
            raise ExportError(
                f"A line of lyrics starts at {self.start_s} s; expected 0 or later.", remedy="Mend its time."
            )
        object.__setattr__(self, "start_s", round(self.start_s, 3))
        visible = "".join(letter if letter.isprintable() else " " for letter in self.text)
        object.__setattr__(self, "text", _STAMP.sub("", visible).strip())


def lrc_text(lines: Iterable[TimedLine]) -> str:
    """Lines as LRC.

    Example:
        >>> lrc_text([TimedLine(62.5, "hello")])
        '[01:02.500]hello'
    """
    texts = []
    for line in lines:
        minutes, thousandths = divmod(round(line.start_s * 1000), 60_000)
        texts.append(f"[{minutes:02d}:{thousandths // 1000:02d}.{thousandths % 1000:03d}]{line.text}")
    return "\n".join(texts)


def parse_lrc(text: str) -> tuple[TimedLine, ...]:
    """The timed lines of an LRC text, by time; lines without a time are left out.

    A line may carry several times. `[offset:ms]` moves all lines, positive earlier, never before 0.
    """
    offset = _OFFSET.search(text)
    earlier_s = int(offset[1]) / 1000 if offset else 0.0
    lines = []
    for row in text.splitlines():
        at, starts = 0, []
        while stamp := _STAMP.match(row, at):
            at = stamp.end()
            starts.append(60 * int(stamp[1]) + int(stamp[2]) + float(f"0.{stamp[3] or 0}"))
        lines += [TimedLine(min(max(0.0, start - earlier_s), LONGEST_S), row[at:]) for start in starts]
    return tuple(sorted(lines, key=lambda line: line.start_s))


def read_lyrics(path: str | Path) -> tuple[str, tuple[TimedLine, ...]]:
    """Lyrics from a text or LRC file: plain, and with times if it has some.

    Raises:
        ExportError: If it cannot be read, is not UTF-8, or is larger than 10 MB.
    """
    path = Path(path)
    try:
        with path.open("rb") as handle:
            data = handle.read(LARGEST_LYRICS + 1)
        if len(data) > LARGEST_LYRICS:
            raise ValueError("it is larger than 10 MB")
        text = data.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise ExportError(
            f"The lyrics {str(path)!r} cannot be read: {error}.", remedy="Give a text file in UTF-8."
        ) from error
    timed = parse_lrc(text)
    return ("\n".join(line.text for line in timed) if timed else text), timed

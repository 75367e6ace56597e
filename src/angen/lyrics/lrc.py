"""Timed lyrics as LRC: a time stamp before every line, as players show them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from angen.errors import LyricsError
from angen.lyrics.lines import clean_text
from angen.lyrics.record import Lyrics
from angen.lyrics.syllables import count_syllables
from angen.lyrics.timing import SUNG, SingingRate, played_s, sung_s

__all__ = ["TimedLine", "read_lrc", "timed", "write_lrc"]

_STAMP = re.compile(r"\s*\[(?:(\d{1,2}):(?=\d+:\d+\.))?(\d{1,3}):(\d{1,2})(?:[.:](\d{1,3}))?\]")
_WORD_STAMP = re.compile(r"<(?:\d{1,2}:)?\d{1,3}:\d{1,2}(?:[.:]\d{1,3})?>")
_OFFSET = re.compile(r"\s*\[offset:\s*([+-]?\d{1,7})\s*\]\s*", re.IGNORECASE)


@dataclass(frozen=True)
class TimedLine:
    """A line and when it begins, in seconds from the start."""

    start_s: float
    text: str


def read_lrc(text: str) -> tuple[TimedLine, ...]:
    r"""Lines with their times, sorted; a line with several stamps comes several times.

    `[offset:ms]` moves all lines, a positive one earlier, not before 0. Lines without a stamp and stamps within a
    line are left out.

    Raises:
        LyricsError: If no line has a time stamp.

    Example:
        >>> read_lrc("[ti:Song]\n[00:12.50][01:00.00]Hello")
        (TimedLine(start_s=12.5, text='Hello'), TimedLine(start_s=60.0, text='Hello'))
    """
    found: list[TimedLine] = []
    shift_s = 0.0
    for line in re.split(r"\r\n|\r|\n", text):
        if offset := _OFFSET.fullmatch(line):
            shift_s = int(offset[1]) / 1000
        starts: list[float] = []
        at = 0
        while stamp := _STAMP.match(line, at):
            hours, minutes, seconds, fraction = stamp.groups()
            starts.append(
                int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction or 0}")
            )
            at = stamp.end()
        words = clean_text(_WORD_STAMP.sub(" ", line[at:]))
        found += [TimedLine(start_s, words) for start_s in starts if words]
    if not found:
        raise LyricsError("There is no time stamp like [01:23.45] in the text.", remedy="Give an LRC file.")
    moved = (TimedLine(round(max(0.0, line.start_s - shift_s), 3), line.text) for line in found)
    return tuple(sorted(moved, key=lambda line: line.start_s))


def write_lrc(lines: Sequence[TimedLine], *, title: str = "", artist: str = "") -> str:
    r"""LRC of timed lines, to a hundredth of a second, sorted.

    Raises:
        LyricsError: If a time is negative or beyond 99 minutes, or a text is empty or begins like a stamp.

    Example:
        >>> write_lrc([TimedLine(61.239, "Hello")], title="Song")
        '[ti:Song]\n[01:01.24]Hello\n'
    """
    heads = [
        f"[{name}:{clean_text(value)}]" for name, value in (("ti", title), ("ar", artist)) if value.strip()
    ]
    out = []
    for line in sorted(lines, key=lambda line: line.start_s):
        hundredths = round(line.start_s * 100) if 0 <= line.start_s < 100 * 60 - 0.01 else -1
        if hundredths < 0 or clean_text(line.text) != line.text or not line.text or _STAMP.match(line.text):
            raise LyricsError(
                f"{line.text[:60]!r} at {line.start_s:g} s cannot be a line of LRC.",
                remedy="Use one line of words, and times from 0 to 99 minutes.",
            )
        out.append(
            f"[{hundredths // 6000:02d}:{hundredths // 100 % 60:02d}.{hundredths % 100:02d}]{line.text}"
        )
    return "\n".join([*heads, *out]) + "\n"


def timed(
    lyrics: Lyrics, *, language: str = "en", tempo_bpm: float | None = None, rate: SingingRate = SUNG
) -> tuple[TimedLine, ...]:
    """When each line would begin if sung as usual: an estimate, as in `timing`.

    Example:
        >>> from angen.lyrics.record import Section
        >>> timed(Lyrics((Section("intro"), Section("verse", ("One two three", "Four")))), tempo_bpm=120)
        (TimedLine(start_s=8.0, text='One two three'), TimedLine(start_s=9.5, text='Four'))
    """
    lines: list[TimedLine] = []
    now_s = 0.0
    for section in lyrics.sections:
        if not section.lines:
            now_s += played_s(section.tag, tempo_bpm)
            continue
        counts = [count_syllables(line, language).count for line in section.lines]
        for number, line in enumerate(section.lines):
            start_s = now_s + sung_s(counts[:number], rate.usual, tempo_bpm, whole_bars=False)
            lines.append(TimedLine(round(start_s, 3), line))
        now_s += sung_s(counts, rate.usual, tempo_bpm)
    return tuple(lines)

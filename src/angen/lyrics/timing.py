"""How long lyrics take to sing: an estimate from syllables, tempo and bars.

The assumption, stated once: a singer holds a comfortable number of syllables a second (`SingingRate`), breathes
half a second after a line, and a line fills whole beats, a section whole bars. Pop and ballads are sung at about
two to four and a half syllables a second, rap faster. Sections without words last a usual number of bars.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from angen.errors import LyricsError
from angen.lyrics.record import Lyrics, Section
from angen.lyrics.syllables import count_syllables

__all__ = ["RAP", "SUNG", "SectionTime", "SingingRate", "SingingTime", "played_s", "singing_time", "sung_s"]

BREATH_S = 0.5
BEATS_A_BAR = 4
NO_TEMPO_BPM = 100.0
PLAYED_BARS = {"intro": 4, "outro": 4, "inst": 8, "solo": 8, "break": 4, "stop": 0, "space": 1}


@dataclass(frozen=True)
class SingingRate:
    """Syllables a second while singing: as fast as is comfortable, usual, and slow."""

    fast: float
    usual: float
    slow: float


SUNG = SingingRate(fast=4.5, usual=3.0, slow=1.8)
RAP = SingingRate(fast=7.0, usual=5.0, slow=3.5)


@dataclass(frozen=True)
class SectionTime:
    """One section's estimate: seconds sung fast, as usual and slowly, and its bars as usual (0 without tempo)."""

    tag: str
    lines: int
    syllables: int
    shortest_s: float
    usual_s: float
    longest_s: float
    bars: int


@dataclass(frozen=True)
class SingingTime:
    """The estimate of a whole song.

    Attributes:
        sections: In order.
        warnings: What does not fit the wanted length, and words that could not be counted, as sentences.
    """

    sections: tuple[SectionTime, ...]
    warnings: tuple[str, ...] = ()

    @property
    def shortest_s(self) -> float:
        """Seconds when sung as fast as is comfortable."""
        return sum(part.shortest_s for part in self.sections)

    @property
    def usual_s(self) -> float:
        """Seconds as usual."""
        return sum(part.usual_s for part in self.sections)

    @property
    def longest_s(self) -> float:
        """Seconds when sung slowly."""
        return sum(part.longest_s for part in self.sections)

    @property
    def syllables(self) -> int:
        """Of all sections."""
        return sum(part.syllables for part in self.sections)

    def as_dict(self) -> dict[str, Any]:
        """For JSON, with the sums."""
        return {
            "sections": [asdict(part) for part in self.sections],
            "syllables": self.syllables,
            "shortest_s": round(self.shortest_s, 2),
            "usual_s": round(self.usual_s, 2),
            "longest_s": round(self.longest_s, 2),
            "warnings": list(self.warnings),
        }


def singing_time(
    lyrics: Lyrics,
    *,
    language: str = "en",
    tempo_bpm: float | None = None,
    seconds: float | None = None,
    rate: SingingRate = SUNG,
) -> SingingTime:
    """Estimate how long each section takes, and warn if the whole cannot fit.

    Args:
        lyrics: What is sung.
        language: How its Latin letters are read.
        tempo_bpm: Tempo, 30 to 300; without it lines are not rounded to beats.
        seconds: The wanted length.
        rate: Syllables a second.

    Raises:
        LyricsError: If the tempo or the length is out of range, or the language unknown.

    Example:
        >>> song = Lyrics((Section("verse", ("Hello darkness of the night",)),))
        >>> time = singing_time(song, tempo_bpm=120, seconds=1)
        >>> time.usual_s, time.sections[0].bars, time.warnings[0]
        (4.0, 2, 'Sung as fast as is comfortable this takes 2 s, and the song has 1 s: shorten it by about half.')
    """
    if tempo_bpm is not None and not 30 <= tempo_bpm <= 300:
        raise LyricsError(f"A tempo of {tempo_bpm:g} BPM is out of range.", remedy="Use 30 to 300.")
    if seconds is not None and not 0 < seconds < 36_000:
        raise LyricsError(
            f"A length of {seconds:g} s is out of range.", remedy="Use more than 0, at most 10 hours."
        )
    uncounted: list[str] = []
    parts = []
    for section in lyrics.sections:
        counts = [count_syllables(line, language) for line in section.lines]
        uncounted += [word for count in counts for word in count.uncounted]
        parts.append(_section_time(section, [count.count for count in counts], tempo_bpm, rate))
    time = SingingTime(tuple(parts))
    warnings = _fit(time, seconds)
    if uncounted:
        shown = ", ".join(sorted(set(uncounted))[:5])
        warnings.append(f"{len(uncounted)} words could not be counted, and are not in the estimate: {shown}.")
    return SingingTime(time.sections, tuple(warnings))


def _section_time(
    section: Section, counts: list[int], tempo_bpm: float | None, rate: SingingRate
) -> SectionTime:
    bar_s = BEATS_A_BAR * 60 / (tempo_bpm or NO_TEMPO_BPM)
    if not section.lines:
        time_s = played_s(section.tag, tempo_bpm)
        return SectionTime(section.tag, 0, 0, time_s / 2, time_s, time_s * 2, round(time_s / bar_s))
    fast, usual, slow = (sung_s(counts, speed, tempo_bpm) for speed in (rate.fast, rate.usual, rate.slow))
    bars = round(usual / bar_s) if tempo_bpm else 0
    return SectionTime(section.tag, len(counts), sum(counts), fast, usual, slow, bars)


def played_s(tag: str, tempo_bpm: float | None) -> float:
    """Usual seconds of a section without words."""
    return PLAYED_BARS.get(tag, 4) * BEATS_A_BAR * 60 / (tempo_bpm or NO_TEMPO_BPM)


def sung_s(counts: Sequence[int], rate: float, tempo_bpm: float | None, *, whole_bars: bool = True) -> float:
    """Seconds of lines of so many syllables; with a tempo each fills whole beats, and together whole bars."""
    lines_s = [count / rate + BREATH_S for count in counts]
    if tempo_bpm is None:
        return sum(lines_s)
    beat_s = 60 / tempo_bpm
    beats = sum(max(1, math.ceil(line_s / beat_s - 0.25)) for line_s in lines_s)
    return (math.ceil(beats / BEATS_A_BAR) * BEATS_A_BAR if whole_bars else beats) * beat_s


def _fit(time: SingingTime, seconds: float | None) -> list[str]:
    if seconds is None or not time.sections:
        return []
    if time.shortest_s > seconds:
        share = 1 - seconds / time.shortest_s
        by = "about half" if 0.4 <= share <= 0.6 else f"{share:.0%}"
        return [
            f"Sung as fast as is comfortable this takes {time.shortest_s:.0f} s, and the song has {seconds:g} s: "
            f"shorten it by {by}."
        ]
    if time.usual_s > seconds:
        return [
            f"This takes about {time.usual_s:.0f} s, and the song has {seconds:g} s: it will be sung hurriedly."
        ]
    if time.longest_s < 0.6 * seconds:
        return [
            f"Even sung slowly this takes {time.longest_s:.0f} s of {seconds:g} s: the rest will be played."
        ]
    return []

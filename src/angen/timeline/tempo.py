"""Musical time: samples to quarter notes, bars and beats, and back, through changes of tempo and metre.

Everything is exact: fractions, not floats. A tempo change takes place at the whole sample nearest to its beat, so
no fraction grows from change to change, and going from a sample to its beat and back is the identity.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from angen.errors import TimelineError
from angen.timeline.records import MOST_SAMPLES, MetreChange, Project, TempoChange

_NOTE_VALUE = re.compile(r"1/(\d{1,3})(t?)")
_BAR_AND_BEAT = re.compile(r"(\d{1,7})\|(\d{1,3}(?:\.\d+)?)")
_SECONDS = re.compile(r"(?:(\d+):)?(\d+(?:\.\d*)?)s?")


@dataclass(frozen=True)
class Position:
    """A place in bars and beats, both counted from 1; a beat may have a fraction.

    Example:
        >>> str(Position(5, Fraction(5, 2)))
        '5|2.500'
    """

    bar: int
    beat: Fraction

    def __str__(self) -> str:
        return f"{self.bar}|{float(self.beat):.3f}"


class TempoMap:
    """The grid of a project.

    Args:
        rate_hz: Samples per second.
        tempos: Changes in order, the first at bar 1, beat 1.
        metres: Changes in order, the first at bar 1.

    Example:
        >>> grid = TempoMap(44_100, [TempoChange(tempo_bpm=120.0)], [MetreChange(beats=4, unit=4)])
        >>> grid.sample(bar=2), str(grid.position(88_200 + 11_025))
        (88200, '2|1.500')
    """

    def __init__(self, rate_hz: int, tempos: Sequence[TempoChange], metres: Sequence[MetreChange]) -> None:
        self._metres = metres
        self._metre_quarters = [Fraction(0)]
        for before, after in pairwise(metres):
            passed = (after.bar - before.bar) * bar_quarters(before)
            self._metre_quarters.append(self._metre_quarters[-1] + passed)
        self._tempo_quarters = [self.quarter(tempo.bar, tempo.beat) for tempo in tempos]
        self._samples_per_quarter = [60 * rate_hz / Fraction(tempo.tempo_bpm) for tempo in tempos]
        self._tempo_samples = [0]
        for number in range(1, len(tempos)):
            passed = self._tempo_quarters[number] - self._tempo_quarters[number - 1]
            self._tempo_samples.append(
                self._tempo_samples[-1] + round(passed * self._samples_per_quarter[number - 1])
            )

    @classmethod
    def of(cls, project: Project) -> TempoMap:
        """The grid of a project."""
        return cls(project.rate_hz, project.tempos, project.metres)

    def metre_at(self, bar: int) -> MetreChange:
        """The metre of a bar."""
        return self._metres[bisect_right([metre.bar for metre in self._metres], bar) - 1]

    def quarter(self, bar: int, beat: Fraction | int = 1) -> Fraction:
        """Quarter notes from the beginning to a beat of a bar."""
        number = bisect_right([metre.bar for metre in self._metres], bar) - 1
        metre = self._metres[number]
        beats = (bar - metre.bar) * metre.beats + (beat - 1)
        return self._metre_quarters[number] + beats * Fraction(4, metre.unit)

    def sample(self, bar: int, beat: Fraction | int = 1) -> int:
        """The sample nearest to a beat of a bar."""
        return round(self.sample_of(self.quarter(bar, beat)))

    def sample_of(self, quarter: Fraction) -> Fraction:
        """The place of a quarter note, in samples; it may lie between two."""
        number = bisect_right(self._tempo_quarters, quarter) - 1
        passed = quarter - self._tempo_quarters[number]
        return self._tempo_samples[number] + passed * self._samples_per_quarter[number]

    def quarter_of(self, sample: int) -> Fraction:
        """Quarter notes from the beginning to a sample."""
        number = bisect_right(self._tempo_samples, sample) - 1
        passed = sample - self._tempo_samples[number]
        return self._tempo_quarters[number] + passed / self._samples_per_quarter[number]

    def position(self, sample: int) -> Position:
        """Bar and beat of a sample."""
        quarter = self.quarter_of(sample)
        number = bisect_right(self._metre_quarters, quarter) - 1
        metre, passed = self._metres[number], quarter - self._metre_quarters[number]
        bars, rest = divmod(passed, bar_quarters(metre))
        return Position(metre.bar + int(bars), 1 + rest / Fraction(4, metre.unit))

    def snapped(self, sample: int, grid: str) -> int:
        """The sample of the grid that is nearest to `sample`.

        Args:
            sample: Any place.
            grid: "bar", "beat", or a note value counted from the bar line: "1/8", "1/16", "1/8t" (triplets).

        Raises:
            TimelineError: If there is no such grid.
        """
        bar = self.position(sample).bar
        first, last = self.quarter(bar), self.quarter(bar + 1)
        step = _grid_quarters(grid, self.metre_at(bar))
        below = first + (self.quarter_of(sample) - first) // step * step
        places = [round(self.sample_of(quarter)) for quarter in (below, min(below + step, last))]
        return min(places, key=lambda place: abs(place - sample))


def bar_quarters(metre: MetreChange) -> Fraction:
    """Quarter notes of a bar."""
    return Fraction(4 * metre.beats, metre.unit)


def _grid_quarters(grid: str, metre: MetreChange) -> Fraction:
    if grid == "bar":
        return bar_quarters(metre)
    if grid == "beat":
        return Fraction(4, metre.unit)
    found = _NOTE_VALUE.fullmatch(grid)
    if found is None or int(found[1]) == 0:
        raise TimelineError(
            f"There is no grid {grid!r}.", remedy="Use bar, beat, or a note value like 1/8, 1/16 or 1/8t."
        )
    return Fraction(4, int(found[1])) * (Fraction(2, 3) if found[2] else 1)


def parse_place(text: str, grid: TempoMap, rate_hz: int) -> int:
    """Read a place as a person writes it, to the nearest sample.

    Args:
        text: `44100` (samples), `12.5s` or `1:02.5` (time), or `17|3` (bar and beat, counted from 1).
        grid: Where bars and beats are.
        rate_hz: Samples per second.

    Raises:
        TimelineError: If it is none of these, or beyond the longest timeline.

    Example:
        >>> grid = TempoMap(44_100, [TempoChange(tempo_bpm=120.0)], [MetreChange(beats=4, unit=4)])
        >>> [parse_place(text, grid, 44_100) for text in ("44100", "1.5s", "1:00", "2|1")]
        [44100, 66150, 2646000, 88200]
    """
    text = text.strip()
    place = _read_place(text, grid, rate_hz)
    if place is None or place > MOST_SAMPLES:
        raise TimelineError(
            f"{text!r} is no place on the timeline.",
            remedy="Write samples (44100), time (12.5s, 1:02.5) or bar|beat (17|3).",
        )
    return place


def _read_place(text: str, grid: TempoMap, rate_hz: int) -> int | None:
    if not text.isascii() or len(text) > 30:
        return None
    if text.isdigit():
        return int(text)
    if found := _BAR_AND_BEAT.fullmatch(text):
        bar, beat = int(found[1]), Fraction(found[2])
        return grid.sample(bar, beat) if bar >= 1 and 1 <= beat < grid.metre_at(bar).beats + 1 else None
    if (found := _SECONDS.fullmatch(text)) and (found[1] or text.endswith("s")):
        return round((int(found[1] or 0) * 60 + Fraction(found[2])) * rate_hz)
    return None

"""A piece before it is played: bars with their chords and sections, and what plays them.

Time is counted in steps (sixteenth notes) from the score's first bar; `compose` turns steps into seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from recipes.angen_tiny.forms import SectionPlan
from recipes.angen_tiny.idiom import Feel, Mood, Style
from recipes.angen_tiny.instruments import INSTRUMENTS, Instrument
from recipes.angen_tiny.piece import Metre
from recipes.angen_tiny.theory import Chord


@dataclass(frozen=True)
class Bar:
    """One bar: where it lies, what section it belongs to, and its harmony.

    Args:
        index: Its number from the start of the score.
        position: Its number from the start of its section.
        section: The section.
        chords: Chords of equal length that fill the bar.
        following: The first chord of the next bar.
        metre: The time signature.
    """

    index: int
    position: int
    section: SectionPlan
    chords: tuple[Chord, ...]
    following: Chord
    metre: Metre

    @property
    def start(self) -> int:
        """The bar's first step."""
        return self.index * self.metre.bar_steps

    @property
    def is_last(self) -> bool:
        """Whether the section ends with this bar."""
        return self.position == self.section.bars - 1

    def chord_at(self, step: int) -> Chord:
        """The chord sounding at a step of this bar."""
        return self.chords[min(step * len(self.chords) // self.metre.bar_steps, len(self.chords) - 1)]

    def chord_spans(self) -> Iterator[tuple[int, int, Chord]]:
        """Start, length and chord of each harmony in the bar."""
        length = self.metre.bar_steps // len(self.chords)
        for number, chord in enumerate(self.chords):
            yield number * length, length, chord


@dataclass(frozen=True)
class Score:
    """All decisions made before notes are written."""

    style: Style
    mood_name: str
    mood: Mood
    feel: Feel
    metre: Metre
    tempo_bpm: float
    swing: float
    tonic: int
    mode: str
    parts: Mapping[str, str]
    kit: int
    bars: tuple[Bar, ...]

    def bars_with(self, part: str) -> Iterator[Bar]:
        """The bars in which a part plays."""
        return (bar for bar in self.bars if part in bar.section.parts)

    def instrument(self, part: str) -> Instrument:
        """The instrument of a part."""
        return INSTRUMENTS[self.parts[part]]

    def level(self, bar: Bar) -> float:
        """How full a bar is, 0..1, from its section and the mood."""
        return float(np.clip(bar.section.intensity + 0.3 * (self.mood.energy - 0.5), 0.0, 1.0))


@dataclass(frozen=True)
class Stroke:
    """A note in steps, before timing is made human."""

    step: float
    length: float
    pitch: int
    velocity: float
    channel: int


def per_section(
    score: Score, part: str, choices: tuple[str, ...], rng: np.random.Generator
) -> dict[str, str]:
    """Give each section name its own pattern, often the same one."""
    names = dict.fromkeys(bar.section.name for bar in score.bars_with(part))
    favourite = choices[int(rng.integers(len(choices)))]
    return {
        name: favourite if rng.random() < 0.6 else choices[int(rng.integers(len(choices)))] for name in names
    }


def pattern_slice(pattern: str, bar: Bar) -> str:
    """The part of a pattern that falls in a bar, for patterns of one or more bars."""
    steps = bar.metre.bar_steps
    count = max(1, len(pattern) // steps)
    offset = (bar.position % count) * steps
    return pattern[offset : offset + steps]


def tokens(pattern: str) -> Iterator[tuple[int, int, str]]:
    """Read a pattern as (step, length, token); `-` lengthens the token before it, `.` is silence."""
    step = 0
    while step < len(pattern):
        end = step + 1
        if pattern[step] not in "-.":
            while end < len(pattern) and pattern[end] == "-":
                end += 1
            yield step, end - step, pattern[step]
        step = end

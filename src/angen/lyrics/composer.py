"""Lines for the draft writer: of a wanted length, ending in a rhyme, near a regular metre, never twice the same.

Many candidates are drawn and the best is kept: what is nearest to the wanted syllables, then to an alternation of
strong and weak, then to the theme.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from angen.errors import LyricsError
from angen.lyrics.syllables import count_syllables
from angen.lyrics.wordlist import EndWord, LineShape, Mood, Theme, WordList

__all__ = ["Composer", "metre_deviation"]

CANDIDATES = 80
_SLOT = re.compile(r"\{(\w)\}")
_OPTION = re.compile(r"\(([^)]*)\)")
_CONTENT = re.compile(r"[^\W\d_]{4,}")
_OPENERS = {"en": ("And", "And", "But", "So", "Oh,", "Now"), "es": ("Y", "Y", "Pero", "Hoy")}
_SPANISH_JOINS = ((r"\bde el\b", "del"), (r"\ba el\b", "al"), (r"\bDe el\b", "Del"), (r"\bA el\b", "Al"))


@dataclass
class Composer:
    """Writes lines that belong together; it remembers what it has used.

    Args:
        words: The language's words.
        theme: What fills the slots.
        mood: Which words and lines fit.
        generator: Of every choice.
        used: Lines that must not be written again.
    """

    words: WordList
    theme: Theme
    mood: Mood
    generator: random.Random
    used: set[str] = field(default_factory=set)
    _ends: set[str] = field(default_factory=set, init=False)
    _shapes: list[str] = field(default_factory=list, init=False)
    _slots: list[str] = field(default_factory=list, init=False)

    def section(
        self, scheme: str, syllables: Sequence[int], *, is_hook: bool = False, sounds: Sequence[str] = ()
    ) -> tuple[str, ...]:
        """Lines after a rhyme scheme.

        Args:
            scheme: As in `forms.Part`.
            syllables: Targets of the lines, in turn.
            is_hook: Whether the first line is a hook.
            sounds: Rhymes that letters must have, in the order of the letters `a b c`; for going on with a
                section that has begun. Empty for free.
        """
        rhymes = self._rhymes(scheme, sounds)
        lines: list[str] = []
        repeated: dict[str, str] = {}
        for number, letter in enumerate(scheme):
            if letter in repeated:
                lines.append(repeated[letter])
                continue
            shapes = self.words.hooks if is_hook and number == 0 else self._all_shapes()
            target = syllables[number % len(syllables)]
            line = self._line(shapes, rhymes.get(letter.lower()), target, [rhymes[key] for key in rhymes])
            lines.append(line)
            if letter.isupper():
                repeated[letter] = line
        return tuple(lines)

    def _all_shapes(self) -> tuple[LineShape, ...]:
        return (*self.words.shapes, *self.theme.shapes * 2)

    def _fits(self, mark: str) -> bool:
        return mark in self.mood.marks

    def _rhymes(self, scheme: str, given: Sequence[str]) -> dict[str, str]:
        """A rhyme for every letter that has to rhyme, each another one; those used least come first."""
        distinct = list(dict.fromkeys(scheme.lower().replace("x", "")))
        rhymes = {letter: sounds for letter, sounds in zip(distinct, given, strict=False) if sounds}
        for letter in distinct:
            needed = len({c for c in scheme if c == letter.upper()}) + scheme.count(letter)
            if letter in rhymes or (needed < 2 and letter.upper() not in scheme):
                continue
            rhymes[letter] = self._rhyme(max(needed, 2), set(rhymes.values()))
        return rhymes

    def _rhyme(self, needed: int, taken: set[str]) -> str:
        by_sounds: dict[str, list[EndWord]] = {}
        for word in self.words.end_words:
            if self._fits(word.mark) and word.sounds not in taken:
                by_sounds.setdefault(word.sounds, []).append(word)
        fresh = {key: sum(word.text not in self._ends for word in found) for key, found in by_sounds.items()}
        keys = [key for key, count in fresh.items() if count > needed] or list(by_sounds)
        return self.generator.choices(keys, [1 + fresh[key] for key in keys])[0]

    def _line(
        self, shapes: Sequence[LineShape], sounds: str | None, target: int, avoided: Sequence[str]
    ) -> str:
        """The best of many candidates; it is noted as used."""
        fitting = [shape for shape in shapes if self._fits(shape.mark)]
        ends = self._possible_ends(sounds, avoided)
        by_kind: dict[str, list[EndWord]] = {}
        for word in ends:
            by_kind.setdefault(word.kind, []).append(word)
        fitting = [shape for shape in fitting if shape.kind in by_kind]
        if not fitting:  # a hook that has none of these ends: any line will do
            fitting = [
                shape for shape in self._all_shapes() if self._fits(shape.mark) and shape.kind in by_kind
            ]
        best, best_cost, best_parts = "", float("inf"), ("", "", [""])
        for _ in range(CANDIDATES):
            shape = self.generator.choice(fitting)
            end = self.generator.choice(by_kind[shape.kind])
            line, slots = self._filled(shape, end)
            cost = self._cost(line, shape, slots, target) + self.generator.random()
            if cost < best_cost and line not in self.used:
                best, best_cost, best_parts = line, cost, (shape.text, end.text, slots)
        if not best:
            return self._line(shapes, None, target, avoided) if sounds else self._fresh(fitting, by_kind)
        self.used.add(best)
        self._shapes.append(best_parts[0])
        self._ends.add(best_parts[1])
        self._slots = [*self._slots, *best_parts[2]][-24:]
        return best

    def _fresh(self, fitting: Sequence[LineShape], by_kind: dict[str, list[EndWord]]) -> str:
        """Any line that is not used yet, where a hundred draws gave none."""
        for _ in range(100 * CANDIDATES):
            shape = self.generator.choice(fitting)
            line, _ = self._filled(shape, self.generator.choice(by_kind[shape.kind]))
            if line not in self.used:
                self.used.add(line)
                return line
        raise LyricsError("The draft writer has no new lines left.", remedy="Ask for fewer sections.")

    def _possible_ends(self, sounds: str | None, avoided: Sequence[str]) -> list[EndWord]:
        """Words of these sounds, or of none of those in use; new ones, and none that is inside another."""
        words = self.words.end_words
        found = [word for word in words if (word.sounds == sounds if sounds else word.sounds not in avoided)]
        found = [word for word in found if self._fits(word.mark)] or found
        same = {end for end in self._ends if sounds and self.words.sounds_of(end) == sounds}
        new = [
            word
            for word in found
            if word.text not in self._ends
            and not any(word.text.endswith(end.split()[-1]) or end.endswith(word.text) for end in same)
        ]
        return new or [word for word in found if word.text not in self._ends] or found

    def _filled(self, shape: LineShape, end: EndWord) -> tuple[str, list[str]]:
        """A shape with its slots filled, and what fills them."""
        slots: list[str] = []

        def fill(match: re.Match[str]) -> str:
            kind = match[1]
            if kind.isupper():
                return end.text
            choices = self.mood.words if kind == "m" else self.theme.slots[kind]
            slots.append(self.generator.choice(choices))
            return slots[-1]

        text = _OPTION.sub(self._option, shape.text)
        text = _SLOT.sub(fill, text)
        if self.words.language == "en":
            text = re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)
        else:
            for pattern, joined in _SPANISH_JOINS:
                text = re.sub(pattern, joined, text)
        return text[0].upper() + text[1:], slots

    def _option(self, found: re.Match[str]) -> str:
        if self.generator.random() >= 0.4:
            return ""
        openers = _OPENERS.get(self.words.language, ())
        return self.generator.choice(openers) + " " if found[1].strip() in openers else found[1]

    def _cost(self, line: str, shape: LineShape, slots: Sequence[str], target: int) -> float:
        off = abs(count_syllables(line, self.words.language).count - target)
        cost = 2.5 * off + 10.0 * metre_deviation(line, self.words)
        cost += 6.0 * (shape.text in self._shapes[-16:]) + 2.0 * (shape.text in self._shapes)
        cost += sum(1.5 for slot in slots if slot in self._slots)
        said = _CONTENT.findall(line.lower())
        cost += 4.0 * (len(said) - len(set(said)))
        return cost - 1.5 * shape.is_theme


def metre_deviation(line: str, words: WordList) -> float:
    """How far a line is from strong and weak in turn, counted back from its last strong syllable; 0 to 1.

    It is the share of its syllables where a strong one stands in a weak place, or a weak one of a longer word in
    a strong place. Little words ("the", "and") take either. Languages without a list of stresses give 0.

    Example:
        >>> from angen.lyrics.wordlist import word_list
        >>> metre_deviation("I walk along the open road", word_list("en"))
        0.0
    """
    if not words.stresses:
        return 0.0
    pattern = "".join(words.stress_of(word) for word in re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", line))
    if pattern.endswith("-"):  # a line ends strong
        pattern = pattern[:-1] + "1"
    last = pattern.rfind("1")
    if last < 0:
        return 0.0
    wrong = sum(
        1
        for place, stress in enumerate(pattern)
        if (stress == "1" and (last - place) % 2)
        or (stress == "0" and place < last and (last - place) % 2 == 0)
    )
    return wrong / len(pattern)

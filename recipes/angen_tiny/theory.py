"""Pitch arithmetic: scales, chords written as roman numerals, and voice leading.

Pitches are MIDI numbers (60 is middle C); pitch classes are 0..11 with C as 0. A chord's root is given in
semitones above the tonic, so that a progression is written once and played in any key.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

PITCH_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")

SCALES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "blues": (0, 3, 4, 5, 7, 9, 10),
    "minor blues": (0, 3, 5, 6, 7, 10),
}
MINOR_MODES = frozenset({"minor", "dorian", "phrygian", "harmonic minor", "minor blues"})

QUALITIES: dict[str, tuple[int, ...]] = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "5": (0, 7),
    "6": (0, 4, 7, 9),
    "m6": (0, 3, 7, 9),
    "7": (0, 4, 7, 10),
    "m7": (0, 3, 7, 10),
    "maj7": (0, 4, 7, 11),
    "9": (0, 4, 7, 10, 14),
    "m9": (0, 3, 7, 10, 14),
    "maj9": (0, 4, 7, 11, 14),
    "13": (0, 4, 10, 14, 21),
    "7b9": (0, 4, 7, 10, 13),
    "7#9": (0, 4, 10, 15),
    "add9": (0, 4, 7, 14),
    "madd9": (0, 3, 7, 14),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "7sus4": (0, 5, 7, 10),
    "dim": (0, 3, 6),
    "dim7": (0, 3, 6, 9),
    "m7b5": (0, 3, 6, 10),
    "aug": (0, 4, 8),
}

_NUMERALS = {"i": 0, "ii": 2, "iii": 4, "iv": 5, "v": 7, "vi": 9, "vii": 11}
_ROMAN = re.compile(r"(b|#)?([iv]+|[IV]+)(.*)")


@dataclass(frozen=True)
class Chord:
    """A chord relative to the tonic: its root (0..11) and its tones, in semitones above that root."""

    root: int
    tones: tuple[int, ...]

    def pitch_classes(self, tonic: int) -> tuple[int, ...]:
        """The chord's pitch classes in a key, root first."""
        return tuple((tonic + self.root + tone) % 12 for tone in self.tones)


@cache
def parse_chord(text: str) -> Chord:
    """Read a roman numeral such as `bVImaj7`; lower case is minor, degrees are those of the major scale.

    Example:
        >>> parse_chord("ii7")
        Chord(root=2, tones=(0, 3, 7, 10))
        >>> parse_chord("bVII").root
        10
    """
    match = _ROMAN.fullmatch(text)
    if match is None:
        raise ValueError(f"not a roman numeral: {text!r}")
    accidental, numeral, suffix = match.groups()
    root = _NUMERALS[numeral.lower()] + {"b": -1, "#": 1, None: 0}[accidental]
    neutral = suffix.startswith(("sus", "dim", "m7b5", "5", "7sus"))
    quality = suffix if numeral.isupper() or neutral else "m" + suffix
    return Chord(root % 12, QUALITIES[quality])


def parse_progression(text: str) -> tuple[tuple[Chord, ...], ...]:
    """Read bars separated by spaces; a comma splits one bar between chords.

    Example:
        >>> [len(bar) for bar in parse_progression("I ii7,V7")]
        [1, 2]
    """
    return tuple(tuple(parse_chord(name) for name in bar.split(",")) for bar in text.split())


def key_name(tonic: int, mode: str) -> str:
    """The key as musicians say it, modes folded into major or minor: `key_name(9, "dorian")` is `A minor`."""
    return f"{PITCH_NAMES[tonic % 12]} {'minor' if mode in MINOR_MODES else 'major'}"


def fit(pitch: int, low: int, high: int) -> int:
    """Move a pitch by octaves until it lies in [low, high] (or as near above `low` as octaves allow)."""
    while pitch > high:
        pitch -= 12
    while pitch < low:
        pitch += 12
    return pitch


def nearest(pitch: float, pitch_classes: Sequence[int]) -> int:
    """The pitch nearest to `pitch` whose class is one of `pitch_classes`."""
    centre = round(pitch)
    return min(
        (centre + offset for offset in range(-6, 7) if (centre + offset) % 12 in pitch_classes),
        key=lambda candidate: abs(candidate - pitch),
    )


def lead_voices(
    pitch_classes: Sequence[int], previous: Sequence[int], low: int, high: int, *, spread: bool = False
) -> tuple[int, ...]:
    """Voice a chord close to the chord before it.

    Tries every inversion in every octave of the range and keeps the one whose voices move least.

    Args:
        pitch_classes: Classes to sound, 2 to 5 of them.
        previous: The last voicing, ascending; empty at the start.
        low: Lowest pitch allowed for the bottom voice.
        high: Highest pitch wanted for the top voice.
        spread: Drop the second voice from the top by an octave, for a wider sound.

    Returns:
        Ascending pitches.
    """
    classes = list(dict.fromkeys(pitch_classes))
    candidates = []
    for turn in range(len(classes)):
        for bottom in range(low, low + 12):
            if bottom % 12 == classes[turn]:
                voices = _stack(bottom, classes[turn + 1 :] + classes[:turn])
                if spread and len(voices) > 3:
                    voices = sorted([*voices[:-2], voices[-2] - 12, voices[-1]])
                candidates.append(tuple(voices))
                candidates.append(tuple(voice + 12 for voice in voices))
    target = previous or (round((low + high) / 2),)
    return min(candidates, key=lambda voices: _distance(voices, target, low, high))


def _stack(bottom: int, classes: Sequence[int]) -> list[int]:
    voices = [bottom]
    for pitch_class in classes:
        voices.append(voices[-1] + 1 + (pitch_class - voices[-1] - 1) % 12)
    return voices


def _distance(voices: Sequence[int], target: Sequence[int], low: int, high: int) -> float:
    moved = sum(min(abs(voice - other) for other in target) for voice in voices)
    moved += sum(min(abs(voice - other) for voice in voices) for other in target)
    outside = max(0, voices[-1] - high) + max(0, low - voices[0])
    return moved + 3.0 * outside + 0.2 * abs(sum(voices) / len(voices) - (low + high) / 2)

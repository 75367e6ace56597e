"""What a style is made of, as records, and the moods that bend it.

A style is data. Patterns are written as text on a grid of sixteenth notes, one character a step:

    drums   `X` accent, `x` normal, `o` soft, `?` now and then, `-` nothing
    bass    `R` root, `F` fifth, `L` fifth below, `O` octave, `T` third, `S` seventh (or sixth), `A` a
            semitone under the next root, `W` a walking step; lower case is softer; `-` holds, `.` is silent
    chords  `X` accent, `x` normal, `u` light and upper voices only, `p` power chord, `m` palm-muted root,
            `B` bass note, digits are single chord tones counted upwards; `-` holds, `.` is silent

Patterns may span several bars. A drum row whose name ends in `+` sounds only in full sections.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Groove = Mapping[str, str]


def groove(text: str) -> Groove:
    """Read a drum pattern: one row a line, the drum's name and then its steps.

    Example:
        >>> groove("kick x---x---")
        {'kick': 'x---x---'}
    """
    return dict(line.split() for line in text.strip().splitlines())


@dataclass(frozen=True)
class Feel:
    """One rhythmic way of playing a style: a metre with the patterns that fit it.

    Args:
        drums: Grooves to choose from; empty for no drums.
        bass: Bass patterns; empty for no bass.
        comp: Patterns of the accompanying chords.
        arp: Patterns of a second figure, such as an arpeggio.
        metre: `4/4`, `3/4` or `6/8`.
        swing: Range of the first half's share of a swung pair; 0.5 is straight, 0.667 triplets.
        swing_steps: Steps in the swung note: 2 swings eighths, 1 swings sixteenths.
        weight: How often this feel is chosen among the style's.
    """

    drums: tuple[Groove, ...] = ()
    bass: tuple[str, ...] = ()
    comp: tuple[str, ...] = ()
    arp: tuple[str, ...] = ()
    metre: str = "4/4"
    swing: tuple[float, float] = (0.5, 0.5)
    swing_steps: int = 2
    weight: float = 1.0


@dataclass(frozen=True)
class LeadManner:
    """How melodies go.

    Args:
        density: 0 for long notes, 1 for running sixteenths.
        syncopation: Chance that a beat is played off the beat.
        legato: Share of the written length that sounds.
        leap: Typical step between notes, in scale degrees.
        ornament: Chance of a grace note.
        rests: Chance that a beat is left empty.
    """

    density: float = 0.5
    syncopation: float = 0.2
    legato: float = 0.9
    leap: float = 1.4
    ornament: float = 0.0
    rests: float = 0.15


@dataclass(frozen=True)
class Style:
    """Everything a composer must know to write in a style.

    Args:
        name: The style's word in labels.
        tempo_bpm: Usual range.
        moods: Moods it can carry.
        modes: Weight of each mode.
        progressions: Chord progressions for each mode, one chord a bar.
        feels: Rhythmic feels.
        parts: Instrument words to choose from for `lead`, `bass`, `chords`, `pad` and `arp`.
        kits: Drum kits to choose from.
        form: A name in `forms.FORMS`.
        lead: How melodies go.
        chance: Chance that a part takes part at all, where not 1.
        fills: A name in `forms.FILLS`, or empty for none.
        loose_s: Standard deviation of timing, in seconds.
        spread: Whether chords are voiced wide.
        mix_db: Changes to the usual loudness of parts.
    """

    name: str
    tempo_bpm: tuple[float, float]
    moods: tuple[str, ...]
    modes: Mapping[str, float]
    progressions: Mapping[str, tuple[str, ...]]
    feels: tuple[Feel, ...]
    parts: Mapping[str, tuple[str, ...]]
    form: str
    kits: tuple[int, ...] = (0,)
    lead: LeadManner = field(default_factory=LeadManner)
    chance: Mapping[str, float] = field(default_factory=dict)
    fills: str = "rock"
    loose_s: float = 0.006
    spread: bool = False
    mix_db: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Mood:
    """What a mood does to the music.

    Args:
        minor: Factor on the weight of minor modes against major ones.
        tempo: Where in the style's tempo range to sit, 0..1.
        density: Factor on melodic density.
        register: Semitones added to the melody's centre.
        velocity: Factor on every velocity.
        legato: Factor on note lengths.
        energy: 0..1, joined with tempo and style into the energy word.
    """

    minor: float
    tempo: float
    density: float = 1.0
    register: int = 0
    velocity: float = 1.0
    legato: float = 1.0
    energy: float = 0.5


MOODS: dict[str, Mood] = {
    "happy": Mood(0.1, 0.6, 1.1, 3, 1.02, 0.9, 0.65),
    "uplifting": Mood(0.3, 0.65, 1.05, 4, 1.05, 1.0, 0.75),
    "playful": Mood(0.25, 0.6, 1.15, 5, 0.95, 0.7, 0.6),
    "energetic": Mood(0.8, 0.9, 1.3, 2, 1.12, 0.85, 0.95),
    "aggressive": Mood(4.0, 0.85, 1.25, -2, 1.2, 0.85, 1.0),
    "tense": Mood(4.0, 0.6, 1.0, -1, 1.0, 0.9, 0.7),
    "dark": Mood(8.0, 0.4, 0.8, -6, 0.95, 1.0, 0.5),
    "mysterious": Mood(4.0, 0.35, 0.7, 0, 0.85, 1.0, 0.35),
    "sad": Mood(10.0, 0.15, 0.65, -2, 0.8, 1.1, 0.2),
    "melancholic": Mood(6.0, 0.3, 0.75, 0, 0.85, 1.1, 0.3),
    "calm": Mood(0.5, 0.15, 0.6, 0, 0.75, 1.1, 0.1),
    "relaxed": Mood(0.6, 0.3, 0.75, 0, 0.85, 1.0, 0.3),
    "dreamy": Mood(0.6, 0.3, 0.7, 5, 0.78, 1.15, 0.2),
    "romantic": Mood(0.5, 0.3, 0.8, 2, 0.85, 1.1, 0.3),
    "epic": Mood(2.5, 0.6, 0.9, 2, 1.15, 1.0, 0.9),
    "groovy": Mood(1.2, 0.5, 1.1, 0, 1.0, 0.85, 0.65),
}

"""What a composer hands over: notes in seconds, programs, and labels that are exactly true."""

from __future__ import annotations

from dataclasses import asdict, dataclass

LEAD, BASS, CHORDS, PAD, ARP, DRUMS = 0, 1, 2, 3, 4, 9
CHANNELS = {"lead": LEAD, "bass": BASS, "chords": CHORDS, "pad": PAD, "arp": ARP, "drums": DRUMS}


@dataclass(frozen=True)
class Metre:
    """A time signature on a grid of steps.

    A step is a sixteenth note. The beat is what a foot taps: a quarter, or in 6/8 a dotted quarter.
    """

    name: str
    beats: int
    beat_steps: int

    @property
    def bar_steps(self) -> int:
        """Steps in a bar."""
        return self.beats * self.beat_steps


METRES = {"4/4": Metre("4/4", 4, 4), "3/4": Metre("3/4", 3, 4), "6/8": Metre("6/8", 2, 6)}


@dataclass(frozen=True)
class Note:
    """One note, timed from the start of the clip."""

    start_s: float
    duration_s: float
    pitch: int
    velocity: int
    channel: int


@dataclass(frozen=True)
class Span:
    """A named part of the clip, such as a verse."""

    name: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Labels:
    """What is true of a piece.

    Args:
        style: One of the names in `styles.STYLES`.
        mood: One word.
        tempo_bpm: Beats per minute; where the tempo drifts, its mean.
        metre: `4/4`, `3/4` or `6/8`; in 6/8 the beat is the dotted quarter.
        key: Tonic and major or minor, such as `F# minor`.
        mode: The scale the melody uses, such as `dorian`.
        instruments: Plain words for everything that plays within the clip.
        beats_s: Every beat in the clip.
        downbeats_s: The first beats of bars among them.
        sections: What the clip passes through.
        energy: `low`, `medium` or `high`.
        ends_s: Where the piece ends within the clip, its last chord held; None if it goes on.
        wild: Whether instruments were replaced at random, so that instrument words are not to be trusted.
    """

    style: str
    mood: str
    tempo_bpm: float
    metre: str
    key: str
    mode: str
    instruments: tuple[str, ...]
    beats_s: tuple[float, ...]
    downbeats_s: tuple[float, ...]
    sections: tuple[Span, ...]
    energy: str
    ends_s: float | None = None
    wild: bool = False

    def as_dict(self) -> dict[str, object]:
        """The labels as plain lists and numbers, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Piece:
    """A composed excerpt.

    Args:
        notes: In order of time.
        programs: General MIDI program (0-based) of each channel but the drums.
        kit: Drum kit.
        levels_db: Loudness of each channel, the drums included, relative to a lead at 0.
        labels: What is true of it.
    """

    notes: tuple[Note, ...]
    programs: dict[int, int]
    kit: int
    levels_db: dict[int, float]
    labels: Labels

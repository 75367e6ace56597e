"""What is asked of a lyricist, and what comes back: the same for the draft writer and for a language model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from angen.errors import LyricsError
from angen.lyrics.forms import form_named
from angen.lyrics.record import Lyrics, Problem
from angen.lyrics.syllables import LANGUAGES

__all__ = ["Brief", "Written"]


@dataclass(frozen=True)
class Brief:
    """What the lyrics should be.

    Args:
        theme: What they are about, in any words.
        mood: How they feel, in any words.
        language: One of `LANGUAGES`.
        form: One of `FORMS`.
        seconds: Length of the song, 5 to 1200; None for as long as the form is.
        tempo_bpm: Its tempo, 30 to 300; None for the form's usual one.
        seed: Of every random choice.

    Raises:
        LyricsError: If a value is out of range or unknown.
    """

    theme: str = ""
    mood: str = ""
    language: str = "en"
    form: str = "verse-chorus"
    seconds: float | None = None
    tempo_bpm: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the values."""
        form_named(self.form)
        checks = {
            "theme": (len(self.theme) <= 500, "at most 500 characters"),
            "mood": (len(self.mood) <= 200, "at most 200 characters"),
            "language": (self.language in LANGUAGES, f"one of {', '.join(LANGUAGES)}"),
            "seconds": (self.seconds is None or 5 <= self.seconds <= 1200, "5 to 1200"),
            "tempo_bpm": (self.tempo_bpm is None or 30 <= self.tempo_bpm <= 300, "30 to 300"),
            "seed": (0 <= self.seed < 2**63, "0 or more"),
        }
        for name, (holds, expected) in checks.items():
            if not holds:
                raise LyricsError(
                    f"{name} is {getattr(self, name)!r}; expected {expected}.",
                    remedy="Change it and try again.",
                )

    def as_dict(self) -> dict[str, Any]:
        """All values."""
        return asdict(self)


@dataclass(frozen=True)
class Written:
    """Lyrics and where they come from.

    Attributes:
        lyrics: The words.
        source: `draft writer`, or `model NAME`.
        notes: What the reader should know about them, as sentences.
        problems: What of a model's text could not be taken over; line numbers are those of its text.
        is_partial: Whether the model was cut off, and these are the lines that had arrived.
    """

    lyrics: Lyrics
    source: str
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    is_partial: bool = False

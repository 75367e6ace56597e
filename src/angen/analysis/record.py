"""The `Analysis` record: what was heard in a recording, and how sure that is."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

ANALYSIS_VERSION = 5
"""Raised whenever a recording may be heard differently: results kept under another number are made again."""


@dataclass(frozen=True)
class Analysis:
    """What was heard in a recording. None, or an empty list, means unknown.

    Args:
        duration_s: Length in seconds.
        rate_hz: Rate of the recording.
        channels: Its number of channels.
        tempo_bpm: Beats per minute.
        tempo_confidence: 0 to 1, also given when the tempo is unknown.
        tempo_alternatives: Other readings of the same rhythm (half, double, ...), the likelier first.
        beats_s: Times of the beats through the whole recording, rising.
        downbeats_s: Those beats at which a bar starts.
        downbeat_confidence: 0 to 1.
        key: Tonic and mode, as in "A minor" or "F# major".
        key_confidence: 0 to 1.
        camelot: The key on the Camelot wheel, as in "8A".
        loudness_lufs: Integrated loudness (ITU-R BS.1770-4).
        energy: Root mean square of the channels' mean, 0 to 1 for samples within ±1.
        brightness_hz: Spectral centroid below 8 kHz, the mean over time.
        mood: One word for liveliness and mode together.
        instruments: What plays, the surest first; of `angen.analysis.tagger.INSTRUMENTS`.
        genre: One of `angen.analysis.tagger.GENRES`.
        description: One sentence made of the fields that are known.
        metre: "4/4" or "3/4", where bars are known.
        vocals: "vocal" or "instrumental"; only the AI pass tells.
        segments: Proposed clips, [start, end] in seconds; see `suggest_segments`.
        confidence: How sure each estimate is, 0 to 1, by field; also where it fell below its threshold.
        sources: Where each known estimate comes from, by field: "measured", or "tagged" by a learnt tagger.
    """

    duration_s: float
    rate_hz: int
    channels: int
    tempo_bpm: float | None
    tempo_confidence: float
    tempo_alternatives: list[float]
    beats_s: list[float]
    downbeats_s: list[float]
    downbeat_confidence: float
    key: str | None
    key_confidence: float
    camelot: str | None
    loudness_lufs: float | None
    energy: float
    brightness_hz: float
    mood: str | None
    instruments: list[str]
    genre: str | None
    description: str
    metre: str | None = None
    vocals: str | None = None
    segments: list[list[float]] = field(default_factory=list)
    confidence: dict[str, float] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The record as plain values, ready for JSON."""
        return asdict(self)

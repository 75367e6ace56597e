"""The records of a project: tracks of clips, a tempo map, markers and sections. All of it is plain JSON.

Positions and lengths are whole samples at the project's rate, counted from 0; nothing is ever kept in seconds.
Records are closed (an unknown field is an error), typed strictly and never changed: an edit makes a new project.
A source is known by the hash of its file's bytes, so a clip can never silently play another recording.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

FORMAT_VERSION = 1
MOST_SAMPLES = 2**36  # 18 days at 44.1 kHz: beyond it a position is a slip of the hand
LEAST_DB, MOST_DB = -120.0, 24.0

Curve = Literal["linear", "equal-power", "exponential"]


def _one_line(text: str) -> str:
    """Refuse what no label, XML or MIDI file can hold: line ends, control characters, broken encodings."""
    for letter in text:
        if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") or ord(letter) & 0xFFFE == 0xFFFE:
            raise ValueError(f"a name is one line of text, without the character {letter!r}")
    return text


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,15}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Place = Annotated[int, Field(ge=0, le=MOST_SAMPLES)]
Length = Annotated[int, Field(ge=1, le=MOST_SAMPLES)]
GainDb = Annotated[float, Field(ge=LEAST_DB, le=MOST_DB)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Source(_Record):
    """A recording that clips play from.

    Attributes:
        sha256: Hash of the file's bytes: what a clip refers to.
        path: Where the file is: relative to the project's folder, or absolute.
        rate_hz: Its own samples per second.
        channels: 1 or 2.
        samples: Its length at its own rate.
    """

    sha256: Sha256
    path: str = Field(min_length=1, max_length=4096)
    rate_hz: int = Field(ge=1000, le=768_000)
    channels: int = Field(ge=1, le=2)
    samples: Length

    def length_at(self, rate_hz: int) -> int:
        """Its length in samples at another rate, rounded up."""
        return -(-self.samples * rate_hz // self.rate_hz)


class Fade(_Record):
    """One end of a clip, coming in or going out.

    Attributes:
        samples: Length of the whole fade; 0 is a hard edge.
        curve: "linear" in amplitude; "equal-power", a quarter of a sine, so that two of them crossing keep the
            power of unrelated sounds; "exponential", even in decibels over 60 dB.
        skipped: Samples at the silent end of the fade that lie outside of the clip. Splitting a clip within
            its fade makes them, so that the parts sound as the whole did.
    """

    samples: Place
    curve: Curve = "linear"
    skipped: Place = 0

    @model_validator(mode="after")
    def _check(self) -> Fade:
        if self.skipped > self.samples:
            raise ValueError(f"skipped ({self.skipped}) goes beyond the fade's samples ({self.samples})")
        return self


HARD_EDGE = Fade(samples=0)


class Clip(_Record):
    """A stretch of a source, placed on a track.

    Attributes:
        id: Unique in the project.
        name: What a person calls it.
        source: Hash of the source.
        start: Where it begins on the timeline.
        offset: The source's sample (at the project's rate) that sounds there.
        length: How long it sounds.
        gain_db: Change of level.
        fade_in: How it begins; None is automatic: an equal-power crossfade where it overlaps the end of another
            clip of its track, else a hard edge.
        fade_out: How it ends; None is automatic.
    """

    id: Id
    name: Name
    source: Sha256
    start: Place
    offset: Place = 0
    length: Length
    gain_db: GainDb = 0.0
    fade_in: Fade | None = None
    fade_out: Fade | None = None

    @property
    def end(self) -> int:
        """The first sample of the timeline after it."""
        return self.start + self.length

    @model_validator(mode="after")
    def _check(self) -> Clip:
        if self.end > MOST_SAMPLES:
            raise ValueError(f"it ends at sample {self.end}, beyond the longest timeline ({MOST_SAMPLES})")
        return self


class Track(_Record):
    """A lane of clips that are heard together, with its fader.

    Attributes:
        id: Unique in the project.
        name: What a person calls it.
        gain_db: Its fader.
        pan: Balance from -1 (left only) to 1 (right only); 0 changes nothing.
        muted: Not heard.
        soloed: While any track is soloed, only soloed tracks are heard. Mute is stronger.
        clips: In any order; overlapping ones are heard together.
    """

    id: Id
    name: Name
    gain_db: GainDb = 0.0
    pan: float = Field(default=0.0, ge=-1, le=1)
    muted: bool = False
    soloed: bool = False
    clips: tuple[Clip, ...] = ()


class TempoChange(_Record):
    """From this beat on the music has this tempo.

    Attributes:
        bar: Counted from 1.
        beat: Beat of that bar, counted from 1 in units of the metre.
        tempo_bpm: Quarter notes a minute, in every metre.
    """

    bar: int = Field(default=1, ge=1, le=1_000_000)
    beat: int = Field(default=1, ge=1, le=64)
    tempo_bpm: float = Field(ge=10, le=1000)


class MetreChange(_Record):
    """From this bar on, bars have this metre.

    Attributes:
        bar: Counted from 1.
        beats: Beats of a bar: the upper number.
        unit: Note value of a beat: the lower number.
    """

    bar: int = Field(default=1, ge=1, le=1_000_000)
    beats: int = Field(ge=1, le=64)
    unit: Literal[1, 2, 4, 8, 16, 32]


class Marker(_Record):
    """A named place."""

    at: Place
    name: Name


class Section(_Record):
    """A named stretch: verse, chorus, bridge. Sections may overlap."""

    start: Place
    end: Place
    name: Name

    @model_validator(mode="after")
    def _check(self) -> Section:
        if self.end <= self.start:
            raise ValueError(f"a section ends after it starts, not at {self.end} from {self.start}")
        return self


class Project(_Record):
    """A whole arrangement.

    Attributes:
        format_version: The layout of the file; this one is 1.
        name: What a person calls it.
        rate_hz: Samples per second of every position in it, and of what is rendered.
        gain_db: The master fader: on the mix, not on stems.
        tracks: From top to bottom.
        sources: The recordings its clips play from.
        tempos: Tempo changes in order; the first is at bar 1, beat 1.
        metres: Changes of metre in order; the first is at bar 1.
        markers: By place.
        sections: By start.
    """

    format_version: Literal[1] = 1
    name: Name
    rate_hz: int = Field(default=44_100, ge=8000, le=384_000)
    gain_db: GainDb = 0.0
    tracks: tuple[Track, ...] = ()
    sources: tuple[Source, ...] = ()
    tempos: tuple[TempoChange, ...] = (TempoChange(tempo_bpm=120.0),)
    metres: tuple[MetreChange, ...] = (MetreChange(beats=4, unit=4),)
    markers: tuple[Marker, ...] = ()
    sections: tuple[Section, ...] = ()

    @property
    def length(self) -> int:
        """The end of its last clip, in samples."""
        return max((clip.end for clip in self.clips()), default=0)

    def clips(self) -> Iterator[Clip]:
        """All clips, track by track."""
        for track in self.tracks:
            yield from track.clips

    @model_validator(mode="after")
    def _check(self) -> Project:
        _once("track", (track.id for track in self.tracks))
        _once("clip", (clip.id for clip in self.clips()))
        _once("source", (source.sha256 for source in self.sources))
        self._check_clips()
        self._check_grid()
        _ordered("markers", [(marker.at, 0) for marker in self.markers])
        _ordered("sections", [(section.start, 0) for section in self.sections])
        return self

    def _check_clips(self) -> None:
        lengths = {source.sha256: source.length_at(self.rate_hz) for source in self.sources}
        for clip in self.clips():
            if clip.source not in lengths:
                raise ValueError(f"clip {clip.id} plays source {clip.source[:12]}, which is not in sources")
            if clip.offset + clip.length > lengths[clip.source]:
                raise ValueError(
                    f"clip {clip.id} plays samples {clip.offset} to {clip.offset + clip.length} of a source "
                    f"that has {lengths[clip.source]}"
                )

    def _check_grid(self) -> None:
        if not self.tempos or (self.tempos[0].bar, self.tempos[0].beat) != (1, 1):
            raise ValueError("the first of tempos is at bar 1, beat 1")
        if not self.metres or self.metres[0].bar != 1:
            raise ValueError("the first of metres is at bar 1")
        _ordered("metres", [(metre.bar, 1) for metre in self.metres], strictly=True)
        _ordered("tempos", [(tempo.bar, tempo.beat) for tempo in self.tempos], strictly=True)
        for tempo in self.tempos:
            beats = [metre.beats for metre in self.metres if metre.bar <= tempo.bar][-1]
            if tempo.beat > beats:
                raise ValueError(f"a tempo stands at bar {tempo.bar}, beat {tempo.beat} of {beats}")


def _once(kind: str, ids: Iterable[str]) -> None:
    for name, count in Counter(ids).items():
        if count > 1:
            raise ValueError(f"{kind} {name} is there {count} times")


def _ordered(field: str, places: Sequence[tuple[int, int]], *, strictly: bool = False) -> None:
    for before, after in pairwise(places):
        if after < before or (strictly and after == before):
            raise ValueError(f"{field} are not in order: {after[0]} follows {before[0]}")

"""The records of a dataset: a line of `metadata.jsonl`, and `dataset_info.json`.

They are typed and closed: an unknown or misspelled field is an error, never a silent default. What is not
known is None (or empty) and is never written into a prompt.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

FORMAT_VERSION = 1

Split = Literal["train", "validation"]
Part = Literal["mix", "vocals", "accompaniment"]
Source = Literal["measured", "tagged", "edited", "score"]
"""How a value is known: heard, said by the recording's maker, said by the user, or read from its notes."""

_LATER_FIELDS = ("singer", "language", "metre", "licence", "credit")
"""Fields that came after the first datasets: where they are empty, a clip's hash is what it was before."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ClipRecord(_Record):
    """One clip: where it comes from, what is known of it, and how we know.

    Attributes:
        file_name: The clip's file, relative to the dataset's folder.
        clip_id: Unique within the dataset, and a safe file name.
        song: The song it was cut from; unique within the dataset. A song never crosses the split.
        split: Which side of the split it is on.
        start_s: Where the clip starts in its song.
        end_s: Where it ends there.
        duration_s: Length of the clip's file.
        sha256: Hash of the clip file's bytes, in hexadecimal.
        tempo_bpm: Beats per minute.
        key: As "F major".
        genre: In a word or two.
        mood: In a word or two.
        instruments: What plays, most prominent first.
        energy: Root mean square of the song in mono, 0 to 1.
        loudness_lufs: Integrated loudness of the clip.
        description: A sentence about the song.
        lyrics: Words sung in the clip.
        singer: Who sings, as the dataset names them: "woman 12", "Alto-1".
        language: Of the lyrics, as a BCP 47 tag: "cmn", "en".
        metre: Beats in a bar and the note that is one beat: "3/4".
        licence: The licence of this clip's recording, where it is not that of the whole dataset.
        credit: Whom to name for this clip, in the words its licence asks for.
        stems: Files of the clip's stems, by name, where they were kept; as long as the clip, sample for sample.
        beats_s: Beats, in seconds from the start of the clip.
        downbeats_s: First beats of bars, in seconds from the start of the clip.
        sources: Where each known value comes from, by field.
        confidence: How sure each estimate is, in [0, 1], by field.
    """

    file_name: str = Field(pattern=r"^clips/\w[\w.-]*\.flac$")
    clip_id: str = Field(pattern=r"^\w[\w.-]*$")
    song: str = Field(min_length=1)
    split: Split
    start_s: float = Field(ge=0)
    end_s: float = Field(gt=0)
    duration_s: float = Field(gt=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    tempo_bpm: float | None = Field(default=None, gt=0)
    key: str | None = None
    genre: str | None = None
    mood: str | None = None
    instruments: list[str] = []
    energy: float | None = None
    loudness_lufs: float | None = None
    description: str = ""
    lyrics: str | None = None
    singer: str | None = None
    language: str | None = None
    metre: str | None = Field(default=None, pattern=r"^[1-9]\d?/(1|2|4|8|16|32|64)$")
    licence: str | None = None
    credit: str | None = None
    stems: dict[str, str] | None = None
    beats_s: list[float] = []
    downbeats_s: list[float] = []
    sources: dict[str, Source] = {}
    confidence: dict[str, float] = {}

    @model_validator(mode="after")
    def _check(self) -> ClipRecord:
        if self.end_s <= self.start_s:
            raise ValueError(f"a clip ends after it starts, not at {self.end_s} s from {self.start_s} s")
        fields = type(self).model_fields
        for unknown in [name for name in (*self.sources, *self.confidence) if name not in fields]:
            raise ValueError(f"sources and confidence name fields of the record, not {unknown!r}")
        return self

    def prompt(self, prefix: str = "") -> str:
        """The exact text a model is given for this clip.

        Every known one of mood, genre, instruments, description, tempo and key is said; a value the prefix
        says already is not said twice. A description that was measured is left out: it is made of the other
        fields. Lyrics, beats and energy reach a model by other ways, or not at all.

        Args:
            prefix: The user's own words for the whole dataset (`DatasetInfo.prompt_prefix`), which lead.

        Example:
            >>> clip = ClipRecord(
            ...     file_name="clips/a-001.flac", clip_id="a-001", song="a", split="train", sha256="0" * 64,
            ...     start_s=0.0, end_s=20.0, duration_s=20.0, tempo_bpm=112.0, key="F major",
            ...     genre="calypso", mood="happy", instruments=["steel drums"],
            ... )
            >>> clip.prompt()
            'happy calypso with steel drums, 112 bpm, F major'
            >>> clip.prompt("calypso from my attic")
            'calypso from my attic, happy music with steel drums, 112 bpm, F major'
        """
        prefix = _one_line(prefix)
        mood, genre = (_unless_said(value, prefix) for value in (self.mood, self.genre))
        kind = f"{mood} music" if mood and not genre else f"{mood} {genre}".strip()
        instruments = _listed(_unless_said(instrument, prefix) for instrument in self.instruments)
        own_words = "" if self.sources.get("description") == "measured" else _one_line(self.description)
        parts = [
            prefix,
            f"{kind} with {instruments}" if kind and instruments else kind or instruments,
            own_words.rstrip("."),
            f"{self.tempo_bpm:.0f} bpm" if self.tempo_bpm else "",
            _unless_said(self.key, prefix),
        ]
        return ", ".join(part for part in parts if part)


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _unless_said(value: str | None, prefix: str) -> str:
    """The value in one line; nothing if the prefix holds it as whole words."""
    value = _one_line(value)
    is_said = re.search(rf"(?<!\w){re.escape(value)}(?!\w)", prefix, flags=re.IGNORECASE)
    return "" if is_said else value


def _listed(words: Iterable[str]) -> str:
    known = [word for word in words if word]
    return " and ".join(part for part in (", ".join(known[:-1]), *known[-1:]) if part)


class SkippedFile(_Record):
    """A file that was given and is not in the dataset.

    Attributes:
        path: The file, as it was given.
        error: Why: `type`, `message`, `remedy`.
    """

    path: str
    error: dict[str, str]


class DatasetInfo(_Record):
    """What a dataset is, as a whole.

    Attributes:
        format_version: The layout of the folder; this one is 1.
        name: The folder's name.
        type: "user" for the user's recordings; "vocal" and "symbolic" for those curated elsewhere.
        created: When it was prepared.
        source: Where the recordings come from, in words.
        licence: The licence of the recordings, where it is known; where they differ, the strictest in words.
        non_commercial: Whether a licence of the recordings forbids commercial use; it is carried into every
            adapter trained on them.
        share_alike: Whether a licence of the recordings binds what is built on them to the same licence.
        attribution: Whom to name, a line each: the collection, and where the credits of each file are.
        collection: The entry of the catalogue it was prepared from; None for the user's recordings.
        prompt_prefix: The user's own words for all of it, which lead every prompt.
        songs: Number of songs.
        clips: Number of clips.
        seconds: Length of all clips together.
        splits: Number of clips on each side of the split.
        sha256: Hash of everything a model could learn from: see `content_sha256`.
        skipped: Files that were given and are not in it.
        notes: What its owner should know: a split by time, music left out, songs that are nearly the same.
        part: What of each song its clips are: the mix, the vocals, or all but those.
        separator: The network that took the songs apart, where one did.
        loudness: What was done to the level, in words.
    """

    format_version: Literal[1] = 1
    name: str = Field(min_length=1)
    type: Literal["user", "vocal", "symbolic"] = "user"
    created: AwareDatetime
    source: str = ""
    licence: str | None = None
    non_commercial: bool = False
    share_alike: bool = False
    attribution: list[str] = []
    collection: str | None = None
    prompt_prefix: str = ""
    songs: int = Field(ge=1)
    clips: int = Field(ge=1)
    seconds: float = Field(gt=0)
    splits: dict[Split, int]
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    skipped: list[SkippedFile] = []
    notes: list[str] = []
    part: Part = "mix"
    separator: str | None = None
    loudness: str = ""


def content_sha256(clips: Iterable[ClipRecord], prompt_prefix: str) -> str:
    """One hash over all a model could learn from: the clips' audio and metadata, and the words for all of it.

    The order of the clips does not matter, nor do the dataset's name and date.
    """
    lines = sorted(hashed_line(clip) for clip in clips)
    return hashlib.sha256("\n".join([prompt_prefix, *lines]).encode()).hexdigest()


def hashed_line(clip: ClipRecord) -> str:
    """What of a clip counts for the dataset's hash. Stems beside it do not: a model reads the clip alone."""
    unused = {name for name in _LATER_FIELDS if getattr(clip, name) is None}
    return clip.model_dump_json(exclude={*unused, "stems"})

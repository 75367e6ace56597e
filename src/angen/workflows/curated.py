"""Downloading a collection of the catalogue: licence, disk, bytes, checks, unpacking; the marker last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from angen.catalogue import m4singer, opensinger
from angen.catalogue.archives import list_members
from angen.catalogue.choosing import Choice, choose, choose_songs
from angen.catalogue.fetching import fetch
from angen.catalogue.folder import (
    CONTENT,
    CREDITS,
    MARKER,
    DownloadRecord,
    LeftOut,
    collection_folder,
    is_licence_accepted,
    read_download,
    store_acceptance,
    subset_folder,
)
from angen.catalogue.lakh import piece_of_member
from angen.catalogue.pages import refuse_page
from angen.catalogue.records import Collection, Source, collections
from angen.catalogue.retrying import Patience
from angen.catalogue.space import Need, check_space
from angen.catalogue.unpacking import Limits, Unpacked, unpack
from angen.catalogue.verifying import Expected, verify_file
from angen.errors import DamagedArchiveError, DownloadError, LicenceNotAcceptedError
from angen.files import write_text
from angen.progress import Progress, ProgressCallback, no_progress
from angen.settings import Settings
from angen.workflows.curated_items import fetch_items

__all__ = ["Downloaded", "catalogue", "download_collection", "needs", "read_download"]

_UNKNOWN_ITEM_BYTES = 8_000_000
_PIECE_BYTES = 60_000
_WAV_BYTES_AN_HOUR = {"opensinger": 44_100 * 2 * 3600, "m4singer": 48_000 * 2 * 3600}
_SINGER_SONG = {"opensinger": opensinger.song_of_member, "m4singer": m4singer.song_of_member}


@dataclass(frozen=True)
class Downloaded:
    """A collection, or a part of one, that is there.

    Attributes:
        record: What was fetched.
        folder: Where it is.
        notes: What its owner should know.
    """

    record: DownloadRecord
    folder: Path
    notes: list[str] = field(default_factory=list)


def catalogue(settings: Settings) -> list[tuple[Collection, list[DownloadRecord]]]:
    """Every collection, and what is there of it."""
    root = settings.collections
    return [
        (each, [there for source in each.sources if (there := read_download(root, each, source.subset))])
        for each in collections().values()
    ]


def needs(
    settings: Settings, collection: Collection, choice: Choice, from_file: Path | None = None
) -> list[Need]:
    """The disk space that a download and its preparation take, at most, by folder."""
    source, root = collection.source(choice.subset), settings.collections
    if source.kind == "items":
        count = choice.pieces or collection.files or 500
        each = _PIECE_BYTES if collection.type == "symbolic" else _UNKNOWN_ITEM_BYTES
        fetched, unpacked = 0, count * each
    else:
        part = collection_folder(root, collection) / "archives" / source.filename
        there = sum(path.stat().st_size for path in (part, Path(f"{part}.part")) if path.is_file())
        fetched = 0 if from_file else max(0, (source.bytes or source.unpacked_bytes or 0) - there)
        unpacked = source.unpacked_bytes or 0
    hours = choice.hours if choice.hours is not None else collection.hours
    share = 1.0
    if collection.hours and choice.hours is not None:
        share = min(1.0, choice.hours / collection.hours)
    prepared = min(hours, 10.0) if collection.type == "symbolic" and hours else hours or 10.0
    return [
        Need("download", root, fetched),
        Need("unpacked", root, round(unpacked * share)),
        Need("prepared", settings.training_data, round(prepared * collection.prepared_bytes_an_hour)),
    ]


def download_collection(
    settings: Settings,
    collection: Collection,
    choice: Choice | None = None,
    *,
    accepts_licence: bool = False,
    mirror: str | None = None,
    from_file: Path | None = None,
    patience: Patience | None = None,
    pace_s: float | None = None,
    on_progress: ProgressCallback = no_progress,
    should_stop: Callable[[], bool] = lambda: False,
) -> Downloaded:
    """Fetch a collection, or a part of it, into the workspace.

    Args:
        settings: The workspace.
        collection: Which.
        choice: Which part of it.
        accepts_licence: Whether its licence is accepted; without, only if it was before.
        mirror: An address to fetch from in place of the makers'.
        from_file: An archive that was fetched by hand; it takes the same path and stays where it is.
        patience: How often and how long to try.
        pace_s: Least seconds from one request for a single file to the next; the site's own wish without.
        on_progress: Told of bytes, files and what is being done.
        should_stop: Asked between pieces; what came so far is kept.

    Raises:
        LicenceNotAcceptedError: Before the first byte.
        DownloadError: If the disk is too small, or it cannot be fetched, verified or unpacked.
    """
    choice, root = choice or Choice(), settings.collections
    source = collection.source(choice.subset)
    choice.refuse_unknown(collection.filters, collection.title)
    _require_licence(root, collection, accepts_licence)
    check_space(needs(settings, collection, choice, from_file))
    folder = subset_folder(root, collection, source.subset)
    if source.kind == "items":
        if from_file is not None:
            raise DownloadError(
                f"{collection.title} is no archive, so it cannot be given as a file.",
                remedy="Use 'angen dataset prepare NAME FOLDER' for a folder of recordings of your own.",
            )
        record = fetch_items(
            folder,
            collection,
            choice,
            (mirror or source.url).rstrip("/"),
            patience,
            pace_s,
            on_progress,
            should_stop,
        )
        return _finish(folder, record, [])
    (folder / MARKER).unlink(missing_ok=True)
    archive, fetched_from, sha256, verified = _archive(
        settings, collection, source, mirror, from_file, patience, on_progress, should_stop
    )
    unpacked = _unpack_chosen(archive, folder / CONTENT, collection, source, choice, on_progress, should_stop)
    _check_content(folder / CONTENT, collection, choice, unpacked)
    record = DownloadRecord(
        collection=collection.id,
        subset=source.subset,
        completed=datetime.now(UTC),
        url=fetched_from,
        bytes=archive.stat().st_size,
        sha256=sha256,
        is_verified=verified,
        files=unpacked.files,
        unpacked_bytes=unpacked.bytes,
        choice=_words(choice),
        left_out=[
            LeftOut(name=name, reason="its name is too long for this disk") for name in unpacked.unwritable
        ],
    )
    write_text(folder / CREDITS, _collection_credit(collection))
    notes = [] if verified else [f"No hash is published for it. The one seen is {sha256}; it is kept."]
    return _finish(folder, record, notes)


def _require_licence(root: Path, collection: Collection, accepts: bool) -> None:
    if not accepts and not is_licence_accepted(root, collection):
        said = "\n".join(f"  - {sentence}" for sentence in collection.consequences)
        where = f" ({collection.licence_url})" if collection.licence_url else ""
        raise LicenceNotAcceptedError(
            f"{collection.title} has the licence {collection.licence or 'none stated'}{where}:\n{said}\n",
            remedy="Nothing was fetched. If you agree, say --accept-licence.",
        )
    if not is_licence_accepted(root, collection):
        store_acceptance(root, collection)


def _archive(
    settings: Settings,
    collection: Collection,
    source: Source,
    mirror: str | None,
    from_file: Path | None,
    patience: Patience | None,
    on_progress: ProgressCallback,
    should_stop: Callable[[], bool],
) -> tuple[Path, str, str, bool]:
    """The verified archive: its path, where it came from, its sha256, and whether that was a known one."""
    expected = Expected(size=source.bytes, sha256=source.sha256, md5=source.md5)
    if from_file is not None:
        refuse_page(from_file)
        checked = verify_file(from_file, expected, on_progress=on_progress, should_stop=should_stop)
        return from_file, str(from_file.absolute()), checked.sha256, checked.is_verified
    url = f"{mirror.rstrip('/')}/{source.filename}" if mirror else source.url
    target = collection_folder(settings.collections, collection) / "archives" / source.filename
    seen = target.with_name(f"{target.name}.sha256")
    if (
        not expected.hashes and seen.is_file()
    ):  # no published hash: the one first seen says if it is still whole
        expected = Expected(size=source.bytes, sha256=seen.read_text().strip())

    def room_for(size: int) -> None:
        there = Path(f"{target}.part")
        check_space([Need("download", target.parent, max(0, size - there.stat().st_size))])

    fetched = fetch(
        url,
        target,
        expected,
        patience=patience,
        room_for=room_for,
        on_progress=on_progress,
        should_stop=should_stop,
    )
    write_text(seen, fetched.sha256 + "\n")
    return fetched.path, fetched.url, fetched.sha256, bool(source.sha256 or source.md5)


def _unpack_chosen(
    archive: Path,
    folder: Path,
    collection: Collection,
    source: Source,
    choice: Choice,
    on_progress: ProgressCallback,
    should_stop: Callable[[], bool],
) -> Unpacked:
    """Unpack the members that are wanted; the others stay in the archive."""
    kind = source.archive or ""
    limits = Limits(bytes=max(5_000_000_000, 3 * (source.unpacked_bytes or 50_000_000_000)))

    wanted: Callable[[str], bool] = _everything
    if not choice.is_all:
        on_progress(Progress("choosing", 0, 0, archive.name))
        members = list_members(archive, kind, should_stop=should_stop)
        wanted = _wanted(collection, choice, members)
    return unpack(
        archive,
        folder,
        kind=kind,
        wanted=wanted,
        limits=limits,
        on_progress=on_progress,
        should_stop=should_stop,
    )


def _everything(_: str) -> bool:
    return True


def _wanted(collection: Collection, choice: Choice, members: dict[str, int]) -> Callable[[str], bool]:
    if song_of := _SINGER_SONG.get(collection.id):
        songs = choose_songs(members, song_of, choice, _WAV_BYTES_AN_HOUR[collection.id])
        return lambda name: (song := song_of(name)) is None or song in songs
    piece_of = piece_of_member if collection.id == "lakh" else _folder_of_member
    each = {piece for name in members if (piece := piece_of(name)) is not None}
    chosen = set(choose(sorted(each), choice.pieces, choice.seed))
    return lambda name: piece_of(name) in chosen


def _folder_of_member(name: str) -> str | None:
    folder = Path(name).parent.name
    return folder if "_-_" in folder else None


def _check_content(content: Path, collection: Collection, choice: Choice, unpacked: Unpacked) -> None:
    """Where no hash is known, the content itself has to tell whether all of it is there."""
    if unpacked.files == 0:
        raise DamagedArchiveError(
            f"Nothing of {collection.title} is in the archive.", remedy="Check that it is the right file."
        )
    if collection.id != "m4singer":
        return
    songs = m4singer.read_m4singer(content).songs
    count = sum(len(song.phrases) for song in songs)
    if count == 0 or (choice.is_all and count != collection.files):
        raise DamagedArchiveError(
            f"{collection.title} should hold {collection.files} clips, the archive holds {count}.",
            remedy="Download it again, or check that the file given is the makers' own.",
        )


def _words(choice: Choice) -> str:
    known = {"singers": choice.singers, "hours": choice.hours, "pieces": choice.pieces}
    said = [f"{value:g} {name}" for name, value in known.items() if value is not None]
    said += [", ".join(words) for words in (choice.licences, choice.styles) if words]
    return "; ".join([*said, f"seed {choice.seed}"]) if said else ""


def _collection_credit(collection: Collection) -> str:
    lines = [
        collection.title,
        f"Licence: {collection.licence or 'none stated'} {collection.licence_url or ''}".rstrip(),
        collection.licence_note,
        f"From: {collection.homepage}",
        f"Cite: {collection.citation or collection.paper or collection.homepage}",
    ]
    return "\n".join(lines) + "\n"


def _finish(folder: Path, record: DownloadRecord, notes: list[str]) -> Downloaded:
    write_text(folder / MARKER, record.model_dump_json(indent=1) + "\n")
    if record.left_out:
        notes = [*notes, f"{len(record.left_out)} files were left out; {MARKER} says why."]
    return Downloaded(record, folder, notes)

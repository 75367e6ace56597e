"""Fetching collections that are single files: only what is chosen, at the site's pace, one whole item at a time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from angen.catalogue import ccmixter, mutopia
from angen.catalogue.choosing import Choice
from angen.catalogue.fetching import fetch
from angen.catalogue.fetching_small import fetch_small
from angen.catalogue.folder import CONTENT, CREDITS, DownloadRecord, LeftOut
from angen.catalogue.licences import Licence, read_licence
from angen.catalogue.records import Collection
from angen.catalogue.retrying import Patience
from angen.catalogue.unpacking import Limits, unpack
from angen.catalogue.verifying import Expected
from angen.errors import (
    DamagedArchiveError,
    DownloadError,
    DownloadRefusedError,
    DownloadStoppedError,
    UnsafeArchiveError,
    WebPageError,
    WrongFileError,
)
from angen.files import content_hash, write_json, write_text
from angen.progress import Progress, ProgressCallback

_PACE_S = {"ccmixter": 1.5, "mutopia": 1.0}
_SONG_LIMIT_BYTES = 400_000_000
_SCORES = Limits(bytes=50_000_000, files=500, ratio=60.0, ratio_from_bytes=5_000_000)
_ONE_FILE = (DownloadRefusedError, WrongFileError, WebPageError, UnsafeArchiveError, DamagedArchiveError)
"""Faults of one file, which the others do not share."""


@dataclass
class _Visit:
    """One walk over a site: its pace, and what came of it."""

    content: Path
    site: str
    patience: Patience | None
    pace_s: float
    on_progress: ProgressCallback
    should_stop: Callable[[], bool]
    left_out: list[LeftOut] = field(default_factory=list)
    items: dict[str, str] = field(default_factory=dict)
    last_s: float = float("-inf")

    def get(self, url: str) -> bytes:
        """A small document."""
        self.keep_pace()
        return fetch_small(url, patience=self.patience, should_stop=self.should_stop)

    def keep_pace(self) -> None:
        """Wait until the next request is polite, or a stop is asked for."""
        while not self.should_stop() and (left := self.last_s + self.pace_s - time.monotonic()) > 0:
            time.sleep(min(0.1, left))
        if self.should_stop():
            raise DownloadStoppedError(
                "Stopped between two files.",
                remedy="What was fetched is kept: the same command goes on from there.",
            )
        self.last_s = time.monotonic()

    def leave_out(self, name: str, reason: str) -> None:
        """Note an item that is not taken."""
        self.left_out.append(LeftOut(name=name, reason=reason))


def fetch_items(
    folder: Path,
    collection: Collection,
    choice: Choice,
    site: str,
    patience: Patience | None,
    pace_s: float | None,
    on_progress: ProgressCallback,
    should_stop: Callable[[], bool],
) -> DownloadRecord:
    """Fetch the chosen items that are not there yet.

    Returns:
        The record, to be written as the marker.
    """
    pace_s = _PACE_S[collection.id] if pace_s is None else pace_s
    visit = _Visit(folder / CONTENT, site, patience, pace_s, on_progress, should_stop)
    known = ccmixter.FAMILIES if collection.id == "ccmixter" else mutopia.FAMILIES
    if unknown := [family for family in choice.licences if family not in known]:
        raise DownloadError(
            f"{collection.title} cannot be chosen from by the licence {unknown[0]!r}.",
            remedy=f"Choose from: {', '.join(known)}.",
        )
    (_fetch_ccmixter if collection.id == "ccmixter" else _fetch_mutopia)(visit, choice)
    if not visit.items:
        reasons = "; ".join(f"{each.name}: {each.reason}" for each in visit.left_out[:3])
        raise DownloadError(
            f"Nothing of {collection.title} could be fetched. {reasons}".strip(),
            remedy="Choose other licences, or try again later.",
        )
    write_text(folder / CREDITS, "".join(f"{item}\t{credit}\n" for item, credit in visit.items.items()))
    paths = [path for path in visit.content.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in paths)
    return DownloadRecord(
        collection=collection.id,
        subset="all",
        completed=datetime.now(UTC),
        url=site,
        bytes=size,
        sha256=None,
        is_verified=False,
        files=len(paths),
        unpacked_bytes=size,
        choice=_words(choice),
        items=list(visit.items),
        left_out=visit.left_out,
    )


def _words(choice: Choice) -> str:
    words = {"pieces": choice.pieces, "hours": choice.hours}
    said = [f"{value:g} {name}" for name, value in words.items() if value is not None]
    return "; ".join([*said, *choice.licences, *choice.styles, f"seed {choice.seed}"])


def _fetch_ccmixter(visit: _Visit, choice: Choice) -> None:
    licences = choice.licences or ccmixter.DEFAULT_LICENCES
    wanted, seconds = choice.pieces, 0.0
    for upload in ccmixter.uploads(visit.site, licences, visit.get, visit.leave_out):
        if len(visit.items) == wanted or (choice.hours is not None and seconds >= choice.hours * 3600):
            break
        visit.on_progress(Progress("fetching", len(visit.items), wanted or 0, upload.title))
        try:
            _fetch_upload(visit, upload)
        except _ONE_FILE as error:
            visit.leave_out(upload.id, str(error))
            continue
        visit.items[upload.id] = ccmixter.credit_of(upload.row)
        seconds += upload.seconds or 180.0


def _fetch_upload(visit: _Visit, upload: ccmixter.Upload) -> None:
    folder = visit.content / "items" / upload.id
    row, path = folder / ccmixter.ROW, folder / upload.file_name
    if (
        row.is_file()
        and path.is_file()
        and not (upload.expected.size and path.stat().st_size != upload.expected.size)
    ):
        return
    if (upload.expected.size or 0) > _SONG_LIMIT_BYTES:
        raise WrongFileError(f"{upload.expected.size} bytes are too many for one song.")
    visit.keep_pace()
    fetched = fetch(
        upload.url,
        path,
        upload.expected,
        headers={"Referer": f"{visit.site}/"},
        patience=visit.patience,
        room_for=_refuse_too_large,
        on_progress=visit.on_progress,
        should_stop=visit.should_stop,
    )
    write_json(row, {**upload.row, "angen_file": upload.file_name, "angen_sha256": fetched.sha256})


def _refuse_too_large(size: int) -> None:
    if size > _SONG_LIMIT_BYTES:
        raise WrongFileError(f"{size} bytes are too many for one song.")


def _fetch_mutopia(visit: _Visit, choice: Choice) -> None:
    families = choice.licences or mutopia.DEFAULT_LICENCES
    everything = mutopia.chosen_pieces(Choice(licences=choice.licences, styles=choice.styles))
    first = mutopia.chosen_pieces(choice)
    for piece in _with_replacements(first, everything):
        if len(visit.items) == len(first):
            break
        visit.on_progress(Progress("fetching", len(visit.items), len(first), piece.title))
        try:
            licence = _fetch_piece(visit, piece, families)
        except _ONE_FILE as error:
            visit.leave_out(piece.path, str(error))
            continue
        visit.items[piece.path] = f"{piece.credit}, {licence.id}"


def _with_replacements(first: list[mutopia.Piece], rest: list[mutopia.Piece]) -> Iterator[mutopia.Piece]:
    """The chosen pieces, and then others in place of those that cannot be had; a tenth more at most."""
    yield from first
    chosen = {piece.path for piece in first}
    yield from [piece for piece in rest if piece.path not in chosen][: max(3, len(first) // 10)]


def _fetch_piece(visit: _Visit, piece: mutopia.Piece, families: tuple[str, ...]) -> Licence:
    """One piece into its folder, its record last.

    Returns:
        Its licence, as its own RDF file states it.
    """
    folder = visit.content / "ftp" / piece.path
    record = folder / mutopia.RECORD
    with suppress(OSError, ValueError, KeyError):
        return read_licence(json.loads(record.read_text(encoding="utf-8"))["licence"])
    base = f"{visit.site}/{piece.path}"
    midi, licence = None, None
    try:
        midi, licence = mutopia.read_rdf(visit.get(f"{base}/{piece.name}.rdf"))
    except DownloadRefusedError as error:
        if error.status not in (404, 410):
            raise
    licence = licence or piece.licence
    if licence.family not in families:
        raise WrongFileError(f"its licence is {licence.id!r}, which was not asked for.")
    path = _fetch_midi(
        visit, base, folder, [midi] if midi else [f"{piece.name}.mid", f"{piece.name}-mids.zip"]
    )
    if path.suffix == ".zip":
        unpack(path, folder / "mids", kind="zip", wanted=_is_midi, limits=_SCORES)
    sums = {each.name: content_hash(each) for each in sorted(folder.glob("*.*")) if each.name != record.name}
    write_json(record, {"piece": asdict(piece), "licence": licence.id, "sha256": sums})
    return licence


def _fetch_midi(visit: _Visit, base: str, folder: Path, names: list[str]) -> Path:
    for place, name in enumerate(names):
        visit.keep_pace()
        try:
            return fetch(
                f"{base}/{name}",
                folder / name,
                Expected(),
                patience=visit.patience,
                room_for=_refuse_too_large,
                should_stop=visit.should_stop,
            ).path
        except DownloadRefusedError as error:
            if error.status not in (404, 410) or place == len(names) - 1:
                raise
    raise AssertionError("unreachable")


def _is_midi(name: str) -> bool:
    return name.lower().endswith((".mid", ".midi"))

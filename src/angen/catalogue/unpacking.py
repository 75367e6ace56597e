"""Unpacking archives that nobody here has made: zip, tar, and Debian packages.

An archive is refused as a whole, with everything unpacked so far removed, when it holds links or devices, names
that leave its folder, or more than the limits allow. Declared sizes are not believed: bytes are counted as they
come. What is written has our own permissions and dates. The work is done in a folder beside the target, which is
renamed when all of it is there.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from angen.catalogue.archives import DAMAGED, deb_data, decompressed, is_clutter, safe_member
from angen.errors import DamagedArchiveError, DownloadStoppedError, UnsafeArchiveError
from angen.progress import Progress, ProgressCallback, no_progress

__all__ = ["Limits", "Unpacked", "unpack"]

_BLOCK_BYTES = 1 << 20
_HEADER_BYTES = 8 << 20
_LONGEST_PART_BYTES = 255


@dataclass(frozen=True)
class Limits:
    """How much an archive may hold before it counts as a bomb.

    Attributes:
        bytes: In all, unpacked.
        files: How many.
        ratio: Unpacked to packed bytes, looked at above `ratio_from_bytes`. Sound and MIDI stay below 20.
        ratio_from_bytes: Less than this harms nobody.
    """

    bytes: int = 200_000_000_000
    files: int = 2_000_000
    ratio: float = 100.0
    ratio_from_bytes: int = 100_000_000


@dataclass(frozen=True)
class Unpacked:
    """What came out of an archive.

    Attributes:
        files: Number of files written.
        bytes: Their size together.
        passed_over: Members that were not wanted.
        unwritable: Names too long for this disk, which were left out.
    """

    files: int
    bytes: int
    passed_over: int
    unwritable: tuple[str, ...] = ()


def unpack(
    archive: Path,
    folder: Path,
    *,
    kind: str,
    wanted: Callable[[str], bool] = lambda _: True,
    limits: Limits | None = None,
    on_progress: ProgressCallback = no_progress,
    should_stop: Callable[[], bool] = lambda: False,
) -> Unpacked:
    """Unpack an archive into a new folder, whole or not at all.

    Args:
        archive: The file.
        folder: Where its content goes; it takes the place of one that is there.
        kind: "zip", "tar.gz", "tar.xz", "tar" or "deb".
        wanted: Which members, by their path in the archive.
        limits: Beyond them the archive is refused.
        on_progress: Told of packed bytes read ("unpacking").
        should_stop: Asked between members and pieces.

    Raises:
        UnsafeArchiveError: If it holds what could do harm. Nothing of it stays.
        DamagedArchiveError: If it cannot be read to its end.
        DownloadStoppedError: If it was asked to stop.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".unpacking-{os.getpid()}-{secrets.token_hex(4)}")
    temporary.mkdir()
    work = _Work(archive, temporary, wanted, limits or Limits(), on_progress, should_stop)
    work.passes_over_links = (
        kind == "deb"
    )  # a package of a distribution has them by custom; none is ever made
    try:
        _unpack_kind(work, kind)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    except DAMAGED as error:
        raise DamagedArchiveError(
            f"{str(archive)!r} is damaged: {error}.",
            remedy="Delete it and download it again, or give another copy with --from.",
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Unpacked(work.files, work.written, work.passed_over, tuple(work.unwritable))


def _unpack_kind(work: _Work, kind: str) -> None:
    if kind == "zip":
        _unpack_zip(work)
    elif kind == "deb":
        with deb_data(work.archive) as (data, compression):
            _unpack_tar(work, data, compression)
    elif kind in ("tar.gz", "tar.xz", "tar"):
        with work.archive.open("rb") as packed:
            _unpack_tar(work, packed, kind.removeprefix("tar").removeprefix("."))
    else:
        raise ValueError(f"an archive is zip, tar, tar.gz, tar.xz or deb, not {kind!r}")


@dataclass
class _Work:
    """One archive on its way, with what has come out of it so far."""

    archive: Path
    folder: Path
    wanted: Callable[[str], bool]
    limits: Limits
    on_progress: ProgressCallback
    should_stop: Callable[[], bool]
    files: int = 0
    written: int = 0
    passed_over: int = 0
    passes_over_links: bool = False

    def __post_init__(self) -> None:
        self.packed = self.archive.stat().st_size
        self.unwritable: list[str] = []

    def unsafe(self, why: str) -> UnsafeArchiveError:
        """The error that refuses this archive."""
        return UnsafeArchiveError(
            f"{str(self.archive)!r} is refused: {why}.",
            remedy="Get the archive from the place its makers name.",
        )

    def declare(self, size: int) -> None:
        """Refuse at once what says itself that it is too much."""
        if self.files >= self.limits.files:
            raise self.unsafe(f"it holds more than {self.limits.files} files")
        self.count(size, self.written)

    def count(self, more: int, so_far: int) -> None:
        """Refuse when the bytes that came are too many."""
        total = so_far + more
        is_swollen = total > self.limits.ratio_from_bytes and total > self.limits.ratio * self.packed
        if total > self.limits.bytes or is_swollen:
            raise self.unsafe(f"{self.packed} bytes would become {total} or more, which is a bomb")

    def write(self, path: Path, source: IO[bytes], position: Callable[[], int]) -> None:
        """Write a member, counting."""
        self.files += 1
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as target:
            while block := source.read(_BLOCK_BYTES):
                if self.should_stop():
                    raise DownloadStoppedError(
                        f"Stopped while {self.archive.name!r} was unpacked.",
                        remedy="The archive is kept: the same command unpacks it.",
                    )
                self.count(len(block), self.written)
                self.written += len(block)
                target.write(block)
                self.on_progress(Progress("unpacking", position(), self.packed, path.name))


def _target(work: _Work, name: str, *, is_folder: bool) -> Path | None:
    """Where a member goes; None for one that is not to be written."""
    parts = safe_member(name)
    if parts is None:
        raise work.unsafe(f"the name {name[:100]!r} leaves its folder")
    if not parts or is_folder:
        return None
    if is_clutter(parts) or not work.wanted("/".join(parts)):
        work.passed_over += 1
        return None
    if any(len(os.fsencode(part)) > _LONGEST_PART_BYTES for part in parts):
        work.unwritable.append("/".join(parts))
        return None
    path = work.folder.joinpath(*parts)
    if path.is_dir() or any(parent.is_file() for parent in path.parents):
        raise work.unsafe(f"{name[:100]!r} is both a file and a folder in it")
    return path


def _unpack_zip(work: _Work) -> None:
    with zipfile.ZipFile(work.archive) as archive:
        members = archive.infolist()
        if sum(member.compress_size for member in members) > work.packed:
            raise work.unsafe("its members overlap, which is a bomb")
        for member in members:
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise work.unsafe(f"{member.filename[:100]!r} is a link or a device")
            path = _target(work, member.filename, is_folder=member.is_dir())
            if path is None:
                continue
            work.declare(member.file_size)
            try:
                with archive.open(member) as source:
                    work.write(path, source, lambda: archive.fp.tell() if archive.fp else 0)
            except (RuntimeError, NotImplementedError) as error:  # encrypted; an unknown compression
                raise DamagedArchiveError(
                    f"{str(work.archive)!r}: {member.filename!r} cannot be read: {error}.",
                    remedy="Unpack it by another program and pack it again as a plain zip.",
                ) from error


def _unpack_tar(work: _Work, packed: IO[bytes], compression: str) -> None:
    """Read a tar from its start to its end, once."""
    with decompressed(packed, compression) as plain:
        metered = _Metered(plain, work)
        with tarfile.open(fileobj=cast("IO[bytes]", metered), mode="r|") as archive:
            for member in archive:
                is_link = member.issym() or member.islnk()
                if is_link and work.passes_over_links:
                    work.passed_over += 1
                    continue
                if not (member.isreg() or member.isdir()):
                    raise work.unsafe(f"{member.name[:100]!r} is a link or a device")
                path = _target(work, member.name, is_folder=member.isdir())
                metered.allow(member.size)
                if path is None:
                    continue
                work.declare(member.size)
                source = archive.extractfile(member)
                assert source is not None, "a regular file has content"
                work.write(path, source, packed.tell)
        while metered.read(_BLOCK_BYTES):  # the checksum of gzip and xz stands at the very end
            pass


class _Metered:
    """A stream that gives no more than was allowed, so that a header without end cannot fill the memory."""

    def __init__(self, plain: Any, work: _Work) -> None:
        self._plain, self._work = plain, work
        self._left = _HEADER_BYTES
        self._read = 0

    def allow(self, size: int) -> None:
        """Let a member of `size` bytes pass, and the headers after it."""
        self._left = size + _HEADER_BYTES

    def read(self, size: int) -> bytes:
        """Up to `size` bytes."""
        block: bytes = self._plain.read(size)
        self._left -= len(block)
        self._work.count(len(block), self._read)  # what is passed over costs time, too
        self._read += len(block)
        if self._left < 0:
            raise self._work.unsafe("its headers are too long")
        return block

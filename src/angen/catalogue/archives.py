"""Reading the formats of archives: what is in them, and which names are plain paths."""

from __future__ import annotations

import gzip
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from angen.errors import DamagedArchiveError, DownloadStoppedError

__all__ = ["DAMAGED", "deb_data", "decompressed", "is_clutter", "list_members", "safe_member"]

DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, EOFError)


def list_members(
    archive: Path, kind: str, *, should_stop: Callable[[], bool] = lambda: False
) -> dict[str, int]:
    """The files in an archive and their sizes as it declares them. A packed tar has to be read to its end.

    Raises:
        DamagedArchiveError: If it cannot be read.
    """
    try:
        if kind == "zip":
            with zipfile.ZipFile(archive) as packed:
                members = [(each.filename, each.file_size) for each in packed.infolist() if not each.is_dir()]
        else:
            with tarfile.open(archive, mode="r|*") as tar:
                members = []
                for each in tar:
                    if should_stop():
                        raise DownloadStoppedError(f"Stopped while {archive.name!r} was listed.")
                    members += [(each.name, each.size)] if each.isreg() else []
    except DAMAGED as error:
        raise DamagedArchiveError(
            f"{str(archive)!r} is damaged: {error}.",
            remedy="Delete it and download it again, or give another copy with --from.",
        ) from error
    named = ((safe_member(name), size) for name, size in members)
    return {"/".join(parts): size for parts, size in named if parts and not is_clutter(parts)}


def safe_member(name: str) -> tuple[str, ...] | None:
    r"""The parts of a member's path, or None if it is not a plain path inside the archive's folder.

    Example:
        >>> safe_member("a/./b.wav"), safe_member("../b"), safe_member("/etc/passwd"), safe_member("a\\b")
        (('a', 'b.wav'), None, None, None)
    """
    if "\\" in name or "\0" in name or name.startswith("/") or name[1:2] == ":":
        return None
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    return None if ".." in parts else parts


def is_clutter(parts: tuple[str, ...]) -> bool:
    """Whether a member is what a desktop leaves in archives."""
    return "__MACOSX" in parts or parts[-1] == ".DS_Store" or parts[-1].startswith("._")


@contextmanager
def decompressed(packed: IO[bytes], compression: str) -> Iterator[Any]:
    """The plain stream behind "", "gz" or "xz"."""
    if compression == "":
        yield packed
    elif compression == "gz":
        with gzip.GzipFile(fileobj=packed, mode="rb") as plain:
            yield plain
    elif compression == "xz":
        with lzma.LZMAFile(packed) as plain_xz:
            yield plain_xz
    else:
        raise tarfile.ReadError(f"its compression {compression!r} is not known here")


@contextmanager
def deb_data(archive: Path) -> Iterator[tuple[IO[bytes], str]]:
    """The `data.tar` of a Debian package, which is an `ar` archive (deb(5)), and its compression."""
    with archive.open("rb") as packed:
        if packed.read(8) != b"!<arch>\n":
            raise tarfile.ReadError("it is no Debian package")
        while len(header := packed.read(60)) == 60:
            name = header[:16].decode("ascii", "replace").strip().rstrip("/")
            size = int(header[48:58]) if header[48:58].strip().isdigit() else -1
            if size < 0 or header[58:] != b"`\n":
                break
            if name.startswith("data.tar"):
                yield packed, name.removeprefix("data.tar").removeprefix(".")
                return
            packed.seek(size + size % 2, os.SEEK_CUR)
    raise tarfile.ReadError("the package holds no data")

"""Whether a file is the one it should be: its size and its hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from angen.errors import DownloadStoppedError, WrongFileError
from angen.files import content_hash
from angen.progress import Progress, ProgressCallback, no_progress

__all__ = ["Expected", "Fetched", "stopped_file", "verify_file", "wrong_file"]

_CHUNK_BYTES = 1 << 18


@dataclass(frozen=True)
class Expected:
    """What a file has to be. What is None is not known and not compared.

    Attributes:
        size: Bytes.
        sha256: In hexadecimal, as are the others.
        sha1: Compared too where it is known.
        md5: Compared too where it is known.
    """

    size: int | None = None
    sha256: str | None = None
    sha1: str | None = None
    md5: str | None = None

    @property
    def hashes(self) -> dict[str, str]:
        """The known hashes, by algorithm."""
        each = {"sha256": self.sha256, "sha1": self.sha1, "md5": self.md5}
        return {name: value.lower() for name, value in each.items() if value}


@dataclass(frozen=True)
class Fetched:
    """A file that was fetched and is the right one.

    Attributes:
        path: Where it is.
        size: Bytes.
        sha256: Its hash, which is worth keeping where none was known before.
        url: Where it came from in the end.
        is_verified: Whether a hash was known and is the same.
    """

    path: Path
    size: int
    sha256: str
    url: str
    is_verified: bool


def verify_file(
    path: Path,
    expected: Expected,
    *,
    url: str = "",
    on_progress: ProgressCallback = no_progress,
    should_stop: Callable[[], bool] = lambda: False,
) -> Fetched:
    """Compare a file's size and hashes with what is expected.

    Raises:
        WrongFileError: If one differs; says both.
    """
    size = path.stat().st_size
    if expected.size is not None and size != expected.size:
        raise wrong_file(url or str(path), f"{size} bytes", f"{expected.size}")
    seen = _hashes(path, {"sha256", *expected.hashes}, on_progress, should_stop)
    for name, value in expected.hashes.items():
        if seen[name] != value:
            raise wrong_file(url or str(path), f"{name} {seen[name]}", value)
    return Fetched(path, size, seen["sha256"], url, bool(expected.hashes))


def wrong_file(what: str, given: str, expected: str) -> WrongFileError:
    """The error for a file that is another one."""
    return WrongFileError(
        f"{what!r} is not the file it should be: {given}, expected {expected}.",
        remedy="The host may have changed it. Fetch it from elsewhere (--mirror) or by hand (--from); a file of "
        "another hash is never used.",
    )


def _hashes(
    path: Path, names: set[str], on_progress: ProgressCallback, should_stop: Callable[[], bool]
) -> dict[str, str]:
    size = path.stat().st_size
    if size < _CHUNK_BYTES and names == {"sha256"}:
        return {"sha256": content_hash(path)}
    each = {name: hashlib.new(name, usedforsecurity=False) for name in names}
    done = 0
    with path.open("rb") as handle:
        while block := handle.read(4 * _CHUNK_BYTES):
            if should_stop():
                raise stopped_file(path)
            for digest in each.values():
                digest.update(block)
            done += len(block)
            on_progress(Progress("verifying", done, size, path.name.removesuffix(".part")))
    return {name: digest.hexdigest() for name, digest in each.items()}


def stopped_file(target: Path) -> DownloadStoppedError:
    """The error for a file whose way was interrupted."""
    return DownloadStoppedError(
        f"Stopped before {target.name.removesuffix('.part')!r} was whole.",
        remedy="What came so far is kept: the same command goes on from there.",
    )

"""Files and folders that appear whole or not at all, and never in another's place unless asked."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from angen.errors import ExportError
from angen.files import atomic_path, safe_name


@contextmanager
def export_errors(path: Path) -> Iterator[None]:
    """Turn what the system refuses while `path` is written into an `ExportError`."""
    try:
        yield
    except (OSError, ValueError) as error:  # a zero byte in a name is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise ExportError(
            f"{str(path)!r} cannot be written: {reason}.",
            remedy="Check the name, the folder's permissions and the space on the disk.",
        ) from error


def check_free(path: Path, *, overwrite: bool) -> None:
    """Refuse a place that is taken.

    Raises:
        ExportError: If something stands at `path` and may not, or cannot, be replaced.
    """
    with export_errors(path):
        is_taken, is_folder = os.path.lexists(path), path.is_dir()
    if is_taken and (is_folder or not overwrite):
        what = "is a folder" if is_folder else "exists already"
        raise ExportError(
            f"{str(path)!r} {what}.", remedy="Choose another place, or allow --overwrite for files."
        )


def write_bytes(path: Path, data: bytes, *, overwrite: bool = False) -> None:
    """Write a file atomically.

    Raises:
        ExportError: If the place is taken and `overwrite` is not set, or the system refuses. What stood there
            is untouched then.
    """
    check_free(path, overwrite=overwrite)
    with export_errors(path), atomic_path(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def staged_folder(folder: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A hidden folder beside `folder` that takes its name once the block ends well.

    Where `folder` exists and `overwrite` is set, its files of the same names are replaced one by one, and all
    others stay.

    Raises:
        ExportError: If `folder` exists and `overwrite` is not set, or the system refuses.
    """
    with export_errors(folder):
        is_taken = os.path.lexists(folder)
    if is_taken and not (overwrite and folder.is_dir()):
        raise ExportError(
            f"{str(folder)!r} exists already.", remedy="Choose another name, or allow --overwrite."
        )
    staging = folder.with_name(f".{secrets.token_hex(4)}.part")
    try:
        with export_errors(folder):
            staging.mkdir(parents=True)
        yield staging
        with export_errors(folder):
            if not is_taken:
                staging.replace(folder)
            else:
                for entry in sorted(staging.iterdir()):
                    entry.replace(folder / entry.name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def file_stem(text: str, *, fallback: str = "untitled") -> str:
    """A name from any text that leaves room for a number and a suffix within 255 bytes."""
    return safe_name(text, fallback=fallback).encode()[:200].decode("utf-8", "ignore")

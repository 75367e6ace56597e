"""Whole or not at all: hidden names while something is written, one rename when it is done.

A hidden name carries the process that writes it: `.best.4711.1a2b3c4d.part`. So what a killed process left can be
told from what a living one is writing, and is removed at the next start.
"""

from __future__ import annotations

import ctypes
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, flock
from functools import cache
from pathlib import Path
from typing import Any

_LEFT_OVER = re.compile(r"\.(?P<name>.+)\.(?P<process>\d+)\.[0-9a-f]{8}\.(?P<kind>part|old)(\.\w+)?")
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of fcntl.h and linux/fs.h


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary name in the same folder, renamed to `path` once the block ends well.

    The suffix is kept, since sound libraries choose a format by it. On an exception the temporary file is
    removed and whatever stood at `path` before is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    stem = os.fsencode(path.stem)[:100].decode(errors="ignore")  # a name may have 255 bytes in all
    temporary = _hidden(path.with_name(stem), "part", path.suffix)
    try:
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A hidden folder beside `target` that takes its place once the block ends well, its files on the disk.

    Where the system can exchange two names at once (Linux), `target` is there at every moment. Elsewhere it is
    away between two renames, and `remove_left_overs` brings it back if the process ends in between.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _hidden(target, "part")
    temporary.mkdir()
    try:
        yield temporary
        for path in temporary.rglob("*"):
            if path.is_file():
                _sync(path)
        if not target.exists():
            temporary.rename(target)
        elif not _exchange(temporary, target):
            _swap(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for a change of its files: another process or thread that wants it waits, so none is lost."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as handle:
        flock(handle, LOCK_EX)
        yield


def remove_folder(folder: Path) -> None:
    """Remove a folder so that nobody sees half of it, even if the process ends meanwhile."""
    hidden = _hidden(folder, "part")
    folder.rename(hidden)
    shutil.rmtree(hidden)


def remove_left_overs(folder: Path) -> list[str]:
    """Remove what killed processes left half-written in `folder`; what they moved aside comes back.

    Args:
        folder: Its own entries are looked at, not those of folders in it. It need not exist.

    Returns:
        The names that are gone. What a living process is writing stays.
    """
    gone = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        found = _LEFT_OVER.fullmatch(path.name)
        if found is None or _is_others(int(found["process"])):
            continue
        target = path.with_name(found["name"])
        if found["kind"] == "old" and not target.exists():
            path.rename(target)
        elif path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
        gone.append(path.name)
    return gone


def _is_others(process: int) -> bool:
    """Whether a left-over may belong to a process at work; this one cleans before it writes."""
    return process != os.getpid() and is_running(process)


def is_running(process: int) -> bool:
    """Whether a process of this number runs on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _hidden(path: Path, kind: str, suffix: str = "") -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.{kind}{suffix}")


def _sync(path: Path) -> None:
    with path.open("rb+") as handle:
        os.fsync(handle.fileno())


def _swap(new: Path, target: Path) -> None:
    """Two renames; if the second fails, the first is taken back."""
    old = _hidden(target, "old")
    target.rename(old)
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old)


@cache
def _renameat2() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    with suppress(OSError, AttributeError):
        return ctypes.CDLL(None, use_errno=True).renameat2
    return None


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step; False where system or disk cannot."""
    rename = _renameat2()
    names = os.fsencode(one), os.fsencode(other)
    return rename is not None and rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0

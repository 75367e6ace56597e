"""Locks that last as long as their process, so that nothing in use is taken away.

The lock is the system's own (flock): it ends with its process, however that ends, so none is ever stale. The file
says who holds it, for the message: a line of pid, start time of the process, purpose and time each.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from angen.errors import AngenError

__all__ = ["Holder", "holders_of", "is_locked", "locked", "process_started", "who_holds"]


@dataclass(frozen=True)
class Holder:
    """A process that holds something.

    Attributes:
        pid: Its number.
        started: When it began, in clock ticks of the machine; None where the system does not tell.
        purpose: What it does, as "training".
        since: ISO time at which it took the lock.
    """

    pid: int
    started: int | None
    purpose: str
    since: str

    @property
    def is_alive(self) -> bool:
        """Whether that very process still runs; a later one of the same number does not count."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # it is somebody else's, and there
        return process_started(self.pid) == self.started


def process_started(pid: int) -> int | None:
    """When a process began, in clock ticks since the machine did; None if the system does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        return int(stat.rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


@contextmanager
def locked(
    path: Path, purpose: str, refusal: Callable[[list[Holder]], AngenError], *, alone: bool = False
) -> Iterator[None]:
    """Hold a lock while the block runs.

    Args:
        path: The lock's file; it and its folders are made, and removed again by the last who holds it.
        purpose: What for, in words; shown to those who are refused.
        refusal: The error to raise, made of those who hold it.
        alone: Whether nobody else may hold it meanwhile.

    Raises:
        AngenError: The refusal, at once, if others hold it and `alone` is asked for, or one of them holds it alone.
    """
    made = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = _taken(path, alone=alone)
    except BlockingIOError as problem:
        raise refusal(holders_of(path)) from problem
    try:
        mine = Holder(os.getpid(), process_started(os.getpid()), purpose, _now())
        os.write(handle, (json.dumps(mine.__dict__) + "\n").encode())
        yield
    finally:
        _release(handle, path, made)


def holders_of(path: Path) -> list[Holder]:
    """The living processes that have said they hold a lock."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
    found = []
    for line in lines:
        with suppress(ValueError, TypeError):
            found.append(Holder(**json.loads(line)))
    return [holder for holder in found if holder.is_alive]


def who_holds(by: list[Holder]) -> str:
    """The holders of a lock in words: "training, process 17, since …"."""
    told = "; ".join(f"{holder.purpose}, process {holder.pid}, since {holder.since}" for holder in by)
    return told or "by another process"


def is_locked(path: Path) -> bool:
    """Whether anybody holds a lock now."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _taken(path: Path, *, alone: bool) -> int:
    """An open lock file; whoever released it before may have removed it, so it is opened until it is the one."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            if os.fstat(handle).st_ino == os.stat(path).st_ino:  # noqa: PTH116
                return handle
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _release(handle: int, path: Path, made: list[Path]) -> None:
    """Give a lock back; the last one removes the file and whatever empty folders it was made in."""
    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
        for folder in dict.fromkeys((path.parent, *made)):
            folder.rmdir()
    os.close(handle)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

"""Who is using an adapter: locks that last as long as their process, so that nothing in use is taken away.

    models/loras/.in-use/<name>.use     shared by all who read it or train it; alone to those who move it
                         <name>.train   alone to the one run that trains it

The lock is the system's own (flock): it ends with its process, however that ends, so none is ever stale. The file
says who holds it, for the message: a line of pid, start time of the process, purpose and time each.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from angen.adapters.catalogue import METADATA, AdapterInfo, adapter_folder
from angen.errors import AdapterError

IN_USE = ".in-use"
Lock = Literal["use", "train"]


@dataclass(frozen=True)
class Holder:
    """A process that uses an adapter.

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
def held(root: Path, name: str, purpose: str, *, alone: bool = False, lock: Lock = "use") -> Iterator[None]:
    """Hold an adapter while the block runs.

    Args:
        root: The folder of all adapters.
        name: Of the adapter, which need not exist yet.
        purpose: What for, in words; shown to those who are refused.
        alone: Whether nobody else may hold it meanwhile.
        lock: Which of its two locks.

    Raises:
        AdapterError: At once, if others hold it and `alone` is asked for, or one of them holds it alone.
    """
    path = root / IN_USE / f"{adapter_folder(root, name).name}.{lock}"
    made = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = _locked(path, alone=alone)
    except BlockingIOError as problem:
        raise _refusal(name, holders(root, name, lock)) from problem
    try:
        mine = Holder(os.getpid(), process_started(os.getpid()), purpose, _now())
        os.write(handle, (json.dumps(mine.__dict__) + "\n").encode())
        yield
    finally:
        _release(handle, path, made)


def holders(root: Path, name: str, lock: Lock = "use") -> list[Holder]:
    """The living processes that have said they use an adapter."""
    try:
        lines = (root / IN_USE / f"{name}.{lock}").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
    found = []
    for line in lines:
        with suppress(ValueError, TypeError):
            found.append(Holder(**json.loads(line)))
    return [holder for holder in found if holder.is_alive]


def is_used(root: Path, name: str, lock: Lock = "use") -> bool:
    """Whether anybody holds an adapter now, or trains it."""
    try:
        handle = os.open(root / IN_USE / f"{name}.{lock}", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def state_now(root: Path, info: AdapterInfo) -> str:
    """`finished`, `training`, or `interrupted`: it has not ended, and no living process trains it."""
    is_left = info.state == "training" and not is_used(root, info.name, "train")
    return "interrupted" if is_left else info.state


@contextmanager
def held_for_training(root: Path, name: str, *, anew: bool) -> Iterator[None]:
    """Hold an adapter for a run: no second run, no deletion; generation with its `best/` may go on.

    Args:
        root: The folder of all adapters.
        name: Of the adapter.
        anew: Whether a former run of this name is to be cleared away; then nobody may use it at the start.

    Raises:
        AdapterError: If it is in use so.
    """
    with held(root, name, "training", alone=True, lock="train"), ExitStack() as use:
        if anew:
            with held(root, name, "training", alone=True):
                pass
        use.enter_context(held(root, name, "training"))
        yield


@contextmanager
def held_folder(folder: Path, purpose: str) -> Iterator[None]:
    """Hold the adapter that a `best/`, `final/` or checkpoint folder belongs to; nothing for a loose folder."""
    owner = next((parent for parent in folder.absolute().parents[:2] if (parent / METADATA).is_file()), None)
    with ExitStack() as use:
        if owner is not None and os.access(owner.parent, os.W_OK):
            use.enter_context(held(owner.parent, owner.name, purpose))
        yield


def lock_kind(suffix: str) -> Lock:
    """Which lock a file of `.in-use/` is, by its suffix."""
    return "train" if suffix == "train" else "use"


def _locked(path: Path, *, alone: bool) -> int:
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


def _refusal(name: str, by: list[Holder]) -> AdapterError:
    who = "; ".join(f"{holder.purpose}, process {holder.pid}, since {holder.since}" for holder in by)
    return AdapterError(
        f"Adapter {name!r} is in use ({who or 'by another process'}).",
        remedy="Wait until that has ended, or stop it.",
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

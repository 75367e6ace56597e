"""Where workers run: on this machine, as processes of their own.

`JobBackend` is all that the supervisor asks of a place; a cluster's jobs fit behind it too, with a name of theirs as
the mark. A local worker leads its own session and process group, so that it outlives whoever started it and can be
ended with all it started itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from angen.jobs.records import Job, Worker

__all__ = ["JobBackend", "LocalBackend", "WorkerStatus", "mark_of", "start_apart"]


@dataclass(frozen=True)
class WorkerStatus:
    """Whether a worker is there.

    Attributes:
        is_alive: Whether this very process lives; another of its number does not count, nor does a dead one that
            nobody has buried.
        exit_code: How it ended, negative for a signal; None while it lives, and where nobody saw it.
        is_own: Whether this process started it.
    """

    is_alive: bool
    exit_code: int | None = None
    is_own: bool = False


class JobBackend(Protocol):
    """A place that workers run at."""

    def start(self, home: Path, job: Job) -> Worker:
        """Start a worker for a claimed job.

        Raises:
            OSError: If it cannot be started.
        """

    def poll(self, worker: Worker) -> WorkerStatus:
        """Look after a worker."""

    def kill(self, worker: Worker, number: signal.Signals) -> None:
        """Send a signal to a worker and all it started; nothing happens if it is gone."""

    def bury(self, home: Path, held: Collection[Worker]) -> None:
        """Let go of a workspace's workers that are dead; how those of `held` ended is still to be asked."""


_children: dict[int, tuple[Path, subprocess.Popen[bytes]]] = {}
"""Of this process, whoever started them, and for which workspace: each is buried when it is polled."""
_guard = threading.Lock()


class LocalBackend:
    """Processes of this machine.

    Args:
        kinds: Module whose `KINDS` the workers know; None for the studio's.
    """

    def __init__(self, kinds: str | None = None) -> None:
        self.kinds = kinds

    def start(self, home: Path, job: Job) -> Worker:
        """Start `python -m angen.jobs.worker`, with its words in the job's log."""
        words = ["-m", "angen.jobs.worker", str(home), job.id, str(job.attempt)]
        pid = start_apart([*words, *(["--kinds", self.kinds] if self.kinds else [])], Path(job.log), home)
        return Worker(pid, mark_of(pid) or "ended at once")

    def poll(self, worker: Worker) -> WorkerStatus:
        """Whether it lives, by its number and by when it began."""
        with _guard:
            child = _children[worker.pid][1] if worker.pid in _children else None
            mark = mark_of(worker.pid)
            code = None if child is None else child.poll()  # after the look: it may have ended in between
            if code is not None:
                del _children[worker.pid]
                return WorkerStatus(False, code, is_own=True)
        is_ending = child is not None and mark is None  # its first thread is gone, others are still at it
        return WorkerStatus(mark == worker.mark or is_ending, None, is_own=child is not None)

    def kill(self, worker: Worker, number: signal.Signals) -> None:
        """Signal the group, unless its number belongs to another process by now."""
        if mark_of(worker.pid) not in (worker.mark, None):
            return
        try:
            os.killpg(worker.pid, number)
        except (ProcessLookupError, PermissionError):
            return

    def bury(self, home: Path, held: Collection[Worker]) -> None:
        """Wait for dead children, so that none stays as a zombie; those of other workspaces are not ours to forget."""
        kept = {worker.pid for worker in held}
        with _guard:
            for pid, (whose, child) in list(_children.items()):
                if whose == home and pid not in kept and child.poll() is not None:
                    del _children[pid]


def start_apart(words: Sequence[str], log: Path, home: Path) -> int:
    """Start Python in a session of its own, with nothing to read and its output at the end of `log`; its pid."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            [sys.executable, "-P", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=home,
            start_new_session=True,
        )
    with _guard:
        _children[child.pid] = home, child
    return child.pid


def mark_of(pid: int) -> str | None:
    """What tells a living process from all others of its number; None where there is none.

    On Linux the time it began, in ticks since the machine did, and that machine's boot; elsewhere what `ps` says.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None if Path("/proc/self/stat").exists() else _mark_by_ps(pid)
    fields = text.rpartition(")")[2].split()  # a process may be called ") 1 2"
    if fields[0] in "ZX":
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    return f"{boot}:{fields[19]}"


def _mark_by_ps(pid: int) -> str | None:
    words = ["ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)]
    state, _, began = (
        subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip().partition(" ")
    )
    return None if not began or state.startswith("Z") else began.strip()

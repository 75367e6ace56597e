"""A process that does one attempt of one job: `python -m angen.jobs.worker HOME JOB ATTEMPT [--kinds MODULE]`.

A thread of its own writes twice a second that it lives, how far it is and what happened, and reads what is asked of
it. The main thread works, and finds out at its next progress or step. Exit codes: 0 for a job that is done, or
stopped as asked; 1 for one that failed, with the reason in the database; 3 where another attempt has the job; 4 where
the end could not be written.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from angen.errors import AngenError, JobStoreError
from angen.jobs import attempts
from angen.jobs.backend import mark_of
from angen.jobs.kinds import Kinds, Stopped, open_store
from angen.jobs.records import Job, Worker
from angen.jobs.store import JobStore
from angen.progress import Eta, Progress
from angen.settings import Settings

__all__ = ["FAILED", "FENCED", "STUDIO", "UNRECORDED", "kinds_of", "main"]

FAILED, FENCED, UNRECORDED = 1, 3, 4
STUDIO = "angen.jobs.studio"
BEAT_S = 0.5
SHOWN_EVERY_S = 1.0
ASLEEP_S = 5.0
_PATIENCE_S = 60.0


def kinds_of(module: str | None) -> Kinds:
    """The kinds of a module, the studio's without one."""
    found: Kinds = importlib.import_module(module or STUDIO).KINDS
    return found


class Attempt:
    """The worker's side of the database; a `Context` for what it runs."""

    def __init__(self, store: JobStore, job: Job) -> None:
        self.store, self.job = store, job
        self.is_terminated = False
        self._wish = ""
        self._lock = threading.Lock()
        self._beating = threading.Lock()
        self._progress: Progress | None = None
        self._eta = Eta()
        self._eta_s: float | None = None
        self._shown_s, self._shown_stage = 0.0, ""
        self._events: list[tuple[str, dict[str, Any]]] = []
        self._checkpoint: str | None = None
        self._over = threading.Event()
        self._beat_s = time.monotonic()
        self._thread = threading.Thread(target=self._beat_on, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Let the heart beat."""
        self._thread.start()

    def report(self, progress: Progress) -> None:
        """Show it, and stop here if that is asked."""
        self.show(progress)
        if self.should_stop():
            raise Stopped

    def show(self, progress: Progress) -> None:
        """Keep it for the next beat; an event at most once a second, and where a stage begins or ends."""
        self._wake()
        with self._lock:
            self._progress, self._eta_s = progress, self._eta.remaining_s(progress)
            now = time.monotonic()
            is_end = 0 < progress.total <= progress.done
            if is_end or progress.stage != self._shown_stage or now - self._shown_s >= SHOWN_EVERY_S:
                self._shown_s, self._shown_stage = now, progress.stage
                self._events.append(("progress", {**_as_data(progress), "eta_s": self._eta_s}))

    def should_stop(self) -> bool:
        """Whether the database, or a signal, says so."""
        self._wake()
        return self.is_asked

    @property
    def is_asked(self) -> bool:
        """Whether it was asked to stop, as far as the last beat knows."""
        return self.is_terminated or self._wish in ("cancelling", "pausing")

    def event(self, kind: str, data: dict[str, Any]) -> None:
        """Keep it for the next beat."""
        with self._lock:
            self._events.append((kind, data))

    def checkpointed(self, note: str) -> None:
        """Keep it for the next beat."""
        with self._lock:
            self._checkpoint = note
            self._events.append(("checkpoint", {"note": note}))

    def end(self) -> None:
        """Stop beating, and write what is left; patiently, since what comes next is the job's end."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        patiently(self.beat)

    def beat(self) -> None:
        """Write what has gathered, and read what is asked."""
        with self._beating:
            with self._lock:
                progress, eta_s, self._progress = self._progress, self._eta_s, None
                events, self._events = self._events, []
                checkpoint, self._checkpoint = self._checkpoint, None
            try:
                job = (self.job.id, self.job.attempt)
                self._wish = attempts.beat(self.store, *job, progress, eta_s, events, checkpoint)
                self._beat_s = time.monotonic()
            except JobStoreError:
                with self._lock:  # kept for the next beat
                    self._events[:0] = events
                    self._progress, self._checkpoint = (
                        self._progress or progress,
                        self._checkpoint or checkpoint,
                    )
                raise

    def _wake(self) -> None:
        """After a long silence this process was frozen: ask whether the job is still its own, before it writes."""
        if time.monotonic() - self._beat_s > ASLEEP_S and not self._over.is_set():
            try:
                self.beat()
            except attempts.Fenced:
                _leave("another attempt has the job")
            except JobStoreError as error:
                print(error, flush=True)  # noqa: T201 - the log
                self._beat_s = time.monotonic()

    def _beat_on(self) -> None:
        while not self._over.wait(BEAT_S):
            try:
                self.beat()
            except attempts.Fenced:
                _leave("another attempt has the job")
            except (
                JobStoreError
            ) as error:  # a full disk, a lock held too long: work goes on, the next beat may do
                print(error, flush=True)  # noqa: T201 - the log


def main(words: Sequence[str]) -> int:
    """Do one attempt; the exit code."""
    home, job_id, attempt, *rest = words
    settings = Settings(Path(home))
    store = open_store(settings)
    worker = Worker(os.getpid(), mark_of(os.getpid()) or "")
    try:
        job = patiently(attempts.begin, store, job_id, int(attempt), worker)
    except attempts.Fenced:
        return FENCED
    own = Attempt(store, job)
    signal.signal(signal.SIGTERM, lambda *_: _terminate(own))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for whoever follows
    own.start()
    try:
        return _work(settings, own, rest[1] if rest else None)
    except attempts.Fenced:
        return FENCED
    except JobStoreError as error:
        print(error, flush=True)  # noqa: T201 - the log
        return UNRECORDED


def _work(settings: Settings, own: Attempt, module: str | None) -> int:
    """Do the work and write how it ended."""
    store, job = own.store, (own.job.id, own.job.attempt)
    try:
        kind = kinds_of(module)[own.job.kind]
        result = kind.run(settings, kind.read(own.job.params), own)
    except Stopped:
        own.end()
        patiently(attempts.stop, store, *job, ended_by="SIGTERM" if own.is_terminated else "asked")
        return 0
    except Exception as error:  # noqa: BLE001 - the job runner: whatever it is, it ends the job and not the studio
        is_known = isinstance(error, AngenError)
        traceback.print_exc()
        own.end()
        record = error.as_dict() if isinstance(error, AngenError) else _unforeseen(error, own.job)
        patiently(attempts.fail, store, *job, record, is_final=is_known)
        return FAILED
    own.end()
    patiently(attempts.succeed, store, *job, result)
    return 0


def patiently(write: Any, *values: Any, **named: Any) -> Any:
    """Write, and again for a minute while the database refuses: what is written here is the end of long work.

    Raises:
        JobStoreError: If it still refuses then.
    """
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return write(*values, **named)
        except JobStoreError:
            if time.monotonic() > until:
                raise
            time.sleep(BEAT_S)


def _terminate(own: Attempt) -> None:
    """SIGTERM: stop with a checkpoint, as the machine goes down; at once where that was asked before in vain."""
    was_asked, own.is_terminated = own.is_asked, True
    if was_asked:
        raise Stopped


def _leave(reason: str) -> None:
    """End at once, with nothing more written."""
    print(f"Ended: {reason}.", flush=True)  # noqa: T201 - the log
    os._exit(FENCED)


def _unforeseen(error: Exception, job: Job) -> dict[str, str]:
    is_disk = isinstance(error, OSError)
    return {
        "type": "system" if is_disk else "internal",
        "message": f"{type(error).__name__}: {error}",
        "remedy": "Check the disk and its permissions, then retry the job."
        if is_disk
        else f"This is a fault of Angen, or too little memory. Please report it with {job.log}.",
    }


def _as_data(progress: Progress) -> dict[str, Any]:
    return {"stage": progress.stage, "done": progress.done, "total": progress.total, "note": progress.note}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

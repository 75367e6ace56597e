"""Who starts workers, and notices when one is dead, hung or asked to end.

One supervisor of a workspace is at work at a time: it holds a lock. It keeps nothing that is not in the database, so
that it may be killed at any moment; the next one adopts the workers it finds. It runs as a thread of a server
(`Supervisor`), or as a process of its own that `ensure_supervisor` starts and that ends when there is nothing to do:
`python -m angen.jobs.apart HOME [--kinds MODULE]`.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fcntl import LOCK_EX, LOCK_NB, flock

from angen.errors import AngenError
from angen.jobs import attempts
from angen.jobs.backend import JobBackend, LocalBackend, WorkerStatus, start_apart
from angen.jobs.kinds import open_store
from angen.jobs.records import ACTIVE, Job, Slot, Worker
from angen.jobs.store import LOGS, JobStore
from angen.settings import Settings

__all__ = ["Limits", "Supervisor", "ensure_supervisor", "is_supervised", "supervise"]

LOCK, LOG = "supervisor.lock", "supervisor.log"
_PRUNE_EVERY_S = 3600.0


@dataclass(frozen=True)
class Limits:
    """How much runs at once, and how long a supervisor waits for what.

    Attributes:
        accelerator_jobs: Jobs that train or generate at a time.
        light_jobs: Others at a time.
        tick_s: Between two looks.
        start_s: For a claimed job's worker to be there.
        stale_s: Without a heartbeat, until a worker counts as hung.
        cancel_s: After a wish to cancel, until SIGTERM.
        term_s: After SIGTERM, until SIGKILL.
        idle_s: Without work, until a supervisor of its own process ends.
    """

    accelerator_jobs: int = 1
    light_jobs: int = 2
    tick_s: float = 0.5
    start_s: float = 60.0
    stale_s: float = 30.0
    cancel_s: float = 60.0
    term_s: float = 5.0
    idle_s: float = 60.0

    def places(self) -> dict[Slot, int]:
        """Jobs at a time, by slot."""
        return {"accelerator": self.accelerator_jobs, "light": self.light_jobs}


@dataclass
class _Watch:
    """What was last seen of an attempt, and when it last changed, by a clock that only grows."""

    attempt: int
    since_s: float
    heartbeat: float | None = None
    beat_s: float = 0.0
    where: str = ""
    moved_s: float = 0.0
    asked_s: float | None = None
    term_s: float | None = None
    events: list[str] = field(default_factory=list)


class Supervisor:
    """Claims, starts, watches and reaps, in a thread.

    Args:
        settings: The workspace.
        limits: How much and how long.
        backend: Where workers run; None for this machine, with the studio's kinds.
    """

    def __init__(
        self, settings: Settings, limits: Limits | None = None, backend: JobBackend | None = None
    ) -> None:
        self.settings, self.limits = settings, limits or Limits()
        self.backend: JobBackend = backend or LocalBackend()
        self._watches: dict[str, _Watch] = {}
        self._ticked_s, self._pruned_s = time.monotonic(), time.monotonic()
        self._wake, self._over = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, as soon as no other supervisor is at work here.

        Raises:
            JobStoreError: If the database cannot be used.
        """
        open_store(self.settings).close()
        self._over.clear()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Leave; workers go on, and the next supervisor adopts them."""
        self._over.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def wake(self) -> None:
        """Look at once: a job was submitted or changed."""
        self._wake.set()

    def tick(self, store: JobStore) -> None:
        """Look once: first what became of the workers, then what can begin.

        Raises:
            JobStoreError: If the database refuses.
        """
        now = time.monotonic()
        if now - self._ticked_s > max(self.limits.stale_s / 2, 4 * self.limits.tick_s):
            self._watches.clear()  # it was frozen itself, perhaps with its workers: their silence proves nothing
        active = store.list(ACTIVE, limit=1000)
        self.backend.bury(self.settings.home, [job.worker for job in active if job.worker])
        for job in active:
            self._look_after(store, job)
        self._watches = {job.id: self._watches[job.id] for job in active if job.id in self._watches}
        for slot, places in self.limits.places().items():
            while (job := attempts.claim(store, slot, places)) is not None:  # type: ignore[assignment]
                self._begin(store, job)
        if now - self._pruned_s > _PRUNE_EVERY_S:
            self._pruned_s = now
            store.prune()
        self._ticked_s = time.monotonic()

    def _run(self) -> None:
        store = open_store(self.settings)
        try:
            while not self._over.is_set():
                with _alone(self.settings) as is_alone:
                    while is_alone and not self._over.is_set():
                        self._try_tick(store)
                        self._rest()
                self._rest()
        finally:
            store.close()

    def _try_tick(self, store: JobStore) -> None:
        try:
            self.tick(store)
        except AngenError as error:  # a full disk, a lock: the next look may do
            _say(str(error))
        except Exception:  # noqa: BLE001 - the job runner: one job's oddity must not end the care for the others
            _say(traceback.format_exc())

    def _rest(self) -> None:
        self._wake.wait(self.limits.tick_s)
        self._wake.clear()

    def _begin(self, store: JobStore, job: Job) -> None:
        """Start a worker for a job that was just claimed."""
        try:
            worker = self.backend.start(self.settings.home, job)
        except OSError as error:
            record = {
                "type": "worker",
                "message": f"No worker could be started: {error}.",
                "remedy": "Check memory, the limit of processes, and the disk; then retry the job.",
            }
            attempts.lose(store, job.id, job.attempt, record, ended_by="vanished", exit_code=None)
            return
        try:
            attempts.held(store, job.id, job.attempt, worker)
        except attempts.Fenced:  # it is done already
            self.backend.poll(worker)

    def _look_after(self, store: JobStore, job: Job) -> None:
        """What became of one job's worker."""
        now = time.monotonic()
        watch = self._watches.get(job.id)
        if watch is None or watch.attempt != job.attempt:
            watch = self._watches[job.id] = _Watch(job.attempt, now, beat_s=now, moved_s=now)
        if job.worker is None:
            if now - watch.since_s > self.limits.start_s:
                self._lose(store, job, "No worker began it.", "vanished", None)
            return
        status = self.backend.poll(job.worker)
        if not status.is_alive:
            self._bury(store, job, watch, status)
            return
        if job.heartbeat != watch.heartbeat:
            watch.heartbeat, watch.beat_s = job.heartbeat, now
        if job.where != watch.where or job.heartbeat is None:
            watch.where, watch.moved_s = job.where, now
        if job.state == "cancelling":
            self._press(job, job.worker, watch, now)
        elif now - watch.beat_s > max(
            self.limits.stale_s, self.limits.start_s if job.heartbeat is None else 0
        ):
            self._end(
                store, job, job.worker, f"Its worker gave no sign of life for {now - watch.beat_s:.0f} s."
            )
        elif now - watch.moved_s > job.stuck_s:
            self._end(store, job, job.worker, f"It made no progress for {now - watch.moved_s:.0f} s.")

    def _press(self, job: Job, worker: Worker, watch: _Watch, now: float) -> None:
        """A job that is to be cancelled: time for a checkpoint, then a signal, then the end."""
        if watch.asked_s is None:
            watch.asked_s = now
        if watch.term_s is None and now - watch.asked_s > self.limits.cancel_s:
            watch.term_s = now
            self.backend.kill(worker, signal.SIGTERM)
        elif watch.term_s is not None and now - watch.term_s > self.limits.term_s:
            watch.events.append("SIGKILL")
            self.backend.kill(worker, signal.SIGKILL)

    def _end(self, store: JobStore, job: Job, worker: Worker, reason: str) -> None:
        """End a worker that hangs, and only then let another go on: it must not write when it thaws."""
        self.backend.kill(worker, signal.SIGKILL)
        until = time.monotonic() + self.limits.term_s
        while (status := self.backend.poll(worker)).is_alive:
            if time.monotonic() > until:
                _say(f"The worker {worker.pid} of job {job.id} cannot be ended; waiting for it.")
                return
            time.sleep(0.02)
        self._lose(store, job, reason, "SIGKILL", status.exit_code)

    def _bury(self, store: JobStore, job: Job, watch: _Watch, status: WorkerStatus) -> None:
        """A worker is gone and did not say how its job ended."""
        assert job.worker is not None
        self.backend.kill(job.worker, signal.SIGKILL)  # what it started, if anything is left of it
        code = status.exit_code
        if watch.term_s is not None:
            how = "SIGKILL" if "SIGKILL" in watch.events else "SIGTERM"
            self._lose(store, job, "It was cancelled and did not stop by itself.", how, code)
            return
        reason = "Its worker is gone."
        if code == -signal.SIGKILL:
            reason = "Its worker was killed from outside. Out of memory?"
        elif code is not None and code < 0:
            reason = f"Its worker was ended by {signal.Signals(-code).name}."
        elif code is not None:
            reason = f"Its worker ended with exit code {code} and without a word."
        self._lose(store, job, reason, "vanished", code)

    def _lose(self, store: JobStore, job: Job, reason: str, how: str, code: int | None) -> None:
        remedy = f"Look into {job.log}, then: angen jobs retry {job.id}"
        record = {"type": "worker", "message": reason, "remedy": remedy}
        try:
            attempts.lose(store, job.id, job.attempt, record, ended_by=how, exit_code=code)
        except attempts.Fenced:  # it had ended well, between our look at the row and at the process
            return


@contextmanager
def _alone(settings: Settings) -> Iterator[bool]:
    """Whether this is the only supervisor of the workspace, until the block ends."""
    path = settings.home / LOGS / LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as handle:
        try:
            flock(handle, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def is_supervised(settings: Settings) -> bool:
    """Whether somebody looks after the jobs of a workspace."""
    with _alone(settings) as is_alone:
        return not is_alone


def ensure_supervisor(settings: Settings, *, kinds: str | None = None) -> bool:
    """Make sure that somebody does the jobs that are queued; call it after submitting one.

    Returns:
        Whether a process was started for it; False where somebody is at it already.
    """
    if is_supervised(settings):
        return False
    words = ["-m", "angen.jobs.apart", str(settings.home), *(["--kinds", kinds] if kinds else [])]
    start_apart(words, settings.home / LOGS / LOG, settings.home)
    return True


def supervise(settings: Settings, limits: Limits, backend: JobBackend, *, is_over: threading.Event) -> bool:
    """Look after jobs in this thread until there has been no work for `limits.idle_s`, or it is over.

    Returns:
        False if another supervisor is at work.
    """
    store = open_store(settings)
    supervisor = Supervisor(settings, limits, backend)
    try:
        while True:
            with _alone(settings) as is_alone:
                if not is_alone:
                    return False
                busy_s = time.monotonic()
                while time.monotonic() - busy_s <= limits.idle_s and not is_over.is_set():
                    supervisor._try_tick(store)
                    if store.has_work():
                        busy_s = time.monotonic()
                    is_over.wait(limits.tick_s)
            if is_over.is_set() or not store.has_work():  # a job may have come while the lock was still held
                return True
    finally:
        store.close()


def _say(text: str) -> None:
    print(f"{time.strftime('%F %T')} {text}", file=sys.stderr, flush=True)  # noqa: T201 - the log

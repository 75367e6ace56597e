"""What is known of a job and of what happens to it, as the database holds it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["ACTIVE", "ENDED", "Event", "Job", "NewJob", "Slot", "State", "Worker"]

State = Literal[
    "queued", "claimed", "running", "pausing", "paused", "cancelling", "succeeded", "failed", "cancelled"
]
Slot = Literal["accelerator", "light"]

ACTIVE: tuple[State, ...] = ("claimed", "running", "pausing", "cancelling")
"""States in which a worker holds a job, or is about to."""
ENDED: tuple[State, ...] = ("succeeded", "failed", "cancelled")
"""States that nothing follows, but for a retry."""


@dataclass(frozen=True)
class Worker:
    """A process that works at a job. A number alone is not enough: numbers are given out again.

    Attributes:
        pid: Its process id; it leads a process group of its own.
        mark: What tells it from another process of that number: when it began.
    """

    pid: int
    mark: str


@dataclass(frozen=True)
class NewJob:
    """A job that is to be queued.

    Attributes:
        kind: What is to be done.
        params: For it; JSON values.
        title: For people.
        priority: Higher ones go first; among equals the older.
        slot: Which of the machine's places it takes.
        target: What it makes, as "adapter:calypso"; two jobs with one target cannot be there at once.
        resumable: Whether it goes on where it stopped, and so can be paused.
        stuck_s: Seconds without progress after which its worker counts as hung.
        max_crashes: Ends that nobody asked for after which it fails.
        idempotency_key: Given again, it stands for the same job.
    """

    kind: str
    params: dict[str, Any]
    title: str = ""
    priority: int = 0
    slot: Slot = "light"
    target: str | None = None
    resumable: bool = False
    stuck_s: float = 1800.0
    max_crashes: int = 3
    idempotency_key: str | None = None


@dataclass(frozen=True)
class Job:
    """A job. Times are seconds since 1970.

    Attributes:
        id: Its name.
        number: Its place in the order of submission.
        kind: What is done; `params`, `title`, `priority`, `slot`, `target`, `resumable`, `stuck_s`,
            `max_crashes` and `idempotency_key` are as in `NewJob`.
        state: Where it is.
        attempt: How often a worker began it; a worker of an earlier attempt can write nothing.
        crashes: Ends that nobody asked for, since it was last submitted or retried.
        pid: Of its worker; `pid_mark` tells it from another process of that number.
        heartbeat: When its worker last wrote.
        stage: What is being done; `done` of `total` (0 where not known), with a `note`.
        eta_s: Seconds until the stage ends; None while unknown.
        result: What came out.
        error: `type`, `message`, `remedy` of what ended it, and `where`: the stage and how far it was.
        exit_code: Of the last worker, negative for a signal; None where nobody saw it.
        ended_by: How the last worker ended: "itself", "asked", "SIGTERM", "SIGKILL", "vanished".
        checkpoint: What the next attempt goes on from, in words.
        log: File with what the workers printed.
        created: When it was submitted.
        started: When its first worker began.
        ended: When it ended.
        not_before: It is not begun again before this time.
    """

    id: str
    number: int
    kind: str
    params: dict[str, Any]
    title: str
    priority: int
    slot: Slot
    target: str | None
    resumable: bool
    stuck_s: float
    max_crashes: int
    idempotency_key: str | None
    state: State
    attempt: int
    crashes: int
    pid: int | None
    pid_mark: str | None
    heartbeat: float | None
    stage: str
    done: float
    total: float
    note: str
    eta_s: float | None
    result: Any
    error: dict[str, str] | None
    exit_code: int | None
    ended_by: str | None
    checkpoint: str | None
    log: str
    created: float
    started: float | None
    ended: float | None
    not_before: float

    @property
    def worker(self) -> Worker | None:
        """The process that works at it, as far as that is known."""
        return None if self.pid is None or self.pid_mark is None else Worker(self.pid, self.pid_mark)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens to it by itself."""
        return self.state in ENDED

    @property
    def where(self) -> str:
        """How far it is: stage, done and total, to compare two moments by."""
        return f"{self.stage} {self.done:g}/{self.total:g}".strip()

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Event:
    """Something that happened to a job.

    Attributes:
        seq: Grows with every event of any job; whoever saw `seq` asks for what came after it.
        job: Whose.
        kind: "state", "progress", "checkpoint", "crash", or a kind's own: "step", "validation", …
        time: Seconds since 1970.
        data: What it says.
    """

    seq: int
    job: str
    kind: str
    time: float
    data: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return dataclasses.asdict(self)

"""The queue as people and doors use it: submit, look, ask to stop, pause, go on, try again.

What workers and supervisors write is in `angen.jobs.attempts`.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from angen.errors import JobError, JobNotFoundError
from angen.jobs.database import Database
from angen.jobs.records import ACTIVE, ENDED, Event, Job, NewJob, State

__all__ = ["DATABASE", "LOGS", "JobStore", "add_events", "as_job", "as_json", "marks"]

DATABASE = "angen.db"
LOGS = "jobs"
_UNFINISHED = ("queued", "paused", *ACTIVE)


def marks(values: Sequence[object]) -> str:
    """Question marks for a list of values."""
    return ", ".join("?" * len(values))


class JobStore:
    """All jobs of a workspace.

    Args:
        path: The database, made if it is not there.

    Raises:
        JobStoreError: From every method, if the database is damaged, full, newer, or not to be written to.
    """

    def __init__(self, path: Path) -> None:
        self.database = Database(path)
        self.logs = path.parent / LOGS

    @property
    def path(self) -> Path:
        """The database."""
        return self.database.path

    def submit(self, new: NewJob) -> Job:
        """Queue a job. It is there for good when this returns.

        Raises:
            JobError: If its idempotency key stands for another job, or another job is at the same target.
        """
        identity = secrets.token_hex(4)
        values = {
            "id": identity, "kind": new.kind, "params": as_json(new.params), "title": new.title or new.kind,
            "priority": new.priority, "slot": new.slot, "target": new.target, "resumable": new.resumable,
            "stuck_s": new.stuck_s, "max_crashes": new.max_crashes, "idempotency_key": new.idempotency_key,
            "log": str(self.logs / f"{identity}.log"), "created": time.time(),
        }  # fmt: skip
        with self.database.transaction() as connection:
            known = _of_key(connection, new)
            if known is not None:
                return known
            _refuse_target(connection, new.target)
            columns = ", ".join(values)
            query = f"INSERT INTO jobs ({columns}) VALUES ({marks(list(values))}) RETURNING *"
            job = as_job(connection.execute(query, [*values.values()]).fetchall()[0])
            add_events(connection, job.id, [("state", {"state": "queued"})])
        return job

    def get(self, job_id: str) -> Job:
        """A job by its id, or by the beginning of it where only one begins so.

        Raises:
            JobNotFoundError: If there is none, or several.
        """
        rows = self.database.rows("SELECT * FROM jobs WHERE id = ?", (job_id,))
        if not rows and len(job_id) >= 3 and job_id.isalnum():
            rows = self.database.rows("SELECT * FROM jobs WHERE id LIKE ? LIMIT 2", (f"{job_id}%",))
        if len(rows) != 1:
            problem = "Several jobs begin with" if rows else "There is no job"
            raise JobNotFoundError(f"{problem} {job_id!r}.", remedy="See `angen jobs list`.")
        return as_job(rows[0])

    def events(self, job_id: str | None = None, *, after: int = 0, limit: int = 1000) -> list[Event]:
        """What happened after an event, in order; of one job, or of all."""
        query, values = "SELECT * FROM events WHERE seq > ?", [after, limit]
        if job_id is not None:
            query, values = f"{query} AND job = ?", [after, job_id, limit]  # type: ignore[list-item]
        rows = self.database.rows(f"{query} ORDER BY seq LIMIT ?", values)
        return [
            Event(row["seq"], row["job"], row["kind"], row["time"], json.loads(row["data"])) for row in rows
        ]

    def list(self, states: Iterable[State] = (), *, before: int | None = None, limit: int = 100) -> list[Job]:
        """Jobs, the newest first.

        Args:
            states: Only those in one of these; none for all.
            before: Only those with a smaller `number`: the last of the page before.
            limit: How many at most.
        """
        wanted = tuple(states)
        query = "SELECT * FROM jobs WHERE number < ?"
        if wanted:
            query += f" AND state IN ({marks(wanted)})"
        bound = 2**62 if before is None else before
        rows = self.database.rows(f"{query} ORDER BY number DESC LIMIT ?", (bound, *wanted, limit))
        return [as_job(row) for row in rows]

    def cancel(self, job_id: str) -> Job:
        """Ask a job to end; one that has ended stays as it is.

        A running one stops at its next step, with a checkpoint where its kind has them.
        """
        steps: dict[State, State] = {"queued": "cancelled", "paused": "cancelled"}
        steps |= dict.fromkeys(("claimed", "running", "pausing"), "cancelling")
        return self._move(job_id, steps, as_they_are=("cancelling", *ENDED), verb="cancelled")

    def pause(self, job_id: str) -> Job:
        """Let a job stop at its next step, with a checkpoint, and wait; a queued one waits at once.

        Raises:
            JobError: If its kind has no checkpoints and it has begun, or it has ended.
        """
        steps: dict[State, State] = {"queued": "paused"}
        if self.get(job_id).resumable:
            steps |= {"claimed": "pausing", "running": "pausing"}
        return self._move(job_id, steps, as_they_are=("pausing", "paused"), verb="paused")

    def resume(self, job_id: str) -> Job:
        """Queue a paused job again, at its old place.

        Raises:
            JobError: If it is not paused.
        """
        steps: dict[State, State] = {"paused": "queued", "pausing": "running"}
        return self._move(job_id, steps, as_they_are=("queued", "claimed", "running"), verb="resumed")

    def retry(self, job_id: str) -> Job:
        """Queue a failed or cancelled job again; it goes on from its last checkpoint where it has one.

        Raises:
            JobError: If it has neither failed nor been cancelled, or another job is at the same target.
        """
        steps: dict[State, State] = {"failed": "queued", "cancelled": "queued"}
        return self._move(job_id, steps, as_they_are=(), verb="tried again")

    def prune(self, *, progress_s: float = 86_400, jobs_s: float = 90 * 86_400) -> int:
        """Forget what nobody asks for any more; the number of jobs removed.

        Args:
            progress_s: Age of an ended job at which its progress events go; all its others stay.
            jobs_s: Age of an ended job at which it goes, with its events and its log.
        """
        now = time.time()
        ended = f"ended IS NOT NULL AND state IN ({marks(ENDED)}) AND ended <"
        with self.database.transaction() as connection:
            old = f"SELECT id FROM jobs WHERE {ended} ?"
            connection.execute(
                f"DELETE FROM events WHERE kind = 'progress' AND job IN ({old})", (*ENDED, now - progress_s)
            )
            gone = connection.execute(
                f"SELECT id, log FROM jobs WHERE {ended} ?", (*ENDED, now - jobs_s)
            ).fetchall()
            for row in gone:
                connection.execute("DELETE FROM events WHERE job = ?", (row["id"],))
                connection.execute("DELETE FROM jobs WHERE id = ?", (row["id"],))
        for row in gone:
            Path(row["log"]).unlink(missing_ok=True)
        return len(gone)

    def has_key(self, idempotency_key: str) -> bool:
        """Whether a job was submitted under this key."""
        query = "SELECT 1 FROM jobs WHERE idempotency_key = ?"
        return bool(self.database.rows(query, (idempotency_key,)))

    def has_work(self) -> bool:
        """Whether any job is queued or held by a worker."""
        waiting = ("queued", *ACTIVE)
        query = f"SELECT 1 FROM jobs WHERE state IN ({marks(waiting)}) LIMIT 1"
        return bool(self.database.rows(query, waiting))

    def close(self) -> None:
        """Close this thread's connection."""
        self.database.close()

    def _move(
        self, job_id: str, steps: dict[State, State], *, as_they_are: tuple[State, ...], verb: str
    ) -> Job:
        """Change a job's state as a person asks for it."""
        job_id = self.get(job_id).id
        with self.database.transaction() as connection:
            job = as_job(connection.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone())
            if job.state in as_they_are:
                return job
            if job.state not in steps:
                raise JobError(
                    f"Job {job.id} is {job.state}{'' if job.resumable else ', and its kind has no checkpoints'}: "
                    f"it cannot be {verb}.",
                    remedy="See `angen jobs show`." if job.has_ended else "Cancel it instead.",
                )
            to = steps[job.state]
            if to == "running" and job.pid is None:
                to = "claimed"
            changes: dict[str, Any] = {"state": to, "ended": time.time() if to in ENDED else None}
            if job.has_ended:
                _refuse_target(connection, job.target)
                changes |= {"crashes": 0, "error": None, "result": None, "not_before": 0.0, "exit_code": None}
            sets = ", ".join(f"{name} = ?" for name in changes)
            query = f"UPDATE jobs SET {sets} WHERE id = ? RETURNING *"
            moved = as_job(connection.execute(query, (*changes.values(), job.id)).fetchall()[0])
            add_events(connection, job.id, [("state", {"state": to})])
        return moved


def add_events(
    connection: sqlite3.Connection, job_id: str, events: Iterable[tuple[str, dict[str, Any]]]
) -> None:
    """Write events within a transaction."""
    now = time.time()
    connection.executemany(
        "INSERT INTO events (job, kind, time, data) VALUES (?, ?, ?, ?)",
        [(job_id, kind, now, as_json(data)) for kind, data in events],
    )


def as_job(row: sqlite3.Row) -> Job:
    """A row of the table of jobs."""
    values = {name: row[name] for name in row.keys()}  # noqa: SIM118 - a row iterates over its values
    for name in ("params", "result", "error"):
        values[name] = None if values[name] is None else json.loads(values[name])
    return Job(**{**values, "resumable": bool(values["resumable"])})


def as_json(value: Any) -> str:
    """JSON that any reader can take: a loss that is no number is written as null."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(json.loads(json.dumps(value), parse_constant=lambda _: None))


def _of_key(connection: sqlite3.Connection, new: NewJob) -> Job | None:
    """The job that an idempotency key stands for already."""
    if new.idempotency_key is None:
        return None
    row = connection.execute(
        "SELECT * FROM jobs WHERE idempotency_key = ?", (new.idempotency_key,)
    ).fetchone()
    if row is None:
        return None
    job = as_job(row)
    if (job.kind, job.params) != (new.kind, json.loads(as_json(new.params))):
        raise JobError(
            f"The idempotency key {new.idempotency_key!r} stands for job {job.id}, which is another.",
            remedy="Use a new key for a new job.",
        )
    return job


def _refuse_target(connection: sqlite3.Connection, target: str | None) -> None:
    """Two jobs must not make the same thing at once."""
    query = f"SELECT id, state FROM jobs WHERE target = ? AND state IN ({marks(_UNFINISHED)})"
    row = connection.execute(query, (target, *_UNFINISHED)).fetchone()
    if target is not None and row is not None:
        raise JobError(
            f"Job {row['id']}, which is {row['state']}, is at {target} already.",
            remedy=f"Wait for it, or cancel it: angen jobs cancel {row['id']}",
        )

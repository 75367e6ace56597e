"""What workers and supervisors write. Every write names the attempt it belongs to; one that is over writes nothing.

A job is held by one attempt at a time. `Fenced` tells a worker that its attempt is not the one any more: it was
thought dead, and another goes on with the job.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from typing import Any

from angen.jobs.records import ACTIVE, ENDED, Job, Slot, State, Worker
from angen.jobs.store import JobStore, add_events, as_job, as_json, marks
from angen.progress import Progress

__all__ = ["Fenced", "beat", "begin", "claim", "fail", "held", "lose", "stop", "succeed"]

RETRY_DELAY_S = 2.0
Events = Sequence[tuple[str, dict[str, Any]]]


class Fenced(Exception):  # noqa: N818 - a state of affairs, as StopIteration is
    """This attempt is over: another one has the job, or it was taken back."""


def claim(store: JobStore, slot: Slot, places: int, *, retry_delay_s: float = RETRY_DELAY_S) -> Job | None:
    """Take the next job of a slot for a new attempt, if a place is free: the highest priority, then the oldest."""
    with store.database.transaction() as connection:
        busy = f"SELECT count(*) FROM jobs WHERE slot = ? AND state IN ({marks(ACTIVE)})"
        if connection.execute(busy, (slot, *ACTIVE)).fetchone()[0] >= places:
            return None
        query = """
            UPDATE jobs SET state = 'claimed', attempt = attempt + 1, pid = NULL, pid_mark = NULL,
                heartbeat = NULL, exit_code = NULL, ended_by = NULL, stage = '', done = 0, total = 0, note = '',
                eta_s = NULL
            WHERE number = (
                SELECT number FROM jobs WHERE state = 'queued' AND slot = ? AND not_before <= ?
                ORDER BY priority DESC, number LIMIT 1
            ) RETURNING *"""
        rows = connection.execute(query, (slot, time.time())).fetchall()
        if not rows:
            return None
        job = as_job(rows[0])
        add_events(connection, job.id, [("state", {"state": "claimed", "attempt": job.attempt})])
    return job


def begin(store: JobStore, job_id: str, attempt: int, worker: Worker) -> Job:
    """A worker takes up its attempt.

    Raises:
        Fenced: If the attempt is not its any more, or another process has it.
    """
    now = time.time()
    changes = {"pid": worker.pid, "pid_mark": worker.mark, "heartbeat": now}
    sets = "state = CASE state WHEN 'claimed' THEN 'running' ELSE state END, started = coalesce(started, ?)"
    with store.database.transaction() as connection:
        row = connection.execute("SELECT pid FROM jobs WHERE id = ?", (job_id,)).fetchone()
        if row is None or row["pid"] not in (None, worker.pid):
            raise Fenced
        job = _update(connection, job_id, attempt, changes, also=sets, values=(now,))
        add_events(
            connection, job_id, [("state", {"state": job.state, "attempt": attempt, "pid": worker.pid})]
        )
    return job


def held(store: JobStore, job_id: str, attempt: int, worker: Worker) -> None:
    """Note which process a supervisor started for an attempt."""
    with store.database.transaction() as connection:
        _update(connection, job_id, attempt, {"pid": worker.pid, "pid_mark": worker.mark})


def beat(
    store: JobStore, job_id: str, attempt: int, progress: Progress | None = None, eta_s: float | None = None,
    events: Events = (), checkpoint: str | None = None,
) -> State:  # fmt: skip
    """A worker says that it is alive, how far it is, and what happened; the state that is asked of it.

    Raises:
        Fenced: If the attempt is over; nothing is written then.
    """
    changes: dict[str, Any] = {"heartbeat": time.time()}
    if progress is not None:
        changes |= {
            "stage": progress.stage, "done": progress.done, "total": progress.total, "note": progress.note,
            "eta_s": eta_s,
        }  # fmt: skip
    if checkpoint is not None:
        changes["checkpoint"] = checkpoint
    with store.database.transaction() as connection:
        job = _update(connection, job_id, attempt, changes)
        add_events(connection, job_id, events)
    return job.state


def succeed(store: JobStore, job_id: str, attempt: int, result: Any) -> Job:
    """A worker is done.

    Raises:
        Fenced: If the attempt is over.
    """
    changes = {
        "state": "succeeded",
        "result": as_json(result),
        "error": None,
        "eta_s": None,
        "ended_by": "itself",
    }
    return _end(store, job_id, attempt, {**changes, "exit_code": 0})


def stop(store: JobStore, job_id: str, attempt: int, *, ended_by: str, exit_code: int | None = 0) -> Job:
    """An attempt ended as it was asked to: the job is cancelled, or paused, or waits to go on.

    Raises:
        Fenced: If the attempt is over.
    """
    return _end(store, job_id, attempt, {"state": None, "ended_by": ended_by, "exit_code": exit_code})


def fail(store: JobStore, job_id: str, attempt: int, error: dict[str, str], *, is_final: bool) -> Job:
    """A worker met an error; `is_final` for one that would only come again.

    One that nobody foresaw is tried again, unless it is the same as the last one, at the same place.

    Raises:
        Fenced: If the attempt is over.
    """
    return _crash(store, job_id, attempt, error, "itself", 1, is_final=is_final, once_more=False)


def lose(
    store: JobStore, job_id: str, attempt: int, error: dict[str, str], *, ended_by: str, exit_code: int | None
) -> Job:
    """A supervisor found a worker dead, or ended it: the job goes on with the next attempt, or fails.

    Raises:
        Fenced: If the attempt is over.
    """
    return _crash(store, job_id, attempt, error, ended_by, exit_code, is_final=False, once_more=True)


def _crash(
    store: JobStore, job_id: str, attempt: int, error: dict[str, str], ended_by: str, exit_code: int | None, *,
    is_final: bool, once_more: bool,
) -> Job:  # fmt: skip
    with store.database.transaction() as connection:
        job = _update(connection, job_id, attempt, {"ended_by": ended_by, "exit_code": exit_code})
        error = {**error, "where": job.where}
        is_same = not once_more and job.error == error
        crashes = job.crashes + 1
        state: State = "failed" if is_final or is_same or crashes >= job.max_crashes else "queued"
        if job.state == "cancelling":
            state = "cancelled"
        elif job.state == "pausing" and state == "queued":
            state = "paused"
        changes = {
            "state": state, "crashes": crashes, "error": as_json(error), "eta_s": None,
            "not_before": time.time() + RETRY_DELAY_S * job.crashes, "ended": time.time() if state in ENDED else None,
        }  # fmt: skip
        ended = _update(connection, job_id, attempt, changes)
        add_events(
            connection, job_id, [("crash", {"attempt": attempt, "ended_by": ended_by, "error": error})]
        )
        add_events(connection, job_id, [("state", _state_data(ended))])
    return ended


def _end(store: JobStore, job_id: str, attempt: int, changes: dict[str, Any]) -> Job:
    with store.database.transaction() as connection:
        job = _update(connection, job_id, attempt, {"heartbeat": time.time()})
        steps: dict[str, State] = {"cancelling": "cancelled", "pausing": "paused"}
        state = changes["state"] or steps.get(job.state, "queued")
        ended = _update(
            connection, job_id, attempt,
            {**changes, "state": state, "ended": time.time() if state in ENDED else None},
        )  # fmt: skip
        add_events(connection, job_id, [("state", _state_data(ended))])
    return ended


def _update(
    connection: sqlite3.Connection, job_id: str, attempt: int, changes: dict[str, Any], *, also: str = "",
    values: tuple[Any, ...] = (),
) -> Job:  # fmt: skip
    """Change the row of an attempt that still has its job."""
    sets = ", ".join([f"{name} = ?" for name in changes] + ([also] if also else []))
    query = f"UPDATE jobs SET {sets} WHERE id = ? AND attempt = ? AND state IN ({marks(ACTIVE)}) RETURNING *"
    rows = connection.execute(query, (*changes.values(), *values, job_id, attempt, *ACTIVE)).fetchall()
    if not rows:
        raise Fenced
    return as_job(rows[0])


def _state_data(job: Job) -> dict[str, Any]:
    data: dict[str, Any] = {"state": job.state, "attempt": job.attempt, "ended_by": job.ended_by}
    if job.checkpoint:
        data["checkpoint"] = job.checkpoint
    return data if job.error is None or job.state == "succeeded" else {**data, "error": job.error}

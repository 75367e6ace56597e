"""Many small tasks in processes of their own, each with a time-out: one that hangs or crashes stops no other."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from angen.errors import AngenError

__all__ = ["Outcome", "run_each"]

_START_ALLOWANCE_S = 120.0
_POLL_S = 0.5


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes:
        index: Which task.
        value: What it gave back, if it ended well.
        error: Otherwise why not: `type`, `message`, `remedy`.
    """

    index: int
    value: Any = None
    error: dict[str, str] | None = None


@dataclass
class _Worker:
    process: Any
    connection: Connection
    index: int | None = None
    deadline_s: float = float("inf")
    is_fresh: bool = True


def run_each(
    function: Callable[[Any], Any],
    tasks: Sequence[Any],
    *,
    workers: int,
    timeout_s: float,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Outcome]:
    """Call a function for each task, in other processes; outcomes come as they are ready.

    Args:
        function: Of a module, so that another process can import it.
        tasks: Its arguments, which have to be picklable, as what it gives back.
        workers: How many processes; 0 for none: this one does the tasks in turn, without a time-out.
        timeout_s: A task that takes longer is ended with its process. The first one of a process has two minutes
            more, to load what it needs.
        should_stop: Asked twice a second; then the generator ends early.

    Raises:
        ValueError: If there are fewer than no workers, or no time.
    """
    if workers < 0 or timeout_s <= 0:
        raise ValueError(f"{workers} workers with {timeout_s} s each do nothing")
    if workers == 0:
        yield from _in_turn(function, tasks, should_stop)
        return
    context = multiprocessing.get_context(
        "forkserver"
    )  # it loads the function's module once, for all of them
    context.set_forkserver_preload([function.__module__])
    waiting = list(range(len(tasks)))[::-1]
    staff: list[_Worker] = []
    try:
        while (waiting or any(worker.index is not None for worker in staff)) and not should_stop():
            while len(staff) < min(workers, len(waiting) + sum(worker.index is not None for worker in staff)):
                staff.append(_hire(context, function))
            for worker in staff:
                if worker.index is None and waiting:
                    _assign(worker, waiting.pop(), tasks, timeout_s)
            yield from _outcomes(staff)
    finally:
        for worker in staff:
            worker.process.kill()
        for worker in staff:
            worker.process.join()
            worker.connection.close()


def _in_turn(
    function: Callable[[Any], Any], tasks: Sequence[Any], should_stop: Callable[[], bool]
) -> Iterator[Outcome]:
    for index, task in enumerate(tasks):
        if should_stop():
            return
        yield Outcome(index, *_answer(function, task))


def _hire(context: Any, function: Callable[[Any], Any]) -> _Worker:
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, function), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _assign(worker: _Worker, index: int, tasks: Sequence[Any], timeout_s: float) -> None:
    worker.index = index
    worker.deadline_s = time.monotonic() + timeout_s + (_START_ALLOWANCE_S if worker.is_fresh else 0.0)
    worker.is_fresh = False
    with suppress(BrokenPipeError):  # it died meanwhile, which is seen when its answer is read
        worker.connection.send(tasks[index])


def _outcomes(staff: list[_Worker]) -> Iterator[Outcome]:
    """What is ready now; workers that died or took too long are let go."""
    busy = [worker for worker in staff if worker.index is not None]
    ready = wait([worker.connection for worker in busy], timeout=_POLL_S)
    for worker in busy:
        assert worker.index is not None
        if worker.connection in ready:
            try:
                value, error = worker.connection.recv()
            except (EOFError, OSError):
                yield _lost(worker, "its process ended without an answer")
                _dismiss(staff, worker)
                continue
            yield Outcome(worker.index, value, error)
            worker.index, worker.deadline_s = None, float("inf")
        elif time.monotonic() > worker.deadline_s:
            yield _lost(worker, "it took too long and was ended")
            _dismiss(staff, worker)


def _lost(worker: _Worker, why: str) -> Outcome:
    assert worker.index is not None
    kind = "timeout" if "long" in why else "crash"
    return Outcome(worker.index, error={"type": kind, "message": f"Nothing came of it: {why}.", "remedy": ""})


def _dismiss(staff: list[_Worker], worker: _Worker) -> None:
    worker.process.kill()
    worker.process.join()
    worker.connection.close()
    staff.remove(worker)


def _work(connection: Connection, function: Callable[[Any], Any]) -> None:
    """The life of a worker: a task, its outcome, the next."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that gives the tasks
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        connection.send(_answer(function, task))


def _answer(function: Callable[[Any], Any], task: Any) -> tuple[Any, dict[str, str] | None]:
    """What a task gives back, or why it gives nothing."""
    try:
        return function(task), None
    except AngenError as error:
        return None, {**error.as_dict(), "type": getattr(error, "reason", error.code)}
    except Exception as error:  # noqa: BLE001 - a fault with one file must not stop the others
        text = f"{type(error).__name__}: {error}"
        return None, {"type": "unexpected", "message": text, "remedy": ""}

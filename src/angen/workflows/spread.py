"""Work on many songs in many processes, through joblib: on this machine (loky), or a cluster of Ray or Dask.

`ANGEN_BACKEND` chooses among "loky", "ray" and "dask"; `ANGEN_WORKERS` says how many processes; `ANGEN_CLUSTER` is
the address of a cluster that is there already. Without an address Ray and Dask start one on this machine. Workers
elsewhere have to see the same files under the same paths.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, cast

from angen.errors import SettingsError
from angen.workflows.analyze import error_record
from angen.workflows.machine import usable_cores

__all__ = ["Outcome", "Run", "Spread", "spread_from", "spreading"]

Backend = Literal["loky", "ray", "dask"]
BACKENDS: tuple[Backend, ...] = ("loky", "ray", "dask")

_ROUND = 32

Task = TypeVar("Task")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Spread:
    """How work is spread.

    Attributes:
        backend: joblib's.
        workers: Processes; None for one a core, or for as many as pay.
        address: Of a cluster that is there; None starts one where the backend needs it.
    """

    backend: Backend = "loky"
    workers: int | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        """Refuse what joblib does not know."""
        if self.backend not in BACKENDS or (self.workers is not None and self.workers < 1):
            raise SettingsError(
                f"Work cannot be spread by {self.backend!r} on {self.workers} processes.",
                remedy=f"Choose among {', '.join(BACKENDS)}, and at least one process.",
            )


def spread_from(environment: Mapping[str, str] = os.environ) -> Spread:
    """The spread that the environment asks for.

    Raises:
        SettingsError: If a variable has no possible value.
    """
    given = environment.get("ANGEN_WORKERS", "").strip()
    if given and not given.isdecimal():
        raise SettingsError(f"ANGEN_WORKERS is {given!r}.", remedy="Set it to a whole number from 1.")
    backend = cast(Backend, environment.get("ANGEN_BACKEND") or "loky")
    return Spread(backend, int(given) if given else None, environment.get("ANGEN_CLUSTER") or None)


@dataclass(frozen=True)
class Outcome(Generic[Value]):
    """What became of one task: its value, or the error as a record."""

    value: Value | None
    error: dict[str, str] | None = None


class Run:
    """Runs a function on many tasks, in order; see `spreading`."""

    def __init__(self, workers: int, backend: Backend = "loky") -> None:
        self.workers = workers
        self.backend = backend

    def __call__(
        self, function: Callable[[Task], Value], task_of: Callable[[int], Task], count: int
    ) -> Iterator[Outcome[Value]]:
        """An outcome a task, in order. A task that raises, or kills its process, does not stop the others.

        Args:
            function: What is done; it and its tasks can be pickled.
            task_of: A task by its number; asked when its turn comes, so that few exist at a time.
            count: How many there are.
        """
        done = 0
        while done < count:
            if self.workers == 1 and self.backend == "loky":
                yield _safely(function, task_of(done))
                done += 1
                continue
            try:
                for outcome in self._parallel(function, task_of, done, count):
                    yield outcome
                    done += 1
            except _dead_worker():
                if self.backend != "loky":
                    raise
                suspects = range(done, min(count, done + 4 * self.workers))  # among these is the one
                for outcome in _one_by_one(function, task_of, suspects):
                    yield outcome
                    done += 1

    def _parallel(
        self, function: Callable[[Task], Value], task_of: Callable[[int], Task], done: int, count: int
    ) -> Iterator[Outcome[Value]]:
        from joblib import Parallel, delayed

        if self.backend != "ray":
            parallel = Parallel(self.workers, return_as="generator", pre_dispatch="4*n_jobs", batch_size=1)
            yield from parallel(delayed(_safely)(function, task_of(number)) for number in range(done, count))
            return
        for first in range(done, count, _ROUND * self.workers):  # Ray's backend gives lists only
            numbers = range(first, min(count, first + _ROUND * self.workers))
            yield from Parallel(self.workers)(
                delayed(_safely)(function, task_of(number)) for number in numbers
            )


@contextmanager
def spreading(spread: Spread, workers: int) -> Iterator[Run]:
    """A `Run` whose processes last as long as the block.

    Args:
        spread: The backend.
        workers: Processes that pay for the work at hand; `spread.workers` counts before it.

    Raises:
        SettingsError: If the backend's package is missing, or its cluster cannot be reached.
    """
    count = spread.workers or (workers if spread.backend == "loky" else usable_cores())
    with ExitStack() as open_:
        if spread.backend == "loky":
            if count > 1:
                open_.enter_context(_loky(count))
        else:
            open_.enter_context(_cluster(spread, count))
        yield Run(count, spread.backend)


@contextmanager
def _loky(count: int) -> Iterator[None]:
    from joblib import parallel_config
    from joblib.externals.loky import get_reusable_executor

    try:
        with parallel_config(backend="loky", n_jobs=count, inner_max_num_threads=1):
            yield
    finally:
        get_reusable_executor().shutdown(wait=True, kill_workers=True)


@contextmanager
def _cluster(spread: Spread, count: int) -> Iterator[None]:
    """A cluster of Ray or Dask as joblib's backend."""
    from joblib import parallel_config

    package = "ray" if spread.backend == "ray" else "dask.distributed"
    try:
        with ExitStack() as open_:
            open_.enter_context(_ray(spread, count) if spread.backend == "ray" else _dask(spread, count))
            open_.enter_context(parallel_config(backend=spread.backend, n_jobs=count))
            yield
    except ImportError as error:
        raise SettingsError(
            f"The backend {spread.backend!r} needs the package {package}.",
            remedy=f"Install it: pip install 'angen[{spread.backend}]'; or set ANGEN_BACKEND to loky.",
        ) from error


@contextmanager
def _ray(spread: Spread, count: int) -> Iterator[None]:
    import ray
    from ray.util.joblib import register_ray

    register_ray()
    is_ours = not ray.is_initialized()
    if is_ours and spread.address:
        ray.init(address=spread.address, log_to_driver=False)
    elif is_ours:
        ray.init(num_cpus=count, include_dashboard=False, log_to_driver=False)
    try:
        yield
    finally:
        if is_ours:
            ray.shutdown()


@contextmanager
def _dask(spread: Spread, count: int) -> Iterator[None]:
    from dask.distributed import Client, LocalCluster

    if spread.address:
        with Client(spread.address):
            yield
        return
    cluster = LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=None)
    with cluster, Client(cluster):
        yield


def _safely(function: Callable[[Task], Value], task: Task) -> Outcome[Value]:
    try:
        return Outcome(function(task))
    except Exception as error:  # noqa: BLE001 - a fault with one file must not stop the others
        return Outcome(None, error_record(error))


def _one_by_one(
    function: Callable[[Task], Value], task_of: Callable[[int], Task], numbers: range
) -> Iterator[Outcome[Value]]:
    """Outcomes from one process apart, started anew after a task that killed it."""
    from joblib.externals.loky import ProcessPoolExecutor

    left = list(numbers)
    while left:
        with ProcessPoolExecutor(max_workers=1) as process:
            try:
                while left:
                    task = task_of(left[0])
                    outcome = process.submit(_safely, function, task).result()
                    left.pop(0)
                    yield cast(Outcome[Value], outcome)
            except _dead_worker():
                left.pop(0)
                died = "The process that worked on it ended without an answer."
                remedy = (
                    "The file may need more memory than there is, or trip up the library that decodes it."
                )
                yield Outcome(None, {"type": "internal", "message": died, "remedy": remedy})


def _dead_worker() -> Any:
    from joblib.externals.loky.process_executor import BrokenProcessPool

    return BrokenProcessPool

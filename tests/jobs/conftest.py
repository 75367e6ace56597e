"""A workspace with jobs, a supervisor with short patience, and real workers that know the kinds of `quick_kinds`."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from angen.jobs import ACTIVE, ENDED, Job, JobStore, Limits, LocalBackend, Supervisor, open_store, submit_job
from angen.settings import Settings

QUICK = Limits(tick_s=0.05, term_s=1.0)
Submit = Callable[..., Job]
Wait = Callable[..., Job]
Supervise = Callable[..., Supervisor]


@pytest.fixture(autouse=True)
def _quick_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    here = str(Path(__file__).parent)
    monkeypatch.syspath_prepend(here)
    monkeypatch.setenv("PYTHONPATH", here)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "workspace")


@pytest.fixture
def store(settings: Settings) -> Iterator[JobStore]:
    """The jobs; whatever still works at one when the test ends is ended."""
    store = open_store(settings)
    yield store
    with suppress(Exception):
        for job in store.list(ACTIVE):
            if job.worker and LocalBackend().poll(job.worker).is_alive:
                LocalBackend().kill(job.worker, signal.SIGKILL)
                while LocalBackend().poll(job.worker).is_alive:
                    time.sleep(0.01)
    store.close()


@pytest.fixture
def submit(settings: Settings) -> Submit:
    """`submit("count", steps=3, priority=1)`: queue a quick job; its options by name, its parameters too."""
    from quick_kinds import KINDS

    def queue(kind: str = "count", **how: Any) -> Job:
        names = ("title", "priority", "idempotency_key", "max_crashes")
        options = {name: how.pop(name) for name in names if name in how}
        return submit_job(settings, KINDS, kind, how, **options)

    return queue


@pytest.fixture
def supervise(settings: Settings, store: JobStore) -> Iterator[Supervise]:
    """`supervise(stale_s=2)`: a supervisor in a thread, stopped when the test ends."""
    running: list[Supervisor] = []

    def start(**limits: Any) -> Supervisor:
        supervisor = Supervisor(settings, replace(QUICK, **limits), LocalBackend("quick_kinds"))
        supervisor.start()
        running.append(supervisor)
        return supervisor

    yield start
    for supervisor in running:
        supervisor.stop()


@pytest.fixture
def wait(store: JobStore) -> Wait:
    """`wait(job, "paused")`: the job once it is in one of these states, or has ended; or `until=` something."""

    def until(
        job: Job, *states: str, until: Callable[[Job], bool] | None = None, seconds: float = 30.0
    ) -> Job:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = store.get(job.id)
            if until is not None:
                if until(found):
                    return found
            elif found.state in (states or ENDED):
                return found
            time.sleep(0.02)
        found = store.get(job.id)
        log = Path(found.log)
        raise AssertionError(f"{found}\n{log.read_text() if log.exists() else 'no log'}")

    return until

"""What a job can be: a name, a record of its parameters, and a function that does it.

A function gets the workspace, its parameters and a `Context`, and gives back JSON values. It may be killed at any
moment and called again for the same job, so what it writes is whole or absent, and doing it twice does no harm.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from angen.errors import JobError
from angen.jobs.records import Job, NewJob, Slot
from angen.jobs.store import DATABASE, JobStore
from angen.progress import Progress
from angen.settings import Settings

__all__ = ["AbsolutePath", "Context", "Kind", "Kinds", "Params", "Stopped", "open_store", "submit_job"]


class Stopped(BaseException):
    """The job is asked to stop, and this is the place to."""


class Params(BaseModel):
    """The parameters of a kind: typed, complete, and nothing else."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


def _absolute(text: str) -> str:
    if not Path(text).is_absolute() or "\0" in text:
        raise ValueError("a path from the root is expected, since a job runs in another folder")
    return text


AbsolutePath = Annotated[str, AfterValidator(_absolute)]


class Context(Protocol):
    """What a running job may ask for and say."""

    @property
    def job(self) -> Job:
        """The job, as it was when this attempt began."""

    def report(self, progress: Progress) -> None:
        """Say how far it is.

        Raises:
            Stopped: If the job is asked to stop. Work that wants to end in its own way calls `show` and
                `should_stop` instead.
        """

    def show(self, progress: Progress) -> None:
        """Say how far it is, and be left alone."""

    def should_stop(self) -> bool:
        """Whether it is asked to cancel, to pause or to end."""

    def event(self, kind: str, data: dict[str, Any]) -> None:
        """Say that something happened; kept for all who follow."""

    def checkpointed(self, note: str) -> None:
        """Say what the next attempt would go on from."""


@dataclass(frozen=True)
class Kind:
    """A kind of job.

    Attributes:
        name: As in "train".
        params: Its parameters.
        run: Does it; gives back JSON values.
        check: Refuses, before the job is queued, what could not begin; raises an `AngenError`.
        complete: The parameters with everything unsaid filled in, as the job will keep them.
        title: For people, of the parameters.
        target: What the job makes, as "adapter:calypso"; None where jobs cannot be in each other's way.
        slot: "accelerator" for what trains and generates, of which one runs at a time; "light" for the rest.
        resumable: Whether it goes on from checkpoints, and so can be paused.
        stuck_s: Seconds without progress after which it counts as hung.
    """

    name: str
    params: type[Params]
    run: Callable[[Settings, Any, Context], Any]
    check: Callable[[Settings, Any], None] = lambda settings, params: None
    complete: Callable[[Any], Any] = lambda params: params
    title: Callable[[Any], str] = lambda params: ""
    target: Callable[[Any], str | None] = lambda params: None
    slot: Slot = "light"
    resumable: bool = False
    stuck_s: float = 1800.0

    def read(self, params: dict[str, Any]) -> Params:
        """Parameters from JSON values.

        Raises:
            JobError: If one is missing, unknown, or of the wrong type.
        """
        try:
            return self.params.model_validate_json(json.dumps(params))
        except (ValidationError, TypeError, ValueError) as error:
            reasons = (
                "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
                if isinstance(error, ValidationError)
                else str(error)
            )
            known = ", ".join(self.params.model_fields)
            raise JobError(
                f"These are no parameters of a job {self.name!r}: {reasons}.", remedy=f"It takes: {known}."
            ) from error


class Kinds:
    """The kinds that are known, by name."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._kinds = {kind.name: kind for kind in kinds}

    def __getitem__(self, name: str) -> Kind:
        """A kind.

        Raises:
            JobError: If there is none of this name.
        """
        if name not in self._kinds:
            raise JobError(f"There is no kind of job {name!r}.", remedy=f"Known: {', '.join(self._kinds)}.")
        return self._kinds[name]

    @property
    def names(self) -> list[str]:
        """All names."""
        return list(self._kinds)


def open_store(settings: Settings) -> JobStore:
    """The jobs of a workspace.

    Raises:
        JobStoreError: If its database cannot be used.
    """
    return JobStore(settings.home / DATABASE)


def submit_job(
    settings: Settings,
    kinds: Kinds,
    kind: str,
    params: dict[str, Any],
    *,
    title: str = "",
    priority: int = 0,
    idempotency_key: str | None = None,
    max_crashes: int = 3,
) -> Job:
    """Check a job and queue it. Nothing runs it yet: see `angen.jobs.ensure_supervisor`.

    Args:
        settings: The workspace.
        kinds: Those that are known: `angen.jobs.studio.KINDS`.
        kind: What is to be done.
        params: Its parameters as JSON values.
        title: For people; made of the parameters if empty.
        priority: Higher ones go first.
        idempotency_key: Given again, it stands for the same job.
        max_crashes: Ends that nobody asked for after which it fails.

    Raises:
        JobError: If there is no such kind, the parameters are not its own, or its target is taken.
        AngenError: That of the room which could not begin it.
    """
    known = kinds[kind]
    read = known.complete(known.read(params))
    new = NewJob(
        kind, read.model_dump(mode="json"), title or known.title(read), priority, known.slot, known.target(read),
        known.resumable, known.stuck_s, max_crashes, idempotency_key,
    )  # fmt: skip
    store = open_store(settings)
    if idempotency_key is None or not store.has_key(idempotency_key):
        known.check(settings, read)
    return store.submit(new)

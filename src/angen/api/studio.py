"""What all routes share: the workspace, its jobs, its files by id, and the door to new jobs."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict

from angen.api.access import Access
from angen.api.counting import Counts
from angen.api.feed import Feed
from angen.api.shelf import Shelf
from angen.jobs import Job, JobStore, ensure_supervisor, submit_job
from angen.settings import Settings

__all__ = ["Body", "Studio", "StudioDep"]


class Body(BaseModel):
    """What comes in: every field typed, nothing unknown."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass
class Studio:
    """A workspace as the server holds it.

    Attributes:
        settings: The workspace.
        access: Who may come in.
        store: Its jobs.
        shelf: Its files, by id.
        counts: What the server counts of itself.
        feed: Events for those who follow.
        edits: Held while a table is read, compared and written.
    """

    settings: Settings
    access: Access
    store: JobStore
    shelf: Shelf
    counts: Counts
    feed: Feed
    edits: threading.Lock = field(default_factory=threading.Lock)

    def submit(self, kind: str, params: dict[str, Any], key: str | None = None) -> Job:
        """Queue a job and make sure that somebody does it.

        Raises:
            AngenError: If it could not begin; nothing is queued then.
        """
        from angen.jobs.studio import KINDS

        job = submit_job(self.settings, KINDS, kind, params, idempotency_key=key)
        ensure_supervisor(self.settings)
        return job


def _studio(request: Request) -> Studio:
    studio: Studio = request.app.state.studio
    return studio


StudioDep = Annotated[Studio, Depends(_studio)]

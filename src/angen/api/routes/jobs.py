"""Jobs: list, look, follow, cancel, pause, resume, retry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from angen.api.problems import Refused, responses
from angen.api.records import JobView, Page, PageQuery, job_view, read_cursor, write_cursor
from angen.api.studio import Studio, StudioDep
from angen.jobs import Job, State, ensure_supervisor

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"], responses=responses())

MOST_STREAMS = 256
JobId = Annotated[str, Path(pattern=r"^[0-9a-f]{3,32}$", description="Id of a job, or its beginning.")]


class JobsQuery(PageQuery):
    """Which jobs."""

    state: list[State] = Field(default_factory=list)
    kind: str | None = None


@router.get("")
def list_jobs(studio: StudioDep, query: Annotated[JobsQuery, Query()]) -> Page[JobView]:
    """List jobs, the newest first."""
    cursor = read_cursor(query.cursor)
    if cursor is not None and not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
        raise Refused(422, "cursor", f"{query.cursor!r} is no cursor of jobs.")
    before = None if cursor is None else int(cursor)
    found: list[Job] = []
    while len(found) <= query.limit:
        batch = studio.store.list(query.state, before=before, limit=query.limit + 1)
        found += [job for job in batch if query.kind in (None, job.kind)]
        if len(batch) <= query.limit:
            break
        before = batch[-1].number
    page = found[: query.limit]
    after = write_cursor(str(page[-1].number)) if len(found) > len(page) else None
    return Page(items=[job_view(studio, job) for job in page], next=after)


@router.get("/{job_id}")
def get_job(studio: StudioDep, job_id: JobId) -> JobView:
    """A job as it is now, with the files of its result."""
    return job_view(studio, studio.store.get(job_id), with_assets=True)


@router.get(
    "/{job_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events: `id` is the event's number, `event` its kind, `data` JSON. "
            "The last one is `end`.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
)
async def follow_job(
    studio: StudioDep,
    job_id: JobId,
    last_event_id: Annotated[
        int | None, Header(alias="Last-Event-ID", ge=0, le=2**63 - 1, description="What was seen already.")
    ] = None,
) -> StreamingResponse:
    """Follow a job from its beginning, or from what was seen already, until it ends."""
    job = await run_in_threadpool(studio.store.get, job_id)
    if studio.counts.streams >= MOST_STREAMS:
        raise Refused(
            503,
            "too-many-streams",
            f"{MOST_STREAMS} streams are open.",
            remedy="Close some.",
            headers={"Retry-After": "5"},
        )
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        studio.feed.events(job.id, last_event_id or 0), media_type="text/event-stream", headers=headers
    )


@router.post("/{job_id}/cancel")
def cancel_job(studio: StudioDep, job_id: JobId) -> JobView:
    """Ask a job to end at its next step, with a checkpoint where its kind has them. Doing it twice does no harm."""
    return job_view(studio, studio.store.cancel(job_id))


@router.post("/{job_id}/pause")
def pause_job(studio: StudioDep, job_id: JobId) -> JobView:
    """Let a job stop with a checkpoint and wait."""
    return job_view(studio, studio.store.pause(job_id))


@router.post("/{job_id}/resume")
def resume_job(studio: StudioDep, job_id: JobId) -> JobView:
    """Queue a paused job again; it goes on from its checkpoint."""
    return _begun(studio, studio.store.resume, job_id)


@router.post("/{job_id}/retry")
def retry_job(studio: StudioDep, job_id: JobId) -> JobView:
    """Queue a failed or cancelled job again; it goes on from its last checkpoint where it has one."""
    return _begun(studio, studio.store.retry, job_id)


def _begun(studio: Studio, step: Callable[[str], Job], job_id: str) -> JobView:
    job = step(job_id)
    ensure_supervisor(studio.settings)
    return job_view(studio, job)

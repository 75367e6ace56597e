"""Sets of recordings: made, filled, heard, corrected, and the ground of datasets."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as InPath
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from angen.api.bytes_out import BINARY, FileBytes
from angen.api.problems import Refused, responses
from angen.api.records import (
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    JobView,
    Name,
    Page,
    PageQuery,
    accepted,
    page_of,
)
from angen.api.studio import Body, Studio, StudioDep
from angen.api.tables import TableChange, TableView, change_table, read_table, replace_table
from angen.api.uploads import BODY, Received, received
from angen.workflows import uploads
from angen.workflows.uploads import Recording, RecordingSet

router = APIRouter(prefix="/api/v1/recordings", tags=["recordings"], responses=responses())

FileName = Annotated[
    str, InPath(min_length=1, max_length=255, pattern=r"^[^/\x00]+$", description="Of a recording.")
]


class NewSet(Body):
    """A set that is to be made."""

    name: str = Field(min_length=1, max_length=80, examples=["calypso"])


class RecordingView(BaseModel):
    """A recording of a set."""

    file: str
    size: int = Field(description="Bytes.")
    duration_s: float | None
    rate_hz: int | None
    channels: int | None


class SetView(BaseModel):
    """A set of recordings."""

    name: str
    files: list[RecordingView]


class Hearing(Body):
    """How recordings are to be heard."""

    ai: bool = Field(False, description="With the learnt taggers too.")
    engine: Literal["angen", "librosa"] = "angen"


@router.get("")
def list_sets(studio: StudioDep, query: Annotated[PageQuery, Query()]) -> Page[SetView]:
    """List sets by name."""
    found, after = page_of(uploads.list_sets(studio.settings), query, lambda one: one.name)
    return Page(items=[_set_view(one) for one in found], next=after)


@router.post("", status_code=201)
def create_set(studio: StudioDep, body: NewSet, response: Response) -> SetView:
    """Make an empty set; its name becomes one that a folder can have."""
    made = uploads.create_set(studio.settings, body.name)
    response.headers["Location"] = f"/api/v1/recordings/{made.name}"
    return _set_view(made)


@router.get("/{name}")
def get_set(studio: StudioDep, name: Name) -> SetView:
    """A set and what is in it."""
    return _set_view(_set(studio, name))


@router.delete("/{name}", status_code=204, response_class=Response)
def delete_set(studio: StudioDep, name: Name) -> Response:
    """Delete a set with its recordings; datasets made of it stay."""
    _set(studio, name)
    uploads.delete_set(studio.settings, name)
    return Response(status_code=204)


@router.post("/{name}/files", status_code=201, openapi_extra=BODY)
async def add_recording(
    studio: StudioDep,
    request: Request,
    response: Response,
    name: Name,
    file: Annotated[str | None, Query(min_length=1, max_length=200, description="Name of the file.")] = None,
) -> RecordingView:
    """Upload a recording into a set. The same recording again is taken for what it is."""
    await run_in_threadpool(_set, studio, name)
    async with received(studio, request, file) as upload:
        added = await run_in_threadpool(_add, studio, name, upload)
    response.headers["Location"] = f"/api/v1/recordings/{name}/files/{added.file}"
    return added


@router.get("/{name}/files/{file}", response_class=FileBytes, responses=BINARY)
def get_recording(studio: StudioDep, name: Name, file: FileName) -> FileBytes:
    """A recording's bytes, or a part of them."""
    path = uploads.recording_path(studio.settings, name, _recording(_set(studio, name), file).file)
    return FileBytes(path, stat_result=path.stat(), filename=path.name, content_disposition_type="inline")


@router.delete("/{name}/files/{file}", status_code=204, response_class=Response)
def delete_recording(studio: StudioDep, name: Name, file: FileName) -> Response:
    """Take a recording out of a set."""
    uploads.remove_recording(studio.settings, name, _recording(_set(studio, name), file).file)
    return Response(status_code=204)


@router.post("/{name}/analysis", status_code=202)
def analyze_set(
    studio: StudioDep, name: Name, body: Hearing, response: Response, key: IdempotencyKey = None
) -> JobView:
    """Hear all recordings into the table; corrections stay. The result is the job's, the table is at `/metadata`."""
    folder = str(_set(studio, name).folder)
    return accepted(studio, studio.submit("annotate", {"folder": folder, **body.model_dump()}, key), response)


@router.get(
    "/{name}/metadata", response_model=TableView, responses={304: {"description": "It is as it was."}}
)
def get_table(
    studio: StudioDep, name: Name, response: Response, if_none_match: IfNoneMatch = None
) -> TableView | Response:
    """The table: for each recording what was heard, how sure that is, and what people say instead."""
    return read_table(studio, _set(studio, name).folder, response, if_none_match)


@router.put("/{name}/metadata")
def put_table(
    studio: StudioDep, name: Name, body: TableChange, response: Response, if_match: IfMatch = None
) -> TableView:
    """Set all corrections: what is not named counts as it was heard."""
    return replace_table(studio, _set(studio, name).folder, body, response, if_match)


@router.patch("/{name}/metadata")
def patch_table(
    studio: StudioDep, name: Name, body: TableChange, response: Response, if_match: IfMatch = None
) -> TableView:
    """Correct the fields that are named, and leave all others."""
    return change_table(studio, _set(studio, name).folder, body, response, if_match)


def _set(studio: Studio, name: str) -> RecordingSet:
    from angen.errors import UploadError

    try:
        return uploads.open_set(studio.settings, name)
    except UploadError as error:
        raise Refused(404, "set-missing", error.message, remedy=error.remedy) from error


def _recording(opened: RecordingSet, file: str) -> Recording:
    found = next((one for one in opened.files if one.file == file), None)
    if found is None:
        raise Refused(404, "recording-missing", f"There is no recording {file!r} in {opened.name!r}.")
    return found


def _add(studio: Studio, name: str, upload: Received) -> RecordingView:
    from angen.errors import AudioError

    try:
        added = uploads.add_recording(studio.settings, name, upload.path, upload.name)
    except AudioError as error:  # its path is not what its sender calls it
        error.message = error.message.replace(error.path, upload.name)
        raise
    studio.counts.uploaded_bytes += upload.size
    return _view(added)


def _set_view(opened: RecordingSet) -> SetView:
    return SetView(name=opened.name, files=[_view(one) for one in opened.files])


def _view(recording: Recording) -> RecordingView:
    facts = recording.facts
    return RecordingView(
        file=recording.file, size=recording.size_bytes, duration_s=recording.duration_s,
        rate_hz=facts.rate_hz if facts else None, channels=facts.channels if facts else None,
    )  # fmt: skip

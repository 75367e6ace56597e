"""Projects of the timeline: made, edited whole or by placing recordings, undone, rendered, exported."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, JsonValue, ValidationError

from angen.api.problems import Refused, responses
from angen.api.records import (
    AssetId,
    AssetView,
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    JobView,
    Name,
    Page,
    PageQuery,
    accepted,
    asset_view,
    check_match,
    etag_of,
    is_unchanged,
    page_of,
    without_home,
)
from angen.api.studio import Body, Studio, StudioDep
from angen.errors import TimelineError
from angen.files import locked, remove_folder
from angen.timeline.records import Project
from angen.timeline.storage import Loaded, project_json
from angen.workflows import timeline

router = APIRouter(prefix="/api/v1/projects", tags=["projects"], responses=responses())

_PLACE = "A place: seconds `12.5s`, a bar and beat `5:1`, or samples: docs/timeline.md."
_PROJECT = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Project"}}},
    }
}


class NewProject(Body):
    """An empty project."""

    name: str = Field(min_length=1, max_length=80, pattern=r"^\w[\w.-]*$", examples=["night"])
    rate_hz: int = Field(44_100, ge=8000, le=384_000)
    tempo_bpm: float = Field(120.0, ge=10, le=1000)
    beats: int = Field(4, ge=1, le=64)
    unit: Literal[1, 2, 4, 8, 16, 32] = 4


class NewClip(Body):
    """A recording that is to be placed."""

    asset: AssetId
    track: str | None = Field(None, max_length=200, description="Id or name; null for a new track.")
    at: str = Field("0", max_length=40, description=_PLACE)
    offset: str = Field("0", max_length=40, description="What of its beginning is left out.")
    length: str | None = Field(None, max_length=40, description="How much of it sounds; null for all.")


class Rendering(Body):
    """What of a project is rendered."""

    start: str = Field("0", max_length=40, description=_PLACE)
    stop: str | None = Field(None, max_length=40)
    bit_depth: Literal[16, 24, 32] = 24
    stems: bool = Field(False, description="A zip of its tracks in place of the mix.")


class Sending(Body):
    """Another program's form."""

    kind: Literal["dawproject", "reaper", "labels", "midi"]


class ProjectView(BaseModel):
    """A project as it is now."""

    name: str
    length_samples: int
    undo: str | None = Field(description="The edit that `undo` takes back.")
    redo: str | None
    notes: list[str]
    problems: list[dict[str, JsonValue]] = Field(description="Recordings that are missing or changed.")
    project: Project


async def _sent_project(request: Request) -> Project:
    """The project in a request's body: read as JSON, since a strict record takes a list for a tuple only there."""
    content = await request.body()
    try:
        return Project.model_validate_json(content)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in faults]) from error


@router.get("")
def list_projects(studio: StudioDep, query: Annotated[PageQuery, Query()]) -> Page[str]:
    """Names of the projects."""
    found, after = page_of(timeline.project_names(studio.settings), query, lambda one: one)
    return Page(items=found, next=after)


@router.post("", status_code=201)
def create_project(studio: StudioDep, body: NewProject, response: Response) -> ProjectView:
    """Make an empty project."""
    if body.name in timeline.project_names(studio.settings):
        raise Refused(409, "project-there", f"There is a project {body.name!r} already.")
    made = timeline.create_project(studio.settings, **body.model_dump())
    response.headers["Location"] = f"/api/v1/projects/{body.name}"
    return _view(studio, body.name, made, response)


@router.get("/{name}", response_model=ProjectView, responses={304: {"description": "It is as it was."}})
def get_project(
    studio: StudioDep, name: Name, response: Response, if_none_match: IfNoneMatch = None
) -> ProjectView | Response:
    """A project, with its ETag."""
    loaded = _opened(studio, name)
    if is_unchanged(_etag(loaded), if_none_match):
        return Response(status_code=304, headers={"ETag": _etag(loaded)})
    return _view(studio, name, loaded, response)


@router.put("/{name}", openapi_extra=_PROJECT)
def put_project(
    studio: StudioDep,
    name: Name,
    response: Response,
    project: Annotated[Project, Depends(_sent_project)],
    if_match: IfMatch = None,
) -> ProjectView:
    """Make a project what is sent: any edit, as one step that can be undone.

    Clips play the recordings that are in the project; another is added by `/clips`, so that no path comes from outside.
    """
    _opened(studio, name)

    def edit(now: Project) -> Project:
        check_match(_project_etag(now), if_match)
        known = {source.sha256: source for source in now.sources}
        foreign = [source.sha256 for source in project.sources if source.sha256 not in known]
        if foreign:
            raise Refused(
                422, "foreign-source", f"The recording {foreign[0][:12]} is not in this project.",
                remedy="Place it by POST …/clips first.",
            )  # fmt: skip
        sources = tuple(known[source.sha256] for source in project.sources)
        return project.model_copy(update={"name": now.name, "sources": sources})

    return _view(studio, name, timeline.edit_project(studio.settings, name, edit, "edit"), response)


@router.delete("/{name}", status_code=204, response_class=Response)
def delete_project(studio: StudioDep, name: Name, if_match: IfMatch = None) -> Response:
    """Delete a project with its copies and renders; recordings elsewhere stay."""
    loaded = _opened(studio, name)
    with locked(loaded.folder):
        check_match(_etag(_opened(studio, name)), if_match)
        remove_folder(loaded.folder)
    return Response(status_code=204)


@router.post("/{name}/clips", status_code=201)
def add_clip(
    studio: StudioDep, name: Name, body: NewClip, response: Response, if_match: IfMatch = None
) -> ProjectView:
    """Place a recording, which is copied into the project; with `If-Match` only on the project that was read."""
    if if_match is not None:
        check_match(_etag(_opened(studio, name)), if_match)
    else:
        _opened(studio, name)
    file = studio.shelf.get(body.asset).path
    placement = timeline.Placement(body.track, body.at, body.offset, body.length, copy=True)
    return _view(studio, name, timeline.add_recording(studio.settings, name, file, placement), response)


@router.post("/{name}/undo")
def undo(studio: StudioDep, name: Name, response: Response, if_match: IfMatch = None) -> ProjectView:
    """Take back the last edit."""
    return _stepped(studio, name, response, if_match, back=True)


@router.post("/{name}/redo")
def redo(studio: StudioDep, name: Name, response: Response, if_match: IfMatch = None) -> ProjectView:
    """Do again what was just taken back."""
    return _stepped(studio, name, response, if_match, back=False)


@router.post("/{name}/render", status_code=202)
def render(
    studio: StudioDep, name: Name, body: Rendering, response: Response, key: IdempotencyKey = None
) -> JobView:
    """Render the mix to a WAV, or the tracks to a zip of WAVs."""
    _opened(studio, name)
    params = {"project": name, **body.model_dump()}
    return accepted(studio, studio.submit("render", params, key), response)


@router.post("/{name}/export", status_code=201)
def export(studio: StudioDep, name: Name, body: Sending, response: Response) -> AssetView:
    """Write a project for another program; an asset to be downloaded."""
    _opened(studio, name)
    asset = studio.shelf.asset_of(timeline.export_project(studio.settings, name, body.kind))
    assert asset is not None
    response.headers["Location"] = f"/api/v1/assets/{asset.id}"
    return asset_view(asset)


def _stepped(
    studio: Studio, name: str, response: Response, if_match: str | None, *, back: bool
) -> ProjectView:
    with studio.edits:
        check_match(_etag(_opened(studio, name)), if_match)
        step = timeline.undo_edit if back else timeline.redo_edit
        return _view(studio, name, step(studio.settings, name), response)


def _opened(studio: Studio, name: str) -> Loaded:
    if name not in timeline.project_names(studio.settings):
        raise Refused(
            404, "project-missing", f"There is no project {name!r}.", remedy="See /api/v1/projects."
        )
    try:
        return timeline.open_project(studio.settings, name)
    except TimelineError as error:  # damaged: not the request's fault
        raise Refused(409, error.code, error.message, remedy=error.remedy) from error


def _project_etag(project: Project) -> str:
    return etag_of(project_json(project))


def _etag(loaded: Loaded) -> str:
    return _project_etag(loaded.project)


def _view(studio: Studio, name: str, loaded: Loaded, response: Response) -> ProjectView:
    response.headers["ETag"] = _etag(loaded)
    record: dict[str, Any] = without_home(studio, timeline.project_record(loaded))
    problems = [without_home(studio, vars(one)) for one in timeline.project_problems(loaded)]
    return ProjectView(
        name=name, problems=problems, project=Project.model_validate_json(json.dumps(record["project"])),
        **{key: record[key] for key in ("length_samples", "undo", "redo", "notes")},
    )  # fmt: skip

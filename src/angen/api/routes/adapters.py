"""Adapters: listed, looked into, renamed, copied, deleted, sent out, taken in; and what their reports say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, JsonValue
from starlette.concurrency import run_in_threadpool

from angen.adapters import (
    AdapterInfo,
    delete_adapter,
    duplicate_adapter,
    list_adapters,
    read_info,
    rename_adapter,
    state_now,
)
from angen.adapters.catalogue import METADATA
from angen.api.problems import Refused, responses
from angen.api.records import AssetView, ModelName, Name, Page, PageQuery, asset_view, page_of, without_home
from angen.api.studio import Body, Studio, StudioDep
from angen.api.uploads import BODY, Received, received
from angen.workflows import adapters as workflow

router = APIRouter(prefix="/api/v1/adapters", tags=["adapters"], responses=responses())

NewName = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^\w[\w.-]*$", examples=["steel-2"])]


class Naming(Body):
    """Another name."""

    name: NewName


class Sending(Body):
    """How an adapter is written as one file."""

    layout: Literal["peft", "kohya"] = "peft"
    part: Literal["best", "final"] = "best"
    author: str = Field("", max_length=200)


class ReportView(BaseModel):
    """What a run's report says."""

    report: dict[str, JsonValue]
    files: list[AssetView] = Field(description="Its page and pictures.")


class ImportQuery(BaseModel):
    """How an adapter is taken in."""

    model_config = {"extra": "forbid"}

    name: Annotated[str, Field(min_length=1, max_length=80, pattern=r"^\w[\w.-]*$")] | None = None
    model: ModelName = "angen-tiny"
    assume_base: bool = Field(False, description="Take one that does not say its base for one of `model`.")


@router.get("")
def list_all(studio: StudioDep, query: Annotated[PageQuery, Query()]) -> Page[AdapterInfo]:
    """List adapters by name."""
    root = studio.settings.loras
    infos = sorted(list_adapters(root), key=lambda info: info.name)
    found, after = page_of(infos, query, lambda info: info.name)
    return Page(
        items=[info.model_copy(update={"state": state_now(root, info)}) for info in found], next=after
    )


@router.post("", status_code=201, openapi_extra=BODY)
async def import_adapter(
    studio: StudioDep, request: Request, response: Response, query: Annotated[ImportQuery, Query()]
) -> AdapterInfo:
    """Take an adapter in, from one `.safetensors` file; nothing is kept unless everything about it is sound."""
    async with received(studio, request, "adapter.safetensors") as upload:
        info = await run_in_threadpool(_import, studio, upload, query)
    response.headers["Location"] = f"/api/v1/adapters/{info.name}"
    return info


@router.get("/{name}")
def get_adapter(studio: StudioDep, name: Name) -> dict[str, JsonValue]:
    """All that is known of an adapter, and whether it has learnt anything."""
    _refuse_missing(studio, name)
    known: dict[str, JsonValue] = without_home(studio, workflow.inspect_adapter(studio.settings, name))
    return known


@router.patch("/{name}")
def rename(studio: StudioDep, name: Name, body: Naming, response: Response) -> AdapterInfo:
    """Give an adapter another name."""
    _refuse_missing(studio, name)
    rename_adapter(studio.settings.loras, name, body.name)
    response.headers["Location"] = f"/api/v1/adapters/{body.name}"
    return read_info(studio.settings.loras / body.name)


@router.post("/{name}/duplicate", status_code=201)
def duplicate(studio: StudioDep, name: Name, body: Naming, response: Response) -> AdapterInfo:
    """Copy an adapter under another name, all but its checkpoints."""
    _refuse_missing(studio, name)
    duplicate_adapter(studio.settings.loras, name, body.name)
    response.headers["Location"] = f"/api/v1/adapters/{body.name}"
    return read_info(studio.settings.loras / body.name)


@router.delete("/{name}", status_code=204, response_class=Response)
def delete(studio: StudioDep, name: Name) -> Response:
    """Delete an adapter, its checkpoints included; the dataset stays. One in use is kept."""
    if not (studio.settings.loras / name).is_dir():
        raise _missing(name)
    delete_adapter(studio.settings.loras, name)
    return Response(status_code=204)


@router.post("/{name}/export", status_code=201)
def export(studio: StudioDep, name: Name, body: Sending, response: Response) -> AssetView:
    """Write an adapter as one file, an asset to be downloaded."""
    _refuse_missing(studio, name)
    day = studio.settings.outputs / f"{datetime.now(UTC):%Y-%m-%d}"
    out = day / f"{name}-{body.part}-{body.layout}.safetensors"
    workflow.export_adapter(
        studio.settings, name, out, layout=body.layout, part=body.part, author=body.author
    )
    asset = studio.shelf.asset_of(out)
    assert asset is not None
    response.headers["Location"] = f"/api/v1/assets/{asset.id}"
    return asset_view(asset)


@router.get("/{name}/report")
def get_report(studio: StudioDep, name: Name) -> ReportView:
    """What the report of its run says, with verdicts."""
    _refuse_missing(studio, name)
    folder = studio.settings.loras / name / "report"
    try:
        told = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refused(
            404, "report-missing", f"The adapter {name!r} has no report.", remedy="Train it with `report`."
        ) from error
    files = [asset_view(one) for one in studio.shelf.within([str(folder)])]
    return ReportView(report=without_home(studio, told), files=files)


@router.get("/{name}/samples")
def list_samples(studio: StudioDep, name: Name) -> list[AssetView]:
    """What it sounded like while it was trained, the base model first."""
    _refuse_missing(studio, name)
    return [asset_view(one) for one in studio.shelf.within([str(studio.settings.loras / name / "samples")])]


def _import(studio: Studio, upload: Received, query: ImportQuery) -> AdapterInfo:
    from angen.workflows.models import open_model

    source = upload.path.with_name(upload.name)
    upload.path.rename(source)
    model = open_model(studio.settings, query.model)
    return workflow.import_adapter(
        studio.settings, model, source, name=query.name, assume_base=query.assume_base
    )


def _refuse_missing(studio: Studio, name: str) -> None:
    if not (studio.settings.loras / name / METADATA).is_file():
        raise _missing(name)


def _missing(name: str) -> Refused:
    return Refused(404, "adapter-missing", f"There is no adapter {name!r}.", remedy="See /api/v1/adapters.")

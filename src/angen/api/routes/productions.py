"""Productions: from a prompt or a recording to finished files, every stage kept."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field, JsonValue

from angen.api.problems import Refused, responses
from angen.api.records import (
    AssetId,
    AssetView,
    IdempotencyKey,
    JobView,
    ModelName,
    Page,
    PageQuery,
    accepted,
    asset_view,
    page_of,
    without_home,
)
from angen.api.studio import Body, StudioDep
from angen.jobs.music import Adapter, ExportTags, Request

router = APIRouter(prefix="/api/v1/productions", tags=["productions"], responses=responses())

_FOLDER, _RECORD = "-production", "production.json"
ProductionId = Annotated[str, Path(pattern=r"^[0-9a-f]{8}$", description="Id of the job that made it.")]


class NewProduction(Body):
    """What is to be produced: a request for music, or a recording."""

    request: Request | None = Field(None, examples=[{"prompt": "happy calypso, 112 bpm", "seconds": 20}])
    asset: AssetId | None = Field(None, description="A recording to start from, in place of a request.")
    adapters: list[Adapter] = Field(default_factory=list, max_length=8)
    model: ModelName = "angen-tiny"
    enhance: float | None = Field(0.5, ge=0, le=1, description="Strength; null to leave it out.")
    upscale_hz: int | None = Field(48_000, ge=8000, le=384_000, description="null to leave it out.")
    preset: str = "streaming"
    style: str = "balanced"
    intensity: float = Field(0.5, ge=0, le=1)
    formats: list[str] = Field(default_factory=lambda: ["wav24"], max_length=20)
    tags: ExportTags = Field(default_factory=ExportTags)
    ai_mark: bool = True
    draws_cover: bool = True


class ProductionView(BaseModel):
    """A production."""

    id: str
    stages: list[str] = Field(description="Those that are finished.")
    record: dict[str, JsonValue]
    files: list[AssetView]


@router.post("", status_code=202)
def produce(
    studio: StudioDep, body: NewProduction, response: Response, key: IdempotencyKey = None
) -> JobView:
    """Generate, enhance, upscale, master and export in one job, on from the last finished stage if it is stopped."""
    if (body.request is None) == (body.asset is None):
        raise Refused(422, "one-source", "Give a request for music, or an asset to start from.")
    params: dict[str, Any] = body.model_dump(exclude={"asset"})
    if body.asset is not None:
        params["recording"] = str(studio.shelf.get(body.asset).path)
    return accepted(studio, studio.submit("produce", params, key), response)


@router.get("")
def list_productions(studio: StudioDep, query: Annotated[PageQuery, Query()]) -> Page[str]:
    """Ids of the productions there are."""
    folders = studio.settings.outputs.glob(f"*/*{_FOLDER}/{_RECORD}")
    found, after = page_of(
        sorted(path.parent.name.removesuffix(_FOLDER) for path in folders), query, lambda one: one
    )
    return Page(items=found, next=after)


@router.get("/{production_id}")
def get_production(studio: StudioDep, production_id: ProductionId) -> ProductionView:
    """A production as far as it is, with the files of its stages."""
    folder = next(iter(studio.settings.outputs.glob(f"*/{production_id}{_FOLDER}")), None)
    if folder is None or not (folder / _RECORD).is_file():
        raise Refused(404, "production-missing", f"There is no production {production_id!r}.")
    from angen.workflows.production import read_production

    record = read_production(folder).record
    told = without_home(studio, json.loads(record.model_dump_json()))
    return ProductionView(
        id=production_id, stages=[stage.stage for stage in record.stages], record=told,
        files=[asset_view(one) for one in studio.shelf.within([str(folder)])],
    )  # fmt: skip

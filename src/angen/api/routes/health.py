"""Whether the server is well, what models it knows, and its metrics."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, JsonValue

from angen import __version__
from angen.api import counting
from angen.api.problems import Refused, responses
from angen.api.records import without_home
from angen.api.studio import StudioDep
from angen.errors import JobStoreError
from angen.files import free_bytes
from angen.jobs import is_supervised

router = APIRouter(prefix="/api/v1", tags=["health"], responses=responses())

ModelId = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[\w.-]+$")]


class Health(BaseModel):
    """Whether the server can work. No token is needed to ask."""

    status: Literal["ok", "unavailable"]
    version: str
    detail: str = ""


class ModelView(BaseModel):
    """A model Angen knows."""

    id: str
    purpose: str
    licence: str
    is_ready: bool
    detail: str
    remedy: str


@router.get("/health", responses={503: {"model": Health}})
def get_health(studio: StudioDep, response: Response) -> Health:
    """Whether jobs can be read, and there is room on the disk."""
    fault = ""
    try:
        studio.store.has_work()
        if free_bytes(studio.settings.home) < 64 * 2**20:
            fault = "The disk of the workspace is full."
    except (JobStoreError, OSError):
        fault = "The workspace cannot be used."
    response.status_code = 503 if fault else 200
    return Health(status="unavailable" if fault else "ok", version=__version__, detail=fault)


@router.get("/models")
def list_models(studio: StudioDep) -> list[ModelView]:
    """Every model Angen knows, and whether it is ready."""
    from angen.workflows.models import list_models

    found = [without_home(studio, status.as_dict()) for status in list_models(studio.settings)]
    return [ModelView(**{name: one.get(name, "") for name in ModelView.model_fields}) for one in found]


@router.get("/models/{model_id}")
def get_model(studio: StudioDep, model_id: ModelId) -> dict[str, JsonValue]:
    """What is known of one model: its files, memory and licence."""
    from angen.workflows.models import list_models, model_status

    if model_id not in [status.id for status in list_models(studio.settings)]:
        raise Refused(404, "model-missing", f"There is no model {model_id!r}.", remedy="See /api/v1/models.")
    known: dict[str, JsonValue] = without_home(studio, model_status(studio.settings, model_id))
    return known


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def get_metrics(studio: StudioDep) -> Response:
    """What is measured, in the text format of Prometheus."""
    rows = studio.store.database.rows("SELECT kind, state, COUNT(*) AS n FROM jobs GROUP BY kind, state")
    jobs = {f'kind="{row["kind"]}",state="{row["state"]}"': row["n"] for row in rows}
    free = {"": free_bytes(studio.settings.home)}
    watched = {"": int(is_supervised(studio.settings))}
    lines = [
        *studio.counts.lines(),
        *counting.metric("angen_jobs", "gauge", "Jobs by kind and state.", jobs),
        *counting.metric("angen_supervised", "gauge", "Whether somebody looks after the jobs.", watched),
        *counting.metric("angen_disk_free_bytes", "gauge", "Room on the disk of the workspace.", free),
    ]
    return Response("\n".join(lines) + "\n", media_type=counting.MEDIA_TYPE)

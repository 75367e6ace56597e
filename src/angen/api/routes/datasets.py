"""Datasets: prepared from recordings or collections, looked into, corrected, deleted."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from fastapi import Path as InPath
from pydantic import BaseModel, Field

from angen.api.bytes_out import BINARY, FileBytes
from angen.api.problems import Refused, responses
from angen.api.records import (
    AssetId,
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    JobView,
    Name,
    Page,
    PageQuery,
    accepted,
    page_of,
    without_home,
)
from angen.api.studio import Body, Studio, StudioDep
from angen.api.tables import TableChange, TableView, change_table, read_table, replace_table
from angen.dataset import ClipRecord, Dataset, dataset_folder, delete_dataset, list_datasets, load_dataset
from angen.dataset.store import MARKER
from angen.jobs import ACTIVE
from angen.workflows import uploads

router = APIRouter(prefix="/api/v1", tags=["datasets"], responses=responses())

ClipId = Annotated[str, InPath(min_length=1, max_length=200, pattern=r"^\w[\w.-]*$")]
CollectionId = Annotated[str, InPath(min_length=1, max_length=80, pattern=r"^[a-z0-9_]+$")]


class DatasetView(BaseModel):
    """A dataset."""

    name: str
    type: Literal["user", "vocal", "symbolic"]
    created: datetime
    source: str
    licence: str | None
    non_commercial: bool
    share_alike: bool
    attribution: list[str]
    collection: str | None
    prompt_prefix: str
    songs: int
    clips: int
    seconds: float
    splits: dict[str, int]
    sha256: str
    notes: list[str]
    skipped: list[dict[str, Any]] = Field(description="Recordings that could not be used, with the reason.")


class NewDataset(Body):
    """A dataset that is to be prepared, of a set of recordings or of assets."""

    name: str = Field(min_length=1, max_length=80, examples=["calypso"])
    recordings: str | None = Field(None, description="Name of a set of recordings.", examples=["calypso"])
    assets: list[AssetId] = Field(default_factory=list, max_length=1000)
    style: str = Field("", max_length=500, description="Words that lead every prompt.")
    min_s: float = Field(10.0, gt=0, le=600)
    max_s: float = Field(30.0, gt=0, le=600)
    seed: int = Field(0, ge=0, le=2**31 - 1)
    replace: bool = False
    part: Literal["mix", "vocals", "accompaniment"] = Field("mix", description="What is learnt.")
    stems: bool = Field(False, description="Keep the stems beside the clips.")
    separator: Literal["spleeter", "htdemucs"] = "spleeter"


class CollectionView(BaseModel):
    """A collection of the catalogue."""

    id: str
    title: str
    type: Literal["vocal", "symbolic"]
    homepage: str
    licence: str | None
    licence_note: str
    consequences: list[str]
    hours: float | None
    files: int | None
    downloaded: bool


class Collecting(Body):
    """Which part of a collection, and what to do with it."""

    subset: str | None = None
    singers: int | None = Field(None, ge=1)
    hours: float | None = Field(None, gt=0)
    pieces: int | None = Field(None, ge=1)
    licences: list[str] = Field(default_factory=list)
    styles: list[str] = Field(default_factory=list)
    seed: int = Field(0, ge=0)
    accept_licence: bool = Field(False, description="You have read its licence, and accept it.")
    prepare: bool = True
    dataset: str | None = Field(None, description="Name of the dataset.")
    style: str = ""
    replace: bool = False


@router.get("/datasets")
def list_all(studio: StudioDep, query: Annotated[PageQuery, Query()]) -> Page[DatasetView]:
    """List datasets by name."""
    found, after = page_of(list_datasets(studio.settings.training_data), query, lambda one: one.name)
    return Page(items=[_view(studio, one.model_dump(mode="json")) for one in found], next=after)


@router.post("/datasets", status_code=202)
def prepare_dataset(
    studio: StudioDep, body: NewDataset, response: Response, key: IdempotencyKey = None
) -> JobView:
    """Prepare a dataset: clips cut where the music allows, split by song."""
    files = [str(studio.shelf.get(one).path) for one in body.assets]
    if body.recordings is not None:
        files.append(str(_set_folder(studio, body.recordings)))
    if not files:
        raise Refused(
            422,
            "no-recordings",
            "There are neither recordings nor assets.",
            remedy="Name a set of recordings.",
        )
    params = {**body.model_dump(exclude={"recordings", "assets"}), "files": files}
    return accepted(studio, studio.submit("prepare", params, key), response)


@router.get("/datasets/{name}")
def get_dataset(studio: StudioDep, name: Name) -> DatasetView:
    """A dataset as it is now."""
    return _view(studio, _dataset(studio, name).info.model_dump(mode="json"))


@router.delete("/datasets/{name}", status_code=204, response_class=Response)
def remove_dataset(studio: StudioDep, name: Name) -> Response:
    """Delete a dataset for good, clips and all; recordings and adapters stay. One in use is kept."""
    folder = _folder(studio, name)
    for job in studio.store.list(ACTIVE, limit=1000):
        if folder.name in (job.params.get("dataset"), job.params.get("style_dataset")):
            raise Refused(
                409,
                "in-use",
                f"Job {job.id} is at the dataset {name!r}.",
                remedy="Wait for it, or cancel it.",
            )
    delete_dataset(studio.settings.training_data, name)
    return Response(status_code=204)


@router.get(
    "/datasets/{name}/metadata",
    response_model=TableView,
    responses={304: {"description": "It is as it was."}},
    name="get_dataset_table",
)
def get_table(
    studio: StudioDep, name: Name, response: Response, if_none_match: IfNoneMatch = None
) -> TableView | Response:
    """The table of a dataset's clips."""
    return read_table(studio, _folder(studio, name), response, if_none_match)


@router.put("/datasets/{name}/metadata", name="put_dataset_table")
def put_table(
    studio: StudioDep, name: Name, body: TableChange, response: Response, if_match: IfMatch = None
) -> TableView:
    """Set all corrections of a dataset's clips."""
    return replace_table(studio, _folder(studio, name), body, response, if_match)


@router.patch("/datasets/{name}/metadata", name="patch_dataset_table")
def patch_table(
    studio: StudioDep, name: Name, body: TableChange, response: Response, if_match: IfMatch = None
) -> TableView:
    """Correct the fields that are named."""
    return change_table(studio, _folder(studio, name), body, response, if_match)


@router.get("/datasets/{name}/clips")
def list_clips(studio: StudioDep, name: Name, query: Annotated[PageQuery, Query()]) -> Page[ClipRecord]:
    """The clips of a dataset."""
    clips = sorted(_dataset(studio, name).clips, key=lambda clip: clip.clip_id)
    found, after = page_of(clips, query, lambda clip: clip.clip_id)
    return Page(items=found, next=after)


@router.get("/datasets/{name}/clips/{clip_id}/content", response_class=FileBytes, responses=BINARY)
def get_clip(studio: StudioDep, name: Name, clip_id: ClipId) -> FileBytes:
    """A clip's bytes, or a part of them."""
    dataset = _dataset(studio, name)
    clip = next((one for one in dataset.clips if one.clip_id == clip_id), None)
    if clip is None:
        raise Refused(404, "clip-missing", f"There is no clip {clip_id!r} in {name!r}.")
    path = dataset.audio_path(clip)
    return FileBytes(path, media_type="audio/flac", filename=path.name, stat_result=path.stat())


@router.get("/collections")
def list_collections(studio: StudioDep) -> list[CollectionView]:
    """The collections that can be fetched, and their licences."""
    from angen.workflows.curated import catalogue

    return [
        CollectionView(
            **{name: getattr(one, name) for name in CollectionView.model_fields if name != "downloaded"},
            downloaded=bool(records),
        )
        for one, records in catalogue(studio.settings)
    ]


@router.post("/collections/{collection}", status_code=202)
def fetch_collection(
    studio: StudioDep,
    collection: CollectionId,
    body: Collecting,
    response: Response,
    key: IdempotencyKey = None,
) -> JobView:
    """Fetch a collection, on from where it was, and prepare a dataset of it."""
    from angen.catalogue.records import collections

    if collection not in collections():
        raise Refused(404, "collection-missing", f"There is no collection {collection!r}.")
    params = {"collection": collection, **body.model_dump()}
    return accepted(studio, studio.submit("collect", params, key), response)


def _folder(studio: Studio, name: str) -> Any:
    if not (studio.settings.training_data / name / MARKER).is_file():
        raise Refused(
            404, "dataset-missing", f"There is no dataset {name!r}.", remedy="See /api/v1/datasets."
        )
    return dataset_folder(studio.settings.training_data, name)


def _dataset(studio: Studio, name: str) -> Dataset:
    return load_dataset(_folder(studio, name), verify_audio=False)


def _set_folder(studio: Studio, name: str) -> Any:
    from angen.errors import UploadError

    try:
        return uploads.open_set(studio.settings, name).folder
    except UploadError as error:
        raise Refused(409, "set-missing", error.message, remedy=error.remedy) from error


def _view(studio: Studio, info: dict[str, Any]) -> DatasetView:
    told = without_home(studio, info)
    return DatasetView.model_validate({name: told[name] for name in DatasetView.model_fields})

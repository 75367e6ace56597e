"""Music made and finished: generated, enhanced, upscaled, mastered, exported. Each is a job over assets."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from angen.api.problems import Refused, responses
from angen.api.records import AssetId, IdempotencyKey, JobView, ModelName, accepted
from angen.api.studio import Body, Studio, StudioDep
from angen.jobs.music import Adapter, ExportTags, Request

router = APIRouter(prefix="/api/v1", responses=responses())

_ASSETS = Field(
    min_length=1, max_length=200, description="Assets, in order.", examples=[["5f2c9e0a1b3d4c5e6f70"]]
)


class Generation(Body):
    """A piece that is to be made."""

    request: Request = Field(examples=[{"prompt": "happy calypso, 112 bpm", "seconds": 20, "seed": 1}])
    adapters: list[Adapter] = Field(
        default_factory=list, max_length=8, examples=[[{"name": "steel", "strength": 1}]]
    )
    style_asset: AssetId | None = Field(None, description="A recording whose style it should have.")
    style_dataset: str | None = Field(
        None, max_length=80, description="A dataset whose style it should have."
    )
    model: ModelName = "angen-tiny"


class Enhancement(Body):
    """Recordings that are to be enhanced."""

    assets: list[AssetId] = _ASSETS
    stem: Literal["vocals", "drums", "bass", "other", "mix"] | None = None
    strength: float = Field(0.5, ge=0, le=1)
    shape: bool = True


class Separation(Body):
    """Recordings that are to be taken apart."""

    assets: list[AssetId] = _ASSETS
    model: Literal["spleeter", "htdemucs"] = "spleeter"


class Upscaling(Body):
    """Recordings that are to be brought to a higher rate."""

    assets: list[AssetId] = _ASSETS
    rate_hz: int = Field(48_000, ge=8000, le=384_000)
    extend: bool = Field(True, description="Fill the band that the old rate could not hold.")


class Mastering(Body):
    """Recordings that are to be mastered."""

    assets: list[AssetId] = _ASSETS
    preset: str = "streaming"
    style: str = "balanced"
    intensity: float = Field(0.5, ge=0, le=1)
    reference: AssetId | None = Field(None, description="A recording to sound like.")
    phase: Literal["minimum", "linear"] = "minimum"
    seed: int = Field(0, ge=0, le=2**31 - 1)


class Exporting(Body):
    """Recordings that are to be exported."""

    assets: list[AssetId] = _ASSETS
    formats: str = Field("wav24", max_length=200, examples=["wav24,flac,mp3:320"])
    what: Literal["pieces", "album", "stems"] = "pieces"
    tags: ExportTags = Field(default_factory=ExportTags, examples=[{"title": "Steel", "artist": "Me"}])
    ai_mark: bool = True
    draws_cover: bool = True
    dither_seed: int = Field(0, ge=0, le=2**31 - 1)


class MasterPresetView(BaseModel):
    """What a master can be for."""

    name: str
    about: str
    target_lufs: float | None
    ceiling_dbtp: float
    needs_reference: bool


class MasterChoicesView(BaseModel):
    """Presets and styles of mastering."""

    presets: list[MasterPresetView]
    styles: list[str]


@router.post("/generation", status_code=202, tags=["generation"])
def generate(studio: StudioDep, body: Generation, response: Response, key: IdempotencyKey = None) -> JobView:
    """Generate a piece, with adapters and a style."""
    params: dict[str, Any] = body.model_dump(exclude={"style_asset"})
    if body.style_asset is not None:
        params["style_file"] = str(studio.shelf.get(body.style_asset).path)
    return accepted(studio, studio.submit("generate", params, key), response)


@router.post("/enhancement", status_code=202, tags=["enhancement"])
def enhance(studio: StudioDep, body: Enhancement, response: Response, key: IdempotencyKey = None) -> JobView:
    """Repair recordings: noise, room, sibilance; and shape stems."""
    return accepted(studio, studio.submit("enhance", with_files(studio, body), key), response)


@router.post("/separation", status_code=202, tags=["enhancement"])
def separate(studio: StudioDep, body: Separation, response: Response, key: IdempotencyKey = None) -> JobView:
    """Take recordings apart into stems; the weights are fetched the first time."""
    return accepted(studio, studio.submit("separate", with_files(studio, body), key), response)


@router.post("/upscaling", status_code=202, tags=["enhancement"])
def upscale(studio: StudioDep, body: Upscaling, response: Response, key: IdempotencyKey = None) -> JobView:
    """Bring recordings to a higher rate and band."""
    return accepted(studio, studio.submit("upscale", with_files(studio, body), key), response)


@router.get("/mastering/presets", tags=["mastering"])
def list_master_presets() -> MasterChoicesView:
    """Presets and styles of mastering."""
    from angen.mastering.presets import PRESETS, STYLES

    presets = [
        MasterPresetView(**{name: getattr(one, name) for name in MasterPresetView.model_fields})
        for one in PRESETS.values()
    ]
    return MasterChoicesView(presets=presets, styles=list(STYLES))


@router.post("/mastering", status_code=202, tags=["mastering"])
def master(studio: StudioDep, body: Mastering, response: Response, key: IdempotencyKey = None) -> JobView:
    """Master recordings: tone, level and ceiling for what they are for."""
    params = with_files(studio, body)
    if body.reference is not None:
        params["reference"] = str(studio.shelf.get(body.reference).path)
    return accepted(studio, studio.submit("master", params, key), response)


@router.post("/export", status_code=202, tags=["export"])
def export(studio: StudioDep, body: Exporting, response: Response, key: IdempotencyKey = None) -> JobView:
    """Write recordings in formats for release, with tags and a cover: pieces, an album, or the stems of one."""
    return accepted(studio, studio.submit("export", with_files(studio, body), key), response)


def with_files(studio: Studio, body: Body) -> dict[str, Any]:
    """The parameters of a job whose recordings are assets.

    Raises:
        Refused: If an asset is not there, or two have one name where their results would too.
    """
    values: dict[str, Any] = body.model_dump()
    found = [studio.shelf.get(one) for one in values.pop("assets")]
    if len({one.id for one in found}) < len(found):
        raise Refused(422, "asset-twice", "An asset is named twice.", remedy="Name each once.")
    return {**values, "files": [str(one.path) for one in found]}

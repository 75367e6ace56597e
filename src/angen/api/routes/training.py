"""Training: what a run will take, its beginning, and going on with one that stopped."""

from __future__ import annotations

import dataclasses
from typing import Any, get_type_hints

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, create_model

from angen.adapters import read_info
from angen.api.problems import Refused, responses
from angen.api.records import IdempotencyKey, JobView, ModelName, Name, accepted
from angen.api.studio import Body, Studio, StudioDep
from angen.training import TrainConfig
from angen.training.presets import PRESETS, preset

router = APIRouter(prefix="/api/v1/training", tags=["training"], responses=responses())


def _config_model() -> type[Body]:
    """The settings of a run as a record of the API: all may be left out, none may be unknown."""
    hints = get_type_hints(TrainConfig)
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(TrainConfig):
        kind = {
            tuple[float, ...]: list[float], tuple[int, ...]: list[int], tuple[str, ...]: list[str],
        }.get(hints[field.name], hints[field.name])  # fmt: skip
        fields[field.name] = (kind | None, Field(None, description=f"By default {field.default!r}."))
    made: type[Body] = create_model("TrainSettings", __base__=Body, **fields)
    made.__doc__ = "How an adapter is trained: docs/training.md has every setting."
    return made


TrainSettings = _config_model()


class RunPlan(Body):
    """A dataset, and how to train on it."""

    dataset: str = Field(min_length=1, max_length=80, examples=["calypso"])
    preset: str | None = Field(
        None, description="Ready-made settings; `config` changes them.", examples=["balanced"]
    )
    config: TrainSettings = Field(  # type: ignore[valid-type]
        default_factory=TrainSettings, examples=[{"max_steps": 400, "rank": 16}]
    )
    model: ModelName = "angen-tiny"


class NewRun(RunPlan):
    """A run."""

    name: str = Field(min_length=1, max_length=80, description="Of the adapter.", examples=["steel"])
    replace: bool = Field(False, description="Train anew where there is an adapter of this name.")
    report: bool = True


class Restart(Body):
    """How to go on."""

    report: bool = True


class PresetView(BaseModel):
    """Ready-made settings."""

    name: str
    about: str


class EstimateView(BaseModel):
    """What a run will take."""

    steps: int
    seconds: float
    memory_bytes: int
    disk_bytes: int
    trainable: int = Field(description="Values of the adapter.")
    audio_seconds: float
    tokens_per_s: float
    is_measured: bool = Field(description="Whether the speed is that of a run on this machine.")


@router.get("/presets")
def list_presets() -> list[PresetView]:
    """Ready-made settings."""
    return [PresetView(name=name, about=one.about) for name, one in PRESETS.items()]


@router.post("/estimates")
def estimate_run(studio: StudioDep, body: RunPlan) -> EstimateView:
    """What a run will take: steps, time, memory, disk. Nothing is begun."""
    from angen.workflows.estimate import estimate_training
    from angen.workflows.models import open_model

    config = TrainConfig.from_dict(_config(studio, body))
    found = estimate_training(studio.settings, body.dataset, config, open_model(studio.settings, body.model))
    return EstimateView(**{name: getattr(found, name) for name in EstimateView.model_fields})


@router.post("", status_code=202)
def start_run(studio: StudioDep, body: NewRun, response: Response, key: IdempotencyKey = None) -> JobView:
    """Train an adapter. One that was interrupted under this name, with the same settings, goes on."""
    params = {**body.model_dump(exclude={"config", "preset"}), "config": _config(studio, body)}
    return accepted(studio, studio.submit("train", params, key), response)


@router.post("/{name}/resume", status_code=202)
def resume_run(
    studio: StudioDep, name: Name, body: Restart, response: Response, key: IdempotencyKey = None
) -> JobView:
    """Go on with a run that stopped, from its last checkpoint and with its own settings."""
    from angen.adapters.catalogue import METADATA

    folder = studio.settings.loras / name
    if not (folder / METADATA).is_file():
        raise Refused(404, "adapter-missing", f"There is no adapter {name!r}.")
    info = read_info(folder)
    params = {
        "name": name,
        "dataset": info.dataset,
        "config": info.config,
        "model": info.base,
        "report": body.report,
    }
    return accepted(studio, studio.submit("train", params, key), response)


def _config(studio: Studio, plan: RunPlan) -> dict[str, Any]:
    """Every setting that counts: those of the preset, changed by those that were sent."""
    sent = {name: value for name, value in plan.config if value is not None}  # type: ignore[attr-defined]
    if plan.preset is None:
        return TrainConfig.from_dict(sent).as_dict()
    from angen.dataset import dataset_folder, load_dataset
    from angen.workflows.estimate import audio_seconds

    dataset = load_dataset(dataset_folder(studio.settings.training_data, plan.dataset), verify_audio=False)
    return preset(plan.preset, audio_seconds(dataset)).changed(**sent).as_dict()

"""Train an adapter on a dataset: encode, train, find the right noise level, write what is known of it."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from angen.adapters import AdapterInfo, adapter_folder, read_info, write_info
from angen.adapters.catalogue import METADATA
from angen.dataset import Dataset, dataset_folder, load_dataset
from angen.errors import AdapterError
from angen.files import free_bytes
from angen.model import MusicModel
from angen.progress import ProgressCallback, no_progress
from angen.settings import Settings
from angen.training import TrainConfig, TrainResult, refuse_empty, train
from angen.workflows.calibrate import calibrate
from angen.workflows.latents import training_clips
from angen.workflows.replay import replay_clips

_LIBRARIES = ("angen", "torch", "peft", "safetensors", "numpy")
_DISK_NEEDED = 200 * 2**20


@dataclass(frozen=True)
class TrainedAdapter:
    """What became of a run.

    Attributes:
        info: Its metadata.
        folder: Where it is; `best/` inside is what generation uses.
        result: Losses and validations.
    """

    info: AdapterInfo
    folder: Path
    result: TrainResult


def train_adapter(
    settings: Settings,
    name: str,
    dataset_name: str,
    config: TrainConfig,
    model: MusicModel,
    *,
    resume: bool = False,
    replace_existing: bool = False,
    on_progress: ProgressCallback = no_progress,
    should_stop: Callable[[], bool] = lambda: False,
) -> TrainedAdapter:
    """Train an adapter and describe it.

    Args:
        settings: The workspace.
        name: Of the adapter.
        dataset_name: A prepared dataset.
        config: Every knob.
        model: The base.
        resume: Go on with an interrupted run of this name.
        replace_existing: Train anew under a name that is taken.
        on_progress: Told of encoding, training and calibrating.
        should_stop: Asked after every step; True saves a checkpoint and ends the run.

    Raises:
        AdapterError: If the name is taken (without `resume` or `replace_existing`) or impossible.
        DatasetError: If there is no such dataset.
        TrainingError: See `training.train`.
    """
    folder = adapter_folder(settings.loras, name)
    _refuse_taken(folder, resume=resume, replace_existing=replace_existing)
    if free_bytes(settings.loras) < _DISK_NEEDED:
        raise AdapterError(
            f"A run needs about {_DISK_NEEDED // 2**20} MB of disk in {settings.loras}.",
            remedy="Free some space.",
        )
    dataset = load_dataset(dataset_folder(settings.training_data, dataset_name))
    refuse_empty(dataset.side("train"), dataset.side("validation"))  # before a former run is cleared away
    began = datetime.now(UTC).isoformat(timespec="seconds")
    if resume and (folder / METADATA).is_file():
        began = read_info(folder).created
    clips = training_clips(model, dataset, "train", config.speed_shifts, on_progress=on_progress)
    held_out = training_clips(model, dataset, "validation", on_progress=on_progress)
    replay = replay_clips(model, settings, on_progress=on_progress) if config.replay_share else []
    if not resume and folder.exists():
        _clear(folder)
    result = train(
        model,
        clips,
        held_out,
        config,
        folder,
        replay=replay,
        resume=resume,
        on_progress=on_progress,
        should_stop=should_stop,
    )
    tempo = _median_tempo(dataset)
    info = _describe(name, began, dataset, config, model, result, tempo)
    if result.finished and result.best_step > 0:
        found = calibrate(model, folder / "best", dataset, clips, on_progress=on_progress)
        info = info.model_copy(update={"noise_scale": found.noise_scale, "guidance": found.guidance})
    write_info(folder, info)
    return TrainedAdapter(info, folder, result)


def _refuse_taken(folder: Path, *, resume: bool, replace_existing: bool) -> None:
    exists = folder.is_dir() and any(folder.iterdir())
    if resume and not exists:
        raise AdapterError(f"There is no run {folder.name!r} to resume.", remedy="Start it without --resume.")
    if not exists or (replace_existing and not resume):
        return
    done = (folder / METADATA).is_file() and read_info(folder).state == "finished"
    if resume and not done:
        return
    raise AdapterError(
        f"There is already an adapter {folder.name!r}.",
        remedy="Choose another name, or train it anew with --replace."
        + ("" if done else " An interrupted run goes on with --resume."),
    )


def _clear(folder: Path) -> None:
    """Move a former run out of the way, then remove it."""
    import shutil

    former = folder.with_name(f".{folder.name}.former")
    shutil.rmtree(former, ignore_errors=True)
    (folder / METADATA).unlink(missing_ok=True)  # half a removal is then no adapter
    folder.rename(former)
    shutil.rmtree(former)


def _median_tempo(dataset: Dataset) -> float | None:
    tempi = [clip.tempo_bpm for clip in dataset.side("train") if clip.tempo_bpm]
    return round(statistics.median(tempi), 1) if tempi else None


def _describe(
    name: str,
    began: str,
    dataset: Dataset,
    config: TrainConfig,
    model: MusicModel,
    result: TrainResult,
    tempo_bpm: float | None,
) -> AdapterInfo:
    recent = [loss for _, loss in result.train_losses[-20:]]
    return AdapterInfo(
        name=name,
        state="finished" if result.finished else "training",
        created=began,
        base=model.facts.id,
        base_hash=model.facts.base_hash,
        dataset=dataset.info.name,
        dataset_hash=dataset.info.sha256,
        style=dataset.info.prompt_prefix,
        licence=dataset.info.licence,
        config=config.as_dict(),
        versions={
            "python": platform.python_version(),
            **{library: version(library) for library in _LIBRARIES},
        },
        steps=result.steps,
        best_step=result.best_step,
        validation_loss_base=result.base.loss,
        validation_loss_best=result.best.loss,
        validation_loss_final=result.validations[-1][1].loss,
        train_loss_final=statistics.fmean(recent) if recent else None,
        tempo_bpm=tempo_bpm,
        noise_scale=model.facts.noise_scale,
        seconds=round(result.seconds, 1),
    )

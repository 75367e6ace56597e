"""What a run on a dataset will take, from this machine's last runs where there were any."""

from __future__ import annotations

import json
from pathlib import Path

from angen.dataset import Dataset, Split, dataset_folder, load_dataset
from angen.errors import TrainingError
from angen.files import free_bytes, write_json
from angen.model import MusicModel
from angen.model.precision import chosen_precision, is_mixed
from angen.settings import Settings
from angen.training import Estimate, TrainConfig, TrainResult, estimate, refuse_empty

_ROOM = 100 * 2**20  # of disk that is left alone


def estimate_training(
    settings: Settings, dataset_name: str, config: TrainConfig, model: MusicModel
) -> Estimate:
    """What a run will take: steps, time, memory, disk.

    Args:
        settings: The workspace.
        dataset_name: A prepared dataset.
        config: Of the run.
        model: The base.

    Raises:
        DatasetError: If there is no such dataset.
        TrainingError: If it has nothing to train or validate on, or the model has not the layers asked for.
    """
    dataset = load_dataset(dataset_folder(settings.training_data, dataset_name))
    refuse_empty(dataset.side("train"), dataset.side("validation"))
    return estimate_run(settings, dataset, config, model)


def estimate_run(settings: Settings, dataset: Dataset, config: TrainConfig, model: MusicModel) -> Estimate:
    """The same for an opened dataset."""

    def frames(side: Split) -> list[int]:
        rate = model.facts.latent_rate_hz
        return [max(1, round(clip.duration_s * rate)) for clip in dataset.side(side)]

    speed = _speeds(_speed_file(settings)).get(_speed_key(model, config))
    return estimate(model, frames("train"), frames("validation"), config, tokens_per_s=speed)


def audio_seconds(dataset: Dataset) -> float:
    """Seconds of the clips to train on, for `training.preset`."""
    return sum(clip.duration_s for clip in dataset.side("train"))


def refuse_short_disk(folder: Path, expected: Estimate) -> None:
    """Make sure that a run's files fit.

    Raises:
        TrainingError: If they do not.
    """
    needed, free = expected.disk_bytes + _ROOM, free_bytes(folder)
    if free < needed:
        raise TrainingError(
            f"This run needs {_megabytes(needed)} MB of disk in {folder}; {_megabytes(free)} MB are free.",
            remedy="Free some space, or choose a lower rank or fewer checkpoints to keep.",
        )


def remember_speed(settings: Settings, model: MusicModel, config: TrainConfig, result: TrainResult) -> None:
    """Keep the speed of a run for the next estimate."""
    if result.tokens_per_s > 0:
        file = _speed_file(settings)
        write_json(file, {**_speeds(file), _speed_key(model, config): round(result.tokens_per_s, 2)})


def _speed_file(settings: Settings) -> Path:
    return settings.cache / "training_speed.json"


def _speed_key(model: MusicModel, config: TrainConfig) -> str:
    with chosen_precision(config.precision):
        kind = "bf16" if is_mixed() else "fp32"
    return f"{model.facts.id} {kind}" + (" recomputed" if config.gradient_checkpointing else "")


def _speeds(file: Path) -> dict[str, float]:
    """What was measured so far; nothing if it was never, or the file is damaged."""
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        return {str(key): float(value) for key, value in stored.items() if float(value) > 0}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _megabytes(count: int) -> int:
    return -(-count // 2**20)

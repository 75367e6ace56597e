"""A run described by a file, trained by however many processes were launched together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from angen.adapters import AdapterInfo, adapter_folder, read_info
from angen.adapters.catalogue import METADATA
from angen.dataset import dataset_folder, load_dataset
from angen.errors import DatasetError, TrainingError
from angen.progress import ProgressCallback, no_progress
from angen.settings import Settings
from angen.training import Processes, TrainConfig, preset, read_settings, usual_epochs
from angen.training.config import BUDGETS
from angen.workflows.adapter_report import ReportOptions
from angen.workflows.estimate import audio_seconds
from angen.workflows.models import open_model
from angen.workflows.train import TrainedAdapter, train_adapter


class RunFile(BaseModel):
    """What to train, as a `.toml` or `.json` file says it; unknown keys are errors.

    Attributes:
        name: Of the adapter.
        dataset: A prepared dataset.
        model: The base, by name or folder.
        resume: Go on with an interrupted run.
        replace: Train anew under a taken name.
        preset: Settings to begin with; None for the defaults.
        config: Settings that differ.
        report: Whether a finished run writes its report.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: str
    dataset: str
    model: str = "angen-tiny"
    resume: bool = False
    replace: bool = False
    preset: str | None = None
    config: dict[str, Any] = Field(default_factory=dict)
    report: bool = True


def read_run(path: Path) -> RunFile:
    """Read a run file.

    Raises:
        TrainingError: If it cannot be read or has other keys.
    """
    try:
        return RunFile(**read_settings(path))
    except (ValidationError, TypeError) as problem:
        raise TrainingError(
            f"{str(path)!r} describes no run: {problem}",
            remedy="It needs name and dataset; see docs/training.md for the rest.",
        ) from problem


def run_config(settings: Settings, run: RunFile) -> TrainConfig:
    """The settings of a run: its preset for that dataset, and what differs; on resume, those it began with."""
    began = interrupted_run(settings, run.name) if run.resume and run.preset is None else None
    if began is not None:
        return TrainConfig.from_dict(began.config).changed(**run.config)
    return chosen_config(settings, run.dataset, run.preset, run.config)


def interrupted_run(settings: Settings, name: str) -> AdapterInfo | None:
    """What is known of a run of this name that has not ended; None if there is none, or nothing is known yet.

    Raises:
        AdapterError: If the name is impossible, or the metadata damaged.
    """
    folder = adapter_folder(settings.loras, name)
    info = read_info(folder) if (folder / METADATA).is_file() else None
    return info if info is not None and info.state == "training" else None


def chosen_config(
    settings: Settings, dataset_name: str, preset_name: str | None, values: dict[str, Any]
) -> TrainConfig:
    """A preset for a dataset (None for the defaults), changed by some values.

    Where neither says how long to train, the size of the dataset does (`training.usual_epochs`).

    Raises:
        TrainingError: If a setting or the preset is unknown, or a value out of range.
        DatasetError: If a preset is asked for and there is no such dataset.
    """
    config = TrainConfig.from_dict(values)
    if preset_name is None and any(values.get(name) is not None for name in BUDGETS):
        return config
    try:
        heard_s = audio_seconds(load_dataset(dataset_folder(settings.training_data, dataset_name)))
    except DatasetError:
        if preset_name is None:
            return config  # whoever trains will say what is wrong with it
        raise
    if preset_name is None:
        return config.changed(epochs=usual_epochs(heard_s))
    return preset(preset_name, heard_s).changed(**values)


def train_launched(
    settings: Settings,
    run: RunFile,
    processes: Processes,
    *,
    on_progress: ProgressCallback = no_progress,
    should_stop: Any = lambda: False,
) -> TrainedAdapter:
    """Train what a run file describes, this process being one of `processes`.

    Raises:
        AngenError: See `train_adapter`.
    """
    return train_adapter(
        settings,
        run.name,
        run.dataset,
        run_config(settings, run),
        open_model(settings, run.model),
        resume=run.resume,
        replace_existing=run.replace,
        on_progress=on_progress,
        should_stop=should_stop,
        processes=processes,
        report=ReportOptions() if run.report else None,
    )

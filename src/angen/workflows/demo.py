"""The main job in one go: a folder of songs in, an adapter, music with and without it, and a report out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from angen.files import safe_name
from angen.model import MusicModel
from angen.progress import ProgressCallback, no_progress
from angen.report import RunReport
from angen.settings import Settings
from angen.training import TrainConfig
from angen.workflows.adapter_report import write_adapter_report
from angen.workflows.prepare import PreparedDataset, prepare_dataset
from angen.workflows.train import TrainedAdapter, train_adapter

DEMO_CONFIG = TrainConfig(epochs=30, batch_size=8, seed=0, checkpoint_every=100, validate_every=2)
PAGE = "report.html"


@dataclass(frozen=True)
class DemoResult:
    """Where everything is, the numbers in short, and the whole report (also in `report.json`)."""

    folder: Path
    report: Path
    numbers: dict[str, Any]
    prepared: PreparedDataset
    trained: TrainedAdapter
    told: RunReport


def run_demo(
    settings: Settings,
    songs: Sequence[Path],
    model: MusicModel,
    *,
    name: str = "demo",
    style: str = "",
    config: TrainConfig = DEMO_CONFIG,
    on_progress: ProgressCallback = no_progress,
) -> DemoResult:
    """Prepare, train, compare, report. Replaces what an earlier run of the same name left.

    Args:
        settings: The workspace; the result goes to `outputs/<name>`.
        songs: Recordings or folders of them.
        model: The base.
        name: Of dataset, adapter and output folder.
        style: The words that call the style up.
        config: Of the training.
        on_progress: Told of every stage.

    Raises:
        AngenError: Of any stage; what the stages before it made stays.
    """
    began = time.monotonic()
    name = safe_name(name)
    prepared = prepare_dataset(settings, name, songs, style=style, replace=True, on_progress=on_progress)
    trained = train_adapter(
        settings, name, name, config, model, replace_existing=True, on_progress=on_progress
    )
    skipped = [
        f"Left out: {file.error['message']} {file.error.get('remedy', '')}" for file in prepared.skipped
    ]
    written = write_adapter_report(
        settings,
        model,
        name,
        target=settings.outputs / name,
        page=PAGE,
        notes=[*prepared.notes, *skipped],
        on_progress=on_progress,
    )
    numbers = _numbers(prepared, trained, written.report, time.monotonic() - began)
    return DemoResult(written.folder, written.page, numbers, prepared, trained, written.report)


def _numbers(
    prepared: PreparedDataset, trained: TrainedAdapter, report: RunReport, seconds: float
) -> dict[str, Any]:
    result, style = trained.result, report.style
    return {
        "adapter": report.adapter,
        "base": report.base,
        "base_hash": report.base_hash,
        "songs": prepared.info.songs,
        "clips": prepared.info.clips,
        "clip_seconds": round(prepared.info.seconds, 1),
        "skipped": [file.model_dump() for file in prepared.skipped],
        "steps": report.steps,
        "best_step": report.best_step,
        "validation_loss_base": round(report.base_score.loss, 5),
        "validation_loss_best": round(report.best_score.loss, 5),
        "validation_loss_final": round(result.validations[-1][1].loss, 5),
        "train_loss_final": report.train[-1].mean_loss if report.train else None,
        "style_distance_base": style.base,
        "style_distance_adapter": style.adapter,
        "style_distance_floor": style.floor,
        "style_distance_codec": style.codec,
        "style_windows": style.windows,
        "memorisation": report.memorisation.verdict.level,
        "forgetting": report.forgetting.verdict.level,
        "verdicts": {
            "learning": report.learning.words,
            "style": style.verdict.words,
            "memorisation": report.memorisation.verdict.words,
            "forgetting": report.forgetting.verdict.words,
        },
        "noise_scale": report.noise_scale,
        "guidance": report.guidance,
        "seconds_training": report.seconds_training,
        "seconds_computing": round(seconds, 1),
    }


def verdict(numbers: dict[str, Any]) -> str:
    """What changed, in words, a line a gauge; of an adapter that changes nothing, only that."""
    words = list(numbers["verdicts"].values())
    return "\n".join(words[:1] if numbers["best_step"] == 0 else words)

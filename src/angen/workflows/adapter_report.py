"""The report of a trained adapter, written: music with and without it, the gauges, and a page, in one folder.

<adapter>/report/index.html, report.json, *.png
                 01_base.wav, 01_adapter.wav, ...; outside_01_base.wav, ... of other styles

The folder takes its place when it is whole; until then a former report stays.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from angen.adapters import AdapterInfo, adapter_folder
from angen.adapters.lora import AppliedAdapter
from angen.audio import Audio, read_audio, write_audio
from angen.dataset import Dataset, dataset_folder, load_dataset
from angen.errors import AdapterError
from angen.model import MusicModel
from angen.progress import Progress, ProgressCallback, no_progress
from angen.report import RunReport, draw_plots, write_page, write_record
from angen.report.record import TrainPoint, ValidationPoint
from angen.report.verdicts import judge_learning
from angen.settings import Settings
from angen.training.checkpoint import whole_folder
from angen.training.events import LOG
from angen.workflows.adapter_measuring import ReportOptions, Work, measure
from angen.workflows.generate import find_adapter
from angen.workflows.previews import read_previews

__all__ = ["ReportOptions", "ReportStoppedError", "WrittenReport", "read_log", "write_adapter_report"]

FOLDER, PAGE = "report", "index.html"


class ReportStoppedError(AdapterError):
    """It was asked to stop, and did; a former report stays."""

    code = "stopped"


@dataclass(frozen=True)
class WrittenReport:
    """A report and where it is."""

    report: RunReport
    folder: Path
    page: Path


def write_adapter_report(
    settings: Settings,
    model: MusicModel,
    name: str,
    options: ReportOptions | None = None,
    *,
    target: Path | None = None,
    page: str = PAGE,
    notes: Sequence[str] = (),
    on_progress: ProgressCallback = no_progress,
    should_stop: Callable[[], bool] = lambda: False,
) -> WrittenReport:
    """Measure an adapter and write its report.

    Args:
        settings: The workspace.
        model: The base it was trained on.
        name: Of the adapter.
        options: How much is drawn; None for the defaults.
        target: The report's folder, replaced if there is one; None for `report/` in the adapter's.
        page: Name of the HTML file.
        notes: What else its reader should know.
        on_progress: Told of every stage.
        should_stop: Asked at each progress; True ends it, and a former report stays.

    Raises:
        AdapterError: If there is no such adapter, it is of another base, or its log cannot be read.
        DatasetError: If its dataset is gone or damaged.
        ReportStoppedError: If it was asked to stop.
    """
    began, options = time.monotonic(), options or ReportOptions()

    def tell(progress: Progress) -> None:
        if should_stop():
            raise ReportStoppedError(
                "The report was stopped; what was there before it stays.",
                remedy=f"Write it again: angen adapter report {name}",
            )
        on_progress(progress)

    info, _ = find_adapter(settings, name, model)
    folder = adapter_folder(settings.loras, name)
    weights = folder / options.measured
    train, validations = read_log(folder)
    losses = {point.step: point.loss for point in validations}
    if info.best_step not in losses:
        raise AdapterError(
            f"{folder / LOG} holds no validation at step {info.best_step}, where the best adapter is from.",
            remedy="Train the adapter again.",
        )
    dataset = load_dataset(dataset_folder(settings.training_data, info.dataset))
    work = Work(settings, model, dataset, info, AppliedAdapter(weights), options, tell)
    found = measure(work)
    report = RunReport(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        adapter=info.name,
        measured=options.measured,
        base=info.base,
        base_hash=info.base_hash,
        base_licence=model.facts.licence,
        dataset=info.dataset,
        dataset_hash=info.dataset_hash,
        licence=info.licence,
        non_commercial=info.non_commercial,
        attribution=[*info.attribution],
        style_words=info.style,
        songs=dataset.info.songs,
        clips=dataset.info.clips,
        clip_seconds=round(dataset.info.seconds, 1),
        config=info.config,
        versions=info.versions,
        steps=info.steps,
        best_step=info.best_step,
        seconds_training=info.seconds,
        seconds_report=round(time.monotonic() - began, 1),
        noise_scale=info.noise_scale,
        guidance=info.guidance,
        train=train,
        validations=validations,
        learning=judge_learning(losses[0], losses[info.best_step], info.best_step),
        style=found.style,
        memorisation=found.memorisation,
        forgetting=found.forgetting,
        samples=found.samples,
        notes=[*dict.fromkeys([*notes, *dataset.info.notes, *_changes(dataset, info, options)])],
    )
    target = target or folder / FOLDER
    pictures = draw_plots(report)
    with whole_folder(target) as written:
        for file, audio in found.sounds.items():
            write_audio(written / file, audio)
        for file, png in pictures.items():
            (written / file).write_bytes(png)
        write_page(
            written / page,
            report,
            found.sounds,
            pictures,
            references=_references(dataset),
            previews=_previews(folder),
        )
        write_record(written, report)
    return WrittenReport(report, target, target / page)


def read_log(folder: Path) -> tuple[list[TrainPoint], list[ValidationPoint]]:
    """Losses of a run from its `log.jsonl`; of a step done twice, after a crash, the later line.

    Raises:
        AdapterError: If there is none, or no validation in it.
    """
    train: dict[int, TrainPoint] = {}
    validations: dict[int, ValidationPoint] = {}
    try:
        lines = (folder / LOG).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        lines = []
    for line in lines:
        try:
            event: dict[str, Any] = json.loads(line)
            step = event.get("step", 0)
            if event["kind"] == "step":
                values = {key: float(event[key]) for key in ("loss", "mean_loss", "rate")}
                train[step] = TrainPoint(step=step, **values)
            elif event["kind"] == "validation":
                validations[step] = ValidationPoint(
                    step=step, loss=float(event["loss"]), loss_by_time=event["loss_by_time"]
                )
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # a line that a crash cut short
    if 0 not in validations:
        raise AdapterError(
            f"{folder / LOG} holds no validation at step 0, so there is nothing to compare with.",
            remedy="Train the adapter again.",
        )
    return [train[step] for step in sorted(train)], [validations[step] for step in sorted(validations)]


def _changes(dataset: Dataset, info: AdapterInfo, options: ReportOptions) -> list[str]:
    notes = []
    if dataset.info.sha256 != info.dataset_hash:
        notes.append(
            "The dataset was changed after this adapter was trained; it is measured against the new one."
        )
    if options.measured != "best":
        notes.append(f"Measured are the weights of {options.measured}/, not those generation uses.")
    if info.state != "finished":
        notes.append(f"The run has not ended yet: this is how it stands at step {info.steps}.")
    return notes


def _references(dataset: Dataset) -> list[tuple[str, Audio]]:
    """A clip of each of the first two songs, mono and short."""
    chosen = {clip.song: clip for clip in reversed(dataset.clips)}
    return [
        (
            f"{clip.song}, {clip.split}",
            read_audio(dataset.audio_path(clip)).span(0, 15.36).mono().resampled(24_000),
        )
        for clip in list(chosen.values())[-2:]
    ]


def _previews(folder: Path, most: int = 6) -> list[tuple[str, Audio]]:
    """The first request's preview at some steps, the first and the last among them."""
    found = read_previews(folder)
    if not found:
        return []
    last = len(found) - 1
    chosen = sorted({round(i * last / max(1, most - 1)) for i in range(most)})
    return [
        (
            f"step {found[i].step}: “{found[i].samples[0].prompt}”",
            read_audio(found[i].folder / found[i].samples[0].file),
        )
        for i in chosen
        if found[i].samples
    ]

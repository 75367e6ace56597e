"""Train an adapter on a dataset: encode, train, find the right noise level, write what is known of it."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

from angen.adapters import AdapterInfo, adapter_folder, held_for_training, read_info, write_info
from angen.adapters.catalogue import METADATA
from angen.dataset import Dataset, dataset_folder, held_dataset, load_dataset
from angen.errors import AdapterError, AngenError
from angen.model import MusicModel
from angen.progress import ProgressCallback, no_progress
from angen.settings import Settings
from angen.training import (
    ALONE,
    Estimate,
    Event,
    EventCallback,
    Processes,
    TrainConfig,
    TrainResult,
    append_event,
    no_event,
    refuse_empty,
    result_so_far,
    train,
)
from angen.training.checkpoint import unwritable
from angen.workflows.adapter_report import ReportOptions, write_adapter_report
from angen.workflows.calibrate import calibrate
from angen.workflows.estimate import estimate_run, refuse_short_disk, remember_speed
from angen.workflows.latents import training_clips
from angen.workflows.previews import previewing
from angen.workflows.replay import replay_clips

_LIBRARIES = ("angen", "torch", "peft", "safetensors", "numpy")


@dataclass(frozen=True)
class TrainedAdapter:
    """What became of a run.

    Attributes:
        info: Its metadata.
        folder: Where it is; `best/` inside is what generation uses.
        result: Losses and validations.
        report: The page of its report, if one was made.
    """

    info: AdapterInfo
    folder: Path
    result: TrainResult
    report: Path | None = None


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
    on_event: EventCallback = no_event,
    on_validated: Callable[[int], None] = lambda step: None,
    processes: Processes = ALONE,
    report: ReportOptions | None = None,
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
        on_event: Told of each line of the run's `log.jsonl`.
        on_validated: Called with the step after each validation, the adapter acting; see `training.train`.
        processes: Who trains together; the first alone writes, tells and calibrates.
        report: How the report of a finished run is made, in `report/`; None for no report. Where it cannot be
            made, `on_event` is told why, and the adapter is whole all the same.

    Raises:
        AdapterError: If the name is taken (without `resume` or `replace_existing`) or impossible.
        DatasetError: If there is no such dataset.
        TrainingError: See `training.train`.
    """
    folder = adapter_folder(settings.loras, name)
    held = held_for_training(settings.loras, name, anew=replace_existing and not resume)
    try:
        with held if processes.is_first else nullcontext():
            if processes.is_first:
                _refuse_taken(folder, resume=resume, replace_existing=replace_existing)
            data = dataset_folder(settings.training_data, dataset_name).name
            with held_dataset(settings.training_data, data, f"training {name}"):
                return _train(
                    settings, folder, dataset_name, config, model, resume=resume, on_progress=on_progress,
                    should_stop=should_stop, on_event=on_event, on_validated=on_validated, processes=processes,
                    report=report,
                )  # fmt: skip
    except OSError as problem:
        raise unwritable(folder, problem) from problem


def _train(
    settings: Settings,
    folder: Path,
    dataset_name: str,
    config: TrainConfig,
    model: MusicModel,
    *,
    resume: bool,
    on_progress: ProgressCallback,
    should_stop: Callable[[], bool],
    on_event: EventCallback,
    on_validated: Callable[[int], None],
    processes: Processes,
    report: ReportOptions | None,
) -> TrainedAdapter:
    """`train_adapter`, nobody else writing to the adapter meanwhile."""
    dataset = load_dataset(dataset_folder(settings.training_data, dataset_name))
    refuse_empty(dataset.side("train"), dataset.side("validation"))  # before a former run is cleared away
    expected = estimate_run(settings, dataset, config, model)
    refuse_short_disk(settings.loras, expected)
    began = datetime.now(UTC).isoformat(timespec="seconds")
    if resume and (folder / METADATA).is_file():
        began = read_info(folder).created
    warnings: list[str] = []
    encoded = partial(training_clips, on_progress=on_progress, on_warning=warnings.append)
    clips, held_out, replay = processes.first_then_others(
        lambda: (
            encoded(model, dataset, "train", config.speed_shifts),
            encoded(model, dataset, "validation"),
            replay_clips(model, settings, on_progress=on_progress) if config.replay_share else [],
        )
    )
    if processes.is_first:
        if not resume and folder.exists():
            _clear(folder)
        on_event(_told_before(folder, expected))
        _warn(folder, warnings, on_event)
    processes.wait()
    tempo = _median_tempo(dataset)

    def written_down(event: Event) -> None:
        """Keep the metadata true while the run goes, so that a killed one is listed as what it is."""
        if event["kind"] in ("best", "checkpoint"):
            so_far = result_so_far(folder)
            write_info(folder, _describe(folder.name, began, dataset, config, model, so_far, tempo))
        on_event(event)

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
        on_event=written_down,
        on_validated=(
            previewing(model, dataset, config, folder, on_event=on_event, then=on_validated)
            if processes.is_first
            else on_validated
        ),
        processes=processes,
    )
    info = _describe(folder.name, began, dataset, config, model, result, tempo)
    if not processes.is_first:
        return TrainedAdapter(info, folder, result)
    remember_speed(settings, model, config, result)
    if result.finished and result.best_step > 0:
        found = calibrate(model, folder / "best", dataset, clips, on_progress=on_progress)
        info = info.model_copy(update={"noise_scale": found.noise_scale, "guidance": found.guidance})
    write_info(folder, info)
    page = None
    if report is not None and result.finished:
        page = report_run(
            settings, model, folder, report,
            on_progress=on_progress, should_stop=should_stop, on_event=on_event,
        )  # fmt: skip
    return TrainedAdapter(info, folder, result, page)


def report_run(
    settings: Settings,
    model: MusicModel,
    folder: Path,
    options: ReportOptions,
    *,
    on_progress: ProgressCallback = no_progress,
    should_stop: Callable[[], bool] = lambda: False,
    on_event: EventCallback = no_event,
) -> Path | None:
    """The page of a finished run's report; None where it cannot be made, and `on_event` is told why."""
    try:
        return write_adapter_report(
            settings, model, folder.name, options, on_progress=on_progress, should_stop=should_stop
        ).page
    except AngenError as problem:
        event = {"kind": "no report", "seconds": 0.0, **problem.as_dict()}
        append_event(folder, event)
        on_event(event)
        return None


def _warn(folder: Path, warnings: Sequence[str], on_event: EventCallback) -> None:
    """Tell what is odd about the clips, and keep it in the run's log."""
    for words in dict.fromkeys(warnings):
        event: Event = {"kind": "warning", "seconds": 0.0, "message": words}
        append_event(folder, event)
        on_event(event)


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


def _told_before(folder: Path, expected: Estimate) -> Event:
    """The estimate as the first event of a run (or of its going on), written down."""
    event = {
        "kind": "estimate",
        "seconds": 0.0,
        "steps": expected.steps,
        "seconds_total": round(expected.seconds, 1),
        "tokens_per_s": round(expected.tokens_per_s, 1),
        "memory_bytes": expected.memory_bytes,
        "disk_bytes": expected.disk_bytes,
    }
    append_event(folder, event)
    return event


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
        type=dataset.info.type,
        trigger_words=(dataset.info.prompt_prefix,) if dataset.info.prompt_prefix else (),
        non_commercial=dataset.info.non_commercial if dataset.info.licence else None,
        share_alike=dataset.info.share_alike if dataset.info.licence else None,
        attribution=tuple(dataset.info.attribution),
        songs=dataset.info.songs,
        clips=dataset.info.clips,
        audio_seconds=round(dataset.info.seconds, 1),
    )

"""Datasets and adapters as jobs: prepare, train, and the whole way in one go."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from angen.errors import DatasetError, JobError
from angen.jobs.kinds import AbsolutePath, Context, Params, Stopped
from angen.settings import Settings

if TYPE_CHECKING:
    from angen.adapters import AdapterInfo

__all__ = [
    "Demo", "Prepare", "Train", "check_demo", "check_prepare", "check_train", "complete_train", "demo", "prepare",
    "train",
]  # fmt: skip


class Prepare(Params):
    """As `workflows.prepare.prepare_dataset`."""

    name: str
    files: list[AbsolutePath] = Field(min_length=1)
    style: str = ""
    min_s: float = 10.0
    max_s: float = 30.0
    seed: int = 0
    replace: bool = False
    part: Literal["mix", "vocals", "accompaniment"] = "mix"
    stems: bool = False
    separator: Literal["spleeter", "htdemucs"] = "spleeter"


class Train(Params):
    """As `workflows.train.train_adapter`; `config` as `TrainConfig.from_dict`, completed when it is submitted.

    A run that was interrupted under this name goes on, with the same settings. `replace` trains anew. `report`
    says whether a finished run writes its report.
    """

    name: str
    dataset: str
    config: dict[str, Any] = Field(default_factory=dict)
    model: str = "angen-tiny"
    replace: bool = False
    report: bool = True


class Demo(Params):
    """As `workflows.demo.run_demo`."""

    songs: list[AbsolutePath] = Field(min_length=1)
    name: str = "demo"
    style: str = ""
    epochs: int | None = Field(None, ge=1)


def check_prepare(settings: Settings, params: Prepare) -> None:
    """Refuse a name that is taken and recordings that are not there."""
    from angen.dataset import new_name
    from angen.dataset.store import refuse_taken_name

    refuse_taken_name(settings.training_data, new_name(params.name), replace=params.replace)
    expect_some(params.files)
    if params.part != "mix" or params.stems:
        from angen.workflows.stems import require_model

        require_model(params.separator)


def prepare(settings: Settings, params: Prepare, context: Context) -> Any:
    """Prepare a dataset; one that this very job finished before, and could not say so, is taken as it is."""
    from angen.dataset import dataset_folder, load_dataset
    from angen.workflows.prepare import prepare_dataset

    if context.job.attempt > 1:
        try:
            done = load_dataset(dataset_folder(settings.training_data, params.name))
        except DatasetError:
            done = None
        if done is not None and done.info.created.timestamp() >= (context.job.started or 0):
            return {"folder": str(done.folder), **done.info.model_dump(mode="json")}
    made = prepare_dataset(
        settings, params.name, params.files, style=params.style, min_s=params.min_s, max_s=params.max_s,
        seed=params.seed, replace=params.replace, part=params.part, stems=params.stems,
        separator=params.separator, on_progress=context.report,
    )  # fmt: skip
    return {"folder": str(made.folder), **made.info.model_dump(mode="json")}


def complete_train(params: Train) -> Train:
    """Every setting, so that a later version's defaults cannot change a run that waits or goes on."""
    from angen.training import TrainConfig

    return params.model_copy(update={"config": TrainConfig.from_dict(params.config).as_dict()})


def check_train(settings: Settings, params: Train) -> None:
    """Refuse an unknown dataset or model, an empty side of the split, and a name that is taken."""
    from angen.adapters import adapter_folder
    from angen.dataset import dataset_folder, load_dataset
    from angen.training import refuse_empty

    if params.model != "angen-tiny":
        from angen.model import load_model

        load_model(params.model)
    dataset = load_dataset(dataset_folder(settings.training_data, params.dataset))
    refuse_empty(dataset.side("train"), dataset.side("validation"))
    folder = adapter_folder(settings.loras, params.name)
    info = _info(folder)
    if info is not None and info.state == "finished" and not params.replace:
        raise JobError(
            f"There is already an adapter {params.name!r}.", remedy="Choose another name, or say replace."
        )


def train(settings: Settings, params: Train, context: Context) -> Any:
    """Train; go on from the last checkpoint where this job, or an interrupted run of the name, has left one."""
    from angen.adapters import adapter_folder
    from angen.progress import Progress
    from angen.training import TrainConfig
    from angen.workflows.adapter_report import ReportOptions
    from angen.workflows.models import open_model
    from angen.workflows.train import report_run, train_adapter

    folder, started_s = adapter_folder(settings.loras, params.name), context.job.started or 0.0
    config = TrainConfig.from_dict(params.config)
    info = _info(folder)
    is_again = context.job.attempt > 1
    options = ReportOptions() if params.report else None
    if is_again and info is not None and info.state == "finished" and _made_since(info, started_s):
        page: Path | None = folder / "report" / "index.html"
        if options and page and not page.is_file():
            model = open_model(settings, params.model)
            page = report_run(settings, model, folder, options, on_progress=context.report)
        return _result(folder, info, page if options else None)
    resume = _goes_on(folder, started_s if params.replace else 0.0)

    def on_progress(progress: Progress) -> None:
        """The loop itself asks whether to stop; any other stage can be left at any moment."""
        (context.show if progress.stage == "training" else context.report)(progress)

    def on_event(event: dict[str, Any]) -> None:
        context.event(event["kind"], {key: value for key, value in event.items() if key != "kind"})
        if event["kind"] == "checkpoint":
            context.checkpointed(f"step {event.get('step', '?')}")

    trained = train_adapter(
        settings, params.name, params.dataset, config, open_model(settings, params.model), resume=resume,
        replace_existing=not resume and (params.replace or (is_again and _all_since(folder, started_s))),
        on_progress=on_progress, should_stop=context.should_stop, on_event=on_event, report=options,
    )  # fmt: skip
    if not trained.result.finished:
        context.checkpointed(f"step {trained.result.steps}")
        raise Stopped
    return _result(trained.folder, trained.info, trained.report)


def _result(folder: Path, info: AdapterInfo, report: Path | None) -> dict[str, Any]:
    return {"folder": str(folder), **info.model_dump(mode="json"), "report": report and str(report)}


def _info(folder: Path) -> AdapterInfo | None:
    """What is known of an adapter, if its folder tells anything."""
    from angen.adapters import read_info
    from angen.adapters.catalogue import METADATA

    return read_info(folder) if (folder / METADATA).is_file() else None


def _made_since(info: AdapterInfo, time_s: float) -> bool:
    return datetime.fromisoformat(info.created).astimezone(UTC).timestamp() >= int(time_s)


def _goes_on(folder: Path, since_s: float) -> bool:
    """Whether there is a checkpoint, and not one of a run that is to be replaced."""
    from angen.training.checkpoint import STATE, checkpoints

    found = checkpoints(folder / "checkpoints")
    return bool(found) and (found[-1] / STATE).stat().st_mtime >= since_s


def _all_since(folder: Path, time_s: float) -> bool:
    """Whether a folder holds nothing older: then it is what an earlier attempt of this job has left."""
    return all(path.stat().st_mtime >= time_s for path in folder.rglob("*") if path.is_file())


def check_demo(settings: Settings, params: Demo) -> None:
    """Refuse recordings that are not there."""
    expect_some(params.songs)


def demo(settings: Settings, params: Demo, context: Context) -> Any:
    """Prepare, train, compare and report, replacing what a former run left."""
    from angen.model import load_model
    from angen.workflows.demo import DEMO_CONFIG, run_demo, verdict

    config = DEMO_CONFIG if params.epochs is None else DEMO_CONFIG.changed(epochs=params.epochs)
    made = run_demo(
        settings, [Path(song) for song in params.songs], load_model(), name=params.name, style=params.style,
        config=config, on_progress=context.report,
    )  # fmt: skip
    return {
        "folder": str(made.folder), "report": str(made.report), "verdict": verdict(made.numbers), **made.numbers,
    }  # fmt: skip


def expect_some(files: list[str]) -> None:
    """Refuse a list of which nothing is there.

    Raises:
        JobError: If not one file or folder of it exists.
    """
    if not any(Path(file).exists() for file in files):
        raise JobError(f"There is nothing at {', '.join(map(repr, files[:3]))}.", remedy="Check the paths.")

"""`angen adapter train` and `angen adapter estimate`: a run, and what it will take."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from angen.cli.adapter import ModelOption, NameArgument, print_info
from angen.cli.console import JsonOption, clock_text, print_json, print_table, printable, say, show_progress
from angen.cli.jobs import BackgroundOption, submit_and_say
from angen.cli.training_knobs import KNOBS, Knob
from angen.settings import Settings, load_settings

if TYPE_CHECKING:
    from angen.training import TrainConfig

DatasetOption = Annotated[str, typer.Option(help="A prepared dataset.", show_default=False)]
PresetOption = Annotated[
    str | None,
    typer.Option(help="Begin with quick, balanced, thorough or small-memory.", show_default=False),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", help="A .toml or .json file of settings; options win over it.", show_default=False
    ),
]


def with_knobs(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each knob in place of its `**knobs`; those not given are left out of them."""
    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "knobs"]
    options = [
        inspect.Parameter(
            knob.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_annotation(knob)
        )
        for knob in KNOBS
    ]
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]

    def run(**given: Any) -> None:
        for knob in KNOBS:
            value = given.pop(knob.name)
            if value is not None and value != []:
                given[knob.name] = knob.read(value)
        command(**given)

    required = [p for p in parameters if p.default is inspect.Parameter.empty]
    optional = [p for p in parameters if p.default is not inspect.Parameter.empty]
    signature = [*required, *options, *optional]
    run.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in signature}
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    return run


def _annotation(knob: Knob) -> Any:
    flags = [f"--{knob.flag}"]
    if knob.kind is bool:
        flags = [f"--{knob.flag}/--no-{knob.flag}"]
    panel = f"{knob.panel} settings"
    how: dict[str, Any] = {"help": knob.help, "rich_help_panel": panel, "show_default": knob.default}
    if knob.least is not None:
        how["min"] = knob.least
    return Annotated[knob.kind | None, typer.Option(*flags, **how)]


@with_knobs
def train(
    name: NameArgument,
    dataset: Annotated[
        str | None, typer.Option(help="A prepared dataset.", show_default="with --resume, that of the run")
    ] = None,
    preset: PresetOption = None,
    config: ConfigOption = None,
    model: ModelOption = "angen-tiny",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run, with the settings it began with.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Train anew under a taken name.")] = False,
    no_report: Annotated[
        bool, typer.Option("--no-report", help="Write no report; 'angen adapter report' does it later.")
    ] = False,
    background: BackgroundOption = False,
    json: JsonOption = False,
    **knobs: Any,
) -> None:
    """Train an adapter on a dataset. Ctrl-C saves a checkpoint and stops; --resume goes on exactly there."""
    settings = load_settings()
    from angen.workflows.launched import interrupted_run

    began = interrupted_run(settings, name) if resume else None
    dataset = dataset or (began.dataset if began else None)
    if dataset is None:
        raise typer.BadParameter("name the dataset to train on.", param_hint="--dataset")
    stored = began.config if began and not (preset or config) else None
    chosen = _config(settings, dataset, preset, config, knobs, stored)
    if background:
        params = {"name": name, "dataset": dataset, "config": chosen.as_dict(), "model": model}
        submit_and_say("train", {**params, "replace": replace, "report": not no_report}, json=json)
        return
    from angen.cli.stopping import stop_on_interrupt
    from angen.workflows.adapter_report import ReportOptions
    from angen.workflows.models import open_model
    from angen.workflows.train import train_adapter

    with show_progress() as on_progress, stop_on_interrupt() as should_stop:
        trained = train_adapter(
            settings,
            name,
            dataset,
            chosen,
            open_model(settings, model),
            resume=resume,
            replace_existing=replace,
            on_progress=on_progress,
            should_stop=should_stop,
            on_event=_say_event,
            report=None if no_report else ReportOptions(),
        )
    page = trained.report and printable(str(trained.report))
    if json:
        record = {"folder": printable(str(trained.folder)), **trained.info.model_dump(mode="json")}
        print_json({**record, "report": page}, indent=2)
    else:
        print_info(trained.info, str(trained.folder))
        if page:
            typer.echo(f"\nListen and look, in a browser:\n  {page}")
    if not trained.result.finished:
        say(f"Stopped at step {trained.result.steps}.", f"Go on: angen adapter train {name} --resume")
        raise typer.Exit(130)


@with_knobs
def estimate(
    dataset: DatasetOption,
    preset: PresetOption = None,
    config: ConfigOption = None,
    model: ModelOption = "angen-tiny",
    json: JsonOption = False,
    **knobs: Any,
) -> None:
    """Say what a run will take: steps, time, memory, disk. Takes the options of `angen adapter train`."""
    settings = load_settings()
    from angen.workflows.estimate import estimate_training
    from angen.workflows.models import open_model

    chosen = _config(settings, dataset, preset, config, knobs)
    expected = estimate_training(settings, dataset, chosen, open_model(settings, model))
    if json:
        print_json({**asdict(expected), "config": chosen.as_dict()}, indent=2)
        return
    source = "the last run here" if expected.is_measured else "a matrix product; the first run corrects it"
    facts = {
        "Steps": str(expected.steps),
        "Audio heard": clock_text(expected.audio_seconds),
        "Time": f"{clock_text(expected.seconds)} (speed of {source})",
        "Memory": _size(expected.memory_bytes),
        "Disk": _size(expected.disk_bytes),
        "Trainable weights": f"{expected.trainable:,}",
    }
    print_table(["", ""], [[key, value] for key, value in facts.items()])


def _config(
    settings: Settings,
    dataset: str,
    preset: str | None,
    file: Path | None,
    knobs: dict[str, Any],
    stored: dict[str, Any] | None = None,
) -> TrainConfig:
    """The preset, then the file (or in their place what a run began with), then the options."""
    from angen.training import TrainConfig, read_settings
    from angen.workflows.launched import chosen_config

    if stored is not None:
        return TrainConfig.from_dict(stored).changed(**knobs)
    from_file = read_settings(file) if file else {}
    TrainConfig.from_dict(from_file).changed(
        **knobs
    )  # what is wrong in them is told before any dataset is sought
    return chosen_config(settings, dataset, preset, from_file).changed(**knobs)


def _say_event(event: dict[str, Any]) -> None:
    if event["kind"] == "no report":
        say(f"No report: {event['message']}", event["remedy"])
    elif event["kind"] == "warning":
        say(event["message"])
    elif event["kind"] == "estimate":
        left = event.get("seconds_left", event["seconds_total"])
        memory = f", {_size(event['memory_bytes'])} of memory" if "memory_bytes" in event else ""
        say(f"About {clock_text(left)} to go of {event['steps']} steps{memory}.")


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GB" if count >= 2**30 else f"{-(-count // 2**20)} MB"

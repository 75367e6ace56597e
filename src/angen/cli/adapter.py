"""`angen adapter`: train, list, show and delete adapters."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from angen.cli.console import JsonOption, clock_text, print_json, print_table, printable, say, show_progress
from angen.settings import load_settings

if TYPE_CHECKING:
    from angen.adapters import AdapterInfo

app = typer.Typer(no_args_is_help=True, help="LoRA adapters: what a base model has learnt from a dataset.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the adapter.", show_default=False)]


@app.command()
def train(
    name: NameArgument,
    dataset: Annotated[str, typer.Option(help="A prepared dataset.", show_default=False)],
    epochs: Annotated[int, typer.Option(min=1, help="Times through all clips.")] = 10,
    batch_size: Annotated[int, typer.Option(min=1, help="Crops a step.")] = 4,
    learning_rate: Annotated[
        float | None,
        typer.Option(help="Peak learning rate.", show_default="the model's own: 1e-3 for angen-tiny"),
    ] = None,
    rank: Annotated[int, typer.Option(min=1, help="LoRA rank.")] = 16,
    alpha: Annotated[float, typer.Option(help="LoRA alpha.")] = 32.0,
    dropout: Annotated[float, typer.Option(help="LoRA dropout.")] = 0.05,
    seed: Annotated[int, typer.Option(min=0, help="Of every random choice.")] = 0,
    accumulation: Annotated[int, typer.Option(min=1, help="Batches whose gradients make one step.")] = 1,
    checkpoint_every: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 500,
    validate_every: Annotated[int, typer.Option(min=1, help="Epochs between validations.")] = 1,
    patience: Annotated[
        int, typer.Option(min=0, help="Validations without a new best that end a run; 0 for never.")
    ] = 4,
    replay_share: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Share of crops from the base's own music, against forgetting."),
    ] = 0.0,
    model: Annotated[str, typer.Option(help="Base model.")] = "angen-tiny",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Train anew under a taken name.")] = False,
    json: JsonOption = False,
) -> None:
    """Train an adapter on a dataset. Ctrl-C saves a checkpoint and stops; --resume goes on exactly there."""
    settings = load_settings()
    from angen.cli.stopping import stop_on_interrupt
    from angen.model import load_model
    from angen.training import TrainConfig
    from angen.workflows.train import train_adapter

    config = TrainConfig(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        rank=rank,
        alpha=alpha,
        dropout=dropout,
        seed=seed,
        accumulation=accumulation,
        checkpoint_every=checkpoint_every,
        validate_every=validate_every,
        patience=patience,
        replay_share=replay_share,
    )
    with show_progress() as on_progress, stop_on_interrupt() as should_stop:
        trained = train_adapter(
            settings,
            name,
            dataset,
            config,
            load_model(model),
            resume=resume,
            replace_existing=replace,
            on_progress=on_progress,
            should_stop=should_stop,
        )
    if json:
        print_json(
            {"folder": printable(str(trained.folder)), **trained.info.model_dump(mode="json")}, indent=2
        )
    else:
        _print_info(trained.info, str(trained.folder))
    if not trained.result.finished:
        say(
            f"Stopped at step {trained.result.steps}.",
            f"Go on: angen adapter train {name} --dataset {dataset} --resume (with the same options)",
        )
        raise typer.Exit(130)


@app.command("list")
def list_all(json: JsonOption = False) -> None:
    """List the adapters of the workspace."""
    from angen.adapters import list_adapters

    root = load_settings().loras
    infos = list_adapters(root)
    if json:
        print_json([info.model_dump(mode="json") for info in infos], indent=2)
    elif infos:
        print_table(
            ["name", "created", "steps", "base", "dataset", "held-out loss", "state"],
            [_row(info) for info in infos],
        )
    else:
        say(
            f"No adapters in {printable(str(root))!r} yet.",
            "Train one: angen adapter train NAME --dataset DATASET",
        )


@app.command()
def show(name: NameArgument, json: JsonOption = False) -> None:
    """Show what is known of an adapter."""
    from angen.adapters import adapter_folder, read_info

    folder = adapter_folder(load_settings().loras, name)
    info = read_info(folder)
    if json:
        print_json(info.model_dump(mode="json"), indent=2)
    else:
        _print_info(info, str(folder))


@app.command()
def delete(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Delete an adapter, its checkpoints included. The dataset stays."""
    from angen.adapters import adapter_folder, delete_adapter

    root = load_settings().loras
    folder = adapter_folder(root, name)
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Delete {printable(str(folder))} for good?", abort=True, err=True)
    delete_adapter(root, name)
    if json:
        print_json({"deleted": name})
    else:
        typer.echo(f"Deleted {name}.")


def _row(info: AdapterInfo) -> list[str]:
    return [
        info.name,
        info.created[:16].replace("T", " "),
        str(info.steps),
        info.base,
        info.dataset,
        _loss(info),
        info.state,
    ]


def _loss(info: AdapterInfo) -> str:
    return f"{info.validation_loss_base:.3f} → {info.validation_loss_best:.3f}"


def _print_info(info: AdapterInfo, folder: str) -> None:
    facts = {
        "Adapter": info.name,
        "Folder": printable(folder),
        "Base": info.base,
        "Dataset": info.dataset,
        "Style": info.style or "-",
        "Steps": f"{info.steps}, best at {info.best_step}",
        "Held-out loss": f"{_loss(info)} (base → best)",
        "Trained": clock_text(info.seconds),
    }
    print_table(["", ""], [[key, value] for key, value in facts.items()])

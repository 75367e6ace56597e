"""`angen model`: which base models there are, what they need, and fetching them."""

from __future__ import annotations

from typing import Annotated

import typer

from angen.cli.console import JsonOption, print_json, print_table, printable, say, show_progress
from angen.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Base models: what is there, and fetching what is not.")

ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="Its name.", show_default=False)]


@app.command("list")
def list_all(json: JsonOption = False) -> None:
    """List the models, and what is missing to use them."""
    settings = load_settings()
    from angen.workflows.models import list_models

    found = list(list_models(settings))
    if json:
        print_json([status.as_dict() for status in found], indent=2)
        return
    print_table(
        ["model", "for", "licence of the weights", "ready", "where", "remedy"],
        [[x.id, x.purpose, x.licence, "yes" if x.is_ready else "no", x.detail, x.remedy] for x in found],
    )


@app.command()
def info(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="Its name, or a folder with DiffRhythm 2's files.", show_default=False
        ),
    ],
    json: JsonOption = False,
) -> None:
    """Show what is known of a model: files, memory, licence. Its weights are not read."""
    settings = load_settings()
    from angen.workflows.models import model_status

    facts = model_status(settings, model)
    if json:
        print_json(facts, indent=2)
    else:
        rows = [[key.replace("_", " "), printable(str(value))] for key, value in facts.items() if value != ""]
        print_table(["", ""], rows)


@app.command()
def fetch(
    model: ModelArgument,
    accept_licence: Annotated[
        str,
        typer.Option(metavar="NAME", help="The licence you accept, where it must be.", show_default="none"),
    ] = "",
    json: JsonOption = False,
) -> None:
    """Download a model's weights. An interrupted download goes on where it stopped."""
    settings = load_settings()
    from angen.workflows.models import fetch_model

    with show_progress() as on_progress:
        folder = fetch_model(settings, model, accepted_licence=accept_licence, on_progress=on_progress)
    if json:
        print_json({"model": model, "folder": None if folder is None else printable(str(folder))}, indent=2)
    elif folder is None:
        say(f"{model} is set up.")
    else:
        typer.echo(printable(str(folder)))

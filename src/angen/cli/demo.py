"""`angen demo`: the whole way from a folder of songs to a report, in one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from angen.cli.console import JsonOption, clock_text, print_json, printable, say, show_progress
from angen.settings import load_settings


def demo(
    songs: Annotated[
        list[Path],
        typer.Argument(metavar="SONGS...", help="Recordings, or folders of them.", show_default=False),
    ],
    name: Annotated[str, typer.Option(help="Of dataset, adapter and result.")] = "demo",
    style: Annotated[
        str | None, typer.Option(help="Words that call the style up.", show_default="the folder's name")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Times through all clips.", show_default="30")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Songs in; an adapter, music with and without it, and a report out."""
    settings = load_settings()
    from dataclasses import replace

    from angen.model import load_model
    from angen.workflows.demo import DEMO_CONFIG, run_demo, verdict

    songs = [path.expanduser() for path in songs]
    if style is None:
        style = songs[0].resolve().name if songs[0].is_dir() else ""
    config = DEMO_CONFIG if epochs is None else replace(DEMO_CONFIG, epochs=epochs)
    with show_progress() as on_progress:
        result = run_demo(
            settings, songs, load_model(), name=name, style=style, config=config, on_progress=on_progress
        )
    for skipped in result.prepared.skipped:
        say(f"Left out: {skipped.error['message']}", skipped.error.get("remedy", ""))
    if json:
        print_json({"folder": printable(str(result.folder)), **result.numbers}, indent=2)
        return
    numbers = result.numbers
    typer.echo(
        f"\n{verdict(numbers)}\n\n"
        f"  held-out loss    {numbers['validation_loss_base']:.4f} -> {numbers['validation_loss_best']:.4f}"
        f"  (best at step {numbers['best_step']} of {numbers['steps']})\n"
        f"  style distance   {numbers['style_distance_base']:.2f} -> {numbers['style_distance_adapter']:.2f}"
        f"  (your songs among themselves {numbers['style_distance_floor']:.2f},"
        f" codec alone {numbers['style_distance_codec']:.2f})\n"
        f"  computing time   {clock_text(numbers['seconds_computing'])}\n\n"
        f"Listen to the same seeds without and with the adapter:\n"
        f"  {printable(str(result.folder))}/01_base.wav\n"
        f"  {printable(str(result.folder))}/01_adapter.wav   ... 12 pairs\n"
        f"All of it side by side, in a browser:\n  {printable(str(result.report))}\n"
        f"More in this style:\n"
        f"  angen generate --adapter {result.trained.info.name} --prompt {style or 'music'!r} --seconds 30"
    )

"""`angen generate`: music from words, with adapters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from angen.cli.console import JsonOption, print_json, printable, show_progress
from angen.settings import load_settings


def generate(
    prompt: Annotated[
        str, typer.Option(help="What it should be: 'happy calypso, 112 bpm'.", show_default=False)
    ],
    adapter: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[:STRENGTH]", help="An adapter and its strength; may be given again."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=1.0, max=600.0, help="Length.")] = 30.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same music.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Sound file to write: .wav .flac .ogg .mp3", show_default="a new name in outputs"),
    ] = None,
    tempo: Annotated[
        float | None, typer.Option(help="Tempo in BPM.", show_default="from the prompt, else the adapter's")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, max=200, help="Sampling steps a block.")] = 16,
    guidance: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=20.0,
            help="How much the prompt counts.",
            show_default="the adapter's own",
        ),
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            help="Sections in proportion: 'intro 4, verse 8, chorus 8, outro 4'.", show_default="none"
        ),
    ] = "",
    ending: Annotated[bool, typer.Option(help="Let the piece come to an end within its length.")] = False,
    model: Annotated[str, typer.Option(help="Base model.")] = "angen-tiny",
    json: JsonOption = False,
) -> None:
    """Generate a piece of music, with a JSON file beside it that says how it was made."""
    settings = load_settings()
    from angen.generation import GenerationRequest
    from angen.model import load_model
    from angen.workflows.generate import AdapterChoice, generate_music

    request = GenerationRequest(
        prompt, seconds, seed, tempo_bpm=tempo, steps=steps, guidance=guidance, form=form, ending=ending
    )
    choices = [AdapterChoice.parse(text) for text in adapter or []]
    with show_progress() as on_progress:
        made = generate_music(settings, load_model(model), request, choices, out=out, on_progress=on_progress)
    if json:
        print_json({"path": printable(str(made.path)), "request": made.request.as_dict()}, indent=2)
    else:
        typer.echo(printable(str(made.path)))

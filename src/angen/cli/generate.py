"""`angen generate`: music from words, with adapters."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from angen.cli.console import JsonOption, print_json, printable, say, show_progress
from angen.cli.jobs import BackgroundOption, submit_and_say
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
    lyrics: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Lyrics to sing, as text or LRC.", show_default="none"),
    ] = None,
    style_file: Annotated[
        Path | None,
        typer.Option(
            "--style-audio",
            "--style-file",
            metavar="FILE",
            help="Style of a recording, or of 512 numbers in a .npy or .safetensors file.",
            show_default="from the prompt",
        ),
    ] = None,
    style_dataset: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Mean style of a dataset's clips.", show_default="none"),
    ] = None,
    model: Annotated[
        str, typer.Option(help="Base model: angen-tiny, diffrhythm2, or a folder of its files.")
    ] = "angen-tiny",
    background: BackgroundOption = False,
    json: JsonOption = False,
) -> None:
    """Generate a piece of music, with a JSON file beside it that says how it was made."""
    if style_file is not None and style_dataset is not None:
        raise typer.BadParameter("Give --style-audio or --style-dataset, not both.")
    settings = load_settings()
    from angen.generation import GenerationRequest
    from angen.workflows.generate import AdapterChoice, generate_music
    from angen.workflows.lyrics import read_lyrics_file
    from angen.workflows.models import open_model, style_of_dataset, style_of_file

    request = GenerationRequest(
        prompt,
        seconds,
        seed,
        tempo_bpm=tempo,
        steps=steps,
        guidance=guidance,
        form=form,
        ending=ending,
        lyrics="" if lyrics is None else read_lyrics_file(lyrics),
    )
    choices = [AdapterChoice.parse(text) for text in adapter or []]
    if background:
        params: dict[str, Any] = {
            "request": request.as_dict(),
            "adapters": [asdict(choice) for choice in choices],
        }
        style_path = style_file and str(style_file.absolute())
        params |= {"style_file": style_path, "style_dataset": style_dataset, "model": model}
        submit_and_say("generate", {**params, "out": out and str(out.absolute())}, json=json)
        return
    opened, style = open_model(settings, model), None
    with show_progress() as on_progress:
        if style_file is not None:
            style = style_of_file(settings, style_file)
        elif style_dataset is not None:
            style = style_of_dataset(settings, style_dataset, on_progress=on_progress)
        made = generate_music(
            settings, opened, request, choices, style=style, out=out, on_progress=on_progress
        )
    say(*made.conditions.notes)
    if json:
        told = made.conditions.as_dict()
        print_json(
            {"path": printable(str(made.path)), "request": made.request.as_dict(), "conditions": told},
            indent=2,
        )
    else:
        typer.echo(printable(str(made.path)))

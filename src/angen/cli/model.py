"""`angen model`: which base models there are, what they need, fetching them, and latents where there is no encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from angen.cli.console import JsonOption, print_json, print_table, printable, say, show_progress
from angen.cli.stopping import stop_on_interrupt
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


SettingOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="A setting of the search; may be repeated.", show_default="none"
    ),
]


@app.command()
def invert(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="Recordings.", show_default=False)
    ] = None,
    model: Annotated[str, typer.Option(metavar="MODEL", help="Whose latents.")] = "diffrhythm2",
    dataset: Annotated[
        str,
        typer.Option(metavar="NAME", help="All clips of a dataset, in place of files.", show_default="none"),
    ] = "",
    method: Annotated[
        str,
        typer.Option(
            metavar="WAY",
            help="optimised, encoded (a distilled encoder alone) or refined (a short search from it).",
            show_default="refined where there is a distilled encoder, else optimised",
        ),
    ] = "",
    settings_: SettingOption = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the latents of files go.")] = Path(
        "latents"
    ),
    estimate: Annotated[bool, typer.Option("--estimate", help="Say what it will take, and stop.")] = False,
    json: JsonOption = False,
) -> None:
    """Find latents of recordings by inverting a model's decoder. What was found before is not looked for again."""
    settings = load_settings()
    if bool(files) == bool(dataset):
        raise typer.BadParameter("give recordings, or --dataset NAME.", param_hint="FILE")
    from angen.workflows.invert import asked_recipe, invert_dataset, invert_files
    from angen.workflows.models import open_model

    base = open_model(settings, model)
    recipe = asked_recipe(base, method, _numbers(settings_ or []))
    with (
        show_progress() as on_progress,
        stop_on_interrupt("Stopping; what was found is kept.") as should_stop,
    ):
        how: dict[str, Any] = {"on_progress": on_progress, "should_stop": should_stop, "only_cost": estimate}
        if dataset:
            told = invert_dataset(settings, base, dataset, recipe, **how)
        else:
            told = invert_files(base, files or [], recipe, out, **how)
    if json:
        print_json(told.as_dict(), indent=2)
        return
    say(f"At most: {told.cost}.", told.check.words if told.check else "")
    rows = [
        [x["name"], *(f"{x['scores'][key]:g}" for key in ("spectra", "mel", "snr_db", "steps")), x["file"]]
        for x in told.found
    ]
    if rows:
        print_table(["recording", "spectra", "mel", "SNR dB", "steps", "latents"], rows)


@app.command("distil-encoder")
def distil(
    recordings: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Your recordings, for the cycle loss.", show_default=False),
    ] = None,
    model: Annotated[str, typer.Option(metavar="MODEL", help="Whose decoder.")] = "diffrhythm2",
    minutes: Annotated[float, typer.Option(min=0.1, help="Of the model's own music to learn from.")] = 600.0,
    piece_s: Annotated[float, typer.Option("--piece-seconds", min=1.0, help="Length of each piece.")] = 30.0,
    steps: Annotated[int, typer.Option(min=1, help="Of the training.")] = 20_000,
    dim: Annotated[int, typer.Option(min=1, help="Width of the encoder.")] = 768,
    depth: Annotated[int, typer.Option(min=0, help="Its blocks.")] = 8,
    batch_size: Annotated[int, typer.Option(min=1, help="Windows of a step.")] = 8,
    window_s: Annotated[float, typer.Option("--window-seconds", min=0.1, help="Length of each.")] = 5.0,
    seed: Annotated[int, typer.Option(min=0, help="Of every random choice.")] = 0,
    estimate: Annotated[bool, typer.Option("--estimate", help="Say what it will take, and stop.")] = False,
    json: JsonOption = False,
) -> None:
    """Train an encoder for a model without one, on music it draws itself. The same words go on where it stopped."""
    settings = load_settings()
    from angen.audio import read_audio
    from angen.model.distilling import DistilSettings
    from angen.workflows.distil import distil_cost, distil_encoder
    from angen.workflows.models import encoders_folder, open_model

    how = DistilSettings(
        steps=steps, dim=dim, depth=depth, batch_size=batch_size, window_s=window_s, seed=seed
    )
    base = open_model(settings, model)
    cost = distil_cost(base, minutes, piece_s, how)
    say(f"{cost}.")
    if estimate:
        if json:
            print_json(vars(cost), indent=2)
        return
    with (
        show_progress() as on_progress,
        stop_on_interrupt("Stopping; the same command goes on.") as should_stop,
    ):
        made = distil_encoder(
            base, encoders_folder(settings), how,
            recordings=[read_audio(file) for file in recordings or []],
            minutes=minutes, piece_s=piece_s, on_progress=on_progress, should_stop=should_stop,
        )  # fmt: skip
    result = made.result
    error = round(result.error, 5) if result.finished else None
    if json:
        file = None if made.file is None else printable(str(made.file))
        print_json(
            {"file": file, "steps": result.steps, "finished": result.finished, "error": error}, indent=2
        )
    elif made.file is None:
        say(f"Stopped after {result.steps} steps.")
    else:
        say(f"Error on held-out music of the model: {error} of its variance.")
        typer.echo(printable(str(made.file)))


@app.command()
def memory(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Its name or folder.")] = "diffrhythm2",
    rank: Annotated[int, typer.Option(min=1, help="Of the adapter.")] = 16,
    words: Annotated[int, typer.Option(min=0, help="Text ids of the lyrics.")] = 200,
    json: JsonOption = False,
) -> None:
    """Say what training on it takes on a GPU, and which crops fit in 8, 12, 16 and 24 GB. Computed, not measured."""
    settings = load_settings()
    from angen.workflows.gpu_memory import what_fits

    told = what_fits(settings, model, rank=rank, words=words)
    if json:
        print_json([row.as_dict() for row in told], indent=2)
        return
    print_table(
        ["GPU", "blocks computed twice", "noisy blocks", "longest crop", "takes"],
        [
            [
                f"{row.gpu_gb} GB", "yes" if row.is_recomputed else "no", str(row.noisy_blocks or "all"),
                f"{row.crop_s:g} s" if row.crop_s else "none", f"{row.bytes / 1e9:.1f} GB",
            ]
            for row in told
        ],
    )  # fmt: skip


def _numbers(words: list[str]) -> dict[str, int | float]:
    """Settings given as NAME=VALUE."""
    found: dict[str, int | float] = {}
    for text in words:
        name, sign, value = text.partition("=")
        try:
            found[name] = int(value) if value.lstrip("-").isdecimal() else float(value)
        except ValueError as problem:
            raise typer.BadParameter(f"{text!r} is not NAME=NUMBER.", param_hint="--set") from problem
        if not sign:
            raise typer.BadParameter(f"{text!r} is not NAME=NUMBER.", param_hint="--set")
    return found

"""`angen adapter`: train, list, show, rename, merge, send out and take in adapters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from angen.cli.console import (
    JsonOption,
    clock_text,
    confirm_deletion,
    print_json,
    print_table,
    printable,
    say,
)
from angen.settings import load_settings

if TYPE_CHECKING:
    from angen.adapters import AdapterInfo

app = typer.Typer(no_args_is_help=True, help="LoRA adapters: what a base model has learnt from a dataset.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the adapter.", show_default=False)]
NewNameArgument = Annotated[
    str, typer.Argument(metavar="NEW_NAME", help="A name that is free.", show_default=False)
]
ChoicesArgument = Annotated[
    list[str],
    typer.Argument(metavar="NAME[:STRENGTH]...", help="Adapters and their strengths.", show_default=False),
]
ModelOption = Annotated[str, typer.Option(help="Base model, by name or folder.")]


@app.command("list")
def list_all(json: JsonOption = False) -> None:
    """List the adapters of the workspace."""
    from angen.adapters import list_adapters, state_now

    root = load_settings().loras
    infos = [info.model_copy(update={"state": state_now(root, info)}) for info in list_adapters(root)]
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
    """Show all that is known of an adapter, what is in its folders, and whether it has learnt anything."""
    from angen.workflows.adapters import inspect_adapter

    known = inspect_adapter(load_settings(), name)
    if json:
        print_json({**known, "folder": printable(known["folder"])}, indent=2)
    else:
        _print_known(known)


@app.command()
def rename(name: NameArgument, new_name: NewNameArgument, json: JsonOption = False) -> None:
    """Give an adapter another name."""
    from angen.adapters import rename_adapter

    rename_adapter(load_settings().loras, name, new_name)
    _done(json, {"renamed": name, "name": new_name}, f"{name} is now {new_name}.")


@app.command()
def duplicate(name: NameArgument, new_name: NewNameArgument, json: JsonOption = False) -> None:
    """Copy an adapter under another name, all but its checkpoints."""
    from angen.adapters import duplicate_adapter

    duplicate_adapter(load_settings().loras, name, new_name)
    _done(json, {"duplicated": name, "name": new_name}, f"{new_name} is a copy of {name}.")


@app.command()
def delete(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Delete an adapter, its checkpoints included. The dataset stays. One in use is not deleted."""
    from angen.adapters import delete_adapter
    from angen.adapters.catalogue import existing_folder

    root = load_settings().loras
    confirm_deletion(str(existing_folder(root, name)), yes=yes)
    delete_adapter(root, name)
    _done(json, {"deleted": name}, f"Deleted {name}.")


@app.command()
def cleanup(json: JsonOption = False) -> None:
    """Remove what killed operations left half-done. Nothing that is in use or whole is touched."""
    from angen.adapters import clean_up

    gone = [printable(name) for name in clean_up(load_settings().loras)]
    _done(json, {"removed": gone}, "\n".join(f"Removed {name}." for name in gone) or "Nothing to remove.")


@app.command()
def merge(
    choices: ChoicesArgument,
    out: Annotated[Path, typer.Option(help="Folder to write, for generate --model.", show_default=False)],
    model: ModelOption = "angen-tiny",
    json: JsonOption = False,
) -> None:
    """Write a copy of the base model with adapters in its weights."""
    settings = load_settings()
    from angen.workflows.adapters import merge_into_base
    from angen.workflows.generate import AdapterChoice
    from angen.workflows.models import open_model

    made = merge_into_base(
        settings, open_model(settings, model), [AdapterChoice.parse(text) for text in choices], out
    )
    record = {"folder": printable(str(made.folder)), "id": made.id, "base_hash": made.base_hash}
    _done(
        json, {**record, "licence": made.licence}, f"{record['folder']}  ({made.id}, licence {made.licence})"
    )


@app.command()
def combine(
    choices: ChoicesArgument,
    name: Annotated[str, typer.Option(help="Of the new adapter.", show_default=False)],
    rank: Annotated[
        int | None,
        typer.Option(
            min=1, help="Rank of the nearest adapter.", show_default="the exact sum, of all their ranks"
        ),
    ] = None,
    model: ModelOption = "angen-tiny",
    json: JsonOption = False,
) -> None:
    """Make one new adapter that does what several do together."""
    settings = load_settings()
    from angen.workflows.adapters import combine_adapters
    from angen.workflows.generate import AdapterChoice
    from angen.workflows.models import open_model

    parsed = [AdapterChoice.parse(text) for text in choices]
    made = combine_adapters(settings, open_model(settings, model), parsed, name, rank=rank)
    record = {"name": name, "folder": printable(str(made.folder)), **made.info.config}
    told = "exact" if rank is None else f"{made.combined.error:.2%} of the change lost"
    _done(json, record, f"{name}: rank {made.combined.rank}, {told}.")


@app.command("export")
def send_out(
    name: NameArgument,
    out: Annotated[Path | None, typer.Option(help="File to write.", show_default="NAME.safetensors")] = None,
    layout: Annotated[str, typer.Option(help="Key names: peft, or kohya for ComfyUI and the like.")] = "peft",
    part: Annotated[str, typer.Option(help="Which weights: best or final.")] = "best",
    author: Annotated[str, typer.Option(help="Your name, as it shall stand in the file.")] = "",
    json: JsonOption = False,
) -> None:
    """Write an adapter as one .safetensors file that says what it is, whose, and which base it needs."""
    from angen.workflows.adapters import export_adapter

    written = export_adapter(
        load_settings(),
        name,
        out or Path(f"{name}.safetensors"),
        layout=_one_of("--layout", layout, ("peft", "kohya")),
        part=_one_of("--part", part, ("best", "final")),
        author=author,
    )
    _done(json, {"path": printable(str(written))}, printable(str(written)))


@app.command("import")
def take_in(
    source: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A .safetensors file, or a peft folder.", show_default=False),
    ],
    name: Annotated[str | None, typer.Option(help="What to call it.", show_default="its own name")] = None,
    rename: Annotated[
        bool, typer.Option("--rename", help="Choose another name if that one is taken.")
    ] = False,
    assume_base: Annotated[
        bool, typer.Option("--assume-base", help="It does not say its base, and belongs to this one.")
    ] = False,
    model: ModelOption = "angen-tiny",
    json: JsonOption = False,
) -> None:
    """Take in an adapter that was exported, or that peft or a kohya trainer made; everything is checked."""
    settings = load_settings()
    from angen.workflows.adapters import import_adapter
    from angen.workflows.models import open_model

    info = import_adapter(
        settings, open_model(settings, model), source, name=name, rename=rename, assume_base=assume_base
    )
    _done(json, info.model_dump(mode="json"), f"Imported {info.name}.")


def _one_of(option: str, value: str, known: tuple[str, ...]) -> Any:
    if value not in known:
        raise typer.BadParameter(f"{value!r} is none of {', '.join(known)}.", param_hint=option)
    return value


def _done(json: bool, record: dict[str, Any], words: str) -> None:
    if json:
        print_json(record, indent=2)
    else:
        typer.echo(words)


def _row(info: AdapterInfo) -> list[str]:
    return [
        info.name,
        info.created[:16].replace("T", " "),
        str(info.steps),
        info.base,
        info.dataset or "-",
        _loss(info.validation_loss_base, info.validation_loss_best),
        info.state if info.origin == "trained" else info.origin,
    ]


def _loss(base: float | None, best: float | None) -> str:
    return "-" if base is None or best is None else f"{base:.3f} → {best:.3f}"


def print_info(info: AdapterInfo, folder: str) -> None:
    """Show the metadata of an adapter as a table."""
    facts = {
        "Adapter": info.name,
        "Folder": printable(folder),
        "Base": info.base,
        "Dataset": info.dataset,
        "Style": info.style or "-",
        "Steps": f"{info.steps}, best at {info.best_step}",
        "Held-out loss": f"{_loss(info.validation_loss_base, info.validation_loss_best)} (base → best)",
        "Trained": clock_text(info.seconds),
    }
    print_table(["", ""], [[key, value] for key, value in facts.items()])


def _print_known(known: dict[str, Any]) -> None:
    loss = _loss(known["validation_loss_base"], known["validation_loss_best"])
    gain = known["validation_gain"]
    flags = [word for word in ("non_commercial", "share_alike") if known[word]]
    facts = {
        "Adapter": f"{known['name']} ({known['origin']}, {known['state']}, {known['type']})",
        "Folder": f"{known['folder']}, {known['bytes'] / 1e6:.1f} MB{', in use' if known['in_use'] else ''}",
        "Base": f"{known['base']} {known['base_hash'][:12]}",
        "Dataset": f"{known['dataset'] or '-'} {known['dataset_hash'][:12]}",
        "Music": f"{known['songs']} songs, {known['clips']} clips, {clock_text(known['audio_seconds'] or 0)}"
        if known["songs"]
        else "-",
        "Style": known["style"] or "-",
        "Trigger": ", ".join(known["trigger_words"]) or "-",
        "Licence": ", ".join([known["licence"] or "not stated", *(flag.replace("_", "-") for flag in flags)]),
        "Credit": "; ".join(known["attribution"]) or "-",
        "Made of": ", ".join(f"{p['name']}:{p['strength']:g}" for p in known["parents"]) or "-",
        "Steps": f"{known['steps']}, best at {known['best_step']}",
        "Held-out loss": loss if gain is None else f"{loss} (base → best, {gain:.1%} gained)",
        "Trained": clock_text(known["seconds"]),
        "Checkpoints": ", ".join(known["checkpoints"]) or "-",
        "Samples": str(len(known["samples"])),
        "Report": ", ".join(known["reports"]) or "-",
    }
    print_table(["", ""], [[key, value] for key, value in facts.items()])
    for part in known["parts"]:
        learnt = part["problem"] or ("trained" if part["is_trained"] else "not trained: it changes nothing")
        kind = "DoRA" if part["dora"] else "rsLoRA" if part["rslora"] else "LoRA"
        typer.echo(
            printable(f"\n{part['part']}: {kind} rank {part['rank']}, {part['bytes'] / 1e6:.1f} MB, {learnt}")
        )
        rows = [
            [t["target"], str(t["layers"]), f"{t['norm']:.4g}", f"{t['largest']:.4g}"]
            for t in part["targets"]
        ]
        if rows:
            print_table(["target", "layers", "change", "largest layer"], rows)

"""`angen dataset`: prepare, list, show and delete datasets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from angen.cli import dataset_curated
from angen.cli.console import (
    JsonOption,
    clock_text,
    confirm_deletion,
    print_json,
    print_table,
    printable,
    say,
    show_progress,
)
from angen.cli.jobs import BackgroundOption, submit_and_say
from angen.settings import load_settings

if TYPE_CHECKING:
    from angen.dataset import Dataset, DatasetInfo
    from angen.workflows.prepare import PreparedDataset

app = typer.Typer(no_args_is_help=True, help="Recordings as clips to train on, in the workspace.")
app.command("catalog")(dataset_curated.catalog)
app.command("download")(dataset_curated.download)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the dataset.", show_default=False)]


@app.command()
def prepare(
    name: NameArgument,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILES",
            help="Recordings, or folders of them; none for a collection that was downloaded.",
            show_default=False,
        ),
    ] = None,
    style: Annotated[
        str, typer.Option(help="Words for all of it, which lead every prompt: 'calypso with steel drums'.")
    ] = "",
    min_s: Annotated[float, typer.Option("--min-s", help="Shortest clip, in seconds.")] = 10.0,
    max_s: Annotated[float, typer.Option("--max-s", help="Longest clip, in seconds.")] = 30.0,
    seed: Annotated[int, typer.Option(min=0, help="Chooses among equally good splits.")] = 0,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a dataset of that name.")] = False,
    called: dataset_curated.CalledOption = None,
    subset: dataset_curated.SubsetOption = None,
    hours: dataset_curated.HoursOption = None,
    clips_a_piece: dataset_curated.ClipsOption = None,
    part: dataset_curated.PartOption = None,
    soundfont: dataset_curated.SoundfontOption = None,
    workers: dataset_curated.WorkersOption = None,
    background: BackgroundOption = False,
    json: JsonOption = False,
) -> None:
    """Make a dataset: hear the recordings, cut them into clips, hold back a tenth of the songs.

    Recordings that cannot be used are skipped and listed with the reason. Without FILES, NAME is the id of a
    collection that was downloaded ('angen dataset catalog').
    """
    from angen.workflows.prepare import prepare_dataset

    of_collection = {
        "name": called,
        "subset": subset,
        "hours": hours,
        "clips_a_piece": clips_a_piece,
        "part": part,
        "soundfonts": soundfont,
        "workers": workers,
    }
    of_both = {"style": style, "min_s": min_s, "max_s": max_s, "seed": seed, "replace": replace}
    if not files:
        if background:
            raise typer.BadParameter("a downloaded collection is prepared here.", param_hint="--background")
        prepared = dataset_curated.prepare_downloaded(name, {**of_collection, **of_both})
        _print_prepared(prepared, json=json)
        return
    dataset_curated.refuse_options_of_collections(of_collection)
    if background:
        paths = [str(Path(file).absolute()) for file in files]
        submit_and_say("prepare", {"name": name, "files": paths, **of_both}, json=json)
        return
    settings = load_settings()
    with show_progress() as on_progress:
        prepared = prepare_dataset(
            settings,
            name,
            files,
            style=style,
            min_s=min_s,
            max_s=max_s,
            seed=seed,
            replace=replace,
            on_progress=on_progress,
        )
    _print_prepared(prepared, json=json)


def _print_prepared(prepared: PreparedDataset, *, json: bool) -> None:
    if json:
        print_json(
            {"folder": printable(str(prepared.folder)), **prepared.info.model_dump(mode="json")}, indent=2
        )
    else:
        _print_info(prepared.info, str(prepared.folder))


@app.command("list")
def list_all(json: JsonOption = False) -> None:
    """List the datasets of the workspace."""
    from angen.dataset import damaged_datasets, list_datasets

    root = load_settings().training_data
    infos = list_datasets(root)
    for error in damaged_datasets(root):
        say(f"Warning: {error.message}", error.remedy)
    if json:
        print_json([info.model_dump(mode="json") for info in infos], indent=2)
    elif infos:
        print_table(
            ["name", "songs", "clips", "length", "split", "style", "prepared"], [_row(info) for info in infos]
        )
    else:
        say(f"No datasets in {str(root)!r} yet.", "Prepare one: angen dataset prepare NAME FILES...")


@app.command()
def show(name: NameArgument, json: JsonOption = False) -> None:
    """Show a dataset: what it is, and each clip with the exact text that a model is given for it."""
    from angen.dataset import dataset_folder, load_dataset

    dataset = load_dataset(dataset_folder(load_settings().training_data, name))
    if json:
        print_json(_as_record(dataset), indent=2)
        return
    _print_info(dataset.info, str(dataset.folder))
    if dataset.is_edited:
        typer.echo("Its metadata was edited after it was prepared.")
    typer.echo()
    rows = [
        [clip.clip_id, clip.split, f"{clip.duration_s:.1f} s", dataset.prompt(clip)] for clip in dataset.clips
    ]
    print_table(["clip", "split", "length", "prompt"], rows)


@app.command()
def delete(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Delete a dataset, its clips included. The recordings it was made of stay where they are."""
    from angen.dataset import dataset_folder, delete_dataset

    root = load_settings().training_data
    folder = dataset_folder(root, name)
    confirm_deletion(str(folder), yes=yes)
    delete_dataset(root, name)
    if json:
        print_json({"deleted": folder.name})
    else:
        typer.echo(f"Deleted {folder.name}.")


def _as_record(dataset: Dataset) -> dict[str, Any]:
    clips = [{**clip.model_dump(mode="json"), "prompt": dataset.prompt(clip)} for clip in dataset.clips]
    return {
        "folder": printable(str(dataset.folder)),
        **dataset.info.model_dump(mode="json"),
        "is_edited": dataset.is_edited,
        "records": clips,
    }


def _print_info(info: DatasetInfo, folder: str) -> None:
    facts = {
        "Dataset": info.name,
        "Folder": folder,
        "Style": info.prompt_prefix,
        "Music": f"{info.songs} songs, {info.clips} clips, {clock_text(info.seconds)}",
        "Split": _split_text(info),
        "Licence": dataset_curated.licence_text(info),
    }
    for name, value in facts.items():
        if value:
            typer.echo(f"{name + ':':9}{printable(value)}")
    for note in info.notes:
        typer.echo(f"Note:    {printable(note)}")
    for file in info.skipped:
        typer.echo(f"Skipped: {printable(file.error['message'])}")


def _split_text(info: DatasetInfo) -> str:
    return f"{info.splits.get('train', 0)} train, {info.splits.get('validation', 0)} validation"


def _row(info: DatasetInfo) -> list[str]:
    return [
        info.name,
        str(info.songs),
        str(info.clips),
        clock_text(info.seconds),
        _split_text(info),
        info.prompt_prefix or "-",
        info.created.astimezone().strftime("%Y-%m-%d %H:%M"),
    ]

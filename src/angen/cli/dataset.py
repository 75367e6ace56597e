"""`angen dataset`: prepare, list, show and delete datasets."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
from angen.cli.stems import ModelOption
from angen.settings import load_settings

if TYPE_CHECKING:
    from angen.dataset import Dataset, DatasetInfo
    from angen.workflows.prepare import PreparedDataset
    from angen.workflows.spread import Spread

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
    part: Annotated[
        Literal["mix", "vocals", "voice", "accompaniment"] | None,
        typer.Option("--part", help="What of each song to train on; voice is vocals.", show_default="mix"),
    ] = None,
    stems: Annotated[
        bool, typer.Option("--stems", help="Keep vocals and accompaniment of each clip beside it.")
    ] = False,
    separator: ModelOption = "spleeter",
    soundfont: dataset_curated.SoundfontOption = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes at once.", show_default="what pays")
    ] = None,
    backend: Annotated[
        Literal["loky", "ray", "dask"] | None,
        typer.Option("--backend", help="Where they run.", show_default="ANGEN_BACKEND, else loky"),
    ] = None,
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
        "soundfonts": soundfont,
    }
    of_both = {"style": style, "min_s": min_s, "max_s": max_s, "seed": seed, "replace": replace}
    if not files:
        if background:
            raise typer.BadParameter("a downloaded collection is prepared here.", param_hint="--background")
        if stems:
            raise typer.BadParameter("it is for your own recordings.", param_hint="--stems")
        words = {"vocals": "voice"}.get(part or "", part)
        options = {**of_collection, "part": words, "workers": workers}
        prepared = dataset_curated.prepare_downloaded(name, {**options, **of_both})
        _print_prepared(prepared, json=json)
        return
    dataset_curated.refuse_options_of_collections(of_collection)
    own = "vocals" if part == "voice" else part or "mix"
    apart: dict[str, Any] = {"part": own, "stems": stems, "separator": separator}
    if background:
        paths = [str(Path(file).absolute()) for file in files]
        submit_and_say("prepare", {"name": name, "files": paths, **of_both, **apart}, json=json)
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
            spread=_spread(backend, workers),
            **apart,
            on_progress=on_progress,
        )
    _print_prepared(prepared, json=json)


def _spread(backend: Literal["loky", "ray", "dask"] | None, workers: int | None) -> Spread:
    """The environment's, where the command does not say otherwise."""
    from dataclasses import replace

    from angen.workflows.spread import spread_from

    said: dict[str, Any] = {"backend": backend, "workers": workers}
    return replace(spread_from(), **{name: value for name, value in said.items() if value is not None})


def _print_prepared(prepared: PreparedDataset, *, json: bool) -> None:
    work = prepared.work
    if json:
        print_json(
            {
                "folder": printable(str(prepared.folder)),
                **prepared.info.model_dump(mode="json"),
                "work": asdict(work),
                "alike": [asdict(pair) for pair in prepared.alike],
            },
            indent=2,
        )
        return
    _print_info(prepared.info, str(prepared.folder))
    if work.heard_before or work.cut_before:
        typer.echo(
            f"Work:    {work.heard} songs heard and {work.cut} cut; {work.heard_before} and {work.cut_before} were "
            "there already"
        )


@app.command("list")
def list_all(json: JsonOption = False) -> None:
    """List the datasets of the workspace."""
    from angen.dataset import damaged_datasets, list_datasets, unfinished_preparations

    root = load_settings().training_data
    infos = list_datasets(root)
    for error in damaged_datasets(root):
        say(f"Warning: {error.message}", error.remedy)
    for name in unfinished_preparations(root):
        say(f"The preparation of {name!r} was broken off.", "Prepare it again to go on, or delete it.")
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
    from angen.dataset import dataset_folder, delete_dataset, drop_unfinished, unfinished_preparations

    root = load_settings().training_data
    if name in unfinished_preparations(root):
        confirm_deletion(f"what the broken-off preparation of {name!r} has left", yes=yes)
        drop_unfinished(root, name)
        if not (root / name).is_dir():
            _say_done({"deleted": name}, f"Deleted what was left of {name}.", json=json)
            return
    folder = dataset_folder(root, name)
    confirm_deletion(str(folder), yes=yes)
    delete_dataset(root, name)
    _say_done({"deleted": folder.name}, f"Deleted {folder.name}.", json=json)


@app.command()
def rename(
    name: NameArgument,
    new: Annotated[str, typer.Argument(metavar="NEW", help="What to call it.", show_default=False)],
    json: JsonOption = False,
) -> None:
    """Call a dataset by another name. Refused while a run uses it."""
    from angen.dataset import rename_dataset

    folder = rename_dataset(load_settings().training_data, name, new)
    _say_done({"renamed": folder.name}, f"Renamed to {folder.name}.", json=json)


@app.command()
def play(
    name: NameArgument,
    clip: Annotated[
        str | None,
        typer.Argument(metavar="[CLIP]", help="One of its clips; all without.", show_default=False),
    ] = None,
    stem: Annotated[
        Literal["vocals", "accompaniment"] | None, typer.Option("--stem", help="A stem that was kept.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Print the files of clips, for a player: mpv $(angen dataset play calypso)."""
    from angen.dataset import clip_files, dataset_folder, load_dataset

    dataset = load_dataset(dataset_folder(load_settings().training_data, name), verify_audio=False)
    files = clip_files(dataset, clip, stem)
    if json:
        print_json({name: printable(str(path)) for name, path in files.items()}, indent=2)
        return
    for path in files.values():
        typer.echo(printable(str(path)))


@app.command()
def duplicates(name: NameArgument, json: JsonOption = False) -> None:
    """Find clips of different songs that are nearly the same: encoded again, moved, at another level.

    On both sides of the split they are a leak; the exit code is 1 then.
    """
    from angen.dataset import dataset_folder, load_dataset
    from angen.workflows.duplicates import dataset_duplicates

    settings = load_settings()
    dataset = load_dataset(dataset_folder(settings.training_data, name))
    with show_progress() as on_progress:
        alike, notes = dataset_duplicates(settings, dataset, on_progress=on_progress)
    side = {clip.clip_id: clip.split for clip in dataset.clips}
    across = [pair for pair in alike if side[pair.first] != side[pair.second]]
    if json:
        print_json(
            {"pairs": [asdict(pair) for pair in alike], "leaks": len(across), "notes": notes}, indent=2
        )
    elif alike:
        rows = [
            [
                pair.first,
                pair.second,
                f"{pair.seconds:.1f} s",
                f"{pair.error:.2f}",
                "LEAK" if pair in across else "-",
            ]
            for pair in alike
        ]
        print_table(["clip", "and", "in common", "bits differ", "split"], rows)
        say(*notes)
    else:
        typer.echo("No two clips of different songs are nearly the same.")
    if across:
        raise typer.Exit(1)


def _say_done(record: dict[str, str], words: str, *, json: bool) -> None:
    if json:
        print_json(record)
    else:
        typer.echo(words)


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
        "Part": info.part if info.separator else "",
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

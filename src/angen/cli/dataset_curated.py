"""`angen dataset catalog`, `download`, and `prepare` of a collection that others have made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from angen.cli.console import JsonOption, print_json, print_table, printable, say, show_progress
from angen.cli.stopping import stop_on_interrupt
from angen.settings import load_settings

if TYPE_CHECKING:
    from angen.catalogue.records import Collection
    from angen.dataset import DatasetInfo
    from angen.workflows.prepare import PreparedDataset

_PANEL = "For a collection of the catalogue"

CalledOption = Annotated[
    str | None, typer.Option("--name", help="Name of the dataset, if not the id.", rich_help_panel=_PANEL)
]
SubsetOption = Annotated[
    str | None, typer.Option("--subset", help="A part that its makers pack apart.", rich_help_panel=_PANEL)
]
HoursOption = Annotated[
    float | None, typer.Option("--hours", help="About so many hours.", rich_help_panel=_PANEL)
]
ClipsOption = Annotated[
    int | None,
    typer.Option("--clips-a-piece", min=1, help="Of one score at most (4).", rich_help_panel=_PANEL),
]
SoundfontOption = Annotated[
    list[Path] | None,
    typer.Option("--soundfont", help="An sf2 or sf3 file; may be repeated.", rich_help_panel=_PANEL),
]


def catalog(
    collection_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Show all of one.", show_default=False)
    ] = None,
    json: JsonOption = False,
) -> None:
    """List the collections that can be downloaded, with their licences and what is there already."""
    from angen.catalogue.records import collection
    from angen.workflows.curated import catalogue

    chosen = collection(collection_id) if collection_id else None
    entries = [(each, there) for each, there in catalogue(load_settings()) if chosen in (None, each)]
    if json:
        records = [
            {
                **each.model_dump(mode="json"),
                "consequences": each.consequences,
                "downloaded": [record.model_dump(mode="json") for record in there],
            }
            for each, there in entries
        ]
        print_json(records, indent=2)
    elif chosen is not None:
        _print_terms(chosen)
    else:
        rows = [
            [
                each.id,
                each.type,
                f"{each.files or '?'} {each.files_unit.split(' (')[0]}",
                each.licence or "none stated",
                "yes" if there else "-",
            ]
            for each, there in entries
        ]
        print_table(["id", "type", "holds", "licence", "here"], rows)
        say("One in full: angen dataset catalog ID", "Fetch one: angen dataset download ID")


def download(
    collection_id: Annotated[str, typer.Argument(metavar="ID", help="Of the catalogue.", show_default=False)],
    subset: Annotated[str | None, typer.Option("--subset", help="A part that its makers pack apart.")] = None,
    singers: Annotated[int | None, typer.Option("--singers", min=1, help="At most so many singers.")] = None,
    hours: Annotated[float | None, typer.Option("--hours", help="About so many hours, whole songs.")] = None,
    pieces: Annotated[
        int | None, typer.Option("--pieces", min=1, help="At most so many songs or pieces.")
    ] = None,
    licence: Annotated[
        list[str] | None, typer.Option("--licence", help="pd, by, by-sa, by-nc or by-nc-sa; may be repeated.")
    ] = None,
    style: Annotated[
        list[str] | None, typer.Option("--style", help="Baroque, Folk, …; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Chooses which songs.")] = 0,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="I have read the licence and accept it.")
    ] = False,
    mirror: Annotated[str | None, typer.Option("--mirror", help="Fetch from this address instead.")] = None,
    from_file: Annotated[
        Path | None, typer.Option("--from", help="An archive that was fetched by hand.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Download a collection, or a part of it. It can be stopped at any time, and goes on where it was.

    Where all of it is one archive, all of it has to be fetched; only the part asked for is then unpacked.
    """
    from angen.catalogue.choosing import Choice
    from angen.catalogue.records import collection
    from angen.workflows.curated import download_collection, needs

    settings, chosen = load_settings(), collection(collection_id)
    choice = Choice(subset, singers, hours, pieces, tuple(licence or ()), tuple(style or ()), seed)
    _say_terms(chosen, needs(settings, chosen, choice, from_file), chosen.source(subset).note)
    with (
        stop_on_interrupt("Stopping; what came so far is kept.") as should_stop,
        show_progress() as on_progress,
    ):
        done = download_collection(
            settings,
            chosen,
            choice,
            accepts_licence=accept_licence,
            mirror=mirror,
            from_file=from_file,
            on_progress=on_progress,
            should_stop=should_stop,
        )
    if json:
        folder = printable(str(done.folder))
        print_json({"folder": folder, "notes": done.notes, **done.record.model_dump(mode="json")}, indent=2)
        return
    size = f"{done.record.unpacked_bytes / 1e6:.1f} MB"
    typer.echo(f"{chosen.title}: {done.record.files} files, {size}, in {printable(str(done.folder))}")
    for note in done.notes:
        typer.echo(f"Note: {printable(note)}")
    say(f"Make a dataset of it: angen dataset prepare {chosen.id}")


def prepare_downloaded(collection_id: str, given: dict[str, Any]) -> PreparedDataset:
    """Prepare a collection that was downloaded; what was not given is left to the workflow.

    Args:
        collection_id: Of the catalogue.
        given: The command's options; None where one was not given.
    """
    from angen.catalogue.records import collections
    from angen.workflows.curated_gathering import PrepareOptions
    from angen.workflows.curated_prepare import prepare_collection

    if collection_id not in collections():
        raise typer.BadParameter(
            f"give recordings, or one of the collections {', '.join(collections())}.", param_hint="FILES"
        )
    known = {name: value for name, value in given.items() if value is not None}
    name, subset = known.pop("name", None), known.pop("subset", None)
    if "soundfonts" in known:
        known["soundfonts"] = tuple(path.absolute() for path in known["soundfonts"])
    if known.get("part", "voice") not in ("voice", "accompaniment", "mix"):
        raise typer.BadParameter("it is voice, accompaniment or mix.", param_hint="--part")
    with stop_on_interrupt("Stopping; nothing is kept.") as should_stop, show_progress() as on_progress:
        return prepare_collection(
            load_settings(),
            collections()[collection_id],
            PrepareOptions(**known),
            name=name,
            subset=subset,
            on_progress=on_progress,
            should_stop=should_stop,
        )


def refuse_options_of_collections(given: dict[str, Any]) -> None:
    """Options that mean nothing for one's own recordings are a misuse, not silently dropped."""
    for name, value in given.items():
        if value not in (None, []):
            option = {"soundfonts": "soundfont"}.get(name, name).replace("_", "-")
            raise typer.BadParameter("it is for collections of the catalogue.", param_hint=f"--{option}")


def licence_text(info: DatasetInfo) -> str:
    """The licence of a dataset, with what it carries on to adapters."""
    flags = {"non-commercial": info.non_commercial, "share alike": info.share_alike}
    said = ", ".join(name for name, holds in flags.items() if holds)
    return f"{info.licence or ''} ({said})" if said else info.licence or ""


def _say_terms(collection: Collection, needs: list[Any], note: str) -> None:
    """The licence and the sizes, before anything is fetched."""
    say(f"{collection.title}: licence {collection.licence or 'none stated'}. {collection.licence_url or ''}")
    for sentence in collection.consequences:
        say(f"  - {sentence}")
    say(note)
    say("Disk: " + ", ".join(f"{need.what} {need.bytes / 1e9:.2f} GB" for need in needs if need.bytes))


def _print_terms(collection: Collection) -> None:
    facts = {
        "Id": collection.id,
        "Title": collection.title,
        "Content": collection.content,
        "Home": collection.homepage,
        "Cite": collection.citation or collection.paper,
        "Licence": f"{collection.licence or 'none stated'} {collection.licence_url or ''}",
        "Hours": collection.hours,
        "Choose by": ", ".join(collection.filters),
    }
    for name, value in facts.items():
        if value:
            typer.echo(f"{name + ':':11}{printable(str(value))}")
    for sentence in collection.consequences:
        typer.echo(f"  - {printable(sentence)}")
    for source in collection.sources:
        size = f"{source.bytes / 1e9:.2f} GB" if source.bytes else "size not published"
        typer.echo(f"Part {source.subset}: {printable(source.filename)}, {size}. {printable(source.note)}")

"""`angen metadata`: what is known of recordings, and what the user says instead."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from angen.cli.console import JsonOption, print_json, print_table, printable, say, show_progress
from angen.settings import load_settings

if TYPE_CHECKING:
    from angen.workflows.metadata import Metadata, Record

app = typer.Typer(no_args_is_help=True, help="The table of a folder of recordings, or of a dataset.")

PlaceArgument = Annotated[
    str,
    typer.Argument(metavar="PLACE", help="A folder of recordings, or a dataset's name.", show_default=False),
]
FileOption = Annotated[
    list[str] | None, typer.Option("--file", help="Only this recording (or clip); may be repeated.")
]
FormOption = Annotated[str, typer.Option("--form", help="csv, jsonl or ace-step.")]


@app.command()
def show(
    place: PlaceArgument,
    hear: Annotated[bool, typer.Option("--hear", help="Hear the folder (again) first; edits stay.")] = False,
    ai: Annotated[bool, typer.Option("--ai", help="With --hear: the AI pass too.")] = False,
    json: JsonOption = False,
) -> None:
    """Show the table; an asterisk marks what the user said."""
    from angen.workflows.metadata import open_metadata

    settings = load_settings()
    metadata = open_metadata(settings, place)
    if hear or ai:
        _hear(metadata, ai)
        metadata = open_metadata(settings, place)
    _print(metadata, metadata.draft.records, json)


@app.command("set")
def set_command(
    place: PlaceArgument,
    values: Annotated[
        list[str] | None,
        typer.Argument(metavar="FIELD=VALUE...", help="genre=calypso tempo_bpm=112 key='A minor'"),
    ] = None,
    file: FileOption = None,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", help="Take back the correction of this field.")
    ] = None,
    trigger: Annotated[
        str | None, typer.Option("--trigger", help="Words that lead every prompt; '' for none.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Correct fields, of some recordings or of all. Nothing after the = says that it is not known."""
    from angen.workflows.metadata import (
        open_metadata,
        save_metadata,
        set_trigger,
        set_values,
        unset_values,
    )

    pairs = dict(_pair(text) for text in values or [])
    if not pairs and not unset and trigger is None:
        raise typer.BadParameter("give at least one FIELD=VALUE, --unset or --trigger.", param_hint="VALUES")
    metadata = open_metadata(load_settings(), place)
    if pairs:
        metadata = set_values(metadata, file or [], pairs)
    if unset:
        metadata = unset_values(metadata, file or [], unset)
    if trigger is not None:
        metadata = set_trigger(metadata, trigger)
    save_metadata(metadata, expected_revision=metadata.revision)
    _print(metadata, metadata.chosen(file or []), json)


@app.command()
def prompt(place: PlaceArgument, file: FileOption = None, json: JsonOption = False) -> None:
    """Show the text that a model reads for each recording, exactly."""
    from angen.workflows.metadata import open_metadata

    metadata = open_metadata(load_settings(), place)
    prompts = [(record.file, metadata.prompt(record)) for record in metadata.chosen(file or [])]
    if json:
        print_json([{"file": name, "prompt": text} for name, text in prompts], indent=2)
    else:
        print_table(["file", "prompt"], [[name, text or "(nothing)"] for name, text in prompts])


@app.command()
def export(place: PlaceArgument, out: Path, form: FormOption = "csv", json: JsonOption = False) -> None:
    """Write the table for other programs: a file, or for ace-step a folder."""
    from angen.workflows.metadata import open_metadata
    from angen.workflows.metadata_exchange import export_metadata

    _check_form(form)
    written = export_metadata(open_metadata(load_settings(), place), out, form)  # type: ignore[arg-type]
    if json:
        print_json({"written": [printable(str(path)) for path in written]})
    else:
        typer.echo(f"Wrote {len(written)} file{'s' * (len(written) != 1)} to {printable(str(out))}.")


@app.command("import")
def import_command(
    place: PlaceArgument, source: Path, form: FormOption = "csv", json: JsonOption = False
) -> None:
    """Take over a table that was edited elsewhere; only what differs becomes a correction."""
    from angen.workflows.metadata import open_metadata, save_metadata
    from angen.workflows.metadata_exchange import import_metadata

    _check_form(form)
    metadata, changed = import_metadata(open_metadata(load_settings(), place), source, form)  # type: ignore[arg-type]
    save_metadata(metadata, expected_revision=metadata.revision)
    if json:
        print_json({"changed": changed})
    else:
        typer.echo(f"{changed} value{'s' * (changed != 1)} changed.")


def _hear(metadata: Metadata, ai: bool) -> None:
    from angen.workflows.analyze import Listening
    from angen.workflows.annotate import annotate_folder

    settings = load_settings()
    how = Listening(taggers=ai, settings=settings)
    with show_progress() as on_progress:
        done = annotate_folder(settings, metadata.place, how, on_progress=on_progress)
    for record in done.failed:
        say(f"Error: {record['error']['message']}", f"  {record['error']['remedy']}")


def _pair(text: str) -> tuple[str, str]:
    field, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not like FIELD=VALUE.", param_hint="VALUES")
    return {"bpm": "tempo_bpm"}.get(field, field), value


def _check_form(form: str) -> None:
    if form not in ("csv", "jsonl", "ace-step"):
        raise typer.BadParameter("choose csv, jsonl or ace-step.", param_hint="--form")


def _print(metadata: Metadata, records: Sequence[Record], json: bool) -> None:
    if json:
        rows = [
            {**record.model_dump(mode="json"), "values": record.values(), "prompt": metadata.prompt(record)}
            for record in records
        ]
        print_json({"trigger": metadata.draft.trigger, "records": rows}, indent=2)
        return
    if metadata.draft.trigger:
        typer.echo(f"Trigger: {printable(metadata.draft.trigger)}")
    fields = ("genre", "tempo_bpm", "key", "mood", "instruments", "description")
    print_table(
        ["file", "genre", "bpm", "key", "mood", "instruments", "description"],
        [[record.file, *(_cell(record, field) for field in fields)] for record in records],
    )


def _cell(record: Record, field: str) -> str:
    value = record.value(field)
    text = (
        ", ".join(value)
        if isinstance(value, list)
        else f"{value:.1f}"
        if field == "tempo_bpm" and value
        else value
    )
    return f"{text or 'unknown'}{'*' if field in record.edits else ''}"

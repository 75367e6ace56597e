"""`angen analyze`: what is heard in recordings."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from angen.cli.console import JsonOption, clock_text, print_json, print_table, say, show_progress
from angen.cli.stopping import stop_on_interrupt

FilesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="FILES...", help="Recordings.", show_default=False)
]
ListOption = Annotated[
    str | None,
    typer.Option(
        "--files-from", metavar="LIST", help="Also the paths in this file, one a line; - for stdin."
    ),
]


def analyze(files: FilesArgument = None, files_from: ListOption = None, json: JsonOption = False) -> None:
    """Hear the tempo, key, level and mood of recordings.

    With --json, one record a line for each recording in the order given: what was heard, or "error" with its
    type, message and remedy. A bad recording does not stop the others; the exit code is 1 if all are bad.
    """
    from angen.workflows.analyze import analyze_files

    if not files and files_from is None:
        raise typer.BadParameter("give recordings, or a list of them with --files-from.", param_hint="FILES")
    paths = [*(files or []), *(_listed_paths(files_from) if files_from is not None else [])]
    records: list[dict[str, Any]] = []
    stopping = stop_on_interrupt("Stopping after this recording.")
    with show_progress(prints_meanwhile=json) as on_progress, stopping as should_stop:
        for record in analyze_files(paths, on_progress=on_progress):
            if json:
                print_json(record)
            records.append(record)
            if should_stop():
                raise KeyboardInterrupt
    if not json:
        _print_text(records)
    if not paths:
        say("Error: the list of recordings is empty.", "Write one path a line into it.")
    if all("error" in record for record in records):
        raise typer.Exit(1)


def _listed_paths(name: str) -> list[str]:
    """The lines of a file that are not blank, as paths, exactly as they are written."""
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{name!r} cannot be read: {error}", param_hint="--files-from") from error
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return [os.fsdecode(line.removesuffix(b"\r")) for line in lines if line.strip()]


def _print_text(records: Sequence[dict[str, Any]]) -> None:
    heard = [record for record in records if "error" not in record]
    if heard:
        columns = ["file", "length", "tempo", "key", "loudness", "energy", "mood", "instruments"]
        print_table(columns, [_row(record) for record in heard])
    for record in records:
        if "error" in record:
            say(f"Error: {record['error']['message']}", f"  {record['error']['remedy']}")


def _row(record: dict[str, Any]) -> list[str]:
    return [
        record["path"],
        clock_text(record["duration_s"]),
        _measure(record["tempo_bpm"], "{:.1f} bpm"),
        record["key"] or "-",
        _measure(record["loudness_lufs"], "{:.1f} LUFS"),
        _measure(record["energy"], "{:.3f}"),
        record["mood"] or "-",
        ", ".join(record["instruments"]) or "-",
    ]


def _measure(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)

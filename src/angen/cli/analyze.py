"""`angen analyze`: what is heard in recordings."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from angen.cli.console import JsonOption, print_json, print_table, say, show_progress
from angen.cli.stopping import stop_on_interrupt

if TYPE_CHECKING:
    from angen.workflows.analyze import Listening

FilesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="FILES...", help="Recordings.", show_default=False)
]
ListOption = Annotated[
    str | None,
    typer.Option(
        "--files-from", metavar="LIST", help="Also the paths in this file, one a line; - for stdin."
    ),
]


def analyze(
    files: FilesArgument = None,
    files_from: ListOption = None,
    ai: Annotated[
        bool, typer.Option("--ai", help="Also genre, mood, instruments and voice by musicnn, if fetched.")
    ] = False,
    engine: Annotated[str, typer.Option(help="angen, or librosa for a cross-check.")] = "angen",
    fresh: Annotated[bool, typer.Option("--fresh", help="Do not use what is kept of earlier looks.")] = False,
    fetch_weights: Annotated[
        bool, typer.Option("--fetch-weights", help="First fetch musicnn's weights (29 MB, ISC) with pip.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Hear the tempo, key, level, genre, instruments and mood of recordings.

    Results are kept in the workspace by the content of each file: a second look is instant.

    With --json, one record a line for each recording in the order given: what was heard, or "error" with its
    type, message and remedy. A bad recording does not stop the others; the exit code is 1 if all are bad.
    """
    from angen.workflows.analyze import analyze_files

    how = _how(engine, ai=ai, fresh=fresh, fetch_weights=fetch_weights)
    if fetch_weights and not files and files_from is None:
        return
    if not files and files_from is None:
        raise typer.BadParameter("give recordings, or a list of them with --files-from.", param_hint="FILES")
    paths = [*(files or []), *(_listed_paths(files_from) if files_from is not None else [])]
    records: list[dict[str, Any]] = []
    stopping = stop_on_interrupt("Stopping after this recording.")
    with show_progress(prints_meanwhile=json) as on_progress, stopping as should_stop:
        for record in analyze_files(paths, on_progress=on_progress, how=how):
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


def _how(engine: str, *, ai: bool, fresh: bool, fetch_weights: bool) -> Listening:
    """How to listen, as the options say; musicnn's weights are fetched first where that is asked for."""
    from angen.settings import load_settings
    from angen.workflows.analyze import Listening
    from angen.workflows.tagging import fetch_musicnn, has_musicnn

    if engine not in ("angen", "librosa"):
        raise typer.BadParameter("choose angen or librosa.", param_hint="--engine")
    settings = load_settings()
    if fetch_weights:
        say(f"The weights are in {fetch_musicnn(settings)}.")
    if ai and not has_musicnn(settings):
        say(
            "musicnn's weights are not here; the built-in tagger answers alone.",
            "Fetch them once: angen analyze --fetch-weights",
        )
    return Listening("librosa" if engine == "librosa" else "angen", ai, settings, is_fresh=fresh)


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
        columns = ["file", "genre", "bpm", "key", "mood", "instruments", "loudness", "description"]
        print_table(columns, [_row(record) for record in heard])
    for record in records:
        if "error" in record:
            say(f"Error: {record['error']['message']}", f"  {record['error']['remedy']}")


def _row(record: dict[str, Any]) -> list[str]:
    return [
        record["path"],
        record["genre"] or "unknown",
        _measure(record["tempo_bpm"], "{:.1f}"),
        record["key"] or "unknown",
        record["mood"] or "unknown",
        ", ".join(record["instruments"]) or "unknown",
        _measure(record["loudness_lufs"], "{:.1f} LUFS"),
        record["description"],
    ]


def _measure(value: float | None, form: str) -> str:
    return "unknown" if value is None else form.format(value)

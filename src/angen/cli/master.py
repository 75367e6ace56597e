"""`angen master`: recordings to a loudness, under a ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from angen.cli.console import JsonOption, print_json, print_table, printable, say, show_progress
from angen.cli.jobs import BackgroundOption, submit_and_say
from angen.settings import load_settings

if TYPE_CHECKING:
    from angen.workflows.master import MasteredFile, Unmastered


class Preset(StrEnum):
    """The presets of `angen.mastering.PRESETS`, by name; a test holds the two together."""

    streaming = "streaming"
    apple = "apple"
    club = "club"
    cd = "cd"
    vinyl = "vinyl"
    r128 = "r128"
    match = "match"


class StyleChoice(StrEnum):
    """The styles of `angen.mastering.STYLES`, by name."""

    warm = "warm"
    balanced = "balanced"
    open = "open"


class PhaseChoice(StrEnum):
    """Phases of the equaliser."""

    minimum = "minimum"
    linear = "linear"


def master(
    files: Annotated[list[Path], typer.Argument(metavar="FILES...", help="Recordings; they are only read.")],
    preset: Annotated[Preset, typer.Option(help="What the master is for.")] = Preset.streaming,
    style: Annotated[StyleChoice, typer.Option(help="How it should sound.")] = StyleChoice.balanced,
    intensity: Annotated[float, typer.Option(min=0.0, max=1.0, help="How much is done.")] = 0.5,
    reference: Annotated[
        Path | None, typer.Option(help="A recording to match in balance (with match, in loudness too).")
    ] = None,
    phase: Annotated[PhaseChoice, typer.Option(help="Of the equaliser.")] = PhaseChoice.minimum,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A .wav or .flac for one recording, or a folder.", show_default="a new name in outputs"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the dither.")] = 0,
    background: BackgroundOption = False,
    json: JsonOption = False,
) -> None:
    """Master recordings: loudness on target, true peak under the ceiling.

    streaming -14 LUFS/-1 dBTP, apple -16/-1, club -9/-1, cd -10/-0.3 at 44.1 kHz and 16 bit, vinyl (no limiter,
    peak -3), r128 -23/-1, match (the loudness of --reference). Beside each master are a JSON file that says how
    it was made, and an HTML page with numbers, plots, and both versions at the same loudness. With --json, one
    record a line. A bad recording does not stop the others; the exit code is 1 if any could not be mastered.
    """
    if preset is Preset.match and reference is None:
        raise typer.BadParameter("the preset match needs one.", param_hint="--reference")
    if background:
        paths = {"files": [str(file.absolute()) for file in files], "out": out and str(out.absolute())}
        how = {"preset": preset.value, "style": style.value, "intensity": intensity, "phase": phase.value}
        told = {**paths, **how, "seed": seed, "reference": reference and str(reference.absolute())}
        submit_and_say("master", told, json=json)
        return
    from angen.workflows.master import MasterChoices, Unmastered, master_files

    choices = MasterChoices(preset.value, style.value, intensity, reference, phase.value, seed)
    made: list[MasteredFile | Unmastered] = []
    with show_progress(prints_meanwhile=json) as on_progress:
        for result in master_files(load_settings(), files, choices, out=out, on_progress=on_progress):
            if json:
                print_json(_record(result))
            made.append(result)
    if not json:
        _print_text(made)
    if any(isinstance(result, Unmastered) for result in made):
        raise typer.Exit(1)


def _record(result: MasteredFile | Unmastered) -> dict[str, Any]:
    from angen.workflows.master import MasteredFile

    if isinstance(result, MasteredFile):
        record = result.as_dict()
        return record | {name: printable(record[name]) for name in ("source", "path", "record", "report")}
    return {"source": printable(str(result.source)), "error": result.error.as_dict()}


def _print_text(made: Sequence[MasteredFile | Unmastered]) -> None:
    from angen.workflows.master import MasteredFile

    masters = [result for result in made if isinstance(result, MasteredFile)]
    if masters:
        rows = [
            [
                str(result.path),
                _change(
                    result.mastered.before.integrated_lufs, result.mastered.after.integrated_lufs, "LUFS"
                ),
                _change(result.mastered.before.true_peak_dbtp, result.mastered.after.true_peak_dbtp, "dBTP"),
                str(result.report_path),
            ]
            for result in masters
        ]
        print_table(["master", "loudness", "true peak", "report"], rows)
    for result in made:
        if isinstance(result, MasteredFile):
            for warning in result.mastered.warnings:
                say(f"Note on {result.source.name}: {warning}")
        else:
            say(f"Error: {result.source}: {result.error.message}", f"  {result.error.remedy}")


def _change(before: float | None, after: float | None, unit: str) -> str:
    shown = ["-" if value is None else f"{value:.1f}" for value in (before, after)]
    return f"{shown[0]} -> {shown[1]} {unit}"

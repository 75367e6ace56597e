"""`angen timeline`: projects of tracks and clips. The edits are in `timeline_clips` and `timeline_tracks`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from angen.cli import timeline_clips, timeline_tracks
from angen.cli.console import JsonOption, clock_text, print_json, print_table, printable, say, show_progress
from angen.cli.timeline_show import NameArgument, PlaceHelp, print_project
from angen.settings import load_settings

if TYPE_CHECKING:
    from angen.timeline.sources import SourceProblem

app = typer.Typer(no_args_is_help=True, help="Arrange recordings on tracks, in the workspace.")

DepthOption = Annotated[int, typer.Option("--bits", help="16, 24, or 32 (floating point).")]
StretchFrom = Annotated[str, typer.Option("--from", help=f"Where to begin: {PlaceHelp}.")]
StretchTo = Annotated[
    str | None, typer.Option("--to", help="Where to end.", show_default="the end of the last clip")
]


class Format(StrEnum):
    """What a project can be exported as."""

    STEMS = "stems"
    DAWPROJECT = "dawproject"
    REAPER = "reaper"
    LABELS = "labels"
    MIDI = "midi"


@app.command()
def new(
    name: NameArgument,
    rate: Annotated[int, typer.Option(min=8000, max=384_000, help="Samples per second.")] = 44_100,
    tempo: Annotated[float, typer.Option(min=10, max=1000, help="Quarter notes a minute.")] = 120.0,
    metre: Annotated[str, typer.Option(help="Like 4/4 or 6/8.")] = "4/4",
    json: JsonOption = False,
) -> None:
    """Make an empty project."""
    from angen.workflows.timeline import create_project

    beats, unit = timeline_tracks.read_metre(metre)
    loaded = create_project(load_settings(), name, rate_hz=rate, tempo_bpm=tempo, beats=beats, unit=unit)
    print_project(loaded, json)


@app.command("list")
def list_all(json: JsonOption = False) -> None:
    """List the projects of the workspace."""
    from angen.errors import TimelineError
    from angen.workflows.timeline import open_project, project_names

    settings = load_settings()
    rows: list[list[str]] = []
    records: list[dict[str, Any]] = []
    for name in project_names(settings):
        try:
            project = open_project(settings, name).project
        except TimelineError as error:
            say(f"Warning: {error.message}", error.remedy)
            records.append({"name": name, "error": error.as_dict()})
            continue
        length_s = project.length / project.rate_hz
        clips = len(list(project.clips()))
        rows.append([name, str(len(project.tracks)), str(clips), clock_text(length_s)])
        records.append({"name": name, "tracks": len(project.tracks), "clips": clips, "length_s": length_s})
    if json:
        print_json(records, indent=2)
    elif rows:
        print_table(["name", "tracks", "clips", "length"], rows)
    elif not records:
        say(f"No projects in {str(settings.projects)!r} yet.", "Make one: angen timeline new NAME")


@app.command()
def show(name: NameArgument, json: JsonOption = False) -> None:
    """Show a project: tracks, clips, tempo, markers, and recordings that are missing or changed."""
    from angen.workflows.timeline import open_project, project_problems

    loaded = open_project(load_settings(), name)
    problems = project_problems(loaded)
    print_project(loaded, json, problems=[_problem_record(problem) for problem in problems])
    for problem in problems:
        say(f"Warning: {problem}.", f"angen timeline relink {name} {problem.source.sha256[:8]} FILE")


def _problem_record(problem: SourceProblem) -> dict[str, Any]:
    return {
        "kind": problem.kind,
        "path": printable(str(problem.path)),
        "sha256": problem.source.sha256,
        "clips": list(problem.clips),
    }


@app.command()
def add(
    name: NameArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A recording.", show_default=False)],
    track: Annotated[
        str | None,
        typer.Option(help="Id or name of a track; a new name makes one.", show_default="a new one"),
    ] = None,
    at: Annotated[str, typer.Option(help=f"Its place: {PlaceHelp}.")] = "0",
    offset: Annotated[str, typer.Option(help="What to leave out of its beginning, like 1.5s.")] = "0",
    length: Annotated[str | None, typer.Option(help="How much to take.", show_default="all")] = None,
    copy: Annotated[bool, typer.Option("--copy", help="Copy the file into the project's folder.")] = False,
    json: JsonOption = False,
) -> None:
    """Place a recording on a track."""
    from angen.workflows.timeline import Placement, add_recording

    placement = Placement(track, at, offset, length, copy)
    print_project(add_recording(load_settings(), name, file, placement), json)


@app.command()
def relink(
    name: NameArgument,
    recording: Annotated[
        str, typer.Argument(metavar="HASH", help="First characters of its hash.", show_default=False)
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to use.", show_default=False)],
    json: JsonOption = False,
) -> None:
    """Name the file of a recording that is missing, was changed, or is to be replaced."""
    from angen.workflows.timeline import relink_recording

    print_project(relink_recording(load_settings(), name, recording, file), json)


@app.command()
def undo(name: NameArgument, json: JsonOption = False) -> None:
    """Take back the last edit. The last 100 are kept."""
    from angen.workflows.timeline import undo_edit

    print_project(undo_edit(load_settings(), name), json)


@app.command()
def redo(name: NameArgument, json: JsonOption = False) -> None:
    """Do again what was just undone."""
    from angen.workflows.timeline import redo_edit

    print_project(redo_edit(load_settings(), name), json)


@app.command("recover")
def recover_damaged(name: NameArgument, json: JsonOption = False) -> None:
    """Go back to the last good copy of a project whose file is damaged. The damaged file is kept."""
    from angen.workflows.timeline import recover

    print_project(recover(load_settings(), name), json)


@app.command()
def render(
    name: NameArgument,
    out: Annotated[
        Path | None, typer.Option(help="The .wav to write.", show_default="renders/NAME.wav in the project")
    ] = None,
    start: StretchFrom = "0",
    stop: StretchTo = None,
    bits: DepthOption = 24,
    json: JsonOption = False,
) -> None:
    """Render the mix to a WAV."""
    from angen.workflows.timeline import render_project

    with show_progress() as on_progress:
        made = render_project(
            load_settings(), name, out, start=start, stop=stop, bit_depth=bits, on_progress=on_progress
        )
    if made.clipped:
        say(
            f"Warning: {made.clipped} samples were beyond full scale (peak {made.peak:.2f}) and were clamped.",
            "Turn the master down (angen timeline gain NAME master DB), or write --bits 32.",
        )
    if json:
        print_json({**vars(made), "path": printable(str(made.path))}, indent=2)
    else:
        typer.echo(printable(str(made.path)))


@app.command()
def export(
    name: NameArgument,
    kind: Annotated[Format, typer.Argument(metavar="FORMAT", help="What to write.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="The file to write.", show_default="exports/NAME in the project")
    ] = None,
    bits: DepthOption = 32,
    json: JsonOption = False,
) -> None:
    """Write a project for another program.

    FORMAT is stems (a zip of WAVs), dawproject, reaper, labels (for Audacity), or midi (tempo and markers).
    """
    from angen.workflows.timeline import export_project

    with show_progress() as on_progress:
        path = export_project(load_settings(), name, kind.value, out, bit_depth=bits, on_progress=on_progress)
    if json:
        print_json({"path": printable(str(path)), "format": kind.value}, indent=2)
    else:
        typer.echo(printable(str(path)))


timeline_clips.register(app)
timeline_tracks.register(app)

"""What the commands of `angen timeline` share: their arguments, and how a project is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from angen.cli.console import clock_text, print_json, print_table, printable, say
from angen.settings import load_settings

if TYPE_CHECKING:
    from angen.timeline import Loaded, Project
    from angen.workflows.timeline import Edit

PlaceHelp = "samples (44100), time (12.5s, 1:02.5) or bar|beat (17|3)"

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the project.", show_default=False)]
ClipArgument = Annotated[str, typer.Argument(metavar="CLIP", help="Id of a clip.", show_default=False)]
TrackArgument = Annotated[
    str, typer.Argument(metavar="TRACK", help="Id or name of a track.", show_default=False)
]
PlaceArgument = Annotated[
    str, typer.Argument(metavar="PLACE", help=f"A place: {PlaceHelp}.", show_default=False)
]


def edit_and_show(name: str, edit: Edit, label: str, json: bool) -> None:
    """Edit a project, save it, and show it as it now is."""
    from angen.workflows.timeline import edit_project

    print_project(edit_project(load_settings(), name, edit, label), json)


def print_project(loaded: Loaded, json: bool, **also: Any) -> None:
    """Show a project as it now is; `also` goes into the JSON."""
    from angen.timeline import TempoMap
    from angen.workflows.timeline import project_record

    for note in loaded.notes:
        say(f"Warning: {note}")
    if json:
        print_json({**project_record(loaded), **also}, indent=2)
        return
    project, grid = loaded.project, TempoMap.of(loaded.project)
    typer.echo(_headline(project))
    for track in project.tracks:
        states = [word for word, is_on in (("muted", track.muted), ("solo", track.soloed)) if is_on]
        state = ", ".join([f"{track.gain_db:+.1f} dB", f"pan {track.pan:+.2f}", *states])
        typer.echo(printable(f"\n{track.id} {track.name} ({state})"))
        if track.clips:
            print_table(
                ["clip", "name", "bar|beat", "start", "length", "gain", "source"],
                [
                    [
                        clip.id,
                        clip.name,
                        str(grid.position(clip.start)),
                        f"{clip.start / project.rate_hz:.3f} s",
                        f"{clip.length / project.rate_hz:.3f} s",
                        f"{clip.gain_db:+.1f} dB",
                        clip.source[:8],
                    ]
                    for clip in track.clips
                ],
            )
    for marker in project.markers:
        typer.echo(printable(f"{grid.position(marker.at)} {marker.name}"))
    for section in project.sections:
        typer.echo(
            printable(f"{grid.position(section.start)} to {grid.position(section.end)} {section.name}")
        )


def _headline(project: Project) -> str:
    changes = [f"{tempo.tempo_bpm:g} bpm at {tempo.bar}|{tempo.beat}" for tempo in project.tempos[1:]]
    changes += [f"{metre.beats}/{metre.unit} at bar {metre.bar}" for metre in project.metres[1:]]
    tempo, metre = project.tempos[0], project.metres[0]
    facts = [
        clock_text(project.length / project.rate_hz),
        f"{tempo.tempo_bpm:g} bpm",
        f"{metre.beats}/{metre.unit}",
        *changes,
        f"{project.rate_hz} Hz",
        f"master {project.gain_db:+.1f} dB",
    ]
    return printable(f"{project.name}: {', '.join(facts)}")

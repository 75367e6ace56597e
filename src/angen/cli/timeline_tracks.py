"""Edits of tracks, tempo and markers, one command each. Every one is saved at once and can be undone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from angen.cli.console import JsonOption
from angen.cli.timeline_show import NameArgument, PlaceHelp, TrackArgument, edit_and_show

if TYPE_CHECKING:
    from angen.timeline import Project

OffOption = Annotated[bool, typer.Option("--off", help="End it.")]
BarOption = Annotated[int, typer.Option(min=1, help="From this bar on.")]
RemoveOption = Annotated[bool, typer.Option("--remove", help="Remove it instead.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the group."""
    for command in (track, reorder, gain, pan, mute, solo, tempo, metre, marker, section):
        app.command(command.__name__)(command)


def track(
    name: NameArgument,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="Name of the new track.", show_default=False)],
    json: JsonOption = False,
) -> None:
    """Add an empty track."""
    from angen.timeline import edits

    edit_and_show(name, lambda project: edits.add_track(project, title), f"add track {title}", json)


def reorder(
    name: NameArgument,
    track: TrackArgument,
    index: Annotated[int, typer.Argument(metavar="INDEX", help="0 is the top.", show_default=False)],
    json: JsonOption = False,
) -> None:
    """Move a track to another place among the tracks."""
    from angen.timeline import edits
    from angen.workflows.timeline import track_of

    edit_and_show(
        name,
        lambda project: edits.reorder_track(project, track_of(project, track).id, index),
        f"reorder {track}",
        json,
    )


def gain(
    name: NameArgument,
    what: Annotated[
        str,
        typer.Argument(metavar="ID", help="A clip, a track (id or name), or master.", show_default=False),
    ],
    db: Annotated[str, typer.Argument(metavar="DB", help="-120 to 24, like -3 or +2.", show_default=False)],
    json: JsonOption = False,
) -> None:
    """Set the level of a clip, a track, or the master. Write `-- -3` for a level below 0."""
    from angen.timeline import clip_edits, edits
    from angen.workflows.timeline import track_of

    gain_db = _number(db, "DB")

    def edit(project: Project) -> Project:
        if what == "master":
            return edits.set_master_gain(project, gain_db)
        if any(clip.id == what for clip in project.clips()):
            return clip_edits.set_clip_gain(project, what, gain_db)
        return edits.set_track_gain(project, track_of(project, what).id, gain_db)

    edit_and_show(name, edit, f"gain of {what} {gain_db:+g} dB", json)


def _number(text: str, hint: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no number.", param_hint=hint) from error


def pan(
    name: NameArgument,
    track: TrackArgument,
    to: Annotated[str, typer.Argument(metavar="PAN", help="-1 (left) to 1 (right).", show_default=False)],
    json: JsonOption = False,
) -> None:
    """Set the balance of a track. Write `-- -0.5` for left."""
    from angen.timeline import edits
    from angen.workflows.timeline import track_of

    place = _number(to, "PAN")
    edit_and_show(
        name,
        lambda project: edits.set_pan(project, track_of(project, track).id, place),
        f"pan {track} {place:+g}",
        json,
    )


def mute(name: NameArgument, track: TrackArgument, off: OffOption = False, json: JsonOption = False) -> None:
    """Mute a track, or with --off let it be heard."""
    from angen.timeline import edits
    from angen.workflows.timeline import track_of

    edit_and_show(
        name,
        lambda project: edits.set_muted(project, track_of(project, track).id, not off),
        f"{'un' if off else ''}mute {track}",
        json,
    )


def solo(name: NameArgument, track: TrackArgument, off: OffOption = False, json: JsonOption = False) -> None:
    """Solo a track, or with --off end its solo."""
    from angen.timeline import edits
    from angen.workflows.timeline import track_of

    edit_and_show(
        name,
        lambda project: edits.set_soloed(project, track_of(project, track).id, not off),
        f"{'un' if off else ''}solo {track}",
        json,
    )


def tempo(
    name: NameArgument,
    bpm: Annotated[
        float | None, typer.Argument(metavar="BPM", help="Quarter notes a minute.", show_default=False)
    ] = None,
    bar: BarOption = 1,
    beat: Annotated[int, typer.Option(min=1, help="From this beat of the bar on.")] = 1,
    remove: RemoveOption = False,
    json: JsonOption = False,
) -> None:
    """Set the tempo from a beat on. Clips stay where they are; the grid moves."""
    from angen.timeline import edits

    if remove == (bpm is not None):
        raise typer.BadParameter("give BPM, or --remove.", param_hint="BPM")

    def edit(project: Project) -> Project:
        if bpm is None:
            return edits.remove_tempo(project, bar=bar, beat=beat)
        return edits.set_tempo(project, bpm, bar=bar, beat=beat)

    edit_and_show(name, edit, f"tempo at {bar}|{beat}", json)


def metre(
    name: NameArgument,
    metre: Annotated[
        str | None, typer.Argument(metavar="METRE", help="Like 3/4.", show_default=False)
    ] = None,
    bar: BarOption = 1,
    remove: RemoveOption = False,
    json: JsonOption = False,
) -> None:
    """Set the metre from a bar on."""
    from angen.timeline import edits

    if remove == (metre is not None):
        raise typer.BadParameter("give METRE, or --remove.", param_hint="METRE")
    numbers = None if metre is None else read_metre(metre)

    def edit(project: Project) -> Project:
        if numbers is None:
            return edits.remove_metre(project, bar=bar)
        return edits.set_metre(project, *numbers, bar=bar)

    edit_and_show(name, edit, f"metre at bar {bar}", json)


def read_metre(text: str) -> tuple[int, int]:
    """The two numbers of a metre."""
    found = re.fullmatch(r"(\d{1,3})/(\d{1,3})", text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no metre; write it like 3/4.", param_hint="METRE")
    return int(found[1]), int(found[2])


def marker(
    name: NameArgument,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="Its name.", show_default=False)],
    at: Annotated[
        str | None, typer.Argument(metavar="PLACE", help=f"{PlaceHelp}.", show_default=False)
    ] = None,
    remove: RemoveOption = False,
    json: JsonOption = False,
) -> None:
    """Name a place."""
    from angen.timeline import edits
    from angen.workflows.timeline import place_of

    if remove == (at is not None):
        raise typer.BadParameter("give PLACE, or --remove.", param_hint="PLACE")

    def edit(project: Project) -> Project:
        if at is None:
            return edits.remove_marker(project, title)
        return edits.add_marker(project, title, place_of(project, at))

    edit_and_show(name, edit, f"marker {title}", json)


def section(
    name: NameArgument,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="verse, chorus.", show_default=False)],
    start: Annotated[
        str | None, typer.Argument(metavar="START", help=f"{PlaceHelp}.", show_default=False)
    ] = None,
    end: Annotated[str | None, typer.Argument(metavar="END", help="Likewise.", show_default=False)] = None,
    remove: RemoveOption = False,
    json: JsonOption = False,
) -> None:
    """Name a stretch."""
    from angen.timeline import edits
    from angen.workflows.timeline import place_of

    if (start is None) != remove or (end is None) != remove:
        raise typer.BadParameter("give START and END, or --remove.", param_hint="START")

    def edit(project: Project) -> Project:
        if start is None or end is None:
            return edits.remove_section(project, title)
        return edits.add_section(project, title, place_of(project, start), place_of(project, end))

    edit_and_show(name, edit, f"section {title}", json)

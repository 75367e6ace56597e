"""Edits of clips, one command each. Every one is saved at once and can be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from angen.cli.console import JsonOption
from angen.cli.timeline_show import ClipArgument, NameArgument, PlaceArgument, PlaceHelp, edit_and_show

if TYPE_CHECKING:
    from angen.timeline import Curve, Fade, Project


def register(app: typer.Typer) -> None:
    """Add these commands to the group."""
    for command in (move, trim, split, fade, crossfade, duplicate, remove, snap):
        app.command(command.__name__)(command)


def move(
    name: NameArgument,
    clip: ClipArgument,
    to: PlaceArgument,
    track: Annotated[str | None, typer.Option(help="Also to this track.", show_default="its own")] = None,
    json: JsonOption = False,
) -> None:
    """Move a clip to another place, or another track."""
    from angen.timeline import clip_edits
    from angen.workflows.timeline import place_of, track_of

    def edit(project: Project) -> Project:
        track_id = None if track is None else track_of(project, track).id
        return clip_edits.move_clip(project, clip, place_of(project, to), track_id=track_id)

    edit_and_show(name, edit, f"move {clip}", json)


def trim(
    name: NameArgument,
    clip: ClipArgument,
    start: Annotated[str | None, typer.Option(help=f"New beginning on the timeline: {PlaceHelp}.")] = None,
    end: Annotated[str | None, typer.Option(help="New end on the timeline.")] = None,
    json: JsonOption = False,
) -> None:
    """Move the edges of a clip; what is heard between them stays where it is."""
    from angen.timeline import clip_edits
    from angen.workflows.timeline import place_of

    if start is None and end is None:
        raise typer.BadParameter("give --start, --end or both.", param_hint="--start")

    def edit(project: Project) -> Project:
        first, last = (None if text is None else place_of(project, text) for text in (start, end))
        return clip_edits.trim_clip(project, clip, start=first, end=last)

    edit_and_show(name, edit, f"trim {clip}", json)


def split(name: NameArgument, clip: ClipArgument, at: PlaceArgument, json: JsonOption = False) -> None:
    """Cut a clip in two. What is heard stays the same."""
    from angen.timeline import clip_edits
    from angen.workflows.timeline import place_of

    edit_and_show(
        name,
        lambda project: clip_edits.split_clip(project, clip, place_of(project, at)),
        f"split {clip}",
        json,
    )


CurveOption = Annotated[str, typer.Option(help="linear, equal-power or exponential.")]


def fade(
    name: NameArgument,
    clip: ClipArgument,
    fade_in: Annotated[
        str | None, typer.Option("--in", help="Length, like 0.5s; 0 is a hard edge; auto.")
    ] = None,
    fade_out: Annotated[str | None, typer.Option("--out", help="Likewise at its end.")] = None,
    curve: CurveOption = "linear",
    json: JsonOption = False,
) -> None:
    """Fade a clip in or out. `auto` is a crossfade where it overlaps another clip."""
    from angen.timeline import clip_edits

    _check_curve(curve)
    if fade_in is None and fade_out is None:
        raise typer.BadParameter("give --in, --out or both.", param_hint="--in")

    def edit(project: Project) -> Project:
        if fade_in is not None:
            project = clip_edits.fade_clip(project, clip, "in", _fade(project, fade_in, curve))
        if fade_out is not None:
            project = clip_edits.fade_clip(project, clip, "out", _fade(project, fade_out, curve))
        return project

    edit_and_show(name, edit, f"fade {clip}", json)


def _fade(project: Project, text: str, curve: Any) -> Fade | None:
    from angen.timeline import Fade, edits
    from angen.workflows.timeline import place_of

    return None if text == "auto" else edits.made(Fade, samples=place_of(project, text), curve=curve)


def _check_curve(curve: str) -> Curve:
    known: tuple[Curve, ...] = ("linear", "equal-power", "exponential")
    for name in known:
        if name == curve:
            return name
    raise typer.BadParameter(f"use one of {', '.join(known)}.", param_hint="--curve")


def crossfade(
    name: NameArgument,
    left: Annotated[str, typer.Argument(metavar="LEFT", help="Id of the earlier clip.", show_default=False)],
    right: Annotated[str, typer.Argument(metavar="RIGHT", help="Id of the later clip.", show_default=False)],
    length: Annotated[str, typer.Argument(metavar="LENGTH", help="Like 0.5s.", show_default=False)],
    curve: CurveOption = "equal-power",
    json: JsonOption = False,
) -> None:
    """Make two clips of a track overlap, and fade into each other there."""
    from angen.timeline import clip_edits
    from angen.workflows.timeline import place_of

    chosen = _check_curve(curve)
    edit_and_show(
        name,
        lambda project: clip_edits.crossfade_clips(project, left, right, place_of(project, length), chosen),
        f"crossfade {left} {right}",
        json,
    )


def duplicate(
    name: NameArgument,
    clip: ClipArgument,
    at: Annotated[str | None, typer.Option(help="Place of the copy.", show_default="its end")] = None,
    json: JsonOption = False,
) -> None:
    """Copy a clip on its track."""
    from angen.timeline import clip_edits
    from angen.workflows.timeline import place_of

    def edit(project: Project) -> Project:
        return clip_edits.duplicate_clip(project, clip, start=None if at is None else place_of(project, at))

    edit_and_show(name, edit, f"duplicate {clip}", json)


def remove(
    name: NameArgument,
    what: Annotated[str, typer.Argument(metavar="ID", help="A clip or a track.", show_default=False)],
    json: JsonOption = False,
) -> None:
    """Remove a clip, or a track with its clips. Recordings stay where they are."""
    from angen.timeline import clip_edits, edits

    def edit(project: Project) -> Project:
        if any(track.id == what for track in project.tracks):
            return edits.remove_track(project, what)
        return clip_edits.remove_clip(project, what)

    edit_and_show(name, edit, f"remove {what}", json)


def snap(
    name: NameArgument,
    clip: ClipArgument,
    grid: Annotated[str, typer.Option(help="bar, beat, or a note value like 1/8, 1/16, 1/8t.")] = "bar",
    json: JsonOption = False,
) -> None:
    """Move a clip so that it begins at the nearest line of the grid."""
    from angen.timeline import clip_edits

    edit_and_show(
        name, lambda project: clip_edits.snap_clip(project, clip, grid), f"snap {clip} to {grid}", json
    )

"""What every command shares: how results, progress and errors are shown."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from angen.errors import AngenError
from angen.progress import Eta, Progress, ProgressCallback

__all__ = [
    "AngenGroup", "JsonOption", "clock_text", "confirm_deletion", "print_json", "print_table", "say", "show_progress",
]  # fmt: skip

_WANTS_JSON = "angen.cli.json"
_LINE_EVERY_S = 5.0


class AngenGroup(TyperGroup):
    """The root of all commands: shows an `AngenError` as a message with its remedy, and exits with 1.

    Where the command was called with `--json`, standard output holds the error too: `{"error": {...}}`.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except AngenError as error:
            raise _failure(ctx, error) from error
        except BrokenPipeError:
            raise  # nobody reads our results any more: typer ends quietly
        except OSError as error:
            remedy = "Check that this file or folder exists, its permissions, and the space on its disk."
            raise _failure(ctx, AngenError(f"{error}.", remedy=remedy)) from error
        except KeyboardInterrupt as error:
            say("Interrupted.")
            raise typer.Exit(130) from error


def _failure(context: Any, error: AngenError) -> typer.Exit:
    """Show an error; the exit that follows."""
    say(f"Error: {error.message}", error.remedy)
    if context.meta.get(_WANTS_JSON):
        print_json({"error": error.as_dict()})
    return typer.Exit(1)


def _remember_json(context: typer.Context, is_asked: bool) -> bool:
    context.meta[_WANTS_JSON] = is_asked
    return is_asked


JsonOption = Annotated[bool, typer.Option("--json", callback=_remember_json, help="Print JSON for machines.")]


def say(*lines: str) -> None:
    """Tell the person at the terminal, on standard error."""
    for line in lines:
        if line:
            typer.echo(printable(line), err=True)


def confirm_deletion(what: str, *, yes: bool) -> None:
    """Ask the person at the terminal whether to delete; without one, `--yes` must have said so.

    Raises:
        typer.Abort: If the answer is no.
        typer.BadParameter: If nobody can be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter("say --yes to delete without being asked.", param_hint="--yes")
    typer.confirm(f"Delete {printable(what)} for good?", abort=True, err=True)


def print_json(value: Any, *, indent: int | None = None) -> None:
    """Print a result as JSON, at once. It is ASCII: any terminal and any reader can take it."""
    typer.echo(json.dumps(value, indent=indent, allow_nan=False))
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their columns' names, aligned; wide writing counts double."""
    from rich.cells import cell_len

    table = [[printable(cell) for cell in row] for row in ([name.upper() for name in columns], *rows)]
    widths = [max(cell_len(cell) for cell in column) for column in zip(*table, strict=True)]
    for row in table:
        cells = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


def printable(text: str) -> str:
    """Text that every terminal can show: control characters and broken encodings are spelled out."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    visible = "".join(
        char
        if char.isprintable() or char == "\n"
        else char.encode("unicode_escape", "backslashreplace").decode()
        for char in text
    )
    return visible.encode(encoding, "backslashreplace").decode(encoding)


def clock_text(seconds: float) -> str:
    """Seconds as minutes and seconds, or hours, minutes and seconds.

    Example:
        >>> clock_text(64.2), clock_text(3600)
        ('1:04', '1:00:00')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@contextmanager
def show_progress(*, prints_meanwhile: bool = False) -> Iterator[ProgressCallback]:
    """Draw progress on standard error: a bar in a terminal, otherwise a line now and then.

    Args:
        prints_meanwhile: Whether results are printed before the work is done; a bar in the same terminal
            would be in the way.
    """
    if not sys.stderr.isatty() or (prints_meanwhile and sys.stdout.isatty()):
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bars

    bars = Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,  # results belong to standard output
        redirect_stderr=False,
    )
    with bars:
        task = bars.add_task("", total=None, note="")
        eta = Eta()

        def draw(progress: Progress) -> None:
            known_total = progress.total if progress.total > 0 else None
            note = printable(_note(progress, eta.remaining_s(progress)))
            bars.update(
                task, description=progress.stage, completed=progress.done, total=known_total, note=note
            )

        yield draw


def _lines(clock: Callable[[], float] = time.monotonic) -> ProgressCallback:
    """A callback that says where a stage begins and ends, and every few seconds between."""
    eta = Eta(clock)
    stage, said_s = "", 0.0

    def write(progress: Progress) -> None:
        nonlocal stage, said_s
        remaining_s, now = eta.remaining_s(progress), clock()
        is_end = progress.total > 0 and progress.done >= progress.total
        if progress.stage == stage and not is_end and now - said_s < _LINE_EVERY_S:
            return
        stage, said_s = progress.stage, now
        share = f" {progress.fraction:.0%}" if progress.total > 0 else ""
        say(f"{progress.stage}{share} {_note(progress, remaining_s)}".rstrip())

    return write


def _note(progress: Progress, remaining_s: float | None) -> str:
    left = f"{clock_text(remaining_s)} left" if remaining_s else ""
    return ", ".join(part for part in (left, progress.note) if part)

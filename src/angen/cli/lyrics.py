"""`angen lyrics`: write, continue, rewrite, structure and check lyrics."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from angen.cli.console import (
    JsonOption,
    clock_text,
    print_json,
    print_table,
    printable,
    say,
    show_progress,
)
from angen.progress import Progress

if TYPE_CHECKING:
    from angen.lyrics import Brief, Lyrics, Problem, SingingTime
    from angen.workflows.lyrics import LyricsResult, Writer

app = typer.Typer(no_args_is_help=True, help="Lyrics: write, continue, rewrite, structure and check them.")

FileArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="A lyrics file, plain or LRC; - for stdin.", show_default=False)
]
ThemeOption = Annotated[str, typer.Option(help="What it is about.")]
MoodOption = Annotated[str, typer.Option(help="How it feels.")]
LanguageOption = Annotated[str, typer.Option(help="en, zh, es, fr, de, it or pt.")]
FormOption = Annotated[
    str,
    typer.Option(
        help="verse-chorus, pre-chorus, aaba, strophic, ballad, blues, hip-hop, edm, rock, lullaby or short."
    ),
]
SecondsOption = Annotated[float | None, typer.Option(help="Length of the song.", show_default="the form's")]
TempoOption = Annotated[float | None, typer.Option(help="Tempo in BPM.", show_default="the form's")]
SeedOption = Annotated[int, typer.Option(min=0, help="The draft writer writes the same for the same seed.")]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Use the draft writer, whatever is set.")]
UrlOption = Annotated[
    str | None,
    typer.Option(help="An OpenAI-compatible server.", show_default="$ANGEN_LLM_URL, else the draft writer"),
]
ModelOption = Annotated[
    str | None, typer.Option(help="The model there.", show_default="$ANGEN_LLM_MODEL, else its first")
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        help="File to write: .txt, .lrc with estimated times, .json with everything.", show_default="stdout"
    ),
]


@app.command()
def write(
    theme: ThemeOption = "",
    mood: MoodOption = "",
    language: LanguageOption = "en",
    form: FormOption = "verse-chorus",
    seconds: SecondsOption = None,
    tempo: TempoOption = None,
    seed: SeedOption = 0,
    offline: OfflineOption = False,
    url: UrlOption = None,
    model: ModelOption = None,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """Write lyrics for a theme, mood and form.

    With no language model set, a draft comes from Angen's own words.
    """
    brief = _brief(theme, mood, language, form, seconds, tempo, seed)
    with _writer(offline, url, model) as writer:
        _show(writer.write(brief), out, json)


@app.command("continue")
def continue_(
    file: FileArgument,
    sections: Annotated[int, typer.Option(min=1, max=20, help="How many to add.")] = 1,
    theme: ThemeOption = "",
    mood: MoodOption = "",
    language: Annotated[str | None, typer.Option(help="As of 'write'.", show_default="guessed")] = None,
    form: FormOption = "verse-chorus",
    seconds: SecondsOption = None,
    tempo: TempoOption = None,
    seed: SeedOption = 0,
    offline: OfflineOption = False,
    url: UrlOption = None,
    model: ModelOption = None,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """Go on where lyrics stop; what there is stays."""
    lyrics, guessed = _read(file)
    brief = _brief(theme, mood, language or guessed, form, seconds, tempo, seed)
    with _writer(offline, url, model) as writer:
        _show(writer.continue_(lyrics, brief, sections=sections), out, json)


@app.command()
def rewrite(
    file: FileArgument,
    section: Annotated[
        list[int] | None,
        typer.Option(
            min=1, help="Number of a section, the first is 1; may be given again.", show_default="all"
        ),
    ] = None,
    theme: ThemeOption = "",
    mood: MoodOption = "",
    language: Annotated[str | None, typer.Option(help="As of 'write'.", show_default="guessed")] = None,
    form: FormOption = "verse-chorus",
    seconds: SecondsOption = None,
    tempo: TempoOption = None,
    seed: SeedOption = 0,
    offline: OfflineOption = False,
    url: UrlOption = None,
    model: ModelOption = None,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """Write sections anew, of the same shape; the others stay."""
    lyrics, guessed = _read(file)
    brief = _brief(theme, mood, language or guessed, form, seconds, tempo, seed)
    with _writer(offline, url, model) as writer:
        _show(writer.rewrite(lyrics, brief, sections=section or ()), out, json)


@app.command()
def structure(
    file: FileArgument,
    form: Annotated[
        str | None, typer.Option(help="A song form whose tags to set.", show_default="found")
    ] = None,
    language: Annotated[str | None, typer.Option(help="As of 'write'.", show_default="guessed")] = None,
    seconds: SecondsOption = None,
    tempo: TempoOption = None,
    offline: OfflineOption = False,
    url: UrlOption = None,
    model: ModelOption = None,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """Give a text the tags a model knows; no word is changed."""
    from angen.lyrics import guess_language

    text = _text(file)
    brief = _brief("", "", language or guess_language(text), form or "verse-chorus", seconds, tempo, 0)
    with _writer(offline, url, model) as writer:
        _show(writer.structure(text, brief, form=form), out, json)


@app.command()
def check(
    file: FileArgument,
    language: Annotated[str | None, typer.Option(help="As of 'write'.", show_default="guessed")] = None,
    form: Annotated[
        str | None, typer.Option(help="Its form: 'hip-hop' is sung faster.", show_default="any")
    ] = None,
    seconds: SecondsOption = None,
    tempo: TempoOption = None,
    json: JsonOption = False,
) -> None:
    """Say what of a text can be sung: its sections, syllables and seconds, and every line that is a problem."""
    from angen.workflows.lyrics import check_lyrics

    checked = check_lyrics(_text(file), language=language, form=form, tempo_bpm=tempo, seconds=seconds)
    if json:
        print_json(checked.as_dict(), indent=2)
    else:
        _print_time(checked.time)
        for problem in checked.read.problems:
            typer.echo(printable(f"line {problem.line}: {problem.reason}: {problem.text}"))
        for warning in checked.time.warnings:
            typer.echo(printable(warning))
    if not checked.read.lyrics.lines:
        say("Error: there is no line that can be sung.")
        raise typer.Exit(1)


def _brief(
    theme: str, mood: str, language: str, form: str, seconds: float | None, tempo: float | None, seed: int
) -> Brief:
    from angen.lyrics import Brief

    return Brief(theme, mood, language, form, seconds, tempo, seed)


def _text(file: str) -> str:
    from angen.workflows.lyrics import decoded, read_lyrics_file

    return decoded(sys.stdin.buffer.read(1_000_001), "stdin") if file == "-" else read_lyrics_file(Path(file))


@contextmanager
def _writer(offline: bool, url: str | None, model: str | None) -> Iterator[Writer]:
    """The writer that is asked for; Ctrl-C ends a model's answer, and what has arrived is kept."""
    from angen.workflows.lyrics import Writer, endpoint_from

    if offline and (url or model):
        raise typer.BadParameter("give --offline, or --url and --model.", param_hint="--offline")
    endpoint = None if offline else endpoint_from(url, model)
    if endpoint is None:
        if model:
            raise typer.BadParameter("needs --url or ANGEN_LLM_URL.", param_hint="--model")
        yield Writer()
        return
    with show_progress() as on_progress, _interrupts() as asked:
        arrived = 0

        def note(piece: str) -> None:
            nonlocal arrived
            arrived += len(piece)
            on_progress(Progress("writing", arrived, 0, f"{arrived} characters"))

        on_progress(Progress("writing", 0, 0, "waiting for the model"))
        yield Writer(endpoint, on_text=note, should_stop=lambda: bool(asked))


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """While the block runs, the first Ctrl-C is only noted in the list given; the second interrupts."""
    asked: list[int] = []

    def note(number: int, _frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    former = signal.signal(signal.SIGINT, note)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, former)


def _show(result: LyricsResult, out: Path | None, json: bool) -> None:
    from angen.workflows.lyrics import save_lyrics

    if out is not None:
        save_lyrics(result, out)
    if json:
        print_json(result.as_dict() | ({"path": printable(str(out))} if out else {}), indent=2)
    else:
        typer.echo(printable(str(out) if out else result.text.rstrip("\n")))
    written = result.written
    say(f"By the {written.source}, about {clock_text(result.time.usual_s)} sung.", *written.notes)
    say(*result.time.warnings)
    _say_problems(written.problems)


def _read(file: str) -> tuple[Lyrics, str]:
    """Lyrics of a file, their problems told, and the language they seem to be in."""
    from angen.lyrics import guess_language, read_lyrics

    read = read_lyrics(_text(file))
    _say_problems(read.problems)
    return read.lyrics, guess_language(" ".join(read.lyrics.lines))


def _say_problems(problems: tuple[Problem, ...]) -> None:
    for problem in problems:
        say(f"Line {problem.line}: {problem.reason}: {problem.text}")


def _print_time(time: SingingTime) -> None:
    rows = [
        [
            str(number),
            part.tag,
            str(part.lines),
            str(part.syllables),
            f"{part.shortest_s:.1f}-{part.longest_s:.1f}",
            f"{part.usual_s:.1f}",
            str(part.bars) if part.bars else "-",
        ]
        for number, part in enumerate(time.sections, start=1)
    ]
    sung = f"{time.shortest_s:.1f}-{time.longest_s:.1f}"
    total = ["", "all", str(sum(part.lines for part in time.sections)), str(time.syllables), sung]
    columns = ["", "section", "lines", "syllables", "seconds", "usual", "bars"]
    print_table(columns, [*rows, [*total, f"{time.usual_s:.1f}", ""]])

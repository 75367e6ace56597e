"""`angen produce`: from a prompt or a recording to finished files, in one go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from angen.cli.console import JsonOption, print_json, printable, say, show_progress
from angen.cli.jobs import BackgroundOption, submit_and_say
from angen.cli.master import Preset, StyleChoice
from angen.settings import Settings, load_settings

if TYPE_CHECKING:
    from angen.workflows.produce import Produced
    from angen.workflows.production import Production, ProductionRequest
    from angen.workflows.production_begin import ModelOpener

_GO_TOGETHER_WITH_ANOTHER = {"recording", "out", "from_", "resume", "json"}


def produce(
    context: typer.Context,
    recording: Annotated[
        Path | None,
        typer.Argument(metavar="[INPUT]", help="A recording to start from, instead of a prompt."),
    ] = None,
    prompt: Annotated[str, typer.Option(help="What it should be: 'happy calypso, 112 bpm'.")] = "",
    adapter: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[:STRENGTH]", help="An adapter and its strength; may be given again."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=1.0, max=600.0, help="Length.")] = 30.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same music.")] = 0,
    tempo: Annotated[
        float | None, typer.Option(help="Tempo in BPM.", show_default="from the prompt, else the adapter's")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, max=200, help="Sampling steps a block.")] = 16,
    guidance: Annotated[
        float | None,
        typer.Option(min=0.0, max=20.0, help="How much the prompt counts.", show_default="the adapter's own"),
    ] = None,
    form: Annotated[
        str, typer.Option(help="Sections in proportion: 'verse 8, chorus 8'.", show_default="none")
    ] = "",
    ending: Annotated[bool, typer.Option(help="Let the piece come to an end within its length.")] = False,
    model: Annotated[str, typer.Option(help="Base model.")] = "angen-tiny",
    enhance: Annotated[float, typer.Option(min=0.0, max=1.0, help="Strength of the enhancement.")] = 0.5,
    no_enhance: Annotated[bool, typer.Option("--no-enhance", help="Do not enhance.")] = False,
    upscale: Annotated[
        int, typer.Option(min=8000, max=384_000, help="Rate in Hz to bring it to, if its own is not higher.")
    ] = 48_000,
    no_upscale: Annotated[bool, typer.Option("--no-upscale", help="Keep its rate and band.")] = False,
    preset: Annotated[Preset, typer.Option(help="What the master is for.")] = Preset.streaming,
    style: Annotated[StyleChoice, typer.Option(help="How it should sound.")] = StyleChoice.balanced,
    intensity: Annotated[float, typer.Option(min=0.0, max=1.0, help="How much mastering does.")] = 0.5,
    formats: Annotated[
        str, typer.Option("--format", help="Formats with commas between, as `angen export` has them.")
    ] = "wav24",
    title: Annotated[str, typer.Option(help="Title.", show_default="of the prompt or recording")] = "",
    artist: Annotated[str, typer.Option(help="Artist.")] = "",
    album: Annotated[str, typer.Option(help="Album.")] = "",
    genre: Annotated[str, typer.Option(help="Genre.")] = "",
    bpm: Annotated[float | None, typer.Option(min=1, max=999, help="Tempo for the tags.")] = None,
    key: Annotated[str, typer.Option(help="Musical key for the tags.")] = "",
    date: Annotated[str, typer.Option(help="2026, 2026-11 or 2026-11-22.", show_default="today")] = "",
    comment: Annotated[str, typer.Option(help="Comment.", show_default="the prompt")] = "",
    copyright_: Annotated[str, typer.Option("--copyright", help="Copyright notice.")] = "",
    licence: Annotated[str, typer.Option(help="Licence, like CC-BY-4.0.")] = "",
    language: Annotated[str, typer.Option(help="Of the lyrics, three letters: eng.")] = "",
    lyrics: Annotated[Path | None, typer.Option(help="Text file, or LRC with times, for the tags.")] = None,
    no_cover: Annotated[bool, typer.Option("--no-cover", help="Draw no cover.")] = False,
    no_ai_mark: Annotated[
        bool, typer.Option("--no-ai-mark", help="Do not say in the files that a machine made them.")
    ] = False,
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="FILE", help="Make again what this .angen.json or production.json tells."
        ),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Go on with the production of this folder.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the production.", show_default="a new one in outputs")
    ] = None,
    background: BackgroundOption = False,
    json: JsonOption = False,
) -> None:
    """Generate, enhance, master and export a piece, each stage's file kept in one folder.

    Ctrl-C stops and keeps what is finished; --resume, or the same command with the same --out, goes on from the
    first file that is missing, damaged or changed. --from makes the same bytes again, and refuses if the base model
    or an adapter is not the one that acted then. With --json, one record of all stages.
    """  # fmt: skip
    _check_use(context, recording, prompt, from_, resume, out)
    settings = load_settings()
    from functools import cache, partial

    from angen.cli.stopping import stop_on_interrupt
    from angen.export import Tags, read_lyrics
    from angen.workflows import produce as workflow
    from angen.workflows.generate import AdapterChoice
    from angen.workflows.models import open_model
    from angen.workflows.production import (
        AdapterUse,
        ProductionRequest,
        ProductionStoppedError,
        Recording,
        TagChoices,
    )

    opener: ModelOpener = cache(partial(open_model, settings))
    if resume or from_:
        production, recording = _earlier(settings, from_, resume, out, recording, opener)
    else:
        choices = [AdapterChoice.parse(text) for text in adapter or []]
        words, timed = read_lyrics(lyrics) if lyrics else ("", ())
        tags = Tags(
            title=title, artist=artist, album=album, genre=genre, bpm=bpm, key=key, date=date, comment=comment,
            copyright=copyright_, licence=licence, language=language, lyrics=words, timed_lyrics=timed,
        )  # fmt: skip
        music: dict[str, Any] = {
            "prompt": prompt, "seconds": seconds, "seed": seed, "tempo_bpm": tempo, "steps": steps,
            "guidance": guidance, "form": form, "ending": ending,
        }  # fmt: skip
        request = ProductionRequest(
            generation=None if recording else music,
            model="" if recording else model,
            adapters=[AdapterUse(name=one.name, strength=one.strength) for one in choices],
            recording=Recording.of(recording) if recording else None,
            enhance=None if no_enhance else enhance,
            upscale_hz=None if no_upscale else upscale,
            preset=preset.value,
            style=style.value,
            intensity=intensity,
            formats=[part.strip() for part in formats.split(",") if part.strip()],
            tags=TagChoices.of(tags),
            ai_mark=not no_ai_mark,
            draws_cover=not no_cover,
        )
        if background:
            submit_and_say("produce", _as_job(request, recording, out), json=json)
            return
        production = workflow.begin_production(
            settings, request, out=out, recording=recording, open_model=opener
        )
    say(f"Folder: {production.folder}")
    try:
        with show_progress() as on_progress, stop_on_interrupt() as should_stop:
            made = workflow.produce(
                settings, production, recording=recording, open_model=opener,
                on_progress=on_progress, should_stop=should_stop,
            )  # fmt: skip
    except ProductionStoppedError as stop:
        say(stop.message, stop.remedy)
        if json:
            print_json({"error": stop.as_dict(), "folder": printable(str(production.folder))})
        raise typer.Exit(130) from stop
    _show(made, json=json)


def _check_use(
    context: typer.Context, recording: Path | None, prompt: str, from_: Path | None, resume: Path | None,
    out: Path | None,
) -> None:  # fmt: skip
    """Refuse options that do not go together."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}
    options = {param.name: param.opts[0] for param in context.command.params}
    if from_ and resume:
        raise typer.BadParameter("go on with one, or make one again, not both.", param_hint="--from")
    if resume and out:
        raise typer.BadParameter("--resume names the folder already.", param_hint="--out")
    if from_ or resume:
        more = given - _GO_TOGETHER_WITH_ANOTHER
        if more:
            raise typer.BadParameter(
                "the earlier production tells everything.", param_hint=options[min(more)]
            )
        return
    if bool(prompt.strip()) == (recording is not None):
        raise typer.BadParameter("give a prompt, or a recording to start from.", param_hint="--prompt")
    if recording:
        lost = given & {"adapter", "seconds", "seed", "tempo", "steps", "guidance", "form", "ending", "model"}
        if lost:
            raise typer.BadParameter("nothing is generated from a recording.", param_hint=options[min(lost)])
    if "enhance" in given and "no_enhance" in given:
        raise typer.BadParameter("enhance or not.", param_hint="--no-enhance")
    if "upscale" in given and "no_upscale" in given:
        raise typer.BadParameter("upscale or not.", param_hint="--no-upscale")


def _as_job(request: ProductionRequest, recording: Path | None, out: Path | None) -> dict[str, Any]:
    """The same production as parameters of a job."""
    asked = request.model_dump(mode="json", exclude={"generation", "recording"})
    paths = {"recording": recording and str(recording.absolute()), "out": out and str(out.absolute())}
    return {**asked, "model": request.model or "angen-tiny", "request": request.generation, **paths}


def _earlier(
    settings: Settings, from_: Path | None, resume: Path | None, out: Path | None, recording: Path | None,
    open_model: ModelOpener,
) -> tuple[Production, Path | None]:  # fmt: skip
    """The production to go on with, or to make again, and where its recording is."""
    from angen.workflows import produce as workflow

    if resume:
        return workflow.read_production(resume), recording
    assert from_ is not None
    blueprint = workflow.read_blueprint(from_)
    production = workflow.repeat_production(
        settings, blueprint, out=out, recording=recording, open_model=open_model
    )
    return production, recording or blueprint.recording(None)


def _show(made: Produced, *, json: bool) -> None:
    if json:
        print_json(made.as_dict(), indent=2)
    else:
        for path in made.files:
            typer.echo(printable(str(path)))
        if made.record.expected and not made.record.differences:
            say("Every file is the same as before.")
    say(*(f"Note: {warning}" for warning in made.warnings))

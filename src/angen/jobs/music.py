"""Recordings, music and words as jobs: analyse, generate, produce, enhance, upscale, master, export, write, render.

Without a place of their own, results go to `outputs/<date>/<job>…`: the same place for each attempt of a job.
"""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from angen.errors import JobError
from angen.jobs.kinds import AbsolutePath, Context, Params
from angen.jobs.training import expect_some
from angen.settings import Settings

if TYPE_CHECKING:
    from angen.generation import GenerationRequest
    from angen.lyrics import Brief
    from angen.workflows.export import ExportOptions
    from angen.workflows.master import MasterChoices
    from angen.workflows.production import ProductionRequest


class Files(Params):
    """Recordings, or folders of them, and where the results go."""

    files: list[AbsolutePath] = Field(min_length=1)
    out: AbsolutePath | None = None

    @property
    def paths(self) -> list[Path]:
        """The recordings."""
        return [Path(file) for file in self.files]


class Analyze(Files):
    """As `workflows.analyze.analyze_files`; `out` is a file of JSON lines."""


class Enhance(Files):
    """As `workflows.enhance.enhance_files`; `out` is a folder."""

    stem: Literal["vocals", "drums", "bass", "other", "mix"] | None = None
    strength: float = Field(0.5, ge=0, le=1)
    shape: bool = True


class Upscale(Files):
    """As `workflows.enhance.upscale_files`, by Angen itself: a job never names a program to run."""

    rate_hz: int = Field(48_000, ge=8000, le=384_000)
    extend: bool = True


class Master(Files):
    """As `workflows.master.master_files`."""

    preset: str = "streaming"
    style: str = "balanced"
    intensity: float = Field(0.5, ge=0, le=1)
    reference: AbsolutePath | None = None
    phase: Literal["minimum", "linear"] = "minimum"
    seed: int = Field(0, ge=0)


class ExportTags(Params):
    """What files are to say of themselves, as `angen.export.Tags`."""

    title: str = ""
    artist: str = ""
    album: str = ""
    genre: str = ""
    bpm: float | None = None
    key: str = ""
    date: str = ""
    comment: str = ""
    copyright: str = ""
    licence: str = ""
    language: str = ""
    lyrics: str = ""
    timed_lyrics: str = ""


class Export(Files):
    """As `workflows.export`: pieces one by one, the tracks of an album, or the stems of a piece."""

    formats: str = "wav24"
    what: Literal["pieces", "album", "stems"] = "pieces"
    tags: ExportTags = Field(default_factory=ExportTags)
    ai_mark: bool = True
    draws_cover: bool = True
    dither_seed: int = Field(0, ge=0)
    overwrite: bool = False


class Request(Params):
    """As `generation.GenerationRequest`."""

    prompt: str
    seconds: float = 30.0
    seed: int = 0
    tempo_bpm: float | None = None
    steps: int = 16
    guidance: float | None = None
    noise_scale: float | None = None
    form: str = ""
    ending: bool = False
    lyrics: str = ""

    def checked(self) -> GenerationRequest:
        """The request, every value in range."""
        from angen.generation import GenerationRequest

        return GenerationRequest(**self.model_dump())


class Adapter(Params):
    """An adapter of the workspace and its strength."""

    name: str
    strength: float = Field(1.0, ge=-2, le=2)


class Generate(Params):
    """As `workflows.generate.generate_music`; the style is that of a file, a dataset, or of the prompt."""

    request: Request
    adapters: list[Adapter] = Field(default_factory=list)
    style_file: AbsolutePath | None = None
    style_dataset: str | None = None
    out: AbsolutePath | None = None
    model: str = "angen-tiny"


class Produce(Params):
    """As `workflows.production.ProductionRequest`, whose recording is given by its path."""

    request: Request | None = None
    adapters: list[Adapter] = Field(default_factory=list)
    model: str = "angen-tiny"
    recording: AbsolutePath | None = None
    enhance: float | None = Field(0.5, ge=0, le=1)
    upscale_hz: int | None = 48_000
    preset: str = "streaming"
    style: str = "balanced"
    intensity: float = Field(0.5, ge=0, le=1)
    formats: list[str] = Field(default_factory=lambda: ["wav24"])
    tags: ExportTags = Field(default_factory=ExportTags)
    ai_mark: bool = True
    draws_cover: bool = True
    out: AbsolutePath | None = None


class Words(Params):
    """As `workflows.lyrics.Writer`; a language model is the one of the environment, never one that a job names."""

    action: Literal["write", "continue", "rewrite", "structure"] = "write"
    theme: str = ""
    mood: str = ""
    language: str = "en"
    form: str = "verse-chorus"
    seconds: float | None = None
    tempo_bpm: float | None = None
    seed: int = 0
    text: str = ""
    sections: list[int] = Field(default_factory=list)
    offline: bool = False
    out: AbsolutePath | None = None

    def brief(self) -> Brief:
        """The brief, every value in range."""
        from angen.lyrics import Brief

        return Brief(self.theme, self.mood, self.language, self.form, self.seconds, self.tempo_bpm, self.seed)


class Render(Params):
    """As `workflows.timeline.render_project`, or its stems as a zip."""

    project: str
    out: AbsolutePath | None = None
    start: str = "0"
    stop: str | None = None
    bit_depth: Literal[16, 24, 32] = 24
    stems: bool = False


def own_place(settings: Settings, context: Context, suffix: str) -> Path:
    """A job's own name in the outputs, the same for each of its attempts."""
    day = datetime.fromtimestamp(context.job.created, UTC)
    return settings.outputs / f"{day:%Y-%m-%d}" / f"{context.job.id}{suffix}"


def check_files(settings: Settings, params: Files) -> None:
    """Refuse recordings that are not there."""
    expect_some(params.files)


def analyze(settings: Settings, params: Analyze, context: Context) -> Any:
    """Hear recordings; the records go to a file of JSON lines."""
    from angen.files import write_text
    from angen.workflows.analyze import analyze_files

    records = list(analyze_files(params.paths, on_progress=context.report))
    out = Path(params.out) if params.out else own_place(settings, context, "-analysis.jsonl")
    write_text(out, "".join(json.dumps(record, allow_nan=False) + "\n" for record in records))
    return {"file": str(out), "files": len(records), "failed": sum("error" in record for record in records)}


def check_generate(settings: Settings, params: Generate) -> None:
    """Refuse values out of range, and adapters that are not there."""
    from angen.adapters import adapter_folder, read_info

    params.request.checked()
    for adapter in params.adapters:
        read_info(adapter_folder(settings.loras, adapter.name))


def generate(settings: Settings, params: Generate, context: Context) -> Any:
    """Generate a piece."""
    from angen.workflows.generate import AdapterChoice, generate_music
    from angen.workflows.models import open_model, style_of_dataset, style_of_file

    style = None
    if params.style_file is not None:
        style = style_of_file(settings, Path(params.style_file))
    elif params.style_dataset is not None:
        style = style_of_dataset(settings, params.style_dataset, on_progress=context.report)
    made = generate_music(
        settings, open_model(settings, params.model), params.request.checked(),
        [AdapterChoice(one.name, one.strength) for one in params.adapters], style=style,
        out=Path(params.out) if params.out else own_place(settings, context, ".wav"), on_progress=context.report,
    )  # fmt: skip
    return {"path": str(made.path), "request": made.request.as_dict()}


def check_produce(settings: Settings, params: Produce) -> None:
    """Refuse what no stage could do."""
    _production(params).checked()


def _production(params: Produce) -> ProductionRequest:
    from angen.workflows.production import AdapterUse, ProductionRequest, Recording, TagChoices

    given = ("enhance", "upscale_hz", "preset", "style", "intensity", "formats", "ai_mark", "draws_cover")
    return ProductionRequest(
        generation=params.request.model_dump() if params.request else None,
        model="" if params.recording else params.model,
        adapters=[AdapterUse(name=one.name, strength=one.strength) for one in params.adapters],
        recording=Recording.of(Path(params.recording)) if params.recording else None,
        tags=TagChoices(**params.tags.model_dump()),
        **{name: getattr(params, name) for name in given},
    )


def produce(settings: Settings, params: Produce, context: Context) -> Any:
    """Produce a piece in its folder, from the first stage that is not finished."""
    from functools import cache, partial

    from angen.workflows import models
    from angen.workflows.produce import begin_production
    from angen.workflows.produce import produce as go_on

    recording = Path(params.recording) if params.recording else None
    open_model = cache(partial(models.open_model, settings))
    out = Path(params.out) if params.out else own_place(settings, context, "-production")
    production = begin_production(
        settings, _production(params), out=out, recording=recording, open_model=open_model
    )
    made = go_on(settings, production, recording=recording, open_model=open_model, on_progress=context.report)
    return made.as_dict()


def enhance(settings: Settings, params: Enhance, context: Context) -> Any:
    """Enhance recordings."""
    from angen.workflows.enhance import enhance_files

    out = Path(params.out) if params.out else own_place(settings, context, "-enhanced")
    done = enhance_files(
        params.paths, out, stem=params.stem, strength=params.strength, shape=params.shape,
        on_progress=context.report,
    )  # fmt: skip
    return {"folder": str(done.folder), "files": done.records, "residuals": done.residuals}


def upscale(settings: Settings, params: Upscale, context: Context) -> Any:
    """Upscale recordings."""
    from angen.workflows.enhance import upscale_files

    out = Path(params.out) if params.out else own_place(settings, context, "-upscaled")
    done = upscale_files(
        params.paths, out, rate_hz=params.rate_hz, extend=params.extend, on_progress=context.report
    )
    return {"folder": str(done.folder), "files": done.records}


def check_master(settings: Settings, params: Master) -> None:
    """Refuse an unknown preset, and recordings that are not there."""
    from angen.mastering.presets import preset_named, style_named

    style_named(params.style)
    if preset_named(params.preset).needs_reference and params.reference is None:
        raise JobError(f"The preset {params.preset!r} needs a reference.", remedy="Give one.")
    expect_some(params.files)


def master(settings: Settings, params: Master, context: Context) -> Any:
    """Master recordings, into a folder of this job's own where none is named."""
    from angen.workflows.master import MasterChoices, Unmastered, master_files

    reference = Path(params.reference) if params.reference else None
    choices: MasterChoices = MasterChoices(
        params.preset, params.style, params.intensity, reference, params.phase, params.seed
    )
    out = Path(params.out) if params.out else own_place(settings, context, "-mastered")
    made = master_files(settings, params.paths, choices, out=out, on_progress=context.report)
    return [
        {"source": str(one.source), "error": one.error.as_dict()}
        if isinstance(one, Unmastered)
        else one.as_dict()
        for one in made
    ]


def check_export(settings: Settings, params: Export) -> None:
    """Refuse formats that are unknown, and recordings that are not there."""
    _options(params, overwrite=params.overwrite)
    expect_some(params.files)


def _options(params: Export, *, overwrite: bool) -> ExportOptions:
    from angen.export import parse_formats
    from angen.workflows.export import ExportOptions
    from angen.workflows.production import TagChoices

    tags = TagChoices(**params.tags.model_dump()).tags()
    return ExportOptions(
        parse_formats(params.formats), tags, ai_mark=params.ai_mark, draws_cover=params.draws_cover,
        dither_seed=params.dither_seed, overwrite=overwrite,
    )  # fmt: skip


def export(settings: Settings, params: Export, context: Context) -> Any:
    """Export recordings; a later attempt may replace what an earlier one wrote in a place of the job's own."""
    from angen.workflows import export as workflow

    options = _options(params, overwrite=params.overwrite or (context.job.attempt > 1 and params.out is None))
    out = Path(params.out) if params.out else own_place(settings, context, "-export")
    if params.what == "stems":
        return [workflow.export_stem_files(params.paths, out, options, on_progress=context.report).as_dict()]
    if params.what == "album":
        made = workflow.export_album_folder(settings, params.paths, out, options, on_progress=context.report)
        return [one.as_dict() for one in made]
    return [
        {"source": str(one[0]), "error": one[1].as_dict()} if isinstance(one, tuple) else one.as_dict()
        for one in workflow.export_pieces(settings, params.paths, out, options, on_progress=context.report)
    ]


def check_lyrics(settings: Settings, params: Words) -> None:
    """Refuse values out of range."""
    params.brief()


def lyrics(settings: Settings, params: Words, context: Context) -> Any:
    """Write, continue, rewrite or structure lyrics."""
    from angen.lyrics import read_lyrics
    from angen.progress import Progress
    from angen.workflows.lyrics import Writer, endpoint_from, save_lyrics

    context.report(Progress("writing", 0, 1))
    writer = Writer(None if params.offline else endpoint_from(), should_stop=context.should_stop)
    brief, given = params.brief(), read_lyrics(params.text).lyrics if params.text else None
    if params.action == "write" or given is None:
        made = writer.write(brief)
    elif params.action == "continue":
        made = writer.continue_(given, brief, sections=params.sections[0] if params.sections else 1)
    elif params.action == "rewrite":
        made = writer.rewrite(given, brief, sections=params.sections)
    else:
        made = writer.structure(params.text, brief, form=params.form)
    context.report(Progress("writing", 1, 1))
    if params.out:
        save_lyrics(made, Path(params.out))
    return made.as_dict()


def check_render(settings: Settings, params: Render) -> None:
    """Refuse a project that is not there."""
    from angen.workflows.timeline import open_project

    open_project(settings, params.project)


def render(settings: Settings, params: Render, context: Context) -> Any:
    """Render a project's mix, or its stems."""
    from angen.workflows.timeline import export_project, render_project

    out = Path(params.out) if params.out else None
    if params.stems:
        path = export_project(
            settings, params.project, "stems", out, bit_depth=params.bit_depth, on_progress=context.report
        )
        return {"path": str(path)}
    made = render_project(
        settings, params.project, out, start=params.start, stop=params.stop, bit_depth=params.bit_depth,
        on_progress=context.report,
    )  # fmt: skip
    return {**dataclasses.asdict(made), "path": str(made.path)}

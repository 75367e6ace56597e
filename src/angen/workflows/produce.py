"""Generate, enhance, master, export: one production in one folder, resumable, and the same again from its side-car.

FOLDER/01-generated.wav   or 01-recording.*, a copy of the recording it starts from
02-enhanced.wav    32-bit float; absent where nothing of it is asked
03-mastered.wav    with .json and .html beside it
export/            the formats, and NAME.angen.json
production.json    written after each stage
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from angen import __version__
from angen.audio import read_audio
from angen.enhancement import apply_chain, chain_as_list, chain_for, upscale
from angen.errors import AdapterError
from angen.export import parse_formats
from angen.export.encoding import encode
from angen.export.formats import FORMATS
from angen.export.sidecar import SUFFIX, versions
from angen.export.writing import file_stem, staged_folder, write_bytes
from angen.files import atomic_path, content_hash, write_json
from angen.model import load_model
from angen.progress import Progress, ProgressCallback, no_progress
from angen.settings import Settings
from angen.workflows.enhance import measures
from angen.workflows.export import ExportOptions, export_piece
from angen.workflows.generate import AdapterChoice, generate_music
from angen.workflows.master import MasterChoices, master_file
from angen.workflows.origin import origin_of
from angen.workflows.production import (
    Production,
    ProductionRecord,
    ProductionRequest,
    ProductionStoppedError,
    StageName,
    StageRecord,
    find_recording,
    read_production,
    set_aside_changed,
    sidecar_production,
    whole_stages,
    write_production,
)
from angen.workflows.production_begin import (
    ModelOpener,
    begin_production,
    checked_model,
    read_blueprint,
    repeat_production,
)

__all__ = [
    "Produced",
    "begin_production",
    "produce",
    "read_blueprint",
    "read_production",
    "repeat_production",
]

ENHANCED, MASTERED, EXPORT = "02-enhanced.wav", "03-mastered.wav", "export"


@dataclass(frozen=True)
class Produced:
    """A finished production.

    Attributes:
        folder: Where it is.
        record: As `production.json` says it.
        kept: Stages that were finished before, and whole.
        warnings: What its owner should know.
    """

    folder: Path
    record: ProductionRecord
    kept: tuple[StageName, ...]
    warnings: tuple[str, ...]

    @property
    def files(self) -> list[Path]:
        """The exported files, without the side-car."""
        return [self.folder / name for name in self.record.stages[-1].files if not name.endswith(SUFFIX)]

    @property
    def sidecar(self) -> Path:
        """The side-car of the export."""
        return next(self.folder / name for name in self.record.stages[-1].files if name.endswith(SUFFIX))

    def as_dict(self) -> dict[str, Any]:
        """For JSON; `same` says whether a production made again is the same, None for a new one."""
        differences = self.record.differences
        return {
            "folder": str(self.folder),
            "files": [str(path) for path in self.files],
            "sidecar": str(self.sidecar),
            "stages": [stage.model_dump(mode="json") for stage in self.record.stages],
            "kept": list(self.kept),
            "same": not differences if self.record.expected else None,
            "differences": differences,
            "warnings": list(self.warnings),
        }


def produce(
    settings: Settings,
    production: Production,
    *,
    recording: Path | None = None,
    open_model: ModelOpener = load_model,
    on_progress: ProgressCallback = no_progress,
    should_stop: Callable[[], bool] = lambda: False,
) -> Produced:
    """Do the stages of a production that are not finished, from the first whose file is missing or changed.

    A changed file is renamed, never overwritten.

    Args:
        settings: The workspace.
        production: Begun, or read from its folder.
        recording: Where the recording is that it starts from, if its copy is not yet made or is damaged.
        open_model: Opens the base by its id; only called where music is generated.
        on_progress: Told of all stages as one.
        should_stop: Asked before each stage, and at each progress within.

    Raises:
        ProductionStoppedError: If it was asked to stop.
        AngenError: That of the room that cannot go on. Finished stages are kept.
    """
    kept, problems = whole_stages(production)
    record = production.record.model_copy(update={"stages": kept})
    plan = record.request.stages
    notes = [f"{problem}: made again from there." for problem in problems]
    notes += [f"What was changed is kept as {path.name}." for path in set_aside_changed(production)]
    for index, stage in enumerate(plan[len(kept) :], len(kept)):

        def report(progress: Progress, index: int = index) -> None:
            if should_stop():
                raise _stopped(production.folder, plan[index])
            note = f"{progress.stage}: {progress.note}" if progress.note else progress.stage
            on_progress(Progress("producing", index + progress.fraction, len(plan), note))

        report(Progress(stage, 0, 1))
        work = _Work(settings, production.folder, record, recording, open_model, report)
        made = _STAGES[stage](work)
        record = record.model_copy(update={"stages": [*record.stages, made]})
        write_production(Production(production.folder, record))
    on_progress(Progress("producing", len(plan), len(plan)))
    notes += [warning for stage_record in record.stages for warning in stage_record.warnings]
    notes += _notes_on_differences(record)
    return Produced(production.folder, record, tuple(stage.stage for stage in kept), tuple(notes))


@dataclass(frozen=True)
class _Work:
    """What a stage has at hand."""

    settings: Settings
    folder: Path
    record: ProductionRecord
    recording: Path | None
    open_model: ModelOpener
    report: ProgressCallback

    @property
    def request(self) -> ProductionRequest:
        return self.record.request

    @property
    def source(self) -> Path:
        """The first file of the stage before."""
        return self.folder / next(iter(self.record.stages[-1].files))

    def settings_of(self, stage: StageName) -> dict[str, Any] | None:
        return next((dict(done.settings) for done in self.record.stages if done.stage == stage), None)

    def done(
        self, stage: StageName, names: list[str], settings: dict[str, Any], warnings: tuple[str, ...] = ()
    ) -> StageRecord:
        files = {name: content_hash(self.folder / name) for name in names}
        return StageRecord(
            stage=stage, files=files, settings=settings, warnings=[*warnings], versions=versions()
        )


def _generate(work: _Work) -> StageRecord:
    request, target = work.request, work.folder / work.request.first_file
    if request.recording is not None:
        places = [work.recording] if work.recording else []
        source = find_recording(request.recording, places)
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)
        return work.done("generate", [target.name], {"recording": request.recording.name})
    model = checked_model(work.settings, work.record, work.open_model)
    choices = [AdapterChoice(one.name, one.strength) for one in request.adapters]
    made = generate_music(
        work.settings, model, request.generation_request(), choices, out=target, on_progress=work.report
    )
    if made.request != request.generation_request():
        target.unlink()
        raise AdapterError(
            "An adapter's own tempo, noise or guidance is not what it was when this production began.",
            remedy="Start a new production.",
        )
    return work.done("generate", [target.name], {"request": made.request.as_dict()})


def _enhance(work: _Work) -> StageRecord:
    request, audio = work.request, read_audio(work.source)
    chain = chain_for("mix", request.enhance) if request.enhance else ()
    share = 1.0 if request.upscale_hz is None else 0.8

    def report(progress: Progress) -> None:
        work.report(Progress(progress.stage, share * progress.fraction, 1, progress.note))

    enhanced = apply_chain(audio, chain, on_progress=report)
    upscaling: dict[str, Any] | None = None
    if request.upscale_hz is not None and audio.rate_hz <= request.upscale_hz:
        report(Progress("upscaling", 1, 1))
        made = upscale(enhanced, request.upscale_hz)
        enhanced = made.audio
        upscaling = {
            "method": made.method,
            "source_rate_hz": made.source_rate_hz,
            "rate_hz": made.audio.rate_hz,
            "limit_hz": round(made.bandwidth.hz),
            "extended_above_hz": made.extended_above_hz and round(made.extended_above_hz),
        }
    write_bytes(work.folder / ENHANCED, encode(enhanced, FORMATS["wav32f"]), overwrite=True)
    settings = {
        "strength": request.enhance,
        "chain": chain_as_list(chain),
        "upscale_hz": request.upscale_hz,
        "upscaling": upscaling,
        "before": measures(audio),
        "after": measures(enhanced),
    }
    return work.done("enhance", [ENHANCED], settings)


def _master(work: _Work) -> StageRecord:
    request = work.request
    choices = MasterChoices(request.preset, request.style, request.intensity)
    made = master_file(work.source, work.folder / MASTERED, choices, on_progress=work.report).mastered
    settings = {
        "settings": made.settings.as_dict(),
        "before": made.before.as_dict(),
        "after": made.after.as_dict(),
        "warnings": list(made.warnings),
    }
    return work.done("master", [MASTERED], settings, made.warnings)


def _export(work: _Work) -> StageRecord:
    request = work.request
    write_json(work.folder / f"{MASTERED}.json", _beside_master(work))
    options = ExportOptions(
        parse_formats(",".join(request.formats)), request.tags.tags(), ai_mark=request.ai_mark,
        draws_cover=request.draws_cover, overwrite=True,
    )  # fmt: skip
    with staged_folder(work.folder / EXPORT, overwrite=True) as staging:
        made = export_piece(
            work.settings, work.source, staging, options, name=request.tags.title, on_progress=work.report
        )
    sidecar = f"{file_stem(request.tags.title)}{SUFFIX}"
    names = [f"{EXPORT}/{name}" for name in (*(file.path.name for file in made.files), sidecar)]
    settings = {"formats": list(request.formats), "tags": made.tags.as_dict()}
    return work.done("export", names, settings, made.warnings)


_STAGES: dict[StageName, Callable[[_Work], StageRecord]] = {
    "generate": _generate,
    "enhance": _enhance,
    "master": _master,
    "export": _export,
}


def _beside_master(work: _Work) -> dict[str, Any]:
    """The JSON beside the master, from which the export's side-car takes how it came to be."""
    record, request = work.record, work.request
    origin = origin_of(dict(record.origin or {}))
    return {
        "angen": __version__,
        "created": record.created,
        "model": request.model or origin.model,
        "base_hash": record.base_hash or origin.base_hash,
        "prompt": origin.prompt,
        "seed": origin.seed,
        "request": request.generation or origin.request,
        "adapters": [adapter.model_dump() for adapter in record.adapters],
        "enhancement": work.settings_of("enhance"),
        "mastering": work.settings_of("master"),
        "source_sha256": next(iter(record.stages[-2].files.values())),
        "sha256": next(iter(record.stages[-1].files.values())),
        "production": sidecar_production(record),
    }


def _notes_on_differences(record: ProductionRecord) -> list[str]:
    differences = record.differences
    if not differences:
        return []
    then, now = record.expected_versions, record.stages[-1].versions
    changed = [
        f"{name} {then.get(name, 'none')} then, {now.get(name, 'none')} now"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
    ]
    why = "; ".join(changed) or "the versions of all libraries are the same, so another processor may be why"
    return [f"Not the same as before: {', '.join(differences)} ({why})."]


def _stopped(folder: Path, stage: StageName) -> ProductionStoppedError:
    return ProductionStoppedError(
        f"The production was stopped in the stage {stage!r}; what is finished is kept.",
        remedy=f"Go on with: angen produce --resume {folder}",
    )

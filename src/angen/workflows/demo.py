"""The main job in one go: a folder of songs in, an adapter, music with and without it, and a report out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from angen.adapters.lora import AppliedAdapter
from angen.audio import Audio, read_audio, write_audio
from angen.dataset import Dataset, load_dataset
from angen.files import safe_name, write_json
from angen.model import MusicModel
from angen.progress import ProgressCallback, no_progress
from angen.report import Pair, ReportFacts, write_report
from angen.settings import Settings
from angen.training import TrainConfig
from angen.training.validation import TIMES
from angen.workflows.compare import Comparison, compare_adapter
from angen.workflows.generate import peak_limited
from angen.workflows.prepare import PreparedDataset, prepare_dataset
from angen.workflows.train import TrainedAdapter, train_adapter

DEMO_CONFIG = TrainConfig(epochs=30, batch_size=8, seed=0, checkpoint_every=100, validate_every=2)
PLAYED = 4


@dataclass(frozen=True)
class DemoResult:
    """Where everything is, and the numbers of `report.json`."""

    folder: Path
    report: Path
    numbers: dict[str, Any]
    prepared: PreparedDataset
    trained: TrainedAdapter


def run_demo(
    settings: Settings,
    songs: Sequence[Path],
    model: MusicModel,
    *,
    name: str = "demo",
    style: str = "",
    config: TrainConfig = DEMO_CONFIG,
    on_progress: ProgressCallback = no_progress,
) -> DemoResult:
    """Prepare, train, compare, report. Replaces what an earlier run of the same name left.

    Args:
        settings: The workspace; the result goes to `outputs/<name>`.
        songs: Recordings or folders of them.
        model: The base.
        name: Of dataset, adapter and output folder.
        style: The words that call the style up.
        config: Of the training.
        on_progress: Told of every stage.

    Raises:
        AngenError: Of any stage; what the stages before it made stays.
    """
    began = time.monotonic()
    name = safe_name(name)
    prepared = prepare_dataset(settings, name, songs, style=style, replace=True, on_progress=on_progress)
    trained = train_adapter(
        settings, name, name, config, model, replace_existing=True, on_progress=on_progress
    )
    dataset = load_dataset(prepared.folder)
    comparison = compare_adapter(
        model,
        dataset,
        AppliedAdapter(trained.folder / "best"),
        noise_scale=trained.info.noise_scale,
        guidance=trained.info.guidance,
        on_progress=on_progress,
    )
    folder = settings.outputs / name
    _write_music(folder, comparison)
    numbers = _numbers(prepared, trained, comparison, time.monotonic() - began)
    report = folder / "report.html"
    write_report(report, _facts(dataset, prepared, trained, comparison, numbers))
    numbers["seconds_computing"] = round(time.monotonic() - began, 1)
    write_json(folder / "report.json", numbers)
    return DemoResult(folder, report, numbers, prepared, trained)


def _write_music(folder: Path, comparison: Comparison) -> None:
    for number, (base, adapter) in enumerate(zip(comparison.base, comparison.adapter, strict=True), start=1):
        write_audio(folder / f"{number:02d}_base.wav", peak_limited(base))
        write_audio(folder / f"{number:02d}_adapter.wav", peak_limited(adapter))


def _numbers(
    prepared: PreparedDataset, trained: TrainedAdapter, comparison: Comparison, seconds: float
) -> dict[str, Any]:
    info, result = trained.info, trained.result
    return {
        "adapter": info.name,
        "base": info.base,
        "base_hash": info.base_hash,
        "songs": prepared.info.songs,
        "clips": prepared.info.clips,
        "clip_seconds": round(prepared.info.seconds, 1),
        "skipped": [file.model_dump() for file in prepared.skipped],
        "steps": result.steps,
        "best_step": result.best_step,
        "validation_loss_base": round(info.validation_loss_base, 5),
        "validation_loss_best": round(info.validation_loss_best, 5),
        "validation_loss_final": round(info.validation_loss_final, 5),
        "train_loss_final": info.train_loss_final and round(info.train_loss_final, 5),
        "style_distance_base": round(comparison.distance_base, 3),
        "style_distance_adapter": round(comparison.distance_adapter, 3),
        "style_distance_floor": round(comparison.distance_floor, 3),
        "style_distance_codec": round(comparison.distance_codec, 3),
        "style_windows": comparison.windows,
        "noise_scale": info.noise_scale,
        "guidance": info.guidance,
        "seconds_training": info.seconds,
        "seconds_computing": round(seconds, 1),
    }


def verdict(numbers: dict[str, Any]) -> str:
    """What changed, in words: how much of the way from the base to the user's own songs was gone."""
    before, after = numbers["style_distance_base"], numbers["style_distance_adapter"]
    floor = numbers["style_distance_floor"]
    loss = 1 - numbers["validation_loss_best"] / numbers["validation_loss_base"]
    if numbers["best_step"] == 0:
        return "Training did not improve on the base for the held-out songs: the adapter changes nothing."
    heard = f"On songs it never saw the adapter predicts {loss:.0%} better than the base (loss)."
    if after >= before:
        return f"{heard} The generated music did not come nearer to your songs ({before:.1f} to {after:.1f})."
    if before <= floor:
        return f"{heard} Base and your songs were already alike ({before:.1f}, floor {floor:.1f})."
    share = min(1.0, (before - after) / (before - floor))
    return (
        f"{heard} Its music is nearer to your songs: style distance {before:.1f} without and {after:.1f} with the "
        f"adapter, where your own songs differ among themselves by {floor:.1f}. That is {share:.0%} of the way."
    )


def _facts(
    dataset: Dataset,
    prepared: PreparedDataset,
    trained: TrainedAdapter,
    comparison: Comparison,
    numbers: dict[str, Any],
) -> ReportFacts:
    result = trained.result
    n = numbers
    rows = [
        (
            "Songs",
            f"{n['songs']}, {n['clips']} clips, {n['clip_seconds'] / 60:.1f} min",
            "a tenth of the songs is held out",
        ),
        (
            "Held-out loss",
            f"{n['validation_loss_base']:.4f} → {n['validation_loss_best']:.4f}",
            f"base → best, step {n['best_step']} of {n['steps']}",
        ),
        (
            "Style distance",
            f"{n['style_distance_base']:.2f} → {n['style_distance_adapter']:.2f}",
            f"base → adapter, {n['style_windows']} windows each; smaller is nearer",
        ),
        ("Floor", f"{n['style_distance_floor']:.2f}", "your own songs against each other, as many windows"),
        (
            "Codec alone",
            f"{n['style_distance_codec']:.2f}",
            "your clips through the model's codec: what no adapter can undo",
        ),
        (
            "Trained",
            f"{n['seconds_training'] / 60:.1f} min",
            f"all computing {n['seconds_computing'] / 60:.1f} min",
        ),
    ]
    pairs = [
        Pair(
            f"“{request.prompt}”{_at(request.tempo_bpm)}, seed {request.seed}",
            peak_limited(base),
            peak_limited(adapter),
        )
        for request, base, adapter in list(
            zip(comparison.requests, comparison.base, comparison.adapter, strict=True)
        )[:PLAYED]
    ]
    skipped = [
        f"Left out: {file.error['message']} {file.error.get('remedy', '')}" for file in prepared.skipped
    ]
    return ReportFacts(
        title=f"Adapter “{numbers['adapter']}” on {numbers['base']}",
        verdict=verdict(numbers),
        numbers=rows,
        train_losses=result.train_losses,
        validations=[(step, score.loss) for step, score in result.validations],
        best_step=result.best_step,
        times=TIMES,
        base_by_time=result.base.loss_by_time,
        best_by_time=result.best.loss_by_time,
        distances=(
            comparison.distance_base,
            comparison.distance_adapter,
            comparison.distance_codec,
            comparison.distance_floor,
        ),
        pairs=pairs,
        references=_references(dataset),
        notes=[*prepared.notes, *skipped],
    )


def _at(tempo_bpm: float | None) -> str:
    return f" at {tempo_bpm:.0f} bpm" if tempo_bpm else ""


def _references(dataset: Dataset) -> list[tuple[str, Audio]]:
    """A clip of each of the first two songs, mono and short."""
    chosen = {clip.song: clip for clip in reversed(dataset.clips)}
    return [
        (
            f"{clip.song}, {clip.split}",
            read_audio(dataset.audio_path(clip)).span(0, 15.36).mono().resampled(24_000),
        )
        for clip in list(chosen.values())[-2:]
    ]

"""What an adapter changed: the same prompts and seeds with and without it, and how near each comes to the style.

Style distance is the Fréchet distance between mel statistics of 7.68 s windows, in a fixed space fitted to the
composed corpus of the embedded model. A distance says nothing by itself, so two floors go with it: what as many
windows of the user's own songs show against his other songs, and what the codec alone costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from itertools import cycle, islice

import numpy as np
from numpy.typing import NDArray

from angen.adapters.lora import AppliedAdapter
from angen.analysis import StyleSpace, frechet_distance, split_half_floor, style_features
from angen.audio import Audio
from angen.dataset import ClipRecord, Dataset
from angen.generation import GenerationRequest, generate
from angen.model import MusicModel
from angen.progress import Progress, ProgressCallback, no_progress
from angen.workflows.latents import levelled_clip

Features = NDArray[np.floating]


@dataclass(frozen=True)
class Comparison:
    """Base and adapter side by side.

    Attributes:
        requests: What both were asked for, the same seeds.
        base: Music without the adapter.
        adapter: Music with it.
        distance_base: Style distance of `base` to the user's clips.
        distance_adapter: Style distance of `adapter` to the user's clips.
        distance_floor: The same for as many windows of his own songs against the others.
        distance_codec: The same for his clips sent once through the model's codec.
        windows: Windows measured on each side.
    """

    requests: list[GenerationRequest]
    base: list[Audio]
    adapter: list[Audio]
    distance_base: float
    distance_adapter: float
    distance_floor: float
    distance_codec: float
    windows: int


def compare_adapter(
    model: MusicModel,
    dataset: Dataset,
    adapter: AppliedAdapter,
    *,
    pieces: int = 12,
    seconds: float = 15.36,
    noise_scale: float | None = None,
    guidance: float | None = None,
    first_seed: int = 1000,
    on_progress: ProgressCallback = no_progress,
) -> Comparison:
    """Generate with and without an adapter and measure both.

    Args:
        model: The base.
        dataset: What the adapter was trained on.
        adapter: The adapter.
        pieces: How many pieces on each side.
        seconds: Length of each.
        noise_scale: Starting noise of the adapter's side; the base has its own.
        guidance: Guidance of the adapter's side; the base has its own.
        first_seed: Seeds go up from here.
        on_progress: Told of generation and measuring.
    """
    requests = [
        GenerationRequest(prompt, seconds, first_seed + i, tempo_bpm=tempo)
        for i, (prompt, tempo) in enumerate(islice(cycle(wanted_prompts(dataset)), pieces))
    ]
    tuned = [replace(request, noise_scale=noise_scale, guidance=guidance) for request in requests]
    base = generate(model, requests, on_progress=on_progress, stage="generating, base")
    adapted = generate(model, tuned, [adapter], on_progress=on_progress, stage="generating, adapter")
    space = load_style_space()
    by_song, coded = _dataset_features(model, dataset, on_progress)
    everything = space.project(np.concatenate(list(by_song.values())))
    made, changed = (_project(space, music) for music in (base, adapted))
    return Comparison(
        requests,
        base,
        adapted,
        frechet_distance(made, everything),
        frechet_distance(changed, everything),
        split_half_floor(list(by_song.values()), space, len(made)),
        frechet_distance(space.project(coded), everything),
        len(made),
    )


def load_style_space() -> StyleSpace:
    """The space that comes with the package."""
    with as_file(files("angen.analysis") / "style_space.npz") as path:
        return StyleSpace.load(path)


def wanted_prompts(dataset: Dataset) -> list[tuple[str, float | None]]:
    """Prompts and tempi to try: the user's words at the tempi of his songs, or whole prompts without such words."""
    first_clips: dict[str, ClipRecord] = {}
    for clip in dataset.clips:
        first_clips.setdefault(clip.song, clip)
    words = dataset.info.prompt_prefix
    return [(words or dataset.prompt(clip) or "music", clip.tempo_bpm) for clip in first_clips.values()]


def _dataset_features(
    model: MusicModel, dataset: Dataset, on_progress: ProgressCallback
) -> tuple[dict[str, Features], Features]:
    """Features of the clips by song, and of all clips after one pass through the codec."""
    by_song: dict[str, list[Features]] = {}
    coded = []
    for done, clip in enumerate(dataset.clips):
        on_progress(Progress("measuring", done, len(dataset.clips)))
        audio = levelled_clip(dataset, clip, model.facts)
        by_song.setdefault(clip.song, []).append(style_features(audio))
        coded.append(style_features(model.decode(model.encode(audio))))
    on_progress(Progress("measuring", len(dataset.clips), len(dataset.clips)))
    return {song: np.concatenate(parts) for song, parts in by_song.items()}, np.concatenate(coded)


def _project(space: StyleSpace, music: Sequence[Audio]) -> Features:
    return space.project(np.concatenate([style_features(audio) for audio in music]))

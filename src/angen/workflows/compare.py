"""What an adapter changed: the same prompts and seeds with and without it, and how near each comes to the style.

Style distance is the Fréchet distance between mel statistics of 7.68 s windows, in a fixed space fitted to the
composed corpus of the embedded model. A distance says nothing by itself, so two floors go with it: what as many
windows of the user's own songs show against his other songs, and what the codec alone costs. The same distance is
taken of latent frames as they are; the codec costs nothing there, but what is heard counts no more than what is not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from itertools import cycle, islice

import numpy as np
from numpy.typing import NDArray

from angen.adapters.lora import AppliedAdapter, applied
from angen.analysis import StyleSpace, frechet_distance, split_half_floor, style_features
from angen.audio import Audio
from angen.dataset import ClipRecord, Dataset, Split
from angen.generation import GenerationRequest, sample_latents
from angen.model import MusicModel
from angen.progress import Progress, ProgressCallback, no_progress
from angen.workflows.latents import levelled_clip, training_clips

MOST_CLIPS = 120
Features = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Drawn:
    """A piece that was generated: what was asked for, its latents (frames, channels) and its sound."""

    request: GenerationRequest
    latents: Features
    audio: Audio


@dataclass(frozen=True, eq=False)
class Comparison:
    """Base and adapter side by side.

    Attributes:
        drawn_base: Pieces without the adapter.
        drawn_adapter: Pieces with it, the same prompts and seeds.
        distance_base: Style distance of the base's pieces to the user's clips.
        distance_adapter: Style distance of the adapter's pieces to the user's clips.
        distance_floor: The same for as many windows of his own songs against the others.
        distance_codec: The same for his clips sent once through the model's codec.
        latent_base: Fréchet distance of the base's latent frames to those of the clips.
        latent_adapter: The same for the adapter's.
        latent_floor: The same for as many frames of his own songs against the others.
        windows: Windows measured on each side.
        centre: Mean of the clips in the style space, shape (dims,).
    """

    drawn_base: list[Drawn]
    drawn_adapter: list[Drawn]
    distance_base: float
    distance_adapter: float
    distance_floor: float
    distance_codec: float
    latent_base: float
    latent_adapter: float
    latent_floor: float
    windows: int
    centre: Features

    @property
    def requests(self) -> list[GenerationRequest]:
        """What both were asked for, without the adapter's own noise and guidance."""
        return [piece.request for piece in self.drawn_base]

    @property
    def base(self) -> list[Audio]:
        """Music without the adapter."""
        return [piece.audio for piece in self.drawn_base]

    @property
    def adapter(self) -> list[Audio]:
        """Music with it."""
        return [piece.audio for piece in self.drawn_adapter]


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
    base = draw(model, requests, on_progress=on_progress, stage="generating, base")
    adapted = draw(model, tuned, [adapter], on_progress=on_progress, stage="generating, adapter")
    space = load_style_space()
    own = _measured(model, dataset, on_progress)
    everything = space.project(np.concatenate(list(own.features.values())))
    made, changed = (project(space, [piece.audio for piece in side]) for side in (base, adapted))
    frames = np.concatenate(list(own.latents.values()))
    made_frames, changed_frames = (
        np.concatenate([piece.latents for piece in side]) for side in (base, adapted)
    )
    plain = _latent_space(frames.shape[1])
    return Comparison(
        base,
        adapted,
        distance_base=frechet_distance(made, everything),
        distance_adapter=frechet_distance(changed, everything),
        distance_floor=split_half_floor(list(own.features.values()), space, len(made)),
        distance_codec=frechet_distance(space.project(own.coded), everything),
        latent_base=frechet_distance(made_frames, frames),
        latent_adapter=frechet_distance(changed_frames, frames),
        latent_floor=split_half_floor(list(own.latents.values()), plain, len(made_frames), draws=8),
        windows=len(made),
        centre=everything.mean(axis=0),
    )


def draw(
    model: MusicModel,
    requests: Sequence[GenerationRequest],
    adapters: Sequence[AppliedAdapter] = (),
    *,
    on_progress: ProgressCallback = no_progress,
    stage: str = "generating",
) -> list[Drawn]:
    """Like `generation.generate`, with the latents kept.

    Args:
        model: The base; with no `adapters`, whatever acts on its network goes on acting.
        requests: Alike in length, steps, guidance and noise.
        adapters: Adapter folders and strengths.
        on_progress: Told of every step of the sampler.
        stage: What to call it there.
    """
    with applied(model.network, adapters):
        latents = sample_latents(
            model, requests, on_step=lambda done, total: on_progress(Progress(stage, done, total))
        )
    return [
        Drawn(request, piece.numpy(), model.decode(piece).span(0.0, request.seconds))
        for request, piece in zip(requests, latents, strict=True)
    ]


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


def project(space: StyleSpace, music: Sequence[Audio]) -> Features:
    """Windows of some pieces in the style space, shape (windows, dims)."""
    return space.project(np.concatenate([style_features(audio) for audio in music]))


def pull(base: Sequence[Audio], adapter: Sequence[Audio], centre: Features) -> float:
    """How far an adapter moves pieces towards a centre of the style space: 0 not at all, 1 all the way.

    Each pair is the same prompt and seed. What counts is the part of each move that points from the base's piece
    to the centre, as a share of that way; the mean over pairs, weighted by the square of the way.
    """
    space = load_style_space()
    before, after = (
        np.stack([project(space, [audio]).mean(axis=0) for audio in side]) for side in (base, adapter)
    )
    way = centre - before
    return float(((after - before) * way).sum() / max(float(np.square(way).sum()), 1e-9))


@dataclass(frozen=True, eq=False)
class _Measured:
    """Clips of a dataset: style features and latents by song, and features of all after the codec."""

    features: dict[str, Features]
    latents: dict[str, Features]
    coded: Features


def _measured(model: MusicModel, dataset: Dataset, on_progress: ProgressCallback) -> _Measured:
    """At most `MOST_CLIPS` clips, evenly taken."""
    records = dataset.clips[:: math.ceil(len(dataset.clips) / MOST_CLIPS)]
    sides: tuple[Split, Split] = ("train", "validation")
    known = {
        clip.clip_id: clip.original.latents
        for side in sides
        for clip in training_clips(model, dataset, side, on_progress=on_progress)
    }
    features: dict[str, list[Features]] = {}
    latents: dict[str, list[Features]] = {}
    coded = []
    for done, record in enumerate(records):
        on_progress(Progress("measuring", done, len(records)))
        features.setdefault(record.song, []).append(
            style_features(levelled_clip(dataset, record, model.facts))
        )
        latents.setdefault(record.song, []).append(known[record.clip_id].numpy())
        coded.append(style_features(model.decode(known[record.clip_id])))
    on_progress(Progress("measuring", len(records), len(records)))
    return _Measured(
        {song: np.concatenate(parts) for song, parts in features.items()},
        {song: np.concatenate(parts) for song, parts in latents.items()},
        np.concatenate(coded),
    )


def _latent_space(channels: int) -> StyleSpace:
    """Latent frames as they are."""
    return StyleSpace(np.zeros(channels), np.ones(channels), np.eye(channels))

"""What a report of an adapter is made of: pieces drawn with and without it, and what the gauges say of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from angen.adapters import AdapterInfo
from angen.adapters.lora import AppliedAdapter
from angen.audio import Audio
from angen.dataset import Dataset
from angen.errors import AdapterError
from angen.model import MusicModel
from angen.progress import Progress, ProgressCallback
from angen.report.record import ForgettingGauge, MemorisationGauge, Near, SamplePair, StyleGauge
from angen.report.verdicts import judge_style
from angen.settings import Settings
from angen.training import TrainConfig, TrainingClip
from angen.training.clips import crop_frames_of
from angen.workflows.compare import Comparison, Drawn, compare_adapter, draw
from angen.workflows.gauges import (
    Songs,
    forgetting,
    losses_of,
    memorisation,
    near_records,
    outside_requests,
    usual_distances,
)
from angen.workflows.generate import peak_limited
from angen.workflows.latents import training_clips
from angen.workflows.replay import replay_clips


@dataclass(frozen=True)
class ReportOptions:
    """How much is drawn for a report.

    Args:
        pieces: In the adapter's style, on each side.
        seconds: Length of each.
        strengths: Other strengths at which the first pieces are played, for listening.
        measured: Which weights: `best`, `final`, or `checkpoints/step_NNNNNN`.
    """

    pieces: int = 12
    seconds: float = 15.36
    strengths: tuple[float, ...] = ()
    measured: str = "best"

    def __post_init__(self) -> None:
        """Check the values."""
        checks = {
            "pieces": (1 <= self.pieces <= 100, "1 to 100"),
            "strengths": (all(0 < strength <= 2 for strength in self.strengths), "above 0, at most 2"),
            "measured": (
                re.fullmatch(r"best|final|checkpoints/step_\d{1,9}", self.measured) is not None,
                "best, final or checkpoints/step_NNNNNN",
            ),
        }
        for field, (holds, expected) in checks.items():
            if not holds:
                raise AdapterError(
                    f"{field} of a report is {getattr(self, field)!r}; expected {expected}.",
                    remedy="Change it and try again.",
                )


@dataclass(frozen=True, eq=False)
class Work:
    """What measuring has at hand."""

    settings: Settings
    model: MusicModel
    dataset: Dataset
    info: AdapterInfo
    adapter: AppliedAdapter
    options: ReportOptions
    tell: ProgressCallback


@dataclass(frozen=True, eq=False)
class Found:
    """What was measured, and the sounds by file name."""

    style: StyleGauge
    memorisation: MemorisationGauge
    forgetting: ForgettingGauge
    samples: list[SamplePair]
    sounds: dict[str, Audio]


def measure(work: Work) -> Found:
    """Draw with and without the adapter, and read every gauge.

    Raises:
        AngenError: If the weights, the dataset or the base cannot be used.
    """
    model, info, options = work.model, work.info, work.options
    compared = compare_adapter(
        model,
        work.dataset,
        work.adapter,
        pieces=options.pieces,
        seconds=options.seconds,
        noise_scale=info.noise_scale,
        guidance=info.guidance,
        on_progress=work.tell,
    )
    shifts = [shift for shift in info.config.get("speed_shifts", ()) if isinstance(shift, int)]
    clips = training_clips(model, work.dataset, "train", shifts, on_progress=work.tell)
    held_out = training_clips(model, work.dataset, "validation", on_progress=work.tell)
    near, usual, window_s = _search(work, compared, [*clips, *held_out], shifts)
    replay = replay_clips(model, work.settings, on_progress=work.tell)
    work.tell(Progress("comparing losses", 0, 1))
    sides: list[list[TrainingClip]] = [clips, held_out, replay]
    (train_base, train), (held_base, held), own_music = losses_of(
        model, work.adapter, sides, crop_frames_of(model.facts, TrainConfig())
    )
    outside = _outside(work)
    samples, sounds = _samples(work, compared, near, outside)
    return Found(
        _style(compared),
        memorisation(near, usual, window_s, held_base - train_base, held - train, held_base),
        forgetting(own_music, len(replay), (compared.base, compared.adapter), outside, compared.centre),
        samples,
        sounds,
    )


def _search(
    work: Work, compared: Comparison, clips: Sequence[TrainingClip], shifts: Sequence[int]
) -> tuple[list[list[Near]], Any, float]:
    """The nearest training passages of each of the adapter's samples, what is usual, and the window's length."""
    songs = Songs(work.model.facts, work.dataset, clips, shifts, on_progress=work.tell)
    between = songs.between_songs(work.options.seconds, on_progress=work.tell)
    places = []
    both = [*compared.drawn_base, *compared.drawn_adapter]
    for done, piece in enumerate(both):
        work.tell(Progress("looking for copies", done, len(both)))
        places.append(songs.places(piece))
    usual = usual_distances(between, places[: len(compared.drawn_base)])
    return [near_records(found, usual) for found in places[len(compared.drawn_base) :]], usual, songs.window_s


def _outside(work: Work) -> tuple[list[Drawn], list[Drawn]]:
    """Pieces of base and adapter in styles the user's words do not name."""
    facts, info = work.model.facts, work.info
    seconds = max(1.0, facts.crop_blocks * facts.block_frames / facts.latent_rate_hz)
    requests = outside_requests(work.model, info.style, seconds)
    if not requests:
        return [], []
    tuned = [replace(one, noise_scale=info.noise_scale, guidance=info.guidance) for one in requests]
    stage = "generating other styles"
    return (
        draw(work.model, requests, on_progress=work.tell, stage=stage),
        draw(work.model, tuned, [work.adapter], on_progress=work.tell, stage=stage),
    )


def _style(compared: Comparison) -> StyleGauge:
    return StyleGauge(
        base=round(compared.distance_base, 3),
        adapter=round(compared.distance_adapter, 3),
        floor=round(compared.distance_floor, 3),
        codec=round(compared.distance_codec, 3),
        latent_base=round(compared.latent_base, 3),
        latent_adapter=round(compared.latent_adapter, 3),
        latent_floor=round(compared.latent_floor, 3),
        windows=compared.windows,
        verdict=judge_style(compared.distance_base, compared.distance_adapter, compared.distance_floor),
    )


def _samples(
    work: Work,
    compared: Comparison,
    near: Sequence[list[Near]],
    outside: tuple[Sequence[Drawn], Sequence[Drawn]],
) -> tuple[list[SamplePair], dict[str, Audio]]:
    sounds: dict[str, Audio] = {}

    def kept(file: str, audio: Audio) -> str:
        sounds[file] = peak_limited(audio)
        return file

    def pair(stem: str, base: Drawn, adapter: Drawn, **more: Any) -> SamplePair:
        request = base.request
        return SamplePair(
            prompt=request.prompt,
            seed=request.seed,
            tempo_bpm=request.tempo_bpm,
            seconds=request.seconds,
            base=kept(f"{stem}_base.wav", base.audio),
            adapter=kept(f"{stem}_adapter.wav", adapter.audio),
            **more,
        )

    at_strength: dict[int, dict[str, str]] = {}
    for strength in work.options.strengths:
        first = [piece.request for piece in compared.drawn_adapter[:2]]
        made = draw(
            work.model,
            first,
            [AppliedAdapter(work.adapter.folder, strength)],
            on_progress=work.tell,
            stage="generating",
        )
        for number, piece in enumerate(made):
            file = kept(f"{number + 1:02d}_strength_{strength:g}.wav", piece.audio)
            at_strength.setdefault(number, {})[f"{strength:g}"] = file
    pairs = [
        pair(f"{i + 1:02d}", base, adapter, nearest=near[i], at_strength=at_strength.get(i, {}))
        for i, (base, adapter) in enumerate(zip(compared.drawn_base, compared.drawn_adapter, strict=True))
    ]
    pairs += [
        pair(f"outside_{number:02d}", base, adapter, is_outside=True)
        for number, (base, adapter) in enumerate(zip(*outside, strict=True), start=1)
    ]
    return pairs, sounds

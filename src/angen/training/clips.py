"""What training reads: clips as latents, and crops of them as batches.

Every choice of step n of a run with seed s is drawn from (s, n) alone. So a run that stops and resumes at a step
goes on exactly as if it had never stopped, with no random state to save.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from angen.errors import TrainingError
from angen.model import ConditionBatch, Conditions, FlowBatch, ModelFacts
from angen.model.flow import draw_times
from angen.training.config import TrainConfig

_MAX_FIRST_BLOCK = 64


@dataclass(frozen=True)
class ClipVersion:
    """A clip at one speed, as the model takes it.

    Attributes:
        latents: (frames, channels).
        beats: (frames, beat_dim), or None for a model without beat features.
        conditions: Of its prompts at this speed, the fullest first; training takes any, validation the first.
    """

    latents: Tensor
    beats: Tensor | None
    conditions: tuple[Conditions, ...]


@dataclass(frozen=True)
class TrainingClip:
    """A clip as recorded, and its sped-up and slowed-down copies.

    Attributes:
        clip_id: Of the dataset.
        song: Of the dataset.
        original: As recorded.
        shifted: The copies, possibly none.
    """

    clip_id: str
    song: str
    original: ClipVersion
    shifted: tuple[ClipVersion, ...] = ()

    @property
    def frames(self) -> int:
        """Latent frames as recorded."""
        return self.original.latents.shape[0]


def refuse_empty(clips: Sequence[object], held_out: Sequence[object]) -> None:
    """Make sure that there is something to learn and something to validate on.

    Raises:
        TrainingError: If there is not.
    """
    if not clips or not held_out:
        raise TrainingError(
            f"{len(clips)} clips to train on and {len(held_out)} to validate; both need one at least.",
            remedy="Prepare the dataset from more recordings.",
        )


@dataclass(frozen=True)
class Plan:
    """The order of a run: which clips make up which step.

    Args:
        visits: Clip indices of one epoch, a clip as often as crops fit into it.
        crops_per_step: Crops of one optimiser step, all its batches together.
        epochs: How often; the last may be cut short by `budget`.
        seed: Of the order.
        budget: Optimiser steps in all; None for whole epochs.
    """

    visits: tuple[int, ...]
    crops_per_step: int
    epochs: int
    seed: int
    budget: int | None = None

    @classmethod
    def of(
        cls, clips: Sequence[TrainingClip], crop_frames: int, config: TrainConfig, latent_rate_hz: float
    ) -> Plan:
        """The plan of a run over `clips`."""
        return cls.of_lengths([clip.frames for clip in clips], crop_frames, config, latent_rate_hz)

    @classmethod
    def of_lengths(
        cls, frames: Sequence[int], crop_frames: int, config: TrainConfig, latent_rate_hz: float
    ) -> Plan:
        """The plan of a run over clips of these lengths."""
        visits = [i for i, count in enumerate(frames) for _ in range(max(1, round(count / crop_frames)))]
        crops, budget = config.crops_per_step, config.max_steps
        if config.audio_seconds is not None:
            budget = math.ceil(config.audio_seconds * latent_rate_hz / (crop_frames * crops))
        epochs = config.epochs or math.ceil((budget or 1) / math.ceil(len(visits) / crops))
        return cls(tuple(visits), crops, epochs, config.seed, budget)

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps an epoch."""
        return math.ceil(len(self.visits) / self.crops_per_step)

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return self.budget or self.steps_per_epoch * self.epochs

    def is_validated(self, step: int, config: TrainConfig) -> bool:
        """Whether a validation follows this step, counted from 1."""
        if step == self.steps or step == 0:
            return True
        if config.validate_steps is not None:
            return step % config.validate_steps == 0
        epoch, place = divmod(step, self.steps_per_epoch)
        return place == 0 and epoch % config.validate_every == 0

    def clips_of_step(self, step: int) -> list[int]:
        """Clip indices of a step (counted from 0); the last step of an epoch is filled up from its start."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self.seed, 1, epoch]).permutation(self.visits)
        start = place * self.crops_per_step
        return [int(order[i % len(order)]) for i in range(start, start + self.crops_per_step)]


def step_generator(seed: int, step: int) -> torch.Generator:
    """The source of every tensor drawn in a step."""
    state = np.random.SeedSequence([seed, 2, step]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> 1))


def crop_batches(
    clips: Sequence[TrainingClip],
    indices: Sequence[int],
    facts: ModelFacts,
    config: TrainConfig,
    step: int,
    replay: Sequence[TrainingClip] = (),
    part: range | None = None,
) -> list[FlowBatch]:
    """The batches of one step: random crops with noise, times and dropped conditions.

    They are drawn together and then parted, so that accumulation changes neither the crops nor the loss.

    Args:
        clips: The training clips.
        indices: Which of them, from `Plan.clips_of_step`.
        facts: Of the base model.
        config: Of the run.
        step: The step's number.
        replay: The base's own music, which takes the place of a `config.replay_share` of the crops.
        part: Which of the crops are wanted, of all that are drawn; None for all.

    Returns:
        Batches of at most `config.batch_size` crops each, `config.accumulation` of them without `part`.
    """
    generator = step_generator(config.seed, step)
    chosen = [clips[i] for i in indices]
    if replay and config.replay_share:
        swap = torch.rand(len(chosen), generator=generator) < config.replay_share
        others = torch.randint(len(replay), (len(chosen),), generator=generator)
        rows = zip(chosen, swap.tolist(), others.tolist(), strict=True)
        chosen = [replay[other] if is_swapped else clip for clip, is_swapped, other in rows]
    whole = _batch(chosen, facts, config, generator)
    wanted = range(len(indices)) if part is None else part
    return [
        _rows(whole, slice(start, min(start + config.batch_size, wanted.stop)))
        for start in range(wanted.start, wanted.stop, config.batch_size)
    ]


def window_batch(
    windows: Sequence[tuple[ClipVersion, int]],
    facts: ModelFacts,
    crop_frames: int,
    prompts: Sequence[int] | None = None,
) -> tuple[Tensor, Tensor, Tensor | None, ConditionBatch]:
    """Stack windows of clips, padded on the right.

    Args:
        windows: A clip and the first frame of the window in it.
        facts: Of the base model.
        crop_frames: Frames a window, whole blocks.
        prompts: Which of its prompts each window takes; None for the first.

    Returns:
        Latents (B, crop_frames, C), valid frames (B, crop_frames), beat features or None, conditions.
    """
    count = len(windows)
    latents = torch.zeros(count, crop_frames, facts.latent_channels)
    valid = torch.zeros(count, crop_frames, dtype=torch.bool)
    first = next((clip.beats for clip, _ in windows if clip.beats is not None), None)
    beats = None if first is None else torch.zeros(count, crop_frames, first.shape[1])
    for row, (clip, start) in enumerate(windows):
        part = clip.latents[start : start + crop_frames]
        latents[row, : len(part)] = part
        valid[row, : len(part)] = True
        if beats is not None and clip.beats is not None:
            beats[row, : len(part)] = clip.beats[start : start + crop_frames]
    chosen = prompts or [0] * count
    conditions = [clip.conditions[i] for (clip, _), i in zip(windows, chosen, strict=True)]
    return latents, valid, beats, ConditionBatch.of(conditions)


def crop_frames_of(facts: ModelFacts, config: TrainConfig) -> int:
    """Latent frames a crop."""
    return facts.block_frames * (config.crop_blocks or facts.crop_blocks)


def network_frames_of(facts: ModelFacts, config: TrainConfig) -> int:
    """Latent frames the network is given a crop: the crop, and the noisy blocks of it that are learnt from."""
    blocks = config.crop_blocks or facts.crop_blocks
    return facts.block_frames * (blocks + min(blocks, config.noisy_blocks or blocks))


def kept_blocks(valid: Tensor, block_frames: int, count: int, generator: torch.Generator) -> Tensor | None:
    """Which noisy blocks of each crop are learnt from, those with music before those of padding.

    Args:
        valid: False for padding, (B, F).
        block_frames: Frames a block.
        count: How many, 1 or more.
        generator: Source of the draw.

    Returns:
        Block numbers (B, count), ascending; None for all blocks.
    """
    has_music = valid.reshape(len(valid), -1, block_frames).any(2)
    if count >= has_music.shape[1]:
        return None
    draw = torch.rand(has_music.shape, generator=generator).masked_fill(~has_music, 2.0)
    return draw.argsort(1)[:, :count].sort(1).values


def _batch(
    clips: Sequence[TrainingClip], facts: ModelFacts, config: TrainConfig, generator: torch.Generator
) -> FlowBatch:
    def chance(share: float) -> Tensor:
        return torch.rand(len(clips), generator=generator) < share

    def below(limit: int) -> int:
        return int(torch.randint(limit, (), generator=generator))

    frames = crop_frames_of(facts, config)
    windows = []
    for clip, shift in zip(clips, chance(config.speed_share).tolist(), strict=True):
        version = clip.shifted[below(len(clip.shifted))] if shift and clip.shifted else clip.original
        latest = 0 if facts.crops_at_start else max(0, version.latents.shape[0] - frames)
        windows.append((version, below(latest + 1)))
    prompts = [below(len(version.conditions)) for version, _ in windows]
    latents, valid, beats, conditions = window_batch(windows, facts, frames, prompts)
    if beats is not None:
        beats = beats * ~chance(config.beat_dropout)[:, None, None]
    level = config.context_noise * torch.rand(len(clips), 1, 1, generator=generator)
    blocks = frames // facts.block_frames
    batch = FlowBatch(
        clean=latents,
        valid=valid,
        beats=beats,
        conditions=conditions.dropped(chance(config.condition_dropout)),
        times=draw_times(len(clips), blocks, generator, distribution=config.time_distribution),
        noise=torch.randn(latents.shape, generator=generator),
        context=latents + level * torch.randn(latents.shape, generator=generator),
        first_frame=facts.block_frames * torch.randint(_MAX_FIRST_BLOCK, (len(clips),), generator=generator),
    )
    if config.noisy_blocks is None:
        return batch
    return replace(batch, kept=kept_blocks(valid, facts.block_frames, config.noisy_blocks, generator))


def _rows(batch: FlowBatch, rows: slice) -> FlowBatch:
    """Some items of a batch."""
    words = batch.conditions
    return FlowBatch(
        clean=batch.clean[rows],
        valid=batch.valid[rows],
        beats=None if batch.beats is None else batch.beats[rows],
        conditions=ConditionBatch(words.text_ids[rows], words.text_valid[rows], words.style[rows]),
        times=batch.times[rows],
        noise=batch.noise[rows],
        context=None if batch.context is None else batch.context[rows],
        first_frame=None if batch.first_frame is None else batch.first_frame[rows],
        kept=None if batch.kept is None else batch.kept[rows],
    )

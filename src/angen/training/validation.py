"""The score of an adapter on songs it never trains on: fixed windows, fixed noise, a fixed grid of times.

Two validations of the same weights are equal bit for bit, so every difference is the training's.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from angen.model import FlowBatch, MusicModel
from angen.training.clips import TrainingClip, window_batch

TIMES = (0.1, 0.3, 0.5, 0.7, 0.9)
BATCH = 8
MAX_WINDOWS = 64


@dataclass(frozen=True)
class Validation:
    """Held-out loss.

    Attributes:
        loss: Mean over windows and times.
        loss_by_time: Mean over windows at each time of `TIMES`.
    """

    loss: float
    loss_by_time: tuple[float, ...]


def validation_windows(
    clips: Sequence[TrainingClip], crop_frames: int, *, at_start: bool = False
) -> list[tuple[int, int]]:
    """Clip index and first frame of the windows: side by side, evenly thinned to 64; `at_start` only the first."""
    return windows_of_lengths([clip.frames for clip in clips], crop_frames, at_start=at_start)


def windows_of_lengths(
    frames: Sequence[int], crop_frames: int, *, at_start: bool = False
) -> list[tuple[int, int]]:
    """The same for clips of these lengths."""
    windows = [
        (i, start)
        for i, count in enumerate(frames)
        for start in range(0, 1 if at_start else max(1, count - crop_frames // 2), crop_frames)
    ]
    chosen = np.unique(np.linspace(0, len(windows) - 1, min(MAX_WINDOWS, len(windows))).round().astype(int))
    return [windows[i] for i in chosen]


@torch.no_grad()
def validate(
    model: MusicModel, clips: Sequence[TrainingClip], crop_frames: int, *, seed: int = 0
) -> Validation:
    """Score the network as it is now, adapters included, on held-out clips.

    Args:
        model: The base with its adapter attached; set to evaluation for the while.
        clips: Clips of the validation songs, at least one.
        crop_frames: Frames a window.
        seed: Of the noise; keep it the same to compare.
    """
    facts, network = model.facts, model.network
    windows = validation_windows(clips, crop_frames, at_start=facts.crops_at_start)
    was_training = network.training
    network.eval()
    losses = np.zeros((len(TIMES), len(windows)))
    try:
        for first in range(0, len(windows), BATCH):
            part = windows[first : first + BATCH]
            latents, valid, beats, conditions = window_batch(
                [(clips[i].original, start) for i, start in part], facts, crop_frames
            )
            draws = [torch.Generator().manual_seed(seed + 7919 * (first + row)) for row in range(len(part))]
            noise = torch.stack([torch.randn(latents.shape[1:], generator=draw) for draw in draws])
            for row, time in enumerate(TIMES):
                times = torch.full((len(part), crop_frames // facts.block_frames), time)
                batch = FlowBatch(latents, valid, beats, conditions, times, noise)
                losses[row, first : first + len(part)] = model.loss(batch).numpy()
    finally:
        network.train(was_training)
    return Validation(float(losses.mean()), tuple(float(value) for value in losses.mean(1)))


@contextmanager
def untouched(network: torch.nn.Module) -> Iterator[None]:
    """Let somebody else use the network in evaluation mode; modes and random states are theirs for the while."""
    modes = [(module, module.training) for module in network.modules()]
    python_state, numpy_state = random.getstate(), np.random.get_state()
    network.eval()
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        for module, was_training in modes:
            module.training = was_training

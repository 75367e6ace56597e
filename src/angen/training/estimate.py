"""What a run will take, said before it starts: steps, time, memory, disk.

The speed is the one measured last on this machine where there was a run, else it follows from a matrix product
measured now. Memory is counted from the sizes of the network's layers; the factors were fitted to what PyTorch
keeps for the backward pass of angen-tiny (tests hold them to that).
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from angen.model import MusicModel
from angen.model.precision import chosen_precision, is_mixed
from angen.training.clips import Plan, crop_frames_of, network_frames_of
from angen.training.config import TrainConfig, targets_of
from angen.training.optimisers import STATE_FLOATS
from angen.training.validation import TIMES, windows_of_lengths

_PROCESS_BYTES = 450 * 2**20  # Python and its libraries
_LOG_BYTES = 2 * 2**20
_EFFICIENCY = 0.4  # of a plain matrix product, that a training step reaches
_TEXT_TOKENS = 12
_PROBE_SECONDS = 0.3


@dataclass(frozen=True)
class Estimate:
    """What a run will take, if no patience ends it before.

    Attributes:
        steps: Optimiser steps.
        seconds: Of training and validating; encoding and calibrating come on top.
        memory_bytes: Of the whole process at its peak.
        disk_bytes: Of the adapter's folder at its largest, and of latents to be cached.
        trainable: Weights of the adapter.
        audio_seconds: Of the crops that are seen.
        tokens_per_s: The speed it was reckoned with: frames the network is given a second.
        is_measured: Whether that speed is of a former run on this machine.
    """

    steps: int
    seconds: float
    memory_bytes: int
    disk_bytes: int
    trainable: int
    audio_seconds: float
    tokens_per_s: float
    is_measured: bool


def estimate(
    model: MusicModel,
    frames: Sequence[int],
    held_out: Sequence[int],
    config: TrainConfig,
    *,
    tokens_per_s: float | None = None,
) -> Estimate:
    """Reckon what a run will take.

    Args:
        model: The base, its network without any adapter.
        frames: Latent frames of each training clip.
        held_out: Of each clip to validate on.
        config: Of the run.
        tokens_per_s: Measured speed of such a run on this machine; None to measure a matrix product now.

    Raises:
        TrainingError: If the model does not offer the layers that `config.targets` names.
    """
    facts, network = model.facts, model.network
    crop = crop_frames_of(facts, config)
    plan = Plan.of_lengths(frames, crop, config, facts.latent_rate_hz)
    layers = _Layers.of(network, targets_of(facts, config))
    trainable = layers.trainable(config)
    with chosen_precision(config.precision):
        speed = tokens_per_s or _probed_speed(layers, config)
        memory = _memory(network, layers, config, network_frames_of(facts, config), trainable)
    tokens = network_frames_of(facts, config) * config.crops_per_step * plan.steps
    windows = len(windows_of_lengths(held_out, crop, at_start=facts.crops_at_start)) * len(TIMES)
    rounds = 1 + sum(plan.is_validated(step, config) for step in range(1, plan.steps + 1))
    copies = 1 + len(config.speed_shifts)
    latents = 4 * facts.latent_channels * (sum(frames) * copies + sum(held_out))
    return Estimate(
        steps=plan.steps,
        seconds=(tokens + 2 * crop * windows * rounds * 0.4) / speed,  # a forward pass alone
        memory_bytes=memory + latents,
        disk_bytes=_disk(config, trainable) + latents,
        trainable=trainable,
        audio_seconds=plan.steps * config.crops_per_step * crop / facts.latent_rate_hz,
        tokens_per_s=speed,
        is_measured=tokens_per_s is not None,
    )


@dataclass(frozen=True)
class _Layers:
    """Sizes of the linear layers in a network's blocks: (inputs, outputs) of each, and which an adapter changes."""

    sizes: tuple[tuple[int, int], ...]
    chosen: tuple[tuple[int, int], ...]
    depth: int

    @classmethod
    def of(cls, network: nn.Module, targets: Sequence[str]) -> _Layers:
        linear = {
            name: (module.in_features, module.out_features)
            for name, module in network.named_modules()
            if isinstance(module, nn.Linear)
        }
        chosen = {name: size for name, size in linear.items() if name.rsplit(".", 1)[-1] in targets}
        blocks = {_block_of(name) for name in chosen}
        inside = tuple(size for name, size in linear.items() if _block_of(name) in blocks)
        return cls(inside, tuple(chosen.values()), max(1, len(blocks)))

    def trainable(self, config: TrainConfig) -> int:
        return sum(
            config.rank * (inner + outer) + (outer if config.dora else 0) for inner, outer in self.chosen
        )

    @property
    def weights(self) -> int:
        return sum(inner * outer for inner, outer in self.sizes)


def _block_of(name: str) -> str:
    """The block a layer is in: its name up to the last number; itself where there is none."""
    parts = name.split(".")
    numbers = [place for place, part in enumerate(parts) if part.isdigit()]
    return ".".join(parts[: numbers[-1] + 1]) if numbers else name


def _memory(network: nn.Module, layers: _Layers, config: TrainConfig, frames: int, trainable: int) -> int:
    """Peak bytes: libraries, base, adapter with its optimiser, and what is kept for the backward pass."""
    base = sum(weight.numel() * weight.element_size() for weight in network.parameters())
    copies = 2 + STATE_FLOATS[config.optimiser] + (2 if config.ema else 0)  # weight and gradient; EMA swaps
    width = max((inner for inner, _ in layers.chosen), default=1)
    passing = 3 * 4 * width * _tokens(config, frames)  # gradients of one layer on their way
    kept = _kept_bytes(layers, config, frames)
    return int(_PROCESS_BYTES + base + 4 * copies * trainable + kept + passing)


def _kept_bytes(layers: _Layers, config: TrainConfig, frames: int) -> float:
    """What the forward pass of one batch leaves for the backward pass."""
    kept = 0.89 * sum(inner + outer for inner, outer in layers.sizes)
    kept += sum(0.65 * inner + config.rank for inner, _ in layers.chosen)
    kept += 1.4 * sum(inner for inner, _ in layers.chosen) if config.dropout else 0.0
    kept += 2.5 * sum(outer for _, outer in layers.chosen) if config.dora else 0.0
    if config.gradient_checkpointing:
        width = max((inner for inner, _ in layers.chosen), default=1)
        kept = kept / layers.depth + 1.5 * layers.depth * width
    return kept * _tokens(config, frames) * (2.9 if is_mixed() else 4.0)


def _tokens(config: TrainConfig, frames: int) -> int:
    return config.batch_size * (frames + _TEXT_TOKENS)


def _disk(config: TrainConfig, trainable: int) -> int:
    """Bytes of checkpoints (one more than are kept while one is written), best, final, and logs."""
    checkpoint = 4 * trainable * (1 + STATE_FLOATS[config.optimiser] + (1 if config.ema else 0))
    return int((config.keep_checkpoints + 1) * checkpoint + 3 * 4 * trainable + _LOG_BYTES)


def _probed_speed(layers: _Layers, config: TrainConfig) -> float:
    """Tokens a second from the speed of a matrix product of the network's own size, in under a second."""
    inner, outer = max(layers.chosen, key=math.prod, default=(256, 256))
    kind = torch.bfloat16 if is_mixed() else torch.float32
    one, other = torch.ones(512, inner, dtype=kind), torch.ones(inner, outer, dtype=kind)
    one @ other
    rounds, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < _PROBE_SECONDS:
        one @ other
        rounds += 1
    operations_per_s = rounds * 2 * 512 * inner * outer / spent
    passes = 3 if config.gradient_checkpointing else 2  # forward (again), and back to the inputs
    each = 2 * passes * layers.weights + 6 * sum(config.rank * (i + o) for i, o in layers.chosen)
    return _EFFICIENCY * operations_per_s / each

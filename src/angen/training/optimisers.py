"""The optimisers an adapter can be trained with. All take a rate from the schedule at every step."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from angen.errors import TrainingError
from angen.model import ModelFacts
from angen.training.config import TrainConfig

_PRODIGY_START = 1e-4  # its own 1e-6 takes longer to leave than most of our runs last
STATE_FLOATS = {"adamw": 2.0, "adamw-8bit": 0.5, "adafactor": 0.1, "prodigy": 4.0}  # kept for each weight


def peak_rate(facts: ModelFacts, config: TrainConfig) -> float:
    """The highest rate: as set, or the base model's own; prodigy multiplies the rate it finds itself, so 1."""
    return config.learning_rate or (1.0 if config.optimiser == "prodigy" else facts.learning_rate)


def optimiser_of(
    weights: Sequence[nn.Parameter], facts: ModelFacts, config: TrainConfig
) -> torch.optim.Optimizer:
    """The optimiser of a run over the adapter's weights.

    Adafactor (arXiv:1804.04235) scales its step by each tensor's size; LoRA starts at 0, where that would be no
    step at all, so here the rate is the step itself, as in AdamW.

    Raises:
        TrainingError: If it needs a package or a device that is not there.
    """
    rate, betas, decay = peak_rate(facts, config), tuple(config.betas), config.weight_decay
    if config.optimiser == "adafactor":
        return torch.optim.Adafactor(weights, lr=rate, eps=(None, 1.0), weight_decay=decay, foreach=True)
    if config.optimiser == "prodigy":
        prodigy = _extra("prodigyopt", "Prodigy", "Install it: pip install 'angen[prodigy]'.")
        with contextlib.redirect_stdout(io.StringIO()):  # it prints when weights decay
            made: torch.optim.Optimizer = prodigy(
                weights, lr=rate, betas=betas, weight_decay=decay, safeguard_warmup=True, d0=_PRODIGY_START
            )  # fmt: skip
        return made
    if config.optimiser == "adamw-8bit":
        remedy = "Install it on a machine with CUDA: pip install bitsandbytes; or choose adamw or adafactor."
        eight_bit = _extra("bitsandbytes.optim", "AdamW8bit", remedy)
        if not torch.cuda.is_available():
            raise TrainingError("adamw-8bit needs a CUDA device, and none is there.", remedy=remedy)
        packed: torch.optim.Optimizer = eight_bit(weights, lr=rate, betas=betas, weight_decay=decay)
        return packed
    first, second = betas
    return torch.optim.AdamW(weights, lr=rate, betas=(first, second), weight_decay=decay, foreach=True)


def _extra(module: str, name: str, remedy: str) -> Any:
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError as problem:
        package = module.partition(".")[0]
        raise TrainingError(f"This optimiser needs the package {package}.", remedy=remedy) from problem

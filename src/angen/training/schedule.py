"""The learning rate of each step: a warm-up, then one of four shapes."""

from __future__ import annotations

import math

from angen.training.config import TrainConfig

_DECAY_FROM = 0.8  # of a `wsd` run; a fifth is enough (Hägele et al. 2024, arXiv:2405.18392)


def learning_rate(step: int, steps: int, peak: float, config: TrainConfig) -> float:
    """Rise from 0 in `warmup_steps`, then go to `final_rate_share` of the peak as `scheduler` says.

    Args:
        step: Counted from 0.
        steps: Of the whole run.
        peak: The highest rate.
        config: Of the run.
    """
    warmup = min(config.warmup_steps, steps)
    if step < warmup:
        return peak * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    share = config.final_rate_share
    return peak * (share + (1 - share) * _shape(config.scheduler, done))


def _shape(scheduler: str, done: float) -> float:
    """1 at the start and 0 at the end (`constant`: 1 throughout)."""
    if scheduler == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    if scheduler == "linear":
        return 1 - done
    if scheduler == "wsd":
        return min(1.0, (1 - done) / (1 - _DECAY_FROM))
    return 1.0

"""A moving average of the adapter's weights, which is often better than their last value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from angen.errors import TrainingError

_KEY = "ema|"


class Ema:
    """The average, and its place in the network for a while.

    Early in a run the decay is (1 + n) / (10 + n) at update n, so that the start is soon forgotten.

    Args:
        weights: The adapter's parameters by name.
        decay: Of the average, 0 to below 1; 0 for none, and then the weights stand for themselves.
    """

    def __init__(self, weights: Mapping[str, nn.Parameter], decay: float) -> None:
        self.weights, self.decay = dict(weights), decay
        self.average = {name: weight.detach().clone() for name, weight in weights.items()} if decay else {}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the weights of a step in; `step` counts from 1."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, mean in self.average.items():
            mean.lerp_(self.weights[name].detach(), 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """While the block runs, the network has the average for its weights."""
        if not self.average:
            yield
            return
        own = {name: weight.data for name, weight in self.weights.items()}
        for name, weight in self.weights.items():
            weight.data = self.average[name].clone()
        try:
            yield
        finally:
            for name, weight in self.weights.items():
                weight.data = own[name]

    def tensors(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        return {_KEY + name: mean for name, mean in self.average.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """The reverse of `tensors`.

        Raises:
            TrainingError: If they are not those of this adapter.
        """
        stored = {key.removeprefix(_KEY): value for key, value in tensors.items() if key.startswith(_KEY)}
        shapes = {name: value.shape for name, value in stored.items()}
        if shapes != {name: mean.shape for name, mean in self.average.items()}:
            raise TrainingError(
                "The checkpoint's moving average is not of this adapter.",
                remedy="Delete that checkpoint's folder to resume from the one before.",
            )
        self.average = {name: stored[name].clone() for name in self.average}

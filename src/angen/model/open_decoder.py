"""A model's decoder as a differentiable function, for those who look for the latents of a sound.

`decode` of a model runs without gradients, in pieces, to an `Audio`. Here the same network takes a batch of latents
to a batch of waves, and gradients flow back to the latents.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from angen.errors import ModelError
from angen.model.music_model import MusicModel


@dataclass(frozen=True)
class OpenDecoder:
    """A decoder through which gradients flow.

    Attributes:
        decode: Waves (B, frames * hop_samples) of latents (B, frames, channels), float32.
        rate_hz: Of the waves.
        hop_samples: Samples a latent frame.
        channels: Of a latent frame.
        decoder_hash: sha256 of its weights; latents belong to one decoder.
        draws_phases: Whether it chooses phases itself, so that no latents give back a wave sample by sample.
        device: Where it computes.
    """

    decode: Callable[[Tensor], Tensor]
    rate_hz: int
    hop_samples: int
    channels: int
    decoder_hash: str
    draws_phases: bool = False
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def latent_rate_hz(self) -> float:
        """Latent frames a second."""
        return self.rate_hz / self.hop_samples


@runtime_checkable
class Openable(Protocol):
    """A model whose decoder can be opened."""

    def open_decoder(self) -> OpenDecoder:
        """The decoder, differentiable."""


def open_decoder(model: MusicModel) -> OpenDecoder:
    """The decoder of a model.

    Raises:
        ModelError: If no gradients flow through it.
    """
    if isinstance(model, Openable):
        return model.open_decoder()
    raise ModelError(
        f"{model.facts.id} has no decoder that gradients flow through, so latents cannot be found by inverting it.",
        remedy="Train on a model with an encoder, such as angen-tiny.",
    )

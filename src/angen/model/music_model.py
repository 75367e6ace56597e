"""What the rest of Angen asks of a model, and nothing more: encode, condition, loss, sample, decode.

A backend with another time direction or latent layout turns it round in its own file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from angen.audio import Audio
from angen.model.sampler import SamplerSettings

LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class ModelFacts:
    """What is fixed about a model.

    Attributes:
        id: Its name at every door.
        base_hash: sha256 over all weights; an adapter belongs to one base.
        codec_hash: sha256 over the codec's weights; latents belong to one codec.
        rate_hz: Sampling rate of its audio.
        latent_rate_hz: Latent frames a second.
        latent_channels: Channels of a latent frame.
        block_frames: Latent frames the sampler draws at a time.
        crop_blocks: Blocks of a training crop the base was trained on.
        learning_rate: A rate at which adapters of this base learn well.
        lora_targets: Names of the layers an adapter changes by default.
        licence: SPDX id of the weights.
        history_blocks: Past blocks its sampler looks at; 0 for all.
        noise_scale: Deviation of the starting noise that gives music of the right level.
        guidance: Strength of the prompt that serves it well.
        guidance_interval: Flow times between which guidance serves it well.
        guidance_rescale: How far guided music is brought back to the deviation of unguided music.
        own_styles: Prompts of music it makes by itself; drawn so that an adapter does not forget it.
        level: Root mean square of the music it was trained on, to which songs are brought; None for as they are.
        sings: Whether it takes lyrics.
        ends_songs: Whether it writes the end of a song by itself.
        has_encoder: Whether it can encode recordings; without, training reads latents made elsewhere.
        crops_at_start: Whether a training crop must be the start of its clip, which counts as a song's start.
        takes_form: Whether it can be told sections by bars, and where to end.
    """

    id: str
    base_hash: str
    codec_hash: str
    rate_hz: int
    latent_rate_hz: float
    latent_channels: int
    block_frames: int
    crop_blocks: int
    learning_rate: float
    lora_targets: tuple[str, ...]
    licence: str
    history_blocks: int
    noise_scale: float
    guidance: float = 1.5
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    guidance_rescale: float = 0.0
    own_styles: tuple[str, ...] = ()
    level: float | None = None
    sings: bool = False
    ends_songs: bool = False
    has_encoder: bool = True
    crops_at_start: bool = False
    takes_form: bool = True


@dataclass(frozen=True)
class Conditions:
    """What one piece of music is asked to be, as the network takes it.

    Attributes:
        text: The exact words the tensors were made from.
        tempo_bpm: The tempo they state, or None.
        text_ids: int64 (L,), at least one.
        style: float32 (512,).
        lyrics: The lyrics sheet the ids were made from, as the model is given it; empty for a model without.
        style_source: Where the style vector is from, for a reader; empty where it is the text's own.
        licences: Licences that bind what is made with these tensors, beside that of the model.
        notes: What was asked and could not be given to the model, as sentences.
    """

    text: str
    tempo_bpm: float | None
    text_ids: Tensor
    style: Tensor
    lyrics: str = ""
    style_source: str = ""
    licences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """What the model was given, to be shown or kept beside the music."""
        return {
            "text": self.text,
            "text_ids": self.text_ids.tolist(),
            "lyrics": self.lyrics,
            "style_source": self.style_source,
            "licences": list(self.licences),
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class StyleVector:
    """A style vector made apart from a prompt.

    Attributes:
        vector: float32 (512,).
        source: Where it is from, for a reader.
        licences: Licences that bind what is made with it.
    """

    vector: Tensor
    source: str
    licences: tuple[str, ...] = ()


@dataclass(frozen=True)
class ConditionBatch:
    """Conditions of several pieces, padded on the right.

    Attributes:
        text_ids: int64 (B, L), 0 for padding.
        text_valid: False for padding, (B, L).
        style: float32 (B, 512).
    """

    text_ids: Tensor
    text_valid: Tensor
    style: Tensor

    @classmethod
    def of(cls, items: Sequence[Conditions]) -> ConditionBatch:
        """Pad and stack."""
        ids = nn.utils.rnn.pad_sequence([item.text_ids for item in items], batch_first=True)
        lengths = torch.tensor([len(item.text_ids) for item in items])
        valid = torch.arange(ids.shape[1]) < lengths[:, None]
        return cls(ids, valid, torch.stack([item.style for item in items]))

    def dropped(self, drop: Tensor) -> ConditionBatch:
        """The same with the null condition (ids and style zero, length kept) where `drop` (B,) is True."""
        keep = ~drop[:, None]
        return ConditionBatch(self.text_ids * keep, self.text_valid, self.style * keep)


@dataclass(frozen=True)
class FlowBatch:
    """A training step's question: which velocity leads from this noise to that music?

    Attributes:
        clean: Latents (B, F, C), anything in padded frames.
        valid: False for padding, (B, F).
        beats: Beat features (B, F, beat_dim), or None.
        conditions: What the music was asked to be.
        times: Flow time of each block (B, F / block_frames).
        noise: Standard normal (B, F, C).
        context: What the past looks like to later blocks (B, F, C); None for `clean` itself.
        first_frame: Position of the first frame in its song (B,), or None for 0.
        kept: Numbers of the noisy blocks to learn from (B, m), with music in at least one of a row's; None for all.
    """

    clean: Tensor
    valid: Tensor
    beats: Tensor | None
    conditions: ConditionBatch
    times: Tensor
    noise: Tensor
    context: Tensor | None = None
    first_frame: Tensor | None = None
    kept: Tensor | None = None


class MusicModel(Protocol):
    """A base model with its codec and its conditions."""

    @property
    def facts(self) -> ModelFacts:
        """What is fixed about it."""

    @property
    def network(self) -> nn.Module:
        """The module peft wraps; nothing else is ever trained by LoRA."""

    def encode(self, audio: Audio) -> Tensor:
        """Latents (frames, channels) of a recording of any rate and channel count."""

    def decode(self, latents: Tensor) -> Audio:
        """Sound of latents (frames, channels)."""

    def conditions(
        self,
        prompt: str,
        *,
        tempo_bpm: float | None = None,
        lyrics: str = "",
        style: StyleVector | None = None,
    ) -> Conditions:
        """Tensors of a prompt; a tempo given here wins over one stated in the prompt.

        Lyrics and a style vector are refused by a model that does not take them.
        """

    def beats(
        self,
        beats_s: ArrayLike,
        downbeats_s: ArrayLike,
        frames: int,
        *,
        start_s: float = 0.0,
        sections: Sequence[tuple[str, float]] = (),
        ends_s: float | None = None,
        key: str | None = None,
    ) -> Tensor | None:
        """What the model is told of each frame (frames, beat_dim): beats; sections, end and key where known.

        None for a model that takes no such features.
        """

    def loss(self, batch: FlowBatch) -> Tensor:
        """Flow-matching loss of each item over its valid frames, float32 (B,)."""

    def sample(
        self,
        conditions: Sequence[Conditions],
        duration_s: float,
        settings: SamplerSettings,
        seeds: Sequence[int],
        *,
        beats: Tensor | None = None,
        on_step: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[Tensor]:
        """Draw one latent (frames, channels) an item; the same seed gives the same start whatever the batch."""

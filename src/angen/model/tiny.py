"""`angen-tiny`: the embedded model. DiffRhythm 2's architecture, small, with a codec and text of its own.

Its weights are in the package (`weights/angen-tiny`, made by `recipes/angen_tiny`); nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from angen.audio import Audio
from angen.errors import GenerationError, ModelError
from angen.files import content_hash, safe_name
from angen.model import codec as codec_room
from angen.model.beats import BEAT_DIM, beat_features
from angen.model.flow import kept_loss, mix
from angen.model.form import FORM_DIM, form_features
from angen.model.keys import KEY_DIM, key_features
from angen.model.music_model import (
    LORA_TARGETS,
    ConditionBatch,
    Conditions,
    FlowBatch,
    ModelFacts,
    StyleVector,
)
from angen.model.network import FlowNetwork, load_network, load_weights, read_json, read_tensors
from angen.model.open_decoder import OpenDecoder
from angen.model.precision import autocast
from angen.model.sampler import SamplerSettings, sample_blocks
from angen.model.text import StyleEncoder, Vocabulary, WordTable, stated_tempo

WEIGHTS = (
    "codec.safetensors", "model.json", "model.safetensors", "style.safetensors", "table.safetensors",
    "tokenizer.json", "words.json",
)  # fmt: skip

OWN_STYLES = (
    "house", "techno", "drum and bass", "hip-hop", "lo-fi", "ambient", "synthwave", "chiptune", "rock", "metal",
    "blues", "funk", "reggae", "jazz", "classical", "cinematic", "folk", "bossa nova",
)  # fmt: skip
LEVEL = 0.12  # root mean square of the music it was trained on


class AngenTiny:
    """The embedded model.

    Args:
        folder: Where its files are; None for those in the package.

    Raises:
        ModelError: If a file is missing or does not fit.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder if folder is not None else packaged_weights()
        missing = [name for name in WEIGHTS if not (self.folder / name).is_file()]
        if missing:
            raise ModelError(
                f"The embedded model in {self.folder} lacks {', '.join(missing)}.",
                remedy="Install Angen again, or make the weights with recipes/angen_tiny.",
            )
        config = read_json(self.folder / "model.json")
        self.network: FlowNetwork = load_network(self.folder)
        self.codec = codec_room.Codec(channels=config["mel_dim"])
        load_weights(self.codec, self.folder / "codec.safetensors")
        self.style_encoder = StyleEncoder(config["text_num_embeds"])
        load_weights(self.style_encoder, self.folder / "style.safetensors")
        for part in (self.codec, self.style_encoder):
            part.eval().requires_grad_(False)
        self.vocabulary = Vocabulary(read_json(self.folder / "words.json"))
        if self.vocabulary.largest_id > config["text_num_embeds"]:
            raise ModelError(
                f"words.json in {self.folder} goes to id {self.vocabulary.largest_id}; "
                f"model.json has ids to {config['text_num_embeds']}.",
                remedy="Install Angen again, or make the weights with recipes/angen_tiny.",
            )
        self.words = WordTable(
            read_tensors(self.folder / "table.safetensors"), self.folder / "tokenizer.json"
        )
        self._config = config

    @cached_property
    def facts(self) -> ModelFacts:
        """What is fixed about it."""
        hashes = {name: content_hash(self.folder / name) for name in WEIGHTS}
        joined = "\n".join(f"{name} {digest}" for name, digest in sorted(hashes.items()))
        return ModelFacts(
            id=safe_name(str(self._config.get("id", "angen-tiny"))),  # a merged copy has its own
            base_hash=hashlib.sha256(joined.encode()).hexdigest(),
            codec_hash=hashes["codec.safetensors"],
            rate_hz=codec_room.RATE_HZ,
            latent_rate_hz=codec_room.LATENT_RATE_HZ,
            latent_channels=self.codec.channels,
            block_frames=self.network.block_frames,
            crop_blocks=int(self._config["crop_blocks"]),
            learning_rate=1e-3,
            lora_targets=LORA_TARGETS,
            licence=str(self._config.get("licence", "Apache-2.0")),
            guidance=float(self._config.get("guidance", 1.5)),
            guidance_interval=tuple(self._config.get("guidance_interval", (0.0, 1.0))),
            guidance_rescale=float(self._config.get("guidance_rescale", 0.0)),
            own_styles=OWN_STYLES,
            level=LEVEL,
            history_blocks=int(self._config["crop_blocks"]) - 1,
            noise_scale=float(self._config["noise_scale"]),
        )

    def encode(self, audio: Audio) -> Tensor:
        """Latents (frames, channels) of a recording, mixed to mono at 24 kHz."""
        mono = audio.mono().resampled(codec_room.RATE_HZ)
        return self.codec.encode(torch.tensor(mono.samples))[0].clone()

    def decode(self, latents: Tensor) -> Audio:
        """Mono sound at 24 kHz of latents (frames, channels), made softer as a whole where it would exceed ±1."""
        samples = self.codec.decode(latents.unsqueeze(0))
        return Audio((samples / samples.abs().max().clamp(min=1)).numpy(), codec_room.RATE_HZ)

    def open_decoder(self) -> OpenDecoder:
        """The decoder with gradients to the latents; its phases follow the magnitudes and have none."""
        return OpenDecoder(
            self.codec.decode_open,
            codec_room.RATE_HZ,
            codec_room.FRAME_SAMPLES,
            self.codec.channels,
            self.facts.codec_hash,
            draws_phases=True,
        )

    def conditions(
        self,
        prompt: str,
        *,
        tempo_bpm: float | None = None,
        lyrics: str = "",
        style: StyleVector | None = None,
    ) -> Conditions:
        """Tensors of a prompt; a tempo given here wins over one stated in the prompt."""
        if lyrics.strip() or style is not None:
            raise GenerationError(
                "angen-tiny takes words and a tempo, no lyrics and no style vector.",
                remedy="Use a model that sings: --model diffrhythm2.",
            )
        tempo = tempo_bpm if tempo_bpm is not None else stated_tempo(prompt)
        ids = torch.tensor(self.vocabulary.ids(prompt))
        with torch.no_grad():
            vector = self.style_encoder(
                self.words.vector(prompt)[None], torch.tensor([tempo or 0.0]), ids[None]
            )
        return Conditions(prompt, tempo, ids, vector[0])

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
        """Beat, form and key features (frames, 41) of a grid, a form and a key."""
        rate = codec_room.LATENT_RATE_HZ
        beat = beat_features(beats_s, downbeats_s, frames, rate, start_s=start_s)
        form = form_features(sections, frames, rate, ends_s=ends_s, start_s=start_s)
        of_key = np.broadcast_to(key_features(key), (frames, KEY_DIM))
        told = np.concatenate([beat, form, of_key], axis=1)
        return torch.from_numpy(told[:, : int(self._config["beat_dim"])])

    def loss(self, batch: FlowBatch) -> Tensor:
        """Flow-matching loss of each item over its valid frames, float32 (B,)."""
        times = batch.times.repeat_interleave(self.network.block_frames, dim=1)
        clean = torch.where(batch.valid[..., None], batch.clean, 0.0)  # padding may hold anything, even NaN
        noisy, velocity = mix(clean, batch.noise, times)
        context = clean if batch.context is None else torch.where(batch.valid[..., None], batch.context, 0.0)
        with autocast():
            predicted = self.network(
                text_ids=batch.conditions.text_ids,
                text_valid=batch.conditions.text_valid,
                clean=context,
                noisy=noisy,
                times=times,
                style=batch.conditions.style,
                frame_valid=batch.valid,
                beats=batch.beats,
                first_frame=batch.first_frame,
                kept=batch.kept,
            )
        return kept_loss(predicted, velocity, batch.valid, batch.kept, self.network.block_frames)

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
        if len(seeds) != len(conditions):
            raise GenerationError(f"{len(conditions)} pieces need as many seeds, not {len(seeds)}.")
        block, channels = self.network.block_frames, self.codec.channels
        sources = [torch.Generator().manual_seed(seed) for seed in seeds]
        batch = ConditionBatch.of(conditions)
        frames = max(1, math.ceil(duration_s * codec_room.LATENT_RATE_HZ - 1e-6))
        if beats is not None and beats.shape[1] % block:
            beats = torch.nn.functional.pad(beats, (0, 0, 0, -beats.shape[1] % block))
        return sample_blocks(
            self.network.transformer,
            text_ids=batch.text_ids,
            text_valid=batch.text_valid,
            style=batch.style,
            frames=frames,
            block_frames=block,
            settings=settings,
            noise=lambda _: torch.stack([torch.randn(block, channels, generator=g) for g in sources]),
            beats=beats,
            null_beats=None if beats is None else self._null_features(beats),
            on_step=on_step,
        )

    def _null_features(self, features: Tensor) -> Tensor:
        """What the branch that guidance leads away from is told of each frame, shape (..., features).

        The beat, so that it stays; no form; and something of the opposite of the key, which is heeded more for it.
        """
        null = torch.zeros_like(features)
        null[..., :BEAT_DIM] = features[..., :BEAT_DIM]
        key = slice(BEAT_DIM + FORM_DIM, None)
        null[..., key] = -float(self._config.get("key_contrast", 0.0)) * features[..., key]
        return null


def packaged_weights() -> Path:
    """The folder of the weights inside the installed package."""
    with as_file(files("angen.model") / "weights" / "angen-tiny") as folder:
        return folder

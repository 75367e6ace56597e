"""DiffRhythm 2, the released model of 1.1 billion weights, behind the same protocol as `angen-tiny`.

Opening it reads two small files and the header of the large one. The network and the decoder are read when they
are first used, each once, checked, and into the memory they need and no more.

The release has no encoder, so `encode` refuses; training reads latents that were made otherwise.

Source: "DiffRhythm 2" (arXiv:2510.22950), its public configuration and weights.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from angen.audio import Audio
from angen.errors import GenerationError, ModelError
from angen.files.remembered import remembered_hash
from angen.model.bigvgan import (
    Decoder,
    DecoderConfig,
    decode_as_reference,
    decode_whole,
    read_decoder_weights,
    widened,
)
from angen.model.dit import WIDTH
from angen.model.flow import kept_loss, mix
from angen.model.loading import (
    ROOM,
    best_device,
    count_of,
    expect_shapes,
    fill,
    fitting_dtype,
    free_memory,
    on_meta,
    shapes_of,
    size_bytes,
    stored_shapes,
)
from angen.model.music_model import (
    LORA_TARGETS,
    ConditionBatch,
    Conditions,
    FlowBatch,
    ModelFacts,
    StyleVector,
)
from angen.model.network import FlowNetwork, read_json
from angen.model.open_decoder import OpenDecoder
from angen.model.phones import LARGEST_ID, read_ids
from angen.model.precision import autocast, fast_bfloat16
from angen.model.sampler import SamplerSettings, sample_blocks

MODEL_ID = "diffrhythm2"
FILES = ("model.json", "model.safetensors", "decoder.json", "decoder.bin")
LICENCE = "Apache-2.0"
GUIDANCE = 2.0
CROP_BLOCKS = 15  # half a minute
_LARGE = 200_000_000  # values from which reading the weights takes longer than multiplying them
_HEADS = "transformer.projectors."


@dataclass(frozen=True)
class AsReference:
    """Where to do as the public program does, defects included, instead of as the model means.

    Args:
        half_times: Round times and rotary frequencies as its float16 run on a GPU does.
        drops_last_frame: Lose the last real frame before the end of a song.
        windowed_decoding: Decode in its windows of four seconds, whose cuts can be heard.
        stereo: Make two channels of one, the right one later and softer.
    """

    half_times: bool = False
    drops_last_frame: bool = False
    windowed_decoding: bool = False
    stereo: bool = False

    @classmethod
    def all(cls) -> AsReference:
        """Every one."""
        return cls(half_times=True, drops_last_frame=True, windowed_decoding=True, stereo=True)


class TextStyle(Protocol):
    """What makes a style vector from words: see `muq.MuqMulan`."""

    def of_text(self, text: str) -> StyleVector:
        """The style vector of a text."""


@dataclass(frozen=True)
class MemoryNeed:
    """Memory a model takes, in bytes.

    Attributes:
        dtype: Format of the network's weights.
        network: Its weights, without the heads of pre-training.
        decoder: The decoder's weights, float32, once something is decoded.
        frame: Keys and values kept of a latent frame of one song without guidance, while it is drawn.
        latent_rate_hz: Latent frames a second.
        values: How many values the network has.
        free: What can be taken now; None for unknown.
    """

    dtype: torch.dtype
    network: int
    decoder: int
    frame: int
    latent_rate_hz: float
    values: int
    free: int | None

    def past(self, duration_s: float, songs: int = 1, *, is_guided: bool = True) -> int:
        """Bytes that the past of songs takes at most while they are drawn; lyrics come on top, a frame a phone.

        Twice what is kept, since each block is joined to it in new memory; twice again with guidance.
        """
        frames = math.ceil(duration_s * self.latent_rate_hz)
        return 2 * (1 + is_guided) * songs * frames * self.frame

    def __str__(self) -> str:
        """For a reader."""
        free = "" if self.free is None else f"; {self.free / 1e9:.1f} GB are free"
        return (
            f"{self.values / 1e9:.2f} billion weights in {str(self.dtype).removeprefix('torch.')}: "
            f"{self.network / 1e9:.1f} GB, {self.decoder / 1e9:.1f} GB for the decoder, and "
            f"{self.past(60.0) / 1e9:.2f} GB for the past of each minute of a song{free}"
        )


class DiffRhythm2:
    """The model in a folder in the layout of the release.

    Args:
        folder: With `model.json`, `model.safetensors`, `decoder.json` and `decoder.bin`.
        device: Where it runs; None for the best there is.
        dtype: Format of the network's weights; None for the best that fits.
        style_encoder: Makes style vectors of prompts; without one, words alone do not reach the model.
        as_reference: Defects to match.

    Raises:
        ModelError: If a file is missing, damaged, or does not fit its configuration. No weight is read yet.
    """

    def __init__(
        self,
        folder: Path,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        style_encoder: TextStyle | None = None,
        as_reference: AsReference | None = None,
    ) -> None:
        self.folder = folder
        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing:
            raise ModelError(
                f"The model in {folder} lacks {', '.join(missing)}.",
                remedy="Put the files of ASLP-lab/DiffRhythm2 there, or fetch them: angen model fetch diffrhythm2.",
            )
        self.device = torch.device(device) if device is not None else best_device()
        self.style_encoder = style_encoder
        self.encoders: Path | None = None  # where distilled encoders are kept, for recordings
        self.as_reference = as_reference or AsReference()
        self.decoder_config = DecoderConfig.of(read_json(folder / "decoder.json"), "decoder.json")
        self._config = _network_config(read_json(folder / "model.json"))
        if self._config["mel_dim"] != self.decoder_config.in_channels:
            raise ModelError(
                f"The network makes {self._config['mel_dim']} channels and the decoder takes "
                f"{self.decoder_config.in_channels}.",
                remedy="Take both from the same release.",
            )
        self._wanted_dtype = dtype
        self._decoder_bytes = (folder / "decoder.bin").stat().st_size
        self._shapes = self._checked_shapes()

    def _checked_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the network, compared with the header of its file; heads of pre-training do not count."""
        wanted = shapes_of(on_meta(lambda: FlowNetwork(self._config)))
        path = self.folder / "model.safetensors"
        stored = {key: shape for key, shape in stored_shapes(path).items() if not key.startswith(_HEADS)}
        expect_shapes(stored, wanted, str(path))
        return wanted

    @cached_property
    def memory(self) -> MemoryNeed:
        """What the model will take. Asking takes nothing.

        Raises:
            ModelError: If it does not fit; it says what is needed and what would help.
        """
        free = free_memory(self.device)
        decoder = self._decoder_bytes
        is_large = count_of(self._shapes) >= _LARGE
        prefers_half = self.device.type == "cuda" or (is_large and fast_bfloat16())
        dtype = self._wanted_dtype
        if dtype is None:
            dtype = fitting_dtype(
                self._shapes, self.device, free_bytes=free, prefers_half=prefers_half, extra_bytes=decoder
            )
        frame = 2 * self._config["depth"] * self._config["dim"] * dtype.itemsize
        values = count_of(self._shapes)
        weights = size_bytes(self._shapes, dtype)
        return MemoryNeed(dtype, weights, decoder, frame, self.latent_rate_hz, values, free)

    def _refuse_large_past(self, duration_s: float, songs: int, *, is_guided: bool) -> None:
        free, needed = free_memory(self.device), self.memory.past(duration_s, songs, is_guided=is_guided)
        if free is not None and needed > ROOM * free:
            raise GenerationError(
                f"Drawing {songs} x {duration_s:g} s needs {needed / 1e9:.1f} GB beside the model; "
                f"{free / 1e9:.1f} GB are free.",
                remedy="Ask for shorter pieces or fewer at once, or close other programs.",
            )

    @cached_property
    def network(self) -> FlowNetwork:
        """The module peft wraps, read now if it was not."""
        network = cast(FlowNetwork, on_meta(lambda: FlowNetwork(self._config)))
        fill(network, self.folder / "model.safetensors", dtype=self.memory.dtype, device=self.device)
        network.transformer.time_embed.rounds_as_half = self.as_reference.half_times
        return network.eval().requires_grad_(False)

    @cached_property
    def decoder(self) -> Decoder:
        """Latents to sound, float32, read now if it was not."""
        path = self.folder / "decoder.bin"
        weights = read_decoder_weights(path)
        decoder = cast(Decoder, on_meta(lambda: Decoder(self.decoder_config)))
        expect_shapes(
            {key: tuple(value.shape) for key, value in weights.items()}, shapes_of(decoder), str(path)
        )
        decoder.load_state_dict({key: value.to(self.device) for key, value in weights.items()}, assign=True)
        return decoder.eval().requires_grad_(False)

    @property
    def network_config(self) -> dict[str, Any]:
        """Sizes of the network, from `model.json`."""
        return dict(self._config)

    @property
    def network_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of its weights, the heads of pre-training left out; nothing is read."""
        return dict(self._shapes)

    @property
    def latent_rate_hz(self) -> float:
        """Latent frames a second."""
        return self.decoder_config.sampling_rate / self.decoder_config.hop_samples

    @cached_property
    def facts(self) -> ModelFacts:
        """What is fixed about it. The first time ever it reads every byte of its files, to know which they are."""
        hashes = {name: remembered_hash(self.folder / name) for name in FILES}
        joined = "\n".join(f"{name} {digest}" for name, digest in sorted(hashes.items()))
        return ModelFacts(
            id=MODEL_ID,
            base_hash=hashlib.sha256(joined.encode()).hexdigest(),
            codec_hash=hashes["decoder.bin"],
            rate_hz=self.decoder_config.sampling_rate,
            latent_rate_hz=self.latent_rate_hz,
            latent_channels=self.decoder_config.in_channels,
            block_frames=self._config["block_size"],
            crop_blocks=CROP_BLOCKS,
            learning_rate=1e-4,
            lora_targets=LORA_TARGETS,
            licence=LICENCE,
            history_blocks=0,
            noise_scale=1.0,
            guidance=GUIDANCE,
            sings=True,
            ends_songs=True,
            has_encoder=False,
            crops_at_start=True,
            takes_form=False,
        )

    def encode(self, audio: Audio) -> Tensor:
        """Refuses: the release has no encoder.

        Raises:
            ModelError: Always.
        """
        raise ModelError(
            f"DiffRhythm 2 was released without its encoder, so {audio.duration_s:.1f} s of sound cannot become "
            "latents by themselves.",
            remedy="Find latents by inverting its decoder: angen model invert FILE. Training on a dataset does so by "
            "itself. Or train on angen-tiny, which has an encoder.",
        )

    def open_decoder(self) -> OpenDecoder:
        """The decoder with gradients to the latents; its blocks are computed again in the backward pass."""
        decoder = self.decoder

        def decode(latents: Tensor) -> Tensor:
            return decoder(latents.transpose(1, 2))[:, 0]  # type: ignore[no-any-return]

        return OpenDecoder(
            decode,
            self.decoder_config.sampling_rate,
            self.decoder_config.hop_samples,
            self.decoder_config.in_channels,
            self.facts.codec_hash,
            device=self.device,
        )

    def decode(self, latents: Tensor) -> Audio:
        """Sound at 48 kHz of latents (frames, channels), within ±1; mono unless matched to the reference."""
        latents = latents.to(self.device, torch.float32)
        decode = decode_as_reference if self.as_reference.windowed_decoding else decode_whole
        sound = decode(self.decoder, latents)
        rate = self.decoder_config.sampling_rate
        wide = widened(sound, rate) if self.as_reference.stereo else sound[None]
        return Audio(wide.cpu().numpy(), rate)

    def conditions(
        self,
        prompt: str,
        *,
        tempo_bpm: float | None = None,
        lyrics: str = "",
        style: StyleVector | None = None,
    ) -> Conditions:
        """Tensors of a prompt, lyrics and a style; whatever the model cannot be told is said in `notes`.

        Args:
            prompt: Words on the music: they become the style vector, if nothing better is given and a style
                encoder is there.
            tempo_bpm: Added to the words; the model has no other way to take it.
            lyrics: Any text that `read_lyrics` takes; empty for an instrumental.
            style: A style vector, before the words.

        Raises:
            LyricsError: If the lyrics need a language reader that is not installed.
            ModelError: If the network has no room for the ids of tags.
        """
        words = self._config["text_num_embeds"]
        if words < LARGEST_ID:
            raise ModelError(
                f"This network knows {words} text ids, and lyrics need {LARGEST_ID}.",
                remedy="Take weights and configuration from the release.",
            )
        sung = read_ids(lyrics)
        notes = [f"Line {x.line} of the lyrics, {x.text!r}: {x.reason}." for x in sung.problems]
        text = prompt.strip()
        if tempo_bpm is not None and "bpm" not in text.lower():
            text = f"{text}, {tempo_bpm:g} bpm".removeprefix(", ")
        if style is None and text and self.style_encoder is not None:
            style = self.style_encoder.of_text(text)
        if style is None:
            if text:
                notes.append(
                    "The words of the prompt are not heard by the model: no style encoder is set up "
                    "(angen model info muq-mulan), and no style vector was given. It chooses its own style."
                )
            style = StyleVector(torch.zeros(WIDTH), "none")
        return Conditions(
            text=text,
            tempo_bpm=tempo_bpm,
            text_ids=torch.tensor(sung.ids),
            style=style.vector.float(),
            lyrics=sung.text,
            style_source=style.source,
            licences=style.licences,
            notes=tuple(notes),
        )

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
        """None: the model takes no beat features."""
        return None

    def loss(self, batch: FlowBatch) -> Tensor:
        """Flow-matching loss of each item over its valid frames, float32 (B,)."""
        valid, words = batch.valid.to(self.device), batch.conditions
        clean = torch.where(valid[..., None], batch.clean.to(self.device), 0.0)
        times = batch.times.to(self.device).repeat_interleave(self.network.block_frames, dim=1)
        noisy, velocity = mix(clean, batch.noise.to(self.device), times)
        context = clean
        if batch.context is not None:
            context = torch.where(valid[..., None], batch.context.to(self.device), 0.0)
        kept = None if batch.kept is None else batch.kept.to(self.device)
        is_wide = self.device.type == "cpu" and self.memory.dtype == torch.float32
        with autocast() if is_wide else self._autocast():
            predicted = self.network(
                text_ids=words.text_ids.to(self.device),
                text_valid=words.text_valid.to(self.device),
                clean=context,
                noisy=noisy,
                times=times,
                style=words.style.to(self.device),
                frame_valid=valid,
                first_frame=None,  # a crop counts as a song's start: the model knows no other
                kept=kept,
            )
        return kept_loss(predicted, velocity, valid, kept, self.network.block_frames).cpu()

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
        """Draw one latent (frames, channels) an item; the same seed gives the same start whatever the batch.

        Raises:
            GenerationError: If there are not as many seeds, or the past of these songs does not fit into memory.
        """
        if len(seeds) != len(conditions):
            raise GenerationError(f"{len(conditions)} pieces need as many seeds, not {len(seeds)}.")
        transformer = self.network.transformer
        is_guided = settings.guidance_strength > 0
        self._refuse_large_past(duration_s, len(seeds), is_guided=is_guided)
        block, channels = self.network.block_frames, self.decoder_config.in_channels
        sources = [torch.Generator().manual_seed(seed) for seed in seeds]
        batch = ConditionBatch.of(conditions)
        grid = None
        if self.as_reference.half_times:
            grid = torch.linspace(0, 1, settings.steps + 1).half().float()
        with self._autocast():
            songs = sample_blocks(
                transformer,
                text_ids=batch.text_ids.to(self.device),
                text_valid=batch.text_valid.to(self.device),
                style=batch.style.to(self.device),
                frames=max(1, math.ceil(duration_s * self.latent_rate_hz - 1e-6)),
                block_frames=block,
                settings=replace(settings, keep_last_frame=not self.as_reference.drops_last_frame),
                noise=lambda _: torch.stack([torch.randn(block, channels, generator=g) for g in sources]),
                time_grid=grid,
                on_step=on_step,
            )
        return [song.float().cpu() for song in songs]

    def _autocast(self) -> AbstractContextManager[Any]:
        """Weights in half precision are multiplied in it; latents, times and sums stay float32."""
        dtype = self.memory.dtype
        if dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype)


def _network_config(values: Any) -> dict[str, Any]:
    """A `model.json` checked; the heads of pre-training are left out, since nothing reads them."""
    needed = ("dim", "depth", "heads", "mel_dim", "text_num_embeds")
    if not isinstance(values, dict):
        raise ModelError("model.json holds no settings.", remedy="Take the file from the release.")
    numbers = {key: values.get(key) for key in needed} | {
        "ff_mult": values.get("ff_mult", 4),
        "block_size": values.get("block_size", 10),
    }
    wrong = [key for key, value in numbers.items() if type(value) is not int or value < 1]
    if wrong:
        raise ModelError(
            f"model.json: {', '.join(wrong)} must be whole numbers above 0.",
            remedy="Take the file from the release.",
        )
    dim, heads = (cast(int, numbers[key]) for key in ("dim", "heads"))
    if dim % (2 * heads):
        raise ModelError(
            f"model.json: dim {dim} must be a multiple of twice its {heads} heads.",
            remedy="Take the file from the release.",
        )
    return numbers | {"long_skip_connection": bool(values.get("long_skip_connection", False))}

"""DiffRhythm 2's decoder: latents at 5 Hz to mono sound at 48 kHz.

A BigVGAN v2 generator. The released weights are in weight-norm form; they are folded once when read, and the
names are otherwise those of the release.

Source: Lee et al. 2023, "BigVGAN" (arXiv:2206.04658), its version 2, and DiffRhythm 2's public configuration.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from angen.errors import ModelError

TAPS = 12
CUTOFF, HALF_WIDTH = 0.25, 0.3
REFERENCE_WINDOW, REFERENCE_OVERLAP = 20, 5
WINDOW_FRAMES = 100


class DecoderConfig(BaseModel):
    """A `decoder.json`; keys that are not the decoder's own are ignored, as in the release."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    resblock: str = "1"
    upsample_rates: tuple[int, ...] = Field(min_length=1)
    upsample_kernel_sizes: tuple[int, ...]
    upsample_initial_channel: int = Field(gt=0)
    resblock_kernel_sizes: tuple[int, ...] = Field(min_length=1)
    resblock_dilation_sizes: tuple[tuple[int, ...], ...]
    in_channels: int = Field(gt=0)
    sampling_rate: int = Field(gt=0)
    use_tanh_at_final: bool = True
    use_bias_at_final: bool = True
    activation: str = "snakebeta"
    snake_logscale: bool = True

    @classmethod
    def of(cls, values: Any, name: str) -> DecoderConfig:
        """Check the values read from the file `name`.

        Raises:
            ModelError: Naming the first value at fault.
        """
        try:
            config = cls.model_validate(values)
        except ValidationError as problem:
            first = problem.errors()[0]
            raise ModelError(
                f"{name}: {'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}.",
                remedy="Take the file from the release.",
            ) from problem
        pairs = (
            (len(config.upsample_rates), len(config.upsample_kernel_sizes)),
            (len(config.resblock_kernel_sizes), len(config.resblock_dilation_sizes)),
        )
        known = config.resblock in ("1", "2") and config.activation in ("snake", "snakebeta")
        if not known or any(one != other for one, other in pairs):
            raise ModelError(f"{name} describes a decoder that Angen does not know.")
        return config

    @property
    def hop_samples(self) -> int:
        """Samples a latent frame."""
        return math.prod(self.upsample_rates)


def lowpass_filter() -> Tensor:
    """The 12 taps of the Kaiser-windowed sinc used before and after every activation, float32, sum 1."""
    attenuation = 2.285 * (TAPS // 2 - 1) * math.pi * 4 * HALF_WIDTH + 7.95
    beta = 0.1102 * (attenuation - 8.7)
    window = torch.kaiser_window(TAPS, periodic=False, beta=beta, dtype=torch.float64)
    place = torch.arange(TAPS, dtype=torch.float64) - (TAPS - 1) / 2
    taps = window * torch.sinc(2 * CUTOFF * place)
    return (taps / taps.sum()).float()


class _Filter(nn.Module):
    """Twelve fixed taps, stored with the weights of the release."""

    filter: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filter", lowpass_filter().view(1, 1, TAPS))


class _Upsample(_Filter):
    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) to (B, C, 2T)."""
        batch, channels, count = x.shape
        wide = F.pad(x.reshape(batch * channels, 1, count), (5, 5), mode="replicate")
        doubled = 2 * F.conv_transpose1d(wide, self.filter, stride=2)
        return doubled[..., 15:-15].reshape(batch, channels, 2 * count)


class _Downsample(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lowpass = _Filter()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, 2T) to (B, C, T)."""
        batch, channels, count = x.shape
        wide = F.pad(x.reshape(batch * channels, 1, count), (5, 6), mode="replicate")
        return F.conv1d(wide, self.lowpass.filter, stride=2).reshape(batch, channels, count // 2)


class Snake(nn.Module):
    """x + sin²(a x) / b for every channel; b = a without `beta` (arXiv:2006.08195).

    Args:
        channels: Of the signal.
        has_beta: Whether b is learnt apart.
        is_log: Whether the weights are logarithms.
    """

    def __init__(self, channels: int, *, has_beta: bool, is_log: bool) -> None:
        super().__init__()
        start = torch.zeros(channels) if is_log else torch.ones(channels)
        self.is_log = is_log
        self.alpha = nn.Parameter(start.clone())
        self.beta = nn.Parameter(start.clone()) if has_beta else None

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as `x` (B, C, T)."""
        beta = self.alpha if self.beta is None else self.beta
        a, b = ((w.exp() if self.is_log else w)[:, None] for w in (self.alpha, beta))
        return x + torch.sin(x * a).square() / (b + 1e-9)


class Activation(nn.Module):
    """A snake at twice the rate, so that what it adds above the band is filtered away."""

    def __init__(self, channels: int, config: DecoderConfig) -> None:
        super().__init__()
        self.act = Snake(channels, has_beta=config.activation == "snakebeta", is_log=config.snake_logscale)
        self.upsample = _Upsample()
        self.downsample = _Downsample()

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as `x` (B, C, T)."""
        return self.downsample(self.act(self.upsample(x)))  # type: ignore[no-any-return]


def _same_conv(channels: int, kernel: int, dilation: int) -> nn.Conv1d:
    return nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=(kernel - 1) * dilation // 2)


class ResidualBlock(nn.Module):
    """Dilated convolutions, each added to what came before: two a step for type 1, one for type 2."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...], config: DecoderConfig) -> None:
        super().__init__()
        first = nn.ModuleList(_same_conv(channels, kernel, dilation) for dilation in dilations)
        self.is_double = config.resblock == "1"
        if self.is_double:
            self.convs1 = first
            self.convs2 = nn.ModuleList(_same_conv(channels, kernel, 1) for _ in dilations)
        else:
            self.convs = first
        count = len(dilations) * (1 + self.is_double)
        self.activations = nn.ModuleList(Activation(channels, config) for _ in range(count))

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as `x` (B, C, T)."""
        if not self.is_double:
            for act, conv in zip(self.activations, self.convs, strict=True):
                x = x + conv(act(x))
            return x
        for m, (first, second) in enumerate(zip(self.convs1, self.convs2, strict=True)):
            x = x + second(self.activations[2 * m + 1](first(self.activations[2 * m](x))))
        return x


def _kept_small(part: nn.Module, x: Tensor) -> Tensor:
    """`part(x)`; where gradients are wanted only `x` is kept for them, gigabytes less for each second of sound."""
    if torch.is_grad_enabled() and x.requires_grad:
        return checkpoint(part, x, use_reentrant=False)  # type: ignore[no-any-return]
    return part(x)  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """The generator.

    Args:
        config: Of the release.
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        width = config.upsample_initial_channel
        self.conv_pre = nn.Conv1d(config.in_channels, width, 7, padding=3)
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        for rate, kernel in zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True):
            up = nn.ConvTranspose1d(width, width // 2, kernel, rate, padding=(kernel - rate) // 2)
            self.ups.append(nn.ModuleList([up]))
            width //= 2
            for size, dilations in zip(
                config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True
            ):
                self.resblocks.append(ResidualBlock(width, size, dilations, config))
        self.activation_post = Activation(width, config)
        self.conv_post = nn.Conv1d(width, 1, 7, padding=3, bias=config.use_bias_at_final)

    def forward(self, latents: Tensor) -> Tensor:
        """Sound (B, 1, T * hop) within ±1 of latents (B, C, T). For gradients, blocks are computed again later."""
        x = self.conv_pre(latents)
        branches = len(self.config.resblock_kernel_sizes)
        for stage, ups in enumerate(self.ups):
            x = ups[0](x)  # type: ignore[index]
            parts = [_kept_small(block, x) for block in self.resblocks[stage * branches :][:branches]]
            x = sum(parts[1:], parts[0]) / branches
        x = self.conv_post(_kept_small(self.activation_post, x))
        return torch.tanh(x) if self.config.use_tanh_at_final else x.clamp(-1, 1)

    @property
    def reach_frames(self) -> int:
        """How far, in latent frames, a frame can act on the sound to either side."""
        config, rate, reach = self.config, 1, 3.0
        spread = 6.0  # samples that an activation's two filters reach
        for up, kernel in zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True):
            reach += math.ceil((kernel - up) / 2 / up + 1) / rate
            rate *= up
            reach += (
                max(
                    sum((size - 1) // 2 * (d + config.resblock.count("1")) for d in dilations)
                    + spread * len(dilations) * (1 + config.resblock.count("1"))
                    for size, dilations in zip(
                        config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True
                    )
                )
                / rate
            )
        return math.ceil(reach + (spread + 3) / rate)


@torch.inference_mode()
def decode_whole(
    decoder: Decoder,
    latents: Tensor,
    *,
    window_frames: int = WINDOW_FRAMES,
    on_window: Callable[[int, int], None] = lambda done, total: None,
) -> Tensor:
    """Sound (samples,) of latents (frames, C), as if decoded in one piece, in bounded memory.

    Each window is decoded with as many frames beside it as can act on it, so nothing is to be heard or measured
    of the cuts (float rounding apart).
    """
    frames, hop, reach = len(latents), decoder.config.hop_samples, decoder.reach_frames
    pieces = []
    for start in range(0, frames, window_frames):
        end = min(start + window_frames, frames)
        left, right = max(0, start - reach), min(frames, end + reach)
        sound = decoder(latents[left:right].T[None])[0, 0]
        pieces.append(sound[(start - left) * hop : (end - left) * hop].clone())
        on_window(end, frames)
    return torch.cat(pieces) if pieces else latents.new_zeros(0)


@torch.inference_mode()
def decode_as_reference(
    decoder: Decoder, latents: Tensor, *, window: int = REFERENCE_WINDOW, overlap: int = REFERENCE_OVERLAP
) -> Tensor:
    """Sound (samples,) of latents (frames, C) in the windows of the reference program, cuts and all.

    Windows of `window` frames, `overlap` of them shared; two frames of sound are dropped at inner ends, and later
    windows overwrite. Less than a window, which the reference cannot decode, is one window.
    """
    frames, hop, cut = len(latents), decoder.config.hop_samples, overlap // 2
    if frames <= window:
        return decode_whole(decoder, latents, window_frames=max(1, frames))
    starts = list(range(0, frames - window + 1, window - overlap))
    if starts[-1] + window < frames:
        starts.append(frames - window)
    sound = torch.zeros(frames * hop, device=latents.device)
    for number, start in enumerate(starts):
        left = cut if number else 0
        right = window - (cut if number < len(starts) - 1 else 0)
        part = decoder(latents[start : start + window].T[None])[0, 0].float()
        sound[(start + left) * hop : (start + right) * hop] = part[left * hop : right * hop]
    return sound


def widened(sound: Tensor, rate_hz: int) -> Tensor:
    """Two channels (2, samples) of one (samples,): the right a little softer and 10 ms later, as the reference."""
    delay = min(int(0.01 * rate_hz), len(sound))
    late = torch.cat([sound.new_zeros(delay), sound[: len(sound) - delay]])
    return torch.stack([sound, 0.8 * late])


def folded(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict without weight normalisation: `weight` = g v / ‖v‖, the norm over all axes but the first."""
    plain = {}
    for key, value in stored.items():
        if key.endswith(".weight_g"):
            continue
        if key.endswith(".weight_v") and (gain := stored.get(key[:-1] + "g")) is not None:
            norm = value.float().flatten(1).norm(dim=1).view(-1, *[1] * (value.dim() - 1))
            plain[key[:-2]] = (gain.float() / norm) * value.float()
        else:
            plain[key] = value.float()
    return plain


def read_decoder_weights(path: Path) -> dict[str, Tensor]:
    """The folded state dict of a `decoder.bin`. A pickle is read as data only: it can run nothing.

    Raises:
        ModelError: If the file is missing, damaged, holds anything but tensors, or is no decoder's.
    """
    import pickle

    remedy = "Download it again: angen model fetch diffrhythm2."
    try:
        whole = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as problem:
        raise ModelError(
            f"{path} cannot be read as weights: {str(problem).splitlines()[0][:200]}.", remedy=remedy
        ) from problem
    stored = whole.get("generator") if isinstance(whole, dict) else None
    if not isinstance(stored, dict) or not all(isinstance(value, Tensor) for value in stored.values()):
        raise ModelError(f"{path} holds no 'generator' of tensors.", remedy=remedy)
    return folded(stored)

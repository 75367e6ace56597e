"""Spleeter's network for two stems, vocals and accompaniment, in torch: no TensorFlow is needed.

One U-Net a stem looks at the magnitude of the mix below 11 kHz, twelve seconds at a time; the two answers become
masks. Weights and code of the original are under the MIT licence, Copyright (c) 2019-present, Deezer SA.

Source:
    Hennequin et al. 2020, "Spleeter: a fast and efficient music source separation tool", JOSS 5(50), 2154.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from angen.enhancement.stopping import StoppedError
from angen.errors import EnhancementError
from angen.progress import Progress, ProgressCallback, no_progress

RATE_HZ = 44_100
STEMS = ("vocals", "accompaniment")

FRAME, HOP = 4096, 1024
SEGMENT_FRAMES, BANDS = 512, 1024
CHANNELS = (16, 32, 64, 128, 256, 512)
_NORM_EPSILON, _MASK_EPSILON = 1e-3, 1e-10
_WINDOWS_ADD_TO = 1.5  # squared Hann windows, four over each sample

Float = NDArray[np.float32]


class UNet(nn.Module):
    """The estimate of one stem's magnitude from that of the mix.

    Args:
        channels: Of the six encoders, from the outermost in.
    """

    def __init__(self, channels: tuple[int, ...] = CHANNELS) -> None:
        super().__init__()
        depth = len(channels)
        ins = (2, *channels[:-1])
        self.encoders = nn.ModuleList(
            nn.Conv2d(i, o, 5, stride=2) for i, o in zip(ins, channels, strict=True)
        )
        self.encoder_norms = nn.ModuleList(
            nn.BatchNorm2d(each, _NORM_EPSILON) for each in channels[: depth - 1]
        )
        outs = (*channels[-2::-1], 1)
        before = (channels[-1], *(2 * each for each in channels[-2::-1]))
        self.decoders = nn.ModuleList(
            nn.ConvTranspose2d(i, o, 5, stride=2) for i, o in zip(before, outs, strict=True)
        )
        self.decoder_norms = nn.ModuleList(nn.BatchNorm2d(each, _NORM_EPSILON) for each in outs)
        self.head = nn.Conv2d(1, 2, 4, dilation=2, padding=3)

    def forward(self, magnitude: Tensor) -> Tensor:
        """Magnitudes of the mix to those of the stem, shape (batch, 2, frames, bands), both multiples of 64."""
        skips, x = [], magnitude
        for number, convolve in enumerate(self.encoders):
            skip = convolve(F.pad(x, (1, 2, 1, 2)))
            skips.append(skip)
            if number < len(self.encoder_norms):
                x = F.leaky_relu(self.encoder_norms[number](skip), 0.2)
        x = skips.pop()
        for number, (grow, norm) in enumerate(zip(self.decoders, self.decoder_norms, strict=True)):
            joined = x if number == 0 else torch.cat([skips.pop(), x], dim=1)
            x = norm(F.relu(grow(joined)[:, :, 1:-2, 1:-2]))
        return torch.sigmoid(self.head(x)) * magnitude


def converted(tensors: Mapping[str, Float]) -> dict[str, Float]:
    """The original's tensors under the names and in the layout of `Spleeter`.

    Args:
        tensors: Of its TensorFlow checkpoint, by name; more than are needed may be there.

    Raises:
        EnhancementError: If one is missing.
    """
    found: dict[str, Float] = {}
    try:
        for number, stem in enumerate(STEMS):
            net = f"{stem}."
            for k in range(7):
                place = "head" if k == 6 else f"encoders.{k}"
                _put_kernel(found, tensors, _numbered("conv2d", 7 * number + k), net + place)
            for k in range(6):
                name = _numbered("conv2d_transpose", 6 * number + k)
                _put_kernel(found, tensors, name, f"{net}decoders.{k}")
                _put_norm(found, tensors, 12 * number + 6 + k, f"{net}decoder_norms.{k}")
                if k < 5:  # the innermost encoder's norm is not used
                    _put_norm(found, tensors, 12 * number + k, f"{net}encoder_norms.{k}")
    except KeyError as error:
        raise EnhancementError(
            f"The weights of Spleeter lack {error}.",
            remedy="Fetch them again: they are those of another model.",
        ) from error
    return found


def _numbered(name: str, number: int) -> str:
    return f"{name}_{number}" if number else name


def _put_kernel(found: dict[str, Float], tensors: Mapping[str, Float], name: str, place: str) -> None:
    """Kernels are (height, width, in, out), of transposed ones (height, width, out, in)."""
    found[f"{place}.weight"] = np.ascontiguousarray(tensors[f"{name}/kernel"].transpose(3, 2, 0, 1))
    found[f"{place}.bias"] = np.array(tensors[f"{name}/bias"])


def _put_norm(found: dict[str, Float], tensors: Mapping[str, Float], number: int, place: str) -> None:
    name = _numbered("batch_normalization", number)
    parts = {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    }
    for ours, theirs in parts.items():
        found[f"{place}.{ours}"] = np.array(tensors[f"{name}/{theirs}"])


class Spleeter(nn.Module):
    """Both networks and the transform around them.

    Args:
        channels: Of each network's encoders.
    """

    model_id = "spleeter"
    rate_hz = RATE_HZ
    stems = STEMS
    rest: str | None = "accompaniment"

    def __init__(self, channels: tuple[int, ...] = CHANNELS) -> None:
        super().__init__()
        self.vocals, self.accompaniment = UNet(channels), UNet(channels)
        self.eval()
        self.requires_grad_(False)

    @classmethod
    def from_file(cls, path: Path) -> Spleeter:
        """The networks of a file of safetensors as `converted` names them.

        Raises:
            EnhancementError: If they are not those of this network.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            state = load_file(path)
            widths = [len(state[f"vocals.encoders.{k}.bias"]) for k in range(len(CHANNELS))]
            network = cls(tuple(widths))
            missing = network.load_state_dict(state, strict=False)
        except (OSError, SafetensorError, KeyError, RuntimeError) as error:
            raise _not_spleeter(path, " ".join(f"{type(error).__name__} {error}".split())[:200]) from error
        lacking = [name for name in missing.missing_keys if not name.endswith("num_batches_tracked")]
        if lacking or missing.unexpected_keys:
            raise _not_spleeter(path, f"{[*lacking, *missing.unexpected_keys][0]} does not fit")
        return network

    @torch.inference_mode()
    def separate(
        self,
        samples: Float,
        *,
        on_progress: ProgressCallback = no_progress,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> dict[str, Float]:
        """The two stems of a mix. Above 11 kHz neither has anything.

        Args:
            samples: At 44.1 kHz, shape (2, samples).
            on_progress: Told of seconds.
            should_stop: Asked every twelve seconds of music.

        Returns:
            A stem of the same shape for each name of `stems`.

        Raises:
            StoppedError: If it was asked to stop.
        """
        count = samples.shape[1]
        total = -(-(count + FRAME) // HOP)  # frame t begins at sample t HOP - FRAME
        padded = np.zeros((2, (total - 1) * HOP + FRAME), np.float32)
        padded[:, FRAME : FRAME + count] = samples
        sums = {name: np.zeros_like(padded) for name in STEMS}
        for first in range(0, total, SEGMENT_FRAMES):
            if should_stop():
                raise StoppedError("The separation")
            on_progress(Progress("separating", first * HOP / RATE_HZ, count / RATE_HZ))
            frames = min(SEGMENT_FRAMES, total - first)
            part = slice(first * HOP, (first + frames - 1) * HOP + FRAME)
            for name, sound in self._segment(torch.from_numpy(padded[:, part]), frames).items():
                sums[name][:, part] += sound
        return {name: np.ascontiguousarray(total_[:, FRAME : FRAME + count]) for name, total_ in sums.items()}

    def _segment(self, sound: Tensor, frames: int) -> dict[str, Float]:
        """The stems of one stretch, windowed: where stretches meet, they are added."""
        window = torch.hann_window(FRAME, periodic=True)
        spectra = torch.fft.rfft(sound.unfold(1, FRAME, HOP) * window)  # (2, frames, 2049)
        magnitude = F.pad(spectra[..., :BANDS].abs(), (0, 0, 0, SEGMENT_FRAMES - frames))[None]
        powers = [net(magnitude)[0, :, :frames] ** 2 for net in (self.vocals, self.accompaniment)]
        whole = powers[0] + powers[1] + _MASK_EPSILON
        stems = {}
        for name, power in zip(STEMS, powers, strict=True):
            mask = (power + _MASK_EPSILON / len(STEMS)) / whole
            masked = F.pad(spectra[..., :BANDS] * mask, (0, FRAME // 2 + 1 - BANDS))
            parts = torch.fft.irfft(masked, FRAME) * (window / _WINDOWS_ADD_TO)
            stems[name] = _overlapped(parts).numpy()
        return stems


def _overlapped(frames: Tensor) -> Tensor:
    """Frames (channels, frames, FRAME), HOP apart, added up."""
    channels, count, _ = frames.shape
    total = torch.zeros(channels, (count - 1) * HOP + FRAME)
    for quarter in range(FRAME // HOP):
        piece = frames[:, :, quarter * HOP : (quarter + 1) * HOP].reshape(channels, -1)
        total[:, quarter * HOP : quarter * HOP + count * HOP] += piece
    return total


def _not_spleeter(path: Path, fault: str) -> EnhancementError:
    return EnhancementError(
        f"{str(path)!r} does not hold the weights of Spleeter: {fault}.",
        remedy="Delete it, and fetch them again.",
    )

"""How far one sound is from another, as a loss with gradients: waves, spectra at several resolutions, mel.

Source: multi-resolution spectra, Yamamoto et al. 2020, "Parallel WaveGAN" (arXiv:1910.11480); mel scale, Slaney,
Auditory Toolbox (1998).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

WINDOWS_S = (0.011, 0.043, 0.085)  # 512, 2048 and 4096 samples at 48 kHz
MEL_WINDOW_S = 0.043
MELS = 80
FLOOR = 1e-4  # of a full-scale sine: -80 dB


@dataclass(frozen=True)
class SoundWeights:
    """Weights of a loss.

    Args:
        wave: Of the mean absolute difference of samples, as a share of the target's mean absolute sample.
        spectra: Of the mean over resolutions of log magnitude difference (natural) and relative magnitude difference.
        mel: Of the log-mel difference (natural).
    """

    wave: float = 0.5
    spectra: float = 1.0
    mel: float = 1.0


def mel_filters(rate_hz: int, fft: int, count: int = MELS) -> Tensor:
    """Triangles of height 1 from 0 to the Nyquist frequency over the bins of an FFT, (count, fft / 2 + 1)."""
    step = math.log(6.4) / 27
    top = 15 + math.log(rate_hz / 2 / 1000) / step
    mels = np.linspace(0, top, count + 2)
    edges = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((mels - 15) * step))[:, None]
    bins = np.linspace(0, rate_hz / 2, fft // 2 + 1)[None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    triangles = np.clip(np.minimum(rising, falling), 0, None)
    return torch.tensor(triangles / np.maximum(triangles.sum(1, keepdims=True), 1e-6), dtype=torch.float32)


def fft_size(seconds: float, rate_hz: int) -> int:
    """The power of two next to a length."""
    return int(2 ** round(math.log2(seconds * rate_hz)))


def magnitudes(sound: Tensor, fft: int) -> Tensor:
    """Magnitudes (B, fft / 2 + 1, frames) of sounds (B, samples), 1 for a sine of full scale, hop fft / 4."""
    window = torch.hann_window(fft, device=sound.device)
    padded = F.pad(sound, (fft // 2, fft // 2))
    spectrum = torch.stft(padded, fft, fft // 4, fft, window, center=False, return_complex=True)
    power = spectrum.real.square() + spectrum.imag.square()
    scale: Tensor = 2 / window.sum()
    return (power * scale.square() + (FLOOR / 10) ** 2).sqrt()


@dataclass(frozen=True)
class HeardSound:
    """What a loss needs of the target, computed once.

    Attributes:
        sound: (B, samples).
        spectra: One (B, bins, frames) a resolution.
        log_mel: (B, MELS, frames).
    """

    sound: Tensor
    spectra: tuple[Tensor, ...]
    log_mel: Tensor

    def rows(self, chosen: list[int]) -> HeardSound:
        """Some of the sounds."""
        return HeardSound(
            self.sound[chosen], tuple(part[chosen] for part in self.spectra), self.log_mel[chosen]
        )


@dataclass(frozen=True)
class Distances:
    """Distances of each sound of a batch from its target, each (B,).

    Attributes:
        wave: Mean absolute difference of samples over the target's mean absolute sample.
        spectra: Mean over resolutions of log and relative magnitude difference.
        mel: Mean absolute log-mel difference (natural logarithm).
    """

    wave: Tensor
    spectra: Tensor
    mel: Tensor

    def weighed(self, weights: SoundWeights) -> Tensor:
        """One loss a sound, (B,)."""
        return weights.wave * self.wave + weights.spectra * self.spectra + weights.mel * self.mel


class SoundLoss:
    """Distances at one sampling rate.

    Args:
        rate_hz: Of all sounds.
        device: Where they are.
    """

    def __init__(self, rate_hz: int, device: torch.device | str = "cpu") -> None:
        self.sizes = tuple(fft_size(seconds, rate_hz) for seconds in WINDOWS_S)
        self.mel_size = fft_size(MEL_WINDOW_S, rate_hz)
        self.filters = mel_filters(rate_hz, self.mel_size).to(device)

    def hear(self, sound: Tensor) -> HeardSound:
        """What is compared of sounds (B, samples)."""
        spectra = tuple(magnitudes(sound, size) for size in self.sizes)
        place = self.sizes.index(self.mel_size) if self.mel_size in self.sizes else -1
        of_mel = spectra[place] if place >= 0 else magnitudes(sound, self.mel_size)
        return HeardSound(sound, spectra, (torch.matmul(self.filters, of_mel) + FLOOR).log())

    def distances(self, made: Tensor, target: HeardSound) -> Distances:
        """How far sounds (B, samples) are from their targets."""
        heard = self.hear(made)
        loudness = target.sound.abs().mean(1).clamp(min=1e-4)
        wave = (made - target.sound).abs().mean(1) / loudness
        parts = []
        for one, other in zip(heard.spectra, target.spectra, strict=True):
            logs = ((one + FLOOR).log() - (other + FLOOR).log()).abs().mean((1, 2))
            linear = (one - other).abs().sum((1, 2)) / other.sum((1, 2))
            parts.append(logs + linear)
        mel = (heard.log_mel - target.log_mel).abs().mean((1, 2))
        return Distances(wave, torch.stack(parts).mean(0), mel)


def signal_to_noise_db(made: Tensor, target: Tensor) -> float:
    """Energy of the target over that of the difference, in dB, over all samples."""
    noise = (made - target).double().square().sum().clamp(min=1e-20)
    return float(10 * torch.log10(target.double().square().sum().clamp(min=1e-20) / noise))

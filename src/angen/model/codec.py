"""The codec of `angen-tiny`: mel patches along principal components in, an inverse STFT out.

The encoder has a closed form. A log-mel spectrogram at 100 frames a second is cut into patches of eight
frames, each projected on principal components of music and scaled: latents of 12.5 frames a second. The
decoder undoes the projection, and a small network adds what it lost: a correction of the magnitudes, and the
phases. Every layer but the convolutions works frame by frame, so decoding in chunks with enough context equals
decoding whole.

Source: the inverse-STFT head follows Vocos (arXiv:2306.00814), its blocks ConvNeXt (arXiv:2201.03545).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from angen.errors import ModelError
from angen.model.phase import coherent_phases

RATE_HZ = 24_000
HOP = 240
PATCH = 8
FRAME_SAMPLES = HOP * PATCH  # one latent frame: 1920 samples, 80 ms
LATENT_RATE_HZ = RATE_HZ / FRAME_SAMPLES
FFT = 2048
WINDOW = 1536
MELS = 128
FLOOR = 5e-3
SYNTHESIS_FFT = 960
BINS = SYNTHESIS_FFT // 2 + 1
FINE_BINS = FFT // 2 + 1
CONTEXT_FRAMES = 8  # latent frames beyond which the decoder cannot see
CHUNK_FRAMES = 128


def mel_edges_hz(count: int) -> NDArray[np.float64]:
    """Corner frequencies of `count` mel triangles from 0 to the Nyquist frequency, (count + 2,).

    Source: Slaney, Auditory Toolbox (1998): linear to 1 kHz, then 27 steps per factor 6.4.
    """
    step = math.log(6.4) / 27
    top = 15 + math.log(RATE_HZ / 2 / 1000) / step
    mels = np.linspace(0, top, count + 2)
    return np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((mels - 15) * step))


def mel_filters(fft: int, count: int) -> Tensor:
    """Triangles of equal area over the bins of an FFT, (count, fft / 2 + 1), float32."""
    edges = mel_edges_hz(count)[:, None]
    bins = np.linspace(0, RATE_HZ / 2, fft // 2 + 1)[None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    area = 2 / (edges[2:] - edges[:-2])
    return torch.tensor(np.clip(np.minimum(rising, falling), 0, None) * area, dtype=torch.float32)


def _mel_to_bins(count: int) -> Tensor:
    """Linear interpolation from mel centres to `count` bins from 0 to the Nyquist frequency, (count, MELS)."""
    centres = mel_edges_hz(MELS)[1:-1]
    bins = np.linspace(0, RATE_HZ / 2, count)
    return torch.tensor(
        np.stack([np.interp(bins, centres, row) for row in np.eye(MELS)], axis=1), dtype=torch.float32
    )


class PatchEncoder(nn.Module):
    """Audio to latents, with nothing learned but the principal components.

    Args:
        channels: Latent channels.
    """

    mean: Tensor
    components: Tensor
    scale: Tensor
    filters: Tensor
    window: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(PATCH * MELS))
        self.register_buffer("components", torch.zeros(PATCH * MELS, channels))
        self.register_buffer("scale", torch.ones(channels))
        self.register_buffer("filters", mel_filters(FFT, MELS), persistent=False)
        window = F.pad(torch.hann_window(WINDOW), ((FFT - WINDOW) // 2,) * 2)
        self.register_buffer("window", window, persistent=False)

    def log_mel(self, audio: Tensor) -> Tensor:
        """Log-mel frames (B, samples / HOP, MELS) of audio (B, samples), samples a multiple of HOP."""
        mode = "reflect" if audio.shape[1] > FFT // 2 else "constant"
        padded = F.pad(audio.unsqueeze(1), (FFT // 2, FFT // 2), mode=mode).squeeze(1)
        spectrum = torch.stft(padded, FFT, HOP, FFT, self.window, center=False, return_complex=True)
        magnitude = (spectrum.real.square() + spectrum.imag.square() + 1e-7).sqrt()
        magnitude = magnitude[..., : audio.shape[1] // HOP]
        return (torch.matmul(self.filters, magnitude) + FLOOR).log().transpose(1, 2)

    def project(self, log_mel: Tensor) -> Tensor:
        """Latents (B, frames / PATCH, channels) of log-mel frames."""
        patches = log_mel.reshape(log_mel.shape[0], -1, PATCH * MELS)
        return ((patches - self.mean) @ self.components) / self.scale

    def unproject(self, latents: Tensor) -> Tensor:
        """Log-mel frames (B, frames * PATCH, MELS) nearest to what `project` saw."""
        patches = (latents * self.scale) @ self.components.T + self.mean
        return patches.reshape(latents.shape[0], -1, MELS)

    def forward(self, audio: Tensor) -> Tensor:
        """Latents (B, frames, channels) of audio (B, frames * FRAME_SAMPLES)."""
        return self.project(self.log_mel(audio))


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution over time, then a pointwise network, added to the input; (B, frames, dim)."""

    def __init__(self, dim: int, expansion: int = 3, kernel: int = 7) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.norm = nn.LayerNorm(dim)
        self.widen = nn.Linear(dim, expansion * dim)
        self.narrow = nn.Linear(expansion * dim, dim)
        self.gain = nn.Parameter(torch.full((dim,), 0.3))

    def forward(self, x: Tensor) -> Tensor:
        """Update `x`."""
        # As a two-dimensional convolution: the one-dimensional depthwise kernel is several times slower on CPUs.
        weight, bias = self.depthwise.weight.unsqueeze(2), self.depthwise.bias
        rows = x.transpose(1, 2).unsqueeze(2)
        h = F.conv2d(rows, weight, bias, padding=(0, weight.shape[-1] // 2), groups=x.shape[-1])
        h = self.norm(h.squeeze(2).transpose(1, 2))
        update: Tensor = self.narrow(F.gelu(self.widen(h), approximate="tanh"))
        return x + self.gain * update


class SpectralDecoder(nn.Module):
    """Latents and their unprojected log-mel to audio.

    A first part draws a fine spectrum, whose peaks say how the waves of held tones go on from frame to frame
    (`phase.coherent_phases`). A convolution alone could not: it does the same in every frame, and so everything it
    held would repeat with the frames. A second part sees the sound those waves make, and draws magnitudes and turns
    phases on shorter frames.

    Args:
        channels: Latent channels.
        dim: Width at 100 frames a second.
        latent_dim: Width at the latent rate.
        depth: Blocks of the first part.
        refine_depth: Blocks of the second part.
    """

    window: Tensor
    fine_window: Tensor

    def __init__(
        self, channels: int, dim: int = 192, latent_dim: int = 256, depth: int = 5, refine_depth: int = 3
    ) -> None:
        super().__init__()
        self.latent_in = nn.Linear(channels, latent_dim)
        self.latent_block = ConvNeXtBlock(latent_dim)
        self.latent_norm = nn.LayerNorm(latent_dim)
        self.latent_out = nn.Linear(latent_dim, dim * PATCH)
        self.mel_in = nn.Linear(MELS, dim)
        self.blocks = nn.Sequential(*(ConvNeXtBlock(dim) for _ in range(depth)))
        self.fine_norm = nn.LayerNorm(dim)
        self.fine_head = nn.Linear(dim, FINE_BINS)
        self.mel_to_fine = nn.Parameter(_mel_to_bins(FINE_BINS))
        self.waves_in = nn.Linear(2 * BINS, dim)
        self.refine = nn.Sequential(*(ConvNeXtBlock(dim) for _ in range(refine_depth)))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, 2 * BINS)
        self.mel_to_bins = nn.Parameter(_mel_to_bins(BINS))
        with torch.no_grad():
            for head in (self.fine_head, self.head):
                head.weight.mul_(0.1)
                head.bias.zero_()
            self.fine_head.bias.fill_(3.0)
            self.head.bias[:BINS] = 2.0
        self.register_buffer("window", torch.hann_window(SYNTHESIS_FFT), persistent=False)
        self.register_buffer("fine_window", torch.hann_window(FFT), persistent=False)

    def fine_spectrum(self, latents: Tensor, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """The first part: hidden values (B, T, dim) and log magnitudes (B, T, FINE_BINS), T frames of HOP."""
        batch, frames = latents.shape[:2]
        coarse = self.latent_out(self.latent_norm(self.latent_block(self.latent_in(latents))))
        hidden = self.blocks(self.mel_in(log_mel / 3) + coarse.reshape(batch, frames * PATCH, -1))
        base = F.linear(log_mel.float(), self.mel_to_fine.float())
        return hidden, base + self.fine_head(self.fine_norm(hidden)).float()

    @torch.no_grad()
    def waves(self, fine: Tensor, phases: Tensor) -> Tensor:
        """Spectra (B, T, BINS), complex, of the sound of fine magnitudes (B, T, FINE_BINS, log) and phases."""
        fine_frames = torch.polar(fine.clamp(max=7.0).exp(), phases)
        sound = _overlap_add(torch.fft.irfft(fine_frames, FFT, dim=-1), self.fine_window)
        frames = F.pad(sound, (SYNTHESIS_FFT // 2,) * 2).unfold(1, SYNTHESIS_FFT, HOP)
        spectra: Tensor = torch.fft.rfft(frames[:, : fine.shape[1]] * self.window, dim=-1)
        return spectra

    def forward(self, hidden: Tensor, log_mel: Tensor, waves: Tensor) -> Tensor:
        """The second part: audio (B, T * HOP)."""
        strength = waves.abs().clamp(min=1e-5)
        seen = torch.view_as_real(waves / strength.pow(0.7)).flatten(2)
        out = self.head(self.norm(self.refine(hidden + self.waves_in(seen.to(hidden.dtype))))).float()
        magnitude = (
            (F.linear(log_mel.float(), self.mel_to_bins.float()) + out[..., :BINS]).clamp(max=6.0).exp()
        )
        turn = out[..., BINS:]
        spectrum = torch.complex(magnitude * turn.cos(), magnitude * turn.sin()) * (waves / strength)
        return _overlap_add(torch.fft.irfft(spectrum, SYNTHESIS_FFT, dim=-1), self.window)


def _overlap_add(windows: Tensor, window: Tensor) -> Tensor:
    """Sound (B, T * HOP) of frames (B, T, size) around every HOP-th sample, weighted so that they sum to one."""
    frames, size = windows.shape[1:]
    start = size // 2
    weight = _summed(window.square().expand(1, frames, -1)).clamp(min=1e-3)
    return (_summed(windows * window) / weight)[:, start : start + frames * HOP]


def _summed(windows: Tensor) -> Tensor:
    """The sum of frames (B, T, size) laid HOP samples apart, (B, samples)."""
    batch, frames, size = windows.shape
    overlap = -(-size // HOP)
    parts = F.pad(windows, (0, overlap * HOP - size)).reshape(batch, frames, overlap, HOP)
    total = windows.new_zeros(batch, frames + overlap - 1, HOP)
    for i in range(overlap):
        total[:, i : i + frames] += parts[:, :, i]
    return total.reshape(batch, -1)


class Codec(nn.Module):
    """Encoder and decoder together.

    Args:
        channels: Latent channels.
        dim: Width of the decoder.
        latent_dim: Its width at the latent rate.
        depth: Its blocks.
    """

    def __init__(self, *, channels: int, dim: int = 192, latent_dim: int = 256, depth: int = 5) -> None:
        super().__init__()
        self.channels = channels
        self.encoder = PatchEncoder(channels)
        self.decoder = SpectralDecoder(channels, dim, latent_dim, depth)

    @torch.inference_mode()
    def encode(self, audio: Tensor) -> Tensor:
        """Latents (B, frames, channels) of audio (B, samples) at 24 kHz in [-1, 1].

        The end is filled with silence to a whole frame.
        """
        if audio.dim() != 2 or audio.shape[1] == 0:
            raise ModelError(f"The codec takes audio (batch, samples), not {tuple(audio.shape)}.")
        missing = -audio.shape[1] % FRAME_SAMPLES
        return self.encoder(F.pad(audio.float(), (0, missing)))  # type: ignore[no-any-return]

    @torch.inference_mode()
    def decode(self, latents: Tensor, *, chunk_frames: int = CHUNK_FRAMES) -> Tensor:
        """Audio (B, frames * 1920) of latents (B, frames, channels), chunk by chunk, as if whole."""
        if latents.dim() != 3 or latents.shape[2] != self.channels:
            raise ModelError(f"The codec takes latents (batch, frames, {self.channels}).")
        frames = latents.shape[1]
        if frames == 0:
            return latents.new_zeros(latents.shape[0], 0)
        drawn = self._drawn(latents, chunk_frames)
        sound = latents.new_empty(len(latents), frames * FRAME_SAMPLES, dtype=torch.float32)
        held, begin = next(drawn), 0  # of the frames from `begin` on: no more than the next chunk must see
        for start, stop, first, last in _chunks(frames, chunk_frames):
            while begin * PATCH + held[0].shape[1] < last * PATCH:
                held = [torch.cat(parts, dim=1) for parts in zip(held, next(drawn), strict=True)]
            held, begin = [part[:, (first - begin) * PATCH :] for part in held], first
            hidden, fine, phases, log_mel = (part[:, : (last - first) * PATCH] for part in held)
            seen = self.decoder(hidden, log_mel, self.decoder.waves(fine, phases))
            own = slice((start - first) * FRAME_SAMPLES, (stop - first) * FRAME_SAMPLES)
            sound[:, start * FRAME_SAMPLES : stop * FRAME_SAMPLES] = seen[:, own]
        return sound

    def _drawn(self, latents: Tensor, chunk_frames: int) -> Iterator[list[Tensor]]:
        """Hidden states, fine spectrum, phases and log-mel of each chunk; phases go on from the one before."""
        state = None
        for start, stop, first, last in _chunks(latents.shape[1], chunk_frames):
            window = latents[:, first:last].float()
            log_mel = self.encoder.unproject(window)
            own = slice((start - first) * PATCH, (stop - first) * PATCH)
            hidden, fine = (part[:, own] for part in self.decoder.fine_spectrum(window, log_mel))
            phases, state = coherent_phases(fine, HOP, FFT, state)
            yield [hidden, fine, phases, log_mel[:, own]]

    def decode_open(self, latents: Tensor) -> Tensor:
        """Audio (B, frames * 1920) of latents (B, frames, channels) as one piece, with gradients to the latents.

        None flow through the phases: those of the magnitudes as they are now are taken as given.
        """
        log_mel = self.encoder.unproject(latents)
        hidden, fine = self.decoder.fine_spectrum(latents, log_mel)
        with torch.no_grad():
            phases, _ = coherent_phases(fine.detach(), HOP, FFT)
            waves = self.decoder.waves(fine.detach(), phases)
        return self.decoder(hidden, log_mel, waves)  # type: ignore[no-any-return]


def _chunks(frames: int, size: int) -> Iterator[tuple[int, int, int, int]]:
    """Start and stop of chunks, and first and last frame of what they must see."""
    for start in range(0, frames, size):
        stop = min(frames, start + size)
        yield start, stop, max(0, start - CONTEXT_FRAMES), min(frames, stop + CONTEXT_FRAMES)

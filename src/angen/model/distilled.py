"""An encoder learnt from its decoder: the model draws latents, a network learns the way back from their sound.

Pairs cost nothing, and they are drawn from the latents the model knows. The model's own music is not the user's, so
the network also hears the user's recordings: what it makes of them is decoded, and the sound compared with the
recording (the cycle loss), its statistics with those of the model's own latents.

Source: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network" (arXiv:1503.02531), for learning from what
a model makes; Zhu et al. 2017, "CycleGAN" (arXiv:1703.10593), for the cycle; blocks as in Liu et al. 2022, "A ConvNet
for the 2020s" (arXiv:2201.03545).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from angen.errors import ModelError
from angen.files import atomic_path
from angen.model.codec import ConvNeXtBlock
from angen.model.latent_statistics import LatentStatistics
from angen.model.open_decoder import OpenDecoder
from angen.model.sound_loss import FLOOR, MELS, fft_size, mel_filters

FRAME_S = 0.01  # of the mel spectrum it hears
MEL_WINDOW_S = 0.06
ENCODER_FORMAT = "1"


@dataclass(frozen=True)
class EncoderShape:
    """Sizes of a distilled encoder.

    Args:
        channels: Of a latent frame.
        rate_hz: Of the sound it hears.
        hop_samples: Samples a latent frame.
        dim: Width at the latent rate.
        depth: Blocks there.
        fine_depth: Blocks at a hundred frames a second.
    """

    channels: int
    rate_hz: int
    hop_samples: int
    dim: int = 384
    depth: int = 4
    fine_depth: int = 2

    def __post_init__(self) -> None:
        """Check the values."""
        for field in fields(self):
            least = 0 if field.name.endswith("depth") else 1
            value = getattr(self, field.name)
            if type(value) is not int or value < least:
                raise ModelError(
                    f"An encoder with {field.name} {value!r} is not possible; {least} or more is."
                )

    @property
    def patch(self) -> int:
        """Mel frames a latent frame: the number that divides it and comes nearest to `FRAME_S` a frame."""
        wanted = self.hop_samples / (self.rate_hz * FRAME_S)
        divisors = [n for n in range(1, self.hop_samples + 1) if self.hop_samples % n == 0]
        return min(divisors, key=lambda n: abs(n - wanted))

    @property
    def fine_dim(self) -> int:
        """Width at a hundred frames a second."""
        return max(32, self.dim // 4)


class DistilledEncoder(nn.Module):
    """Waves to latents: log-mel frames, blocks, one patch a latent frame, more blocks.

    Every layer hears a bounded stretch of sound, so a long recording can be encoded in pieces.

    Args:
        shape: Its sizes.
        statistics: Of the latents it shall make, whose mean and deviation its output is in.
    """

    window: Tensor
    filters: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, shape: EncoderShape, statistics: LatentStatistics | None = None) -> None:
        super().__init__()
        self.shape = shape
        self.fft = fft_size(MEL_WINDOW_S, shape.rate_hz)
        self.register_buffer("window", torch.hann_window(self.fft), persistent=False)
        self.register_buffer("filters", mel_filters(shape.rate_hz, self.fft), persistent=False)
        mean, deviation = torch.zeros(shape.channels), torch.ones(shape.channels)
        if statistics is not None:
            mean, deviation = statistics.mean, statistics.deviation
        self.register_buffer("mean", mean.clone())
        self.register_buffer("deviation", deviation.clone())
        self.mel_in = nn.Linear(MELS, shape.fine_dim)
        self.fine = nn.Sequential(*(ConvNeXtBlock(shape.fine_dim) for _ in range(shape.fine_depth)))
        self.patch_in = nn.Linear(shape.patch * (shape.fine_dim + MELS), shape.dim)
        self.blocks = nn.Sequential(*(ConvNeXtBlock(shape.dim) for _ in range(shape.depth)))
        self.norm = nn.LayerNorm(shape.dim)
        self.out = nn.Linear(shape.dim, shape.channels)
        self.straight = nn.Linear(shape.patch * MELS, shape.channels)

    def log_mel(self, sound: Tensor) -> Tensor:
        """Log-mel frames (B, samples * patch / hop, MELS), about -1 to 1, of sounds (B, samples), whole hops."""
        hop = self.shape.hop_samples // self.shape.patch
        padded = nn.functional.pad(sound, (self.fft // 2, self.fft // 2))
        spectrum = torch.stft(padded, self.fft, hop, self.fft, self.window, center=False, return_complex=True)
        scale = 2 / self.window.sum()
        power = (spectrum.real.square() + spectrum.imag.square()) * scale.square()
        magnitude = (power + (FLOOR / 10) ** 2).sqrt()[..., : sound.shape[1] // hop]
        return ((torch.matmul(self.filters, magnitude) + FLOOR).log().transpose(1, 2) + 6) / 3

    def forward(self, sound: Tensor) -> Tensor:
        """Latents (B, frames, C) of sounds (B, frames * hop_samples)."""
        mel = self.log_mel(sound)
        fine = self.fine(self.mel_in(mel))
        batch, patch = len(mel), self.shape.patch
        rows = torch.cat([fine, mel], dim=2).reshape(batch, -1, patch * (self.shape.fine_dim + MELS))
        hidden = self.norm(self.blocks(self.patch_in(rows)))
        units = self.out(hidden) + self.straight(mel.reshape(batch, -1, patch * MELS))
        return units * self.deviation + self.mean  # type: ignore[no-any-return]

    @property
    def reach_frames(self) -> int:
        """How far, in latent frames, sound acts on latents."""
        fine = 3 * self.shape.fine_depth / self.shape.patch + self.fft / 2 / self.shape.hop_samples
        return int(fine) + 1 + 3 * self.shape.depth

    @torch.no_grad()
    def encode(self, sound: Tensor, *, chunk_frames: int = 256) -> Tensor:
        """Latents (frames, C) of a sound (samples,), its end filled with silence, piece by piece as if whole."""
        hop, device = self.shape.hop_samples, self.mean.device
        frames = -(-len(sound) // hop)
        sound = nn.functional.pad(sound.float(), (0, frames * hop - len(sound))).to(device)
        pieces = []
        for start in range(0, frames, chunk_frames):
            stop = min(frames, start + chunk_frames)
            first, last = max(0, start - self.reach_frames), min(frames, stop + self.reach_frames)
            latents = self(sound[None, first * hop : last * hop])[0]
            pieces.append(latents[start - first : stop - first])
        return torch.cat(pieces).cpu()


def encoder_for(
    decoder: OpenDecoder, statistics: LatentStatistics, *, dim: int, depth: int, fine_depth: int, seed: int
) -> DistilledEncoder:
    """A fresh encoder for a decoder."""
    shape = EncoderShape(decoder.channels, decoder.rate_hz, decoder.hop_samples, dim, depth, fine_depth)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = DistilledEncoder(shape, statistics)
        for part in (encoder.out, encoder.straight):
            nn.init.normal_(part.weight, std=0.3 / part.in_features**0.5)
            nn.init.zeros_(part.bias)
    return encoder.to(decoder.device)


def write_encoder(path: Path, encoder: DistilledEncoder, decoder_hash: str) -> None:
    """Keep an encoder in one safetensors file, with its sizes and the decoder it belongs to."""
    words = {"format": ENCODER_FORMAT, "shape": json.dumps(asdict(encoder.shape)), "decoder": decoder_hash}
    weights = {key: value.detach().cpu().contiguous() for key, value in encoder.state_dict().items()}
    with atomic_path(path) as temporary:
        save_file(weights, str(temporary), metadata=words)


def read_encoder(path: Path, decoder: OpenDecoder) -> DistilledEncoder:
    """An encoder from its file, for the decoder it was made for.

    Raises:
        ModelError: If the file cannot be read, or belongs to another decoder.
    """
    remedy = "Make it anew: angen model distil-encoder."
    try:
        with safe_open(str(path), "pt") as file:
            words = file.metadata() or {}
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no dict
        shape = EncoderShape(**json.loads(words["shape"]))
        encoder = DistilledEncoder(shape)
        encoder.load_state_dict(weights)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as problem:
        raise ModelError(f"The encoder {path} cannot be read: {problem}.", remedy=remedy) from problem
    if words.get("decoder") != decoder.decoder_hash or words.get("format") != ENCODER_FORMAT:
        raise ModelError(f"The encoder {path} belongs to another decoder.", remedy=remedy)
    return encoder.to(decoder.device).eval().requires_grad_(False)


def encoder_hash(encoder: DistilledEncoder) -> str:
    """sha256 over an encoder's weights, in hexadecimal."""
    digest = hashlib.sha256(ENCODER_FORMAT.encode())
    for key, value in sorted(encoder.state_dict().items()):
        digest.update(key.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def augmented(sound: Tensor, generator: torch.Generator) -> Tensor:
    """Sounds (B, samples) as a recording might hold them: ±1 dB, a gentle tilt, hiss at -70 to -45 dB."""
    count = len(sound)
    draws = torch.rand(3, count, 1, generator=generator).to(sound)
    tilt = 0.3 * (draws[0] - 0.5)
    tilted = sound + tilt * (sound - nn.functional.pad(sound, (1, 0))[:, :-1])
    gain = 10 ** ((2 * draws[1] - 1) / 20)
    hiss = torch.randn(sound.shape, generator=generator).to(sound) * 10 ** (-(70 - 25 * draws[2]) / 20)
    return gain * tilted + hiss

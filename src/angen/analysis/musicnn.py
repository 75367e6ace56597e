"""Tags and embeddings by musicnn: two networks of one shape, for the tags of two datasets, MTT and MSD.

Source: Pons and Serra 2019, "musicnn: pre-trained convolutional neural networks for music audio tagging"
(arXiv:1909.06654). They listen to patches of 3 s at 16 kHz. The weights are ISC-licensed and not in this package: see
`angen.workflows.tagging`. Here they are safetensors whose names are those of the original checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from angen.analysis.spectrum import Float, triangles
from angen.audio import Audio
from angen.errors import ModelError

if TYPE_CHECKING:
    import torch

RATE_HZ, SIZE, HOP, BANDS = 16_000, 512, 256, 96
PATCH_FRAMES = 187
MOST_PATCHES = 12
BATCH = 4
EPSILON = 1e-3
TAGS = 50
EMBEDDING = 200
NETWORKS = ("MTT_musicnn", "MSD_musicnn")


@dataclass(frozen=True, eq=False)
class Tagged:
    """What a network says of a recording: means over its patches.

    Args:
        tags: Probability of each tag, shape (50,).
        embedding: The layer before the tags, shape (200,).
    """

    tags: Float
    embedding: Float


def patches_of(audio: Audio, most: int = MOST_PATCHES) -> Float:
    """Log-mel patches spread evenly over a recording; a shorter one than 3 s is repeated to that length.

    Returns:
        Shape (patches, 187, 96), at most `most` patches.
    """
    signal = audio.mono().resampled(RATE_HZ).samples[0]
    length = (PATCH_FRAMES - 1) * HOP + SIZE
    if len(signal) < length:
        signal = np.tile(signal, -(-length // max(len(signal), 1)))[:length]
    count = max(1, min(most, len(signal) // (PATCH_FRAMES * HOP)))
    starts = np.linspace(0, len(signal) - length, count).astype(int)
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(SIZE) / SIZE)).astype(np.float32)
    mel = _mel_bands().T.copy()
    patches = []
    for start in starts:
        frames = np.lib.stride_tricks.sliding_window_view(signal[start : start + length], SIZE)[::HOP]
        power = np.abs(scipy.fft.rfft(frames * window, axis=1)) ** 2
        stored = (power @ mel).astype(np.float16).astype(np.float32)
        patches.append(np.log10(10_000 * stored + 1))
    return np.stack(patches).astype(np.float32)


def _mel_bands() -> Float:
    """96 triangles of unit area from 0 to 8 kHz, even on Slaney's mel scale; shape (96, 257)."""
    top = 15 + np.log(RATE_HZ / 2 / 1000) * 27 / np.log(6.4)
    mels = np.linspace(0, top, BANDS + 2)
    hz = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((mels - 15) * np.log(6.4) / 27))
    return (triangles(hz, SIZE, RATE_HZ) / ((hz[2:] - hz[:-2]) / 2)[:, None]).astype(np.float32)


class Network:
    """One of the two networks, in inference.

    Args:
        weights: By the names of the original checkpoint; kernels as TensorFlow keeps them.

    Raises:
        ModelError: If a tensor is missing or not of its shape.
    """

    def __init__(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        import torch

        self._weights = weights
        self._norms = [self._norm(number) for number in range(11)]
        self._timbral = [self._kernel(name) for name in ("conv2d", "conv2d_1")]
        self._temporal = [self._kernel(f"conv2d_{number}") for number in (2, 3, 4)]
        # The middle layers span all rows: a 7-frame convolution over channels.
        self._middle = [self._middle_kernel(f"conv2d_{number}") for number in (5, 6, 7)]
        self._dense = [
            (torch.tensor(self._of(f"{name}/kernel").T.copy()), torch.tensor(self._of(f"{name}/bias")))
            for name in ("dense", "dense_1")
        ]
        if self._dense[1][0].shape != (TAGS, EMBEDDING):
            raise ModelError("These are not the weights of a musicnn.", remedy="Fetch them again.")

    def __call__(self, patches: Float) -> Tagged:
        """Tags and embedding of a recording, of patches with the shape (patches, 187, 96)."""
        import torch

        tags, embeddings = [], []
        with torch.inference_mode():
            for first in range(0, len(patches), BATCH):
                one, other = self._forward(torch.from_numpy(patches[first : first + BATCH].copy()))
                tags.append(one.numpy())
                embeddings.append(other.numpy())
        return Tagged(np.concatenate(tags).mean(axis=0), np.concatenate(embeddings).mean(axis=0))

    def _forward(self, patches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        import torch
        from torch.nn.functional import conv1d, conv2d, linear, pad, relu

        x = self._normed(patches[:, None], 0)  # (batch, 1, frames, bands)
        front = []
        for number, (kernel, bias) in enumerate(self._timbral, start=1):
            y = self._normed(relu(conv2d(pad(x, (0, 0, 3, 3)), kernel, bias)), number)
            front.append(y.amax(dim=3))
        for number, (kernel, bias) in enumerate(self._temporal, start=3):
            before = (kernel.shape[2] - 1) // 2
            padded = pad(x, (0, 0, before, kernel.shape[2] - 1 - before))
            front.append(self._normed(relu(conv2d(padded, kernel, bias)), number).amax(dim=3))
        layers = [torch.cat(front, dim=1)]  # (batch, 561, frames)
        for number, (kernel, bias) in enumerate(self._middle, start=6):
            y = self._normed(relu(conv1d(layers[-1], kernel, bias, padding=3)), number)
            layers.append(y + layers[-1] if number > 6 else y)
        whole = torch.cat(layers, dim=1)  # (batch, 753, frames)
        pooled = torch.stack([whole.amax(dim=2), whole.mean(dim=2)], dim=2).flatten(1)
        (kernel, bias), (last, last_bias) = self._dense
        embedding = self._normed(relu(linear(self._normed(pooled, 9), kernel, bias)), 10)
        return linear(embedding, last, last_bias).sigmoid(), embedding

    def _normed(self, x: torch.Tensor, number: int) -> torch.Tensor:
        scale, shift = self._norms[number]
        shape = (1, -1) + (1,) * (x.ndim - 2)
        return x * scale.view(shape) + shift.view(shape)

    def _norm(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Scale and shift that a batch norm comes to in inference."""
        import torch

        name = f"batch_normalization_{number}" if number else "batch_normalization"
        parts = (self._of(f"{name}/{part}") for part in ("gamma", "beta", "moving_mean", "moving_variance"))
        gamma, beta, mean, variance = parts
        scale = gamma / np.sqrt(variance + EPSILON)
        return torch.tensor(scale), torch.tensor(beta - mean * scale)

    def _kernel(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        kernel = self._of(f"{name}/kernel").transpose(3, 2, 0, 1)
        return torch.tensor(kernel.copy()), torch.tensor(self._of(f"{name}/bias"))

    def _middle_kernel(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        kernel = self._of(f"{name}/kernel")[:, :, 0].transpose(2, 1, 0)  # (out, in, frames)
        return torch.tensor(kernel.copy()), torch.tensor(self._of(f"{name}/bias"))

    def _of(self, name: str) -> NDArray[np.float32]:
        for known in (name, f"model/{name}"):
            if known in self._weights:
                return np.asarray(self._weights[known])
        raise ModelError(f"The weights of musicnn lack {name!r}.", remedy="Fetch them again.")


MTT_VOICES = (13, 15, 18, 19, 20, 25, 26, 27, 33, 35, 36, 39, 40, 44, 45, 49)
"""Tags of MTT that say that someone sings: vocal, female, male, singing, vocals, ... choral, by number."""

MTT_NO_VOICES = (21, 28, 44)
MSD_MOODS = {
    10: "peaceful",
    12: "calm",
    17: "calm",
    22: "calm",
    34: "uplifting",
    47: "melancholic",
    49: "happy",
}
"""Tags of MSD that are moods, by number, and the word for them here."""

GENRE_TAGS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "classical": ((1, 4, 17, 22, 34, 43), ()),
    "jazz": ((), (9,)),
    "rock": ((7, 47), (0, 8, 11, 14, 16, 24, 27, 42, 43)),
    "electronic": ((3, 6, 14, 38, 41), (4, 6, 18, 41, 48)),
    "folk": ((), (20,)),
    "country": ((46,), (36,)),
    "hip-hop": ((), (33, 45)),
    "blues": ((), (26,)),
    "funk": ((), (15, 40)),
    "ambient": ((10, 37), (28,)),
    "pop": ((29,), (1,)),
}
"""Tags that speak for a genre, by number: of MTT, and of MSD. The strongest of them counts."""

CLEAR_GENRE = 0.4
_VOICE, _NO_VOICE, _CLEAR_MOOD = 0.25, 0.06, 0.15


def embedding_of(
    audio: Audio, networks: Sequence[Network], *, most: int = MOST_PATCHES
) -> tuple[Float, list[Tagged]]:
    """What both networks make of a recording.

    Returns:
        Both embeddings and both sets of tags in one vector, shape (500,), and each apart.
    """
    patches = patches_of(audio, most)
    heard = [network(patches) for network in networks]
    parts = [*(each.embedding for each in heard), *(each.tags for each in heard)]
    return np.concatenate(parts), heard


def vocals_of(tags: Float) -> tuple[str | None, float]:
    """Whether someone sings, from the tags of MTT, shape (50,): "vocal", "instrumental" or None; and how sure it is."""
    voice = float(np.max(tags[[i for i in MTT_VOICES if i not in MTT_NO_VOICES]]))
    if voice >= _VOICE:
        return "vocal", min(1.0, 0.5 + voice / 2)
    if voice <= _NO_VOICE:
        return "instrumental", 1.0 - voice / (2 * _NO_VOICE)
    return None, 0.5


def tagged_mood(tags: Float) -> tuple[str | None, float]:
    """A mood from the tags of MSD, shape (50,), and its probability; None where no mood is clear."""
    best = max(MSD_MOODS, key=lambda number: float(tags[number]))
    sure = float(tags[best])
    return (MSD_MOODS[best] if sure >= _CLEAR_MOOD else None), sure


def tagged_genre(mtt: Float, msd: Float) -> tuple[str | None, float]:
    """The genre whose tags are strongest in both sets of tags, each of shape (50,), and their probability.

    None where none is clear. It needs no training on our part, and carried over to music of other kinds better
    than a network fitted on embeddings did (`docs/analysis.md`).
    """
    strength = {
        genre: max([*(float(mtt[i]) for i in ours), *(float(msd[i]) for i in theirs)])
        for genre, (ours, theirs) in GENRE_TAGS.items()
    }
    best = max(strength, key=lambda genre: strength[genre])
    return (best if strength[best] >= CLEAR_GENRE else None), strength[best]

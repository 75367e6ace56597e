"""Memory of a training step on a GPU, counted operation by operation from the sizes of the network.

Weights in bfloat16, adapters and their AdamW state in float32, mixed precision, fused attention under a mask. What
autograd keeps follows from the formulas of the blocks; a test compares the count with what PyTorch keeps of the same
operations on a processor. The allowances for the CUDA context and for what its allocator cannot use are assumptions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

CONTEXT_BYTES = 600 * 2**20  # of the CUDA runtime and its libraries, assumed
USABLE = 0.92  # of the rest, that the allocator can put to use, assumed
HALF, FULL = 2, 4  # bytes of bfloat16 and float32
GPUS_GB = (8, 12, 16, 24)


@dataclass(frozen=True)
class NetworkSize:
    """Sizes of a transformer.

    Attributes:
        dim: Width.
        depth: Blocks.
        heads: Of attention.
        hidden: Width of the feed-forward layer.
        channels: Of a latent frame.
        weights: Values in all, the heads of pre-training left out.
        block_frames: Latent frames a block.
        latent_rate_hz: Latent frames a second.
    """

    dim: int
    depth: int
    heads: int
    hidden: int
    channels: int
    weights: int
    block_frames: int
    latent_rate_hz: float

    def adapter(self, rank: int) -> int:
        """Values of an adapter of this rank on all seven layers of every block."""
        return self.depth * rank * (4 * 2 * self.dim + 3 * (self.dim + self.hidden))


@dataclass(frozen=True)
class StepSize:
    """A training step.

    Attributes:
        words: Text ids.
        frames: Latent frames of the crop.
        noisy_frames: Of those that are learnt from.
        rank: Of the adapter.
        has_dropout: Whether LoRA dropout is on.
        is_recomputed: Gradient checkpointing.
        batch: Crops at once.
    """

    words: int
    frames: int
    noisy_frames: int
    rank: int = 16
    has_dropout: bool = True
    is_recomputed: bool = False
    batch: int = 1

    @property
    def length(self) -> int:
        """Tokens of a crop."""
        return self.words + self.frames + self.noisy_frames


@dataclass(frozen=True)
class GpuMemory:
    """Bytes of a step on a GPU.

    Attributes:
        weights: Of the frozen network.
        adapter: Its weights, gradients and two moments.
        kept: For the backward pass.
        passing: Of one layer on their way.
        context: Of the CUDA runtime.
    """

    weights: int
    adapter: int
    kept: int
    passing: int
    context: int = CONTEXT_BYTES

    @property
    def total(self) -> int:
        """What the device must have."""
        used = self.weights + self.adapter + self.kept + self.passing
        return int(used / USABLE) + self.context


def kept_of_block(size: NetworkSize, step: StepSize) -> int:
    """Bytes a block keeps for its backward pass.

    Norms keep their input and one number a row; rotary turns their tables; attention queries, keys, values, its
    output, a sum a head and row, and its mask as numbers; the gate its input, its output and its partner; each
    adapter layer a copy of its input, and what lies between its two matrices.
    """
    tokens, dim, hidden = step.batch * step.length, size.dim, size.hidden
    norms = 2 * (HALF * dim + FULL) + 2 * (HALF * dim + FULL * size.heads)
    tables = 4 * HALF * dim // size.heads
    attention = 4 * HALF * dim + FULL * size.heads
    gate = 3 * HALF * hidden
    inputs = 6 * dim + hidden
    adapters = HALF * inputs + 7 * HALF * step.rank + (inputs if step.has_dropout else 0)
    mask = HALF * step.batch * step.length**2
    return tokens * (norms + tables + attention + gate + adapters) + mask


def step_memory(size: NetworkSize, step: StepSize) -> GpuMemory:
    """What a step takes."""
    tokens = step.batch * step.length
    block = kept_of_block(size, step)
    kept = size.depth * block
    if step.is_recomputed:
        kept = size.depth * tokens * HALF * size.dim + block
    end = tokens * (FULL + HALF) * size.dim + step.batch * step.noisy_frames * 3 * FULL * size.channels
    passing = tokens * (2 * FULL + 4 * HALF) * size.hidden
    adapter = 4 * FULL * size.adapter(step.rank)
    mask = step.batch * step.length**2
    return GpuMemory(HALF * size.weights, adapter, kept + end + mask, passing)


@dataclass(frozen=True)
class Fit:
    """The longest crop that fits.

    Attributes:
        gpu_gb: Of the device.
        is_recomputed: Gradient checkpointing.
        noisy_blocks: Blocks learnt from; None for all.
        crop_s: Seconds of the longest crop, at most `longest_s`; 0 where none fits.
        bytes: What it takes.
    """

    gpu_gb: int
    is_recomputed: bool
    noisy_blocks: int | None
    crop_s: float
    bytes: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def fits(
    size: NetworkSize,
    *,
    rank: int = 16,
    words: int = 200,
    longest_s: float = 210.0,
    noisy_blocks: Sequence[int | None] = (None, 8),
    gpus_gb: Sequence[int] = GPUS_GB,
) -> list[Fit]:
    """The longest crop, batch 1, that fits each device with each setting of the two memory dials."""
    found = []
    blocks = max(1, int(longest_s * size.latent_rate_hz) // size.block_frames)
    for gpu_gb in gpus_gb:
        for is_recomputed in (False, True):
            for noisy in noisy_blocks:
                found.append(_longest(size, gpu_gb, is_recomputed, noisy, blocks, rank, words))
    return found


def _longest(
    size: NetworkSize, gpu_gb: int, is_recomputed: bool, noisy: int | None, blocks: int, rank: int, words: int
) -> Fit:
    def takes(count: int) -> int:
        frames = count * size.block_frames
        learnt = min(count, noisy or count) * size.block_frames
        step = StepSize(words, frames, learnt, rank, is_recomputed=is_recomputed)
        return step_memory(size, step).total

    best = max((count for count in range(1, blocks + 1) if takes(count) <= gpu_gb * 1e9), default=0)
    seconds = best * size.block_frames / size.latent_rate_hz
    return Fit(gpu_gb, is_recomputed, noisy, seconds, takes(max(1, best)))

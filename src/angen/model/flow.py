"""Flow matching: the straight path from noise to music, and the loss along it.

Time 0 is noise, time 1 is music; velocity = clean − noise (DiffRhythm's direction).

Source: Liu et al. 2022, "Flow Straight and Fast" (arXiv:2209.03003); Lipman et al. 2022 (arXiv:2210.02747).
"""

from __future__ import annotations

import torch
from torch import Tensor

from angen.errors import ModelError


def mix(clean: Tensor, noise: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """Place each frame on the straight path from noise to music.

    Args:
        clean: Encoded music, shape (batch, frames, channels).
        noise: Standard normal draw, same shape as `clean`.
        time: Position of each frame on the path in [0, 1], shape (batch, frames); 0 is noise, 1 is clean.

    Returns:
        The noisy latent and the velocity a model should predict there, both (batch, frames, channels).
        The velocity is constant along the path.

    Raises:
        ModelError: If the shapes do not agree.

    Source:
        Liu et al. 2022, "Flow Straight and Fast" (arXiv:2209.03003), eq. 1.

    Example:
        >>> import torch
        >>> clean, noise = torch.zeros(1, 2, 1), torch.ones(1, 2, 1)
        >>> noisy, velocity = mix(clean, noise, time=torch.tensor([[0.25, 0.75]]))
        >>> noisy.flatten().tolist(), velocity.flatten().tolist()
        ([0.75, 0.25], [-1.0, -1.0])
    """
    if noise.shape != clean.shape or time.shape != clean.shape[:2]:
        raise ModelError(
            f"clean {tuple(clean.shape)}, noise {tuple(noise.shape)} and time {tuple(time.shape)} must be "
            "(batch, frames, channels) twice and (batch, frames)."
        )
    share = time.unsqueeze(-1)
    return (1 - share) * noise + share * clean, clean - noise


def masked_loss(predicted: Tensor, velocity: Tensor, valid: Tensor) -> Tensor:
    """Mean squared velocity error of each item over its valid frames.

    Args:
        predicted: Velocities (batch, frames, channels), any float dtype.
        velocity: What they should be.
        valid: True where a frame is music and not padding, (batch, frames); at least one a row.

    Returns:
        One loss an item, float32 (batch,). Padding has no weight in it, and no gradient.
    """
    error = torch.where(valid.unsqueeze(-1), predicted.float() - velocity.float(), 0.0)  # before the square:
    return error.square().mean(-1).sum(1) / valid.sum(1)  # so that NaN in padding has no gradient either


def frames_of_blocks(blocks: Tensor, block_frames: int) -> Tensor:
    """Frames (B, m * block_frames) of block numbers (B, m).

    Example:
        >>> frames_of_blocks(torch.tensor([[0, 2]]), 2).tolist()
        [[0, 1, 4, 5]]
    """
    inside = torch.arange(block_frames, device=blocks.device)
    return (blocks.unsqueeze(-1) * block_frames + inside).flatten(1)


def kept_loss(
    predicted: Tensor, velocity: Tensor, valid: Tensor, kept: Tensor | None, block_frames: int
) -> Tensor:
    """`masked_loss` where only some noisy blocks were computed: weighed so that its mean over draws is that of all.

    Args:
        predicted: Velocities of the kept blocks (batch, kept frames, channels).
        velocity: What all frames should be (batch, frames, channels).
        valid: True where a frame is music, (batch, frames).
        kept: Which blocks were computed (batch, m), at least one of them with music in each row; None for all.
        block_frames: Frames a block.

    Returns:
        One loss an item, float32 (batch,).
    """
    if kept is None:
        return masked_loss(predicted, velocity, valid)
    frames = frames_of_blocks(kept, block_frames)
    seen = valid.gather(1, frames)
    wanted = velocity.gather(1, frames.unsqueeze(-1).expand(-1, -1, velocity.shape[2]))
    summed = masked_loss(predicted, wanted, seen) * seen.sum(1)
    blocks, own = (part.reshape(len(part), -1, block_frames).any(2).sum(1) for part in (valid, seen))
    loss: Tensor = summed * blocks / (own * valid.sum(1))
    return loss


def draw_times(
    batch: int, blocks: int, generator: torch.Generator, *, distribution: str = "uniform", shift: float = 0.0
) -> Tensor:
    """One time for each block of each item, in [0, 1), shape (batch, blocks).

    Args:
        batch: Number of items.
        blocks: Blocks an item.
        generator: Source of the draw.
        distribution: `uniform`, or `logit-normal`: sigmoid of a normal draw with mean `shift`.
        shift: Positive moves logit-normal times towards music.
    """
    if distribution == "uniform":
        return torch.rand(batch, blocks, generator=generator)
    if distribution == "logit-normal":
        return torch.sigmoid(torch.randn(batch, blocks, generator=generator) + shift)
    raise ModelError(f"Time distribution {distribution!r} is not known; use uniform or logit-normal.")

"""The training layout: text | clean | noisy in one pass, every block learning at once.

A noisy block sees the text, the clean blocks before it and itself; a clean block sees the text and the clean
blocks up to itself; text sees text. So one pass gives what the cached sampler gives block by block.

Source: "DiffRhythm 2" (arXiv:2510.22950), block flow matching.
"""

from __future__ import annotations

import torch
from torch import Tensor

from angen.model.dit import DiT

TEXT_TIME = -1.0
CLEAN_TIME = 1.0


def block_mask(text_valid: Tensor, frame_valid: Tensor, block_frames: int) -> Tensor:
    """Who may attend to whom.

    Args:
        text_valid: True for text, False for padding, (B, L).
        frame_valid: True for music, False for padding, (B, F).
        block_frames: Frames a block.

    Returns:
        (B, 1, L + 2F, L + 2F), True where the row may see the column. Padding is seen by nobody; rows of
        padding see what their place allows, so that no row is empty.
    """
    device = frame_valid.device
    count, frames = text_valid.shape[1], frame_valid.shape[1]
    block = torch.arange(frames, device=device) // block_frames
    size = count + 2 * frames
    allowed = torch.zeros(size, size, dtype=torch.bool, device=device)
    clean, noisy = slice(count, count + frames), slice(count + frames, size)
    allowed[:, :count] = True
    allowed[clean, clean] = block[:, None] >= block[None, :]
    allowed[noisy, clean] = block[:, None] > block[None, :]
    allowed[noisy, noisy] = block[:, None] == block[None, :]
    seen = torch.cat([text_valid, frame_valid, frame_valid], dim=1)
    mask = allowed[None] & seen[:, None, :]
    mask |= torch.eye(size, dtype=torch.bool, device=device) & ~seen[:, :, None]  # padding sees itself
    return mask.unsqueeze(1)


def training_forward(
    network: DiT,
    *,
    text_ids: Tensor,
    text_valid: Tensor,
    clean: Tensor,
    noisy: Tensor,
    times: Tensor,
    style: Tensor,
    frame_valid: Tensor,
    block_frames: int,
    beats: Tensor | None = None,
    first_frame: Tensor | None = None,
) -> Tensor:
    """Velocities of all noisy frames in one pass.

    Args:
        network: The transformer.
        text_ids: (B, L), 0 where `text_valid` is False.
        text_valid: (B, L).
        clean: What the past is: latents (B, F, C).
        noisy: Latents on the way, (B, F, C).
        times: Flow time of each noisy frame (B, F).
        style: Style vectors (B, 512).
        frame_valid: (B, F).
        block_frames: Frames a block.
        beats: Beat features (B, F, beat_dim), or None.
        first_frame: Rotary position of each item's first frame (B,); zeros if None.

    Returns:
        (B, F, C).
    """
    batch, frames = clean.shape[:2]
    count = text_ids.shape[1]
    tokens = torch.cat(
        [
            network.embed_text(text_ids),
            network.embed_latents(clean, beats),
            network.embed_latents(noisy, beats),
        ],
        dim=1,
    )
    all_times = torch.cat(
        [times.new_full((batch, count), TEXT_TIME), times.new_full((batch, frames), CLEAN_TIME), times], dim=1
    )
    place = torch.arange(frames, device=clean.device).expand(batch, frames)
    if first_frame is not None:
        place = place + first_frame[:, None]
    words = torch.arange(count, device=clean.device).expand(batch, count)
    positions = torch.cat([words, place, place], dim=1)
    mask = block_mask(text_valid, frame_valid, block_frames)
    velocity, _ = network(tokens, style, all_times, positions, mask)
    return velocity[:, count + frames :]  # type: ignore[no-any-return]

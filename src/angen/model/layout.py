"""The training layout: text | clean | noisy in one pass, every block learning at once.

A noisy block sees the text, the clean blocks before it and itself; a clean block sees the text and the clean
blocks up to itself; text sees text. So one pass gives what the cached sampler gives block by block.

Source: "DiffRhythm 2" (arXiv:2510.22950), block flow matching.
"""

from __future__ import annotations

import torch
from torch import Tensor

from angen.model.dit import DiT
from angen.model.flow import frames_of_blocks

TEXT_TIME = -1.0
CLEAN_TIME = 1.0


def block_mask(
    text_valid: Tensor, frame_valid: Tensor, block_frames: int, kept: Tensor | None = None
) -> Tensor:
    """Who may attend to whom.

    Args:
        text_valid: True for text, False for padding, (B, L).
        frame_valid: True for music, False for padding, (B, F).
        block_frames: Frames a block.
        kept: Numbers of the noisy blocks that are there (B, m); None for all.

    Returns:
        (B, 1, L + F + N, L + F + N) for N noisy frames, True where the row may see the column.
        Padding is seen by nobody; rows of padding see what their place allows, so that no row is empty.
    """
    device = frame_valid.device
    count, frames = text_valid.shape[1], frame_valid.shape[1]
    block = (torch.arange(frames, device=device) // block_frames)[None]
    noisy_block, noisy_valid = block, frame_valid
    if kept is not None:
        noisy_block = kept.repeat_interleave(block_frames, dim=1)
        noisy_valid = frame_valid.gather(1, frames_of_blocks(kept, block_frames))
    size = count + frames + noisy_block.shape[1]
    allowed = torch.zeros(len(noisy_block), size, size, dtype=torch.bool, device=device)
    clean, noisy = slice(count, count + frames), slice(count + frames, size)
    allowed[:, :, :count] = True
    allowed[:, clean, clean] = block[:, :, None] >= block[:, None, :]
    allowed[:, noisy, clean] = noisy_block[:, :, None] > block[:, None, :]
    allowed[:, noisy, noisy] = noisy_block[:, :, None] == noisy_block[:, None, :]
    seen = torch.cat([text_valid, frame_valid, noisy_valid], dim=1)
    mask = allowed & seen[:, None, :]
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
    kept: Tensor | None = None,
) -> Tensor:
    """Velocities of noisy frames in one pass.

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
        kept: Numbers of the noisy blocks to compute (B, m); None for all. Noisy blocks do not see one another, so
            what is left out changes nothing for the others.

    Returns:
        (B, F, C), or (B, m * block_frames, C).
    """
    batch, frames = clean.shape[:2]
    count = text_ids.shape[1]
    place = torch.arange(frames, device=clean.device).expand(batch, frames)
    if first_frame is not None:
        place = place + first_frame[:, None]
    noisy_beats, noisy_place = beats, place
    if kept is not None:
        chosen = frames_of_blocks(kept, block_frames)
        noisy = _taken(noisy, chosen)
        noisy_beats = None if beats is None else _taken(beats, chosen)
        times, noisy_place = times.gather(1, chosen), place.gather(1, chosen)
    tokens = torch.cat(
        [
            network.embed_text(text_ids),
            network.embed_latents(clean, beats),
            network.embed_latents(noisy, noisy_beats),
        ],
        dim=1,
    )
    all_times = torch.cat(
        [times.new_full((batch, count), TEXT_TIME), times.new_full((batch, frames), CLEAN_TIME), times], dim=1
    )
    words = torch.arange(count, device=clean.device).expand(batch, count)
    positions = torch.cat([words, place, noisy_place], dim=1)
    mask = block_mask(text_valid, frame_valid, block_frames, kept)
    velocity, _ = network(tokens, style, all_times, positions, mask)
    return velocity[:, count + frames :]  # type: ignore[no-any-return]


def _taken(rows: Tensor, frames: Tensor) -> Tensor:
    """Some frames (B, n) of rows (B, F, C)."""
    return rows.gather(1, frames.unsqueeze(-1).expand(-1, -1, rows.shape[2]))

"""Generation block by block: Euler steps along the flow, with keys and values of the past kept.

Both guidance branches run as one batch of twice the size. Items of a batch are independent songs.

Source: "DiffRhythm 2" (arXiv:2510.22950); guidance as in Ho & Salimans 2022 (arXiv:2207.12598), within an
interval as in Kynkäänniemi et al. 2024 (arXiv:2404.07724), rescaled as in Lin et al. 2023 (arXiv:2305.08891), here in
the music that a velocity leads to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from angen.errors import GenerationError
from angen.model.dit import DiT, LayerCache
from angen.model.layout import CLEAN_TIME, TEXT_TIME

END_TOLERANCE = 0.05


@dataclass(frozen=True)
class SamplerSettings:
    """How a song is drawn.

    Args:
        steps: Euler steps a block, at least 1. The reference program's `steps` counts grid points, one more.
        guidance_strength: g in v = v_c + g (v_c − v_n); 0 is no guidance, 2 what others call scale 3.
        guidance_interval: Flow times from which to which steps are guided, the last excluded; 0 is noise, 1 music.
        guidance_rescale: How far, 0 to 1, guided music is brought back to the deviation of unguided music.
        history_blocks: Past blocks a block may see; 0 for all of them.
        noise_scale: Standard deviation of the starting noise; 1 is the model's own.
        stop_at_end: End a song where the model writes end-of-song frames (all values one).
        keep_last_frame: Keep the last real frame before the end, which the reference drops.
    """

    steps: int = 16
    guidance_strength: float = 2.0
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    guidance_rescale: float = 0.0
    history_blocks: int = 0
    noise_scale: float = 1.0
    stop_at_end: bool = False
    keep_last_frame: bool = True

    def __post_init__(self) -> None:
        """Check the values."""
        low, high = self.guidance_interval
        is_wrong = (
            self.steps < 1 or self.guidance_strength < 0 or self.history_blocks < 0 or self.noise_scale <= 0
        )
        if is_wrong or not 0 <= low < high <= 1 or not 0 <= self.guidance_rescale <= 1:
            raise GenerationError(
                f"Sampler settings out of range: {self}. Expected steps of 1 or more, guidance and history of "
                "0 or more, an interval that rises within 0 to 1, a rescaling of 0 to 1, noise above 0."
            )


class _Past:
    """Keys and values of the text and of the blocks kept, for every layer. Without a limit nothing is kept twice."""

    def __init__(self, text: list[LayerCache] | None, limit: int) -> None:
        self.text = text
        self.blocks: list[list[LayerCache]] = []
        self.limit = limit
        self.joined: list[LayerCache] | None = text

    def push(self, block: list[LayerCache]) -> None:
        if self.limit:
            self.blocks = [*self.blocks, block][-self.limit :]
            parts = ([self.text] if self.text is not None else []) + self.blocks
        else:
            parts = ([self.joined] if self.joined is not None else []) + [block]
        self.joined = [
            (
                torch.cat([part[i][0] for part in parts], dim=2),
                torch.cat([part[i][1] for part in parts], dim=2),
            )
            for i in range(len(block))
        ]


class _Branches:
    """The guided and the unguided branch as one batch, and what both remember.

    Rows 0..B-1 have the prompt; with guidance rows B..2B-1 have the null condition.
    """

    def __init__(
        self,
        network: DiT,
        text_ids: Tensor,
        text_valid: Tensor,
        style: Tensor,
        beats: Tensor | None,
        null_beats: Tensor | None,
        settings: SamplerSettings,
    ) -> None:
        self.network = network
        self.strength, self.interval = settings.guidance_strength, settings.guidance_interval
        self.rescale = settings.guidance_rescale
        self.copies = 2 if self.strength >= 1e-5 else 1
        if self.copies == 2:
            text_ids = torch.cat([text_ids, torch.zeros_like(text_ids)])
            text_valid = torch.cat([text_valid, text_valid])
            style = torch.cat([style, torch.zeros_like(style)])
            beats = None if beats is None else torch.cat([beats, beats if null_beats is None else null_beats])
        self.style, self.beats = style, beats
        self.padding = None if bool(text_valid.all()) else text_valid
        self.past = _Past(_text_pass(network, text_ids, text_valid, style), settings.history_blocks)

    def guides_at(self, time: float) -> bool:
        """Whether the step that begins at a flow time is guided."""
        return self.copies == 2 and self.interval[0] <= time < self.interval[1]

    def velocity(
        self, latents: Tensor, time: float, first_frame: int, on_branches: Callable[[Tensor], None]
    ) -> Tensor:
        """Where one block (B, block, C) goes from here: v_c + g (v_c - v_n), or v_c where a step is not guided."""
        copies = 2 if self.guides_at(time) else 1
        branches, _ = self.run(latents, time, first_frame, copies)
        on_branches(branches)
        if copies == 1:
            return branches
        prompted, null = branches.chunk(2)
        guided = prompted + self.strength * (prompted - null)
        return self._rescaled(guided, prompted, latents, time) if self.rescale else guided

    def _rescaled(self, guided: Tensor, prompted: Tensor, latents: Tensor, time: float) -> Tensor:
        """Guidance makes music louder and denser than it means to: bring back its spread, not its direction."""
        left = 1 - time
        music, plain = latents + left * guided, latents + left * prompted
        spread, wanted = (x.std(dim=(1, 2), keepdim=True) for x in (music, plain))
        gain = 1 + self.rescale * (wanted / spread.clamp(min=1e-6) - 1)
        return (gain * music - latents) / left

    def remember(self, latents: Tensor, first_frame: int) -> None:
        """Keep a finished block for those that follow."""
        self.past.push(self.run(latents, CLEAN_TIME, first_frame, self.copies)[1])

    def run(
        self, latents: Tensor, time: float, first_frame: int, copies: int
    ) -> tuple[Tensor, list[LayerCache]]:
        """Velocities of one block in the prompted branch, or in both, and its keys and values."""
        rows, count, device = copies * len(latents), latents.shape[1], latents.device
        span = slice(first_frame, first_frame + count)
        beats = None if self.beats is None else self.beats[:rows, span]
        tokens = self.network.embed_latents(latents.repeat(copies, 1, 1), beats)
        times = torch.full(tokens.shape[:2], time, device=device)
        positions = torch.arange(span.start, span.stop, device=device)
        mask, past = self._mask(count, rows), self.past.joined
        if past is not None:
            past = [(keys[:rows], values[:rows]) for keys, values in past]
        return self.network(tokens, self.style[:rows], times, positions, mask, past)  # type: ignore[no-any-return]

    def _mask(self, count: int, rows: int) -> Tensor | None:
        """Hides padding of the text; None where there is none."""
        if self.padding is None or self.past.joined is None:
            return None
        words = self.padding.shape[1]
        others = self.past.joined[0][0].shape[2] - words + count
        padding = self.padding[:rows]
        return torch.cat([padding, padding.new_ones(rows, others)], dim=1)[:, None, None, :]


@torch.inference_mode()
def sample_blocks(
    network: DiT,
    *,
    text_ids: Tensor,
    text_valid: Tensor,
    style: Tensor,
    frames: int,
    block_frames: int,
    settings: SamplerSettings,
    noise: Callable[[int], Tensor],
    beats: Tensor | None = None,
    null_beats: Tensor | None = None,
    time_grid: Tensor | None = None,
    on_step: Callable[[int, int], None] = lambda done, total: None,
    on_velocity: Callable[[int, int, Tensor], None] = lambda block, step, velocity: None,
) -> list[Tensor]:
    """Draw songs.

    Args:
        network: The transformer.
        text_ids: (B, L); L may be 0.
        text_valid: False for padding, (B, L).
        style: (B, 512).
        frames: Length wanted; whole blocks are drawn, then cut to it.
        block_frames: Frames a block.
        settings: How to draw.
        noise: Gives the standard normal start of block b, (B, block_frames, C).
        beats: Beat features for every frame drawn (B, blocks * block_frames, beat_dim), or None.
        null_beats: The same for the null branch, which guidance leads away from; None for `beats`.
        time_grid: Flow times of the steps, rising from 0 to 1, `steps` + 1 of them; uniform if None.
        on_step: Called after every step with steps done and in all; may raise to cancel.
        on_velocity: Called with block, step and the velocities of both branches (2B, block, C), of the prompted one
            alone where a step is not guided (B, block, C).

    Returns:
        One tensor (frames, C) an item; shorter where the song ended by itself.
    """
    blocks = -(-frames // block_frames)
    grid = (torch.linspace(0, 1, settings.steps + 1) if time_grid is None else time_grid).tolist()
    branches = _Branches(network, text_ids, text_valid, style, beats, null_beats, settings)
    drawn: list[Tensor] = []
    ended = torch.zeros(len(style), dtype=torch.bool)
    for block in range(blocks):
        x = noise(block).to(style) * settings.noise_scale
        for step, (now, then) in enumerate(pairwise(grid)):
            tell = partial(on_velocity, block, step)
            x = x + (then - now) * branches.velocity(x, now, block * block_frames, tell)
            on_step(block * (len(grid) - 1) + step + 1, blocks * (len(grid) - 1))
        drawn.append(x)
        ended |= _is_end(x[:, -1]).cpu()
        if block == blocks - 1 or (settings.stop_at_end and bool(ended.all())):
            break
        branches.remember(x, block * block_frames)
    songs = torch.cat(drawn, dim=1)
    if settings.stop_at_end:
        return [_cut_end(song, block_frames, settings.keep_last_frame)[:frames] for song in songs]
    return list(songs[:, :frames])


def _text_pass(network: DiT, text_ids: Tensor, text_valid: Tensor, style: Tensor) -> list[LayerCache] | None:
    count = text_ids.shape[1]
    if count == 0:
        return None
    times = torch.full(text_ids.shape, TEXT_TIME, device=style.device)
    positions = torch.arange(count, device=style.device)
    mask = None if bool(text_valid.all()) else text_valid[:, None, None, :]
    _, pairs = network(network.embed_text(text_ids), style, times, positions, mask)
    return pairs  # type: ignore[no-any-return]


def _is_end(frames: Tensor) -> Tensor:
    """True where a frame (..., C) is an end-of-song frame."""
    return (frames.float() - 1).square().mean(-1) <= END_TOLERANCE


def _cut_end(song: Tensor, block_frames: int, keep_last_frame: bool) -> Tensor:
    """Cut a song (frames, C) where its first block ending in end-of-song frames begins to end.

    With `keep_last_frame` False the last real frame is dropped too, as the reference does.
    """
    is_end = _is_end(song).tolist()
    for last in range(block_frames - 1, len(is_end), block_frames):
        if not is_end[last]:
            continue
        frame = last
        while frame > 0 and is_end[frame]:
            frame -= 1
        keep_this = keep_last_frame and not is_end[frame]
        return song[: frame + 1] if keep_this else song[:frame]
    return song

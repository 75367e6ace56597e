"""DiffRhythm 2's diffusion transformer: Llama blocks over text, clean and noisy latent frames.

Attribute names are those of the released checkpoint, so that its state dict and adapters made for it load as
they are. The network knows nothing of songs: a caller lays tokens out, gives each its time and position, and
says who may attend to whom (`layout.py` for training, `sampler.py` for generation).

`beat_dim` adds one zero-initialised linear map of per-frame beat features, which the released model does not
have; at 0 it is absent and the architecture is DiffRhythm 2's.

Source: "DiffRhythm 2" (arXiv:2510.22950) and its public configuration; RMSNorm, rotary positions and SwiGLU
as in Llama (arXiv:2302.13971).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from angen.model.gradients import attend, norm, turn

WIDTH = 512  # of text, style and time embeddings; a constant of the architecture
FREQUENCIES = 128
ROTARY_BASE = 10_000.0
EPS = 1e-6

LayerCache = tuple[Tensor, Tensor]


class RMSNorm(nn.Module):
    """Root-mean-square normalisation over the last axis, statistics in float32.

    Args:
        dim: Size of the last axis.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `x`, shape (..., dim)."""
        return norm(x, self.weight, EPS)


class TimeEmbedding(nn.Module):
    """One vector per position from its flow time: -1 text, [0, 1) noisy, 1 clean."""

    def __init__(self) -> None:
        super().__init__()
        self.time_mlp = nn.Sequential(nn.Linear(2 * FREQUENCIES, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH))
        self.rounds_as_half = False  # 1000 t as the reference forms it on a GPU

    @staticmethod
    def sinusoid(times: Tensor, *, rounds_as_half: bool = False) -> Tensor:
        """Sines, then cosines, of 1000 t: (..., 256) float32 for `times` of shape (...)."""
        exponents = -math.log(10_000.0) / (FREQUENCIES - 1) * torch.arange(FREQUENCIES, dtype=torch.float32)
        # Rounded once: a processor's own float32 exp is an ulp off, which 1000 t makes 6e-5 in the sine.
        frequencies = exponents.double().exp().float().to(times.device)
        scaled = 1000.0 * times.half() if rounds_as_half else 1000.0 * times.float()
        angles = scaled.float().unsqueeze(-1) * frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=-1)

    def forward(self, times: Tensor) -> Tensor:
        """Embed `times`, any shape, as (..., 512) in the dtype of the weights."""
        dtype = next(self.time_mlp.parameters()).dtype
        waves = self.sinusoid(times, rounds_as_half=self.rounds_as_half)
        return self.time_mlp(waves.to(dtype))  # type: ignore[no-any-return]


class TextEmbedding(nn.Module):
    """A table of token vectors; row 0 is the filler and the null condition."""

    def __init__(self, text_num_embeds: int) -> None:
        super().__init__()
        self.text_embed = nn.Embedding(text_num_embeds + 1, WIDTH)

    def forward(self, ids: Tensor) -> Tensor:
        """Vectors (B, L, 512) of `ids` (B, L)."""
        return self.text_embed(ids)  # type: ignore[no-any-return]


class InputEmbedding(nn.Module):
    """Join a token with its style and time, and widen it to the transformer's width."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Linear(WIDTH, WIDTH)
        self.proj_2 = nn.Linear(WIDTH, dim)

    def forward(self, x: Tensor, style: Tensor, time: Tensor) -> Tensor:
        """(B, n, dim) of tokens (B, n, 512), style (B, 512) and embedded times (B, n, 512)."""
        return self.proj_2(self.proj(x + style.unsqueeze(1) + time) + x)  # type: ignore[no-any-return]


def rotary_table(positions: Tensor, head_dim: int, *, rounds_as_half: bool = False) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary angles, float32.

    Args:
        positions: Integers, shape (n,) or (B, n).
        head_dim: Width of a head, even.
        rounds_as_half: Round the frequencies to float16, as the reference does on a GPU.

    Returns:
        Two tensors (1 or B, 1, n, head_dim).
    """
    steps = torch.arange(0, head_dim, 2, device=positions.device, dtype=torch.float32)
    frequencies = 1.0 / ROTARY_BASE ** (steps / head_dim)  # rounds as Llama's
    if rounds_as_half:
        frequencies = frequencies.half().float()
    angles = positions.float().unsqueeze(-1) * frequencies
    angles = torch.cat([angles, angles], dim=-1)
    if angles.dim() == 2:
        angles = angles.unsqueeze(0)
    return angles.cos().unsqueeze(1), angles.sin().unsqueeze(1)


def rotate(x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """Turn heads (B, H, n, d) by the angles of `table`, halves layout as in Llama."""
    cos, sin = (part.to(x.dtype) for part in table)
    return turn(x, cos, sin)


class Attention(nn.Module):
    """Full-width heads, RMSNorm on queries and keys before the rotary turn, no biases."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(dim, dim, bias=False)
        self.k_proj = nn.Linear(dim, dim, bias=False)
        self.v_proj = nn.Linear(dim, dim, bias=False)
        self.o_proj = nn.Linear(dim, dim, bias=False)
        self.q_norm = RMSNorm(dim // heads)
        self.k_norm = RMSNorm(dim // heads)

    def forward(
        self, x: Tensor, table: tuple[Tensor, Tensor], mask: Tensor | None, past: LayerCache | None
    ) -> tuple[Tensor, LayerCache]:
        """Attend from `x` (B, n, dim) to `past` and itself.

        Returns:
            The update (B, n, dim), and keys and values (B, H, n, d) of `x` alone, for a cache.
        """
        batch, count, dim = x.shape

        def split(y: Tensor) -> Tensor:
            return y.view(batch, count, self.heads, dim // self.heads).transpose(1, 2)

        query = rotate(self.q_norm(split(self.q_proj(x))), table)
        key = rotate(self.k_norm(split(self.k_proj(x))), table)
        value = split(self.v_proj(x))
        keys, values = key, value
        if past is not None:
            keys, values = torch.cat([past[0], key], dim=2), torch.cat([past[1], value], dim=2)
        out = attend(query, keys, values, mask)
        return self.o_proj(out.transpose(1, 2).reshape(batch, count, dim)), (key, value)


class MLP(nn.Module):
    """SwiGLU without biases."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(dim, hidden, bias=False)
        self.up_proj = nn.Linear(dim, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., dim) to (..., dim)."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))  # type: ignore[no-any-return]


class Block(nn.Module):
    """One pre-norm transformer block."""

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.self_attn = Attention(dim, heads)
        self.mlp = MLP(dim, hidden)
        self.input_layernorm = RMSNorm(dim)
        self.post_attention_layernorm = RMSNorm(dim)

    def forward(
        self, x: Tensor, table: tuple[Tensor, Tensor], mask: Tensor | None, past: LayerCache | None
    ) -> tuple[Tensor, LayerCache]:
        """Update `x` (B, n, dim); the second value is the block's keys and values for `x`."""
        normed = self.input_layernorm(x).to(x.dtype)  # once for all that read it, in mixed precision
        update, present = self.self_attn(normed, table, mask, past)
        x = x + update
        return x + self.mlp(self.post_attention_layernorm(x).to(x.dtype)), present


class FinalNorm(nn.Module):
    """Layer norm without weights, modulated by the time embedding: scale first, shift second."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, 2 * dim)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Modulate `x` (B, n, dim) by `time` (B, n, 512)."""
        modulation: Tensor = self.linear(F.silu(time))
        scale, shift = modulation.chunk(2, dim=-1)
        return F.layer_norm(x, x.shape[-1:], eps=EPS) * (1 + scale) + shift


def _projector(dim: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(dim, 2 * dim), nn.SiLU(), nn.Linear(2 * dim, 2 * dim), nn.SiLU(), nn.Linear(2 * dim, width)
    )


class DiT(nn.Module):
    """The transformer: tokens with times and positions in, velocities out.

    Args:
        dim: Width D of the blocks.
        depth: Number of blocks.
        heads: Attention heads; D is a multiple of twice their number.
        ff_mult: Width of the feed-forward layer as a multiple of D.
        mel_dim: Latent channels C.
        text_num_embeds: Largest text id.
        repa_depth: Block after which the representation heads of pre-training read; -1 for none.
        repa_dims: Their widths.
        long_skip_connection: Join the blocks' input to their output.
        beat_dim: Beat features per latent frame; 0 for none, as in the released model.
    """

    def __init__(
        self,
        *,
        dim: int,
        depth: int,
        heads: int,
        mel_dim: int,
        text_num_embeds: int,
        ff_mult: int = 4,
        repa_depth: int = -1,
        repa_dims: Sequence[int] = (1024,),
        long_skip_connection: bool = False,
        beat_dim: int = 0,
    ) -> None:
        super().__init__()
        self.head_dim = dim // heads
        self.mel_dim = mel_dim
        self.repa_depth = repa_depth
        self.time_embed = TimeEmbedding()
        self.text_embed = TextEmbedding(text_num_embeds)
        self.input_embed = InputEmbedding(dim)
        self.latent_embed = nn.Sequential(nn.Linear(mel_dim, WIDTH), nn.Linear(WIDTH, WIDTH))
        self.transformer_blocks = nn.ModuleList(Block(dim, heads, ff_mult * dim) for _ in range(depth))
        self.norm_out = FinalNorm(dim)
        self.proj_out = nn.Linear(dim, mel_dim)
        self.projectors = (
            nn.ModuleList(_projector(dim, width) for width in repa_dims) if repa_depth > 0 else None
        )
        self.long_skip_connection = nn.Linear(2 * dim, dim, bias=False) if long_skip_connection else None
        self.beat_embed: nn.Linear | None = None
        if beat_dim:
            self.beat_embed = nn.Linear(beat_dim, WIDTH, bias=False)
            nn.init.zeros_(self.beat_embed.weight)

    def embed_text(self, ids: Tensor) -> Tensor:
        """Token vectors (B, L, 512) of text ids (B, L)."""
        tokens: Tensor = self.text_embed(ids)
        return tokens

    def embed_latents(self, latents: Tensor, beats: Tensor | None = None) -> Tensor:
        """Token vectors (B, n, 512) of latents (B, n, C), with beat features (B, n, beat_dim) if known."""
        tokens: Tensor = self.latent_embed(latents)
        if beats is not None and self.beat_embed is not None:
            tokens = tokens + self.beat_embed(beats.to(tokens.dtype))
        return tokens

    def forward(
        self,
        tokens: Tensor,
        style: Tensor,
        times: Tensor,
        positions: Tensor,
        mask: Tensor | None = None,
        past: Sequence[LayerCache] | None = None,
    ) -> tuple[Tensor, list[LayerCache]]:
        """One pass.

        Args:
            tokens: From `embed_text` and `embed_latents`, shape (B, n, 512).
            style: Style vectors (B, 512); zeros for none.
            times: Flow time of each token (B, n): -1 text, 1 clean, else noisy.
            positions: Rotary positions, (n,) or (B, n).
            mask: True where a row may attend to a column: broadcastable to (B, 1, n, past + n); None for all.
            past: Keys and values of earlier tokens, one pair a block.

        Returns:
            Velocities (B, n, C), and each block's keys and values for these tokens.
        """
        hidden, present, time = self._blocks(tokens, style, times, positions, mask, past, None)
        return self.proj_out(self.norm_out(hidden, time)), present

    def hidden_states(
        self, tokens: Tensor, style: Tensor, times: Tensor, positions: Tensor, mask: Tensor | None = None
    ) -> list[Tensor]:
        """The input of the first block and the output of every block, each (B, n, dim)."""
        states: list[Tensor] = []
        self._blocks(tokens, style, times, positions, mask, None, states)
        return states

    def _blocks(
        self,
        tokens: Tensor,
        style: Tensor,
        times: Tensor,
        positions: Tensor,
        mask: Tensor | None,
        past: Sequence[LayerCache] | None,
        states: list[Tensor] | None,
    ) -> tuple[Tensor, list[LayerCache], Tensor]:
        time = self.time_embed(times)
        first = hidden = self.input_embed(tokens, style, time)
        table = rotary_table(positions, self.head_dim, rounds_as_half=self.time_embed.rounds_as_half)
        present = []
        for index, block in enumerate(self.transformer_blocks):
            if states is not None:
                states.append(hidden)
            hidden, pair = block(hidden, table, mask, None if past is None else past[index])
            present.append(pair)
        if states is not None:
            states.append(hidden)
        if self.long_skip_connection is not None:
            hidden = self.long_skip_connection(torch.cat([hidden, first], dim=-1))
        return hidden, present, time

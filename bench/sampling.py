"""Our sampler against a loop that makes exactly the reference's passes, on the same weights and noise.

    python -m bench.sampling [dim] [depth] [blocks] [steps] [rounds] [float32|bfloat16]

Prints the passes of each; the ratio of their times, run in turns, by the clock and in processor time (which other
programs on the machine disturb less); the largest difference of their results; and tokens a second beside what the
machine's matrix products of the same shapes allow, and what those alone would gain by going in one batch.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from statistics import median
from typing import Any

import torch
from torch import Tensor

from angen.model.network import FlowNetwork
from angen.model.sampler import SamplerSettings, sample_blocks

STEPS, STRENGTH, WORDS = 15, 2.0, 60


def reference_loop(network: Any, ids: Tensor, style: Tensor, noise: list[Tensor], steps: int) -> Tensor:
    """The passes of the public program: each branch by itself, a clean pass of both after every block."""

    def run(tokens: Tensor, vector: Tensor, time_value: float, first: int, past: Any) -> tuple[Tensor, Any]:
        times = torch.full(tokens.shape[:2], time_value)
        positions = torch.arange(first, first + tokens.shape[1])
        velocity, pairs = network(tokens, vector, times, positions, None, past)
        joined = pairs
        if past is not None:
            joined = [
                (torch.cat([old[0], new[0]], 2), torch.cat([old[1], new[1]], 2))
                for old, new in zip(past, pairs, strict=True)
            ]
        return velocity, joined

    null = torch.zeros_like(style)
    _, prompted = run(network.embed_text(ids), style, -1.0, 0, None)
    _, unprompted = run(network.embed_text(torch.zeros_like(ids)), null, -1.0, 0, None)
    grid, drawn = torch.linspace(0, 1, steps + 1).tolist(), []
    for block, x in enumerate(noise):
        first = block * x.shape[1]
        for now, then in pairwise(grid):
            wanted, _ = run(network.embed_latents(x), style, now, first, prompted)
            other, _ = run(network.embed_latents(x), null, now, first, unprompted)
            x = x + (then - now) * (wanted + STRENGTH * (wanted - other))
        _, prompted = run(network.embed_latents(x), style, 1.0, first, prompted)
        _, unprompted = run(network.embed_latents(x), null, 1.0, first, unprompted)
        drawn.append(x)
    return torch.cat(drawn, 1)


def measure(
    dim: int, depth: int, blocks: int, steps: int, rounds: int, dtype: torch.dtype = torch.float32
) -> dict[str, float]:
    """Passes, seconds, ratios and the difference for a random network of this size; medians of the rounds."""
    torch.manual_seed(0)
    config = {"dim": dim, "depth": depth, "heads": max(1, dim // 128), "mel_dim": 64, "text_num_embeds": 1000}
    network = FlowNetwork(config).eval().requires_grad_(False).to(dtype).transformer
    block = 10
    ids, style = torch.randint(1, 363, (1, WORDS)), torch.randn(1, 512) / 512**0.5
    noise = [torch.randn(1, block, 64) for _ in range(blocks)]
    passes = [0]
    network.register_forward_pre_hook(lambda *_: passes.__setitem__(0, passes[0] + 1))

    @torch.inference_mode()
    def theirs() -> Tensor:
        return reference_loop(network, ids, style, noise, steps)

    def ours() -> Tensor:
        return sample_blocks(
            network, text_ids=ids, text_valid=torch.ones_like(ids, dtype=torch.bool), style=style,
            frames=blocks * block, block_frames=block, noise=lambda number: noise[number],
            settings=SamplerSettings(steps=steps, guidance_strength=STRENGTH),
        )[0][None]  # fmt: skip

    def mixed(work: Callable[[], Tensor]) -> Tensor:  # as the released model is run
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            return work()

    counts, results = [], []
    for work in (theirs, ours):
        passes[0] = 0
        results.append(mixed(work))
        counts.append(passes[0])
    spent = [[seconds(partial(mixed, work)) for work in (theirs, ours)] for _ in range(rounds)]
    products = [[ceiling(dim, depth, rows, dtype) for rows in (block, 2 * block)] for _ in range(rounds)]
    tokens = 2 * block * blocks * (steps + 1) - 2 * block
    return {
        "passes_reference": counts[0], "passes_ours": counts[1],
        "speedup": median(old[0] / new[0] for old, new in spent),
        "speedup_processor": median(old[1] / new[1] for old, new in spent),
        "batching_gain": median(both / one for one, both in products),
        "difference": float((results[0] - results[1]).abs().max()),
        "tokens_per_s": tokens / median(new[1] for _, new in spent),
        "ceiling_tokens_per_s": median(both for _, both in products),
    }  # fmt: skip


@torch.inference_mode()
def ceiling(dim: int, depth: int, rows: int, dtype: torch.dtype) -> float:
    """Tokens a second of processor time if the blocks' matrix products were all there is, on `rows` at once."""
    layers = [torch.randn(dim, dim, dtype=dtype) for _ in range(4 * depth)]
    layers += [torch.randn(4 * dim, dim, dtype=dtype) for _ in range(2 * depth)]
    narrow = [torch.randn(dim, 4 * dim, dtype=dtype) for _ in range(depth)]
    x, wide = torch.randn(rows, dim, dtype=dtype), torch.randn(rows, 4 * dim, dtype=dtype)

    def work() -> None:
        for weight in layers:
            torch.nn.functional.linear(x, weight)
        for weight in narrow:
            torch.nn.functional.linear(wide, weight)

    work()
    return rows / median(seconds(work)[1] for _ in range(5))


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Time of one call by the clock, and the processor time of its threads."""
    began, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - used


def sampling(*size: int, dtype: torch.dtype = torch.float32) -> None:
    """Print what `measure` finds."""
    dim, depth, blocks, steps, rounds = (*size, *(768, 4, 3, STEPS, 3)[len(size) :])
    found = measure(dim, depth, blocks, steps, rounds, dtype)
    kind = str(dtype).removeprefix("torch.")
    before, now = found["passes_reference"], found["passes_ours"]
    share = found["tokens_per_s"] / found["ceiling_tokens_per_s"]
    print(
        f"sampling in {kind}: {found['speedup']:.2f}x the reference's loop by the clock, "
        f"{found['speedup_processor']:.2f}x in processor time; {before:.0f} passes against {now:.0f} "
        f"({before / now:.2f}x); largest difference {found['difference']:.1e}; {found['tokens_per_s']:.0f} tokens/s, "
        f"{share:.0%} of the matrix products' {found['ceiling_tokens_per_s']:.0f}, which gain "
        f"{found['batching_gain']:.2f}x from one batch"
    )


if __name__ == "__main__":
    given = sys.argv[1:]
    kind = torch.bfloat16 if "bfloat16" in given else torch.float32
    sampling(*(int(word) for word in given if word.isdecimal()), dtype=kind)

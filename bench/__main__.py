"""Speed, as ratios within one run: `make bench`. Absolute times are printed only to judge the ratios by."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from statistics import median

import numpy as np

from bench.analysis import analysis
from bench.dataset import dataset
from bench.enhancement import enhancement
from bench.lyrics import lyrics
from bench.mastering import mastering
from bench.sampling import sampling
from bench.timeline import timeline
from bench.training import training


def timed(work: Callable[[], object], repeats: int = 3) -> float:
    """Median seconds of a few runs after a warm-up."""
    work()
    runs = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        runs.append(time.perf_counter() - start)
    return median(runs)


def model() -> None:
    """Codec, sampler and a training step of the embedded model."""
    import torch

    from angen.audio import Audio
    from angen.generation import GenerationRequest, generate
    from angen.model import AngenTiny
    from angen.model.precision import keep_freed_memory

    keep_freed_memory()
    tiny = AngenTiny()
    seconds = 30.0
    noise = np.random.default_rng(0).standard_normal((1, int(seconds * 24_000))).astype(np.float32) * 0.1
    audio = Audio(noise, 24_000)
    latents = tiny.encode(audio)
    encode, decode = timed(lambda: tiny.encode(audio)), timed(lambda: tiny.decode(latents))
    print(f"codec: encode {seconds / encode:.0f}x, decode {seconds / decode:.0f}x real time, "
          f"{torch.get_num_threads()} threads")  # fmt: skip

    def draw(guidance: float, count: int = 1) -> float:
        requests = [GenerationRequest("house", 7.68, seed, guidance=guidance) for seed in range(count)]
        return timed(lambda: generate(tiny, requests))

    one, bare, eight = draw(1.5), draw(0.0), draw(1.5, 8)
    print(f"sampler: {7.68 / one:.1f}x real time; guidance costs {one / bare:.2f}x (two passes would cost 2x); "
          f"8 pieces at once {8 * one / eight:.1f}x one by one")  # fmt: skip


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    model()
    sampling()
    training()
    analysis()
    mastering()
    enhancement()
    timeline()
    dataset()
    lyrics()

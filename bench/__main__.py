"""Speed, as ratios within one run: `make bench`. Absolute times are printed only to judge the ratios by."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from bench.enhancement import enhancement
from bench.lyrics import lyrics
from bench.mastering import mastering
from bench.timeline import timeline


def timed(work: Callable[[], object], repeats: int = 3) -> float:
    """Median seconds of a few runs after a warm-up."""
    work()
    runs = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        runs.append(time.perf_counter() - start)
    return median(runs)


def analysis() -> None:
    """Our analysis of a minute of music against the plain librosa pipeline."""
    import librosa

    from angen.analysis import analyze_audio
    from angen.audio import find_audio, read_audio

    audio = read_audio(find_audio([Path("examples/calypso")])[0])

    def plain() -> None:
        mono = librosa.resample(audio.mono().samples[0], orig_sr=audio.rate_hz, target_sr=22_050)
        librosa.beat.beat_track(y=mono, sr=22_050)
        librosa.feature.chroma_cqt(y=mono, sr=22_050)
        for feature in (librosa.feature.spectral_centroid, librosa.feature.spectral_rolloff):
            feature(y=mono, sr=22_050)

    ours, theirs = timed(lambda: analyze_audio(audio)), timed(plain)
    print(f"analysis: {theirs / ours:.1f}x plain librosa ({audio.duration_s / ours:.0f}x real time)")


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
    analysis()
    mastering()
    enhancement()
    timeline()
    lyrics()

"""Preparing many songs: memory a song, and what two processes gain: `python -m bench.dataset [SONGS]`.

Efficiency is the time of one process over twice that of two, for hearing songs, the best of a few rounds in turn. On a
machine that is busy with other things neither time says much, so the same is also told in processor time: what one
process needs, over twice what the busier of two needs.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path

for _library in ("OMP", "OPENBLAS", "MKL"):  # before numpy comes: else one process takes both cores
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import numpy as np  # noqa: E402

GOAL = 0.9
ROUNDS = 5


def dataset(songs: int = 240) -> None:
    """Print the efficiency of two processes, seconds a song, and memory a song."""
    from angen.settings import Settings
    from angen.workflows.prepare import prepare_dataset
    from angen.workflows.spread import Spread

    with tempfile.TemporaryDirectory() as room:
        folder = _write_songs(Path(room) / "songs", songs, 4.0 if songs <= 1000 else 1.0)
        if songs <= 1000:
            _efficiency(sorted(folder.iterdir()), Path(room))
        few = _write_songs(Path(room) / "few", 20)
        prepare_dataset(Settings(Path(room) / "warm"), "x", [few], spread=Spread(workers=1))
        before, start = _memory_bytes(), time.perf_counter()
        settings = Settings(Path(room) / "home")
        made = prepare_dataset(settings, "x", [folder], spread=Spread(workers=2))
        seconds, grown = time.perf_counter() - start, _memory_bytes() - before
        print(
            f"dataset: {made.info.songs} songs in {seconds:.0f} s by 2 processes, {1000 * seconds / songs:.0f} ms "
            f"a song; the parent grew by {grown / 1e6:.1f} MB, {grown / songs / 1000:.1f} kB a song, "
            f"to {_memory_bytes() / 1e6:.0f} MB",
            flush=True,
        )
        start = time.perf_counter()
        again = prepare_dataset(settings, "x", [folder], spread=Spread(workers=2), replace=True)
        print(f"dataset, again with nothing changed: {time.perf_counter() - start:.0f} s, {again.work}")


def _efficiency(files: list[Path], room: Path) -> None:
    from angen.workflows.prepare_songs import Cutting, HearTask
    from angen.workflows.spread import Spread, spreading

    walls: dict[int, list[float]] = {1: [], 2: []}
    costs: dict[int, list[float]] = {1: [], 2: []}
    with spreading(Spread(workers=1), 1) as alone, spreading(Spread(workers=2), 2) as both:
        for round_ in range(-1, ROUNDS):
            for run in (alone, both):
                cache = room / f"cache{run.workers}-{round_}"
                start = time.perf_counter()
                told = [
                    outcome.value
                    for outcome in run(
                        _heard, lambda n, at=cache: HearTask(files[n], at, Cutting()), len(files)
                    )
                    if outcome.value is not None
                ]
                wall = time.perf_counter() - start
                by_process = {pid: sum(cpu for who, cpu in told if who == pid) for pid, _ in told}
                if round_ >= 0:  # the first round starts processes and fills caches
                    walls[run.workers].append(wall)
                    costs[run.workers].append(max(by_process.values()))
    one, two = min(walls[1]), min(walls[2])
    by_clock, by_cost = one / two / 2, min(costs[1]) / min(costs[2]) / 2
    print(
        f"dataset: hearing by 2 processes has an efficiency of {by_clock:.2f} by the clock, {by_cost:.2f} by "
        f"processor time (goal {GOAL}); {len(files)} songs, {one:.1f} s and {two:.1f} s",
        flush=True,
    )


def _heard(task: object) -> tuple[int, float]:
    """Hear a song; the process and the processor time it took."""
    from angen.workflows.prepare_songs import hear_song

    start = time.process_time()
    hear_song(task)  # type: ignore[arg-type]
    return os.getpid(), time.process_time() - start


def _write_songs(folder: Path, count: int, seconds: float = 1.0) -> Path:
    import soundfile

    folder.mkdir(parents=True)
    time_s = np.arange(4000) / 16_000
    for number in range(count):
        generator = np.random.default_rng(number)
        sound = 1e-3 * generator.standard_normal(round(seconds * 16_000))
        for at in range(0, sound.size - 4000, 4000):
            hz = 110 * 2 ** (generator.integers(0, 36) / 12)
            sound[at : at + 4000] += np.sin(2 * np.pi * hz * time_s) * np.exp(-8 * time_s)
        soundfile.write(folder / f"{number:05d}.wav", 0.5 * sound / np.abs(sound).max(), 16_000)
    return folder


def _memory_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    dataset(int(sys.argv[1]) if len(sys.argv) > 1 else 240)

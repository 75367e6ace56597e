"""Speed of analysis against the plain librosa pipeline, in one process and run: `python -m bench.analysis`.

Both get the same decoded minutes of music. The plain pipeline is beat_track, chroma_cqt and three spectral features;
ours is everything of the fast pass: tempo, beats, bars, key, loudness, energy, tags and segments. Figures are of one
thread, processor time, the runs of both alternating. Then many files over processes: the memory of a listener after few
files and after many; and a second look, which is read from the cache.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from subprocess import run
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from angen.audio import Audio

GOAL, AI_GOAL = 10.0, 40.0
LENGTH_S = 164.0
FILE_S, FEW_FILES, MANY_FILES = 10.0, 50, 400


def analysis() -> None:
    """Print the ratio, and the speed of the AI pass where musicnn's weights were fetched."""
    import librosa

    from angen.analysis import hear
    from angen.audio import Audio, find_audio, read_audio
    from angen.settings import load_settings
    from angen.workflows.tagging import MusicnnTagger, has_musicnn, weights_folder

    songs = [read_audio(path) for path in find_audio([Path("examples/calypso")])]
    joined = np.concatenate([song.samples for song in songs], axis=1)
    joined = np.tile(joined, (1, -(-round(LENGTH_S * songs[0].rate_hz) // joined.shape[1])))
    audio = Audio(joined[:, : round(LENGTH_S * songs[0].rate_hz)].copy(), songs[0].rate_hz)

    def plain() -> None:
        mono = librosa.resample(audio.mono().samples[0], orig_sr=audio.rate_hz, target_sr=22_050)
        librosa.beat.beat_track(y=mono, sr=22_050)
        librosa.feature.chroma_cqt(y=mono, sr=22_050)
        for feature in ("spectral_centroid", "spectral_bandwidth", "spectral_rolloff"):
            getattr(librosa.feature, feature)(y=mono, sr=22_050)

    ours, theirs = _least(lambda: hear(audio), plain)
    print(
        f"analysis: {theirs / ours:.1f}x the plain librosa pipeline (goal {GOAL:.0f}x), "
        f"{LENGTH_S / ours:.0f}x real time, of {LENGTH_S:.0f} s"
    )
    settings = load_settings()
    if has_musicnn(settings):
        heard, tagger = hear(audio), MusicnnTagger(weights_folder(settings))
        deep, again = _least(lambda: tagger(audio, heard, heard.analysis), lambda: hear(audio))
        print(f"analysis, AI pass on top: {LENGTH_S / (again + deep):.0f}x real time (goal {AI_GOAL:.0f}x)")
    many_files(audio)


def many_files(audio: Audio) -> None:
    """Print the memory of processes that hear few files and many, and the time of a second look."""
    from angen.audio import write_audio

    with tempfile.TemporaryDirectory() as folder:
        for number in range(MANY_FILES):
            start_s = number * (audio.duration_s - FILE_S) / MANY_FILES
            part = audio.span(start_s, start_s + FILE_S)
            write_audio(Path(folder) / f"{number:04d}.wav", part, bit_depth=16)
        homes = (Path(folder) / "few", Path(folder) / "many")
        few = _asked(folder, FEW_FILES, homes[0])
        many, again = (_asked(folder, MANY_FILES, homes[1]) for _ in range(2))
    print(
        f"analysis, {MANY_FILES} files of {FILE_S:.0f} s over two processes: {MANY_FILES * FILE_S / many[0]:.0f}x "
        f"real time; peak memory of a process {many[2]:.0f} MB (of {FEW_FILES} files: {few[2]:.0f}), of the one that "
        f"asks {many[1]:.0f} MB ({few[1]:.0f}); a second look: {1000 * again[0] / MANY_FILES:.1f} ms a file, "
        f"{many[0] / again[0]:.0f}x as fast"
    )


def _asked(folder: str, count: int, home: Path) -> list[float]:
    """Seconds, and the peak memory in MB of the process that asks and of one that listens."""
    command = [sys.executable, "-c", _MANY, folder, str(count), str(home)]
    done = run(command, capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


_MANY = """
import resource, sys, time
from pathlib import Path
from angen.settings import Settings
from angen.workflows.analyze import Listening, analyze_files
paths = sorted(Path(sys.argv[1]).glob("*.wav"))[: int(sys.argv[2])]
start = time.perf_counter()
for record in analyze_files(paths, processes=2, how=Listening(settings=Settings(Path(sys.argv[3])))):
    assert "error" not in record, record
seconds = time.perf_counter() - start
own = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(seconds, own / 1024, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


def _least(*works: Callable[[], object], rounds: int = 5) -> list[float]:
    """Least processor time of each work in seconds; they take turns, so that a busy moment harms all."""
    for work in works:
        work()
    runs: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, costs in zip(works, runs, strict=True):
            start = time.process_time()
            work()
            costs.append(time.process_time() - start)
    return [min(costs) for costs in runs]


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    warnings.simplefilter("ignore")
    analysis()

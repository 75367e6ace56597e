"""Speed of analysis against the plain librosa pipeline, in one process and run: `python -m bench.analysis`.

Both get the same decoded minutes of music. The plain pipeline is beat_track, chroma_cqt and three spectral features;
ours is everything of the fast pass: tempo, beats, bars, key, loudness, energy, tags and segments. Figures are of one
thread, processor time.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

GOAL, AI_GOAL = 10.0, 40.0
LENGTH_S = 164.0


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

    ours, theirs = _cost(lambda: hear(audio)), _cost(plain)
    print(
        f"analysis: {theirs / ours:.1f}x the plain librosa pipeline (goal {GOAL:.0f}x), "
        f"{LENGTH_S / ours:.0f}x real time, of {LENGTH_S:.0f} s"
    )
    settings = load_settings()
    if has_musicnn(settings):
        heard, tagger = hear(audio), MusicnnTagger(weights_folder(settings))
        deep = _cost(lambda: tagger(audio, heard, heard.analysis))
        print(f"analysis, AI pass on top: {LENGTH_S / (ours + deep):.0f}x real time (goal {AI_GOAL:.0f}x)")


def _cost(work: Callable[[], object], repeats: int = 3) -> float:
    """Least processor time of a few runs after a warm-up, in seconds."""
    work()
    runs = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        runs.append(time.process_time() - start)
    return min(runs)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    warnings.simplefilter("ignore")
    analysis()

"""The same questions put to librosa, for cross-checks: tempo and beats by `beat_track`, key by `chroma_cqt`.

Slower and less accurate (`docs/analysis.md`); never on the usual path. librosa is in the extra `bench`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from angen.analysis.analyzing import described
from angen.analysis.key import PITCH_CLASSES, Key, key_scores
from angen.analysis.levels import energy_of
from angen.analysis.parts import LONGEST_WHOLE_S, is_long
from angen.analysis.record import Analysis
from angen.audio import Audio, loudness_lufs, read_audio
from angen.errors import AngenError, TooLongError

RATE_HZ = 22_050


def hear_with_librosa(path: Path) -> Analysis:
    """A file as librosa hears it.

    Raises:
        TooLongError: If it is so long that it is usually heard in parts: librosa would need gigabytes.
        AudioError: If it cannot be read.
        AngenError: If librosa is not installed.
    """
    if is_long(path):
        raise TooLongError(
            path,
            f"librosa hears files of at most {LONGEST_WHOLE_S / 60:.0f} minutes.",
            remedy="Cut it, or leave --engine out.",
        )
    return analyze_with_librosa(read_audio(path))


def analyze_with_librosa(audio: Audio) -> Analysis:
    """Tempo, beats, key, loudness and energy by librosa's usual pipeline; it gives no confidence.

    Raises:
        AngenError: If librosa is not installed.
    """
    try:
        import librosa
        from librosa.beat import beat_track
    except ImportError as error:
        raise AngenError(
            "The engine librosa is not installed.",
            remedy="pip install 'angen[bench]', or leave --engine out.",
        ) from error
    signal = audio.mono().resampled(RATE_HZ).samples[0]
    tempo, beats_s = beat_track(y=signal, sr=RATE_HZ, units="time")
    bpm = float(np.atleast_1d(tempo)[0])
    chroma = librosa.feature.chroma_cqt(y=signal, sr=RATE_HZ).mean(axis=1)
    mode, tonic = divmod(int(np.argmax(key_scores(np.asarray(chroma, np.float64), np.zeros(12)))), 12)
    key = Key(tonic, ("major", "minor")[mode], 0.0)
    loudness = loudness_lufs(audio)
    centroid = librosa.feature.spectral_centroid(y=signal, sr=RATE_HZ)
    bare = Analysis(
        duration_s=audio.duration_s,
        rate_hz=audio.rate_hz,
        channels=audio.channels,
        tempo_bpm=round(bpm, 2) if bpm > 0 else None,
        tempo_confidence=0.0,
        tempo_alternatives=[],
        beats_s=[round(float(beat), 4) for beat in beats_s],
        downbeats_s=[],
        downbeat_confidence=0.0,
        key=f"{PITCH_CLASSES[tonic]} {key.mode}",
        key_confidence=0.0,
        camelot=key.camelot,
        loudness_lufs=None if loudness is None else round(loudness, 2),
        energy=energy_of(audio),
        brightness_hz=round(float(centroid.mean()), 1),
        mood=None,
        instruments=[],
        genre=None,
        description="",
        sources=dict.fromkeys(("tempo_bpm", "beats_s", "key"), "librosa"),
    )
    return described(replace(bare))

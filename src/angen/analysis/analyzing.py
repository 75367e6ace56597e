"""One recording, all estimates: a single decoding, one fine spectrum and one for harmony."""

from __future__ import annotations

from pathlib import Path

from angen.analysis.key import Harmony, Key, estimate_key, harmony_of, tonality_of
from angen.analysis.levels import energy_of, instruments_of
from angen.analysis.record import Analysis
from angen.analysis.rhythm import Rhythm, hear_rhythm
from angen.analysis.spectrum import Spectrum, listening_signal, spectrum_of
from angen.analysis.wording import description_of, mood_of
from angen.audio import Audio, loudness_lufs, read_audio

LEAST_TEMPO_CONFIDENCE = 0.2
LEAST_KEY_CONFIDENCE = 0.25
LEAST_DOWNBEAT_CONFIDENCE = 0.4


def analyze(path: str | Path) -> Analysis:
    """Hear a file.

    Raises:
        AudioError: If it cannot be read or holds nothing to hear; see `angen.audio.read_audio`.
    """
    return analyze_audio(read_audio(path))


def analyze_audio(audio: Audio) -> Analysis:
    """Hear a recording. Its gain, rate and number of channels hardly change what is heard."""
    signal = listening_signal(audio)
    spectrum, harmony = spectrum_of(signal), harmony_of(signal)
    rhythm, key = hear_rhythm(signal, spectrum, harmony), estimate_key(harmony)
    return _assembled(audio, spectrum, harmony, rhythm, key)


def _assembled(
    audio: Audio, spectrum: Spectrum, harmony: Harmony, rhythm: Rhythm | None, key: Key | None
) -> Analysis:
    """The record, with estimates below their thresholds left unknown."""
    pulse = rhythm if rhythm and rhythm.confidence >= LEAST_TEMPO_CONFIDENCE else None
    bars = pulse if pulse and pulse.bar_confidence >= LEAST_DOWNBEAT_CONFIDENCE else None
    known_key = key if key and key.confidence >= LEAST_KEY_CONFIDENCE else None
    tempo_bpm = round(pulse.bpm, 2) if pulse else None
    key_name = known_key.name if known_key else None
    tonality = tonality_of(harmony.chroma.mean(axis=0))
    mood = mood_of(tempo_bpm, spectrum.onsets_per_s(), known_key.mode if known_key else None)
    instruments = instruments_of(spectrum, tonality)
    loudness = loudness_lufs(audio)
    return Analysis(
        duration_s=audio.duration_s,
        rate_hz=audio.rate_hz,
        channels=audio.channels,
        tempo_bpm=tempo_bpm,
        tempo_confidence=round(rhythm.confidence, 3) if rhythm else 0.0,
        tempo_alternatives=[round(bpm, 2) for bpm in pulse.alternatives] if pulse else [],
        beats_s=[round(float(beat), 4) for beat in pulse.beats_s] if pulse else [],
        downbeats_s=[round(float(beat), 4) for beat in bars.downbeats_s] if bars else [],
        downbeat_confidence=round(rhythm.bar_confidence, 3) if rhythm else 0.0,
        key=key_name,
        key_confidence=round(key.confidence, 3) if key else 0.0,
        camelot=known_key.camelot if known_key else None,
        loudness_lufs=None if loudness is None else round(loudness, 2),
        energy=energy_of(audio),
        brightness_hz=round(spectrum.brightness_hz, 1),
        mood=mood,
        instruments=instruments,
        genre=None,
        description=description_of(
            duration_s=audio.duration_s,
            tempo_bpm=tempo_bpm,
            key=key_name,
            mood=mood,
            brightness_hz=spectrum.brightness_hz,
            instruments=instruments,
        ),
    )

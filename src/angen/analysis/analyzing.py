"""One recording, all estimates: a single decoding, one fine spectrum and one for harmony."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from angen.analysis.key import Harmony, Key, estimate_key, harmony_of, tonality_of
from angen.analysis.levels import energy_of, instruments_of, loudness_of
from angen.analysis.record import Analysis
from angen.analysis.rhythm import Rhythm, hear_rhythm
from angen.analysis.segments import segments_between
from angen.analysis.spectrum import Spectrum, listening_signal, spectrum_of
from angen.analysis.tagger import Tags, hear_tags
from angen.analysis.wording import description_of, mood_of
from angen.audio import Audio, read_audio

LEAST_TEMPO_CONFIDENCE = 0.25
LEAST_KEY_CONFIDENCE = 0.25
LEAST_DOWNBEAT_CONFIDENCE = 0.4
MOST_INSTRUMENTS = 6


@dataclass(frozen=True, eq=False)
class Heard:
    """A recording, listened to once.

    Args:
        analysis: What is known.
        spectrum: The fine spectrum, for those who want to know more.
        harmony: The pitch content.
    """

    analysis: Analysis
    spectrum: Spectrum
    harmony: Harmony


def analyze(path: str | Path) -> Analysis:
    """Hear a file.

    Raises:
        AudioError: If it cannot be read or holds nothing to hear; see `angen.audio.read_audio`.
    """
    return analyze_audio(read_audio(path))


def analyze_audio(audio: Audio) -> Analysis:
    """Hear a recording. Its gain, rate and number of channels hardly change what is heard."""
    return hear(audio).analysis


def hear(audio: Audio) -> Heard:
    """Hear a recording, and keep the spectra that were made for it."""
    signal = listening_signal(audio)
    spectrum, harmony = spectrum_of(signal), harmony_of(signal)
    rhythm, key, tags = (
        hear_rhythm(signal, spectrum, harmony),
        estimate_key(harmony),
        hear_tags(spectrum, harmony),
    )
    bare = _assembled(audio, spectrum, harmony, rhythm, key)
    analysis = with_tags(bare, tags, source="measured")
    cuts = segments_between(audio.duration_s, analysis, spectrum, harmony)
    segments = [[round(cut.start_s, 4), round(cut.end_s, 4)] for cut in cuts]
    return Heard(replace(analysis, segments=segments), spectrum, harmony)


def with_tags(analysis: Analysis, tags: Tags | None, *, source: str) -> Analysis:
    """The record with genre and instruments as a tagger says; what it does not dare to name stays as it is.

    Args:
        analysis: What is known so far.
        tags: Of a tagger; None changes nothing.
        source: How the tags are known: "measured", or "tagged".
    """
    if tags is None:
        return analysis
    named = tags.named_instruments()
    clear = {name: 1.0 for name in analysis.instruments if name not in named}
    instruments = [*sorted(named, key=lambda name: -named[name])[:MOST_INSTRUMENTS], *clear]
    confidence = {**analysis.confidence, "genre": round(tags.genre_confidence, 3)}
    if instruments:
        confidence["instruments"] = round(min([*named.values(), *clear.values()]), 3)
    sources = dict(analysis.sources)
    if tags.genre:
        sources["genre"] = source
    if instruments:
        sources["instruments"] = source
    return described(
        replace(analysis, genre=tags.genre, instruments=instruments, confidence=confidence, sources=sources)
    )


def described(analysis: Analysis) -> Analysis:
    """The record with a description of the fields as they are now."""
    sentence = description_of(
        duration_s=analysis.duration_s,
        tempo_bpm=analysis.tempo_bpm,
        key=analysis.key,
        mood=analysis.mood,
        brightness_hz=analysis.brightness_hz,
        instruments=analysis.instruments,
        genre=analysis.genre,
    )
    return replace(analysis, description=sentence)


def _assembled(
    audio: Audio, spectrum: Spectrum, harmony: Harmony, rhythm: Rhythm | None, key: Key | None
) -> Analysis:
    """The record, with estimates below their thresholds left unknown."""
    pulse = rhythm if rhythm and rhythm.confidence >= LEAST_TEMPO_CONFIDENCE else None
    bars = pulse if pulse and pulse.bar_confidence >= LEAST_DOWNBEAT_CONFIDENCE else None
    known_key = key if key and key.confidence >= LEAST_KEY_CONFIDENCE else None
    tempo_bpm = round(pulse.bpm, 2) if pulse else None
    tonality = tonality_of(harmony.chroma.mean(axis=0))
    mood = mood_of(tempo_bpm, spectrum.onsets_per_s(), known_key.mode if known_key else None)
    loudness = loudness_of(audio)
    confidence = {
        "tempo_bpm": round(rhythm.confidence, 3) if rhythm else 0.0,
        "downbeats_s": round(rhythm.bar_confidence, 3) if rhythm else 0.0,
        "key": round(key.confidence, 3) if key else 0.0,
    }
    confidence["metre"] = confidence["downbeats_s"]
    if mood:
        confidence["mood"] = min(confidence["tempo_bpm"], confidence["key"])
    analysis = Analysis(
        duration_s=audio.duration_s,
        rate_hz=audio.rate_hz,
        channels=audio.channels,
        tempo_bpm=tempo_bpm,
        tempo_confidence=confidence["tempo_bpm"],
        tempo_alternatives=[round(bpm, 2) for bpm in pulse.alternatives] if pulse else [],
        beats_s=_rounded(pulse.beats_s) if pulse else [],
        downbeats_s=_rounded(bars.downbeats_s) if bars else [],
        downbeat_confidence=confidence["downbeats_s"],
        key=known_key.name if known_key else None,
        key_confidence=confidence["key"],
        camelot=known_key.camelot if known_key else None,
        loudness_lufs=None if loudness is None else round(loudness, 2),
        energy=energy_of(audio),
        brightness_hz=round(spectrum.brightness_hz, 1),
        mood=mood,
        instruments=instruments_of(spectrum, tonality),
        genre=None,
        description="",
        metre=f"{bars.beats_per_bar}/4" if bars else None,
        confidence=confidence,
    )
    fields = (
        "tempo_bpm",
        "beats_s",
        "downbeats_s",
        "metre",
        "key",
        "mood",
        "loudness_lufs",
        "energy",
        "instruments",
    )
    sources = {name: "measured" for name in fields if getattr(analysis, name) not in (None, [])}
    return described(replace(analysis, sources=sources))


def _rounded(times_s: Iterable[float]) -> list[float]:
    return [round(float(time_s), 4) for time_s in times_s]

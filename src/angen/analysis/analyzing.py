"""One recording, all estimates: a single decoding, one fine spectrum and one for harmony.

Files, and recordings too long to be heard in one piece, are in `parts`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from angen.analysis.key import Harmony, Key, estimate_key, harmony_of, tonality_of
from angen.analysis.levels import instruments_of, loudness_of
from angen.analysis.record import Analysis
from angen.analysis.rhythm import Rhythm, hear_rhythm
from angen.analysis.segments import segments_between
from angen.analysis.spectrum import Float, Spectrum, signal_and_rms, spectrum_of
from angen.analysis.tagger import Tags, hear_tags
from angen.analysis.wording import description_of, mood_of
from angen.audio import Audio

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


@dataclass(frozen=True)
class Measured:
    """What is known of a recording's samples themselves.

    Args:
        duration_s: Length in seconds.
        rate_hz: Rate of the recording.
        channels: Its number of channels.
        loudness_lufs: Integrated loudness; None below the gate.
        energy: Root mean square of the channels' mean.
    """

    duration_s: float
    rate_hz: int
    channels: int
    loudness_lufs: float | None
    energy: float


def analyze(path: str | Path) -> Analysis:
    """Hear a file, whatever its length; see `angen.analysis.parts.hear_file`.

    Raises:
        AudioError: If it cannot be read or holds nothing to hear; see `angen.audio.read_audio`.
    """
    from angen.analysis.parts import hear_file

    return hear_file(path)[1].analysis


def analyze_audio(audio: Audio) -> Analysis:
    """Hear a recording. Its gain, rate and number of channels hardly change what is heard."""
    return hear(audio).analysis


def hear(audio: Audio) -> Heard:
    """Hear a recording, and keep the spectra that were made for it."""
    signal, energy = signal_and_rms(audio)
    return hear_signal(
        signal, Measured(audio.duration_s, audio.rate_hz, audio.channels, loudness_of(audio), energy)
    )


def hear_signal(signal: Float, measured: Measured) -> Heard:
    """Hear a listening signal, shape (samples,), of a recording that was measured before."""
    spectrum, harmony = spectrum_of(signal), harmony_of(signal)
    rhythm, key, tags = (
        hear_rhythm(signal, spectrum, harmony),
        estimate_key(harmony),
        hear_tags(spectrum, harmony),
    )
    bare = _assembled(measured, spectrum, harmony, rhythm, key)
    analysis = with_tags(bare, tags, source="measured")
    cuts = segments_between(measured.duration_s, analysis, spectrum, harmony)
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
    measured: Measured, spectrum: Spectrum, harmony: Harmony, rhythm: Rhythm | None, key: Key | None
) -> Analysis:
    """The record, with estimates below their thresholds left unknown."""
    pulse = rhythm if rhythm and rhythm.confidence >= LEAST_TEMPO_CONFIDENCE else None
    bars = pulse if pulse and pulse.bar_confidence >= LEAST_DOWNBEAT_CONFIDENCE else None
    known_key = key if key and key.confidence >= LEAST_KEY_CONFIDENCE else None
    tempo_bpm = round(pulse.bpm, 2) if pulse else None
    tonality = tonality_of(harmony.chroma.mean(axis=0))
    mood = mood_of(tempo_bpm, spectrum.onsets_per_s(), known_key.mode if known_key else None)
    loudness = measured.loudness_lufs
    confidence = {
        "tempo_bpm": round(rhythm.confidence, 3) if rhythm else 0.0,
        "downbeats_s": round(rhythm.bar_confidence, 3) if rhythm else 0.0,
        "key": round(key.confidence, 3) if key else 0.0,
    }
    confidence["metre"] = confidence["downbeats_s"]
    if mood:
        confidence["mood"] = min(confidence["tempo_bpm"], confidence["key"])
    analysis = Analysis(
        duration_s=measured.duration_s,
        rate_hz=measured.rate_hz,
        channels=measured.channels,
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
        energy=measured.energy,
        brightness_hz=round(spectrum.brightness_hz, 1),
        mood=mood,
        instruments=instruments_of(spectrum, tonality),
        genre=None,
        description="",
        metre=f"{bars.beats_per_bar}/4" if bars else None,
        confidence=confidence,
    )
    return described(replace(analysis, sources=measured_sources(analysis)))


def measured_sources(analysis: Analysis) -> dict[str, str]:
    """Where the estimates come from that are known without a tagger."""
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
    return {name: "measured" for name in fields if getattr(analysis, name) not in (None, [])}


def _rounded(times_s: Iterable[float]) -> list[float]:
    return [round(float(time_s), 4) for time_s in times_s]

"""Files of any length: short ones are heard whole, long ones as they are decoded, in parts that are heard one by one.

Memory does not grow with the length of a file: what is held is `MOST_VALUES` samples of a short one, or ten seconds
of a long one as it is and six minutes of it as a listening signal.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from angen.analysis.analyzing import (
    LEAST_KEY_CONFIDENCE,
    LEAST_TEMPO_CONFIDENCE,
    Heard,
    Measured,
    described,
    hear,
    hear_signal,
    measured_sources,
)
from angen.analysis.key import Key, key_named
from angen.analysis.levels import loudness_hops
from angen.analysis.record import Analysis
from angen.analysis.spectrum import RATE_HZ, Float, at_common_level
from angen.analysis.wording import mood_of
from angen.audio import Audio, check_audio, read_audio, read_facts
from angen.audio.loudness import integrated_lufs

LONGEST_WHOLE_S = 900.0
MOST_VALUES = 2**26
"""Samples of all channels of a file that is heard whole: 256 MiB, twelve minutes of stereo at 44.1 kHz."""

PART_S, SHORTEST_PART_S = 300.0, 60.0
_CHUNK_S, _CHUNK_VALUES = 10.0, 2**23
_SAME_TEMPO = 0.04
_MOST_ALIKE = 0.5


def hear_file(path: str | Path) -> tuple[Audio, Heard]:
    """Hear a file of any length.

    A long one is heard in parts of five minutes: tempo, key and tags are what most parts agree on, or unknown; beats
    and bars are those of the parts that have that tempo; level and loudness are of the whole.

    Returns:
        What a tagger may listen to, and what was heard. Of a long file, that is the part in its middle, at 22,050 Hz
        in one channel, with its spectra; the analysis is of the whole.

    Raises:
        AudioError: If it cannot be read or holds nothing to hear; see `angen.audio.read_audio`.
    """
    if not is_long(path):
        audio = read_audio(path)
        return audio, hear(audio)
    facts = read_facts(path)
    listener = _PartListener(middle_s=facts.duration_s / 2 if facts else 0.0)
    measured = check_audio(path, take=listener.take)
    listener.finish()
    assert listener.middle is not None
    audio, heard = listener.middle
    whole = Measured(
        measured.duration_s, measured.rate_hz, measured.channels, listener.loudness_lufs(), listener.energy()
    )
    return audio, replace(heard, analysis=merged(listener.parts, whole))


def is_long(path: str | Path) -> bool:
    """Whether a file is heard in parts, by what its header says. One that cannot be read is not long."""
    facts = read_facts(path)
    if facts is None:
        return False
    if facts.duration_s == 0:  # a WAV from a pipe
        return Path(path).stat().st_size > MOST_VALUES
    values = facts.duration_s * facts.rate_hz * facts.channels
    return facts.duration_s > LONGEST_WHOLE_S or values > MOST_VALUES


@dataclass(frozen=True, eq=False)
class Part:
    """A part of a recording and what was heard in it.

    Args:
        start_s: Where it starts.
        analysis: Of the part, its times from its own start.
        onsets_per_s: Distinct onsets.
    """

    start_s: float
    analysis: Analysis
    onsets_per_s: float


class _PartListener:
    """Takes blocks of samples, hears each part as soon as it is there, and forgets it but for the middle one.

    Args:
        middle_s: A time in the part whose sound is kept.
    """

    def __init__(self, middle_s: float) -> None:
        self.parts: list[Part] = []
        self.middle: tuple[Audio, Heard] | None = None
        self._middle_s = middle_s
        self._waiting: list[Float] = []
        self._waiting_samples = 0
        self._heard_s = 0.0
        self._signal: list[Float] = []
        self._signal_samples = 0
        self._resampler: soxr.ResampleStream | None = None
        self._rate_hz = RATE_HZ
        self._hops: list[NDArray[np.float64]] = []
        self._power, self._samples = 0.0, 0

    def take(self, block: Float, rate_hz: int) -> None:
        """Listen to a block of shape (samples, channels)."""
        self._rate_hz = rate_hz
        tenths = min(10 * _CHUNK_S, _CHUNK_VALUES // (0.1 * rate_hz * block.shape[1]))
        chunk = max(1, round(max(tenths, 1) * 0.1 * rate_hz))
        at = 0
        while at < len(block):
            part = block[at : at + chunk - self._waiting_samples]
            self._waiting.append(part.T.copy())
            self._waiting_samples += len(part)
            at += len(part)
            if self._waiting_samples == chunk:
                self._digest(is_last=False)

    def finish(self) -> None:
        """Hear what is left."""
        self._digest(is_last=True)
        self._hear_part(self._signal_samples)

    def loudness_lufs(self) -> float | None:
        """Integrated loudness of all that was taken."""
        return integrated_lufs(np.concatenate(self._hops)) if self._hops else None

    def energy(self) -> float:
        """Root mean square of all that was taken."""
        return math.sqrt(self._power / max(self._samples, 1))

    def _digest(self, *, is_last: bool) -> None:
        """Measure the samples that wait, and bring them to the listening signal."""
        mono = np.zeros(0, np.float32)
        if self._waiting:
            audio = Audio(np.ascontiguousarray(np.concatenate(self._waiting, axis=1)), self._rate_hz)
            self._waiting, self._waiting_samples = [], 0
            self._hops.append(loudness_hops(audio))
            mono = audio.mono().samples[0]
            self._power += float(np.dot(mono, mono))
            self._samples += mono.size
        if self._rate_hz != RATE_HZ:
            if self._resampler is None:
                self._resampler = soxr.ResampleStream(self._rate_hz, RATE_HZ, 1, quality="LQ")
            mono = self._resampler.resample_chunk(mono, last=is_last)
        self._signal.append(mono)
        self._signal_samples += len(mono)
        while self._signal_samples >= (PART_S + SHORTEST_PART_S) * RATE_HZ:
            self._hear_part(round(PART_S * RATE_HZ))

    def _hear_part(self, samples: int) -> None:
        signal = np.concatenate(self._signal)
        own, rest = signal[:samples], signal[samples:].copy()
        self._signal, self._signal_samples = [rest], len(rest)
        if not len(own):
            return
        length_s, start_s = len(own) / RATE_HZ, self._heard_s
        heard = hear_signal(at_common_level(own), Measured(length_s, RATE_HZ, 1, None, 0.0))
        self.parts.append(Part(start_s, heard.analysis, heard.spectrum.onsets_per_s()))
        self._heard_s += length_s
        if self.middle is None or start_s <= self._middle_s:
            self.middle = Audio(own[None], RATE_HZ), heard


def merged(parts: Sequence[Part], measured: Measured) -> Analysis:
    """One record of a recording heard in parts, at least one, that follow each other.

    What most of it agrees on is known; confidences are means over all parts, those that disagree counting nothing.
    """
    duration_s = sum(part.analysis.duration_s for part in parts)
    steady, tempo, tempo_sure = _common_tempo(parts)
    key, key_sure = _common_key(parts)
    onsets = sum(part.onsets_per_s * part.analysis.duration_s for part in parts) / duration_s
    barred = [part for part in steady if part.analysis.metre]
    metre = _most_common([part.analysis.metre for part in steady], len(parts))
    bars_sure = sum(part.analysis.downbeat_confidence for part in barred) / len(parts)
    genre = _most_common([part.analysis.genre for part in parts], len(parts))
    mood = mood_of(tempo, onsets, key.mode if key else None)
    confidence = {"tempo_bpm": tempo_sure, "downbeats_s": bars_sure, "metre": bars_sure, "key": key_sure}
    confidence |= {"genre": float(np.mean([part.analysis.confidence.get("genre", 0.0) for part in parts]))}
    if mood:
        confidence["mood"] = min(tempo_sure, key_sure)
    rounded = {name: round(sure, 3) for name, sure in confidence.items()}
    analysis = replace(
        parts[0].analysis,
        duration_s=measured.duration_s,
        rate_hz=measured.rate_hz,
        channels=measured.channels,
        tempo_bpm=None if tempo is None else round(tempo, 2),
        tempo_confidence=rounded["tempo_bpm"],
        tempo_alternatives=max(steady, key=_tempo_sure).analysis.tempo_alternatives if steady else [],
        beats_s=_moved(steady, "beats_s", measured.duration_s),
        downbeats_s=_moved(barred, "downbeats_s", measured.duration_s) if metre else [],
        downbeat_confidence=rounded["downbeats_s"],
        metre=metre,
        key=key.name if key else None,
        key_confidence=rounded["key"],
        camelot=key.camelot if key else None,
        loudness_lufs=None if measured.loudness_lufs is None else round(measured.loudness_lufs, 2),
        energy=measured.energy,
        brightness_hz=round(
            sum(part.analysis.brightness_hz * part.analysis.duration_s for part in parts) / duration_s, 1
        ),
        mood=mood,
        instruments=_common_instruments(parts),
        genre=genre,
        segments=_segments(parts, measured.duration_s),
        confidence=rounded,
    )
    sources = measured_sources(analysis) | ({"genre": "measured"} if genre else {})
    return described(replace(analysis, sources=sources))


def _tempo_sure(part: Part) -> float:
    return part.analysis.tempo_confidence


def _common_tempo(parts: Sequence[Part]) -> tuple[list[Part], float | None, float]:
    """The parts that share the best supported tempo, that tempo, and how sure it is; none, if it is not sure enough."""
    known = [(part, part.analysis.tempo_bpm) for part in parts if part.analysis.tempo_bpm is not None]
    groups = [
        [other for other, their_bpm in known if abs(their_bpm / bpm - 1) < _SAME_TEMPO] for _, bpm in known
    ]
    best = max(groups, key=lambda group: sum(map(_tempo_sure, group)), default=[])
    sure = sum(map(_tempo_sure, best)) / len(parts)
    if sure < LEAST_TEMPO_CONFIDENCE or not best:
        return [], None, sure
    weights = [_tempo_sure(part) for part in best]
    return best, float(np.average([part.analysis.tempo_bpm or 0 for part in best], weights=weights)), sure


def _common_key(parts: Sequence[Part]) -> tuple[Key | None, float]:
    """The key that is best supported, None if it is not sure enough, and how sure it is."""
    support: dict[str, float] = {}
    for part in parts:
        if part.analysis.key:
            support[part.analysis.key] = support.get(part.analysis.key, 0.0) + part.analysis.key_confidence
    name, total = max(support.items(), key=lambda item: item[1], default=("", 0.0))
    sure = total / len(parts)
    return (key_named(name, sure) if name and sure >= LEAST_KEY_CONFIDENCE else None), sure


def _most_common(values: Sequence[str | None], parts: int) -> str | None:
    """The value that at least half of all parts have."""
    known = Counter(value for value in values if value)
    best = max(known, key=lambda value: known[value], default=None)
    return best if best is not None and known[best] >= _MOST_ALIKE * parts else None


def _common_instruments(parts: Sequence[Part]) -> list[str]:
    counts = Counter(name for part in parts for name in part.analysis.instruments)
    return [name for name, count in counts.most_common() if count >= _MOST_ALIKE * len(parts)]


def _moved(parts: Sequence[Part], name: str, end_s: float) -> list[float]:
    """Times of all parts as times of the recording."""
    times = [round(part.start_s + time_s, 4) for part in parts for time_s in getattr(part.analysis, name)]
    return [time_s for time_s in times if time_s < end_s]


def _segments(parts: Sequence[Part], duration_s: float) -> list[list[float]]:
    """Clips of all parts; the last ends with the recording."""
    found = [
        [round(part.start_s + start, 4), round(part.start_s + end, 4)]
        for part in parts
        for start, end in part.analysis.segments
    ]
    found[-1][1] = round(duration_s, 4)
    return found

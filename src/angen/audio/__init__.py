"""Recorded sound: the `Audio` record, reading and writing files, finding them, and measuring their level."""

from angen.audio.folders import AUDIO_SUFFIXES, find_audio
from angen.audio.loudness import loudness_lufs
from angen.audio.meter import peak_db, rms_db, true_peak
from angen.audio.reading import SoundFacts, check_audio, read_audio, read_facts
from angen.audio.record import Audio
from angen.audio.writing import write_audio

__all__ = [
    "AUDIO_SUFFIXES",
    "Audio",
    "SoundFacts",
    "check_audio",
    "find_audio",
    "loudness_lufs",
    "peak_db",
    "read_audio",
    "read_facts",
    "rms_db",
    "true_peak",
    "write_audio",
]

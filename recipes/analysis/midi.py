"""Notes of a MIDI file, and their sound through a soundfont."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import mido
import numpy as np
from numpy.typing import NDArray

from recipes.angen_tiny.render import load_synth

DRUMS = 9


@dataclass(frozen=True)
class Note:
    """One note: when, on which channel, how high and how hard, and the program of its channel."""

    start_s: float
    duration_s: float
    channel: int
    pitch: int
    velocity: int
    program: int


@dataclass(frozen=True)
class Song:
    """A MIDI file in seconds.

    Args:
        notes: By start.
        tempi: (second, quarters a minute) wherever the tempo changes.
        key: As the file states it, "F# minor", or None.
        metre: Beats and unit, as (3, 4); None where the file does not say.
    """

    notes: tuple[Note, ...]
    tempi: tuple[tuple[float, float], ...]
    key: str | None
    metre: tuple[int, int] | None


def read_midi(path: Path) -> Song:
    """All notes, tempi, and the first key and metre of a file."""
    now, programs, on = 0.0, dict.fromkeys(range(16), 0), {}
    notes, tempi = [], []
    key, metre = None, None
    for message in mido.MidiFile(path, clip=True):
        now += message.time
        if message.type == "set_tempo":
            tempi.append((now, 6e7 / message.tempo))
        elif message.type == "key_signature" and key is None:
            tonic = message.key.removesuffix("m")
            key = f"{tonic} {'minor' if message.key.endswith('m') else 'major'}"
        elif message.type == "time_signature" and metre is None:
            metre = (message.numerator, message.denominator)
        elif message.type == "program_change":
            programs[message.channel] = message.program
        elif message.type in ("note_on", "note_off"):
            place = (message.channel, message.note)
            if place in on:
                start, velocity = on.pop(place)
                program = programs[message.channel]
                notes.append(Note(start, max(now - start, 0.03), *place, velocity, program))
            if message.type == "note_on" and message.velocity:
                on[place] = (now, message.velocity)
    ordered = sorted(notes, key=lambda note: note.start_s)
    return Song(tuple(ordered), tuple(tempi or [(0.0, 120.0)]), key, metre)


def excerpt(song: Song, start_s: float, duration_s: float) -> tuple[Note, ...]:
    """The notes that begin in a stretch, in its own seconds."""
    inside = (note for note in song.notes if start_s <= note.start_s < start_s + duration_s)
    return tuple(replace(note, start_s=note.start_s - start_s) for note in inside)


def humanised(notes: tuple[Note, ...], rng: np.random.Generator) -> tuple[Note, ...]:
    """Each note up to about 15 ms early or late and a little softer or louder."""
    return tuple(
        replace(
            note,
            start_s=max(0.0, note.start_s + 0.006 * float(rng.standard_normal())),
            velocity=int(np.clip(note.velocity + 7 * rng.standard_normal(), 1, 127)),
        )
        for note in notes
    )


def play(notes: tuple[Note, ...], soundfont: Path, rate_hz: int, duration_s: float) -> NDArray[np.float32]:
    """Mono sound of the notes, RMS 0.1, shape (samples,)."""
    synth, font = load_synth(soundfont, rate_hz)
    for channel in range(16):
        synth.sounds_off(channel)
        synth.control_change(channel, 121, 0)
        synth.control_change(channel, 7, 100)
        synth.program_select(channel, font, 128 if channel == DRUMS else 0, 0, channel == DRUMS)
    synth.generate_simple(4096)
    total = round(duration_s * rate_hz)
    sound, position, current = np.zeros((total, 2), np.float32), 0, dict.fromkeys(range(16), 0)
    for second, is_on, note in _events(notes):
        sample = min(round(second * rate_hz), total)
        if sample > position:
            block = synth.generate_simple(sample - position)
            sound[position:sample] = np.frombuffer(block, np.float32).reshape(-1, 2)
            position = sample
        if is_on and note.channel != DRUMS and current[note.channel] != note.program:
            synth.program_select(note.channel, font, 0, note.program, False)
            current[note.channel] = note.program
        if is_on:
            synth.noteon(note.channel, note.pitch, note.velocity)
        else:
            synth.noteoff(note.channel, note.pitch)
    if position < total:
        block = synth.generate_simple(total - position)
        sound[position:] = np.frombuffer(block, np.float32).reshape(-1, 2)
    mono = sound.mean(axis=1)
    rms = float(np.sqrt(np.mean(mono**2)))
    return np.asarray(mono * np.float32(0.1 / max(rms, 1e-6)))


def _events(notes: tuple[Note, ...]) -> list[tuple[float, bool, Note]]:
    starts = [(note.start_s, True, note) for note in notes]
    ends = [(note.start_s + note.duration_s, False, note) for note in notes]
    return sorted([*ends, *starts], key=lambda event: (event[0], event[1]))

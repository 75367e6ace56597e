"""Render a piece to audio through a soundfont, with moderate variety of room, tone and recording.

Needs tinysoundfont (MIT), installed with `pip install --no-deps tinysoundfont`: what it depends on is for
live playback only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import butter, sosfilt

from recipes.angen_tiny import effects
from recipes.angen_tiny.effects import Signal
from recipes.angen_tiny.instruments import alternatives
from recipes.angen_tiny.piece import BASS, DRUMS, Piece

_VOLUME, _PAN = 7, 10  # MIDI controllers
_TOO_QUIET_DB = -64.0
_REFERENCE_DB = -60.0  # loudness of a lead; low, so that weak programs can reach it


@dataclass(frozen=True)
class Mix:
    """How the channels are set for one rendering.

    Args:
        programs: General MIDI program of each channel but the drums.
        kit: Drum kit.
        levels_db: Loudness wanted of each channel, the drums included, relative to a lead at 0.
        pans: MIDI pan (0 left, 64 centre, 127 right) of channels away from the centre.
        tuning: Semitones added to every pitched channel.
    """

    programs: dict[int, int]
    kit: int
    levels_db: dict[int, float]
    pans: dict[int, int]
    tuning: float = 0.0


def render(
    piece: Piece,
    rng: np.random.Generator,
    soundfonts: Sequence[Path],
    *,
    rate_hz: int = 24_000,
    duration_s: float,
) -> Signal:
    """Render a piece as a corpus clip.

    Args:
        piece: What to play.
        rng: Draws soundfont, programs of the same sound, balance, tuning, room, tone and level.
        soundfonts: Files to choose from; each is loaded once per process.
        rate_hz: Sample rate.
        duration_s: Length of the clip.

    Returns:
        Mono audio, float32, shape (samples,), RMS -20 to -16 dBFS, peak below 0.98.
    """
    mix = draw_mix(piece, rng)
    fit = [soundfont for soundfont in soundfonts if _can_play(mix, soundfont, rate_hz)] or soundfonts[:1]
    soundfont = fit[int(rng.integers(len(fit)))]
    stereo = synthesise(piece, mix, soundfont, rate_hz, duration_s)
    return master(stereo.mean(axis=0), piece.labels.style, rng, rate_hz)


def draw_mix(piece: Piece, rng: np.random.Generator) -> Mix:
    """Vary programs within their word, balance by a few dB, and the tuning of the whole by up to 30 cents."""
    programs = {
        channel: int(rng.choice(alternatives(program)))
        if rng.random() < 0.35 and not piece.labels.wild
        else program
        for channel, program in piece.programs.items()
    }
    levels_db = {
        channel: level_db + float(np.clip(rng.normal(0.0, 1.5), -3.5, 3.5))
        for channel, level_db in piece.levels_db.items()
    }
    tuning = float(rng.uniform(-0.3, 0.3)) if rng.random() < 0.6 else 0.0
    return Mix(programs, piece.kit, levels_db, {}, tuning)


@cache
def load_synth(soundfont: Path, rate_hz: int) -> tuple[Any, int]:
    """A synthesiser with a soundfont loaded, kept for the life of the process, and the font's id."""
    import tinysoundfont

    synth = tinysoundfont.Synth(gain=-8.0, samplerate=rate_hz)
    return synth, synth.sfload(str(soundfont), max_voices=192)


def synthesise(piece: Piece, mix: Mix, soundfont: Path, rate_hz: int, duration_s: float) -> Signal:
    """Play the notes, dry.

    Returns:
        Float32 audio, shape (2, samples).
    """
    synth, font = load_synth(soundfont, rate_hz)
    gains = _volumes(mix, soundfont, rate_hz)
    _reset(synth, font, mix)
    for channel, volume in gains.items():
        synth.control_change(channel, _VOLUME, volume)
    total = round(duration_s * rate_hz)
    buffer = bytearray(total * 8)
    view = memoryview(buffer)
    position = 0
    for sample, is_on, channel, pitch, velocity in _events(piece, rate_hz):
        sample = min(sample, total)
        if sample > position:
            synth.generate_simple(sample - position, view[position * 8 : sample * 8])
            position = sample
        if sample >= total:
            break
        if is_on:
            synth.noteon(channel, pitch, velocity)
        else:
            synth.noteoff(channel, pitch)
    if position < total:
        synth.generate_simple(total - position, view[position * 8 :])
    return np.frombuffer(buffer, dtype=np.float32).reshape(-1, 2).T.copy()


def _reset(synth: Any, font: int, mix: Mix) -> None:
    """Silence whatever sounded before and set up the channels, so that no clip hears the one before it."""
    for channel in range(16):
        is_drums = channel == DRUMS
        program = mix.kit if is_drums else mix.programs.get(channel, 0)
        synth.program_select(channel, font, 128 if is_drums else 0, program, is_drums)
        synth.sounds_off(channel)
        synth.control_change(channel, 121, 0)
        synth.control_change(channel, _PAN, mix.pans.get(channel, 64))
        synth.set_tuning(channel, 0.0 if is_drums else mix.tuning)
    synth.generate_simple(4096)


def _volumes(mix: Mix, soundfont: Path, rate_hz: int) -> dict[int, int]:
    """MIDI volumes that bring channels to their levels; programs differ by tens of decibels."""
    volumes = {}
    for channel, level_db in mix.levels_db.items():
        program = mix.kit if channel == DRUMS else mix.programs[channel]
        gain_db = level_db + _REFERENCE_DB - program_loudness(soundfont, rate_hz, channel, program)
        volume = round(127 * 10 ** (gain_db / 60))  # the synthesiser cubes volume / 127
        volumes[channel] = int(np.clip(volume, 1, 127))
    return volumes


def _can_play(mix: Mix, soundfont: Path, rate_hz: int) -> bool:
    """Whether a soundfont has usable sounds for every channel.

    tinysoundfont knows no modulators, on which some velocity layers rely; MuseScore General's pianos are all
    but silent at middling velocities for that reason.
    """
    return all(
        program_loudness(soundfont, rate_hz, channel, program) > _TOO_QUIET_DB
        for channel, program in mix.programs.items()
    )


@cache
def program_loudness(soundfont: Path, rate_hz: int, channel: int, program: int) -> float:
    """How loud single notes of a program are, in dB, at full volume and velocity 90.

    The measure is the loudest 0.3 s of each of three notes, above 150 Hz, where ears count.
    """
    synth, font = load_synth(soundfont, rate_hz)
    pitches = {DRUMS: (36, 38, 42), BASS: (33, 38, 43)}.get(channel, (57, 64, 71))
    mix = Mix({channel: program}, program, {}, {})
    sos = butter(1, 150.0 / (rate_hz / 2), "highpass", output="sos")
    window, powers = int(0.3 * rate_hz), []
    for pitch in pitches:
        _reset(synth, font, mix)
        synth.control_change(channel, _VOLUME, 127)
        synth.noteon(channel, pitch, 90)
        samples = (
            np.frombuffer(synth.generate_simple(3 * window), dtype=np.float32).reshape(-1, 2).mean(axis=1)
        )
        power = sosfilt(sos, samples) ** 2
        powers.append(
            max(float(power[start : start + window].mean()) for start in range(0, 2 * window, window // 3))
        )
    return float(10 * np.log10(np.mean(powers) + 1e-9))


def _events(piece: Piece, rate_hz: int) -> list[tuple[int, bool, int, int, int]]:
    """Note starts and ends as (sample, is_on, channel, pitch, velocity), ends before starts."""
    events = []
    for note in piece.notes:
        start = round(note.start_s * rate_hz / 16) * 16
        end = max(start + 16, round((note.start_s + note.duration_s) * rate_hz / 16) * 16)
        events.append((start, True, note.channel, note.pitch, note.velocity))
        events.append((end, False, note.channel, note.pitch, 0))
    return sorted(events)


def master(audio: Signal, style: str, rng: np.random.Generator, rate_hz: int) -> Signal:
    """Recording and mastering of a mono clip: each effect now and then, none of them much."""
    spacious = style in ("ambient", "cinematic", "classical")
    if rng.random() < (0.9 if spacious else 0.6):
        decay_s = rng.uniform(0.8, 2.4) if spacious else rng.uniform(0.2, 1.2)
        audio = effects.reverberate(audio, effects.room(rng, decay_s, rate_hz)[0:1], rng.uniform(0.06, 0.3))
    if rng.random() < 0.6:
        audio = effects.tilt(audio, float(rng.normal(0.0, 2.5)), rate_hz)
    if style == "lo-fi" and rng.random() < 0.6:
        audio = _aged(audio, rng, rate_hz)
    elif rng.random() < 0.06:
        audio = effects.wow(audio, rng, rng.uniform(0.0003, 0.001), rate_hz)
    if rng.random() < 0.3:
        audio = effects.compress(audio, rng.uniform(1.3, 2.2), rate_hz)
    if rng.random() < 0.2:
        audio = effects.saturate(audio, rng.uniform(0.6, 1.6))
    rms = float(np.sqrt(np.mean(audio**2)))
    if rng.random() < 0.3:
        floor_db = rng.uniform(-66.0, -48.0)
        audio = audio + rms * 10 ** (floor_db / 20) * effects.noise_floor(rng, audio.shape[-1])
    return effects.set_level(audio, float(rng.uniform(-20.0, -16.5)))


def _aged(audio: Signal, rng: np.random.Generator, rate_hz: int) -> Signal:
    """The worn record of lo-fi: duller, swaying, crackling."""
    audio = effects.low_pass(audio, rng.uniform(3500.0, 8000.0), rate_hz)
    audio = effects.wow(audio, rng, rng.uniform(0.0006, 0.002), rate_hz)
    rms = float(np.sqrt(np.mean(audio**2)))
    return audio + rms * rng.uniform(0.15, 0.6) * effects.crackle(rng, len(audio), rate_hz)

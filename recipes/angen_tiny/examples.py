"""Twelve little calypso songs to train a first adapter on: the style the base model has never heard.

    python -m recipes.angen_tiny.examples --out examples/calypso

Each song is complete, with an introduction, a verse, a chorus and an ending, in stereo at 44.1 kHz. Titles,
keys, tempi and instruments are chosen below; melodies and rhythms follow from each song's seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile

from recipes.angen_tiny import effects
from recipes.angen_tiny.compose import perform, with_bars
from recipes.angen_tiny.effects import Signal
from recipes.angen_tiny.endings import ENDING, last_chord, resolved
from recipes.angen_tiny.forms import SectionPlan
from recipes.angen_tiny.idiom import MOODS
from recipes.angen_tiny.piece import ARP, BASS, CHORDS, DRUMS, LEAD, METRES, PAD, Piece
from recipes.angen_tiny.render import Mix, synthesise
from recipes.angen_tiny.score import Score
from recipes.angen_tiny.soundfonts import find_soundfonts
from recipes.angen_tiny.styles import STYLES
from recipes.angen_tiny.theory import PITCH_NAMES

RATE_HZ = 44_100
SEED = 1956  # the year "Jean and Dinah" won the road march
_TAIL_S = 2.2
_COMPRESSION = 0.97  # of Vorbis, 0 best to 1 smallest
_WRITE_SAMPLES = 16_384  # libsndfile's Vorbis writer can fail on one long write
_PANS = {LEAD: 56, BASS: 64, CHORDS: 88, PAD: 44, ARP: 38, DRUMS: 64}


@dataclass(frozen=True)
class Song:
    """What is decided by hand about a song.

    Args:
        title: Its name.
        tonic: Its key, always major.
        tempo_bpm: Beats a minute.
        mood: A name in `idiom.MOODS`.
        lead: Instrument of the melody.
        chords: Instrument of the accompaniment.
        arp: Instrument of the second figure.
        bass: Instrument of the bass.
        pad: Instrument of held chords, or empty.
    """

    title: str
    tonic: str
    tempo_bpm: float
    mood: str
    lead: str
    chords: str
    arp: str
    bass: str
    pad: str = ""


SONGS = (
    Song("Harbour Morning", "C", 108, "happy", "steel drums", "marimba", "flute", "electric bass"),
    Song("Mango Cart", "F", 116, "playful", "marimba", "steel drums", "trumpet", "double bass"),
    Song(
        "Pelican Parade", "G", 124, "energetic", "steel drums", "marimba", "trumpet", "electric bass", "brass"
    ),
    Song("Tin Roof Rain", "D", 98, "relaxed", "steel drums", "marimba", "marimba", "double bass", "organ"),
    Song("Sugar Mill Road", "A#", 112, "happy", "marimba", "steel drums", "flute", "electric bass"),
    Song("Lantern Boats", "D#", 96, "romantic", "steel drums", "marimba", "flute", "double bass", "organ"),
    Song(
        "Carnival Tuesday",
        "A",
        128,
        "energetic",
        "steel drums",
        "marimba",
        "steel drums",
        "synth bass",
        "brass",
    ),
    Song("Nutmeg Market", "E", 110, "playful", "marimba", "marimba", "steel drums", "electric bass"),
    Song("Ferry to Tobago", "G#", 104, "uplifting", "steel drums", "marimba", "trumpet", "electric bass"),
    Song("Blue Shutters", "F", 100, "relaxed", "marimba", "steel drums", "flute", "double bass"),
    Song("Cricket on the Sand", "C#", 120, "happy", "steel drums", "steel drums", "marimba", "electric bass"),
    Song(
        "Last Swim of the Day",
        "G",
        102,
        "uplifting",
        "steel drums",
        "marimba",
        "flute",
        "electric bass",
        "organ",
    ),
)

_ALL = frozenset({"drums", "bass", "chords", "lead", "arp", "pad"})
_INTRO = SectionPlan("intro", 2, frozenset({"drums", "chords", "arp"}), 0.6)
_VERSE = SectionPlan("verse", 8, frozenset({"drums", "bass", "chords", "lead"}), 0.75)
_CHORUS = SectionPlan("chorus", 8, _ALL, 1.0)
_BREAK = SectionPlan("break", 4, frozenset({"drums", "bass", "chords", "arp"}), 0.7)


def form_for(tempo_bpm: float) -> tuple[SectionPlan, ...]:
    """An arrangement of 40 to 50 seconds: faster songs have more bars."""
    if tempo_bpm >= 118:
        return (_INTRO, _VERSE, _BREAK, _CHORUS, ENDING)
    if tempo_bpm >= 106:
        return (replace(_INTRO, bars=4), _VERSE, _CHORUS, ENDING)
    return (_INTRO, _VERSE, _CHORUS, ENDING)


def compose_song(song: Song, seed: int) -> tuple[Piece, float]:
    """Write a song.

    Returns:
        The piece, and its length in seconds with the last chord's decay.
    """
    rng = np.random.default_rng([SEED, seed])
    style = STYLES["calypso"]
    feel = style.feels[0]
    words = {"lead": song.lead, "bass": song.bass, "chords": song.chords, "pad": song.pad, "arp": song.arp}
    score = Score(
        style=style,
        mood_name=song.mood,
        mood=MOODS[song.mood],
        feel=feel,
        metre=METRES[feel.metre],
        tempo_bpm=song.tempo_bpm,
        swing=0.5,
        tonic=PITCH_NAMES.index(song.tonic),
        mode="major",
        parts={part: word for part, word in words.items() if word},
        kit=style.kits[seed % len(style.kits)],
        bars=(),
    )
    line = [(plan, position) for plan in form_for(song.tempo_bpm) for position in range(plan.bars)]
    score = resolved(with_bars(score, line, rng))
    bar_s = 60.0 / song.tempo_bpm * score.metre.beats
    duration_s = (len(score.bars) - 1) * bar_s + _TAIL_S
    return perform(score, rng, duration_s, extra=tuple(last_chord(score))), duration_s


def render_song(piece: Piece, duration_s: float, soundfont: Path, seed: int) -> Signal:
    """Render a song in stereo.

    Returns:
        Float32 audio, shape (2, samples), fading at the very end.
    """
    rng = np.random.default_rng([SEED, seed, 1])
    mix = Mix(piece.programs, piece.kit, piece.levels_db, _PANS)
    dry = synthesise(piece, mix, soundfont, RATE_HZ, duration_s)
    audio = effects.reverberate(dry, effects.room(rng, 1.5, RATE_HZ, channels=2), 0.16)
    audio = effects.set_level(effects.compress(audio, 1.3, RATE_HZ), -18.0, ceiling=0.8)
    fade = int(0.6 * RATE_HZ)
    audio[:, -fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    return audio


def write_ogg(audio: Signal, path: Path, title: str) -> None:
    """Write Ogg Vorbis a little at a time."""
    with soundfile.SoundFile(
        path,
        "w",
        RATE_HZ,
        channels=audio.shape[0],
        format="OGG",
        subtype="VORBIS",
        compression_level=_COMPRESSION,
    ) as file:
        file.title = title
        for start in range(0, audio.shape[1], _WRITE_SAMPLES):
            file.write(audio[:, start : start + _WRITE_SAMPLES].T)


def write_songs(folder: Path, songs: Sequence[Song] = SONGS) -> list[Path]:
    """Compose, render and write songs; they take the soundfonts in turn."""
    soundfonts = find_soundfonts()
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, song in enumerate(songs, start=1):
        piece, duration_s = compose_song(song, number)
        audio = render_song(piece, duration_s, soundfonts[number % len(soundfonts)], number)
        path = folder / f"{number:02d} {song.title}.ogg"
        write_ogg(audio, path, song.title)
        print(f"{path.name}: {duration_s:.1f} s, {path.stat().st_size / 1000:.0f} kB", flush=True)
        paths.append(path)
    return paths


def main() -> None:
    """Parse the command line and write the songs."""
    parser = argparse.ArgumentParser(description="Write twelve little calypso songs.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    write_songs(parser.parse_args().out)


if __name__ == "__main__":
    main()

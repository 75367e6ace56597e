"""Write the labelled sets on which analysis is measured: four kinds of music that our composer did not write.

    python -m recipes.analysis.labelled --sources FOLDER --out FOLDER/sets --kind bands --count 120

`--sources` holds what these leave there (fetched for a measurement, never kept in this repository):

    pip download --no-deps music21 && unzip -d m21 music21-*.whl   # BSD; scores in its corpus, each with its own terms
    apt-get download mma abcmidi openttd-openmsx planetblupi-music-midi   # then dpkg -x each into debs/x/NAME

* `bands`: accompaniments by MMA in about a hundred popular styles, over chords and a tune drawn here, at a tempo
  usual for the style; key, tempo and beats are known.
* `scores`: Bach to Joplin from music21's corpus; the key is the score's, the tempo drawn where it gives none.
* `folk`: tunes of Ryan's Mammoth Collection, in one or two instruments.
* `game`: arrangements from two free games; only their tempo is known.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from recipes.analysis.midi import DRUMS, Note, Song, excerpt, humanised, play, read_midi
from recipes.angen_tiny import effects
from recipes.angen_tiny.compose import compose
from recipes.angen_tiny.render import render
from recipes.angen_tiny.soundfonts import find_soundfonts
from recipes.angen_tiny.styles import STYLES

RATE_HZ = 24_000
CLIP_S = 40.0
TONICS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
FLATS = {
    "Db": "C#",
    "Eb": "D#",
    "Gb": "F#",
    "Ab": "G#",
    "Bb": "A#",
    "Cb": "B",
    "Fb": "E",
    "E#": "F",
    "B#": "C",
}

# (part of the groove's name, genre, lowest and highest usual quarters a minute); the first that fits counts.
GROOVES = (
    ("slow", "", 60, 88), ("ballad", "pop", 60, 86), ("lullaby", "folk", 70, 95), ("hymn", "hymn", 66, 96),
    ("viennese", "classical", 150, 186), ("vienese", "classical", 150, 186), ("fastwaltz", "dance", 150, 186),
    ("waltz", "dance", 84, 150), ("fast", "jazz", 180, 230), ("bebop", "jazz", 170, 230),
    ("swing", "jazz", 120, 190), ("jazz", "jazz", 105, 180), ("bigband", "jazz", 120, 180),
    ("trance", "electronic", 132, 142), ("metal", "rock", 120, 170), ("punk", "rock", 150, 190),
    ("rock", "rock", 96, 150), ("blues", "blues", 80, 125), ("boggie", "blues", 125, 170),
    ("bossa", "latin", 116, 150), ("samba", "latin", 94, 120), ("salsa", "latin", 90, 110),
    ("chacha", "latin", 110, 128), ("mambo", "latin", 90, 110), ("rhumba", "latin", 100, 124),
    ("beguine", "latin", 100, 124), ("bolero", "latin", 84, 104), ("merengue", "latin", 120, 150),
    ("tango", "latin", 110, 132), ("calypso", "latin", 100, 124), ("ska", "reggae", 130, 160),
    ("reggae", "reggae", 70, 92), ("polka", "folk", 108, 126), ("march", "march", 108, 124),
    ("bluegrass", "country", 110, 140), ("country", "country", 95, 130), ("folk", "folk", 90, 130),
    ("ragtime", "ragtime", 76, 104), ("dixie", "jazz", 150, 210), ("foxtrot", "dance", 112, 128),
    ("quickstep", "dance", 180, 208), ("charleston", "dance", 190, 220), ("jive", "dance", 150, 176),
    ("twist", "rock", 150, 170), ("funk", "funk", 92, 118), ("soul", "soul", 80, 115), ("rb", "soul", 70, 100),
    ("disco", "disco", 112, 126), ("spiritual", "folk", 80, 110), ("", "pop", 88, 132),
)  # fmt: skip
UNUSUAL = ("68", "128", "metronome", "none", "desert", "-54", "arpeggio")
CHORDS = {
    "major": (("I", "vi", "IV", "V"), ("I", "IV", "I", "V"), ("I", "V", "vi", "IV"), ("ii", "V", "I", "I"),
              ("I", "iii", "IV", "V"), ("I", "I", "IV", "V")),
    "minor": (("i", "iv", "V", "i"), ("i", "VI", "III", "VII"), ("i", "VII", "VI", "V"), ("i", "i", "iv", "V"),
              ("iv", "V", "i", "i")),
}  # fmt: skip
DEGREES = {"I": (0, ""), "ii": (2, "m"), "iii": (4, "m"), "IV": (5, ""), "V": (7, "7"), "vi": (9, "m"),
           "i": (0, "m"), "iv": (5, "m"), "VI": (8, ""), "III": (3, ""), "VII": (10, "")}  # fmt: skip
LEADS = (0, 24, 26, 40, 56, 65, 66, 71, 73, 80, 81, 11, 21, 4)


def bands(sources: Path, rng: np.random.Generator) -> Iterator[tuple[str, Song, dict[str, Any]]]:
    """MMA's standard library, style after style, over drawn chords."""
    root = sources / "debs/x/mma/usr/share/mma"
    names = sorted(path.stem for path in (root / "lib/stdlib").glob("*.mma"))
    names = [name for name in names if not any(part in name for part in UNUSUAL)]
    while True:
        for name in rng.permutation(names):
            _, genre, low, high = next(row for row in GROOVES if row[0] in name)
            tempo = round(float(rng.uniform(low, high)), 1)
            tonic, mode = int(rng.integers(12)), ("major", "minor")[int(rng.random() < 0.4)]
            song = _accompanied(root, str(name), tempo, tonic, mode, rng)
            if song is not None:
                label = {"tempo_bpm": tempo, "key": f"{TONICS[tonic]} {mode}", "genre": genre or None}
                yield str(name), song, label


def _accompanied(
    root: Path, groove: str, tempo: float, tonic: int, mode: str, rng: np.random.Generator
) -> Song | None:
    loops = [CHORDS[mode][int(i)] for i in rng.integers(len(CHORDS[mode]), size=2)]
    degrees = [chord for loop in (loops[0], loops[0], loops[1], loops[0]) for chord in loop]
    chords = [f"{TONICS[(tonic + DEGREES[d][0]) % 12]}{DEGREES[d][1]}" for d in degrees * 4]
    name = _groove_name(root / "lib/stdlib" / f"{groove}.mma")
    groove = f"Groove stdlib/{groove}.mma:{name}"
    lines = [
        f"SetLibPath {root / 'lib'}",
        f"Tempo {tempo}",
        groove,
        *(f"{i} {chord}" for i, chord in enumerate(chords, 1)),
    ]
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "a.mma", Path(folder) / "a.mid"
        source.write_text("\n".join(lines) + "\n")
        command = [sys.executable, str(root.parents[1] / "bin/mma"), "-f", str(made), str(source)]
        done = subprocess.run(command, cwd=root, capture_output=True, timeout=60, check=False)
        if done.returncode or not made.exists():
            return None
        song = read_midi(made)
    if not song.notes:
        return None
    bar_s = 60 / tempo * ((song.metre or (4, 4))[0])
    tune = _tune(degrees * 4, tonic, mode, bar_s, (song.metre or (4, 4))[0], rng)
    notes = sorted([*song.notes, *tune], key=lambda note: note.start_s)
    return Song(tuple(notes), song.tempi, None, song.metre)


def _groove_name(path: Path) -> str:
    defined = [line.split()[1] for line in path.read_text().splitlines() if line.startswith("DefGroove")]
    return defined[0]


def _tune(
    degrees: list[str], tonic: int, mode: str, bar_s: float, beats: int, rng: np.random.Generator
) -> list[Note]:
    """A tune that walks over the scale and rests on chord notes at bars; now and then there is none."""
    if rng.random() < 0.25:
        return []
    scale = np.array([0, 2, 4, 5, 7, 9, 11] if mode == "major" else [0, 2, 3, 5, 7, 8, 10])
    program, step, notes = int(rng.choice(LEADS)), 7, []
    rhythms = [
        sorted(rng.choice(2 * beats, int(rng.integers(2, 2 * beats)), replace=False)) for _ in range(3)
    ]
    for bar, degree in enumerate(degrees):
        if bar % 8 == 7:
            continue
        root = int(np.argmin(np.abs(scale - DEGREES[degree][0])))
        for number, place in enumerate(rhythms[bar % 3]):
            step = int(np.clip(step + rng.integers(-2, 3), 2, 15))
            if number == 0:
                step = root + int(rng.choice([0, 2, 4])) + 7 * int(step >= 9)
            pitch = 60 + tonic % 12 - 12 * (tonic > 6) + int(scale[step % 7]) + 12 * (step // 7)
            start = (bar + place / (2 * beats)) * bar_s
            notes.append(Note(start, bar_s / beats * 0.6, 15, pitch, int(rng.integers(70, 105)), program))
    return notes


def scores(sources: Path, rng: np.random.Generator) -> Iterator[tuple[str, Song, dict[str, Any]]]:
    """Music21's corpus of composers; each voice in a sound of a family drawn for the piece."""
    sys.path.insert(0, str(sources / "m21"))
    from music21 import converter, key, tempo

    root = sources / "m21/music21/corpus"
    composers = ("bach", "beethoven", "haydn", "mozart", "schumann_robert", "schumann_clara", "handel", "corelli",
                 "joplin", "chopin", "cpebach", "beach", "weber", "verdi", "schubert")  # fmt: skip
    files = [
        path for name in composers for path in (root / name).rglob("*") if path.suffix in (".mxl", ".xml")
    ]
    chosen = [path for path in files if "bach" not in path.parts[-2] or rng.random() < 0.08]
    ensembles = ((0,), (19,), (48,), (40, 40, 41, 42), (73, 68, 71, 70), (6,), (24,), (52,), (61,))
    for path in (chosen[int(i)] for i in rng.permutation(len(chosen))):
        try:
            score = converter.parse(path)
            keys = list(score.recurse().getElementsByClass(key.Key))
            marks = list(score.recurse().getElementsByClass(tempo.MetronomeMark))
            with tempfile.NamedTemporaryFile(suffix=".mid") as handle:
                score.write("midi", handle.name)
                song = read_midi(Path(handle.name))
        except Exception as error:  # noqa: BLE001 - a score music21 cannot read is not used
            print(f"{path.name}: {error}", file=sys.stderr)
            continue
        if len(song.notes) < 40:
            continue
        bpm = song.tempi[0][1] if marks else round(float(np.exp(rng.uniform(np.log(60), np.log(132)))), 1)
        song = _at_tempo(song, bpm)
        programs = ensembles[int(rng.integers(len(ensembles)))]
        notes = tuple(
            Note(n.start_s, n.duration_s, n.channel, n.pitch, n.velocity, programs[n.channel % len(programs)])
            for n in song.notes
            if n.channel != DRUMS
        )
        stated = keys[0] if keys and keys[0].mode in ("major", "minor") else None
        stated_key = f"{_sharp(stated.tonic.name.replace('-', 'b'))} {stated.mode}" if stated else None
        compound = song.metre and song.metre[1] == 8 and song.metre[0] % 3 == 0
        felt = bpm / 1.5 if compound else bpm
        label = {"tempo_bpm": felt, "key": stated_key, "genre": "classical", "metre": song.metre}
        yield path.stem, Song(notes, song.tempi, None, song.metre), label


def _at_tempo(song: Song, bpm: float) -> Song:
    """The song at one tempo throughout, taken from its first."""
    ratio = song.tempi[0][1] / bpm
    notes = tuple(
        Note(n.start_s * ratio, n.duration_s * ratio, n.channel, n.pitch, n.velocity, n.program)
        for n in song.notes
    )
    return Song(notes, ((0.0, bpm),), song.key, song.metre)


def _sharp(tonic: str) -> str:
    return FLATS.get(tonic, tonic)


def folk(sources: Path, rng: np.random.Generator) -> Iterator[tuple[str, Song, dict[str, Any]]]:
    """Dance tunes at the tempi of the dances."""
    program = sources / "debs/x/abcmidi/usr/bin/abc2midi"
    usual = {
        "reel": (96, 116),
        "hornpipe": (76, 96),
        "jig": (104, 124),
        "strathspey": (112, 136),
        "clog": (84, 100),
    }
    files = sorted((sources / "m21/music21/corpus/ryansMammoth").glob("*.abc"))
    for path in (files[int(i)] for i in rng.permutation(len(files))):
        text = path.read_text(errors="replace")
        fields = {line[0]: line[2:].strip() for line in reversed(text.splitlines()) if line[1:2] == ":"}
        dance = next((name for name in usual if name in fields.get("R", "").lower()), None)
        if dance is None or fields.get("M") not in ("2/4", "C|", "C", "6/8"):
            continue
        felt = round(float(rng.uniform(*usual[dance])), 1)
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "a.mid"
            subprocess.run([program, path, "-o", made], capture_output=True, timeout=20, check=False)
            if not made.exists():
                continue
            song = read_midi(made)
        if len(song.notes) < 40:
            continue
        # In cut time the felt beat is a half, in 6/8 a dotted quarter; the notes are in quarters.
        quarters = {"C|": 2.0, "6/8": 1.5}.get(fields["M"], 1.0)
        song = _at_tempo(song, felt * quarters)
        sounds = rng.choice([22, 40, 73, 21, 25, 105, 15, 109], 2, replace=False)
        notes = [Note(n.start_s, n.duration_s, 0, n.pitch, n.velocity, int(sounds[0])) for n in song.notes]
        if rng.random() < 0.5:
            notes += [Note(n.start_s, n.duration_s, 1, n.pitch - 12, 70, int(sounds[1])) for n in song.notes]
        notes.sort(key=lambda note: note.start_s)
        label = {
            "tempo_bpm": felt,
            "key": _abc_key(fields.get("K", "")),
            "genre": "folk",
            "metre": fields["M"],
        }
        yield path.stem, Song(tuple(notes), song.tempi, None, song.metre), label


def _abc_key(text: str) -> str | None:
    words = text.split()
    if not words or len(words[0]) > 3:
        return None
    tonic = words[0].removesuffix("m")
    return f"{_sharp(tonic)} {'minor' if words[0].endswith('m') else 'major'}"


def game(sources: Path, rng: np.random.Generator) -> Iterator[tuple[str, Song, dict[str, Any]]]:
    """Arrangements as their makers wrote them; those whose tempo changes much are left out."""
    for path in sorted((sources / "debs/x").glob("*/usr/share/*/**/*.mid")):
        if "openmsx" not in str(path) and "planetblupi" not in str(path):
            continue
        song = read_midi(path)
        tempi = [bpm for second, bpm in song.tempi if second < CLIP_S + 10]
        if len(song.notes) < 100 or max(tempi) / min(tempi) > 1.02:
            continue
        yield path.stem, song, {"tempo_bpm": float(np.median(tempi)), "key": None, "genre": None}


KINDS = {"bands": bands, "scores": scores, "folk": folk, "game": game}


def write_composed(out: Path, count: int, seed: int) -> None:
    """Excerpts of this repository's own composer in all its styles, of seeds used nowhere else."""
    styles, fonts = list(STYLES), find_soundfonts()
    out.mkdir(parents=True, exist_ok=True)
    with (out / "labels.jsonl").open("w") as handle:
        for number in range(count):
            rng = np.random.default_rng([seed, 5, number])
            style, drawn = styles[number % len(styles)], int(rng.integers(2**32))
            piece = compose(np.random.default_rng(drawn), style, CLIP_S)
            if rng.random() < 0.4:
                bpm = piece.labels.tempo_bpm * float(rng.uniform(0.82, 1.2))
                piece = compose(np.random.default_rng(drawn), style, CLIP_S, tempo_bpm=bpm)
            sound = render(piece, rng, fonts, rate_hz=RATE_HZ, duration_s=CLIP_S)
            soundfile.write(out / f"{number:04d}.flac", sound, RATE_HZ)
            labels = piece.labels
            line = {"file": f"{number:04d}.flac", "name": style, "tempo_bpm": labels.tempo_bpm, "key": labels.key,
                    "genre": style, "instruments": list(labels.instruments), "mood": labels.mood,
                    "downbeats_s": labels.downbeats_s, "metre": labels.metre,
                    "programs": sorted(set(piece.programs.values())),
                    "drums": any(note.channel == DRUMS for note in piece.notes)}  # fmt: skip
            handle.write(json.dumps(line) + "\n")
            handle.flush()


def write_set(kind: str, sources: Path, out: Path, count: int, seed: int) -> None:
    """Render `count` pieces of a kind as FLAC, with `labels.jsonl` beside them."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    fonts = find_soundfonts()
    out.mkdir(parents=True, exist_ok=True)
    with (out / "labels.jsonl").open("w") as handle:
        for number, (name, song, label) in enumerate(KINDS[kind](sources, rng)):
            if number >= count:
                break
            length_s = max(note.start_s + note.duration_s for note in song.notes)
            start_s = (
                float(rng.uniform(0, max(0.0, min(length_s - CLIP_S, 30.0)))) if rng.random() < 0.5 else 0.0
            )
            notes = excerpt(song, start_s, CLIP_S)
            if rng.random() < 0.5:
                notes = humanised(notes, rng)
            duration_s = min(CLIP_S, length_s - start_s + 1.0)
            font = fonts[int(rng.integers(len(fonts)))]
            sound = play(notes, font, RATE_HZ, duration_s)
            if rng.random() < 0.6:
                room = effects.room(rng, float(rng.uniform(0.3, 1.6)), RATE_HZ)[0:1]
                sound = effects.reverberate(sound, room, float(rng.uniform(0.05, 0.25)))
            sound = effects.set_level(sound, float(rng.uniform(-22, -15)))
            soundfile.write(out / f"{number:04d}.flac", sound.squeeze(), RATE_HZ)
            programs = sorted({(n.channel == DRUMS, n.program) for n in notes})
            line = {"file": f"{number:04d}.flac", "name": name, "soundfont": font.stem, **label,
                    "programs": [program for is_drums, program in programs if not is_drums],
                    "drums": any(is_drums for is_drums, _ in programs)}  # fmt: skip
            handle.write(json.dumps(line) + "\n")
            handle.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sources", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kind", choices=[*KINDS, "composed"], required=True)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    folder = arguments.out / arguments.kind
    if arguments.kind == "composed":
        write_composed(folder, arguments.count, arguments.seed)
    else:
        write_set(arguments.kind, arguments.sources.resolve(), folder, arguments.count, arguments.seed)

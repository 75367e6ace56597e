"""Real recordings of free licences for the mix: fetched, checked, cut into corpus clips, with an attribution list.

    python -m recipes.angen_tiny.real fetch --out work/real                      # Debian's packages, 2.5 GB to fetch
    python -m recipes.angen_tiny.real write --sources work/real --role train --out work/real_train
    python -m recipes.angen_tiny.real write --sources work/real --role validation --out work/real_val
    python -m recipes.angen_tiny.real songs --sources work/real --role target --out work/albums

Only works whose licence file in their package allows adaptation are named below: CC BY, CC BY-SA, MIT. Whole
albums are held back: one for validation, three that no training ever sees and adapters are judged on. Songs are
brought to one level, mixed to mono at 24 kHz and heard by `angen.analysis` for their beats.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from angen.analysis import analyze_audio
from angen.audio import Audio, read_audio, write_audio
from recipes.angen_tiny.corpus import CAPTIONS, CLIP_S, CLIP_SAMPLES, RATE_HZ, SHARD_CLIPS, save_shard

LEVEL = 0.12  # root mean square of a song
QUIET = 0.004  # of a clip left out as silence
SHIFTS = (0.0, -2.0, 2.0)  # semitones of copies for training; pitch and tempo move together
_MAX_INT16 = 32_767
_SHORTEST_S = 25.0


@dataclass(frozen=True)
class Album:
    """Works of one origin under one licence.

    Args:
        id: Our word for it.
        package: The Debian package it comes in.
        pattern: Its files, as a glob below the unpacked package.
        artist: Whom to name.
        licence: As its package states it.
        role: `train`, `validation` or `target`.
        tags: What it is, in words.
        names: Stems of the files to take, where the pattern matches others too; empty for all.
        layers: Whether a song is a folder whose files sound together.
    """

    id: str
    package: str
    pattern: str
    artist: str
    licence: str
    role: str
    tags: tuple[str, ...]
    names: tuple[str, ...] = ()
    layers: bool = False


_KART = (
    "bay celtic egypt farm garden hacienda jumping_to_the_stars_remake kart_grand_prix landing_in_gran_paradiso "
    "Lava menutheme overworld race_summary SkyVibe-HighFrequency demonhill Snowy subsea valley West xeon6 "
    "ravenbridge_mansion alien_signal Boom_boom_boom"
)
_WHALLON = (
    "ambient1 ambient2 ambient2_5 ambient3 automat battlesomething1 battlesomething2 collective1 collective2 empire1 "
    "empire2 flf_battle1 intrigue intro landing_sinister nebu_battle1 nebu_battle2 sirius1 tension upbeat zalek1 zalek2"
)
_ASKYEL = "ambient4 combat1 combat2 combat3 dvaered1 dvaered2 eureka sirius2 terminal"
_FLARE = (
    "battle_theme boss_theme cave_theme dungeon_theme forest_theme magical_theme overworld_theme safe_room_theme "
    "title_theme town_theme unrest_theme"
)
_PARROTTE = "caves crossroads desert graveyard hell icyland jungle laboratory mirror motion rlyeh"

ALBUMS = (
    Album(
        "antiquity", "0ad-data", "audio/music/*.ogg", "Wildfire Games (Omri Lahav and others)", "CC-BY-SA-3.0",
        "train", ("ancient world game soundtrack", "orchestral and ethnic instruments", "ancient strategy game music"),
    ),
    Album(
        "mars", "marsshooter-data", "**/audio/music/*.ogg", "Obsidian Shell", "CC-BY-SA-3.0",
        "train", ("melodic metal band", "metal recording with guitars and drums", "dark metal songs"),
    ),
    Album(
        "kart", "supertuxkart-data", "**/data/music/*.ogg",
        "0zone0ne, Krobonil, DJHelium, Claude Werner, Weirwood, GeekPenguinBR, Heuchi1, Kalsan, Dundersylt, "
        "Speedsound, Bart Kelsey's commission, Keith Baylis", "CC-BY-SA-3.0 and CC-BY-SA-4.0",
        "train", ("racing game music", "cheerful kart racing soundtrack", "upbeat game tunes"), tuple(_KART.split()),
    ),
    Album(
        "glest", "megaglest-data", "**/music/*.ogg", "The MegaGlest Team", "CC-BY-SA-3.0",
        "train", ("fantasy strategy game music", "medieval and fantasy soundtrack", "real-time strategy soundtrack"),
    ),
    Album(
        "space", "naev-data", "**/snd/music/*.ogg", "Nikola Whallon", "CC-BY-3.0",
        "train", ("space game electronic music", "science fiction synth soundtrack", "space trader ambience"),
        tuple(_WHALLON.split()),
    ),
    Album(
        "void", "naev-data", "**/snd/music/*.ogg", "Zeropage", "CC-BY-3.0",
        "train", ("dark space ambient", "drifting electronic ambience"), ("ambiphonic", "void_sensor"),
    ),
    Album(
        "sectoid", "fretsonfire-songs-sectoid", "**/songs/sectoid/*", "Carlos Viola Iborra", "MIT",
        "train", ("instrumental guitar rock", "home recorded melodic guitar metal"), layers=True,
    ),
    Album(
        "sirius", "naev-data", "**/snd/music/*.ogg", "Askyel", "CC-BY-SA-3.0",
        "validation", ("space game combat and ambient music", "science fiction soundtrack"), tuple(_ASKYEL.split()),
    ),
    Album(
        "flare", "flare-game", "**/fantasycore/music/*.ogg", "Flare Team", "CC-BY-SA-3.0",
        "target", ("dark fantasy role-playing game music",), tuple(_FLARE.split()),
    ),
    Album(
        "muldjord", "fretsonfire-songs-muldjord", "**/songs/muldjord/*", "Muldjord", "CC-BY-SA-3.0",
        "target", ("thrash metal band",), layers=True,
    ),
    Album(
        "hyperbolic", "hyperrogue-music", "**/music/hr3-*.ogg", "Shawn Parrotte", "CC-BY-SA-3.0",
        "target", ("mysterious electronic game music",), tuple(f"hr3-{name}" for name in _PARROTTE.split()),
    ),
)  # fmt: skip


# -- fetching --------------------------------------------------------------


def fetch(out: Path) -> None:
    """Download and unpack the packages that are not there yet: sound files and licence files alone."""
    for package in dict.fromkeys(album.package for album in ALBUMS):
        if (out / package).exists():
            continue
        with tempfile.TemporaryDirectory() as work:
            subprocess.run(["apt-get", "download", "-q", package], cwd=work, check=True)
            tree = Path(work) / "tree"
            subprocess.run(["dpkg-deb", "-x", *(str(p) for p in Path(work).glob("*.deb")), tree], check=True)
            for archive in tree.rglob("public.zip"):
                with zipfile.ZipFile(archive) as zipped:
                    names = [name for name in zipped.namelist() if name.startswith("audio/")]
                    zipped.extractall(tree, names)
            keep = [path for path in tree.rglob("*") if path.is_file() and _is_wanted(path)]
            partial = out / f".{package}.part"
            for path in keep:
                target = partial / path.relative_to(tree)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
            partial.rename(out / package)
        print(f"{package}: {len(keep)} files", flush=True)


def _is_wanted(path: Path) -> bool:
    name = path.name.lower()
    return path.suffix == ".ogg" or any(word in name for word in ("copyright", "licen", "copying", "credits"))


# -- reading ---------------------------------------------------------------


@dataclass(frozen=True)
class Work:
    """One song: its album, its title, and the files that sound together."""

    album: Album
    title: str
    files: tuple[Path, ...]


def works(sources: Path, role: str) -> Iterator[Work]:
    """The songs of a role, in a fixed order.

    Raises:
        FileNotFoundError: If an album has none: its package was not fetched.
    """
    for album in (album for album in ALBUMS if album.role == role):
        found = sorted((sources / album.package).glob(album.pattern))
        if album.layers:
            songs = [
                Work(album, path.name, tuple(sorted(path.glob("*.ogg")))) for path in found if path.is_dir()
            ]
        else:
            wanted = [path for path in found if not album.names or path.stem in album.names]
            songs = [Work(album, path.stem, (path,)) for path in wanted]
        if not songs:
            raise FileNotFoundError(
                f"no songs of {album.id} in {sources / album.package}; fetch the packages first"
            )
        yield from songs


def read_song(work: Work) -> Audio:
    """A song in mono at 24 kHz, at the common level."""
    layers = [read_audio(path).mono().resampled(RATE_HZ).samples[0] for path in work.files]
    mixed = np.zeros(max(len(layer) for layer in layers), np.float32)
    for layer in layers:
        mixed[: len(layer)] += layer
    level = float(np.sqrt(np.mean(mixed.astype(np.float64) ** 2)))
    mixed *= LEVEL / max(level, 1e-6)
    return Audio(np.clip(mixed, -1, 1)[None], RATE_HZ)


def captions(work: Work, rng: np.random.Generator, count: int) -> list[str]:
    """What is said of a recording: its album's tags, or only that it is one."""
    texts = []
    for _ in range(count):
        tag = work.album.tags[int(rng.integers(len(work.album.tags)))]
        plain = ("real recording of music", "a real recording", "recorded music")[int(rng.integers(3))]
        texts.append(plain if rng.random() < 0.4 else f"real recording, {tag}" if rng.random() < 0.6 else tag)
    return texts


# -- writing ---------------------------------------------------------------


def song_clips(
    work: Work, rng: np.random.Generator, shifts: tuple[float, ...]
) -> Iterator[tuple[NDArray[np.int16], dict[str, Any]]]:
    """The corpus clips of a song, at every speed, silence left out."""
    song = read_song(work)
    heard = analyze_audio(song)
    for shift in shifts:
        factor = 2 ** (shift / 12)
        played = song if not shift else Audio(song.samples, round(RATE_HZ * factor)).resampled(RATE_HZ)
        samples = played.samples[0]
        for start in range(0, len(samples) - CLIP_SAMPLES // 2, CLIP_SAMPLES):
            clip = np.zeros(CLIP_SAMPLES, np.float32)
            part = samples[start : start + CLIP_SAMPLES]
            clip[: len(part)] = part
            if np.sqrt(np.mean(clip**2)) < QUIET or len(part) < CLIP_SAMPLES:
                continue
            begin_s = start / RATE_HZ
            beats, downbeats = (
                [time / factor - begin_s for time in grid if 0 <= time / factor - begin_s < CLIP_S]
                for grid in (heard.beats_s, heard.downbeats_s)
            )
            tempo = None if heard.tempo_bpm is None else heard.tempo_bpm * factor
            labels = {
                "style": f"real/{work.album.id}", "title": work.title, "tempo_bpm": tempo or 0.0, "key": "",
                "beats_s": beats if tempo else [], "downbeats_s": downbeats if tempo else [], "sections": [],
                "ends_s": None, "captions": captions(work, rng, CAPTIONS), "shift": shift,
            }  # fmt: skip
            yield np.round(np.clip(clip, -1, 1) * _MAX_INT16).astype(np.int16), labels


def write(sources: Path, role: str, out: Path) -> None:
    """Write a role's songs as a corpus folder, with `attribution.json` beside the shards."""
    shifts = SHIFTS if role == "train" else (0.0,)
    out.mkdir(parents=True, exist_ok=True)
    clips: list[tuple[NDArray[np.int16], dict[str, Any]]] = []
    shard, credits = 0, []
    for number, work in enumerate(works(sources, role)):
        rng = np.random.default_rng([17, number])
        made = list(song_clips(work, rng, shifts))
        if not made or len(made) * CLIP_S / len(shifts) < _SHORTEST_S:
            continue
        credits.append({"title": work.title, "artist": work.album.artist, "licence": work.album.licence,
                        "package": work.album.package, "role": role})  # fmt: skip
        clips += made
        while len(clips) >= SHARD_CLIPS:
            save_shard(out, shard, clips[:SHARD_CLIPS])
            clips, shard = clips[SHARD_CLIPS:], shard + 1
        print(f"{work.album.id}/{work.title}: {len(made)} clips", flush=True)
    if clips:
        save_shard(out, shard, clips)
    (out / "attribution.json").write_text(json.dumps(credits, indent=1, ensure_ascii=False) + "\n")


def write_songs(sources: Path, role: str, out: Path) -> None:
    """Write a role's songs as FLAC, an album a folder: what a musician would upload."""
    for work in works(sources, role):
        song = read_song(work)
        if song.duration_s >= _SHORTEST_S:
            write_audio(out / work.album.id / f"{work.title}.flac", song)
            print(f"{work.album.id}/{work.title}: {song.duration_s:.0f} s", flush=True)


def main() -> None:
    """Run one stage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", choices=["fetch", "write", "songs"])
    parser.add_argument("--sources", type=Path)
    parser.add_argument("--role", choices=["train", "validation", "target"], default="train")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if options.stage == "fetch":
        fetch(options.out)
    elif options.stage == "write":
        write(options.sources, options.role, options.out)
    else:
        write_songs(options.sources, options.role, options.out)


if __name__ == "__main__":
    main()

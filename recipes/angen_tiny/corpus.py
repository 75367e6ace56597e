"""Write the training corpus: composed, rendered, captioned clips, in shards that survive interruption.

    python -m recipes.angen_tiny.corpus --clips 4000 --seed 0 --out corpus --jobs 2

A corpus folder holds `corpus.json` (what was asked for) and, for each hundred clips, `00000.npy` (int16,
shape (clips, samples)) with `00000.jsonl` (labels, one line a clip). The labels are written last, so a shard
without them is written again. Clip i depends on the seed and i alone: a longer corpus begins with a shorter.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipes.angen_tiny.captions import captions
from recipes.angen_tiny.compose import compose
from recipes.angen_tiny.instruments import HELD_OUT_PROGRAMS
from recipes.angen_tiny.piece import Piece
from recipes.angen_tiny.render import render
from recipes.angen_tiny.soundfonts import find_soundfonts
from recipes.angen_tiny.styles import BASE_STYLES, STYLES

RATE_HZ = 24_000
CLIP_S = 15.36
CLIP_SAMPLES = 368_640
SHARD_CLIPS = 100
CAPTIONS = 16
_MAX_INT16 = 32_767


@dataclass(frozen=True)
class CorpusConfig:
    """What a corpus is made from.

    Args:
        clips: How many clips.
        seed: With a clip's number, the source of all its choices.
        styles: Dealt in turn, so that each has an equal share.
        wild: Share of clips with random instruments, for the codec alone.
    """

    clips: int
    seed: int
    styles: tuple[str, ...]
    wild: float = 0.15

    def __post_init__(self) -> None:
        """Check the values."""
        unknown = [style for style in self.styles if style not in STYLES]
        if unknown or not self.styles:
            raise ValueError(f"unknown styles {unknown}; known are {', '.join(STYLES)}")
        if self.clips < 1 or not 0.0 <= self.wild <= 1.0:
            raise ValueError(f"clips must be positive and wild within 0..1, not {self.clips} and {self.wild}")


def make_clip(
    config: CorpusConfig, number: int, soundfonts: Sequence[Path]
) -> tuple[NDArray[np.int16], dict[str, Any]]:
    """Compose, render and caption one clip.

    Returns:
        Int16 audio, shape (CLIP_SAMPLES,), and its line of labels.
    """
    rng = np.random.default_rng([config.seed, number])
    piece = compose(rng, config.styles[number % len(config.styles)], CLIP_S)
    if rng.random() < config.wild:
        piece = make_wild(piece, rng)
    audio = render(piece, rng, soundfonts, rate_hz=RATE_HZ, duration_s=CLIP_S)
    labels = piece.labels.as_dict()
    labels["captions"] = captions(piece.labels, np.random.default_rng([config.seed, number, 1]), CAPTIONS)
    labels["seed"] = [config.seed, number]
    return np.round(audio * _MAX_INT16).astype(np.int16), labels


def make_wild(piece: Piece, rng: np.random.Generator) -> Piece:
    """Give every channel a random program, never a held-out one nor a sound effect."""
    allowed = [program for program in range(112) if program not in HELD_OUT_PROGRAMS]
    programs = {channel: int(rng.choice(allowed)) for channel in piece.programs}
    return replace(piece, programs=programs, labels=replace(piece.labels, wild=True))


# -- writing ---------------------------------------------------------------


def write_corpus(config: CorpusConfig, folder: Path, jobs: int) -> None:
    """Write every shard that is not there yet.

    Raises:
        ValueError: If the folder holds a corpus of other styles, seed or share of wild clips.
    """
    soundfonts = find_soundfonts()
    folder.mkdir(parents=True, exist_ok=True)
    _claim(config, folder)
    shards = range(-(-config.clips // SHARD_CLIPS))
    todo = [shard for shard in shards if not _is_complete(config, folder, shard)]
    print(f"{len(shards) - len(todo)} of {len(shards)} shards are there already", flush=True)
    tasks = [(config, folder, shard, soundfonts) for shard in todo]
    started, done = time.monotonic(), 0
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for count in pool.imap_unordered(_write_shard, tasks):
            done += count
            left = sum(_shard_clips(config, shard) for shard in todo) - done
            elapsed_s = time.monotonic() - started
            print(
                f"{done} clips, {done * CLIP_S / 3600:.2f} h of music, "
                f"{done * CLIP_S / elapsed_s:.0f}x real time, {left * elapsed_s / done:.0f} s to go",
                flush=True,
            )


def _claim(config: CorpusConfig, folder: Path) -> None:
    """Record what the folder holds, or check that it holds the beginning of the same."""
    path = folder / "corpus.json"
    if path.exists():
        held = json.loads(path.read_text())
        asked = json.loads(json.dumps(asdict(config)))
        if {**held, "clips": 0} != {**asked, "clips": 0}:
            raise ValueError(
                f"{folder} holds another corpus: {held}; asked for {asked}. Choose another folder."
            )
    path.write_text(json.dumps(asdict(config), indent=1) + "\n")


def _shard_clips(config: CorpusConfig, shard: int) -> int:
    return min(SHARD_CLIPS, config.clips - shard * SHARD_CLIPS)


def _shard_paths(folder: Path, shard: int) -> tuple[Path, Path]:
    return folder / f"{shard:05d}.npy", folder / f"{shard:05d}.jsonl"


def _is_complete(config: CorpusConfig, folder: Path, shard: int) -> bool:
    labels_path = _shard_paths(folder, shard)[1]
    if not labels_path.exists():
        return False
    return len(labels_path.read_text().splitlines()) >= _shard_clips(config, shard)


def _write_shard(task: tuple[CorpusConfig, Path, int, tuple[Path, ...]]) -> int:
    """Make one shard; files appear under their names only when whole. Returns its number of clips."""
    config, folder, shard, soundfonts = task
    count = _shard_clips(config, shard)
    clips = [make_clip(config, shard * SHARD_CLIPS + number, soundfonts) for number in range(count)]
    save_shard(folder, shard, clips)
    return count


def save_shard(folder: Path, shard: int, clips: Sequence[tuple[NDArray[np.int16], dict[str, Any]]]) -> None:
    """Write clips (audio and labels) as one shard, the labels last."""
    audio_path, labels_path = _shard_paths(folder, shard)
    labels_path.unlink(missing_ok=True)
    partial = audio_path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, np.stack([audio for audio, _ in clips]))
    partial.replace(audio_path)
    partial.write_text("".join(json.dumps(labels) + "\n" for _, labels in clips))
    partial.replace(labels_path)


# -- reading ---------------------------------------------------------------


@dataclass(frozen=True)
class Corpus:
    """A written corpus: audio mapped from disk, and labels.

    Args:
        shards: Int16 memory maps, each of shape (clips, samples).
        labels: One dict a clip, in order.
    """

    shards: tuple[NDArray[np.int16], ...]
    labels: tuple[dict[str, Any], ...]

    def __len__(self) -> int:
        return len(self.labels)

    def audio(self, number: int) -> NDArray[np.float32]:
        """Clip `number` as float32 in [-1, 1], shape (samples,)."""
        shard, row = divmod(number, SHARD_CLIPS)
        return np.asarray(self.shards[shard][row], dtype=np.float32) / np.float32(_MAX_INT16)


def load_corpus(folder: Path) -> Corpus:
    """Open a corpus, as far as it is written without a gap.

    Raises:
        FileNotFoundError: If the folder holds no complete shard.
    """
    shards: list[NDArray[np.int16]] = []
    labels: list[dict[str, Any]] = []
    audio_path, labels_path = _shard_paths(folder, 0)
    while labels_path.exists():
        shards.append(np.load(audio_path, mmap_mode="r"))
        labels.extend(json.loads(line) for line in labels_path.read_text().splitlines())
        audio_path, labels_path = _shard_paths(folder, len(shards))
        if len(shards[-1]) < SHARD_CLIPS:
            break
    if not shards:
        raise FileNotFoundError(f"no complete shard in {folder}; write a corpus there first")
    return Corpus(tuple(shards), tuple(labels))


def main() -> None:
    """Parse the command line and write the corpus."""
    parser = argparse.ArgumentParser(description="Write a corpus of composed music with exact labels.")
    parser.add_argument("--clips", type=int, required=True, help="how many clips of 15.36 s")
    parser.add_argument("--seed", type=int, default=0, help="clip i depends on this and i alone")
    parser.add_argument("--out", type=Path, required=True, help="folder to write, or to continue")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument(
        "--styles", nargs="+", default=list(BASE_STYLES), help="default: all but the held-out one"
    )
    parser.add_argument("--wild", type=float, default=0.15, help="share of clips with random instruments")
    options = parser.parse_args()
    config = CorpusConfig(options.clips, options.seed, tuple(options.styles), options.wild)
    write_corpus(config, options.out, options.jobs)


if __name__ == "__main__":
    main()

"""Music a model draws by itself, kept: what its latents are like, and pairs for an encoder to learn from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from angen.files import atomic_path
from angen.generation import GenerationRequest, sample_latents
from angen.model import MusicModel
from angen.model.distilling import Pair
from angen.model.latent_statistics import LatentStatistics
from angen.model.open_decoder import OpenDecoder
from angen.progress import Progress, ProgressCallback, no_progress

AT_ONCE = 6
TEMPI_BPM = (84.0, 128.0, 100.0, 172.0, 112.0, 140.0, 92.0)
STYLES = (
    "pop", "rock", "folk with guitar", "electronic dance", "piano ballad", "hip-hop", "jazz", "orchestral", "metal",
    "ambient", "reggae", "country", "funk", "blues", "latin", "synthwave",
)  # fmt: skip
SHEETS = ("[intro]\n[inst]\n", "[inst]\n", "[intro]\n[solo]\n[outro]\n", "[verse]\n[chorus]\n", "")
STAGE = "drawing the model's own music"


def own_request(model: MusicModel, number: int, seconds: float) -> GenerationRequest:
    """The `number`-th request of an endless list: styles, tempi, structures, each with its own seed."""
    styles = model.facts.own_styles or STYLES
    words = f"{styles[7 * number % len(styles)]} music"  # far apart, so that a few are varied
    lyrics = SHEETS[number % len(SHEETS)] if model.facts.sings else ""
    tempo = TEMPI_BPM[number % len(TEMPI_BPM)]
    return GenerationRequest(words, seconds, 50_000 + number, tempo_bpm=tempo, lyrics=lyrics)


def own_latents(
    model: MusicModel,
    folder: Path,
    numbers: Sequence[int],
    seconds: float,
    *,
    on_progress: ProgressCallback = no_progress,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Tensor] | None:
    """Latents (frames, C) of `own_request`s, drawn once and kept in a file each; None if asked to stop."""
    files = [own_file(model, folder, number, seconds) for number in numbers]
    kept = {number: _read(file) for number, file in zip(numbers, files, strict=True)}
    missing = [number for number in numbers if kept[number] is None]
    for first in range(0, len(missing), AT_ONCE):
        if should_stop():
            return None
        part = missing[first : first + AT_ONCE]

        def told(done: int, total: int, first: int = first, size: int = len(part)) -> None:
            on_progress(Progress(STAGE, first + size * done / max(1, total), len(missing)))

        drawn = sample_latents(model, [own_request(model, x, seconds) for x in part], on_step=told)
        for number, piece in zip(part, drawn, strict=True):
            with atomic_path(own_file(model, folder, number, seconds)) as temporary:
                save_file({"latents": piece.contiguous()}, str(temporary))
            kept[number] = piece
    return [latents for number in numbers if (latents := kept[number]) is not None]


def own_file(model: MusicModel, folder: Path, number: int, seconds: float) -> Path:
    """Where a piece is kept."""
    name = f"{number:05d}-{seconds:g}s.safetensors"
    return folder / f"own-{model.facts.base_hash[:16]}" / name


def own_statistics(
    model: MusicModel,
    folder: Path,
    count: int,
    seconds: float,
    *,
    on_progress: ProgressCallback = no_progress,
) -> tuple[LatentStatistics, list[Tensor]]:
    """How the model's latents are spread and move, and the pieces that say so.

    Raises:
        ModelError: If so few pieces say too little.
    """
    pieces = own_latents(model, folder, range(count), seconds, on_progress=on_progress) or []
    return LatentStatistics.of(pieces), pieces


def own_pairs(
    model: MusicModel,
    decoder: OpenDecoder,
    folder: Path,
    numbers: Sequence[int],
    seconds: float,
    *,
    on_progress: ProgressCallback = no_progress,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Pair] | None:
    """Pieces with their sound (int16, kept beside their latents); None if asked to stop."""
    pieces = own_latents(model, folder, numbers, seconds, on_progress=on_progress, should_stop=should_stop)
    if pieces is None:
        return None
    pairs = []
    for done, (number, latents) in enumerate(zip(numbers, pieces, strict=True)):
        if should_stop():
            return None
        on_progress(Progress("decoding the model's own music", done, len(pieces)))
        file = own_file(model, folder, number, seconds).with_suffix(
            f".{decoder.decoder_hash[:16]}.safetensors"
        )
        sound = _read(file, "sound")
        if sound is None:
            audio = model.decode(latents)
            samples = torch.from_numpy(audio.mono().samples[0]).clamp(-1, 1)
            sound = (samples[: len(latents) * decoder.hop_samples] * 32767).round().to(torch.int16)
            with atomic_path(file) as temporary:
                save_file({"sound": sound}, str(temporary))
        pairs.append(Pair(latents, sound))
    on_progress(Progress("decoding the model's own music", len(pieces), len(pieces)))
    return pairs


def pieces_for(minutes: float, seconds: float) -> int:
    """How many pieces of a length make up so many minutes, at least two."""
    return max(2, math.ceil(minutes * 60 / seconds))


def _read(file: Path, name: str = "latents") -> Tensor | None:
    """What is kept; None if it is not, or damaged (it can be made again)."""
    try:
        return load_file(file)[name]
    except (OSError, SafetensorError, KeyError):
        return None

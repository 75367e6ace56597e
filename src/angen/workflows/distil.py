"""A distilled encoder in the workspace: draw the model's own music, decode it, train, keep; every part resumes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from angen.audio import Audio
from angen.errors import ModelError
from angen.files import write_json
from angen.model import MusicModel
from angen.model.distilled import encoder_for, encoder_hash, write_encoder
from angen.model.distilling import Distilled, Distilling, DistilSettings
from angen.model.latent_statistics import LatentStatistics
from angen.model.open_decoder import open_decoder
from angen.progress import Progress, ProgressCallback, no_progress
from angen.workflows.inversion import encoder_file
from angen.workflows.own_samples import own_pairs, pieces_for

FIRST_NUMBER = 1000  # the pieces before are those of the statistics
HELD_OUT_SHARE = 0.1
CHECKPOINT = "training.safetensors"


@dataclass(frozen=True)
class DistilCost:
    """What a distillation will take.

    Attributes:
        drawn_s: Seconds of music the model has to draw.
        disk_bytes: Of that music.
        steps: Of the training.
    """

    drawn_s: float
    disk_bytes: int
    steps: int

    def __str__(self) -> str:
        """For a reader."""
        return (
            f"{self.drawn_s / 60:.0f} min of music to draw and decode ({self.disk_bytes / 1e9:.1f} GB on the disk), "
            f"then {self.steps} steps; both go on where they stopped"
        )


@dataclass(frozen=True)
class MadeEncoder:
    """An encoder that was made.

    Attributes:
        file: Where it is; None while it is not finished.
        result: Of its training.
        seconds: This attempt took.
    """

    file: Path | None
    result: Distilled
    seconds: float


def distil_cost(model: MusicModel, minutes: float, seconds: float, settings: DistilSettings) -> DistilCost:
    """What it will take, from counting alone."""
    count = pieces_for(minutes, seconds)
    rate = model.facts.rate_hz * 2 + 4 * model.facts.latent_channels * model.facts.latent_rate_hz
    return DistilCost(count * seconds, int(count * seconds * rate), settings.steps)


def distil_encoder(
    model: MusicModel,
    folder: Path,
    settings: DistilSettings,
    *,
    recordings: Sequence[Audio] = (),
    minutes: float = 60.0,
    piece_s: float = 30.0,
    on_progress: ProgressCallback = no_progress,
    should_stop: Callable[[], bool] = lambda: False,
) -> MadeEncoder:
    """Make the encoder of a model's decoder, or go on making it.

    Args:
        model: The base; no adapter acting.
        folder: Of the workspace's encoders (`workflows.models.encoders_folder`).
        settings: Of the training.
        recordings: The user's own, for the cycle loss; possibly none.
        minutes: Of the model's own music to learn from, a tenth of it held out.
        piece_s: Length of each piece.
        on_progress: Told of drawing, decoding and training.
        should_stop: Asked now and then; True keeps everything and returns.

    Raises:
        ModelError: If the decoder cannot be opened, there is too little to learn from, or training diverges.
    """
    began = time.monotonic()
    decoder = open_decoder(model)
    file = encoder_file(folder, decoder.decoder_hash)
    numbers = range(FIRST_NUMBER, FIRST_NUMBER + pieces_for(minutes, piece_s))
    pairs = own_pairs(
        model, decoder, file.parent, numbers, piece_s, on_progress=on_progress, should_stop=should_stop
    )
    if pairs is None:
        return MadeEncoder(None, Distilled(0, False, float("nan"), ()), time.monotonic() - began)
    held = max(1, round(HELD_OUT_SHARE * len(pairs)))
    statistics = LatentStatistics.of([pair.latents for pair in pairs[held:]])
    encoder = encoder_for(
        decoder, statistics, dim=settings.dim, depth=settings.depth, fine_depth=settings.fine_depth,
        seed=settings.seed,
    )  # fmt: skip
    sounds = [_sound(audio, decoder.rate_hz) for audio in recordings]
    work = Distilling(decoder, encoder, statistics, pairs[held:], sounds, settings)
    checkpoint = file.with_name(CHECKPOINT)
    work.load(checkpoint)

    def told(done: int, total: int, loss: float) -> None:
        on_progress(Progress("distilling the encoder", done, total, f"Loss: {loss:.3f}"))

    finished = work.run(checkpoint, on_step=told, should_stop=should_stop)
    error = work.error(pairs[:held]) if finished else float("nan")
    result = Distilled(work.step, finished, error, tuple(work.losses))
    if not finished:
        return MadeEncoder(None, result, time.monotonic() - began)
    write_encoder(file, encoder, decoder.decoder_hash)
    write_json(
        file.with_suffix(".json"),
        {
            "base": model.facts.id, "base_hash": model.facts.base_hash, "decoder": decoder.decoder_hash,
            "encoder": encoder_hash(encoder), "error": round(error, 5), "pieces": len(pairs),
            "piece_s": piece_s, "recordings_s": round(sum(len(x) for x in sounds) / decoder.rate_hz, 1),
            "settings": asdict(settings),
        },
    )  # fmt: skip
    return MadeEncoder(file, result, time.monotonic() - began)


def _sound(audio: Audio, rate_hz: int) -> Tensor:
    sound = torch.tensor(audio.mono().resampled(rate_hz).samples[0])
    if not bool(sound.isfinite().all()):
        raise ModelError("A recording holds samples that are no numbers.", remedy="Leave it out.")
    return sound

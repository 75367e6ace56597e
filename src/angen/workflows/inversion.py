"""Latents of recordings for a model without an encoder: found by inverting its decoder, and scored.

Three ways: `optimised` (the decoder inverted for every clip), `encoded` (a distilled encoder alone) and `refined` (a
short inversion from the encoder's latents). Those of a dataset are kept by `inverted_dataset`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from angen.audio import Audio
from angen.errors import ModelError
from angen.model import MusicModel
from angen.model.distilled import DistilledEncoder, encoder_hash, read_encoder
from angen.model.inversion import InversionSettings, invert, window_spans
from angen.model.latent_statistics import LatentStatistics
from angen.model.open_decoder import OpenDecoder, open_decoder
from angen.model.sound_loss import SoundLoss, signal_to_noise_db
from angen.progress import ProgressCallback, no_progress
from angen.workflows.own_samples import own_statistics

Method = Literal["optimised", "encoded", "refined"]
METHODS: tuple[Method, ...] = ("optimised", "encoded", "refined")
_FORMAT = "1"
_PROBE_FRAMES = 3


class LatentRecipe(BaseModel):
    """How latents are made of recordings.

    Attributes:
        method: The way.
        settings: Of the inversion, as `InversionSettings` has them; what is missing is as by default.
        samples: Pieces drawn by the model itself, for its statistics and the check.
        sample_s: Length of each.
        encoder: sha256 of the encoder's weights, for the ways that use one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    method: Method = "optimised"
    settings: dict[str, int | float] = {}
    samples: int = Field(default=12, ge=1)
    sample_s: float = Field(default=15.36, gt=0)
    encoder: str | None = None

    def inversion(self) -> InversionSettings:
        """The settings of the search; a refinement is shorter and keeps near its start, where not said otherwise."""
        usual = {"steps": 100, "tether": 0.02, "restarts": 1} if self.method == "refined" else {}
        try:
            return InversionSettings(**{**usual, **self.settings})  # type: ignore[arg-type]
        except TypeError as problem:
            raise ModelError(
                f"An inversion has no such setting: {problem}.", remedy="See docs/inversion.md."
            ) from problem

    def words(self, decoder_hash: str, base_hash: str) -> str:
        """What makes these latents these, as one line."""
        told = {"method": self.method, "encoder": self.encoder, "decoder": decoder_hash, "format": _FORMAT}
        if self.method != "encoded":
            told |= {"settings": asdict(self.inversion()), "base": base_hash}  # type: ignore[dict-item]
            told |= {"samples": self.samples, "sample_s": self.sample_s}  # type: ignore[dict-item]
        return json.dumps(told, sort_keys=True)


@dataclass(frozen=True)
class Scores:
    """How well latents stand for a recording.

    Attributes:
        spectra: Multi-resolution distance of their sound from the recording: log and relative magnitudes.
        mel: Mean absolute log-mel difference (natural logarithm).
        snr_db: Energy of the recording over that of the difference of waves.
        place: Mean square of the latents in units of the model's own; 1 is usual.
        movement: The same of what is new from frame to frame.
        steps: Of the search.
        seconds: It took.
    """

    spectra: float
    mel: float
    snr_db: float
    place: float
    movement: float
    steps: int
    seconds: float


@dataclass(frozen=True)
class FoundLatents:
    """Latents of a recording, with how they were made."""

    latents: Tensor
    scores: Scores
    recipe: LatentRecipe


@dataclass(frozen=True)
class InversionCost:
    """What an inversion will take at most; searches mostly settle earlier.

    Attributes:
        sound_s: Seconds of sound.
        seconds: Of computing.
        step_s: Seconds of computing for a step over a second of sound, measured now.
    """

    sound_s: float
    seconds: float
    step_s: float

    def __str__(self) -> str:
        """For a reader."""
        return (
            f"{self.sound_s:.0f} s of sound, at most {_duration(self.seconds)} of computing on this machine"
        )


class Inverter:
    """A model's decoder made ready to be inverted.

    Args:
        model: The base.
        recipe: How.
        folder: Where the model's own music is kept.
        encoder: The file of a distilled encoder, for the ways that use one.

    Raises:
        ModelError: If the decoder cannot be opened, or the encoder is missing or another's.
    """

    def __init__(
        self, model: MusicModel, recipe: LatentRecipe, folder: Path, encoder: Path | None = None
    ) -> None:
        self.model, self.folder = model, folder
        self.decoder: OpenDecoder = open_decoder(model)
        self.encoder: DistilledEncoder | None = None
        if recipe.method != "optimised":
            recipe = self._with_encoder(recipe, encoder)
        self.recipe = recipe
        self.settings = recipe.inversion()
        if self.decoder.draws_phases:
            self.settings = replace(self.settings, wave=0.0)
        self.loss = SoundLoss(self.decoder.rate_hz, self.decoder.device)
        self.on_progress: ProgressCallback = no_progress

    def _with_encoder(self, recipe: LatentRecipe, file: Path | None) -> LatentRecipe:
        if file is None or not file.is_file():
            raise ModelError(
                f"Latents that are {recipe.method} need a distilled encoder of {self.model.facts.id}; there is none.",
                remedy="Make one: angen model distil-encoder. Or choose --method optimised.",
            )
        self.encoder = read_encoder(file, self.decoder)
        own = encoder_hash(self.encoder)
        if recipe.encoder not in (None, own):
            raise ModelError(
                f"These latents were made with the distilled encoder {recipe.encoder}; there is now {own}.",
                remedy="Choose anew for this dataset: angen model invert --dataset NAME --method refined.",
            )
        return recipe.model_copy(update={"encoder": own})

    @cached_property
    def own(self) -> tuple[LatentStatistics, list[Tensor]]:
        """The model's statistics, and pieces of its own."""
        recipe = self.recipe
        return own_statistics(
            self.model, self.folder, recipe.samples, recipe.sample_s, on_progress=self.on_progress
        )

    @property
    def words(self) -> str:
        """What makes latents of this inverter these."""
        return self.recipe.words(self.decoder.decoder_hash, self.model.facts.base_hash)

    def find(
        self,
        audio: Audio,
        *,
        on_step: Callable[[int, int], None] = lambda done, total: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> FoundLatents | None:
        """Latents of a recording; None if asked to stop."""
        began = time.monotonic()
        sound = torch.tensor(audio.mono().resampled(self.decoder.rate_hz).samples[0])
        start = None if self.encoder is None else self.encoder.encode(sound)
        if self.recipe.method == "encoded":
            assert start is not None
            return FoundLatents(start, self._score(start, sound, 0, began), self.recipe)
        found = invert(
            self.decoder, sound, self.own[0], self.settings,
            start=start, on_step=on_step, should_stop=should_stop,
        )  # fmt: skip
        if found is None:
            return None
        return FoundLatents(found.latents, self._score(found.latents, sound, found.steps, began), self.recipe)

    def _score(self, latents: Tensor, sound: Tensor, steps: int, began: float) -> Scores:
        made = torch.from_numpy(self.model.decode(latents).mono().samples[0].copy())[: len(sound)]
        sound = sound[: len(made)]
        device = self.decoder.device
        distances = self.loss.distances(made[None].to(device), self.loss.hear(sound[None].to(device)))
        place, movement = self.own[0].departures(latents[None])
        return Scores(
            spectra=round(float(distances.spectra), 4),
            mel=round(float(distances.mel), 4),
            snr_db=round(signal_to_noise_db(made, sound), 2),
            place=round(float(place), 3),
            movement=round(float(movement), 3),
            steps=steps,
            seconds=round(time.monotonic() - began, 2),
        )

    def cost(self, pieces_s: Sequence[float]) -> InversionCost:
        """What recordings of these lengths will take at most, from a step measured now."""
        rate, settings = self.decoder.latent_rate_hz, self.settings
        if not pieces_s:
            return InversionCost(0.0, 0.0, 0.0)
        if self.recipe.method == "encoded":
            return InversionCost(sum(pieces_s), 0.05 * sum(pieces_s), 0.0)
        step_s = self._probe()
        frames = 0
        for seconds in pieces_s:
            spans = window_spans(max(1, round(seconds * rate)), rate, settings)
            frames += sum(span.last - span.first for span in spans)
        scouted = 0.2 * (settings.restarts - 1) if self.recipe.method == "optimised" else 0.0
        steps = settings.steps * (1 + scouted)
        return InversionCost(sum(pieces_s), steps * frames / rate * step_s, step_s)

    def _probe(self) -> float:
        """Seconds that a step over a second of sound takes."""
        frames = min(_PROBE_FRAMES * max(1, round(self.decoder.latent_rate_hz / 5)), 64)
        latents = torch.zeros(
            1, frames, self.decoder.channels, device=self.decoder.device, requires_grad=True
        )
        target = self.loss.hear(torch.zeros(1, frames * self.decoder.hop_samples, device=self.decoder.device))
        spent = []
        for _ in range(2):
            began = time.perf_counter()
            self.loss.distances(self.decoder.decode(latents), target).mel.sum().backward()  # type: ignore[no-untyped-call]
            if self.decoder.device.type == "cuda":
                torch.cuda.synchronize()
            spent.append(time.perf_counter() - began)
        return min(spent) * self.decoder.latent_rate_hz / frames


def encoders_of(model: MusicModel) -> Path | None:
    """The folder of distilled encoders that a model was opened with; None for none."""
    folder = getattr(model, "encoders", None)
    return folder if isinstance(folder, Path) else None


def encoder_file(folder: Path, decoder_hash: str) -> Path:
    """The distilled encoder of a decoder; the model's own music is kept in its folder."""
    return folder / decoder_hash[:16] / "encoder.safetensors"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

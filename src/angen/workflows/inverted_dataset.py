"""The latents of a dataset whose model has no encoder: found once for every clip, kept, scored, checked.

What is made is kept in the dataset's latents folder as any latents are, keyed by the way, its settings, the decoder and
the encoder, with its scores in a JSON file beside; so a run that ends early goes on with the clip it was at.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor

from angen.dataset import ClipRecord, Dataset
from angen.files import atomic_path, write_json
from angen.model import MusicModel
from angen.progress import Progress, ProgressCallback, no_progress
from angen.workflows.inversion import (
    FoundLatents,
    InversionCost,
    Inverter,
    LatentRecipe,
    encoder_file,
    encoders_of,
)
from angen.workflows.latents import latents_file, levelled_clip, read_latents
from angen.workflows.world_check import WorldCheck, check_world

CHOICE, CHECK = "inversion.json", "world-{}.json"


class DatasetInverter:
    """The latents of a dataset's clips, made once.

    The first time, the way is chosen (`recipe`, else what was chosen for this dataset before, else with the
    distilled encoder where there is one) and kept in the dataset's latents folder; it stays until another is asked for.

    Args:
        model: The base.
        dataset: Its clips.
        recipe: How; None for as before.
        on_progress: Told of every step.
    """

    def __init__(
        self,
        model: MusicModel,
        dataset: Dataset,
        recipe: LatentRecipe | None = None,
        *,
        on_progress: ProgressCallback = no_progress,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.model, self.dataset = model, dataset
        self.on_progress, self.should_stop = on_progress, should_stop
        self.folder = dataset.folder / "latents" / model.facts.id
        workspace = encoders_of(model)
        self.encoder = None if workspace is None else encoder_file(workspace, model.facts.codec_hash)
        self.recipe = recipe or _chosen(self.folder / CHOICE) or self._usual()
        if self.recipe.method != "optimised" and self.recipe.encoder is None:
            self.recipe = self.inverter.recipe  # which encoder that is
        if recipe is not None or not (self.folder / CHOICE).is_file():
            write_json(self.folder / CHOICE, self.recipe.model_dump())

    @cached_property
    def inverter(self) -> Inverter:
        """The decoder made ready; what is kept already can be read without it.

        Raises:
            ModelError: See `Inverter`.
        """
        own = self.folder if self.encoder is None else self.encoder.parent
        inverter = Inverter(self.model, self.recipe, own, self.encoder)
        inverter.on_progress = self.on_progress
        return inverter

    @property
    def words(self) -> str:
        """What makes these latents these, as one line."""
        return self.recipe.words(self.model.facts.codec_hash, self.model.facts.base_hash)

    def _usual(self) -> LatentRecipe:
        has_encoder = self.encoder is not None and self.encoder.is_file()
        return LatentRecipe(method="refined" if has_encoder else "optimised")

    def file(self, record: ClipRecord) -> Path:
        """Where a clip's latents are kept."""
        return latents_file(self.model.facts, self.dataset, record, made_by=self.words)

    def missing(self, records: Sequence[ClipRecord]) -> list[ClipRecord]:
        """Clips without latents of any making."""
        return [record for record in records if self.cached(record) is None]

    def cached(self, record: ClipRecord) -> Tensor | None:
        """A clip's latents: those that others made first, then those made here; None if there are none."""
        facts = self.model.facts
        given = read_latents(latents_file(facts, self.dataset, record), facts.latent_channels)
        return given if given is not None else read_latents(self.file(record), facts.latent_channels)

    def cost(self, records: Sequence[ClipRecord]) -> InversionCost:
        """What clips will take."""
        return self.inverter.cost([record.duration_s for record in records])

    def make(self, records: Sequence[ClipRecord]) -> bool:
        """Make the latents that are missing, and tell what it will take before; False if asked to stop."""
        missing = self.missing(records)
        if not missing:
            return True
        total = len(missing)
        self.on_progress(Progress("inverting", 0, total, f"{self.cost(missing)} for {total} clips"))
        for done, record in enumerate(missing):

            def told(step: int, steps: int, done: int = done, name: str = record.clip_id) -> None:
                self.on_progress(Progress("inverting", done + step / max(1, steps), total, name))

            found = self.inverter.find(
                levelled_clip(self.dataset, record, self.model.facts),
                on_step=told,
                should_stop=self.should_stop,
            )
            if found is None:
                return False
            self._keep(record, found)
        self.on_progress(Progress("inverting", total, total))
        return True

    def _keep(self, record: ClipRecord, found: FoundLatents) -> None:
        file = self.file(record)
        told = json.loads(self.words) | {"clip": record.clip_id, "sha256": record.sha256}
        write_json(file.with_suffix(".json"), told | {"scores": asdict(found.scores)})
        with atomic_path(file) as temporary:  # after its scores: latents that are there have them
            save_file({"latents": found.latents.contiguous()}, str(temporary))

    def check(self, records: Sequence[ClipRecord]) -> WorldCheck:
        """Whether the latents are of the base's world; computed once for these latents, kept beside them."""
        latents = [found for record in records if (found := self.cached(record)) is not None]
        digest = hashlib.sha256(self.model.facts.base_hash.encode())
        for piece in latents:
            digest.update(piece.numpy().tobytes())
        file = self.folder / CHECK.format(digest.hexdigest()[:32])
        known = _kept_check(file)
        if known is None:
            self.on_progress(Progress("checking latents", 0, 1))
            known = check_world(self.model, latents, self.inverter.own[1])
            write_json(file, known.as_dict())
        self.on_progress(Progress("checking latents", 1, 1, known.words))
        return known


def _chosen(file: Path) -> LatentRecipe | None:
    """What was chosen before; None if nothing was, or it cannot be read."""
    try:
        return LatentRecipe.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def _kept_check(file: Path) -> WorldCheck | None:
    try:
        kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return WorldCheck(**(kept | {"off": tuple(kept["off"])}))
    except (OSError, ValueError, KeyError, TypeError):
        return None

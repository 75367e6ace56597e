"""The verb of `angen model invert`: latents of recordings, or of all clips of a dataset, with their cost and scores."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from safetensors.torch import save_file

from angen.audio import read_audio
from angen.dataset import dataset_folder, load_dataset
from angen.errors import ModelError
from angen.files import atomic_path, content_hash, safe_name, write_json
from angen.model import MusicModel
from angen.progress import Progress, ProgressCallback, no_progress
from angen.settings import Settings
from angen.workflows.inversion import (
    METHODS,
    InversionCost,
    Inverter,
    LatentRecipe,
    Method,
    encoder_file,
    encoders_of,
)
from angen.workflows.inverted_dataset import DatasetInverter
from angen.workflows.latents import read_latents
from angen.workflows.world_check import WorldCheck, check_world


@dataclass(frozen=True)
class Inversion:
    """What was found.

    Attributes:
        method: The way.
        cost: What was expected at most, of what was not there yet.
        found: Of each recording: `name`, `file` of its latents, `scores`.
        check: Whether the base knows such latents; None where nothing was found.
        finished: False if it was asked to stop, or only the cost was.
    """

    method: Method
    cost: InversionCost
    found: list[dict[str, Any]] = field(default_factory=list)
    check: WorldCheck | None = None
    finished: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        told = {
            "method": self.method,
            "cost": asdict(self.cost),
            "found": self.found,
            "finished": self.finished,
        }
        return told | {"check": None if self.check is None else self.check.as_dict()}


def asked_recipe(model: MusicModel, method: str, settings: dict[str, int | float]) -> LatentRecipe | None:
    """The recipe of a method's name and settings; None where neither is said.

    Raises:
        ModelError: If there is no such method or setting.
    """
    if not method and not settings:
        return None
    if method not in (*METHODS, ""):
        raise ModelError(f"There is no way {method!r} to latents.", remedy=f"Choose {', '.join(METHODS)}.")
    recipe = LatentRecipe(method=cast(Method, method or _usual(model)), settings=settings)
    recipe.inversion()
    return recipe


def _usual(model: MusicModel) -> Method:
    encoder = _encoder(model)
    return "refined" if encoder is not None and encoder.is_file() else "optimised"


def _encoder(model: MusicModel) -> Path | None:
    folder = encoders_of(model)
    return None if folder is None else encoder_file(folder, model.facts.codec_hash)


def invert_dataset(
    settings: Settings,
    model: MusicModel,
    name: str,
    recipe: LatentRecipe | None = None,
    *,
    only_cost: bool = False,
    on_progress: ProgressCallback = no_progress,
    should_stop: Callable[[], bool] = lambda: False,
) -> Inversion:
    """Find the latents of a dataset's clips; from then on it is trained on these.

    Raises:
        DatasetError: If there is no such dataset.
        ModelError: If the decoder cannot be inverted so.
    """
    dataset = load_dataset(dataset_folder(settings.training_data, name))
    work = DatasetInverter(model, dataset, recipe, on_progress=on_progress, should_stop=should_stop)
    cost = work.cost(work.missing(dataset.clips))
    if only_cost or not work.make(dataset.clips):
        return Inversion(work.recipe.method, cost)
    found = [
        {"name": record.clip_id, "file": str(work.file(record)), "scores": _scores(work.file(record))}
        for record in dataset.clips
        if work.file(record).is_file()
    ]
    return Inversion(work.recipe.method, cost, found, work.check(dataset.clips), finished=True)


def invert_files(
    model: MusicModel,
    files: Sequence[Path],
    recipe: LatentRecipe | None,
    out: Path,
    *,
    only_cost: bool = False,
    on_progress: ProgressCallback = no_progress,
    should_stop: Callable[[], bool] = lambda: False,
) -> Inversion:
    """Find the latents of recordings: `<name>.safetensors` each in `out`, its scores in `<name>.json`.

    Raises:
        AudioError: If a recording cannot be read.
        ModelError: If the decoder cannot be inverted so.
    """
    encoder = _encoder(model)
    own = out if encoder is None else encoder.parent
    work = Inverter(model, recipe or LatentRecipe(method=_usual(model)), own, encoder)
    work.on_progress = on_progress
    sounds = {file: read_audio(file) for file in files}
    kept = {file: out / f"{safe_name(file.stem)}-{content_hash(file)[:12]}.safetensors" for file in files}
    missing = [file for file in files if not _is_there(model, work, kept[file])]
    cost = work.cost([sounds[file].duration_s for file in missing])
    if only_cost:
        return Inversion(work.recipe.method, cost)
    for done, file in enumerate(missing):

        def told(step: int, steps: int, done: int = done, name: str = file.name) -> None:
            on_progress(Progress("inverting", done + step / max(1, steps), len(missing), name))

        found = work.find(sounds[file], on_step=told, should_stop=should_stop)
        if found is None:
            return Inversion(work.recipe.method, cost)
        words = json.loads(work.words) | {"recording": file.name, "scores": asdict(found.scores)}
        write_json(kept[file].with_suffix(".json"), words)
        with atomic_path(kept[file]) as temporary:
            save_file({"latents": found.latents.contiguous()}, str(temporary))
    pieces = [read_latents(kept[file], model.facts.latent_channels) for file in files]
    check = check_world(model, [x for x in pieces if x is not None], work.own[1])
    rows = [{"name": file.name, "file": str(kept[file]), "scores": _scores(kept[file])} for file in files]
    return Inversion(work.recipe.method, cost, rows, check, finished=True)


def _is_there(model: MusicModel, work: Inverter, file: Path) -> bool:
    """Whether latents made just so are kept in a file."""
    try:
        words = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    asked = json.loads(work.words)
    is_same = all(words.get(key) == value for key, value in asked.items())
    return is_same and read_latents(file, model.facts.latent_channels) is not None


def _scores(file: Path) -> dict[str, Any]:
    scores: dict[str, Any] = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))["scores"]
    return scores

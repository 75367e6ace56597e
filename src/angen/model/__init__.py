"""Models: DiffRhythm 2's network and sampler, and what a codec and a text front end make of it."""

from __future__ import annotations

from pathlib import Path

from angen.errors import ModelError
from angen.model.music_model import (
    ConditionBatch,
    Conditions,
    FlowBatch,
    ModelFacts,
    MusicModel,
    StyleVector,
)
from angen.model.precision import chosen_precision, is_mixed, keep_freed_memory
from angen.model.sampler import SamplerSettings
from angen.model.tiny import AngenTiny

__all__ = [
    "AngenTiny", "ConditionBatch", "Conditions", "FlowBatch", "ModelFacts", "MusicModel", "SamplerSettings",
    "StyleVector", "chosen_precision", "is_mixed", "load_model",
]  # fmt: skip

KNOWN = ("angen-tiny", "diffrhythm2")


def load_model(model_id: str = "angen-tiny") -> MusicModel:
    """Open a base model by its name, in a process that from now on keeps the memory it frees.

    Args:
        model_id: `angen-tiny`; `diffrhythm2`, once fetched; or the path of a folder with the four files of
            DiffRhythm 2's release, or those of a copy of the embedded model with adapters merged into it.

    Raises:
        ModelError: If there is none of this name, or its files are missing or do not fit.
    """
    keep_freed_memory()
    if model_id == "angen-tiny":
        return AngenTiny()
    from angen.model.diffrhythm2 import MODEL_ID, DiffRhythm2

    if model_id == MODEL_ID:
        from angen.model.hub import DIFFRHYTHM2, model_folder

        return DiffRhythm2(model_folder(DIFFRHYTHM2))
    folder = Path(model_id).expanduser()
    if (folder / "words.json").is_file():  # laid out as the embedded model: `angen adapter merge` writes such
        return AngenTiny(folder)
    if folder.is_dir():
        return DiffRhythm2(folder)
    raise ModelError(
        f"There is no model {model_id!r}.",
        remedy=f"Known models: {', '.join(KNOWN)}; or give a folder with DiffRhythm 2's files.",
    )

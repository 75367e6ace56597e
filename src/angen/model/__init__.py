"""Models: DiffRhythm 2's network and sampler, and what a codec and a text front end make of it."""

from __future__ import annotations

from angen.errors import ModelError
from angen.model.music_model import ConditionBatch, Conditions, FlowBatch, ModelFacts, MusicModel
from angen.model.precision import keep_freed_memory
from angen.model.sampler import SamplerSettings
from angen.model.tiny import AngenTiny

__all__ = [
    "AngenTiny", "ConditionBatch", "Conditions", "FlowBatch", "ModelFacts", "MusicModel", "SamplerSettings",
    "load_model",
]  # fmt: skip


def load_model(model_id: str = "angen-tiny") -> MusicModel:
    """Open a base model by its name, in a process that from now on keeps the memory it frees.

    Raises:
        ModelError: If there is none of this name.
    """
    keep_freed_memory()
    if model_id == "angen-tiny":
        return AngenTiny()
    raise ModelError(f"There is no model {model_id!r}.", remedy="Known models: angen-tiny.")

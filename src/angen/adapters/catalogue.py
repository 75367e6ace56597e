"""The adapters a user has trained: one folder each, described by its `metadata.json`, written last.

models/loras/<name>/metadata.json
best/ final/ checkpoints/step_NNNNNN/ tensorboard/
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from angen.errors import AdapterError
from angen.files import safe_name, write_text

METADATA = "metadata.json"


class AdapterInfo(BaseModel):
    """What is known of a trained (or interrupted) adapter.

    Attributes:
        name: Its folder name.
        state: `training` until a run has ended well, then `finished`.
        created: ISO time of the run's first start.
        base: Id of the base model, and `base_hash` its sha256.
        dataset: Name of the dataset, and `dataset_hash` its sha256.
        style: The words that call the style up, from the dataset.
        licence: Licence of the training audio, if stated.
        config: Every knob of the run.
        versions: Of Python and the libraries that made it.
        steps: Optimiser steps done.
        best_step: The step of `best/`.
        validation_loss_base: Held-out loss at step 0.
        validation_loss_best: Held-out loss at `best_step`.
        validation_loss_final: Held-out loss at the end.
        train_loss_final: Mean training loss of the last steps.
        noise_scale: Starting noise that gives its generations the level of the user's clips.
        guidance: Strength of the prompt that brings its generations nearest to the user's clips.
        tempo_bpm: Median tempo of its clips.
        seconds: Time spent training.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: int = 1
    name: str
    state: str
    created: str
    base: str
    base_hash: str
    dataset: str
    dataset_hash: str
    style: str
    licence: str | None = None
    config: dict[str, Any]
    versions: dict[str, str]
    steps: int
    best_step: int
    validation_loss_base: float
    validation_loss_best: float
    validation_loss_final: float
    train_loss_final: float | None = None
    noise_scale: float = Field(default=1.0, gt=0)
    guidance: float | None = Field(default=None, ge=0)
    tempo_bpm: float | None = None
    seconds: float


def adapter_folder(root: Path, name: str) -> Path:
    """The folder of a named adapter, whether or not it exists yet.

    Raises:
        AdapterError: If the name is not a plain name.
    """
    if not name or safe_name(name) != name:
        raise AdapterError(
            f"{name!r} cannot name an adapter.",
            remedy=f"Try {safe_name(name)!r}: letters, digits, - and _ only.",
        )
    return root / name


def read_info(folder: Path) -> AdapterInfo:
    """Read an adapter's metadata.

    Raises:
        AdapterError: If there is none, or it is damaged.
    """
    try:
        return AdapterInfo.model_validate_json((folder / METADATA).read_text(encoding="utf-8"))
    except FileNotFoundError as problem:
        raise AdapterError(
            f"There is no adapter {folder.name!r} in {folder.parent}.",
            remedy="`angen adapter list` shows what is there.",
        ) from problem
    except (OSError, ValueError) as problem:  # not there, not UTF-8, not this record
        raise AdapterError(
            f"The metadata of adapter {folder.name!r} cannot be read: {problem}.",
            remedy="Delete the adapter, or restore its metadata.json.",
        ) from problem


def write_info(folder: Path, info: AdapterInfo) -> None:
    """Write an adapter's metadata, atomically."""
    write_text(folder / METADATA, info.model_dump_json(indent=2) + "\n")


def list_adapters(root: Path) -> list[AdapterInfo]:
    """All adapters of a workspace, oldest first; damaged ones are left out."""
    infos = []
    for folder in sorted(root.iterdir()) if root.is_dir() else []:
        try:
            infos.append(read_info(folder))
        except AdapterError:
            continue
    return sorted(infos, key=lambda info: (info.created, info.name))


def delete_adapter(root: Path, name: str) -> None:
    """Remove an adapter and everything of its run.

    Raises:
        AdapterError: If there is none of this name.
    """
    folder = adapter_folder(root, name)
    if not folder.is_dir():
        raise AdapterError(
            f"There is no adapter {name!r} in {root}.", remedy="`angen adapter list` shows what is there."
        )
    (folder / METADATA).unlink(missing_ok=True)  # first: half a deletion is then no adapter
    shutil.rmtree(folder)

"""The adapters a user has: one folder each, described by its `metadata.json`, written last.

models/loras/<name>/metadata.json
best/ final/ checkpoints/step_NNNNNN/ tensorboard/
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from angen.errors import AdapterError
from angen.files import safe_name, write_text

METADATA = "metadata.json"
FORMAT_VERSION = 2


class Parent(BaseModel):
    """An adapter that another was made of.

    Attributes:
        name: What it was called.
        strength: How strongly it went in.
        weights_sha256: Of the file of its weights.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str
    strength: float
    weights_sha256: str


class AdapterInfo(BaseModel):
    """What is known of a trained (or interrupted, combined or imported) adapter.

    Attributes:
        format_version: The layout of this record: 1 is the first, whose files have none of the later fields.
        name: Its folder name.
        state: `training` until a run has ended well, then `finished`.
        created: ISO time of the run's first start.
        base: Id of the base model, and `base_hash` its sha256.
        dataset: Name of the dataset, and `dataset_hash` its sha256; empty for none.
        style: The words that call the style up, from the dataset.
        licence: Licence of the training audio, if stated.
        config: Every knob of the run.
        versions: Of Python and the libraries that made it.
        steps: Optimiser steps done.
        best_step: The step of `best/`.
        validation_loss_base: Held-out loss at step 0; None for an adapter that was never validated.
        validation_loss_best: Held-out loss at `best_step`.
        validation_loss_final: Held-out loss at the end.
        train_loss_final: Mean training loss of the last steps.
        noise_scale: Starting noise that gives its generations the level of the user's clips.
        guidance: Strength of the prompt that brings its generations nearest to the user's clips.
        tempo_bpm: Median tempo of its clips.
        seconds: Time spent training.
        type: Kind of the dataset: the user's recordings, a vocal or a symbolic collection.
        origin: How it came into this workspace.
        trigger_words: Words or phrases of a prompt that call it up.
        non_commercial: Whether a licence of its audio forbids commercial use; None for not known.
        share_alike: Whether a licence of its audio binds what is built on it; None for not known.
        attribution: Whom to name, a line each.
        songs: Songs of the dataset, `clips` its clips, `audio_seconds` their length.
        parents: The adapters it was combined from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    format_version: int = Field(default=FORMAT_VERSION, ge=1, le=FORMAT_VERSION)
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
    validation_loss_base: float | None = None
    validation_loss_best: float | None = None
    validation_loss_final: float | None = None
    train_loss_final: float | None = None
    noise_scale: float = Field(default=1.0, gt=0)
    guidance: float | None = Field(default=None, ge=0)
    tempo_bpm: float | None = None
    seconds: float
    type: Literal["user", "vocal", "symbolic"] = "user"
    origin: Literal["trained", "combined", "imported"] = "trained"
    trigger_words: tuple[str, ...] = ()
    non_commercial: bool | None = None
    share_alike: bool | None = None
    attribution: tuple[str, ...] = ()
    songs: int | None = Field(default=None, ge=0)
    clips: int | None = Field(default=None, ge=0)
    audio_seconds: float | None = Field(default=None, ge=0)
    parents: tuple[Parent, ...] = ()

    @property
    def validation_gain(self) -> float | None:
        """Share of the base's held-out loss that the best step took away; None where it was not measured."""
        if not self.validation_loss_base or self.validation_loss_best is None:
            return None
        return 1 - self.validation_loss_best / self.validation_loss_base


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


def existing_folder(root: Path, name: str) -> Path:
    """The folder of a named adapter that is there, with or without metadata.

    Raises:
        AdapterError: If there is none of this name.
    """
    folder = adapter_folder(root, name)
    if not folder.is_dir():
        raise AdapterError(
            f"There is no adapter {name!r} in {root}.", remedy="`angen adapter list` shows what is there."
        )
    return folder


def free_folder(root: Path, name: str) -> Path:
    """The folder of a name that nothing has yet.

    Raises:
        AdapterError: If the name is taken or impossible.
    """
    folder = adapter_folder(root, name)
    if folder.exists() or folder.is_symlink():
        raise AdapterError(f"There is already an adapter {name!r}.", remedy="Choose another name.")
    return folder


def read_info(folder: Path) -> AdapterInfo:
    """Read an adapter's metadata. Its name is that of the folder, whatever the file says.

    Raises:
        AdapterError: If there is none, or it is damaged.
    """
    try:
        info = AdapterInfo.model_validate_json((folder / METADATA).read_text(encoding="utf-8"))
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
    return info if info.name == folder.name else info.model_copy(update={"name": folder.name})


def write_info(folder: Path, info: AdapterInfo) -> None:
    """Write an adapter's metadata, atomically."""
    write_text(folder / METADATA, info.model_dump_json(indent=2) + "\n")


def list_adapters(root: Path) -> list[AdapterInfo]:
    """All adapters of a workspace, oldest first; damaged and unfinished ones are left out."""
    infos = []
    for folder in sorted(root.iterdir()) if root.is_dir() else []:
        if folder.name.startswith("."):  # being made or being removed
            continue
        try:
            infos.append(read_info(folder))
        except AdapterError:
            continue
    return sorted(infos, key=lambda info: (info.created, info.name))

"""Checkpoints: an adapter folder any peft opens, and beside it what exact resume needs. Never half-written.

    checkpoints/step_000500/adapter_config.json, adapter_model.safetensors
                            optimiser.safetensors   AdamW's moments, by parameter name
                            state.json              step, losses, seconds; written last

A checkpoint is written under a hidden name and renamed when it is whole.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from angen.adapters.lora import load_weights, save_adapter, trainable
from angen.errors import AdapterError, TrainingError
from angen.files import write_json

STATE = "state.json"
_MOMENTS = {"step", "exp_avg", "exp_avg_sq"}


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A hidden folder beside `target` that takes its place once the block ends well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    temporary.mkdir()
    try:
        yield temporary
        if target.exists():
            old = target.with_name(f".{target.name}.{secrets.token_hex(4)}.old")
            target.rename(old)
            try:
                temporary.rename(target)
            except OSError:
                old.rename(target)
                raise
            shutil.rmtree(old)
        else:
            temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def save_checkpoint(
    folder: Path, wrapped: Any, optimiser: torch.optim.Optimizer, state: dict[str, Any]
) -> None:
    """Write a checkpoint.

    Args:
        folder: Where; replaced if it exists.
        wrapped: The `PeftModel`.
        optimiser: AdamW over the adapter's parameters.
        state: Anything JSON can hold.
    """
    names = {id(weight): name for name, weight in trainable(wrapped).items()}
    moments = {
        f"{key}|{names[id(weight)]}": value.detach().clone().contiguous()
        for weight, values in optimiser.state.items()
        for key, value in values.items()
    }
    with whole_folder(folder) as temporary:
        save_adapter(wrapped, temporary)
        save_file(moments, str(temporary / "optimiser.safetensors"))
        write_json(temporary / STATE, state)


def read_state(folder: Path, keys: Iterable[str]) -> dict[str, Any]:
    """The state of a checkpoint.

    Raises:
        TrainingError: If it is damaged, or has not the `keys`.
    """
    try:
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise _unreadable(folder, str(problem)) from problem
    missing = sorted(set(keys).difference(state if isinstance(state, dict) else ()))
    if missing:
        raise _unreadable(folder, f"{STATE} lacks {', '.join(missing)}")
    return dict(state)


def load_checkpoint(folder: Path, wrapped: Any, optimiser: torch.optim.Optimizer) -> None:
    """Put the tensors of a checkpoint into an attached adapter and its optimiser, every one matched.

    Raises:
        TrainingError: If its files are damaged or of another run.
    """
    try:
        moments = load_file(folder / "optimiser.safetensors")
        load_weights(wrapped, folder)
    except (OSError, SafetensorError, AdapterError) as problem:
        raise _unreadable(folder, str(problem)) from problem
    by_weight: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in moments.items():
        kind, _, name = key.partition("|")
        by_weight.setdefault(name, {})[kind] = value
    for name, weight in trainable(wrapped).items():
        own = by_weight.get(name, {})
        if own.keys() != _MOMENTS or own["exp_avg"].shape != weight.shape:
            raise _unreadable(folder, f"its optimiser does not fit {name}")
        optimiser.state[weight] = own


def _unreadable(folder: Path, problem: str) -> TrainingError:
    return TrainingError(
        f"Checkpoint {folder} cannot be read: {problem.rstrip('.')}.",
        remedy="Delete its folder to resume from the one before.",
    )


def checkpoints(root: Path) -> list[Path]:
    """Whole checkpoints of a run, earliest first."""
    found = [folder for folder in root.glob("step_*") if (folder / STATE).is_file()]
    return sorted(found, key=lambda folder: (len(folder.name), folder.name))


def prune(root: Path, keep: int) -> None:
    """Remove all but the last `keep` checkpoints."""
    for folder in checkpoints(root)[:-keep]:
        shutil.rmtree(folder)

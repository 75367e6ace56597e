"""Checkpoints: an adapter folder any peft opens, and beside it what exact resume needs. Never half-written.

    checkpoints/step_000500/adapter_config.json, adapter_model.safetensors
                            optimiser.safetensors   its state, by parameter name
                            extra.safetensors       other tensors of the run, if it has any
                            state.json              step, losses, seconds; written last

A checkpoint is written under a hidden name and renamed when it is whole. One that a disk damaged later is told from a
whole one when it is read, and the one before it serves.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from angen.adapters.lora import load_weights, save_adapter, trainable
from angen.errors import AdapterError, TrainingError
from angen.files import remove_folder, whole_folder, write_json

__all__ = [
    "DamagedCheckpointError",
    "checkpoints",
    "load_checkpoint",
    "load_newest",
    "prune",
    "read_state",
    "save_checkpoint",
    "unreadable",
    "unwritable",
    "whole_folder",
]

STATE, OPTIMISER, EXTRA = "state.json", "optimiser.safetensors", "extra.safetensors"


class DamagedCheckpointError(TrainingError):
    """A checkpoint that is there and cannot be read whole."""


def save_checkpoint(
    folder: Path,
    wrapped: Any,
    optimiser: torch.optim.Optimizer,
    state: dict[str, Any],
    extra: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """Write a checkpoint.

    Args:
        folder: Where; replaced if it exists.
        wrapped: The `PeftModel`.
        optimiser: Over the adapter's parameters.
        state: Anything JSON can hold.
        extra: Other tensors of the run, such as moving averages.

    Raises:
        TrainingError: If a weight is no number: such a checkpoint would be worth nothing.
    """
    broken = [name for name, weight in trainable(wrapped).items() if not bool(weight.isfinite().all())]
    if broken:
        raise TrainingError(
            f"{len(broken)} tensors of the adapter are no longer numbers, {broken[0]} among them.",
            remedy="Start again with a lower learning rate; the last checkpoint is intact.",
        )
    tensors, numbers = _taken_apart(wrapped, optimiser)
    with whole_folder(folder) as temporary:
        save_adapter(wrapped, temporary)
        save_file(tensors, str(temporary / OPTIMISER), {"numbers": json.dumps(numbers)})
        if extra:
            save_file({key: value.detach().contiguous() for key, value in extra.items()}, temporary / EXTRA)
        write_json(temporary / STATE, state)


def read_state(folder: Path, keys: Iterable[str]) -> dict[str, Any]:
    """The state of a checkpoint.

    Raises:
        DamagedCheckpointError: If it is damaged, or has not the `keys`.
    """
    try:
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise unreadable(folder, str(problem)) from problem
    missing = sorted(set(keys).difference(state if isinstance(state, dict) else ()))
    if missing:
        raise unreadable(folder, f"{STATE} lacks {', '.join(missing)}")
    return dict(state)


def load_checkpoint(folder: Path, wrapped: Any, optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Put the tensors of a checkpoint into an attached adapter and its optimiser, every one matched.

    Returns:
        What was saved as `extra`.

    Raises:
        DamagedCheckpointError: If its files are damaged or of another run.
    """
    try:
        tensors = load_file(folder / OPTIMISER)
        with safe_open(folder / OPTIMISER, framework="pt") as opened:
            numbers = json.loads((opened.metadata() or {}).get("numbers", "null"))
        extra = load_file(folder / EXTRA) if (folder / EXTRA).exists() else {}
        load_weights(wrapped, folder)
    except (OSError, ValueError, SafetensorError, AdapterError) as problem:
        raise unreadable(folder, str(problem)) from problem
    if not isinstance(numbers, dict) or numbers.get("class") != type(optimiser).__name__:
        raise unreadable(folder, f"its optimiser is not {type(optimiser).__name__}")
    _put_together(folder, wrapped, optimiser, tensors, numbers)
    return extra


def load_newest(
    root: Path,
    wrapped: Any,
    optimiser: torch.optim.Optimizer,
    read: Callable[[Path], dict[str, Any]],
) -> tuple[dict[str, Any], dict[str, torch.Tensor], list[str]] | None:
    """Load the newest checkpoint that is whole; damaged ones after it are set aside under hidden names.

    Args:
        root: The folder of a run's checkpoints.
        wrapped: The `PeftModel` to fill.
        optimiser: Likewise.
        read: Reads and checks the state of a checkpoint; raises `DamagedCheckpointError` for a damaged one, and
            anything else to refuse all of them.

    Returns:
        Its state, its extra tensors, and what is wrong with each one set aside. None if there is no checkpoint.

    Raises:
        DamagedCheckpointError: If there are checkpoints, and none is whole: about the newest.
    """
    damaged: list[tuple[Path, DamagedCheckpointError]] = []
    for folder in reversed(_by_step(root)):
        try:
            state = read(folder)
            extra = load_checkpoint(folder, wrapped, optimiser)
        except DamagedCheckpointError as problem:
            damaged.append((folder, problem))
            continue
        for bad, _ in damaged:
            bad.rename(bad.with_name(f".{bad.name}.{secrets.token_hex(4)}.damaged"))
        return state, extra, [problem.message for _, problem in damaged]
    if damaged:
        raise damaged[0][1]
    return None


def checkpoints(root: Path) -> list[Path]:
    """Whole checkpoints of a run, earliest first."""
    return [folder for folder in _by_step(root) if (folder / STATE).is_file()]


def prune(root: Path, keep: int) -> None:
    """Remove all but the last `keep` checkpoints, each out of sight first."""
    for folder in checkpoints(root)[:-keep]:
        remove_folder(folder)


def unreadable(folder: Path, problem: str) -> DamagedCheckpointError:
    """What is wrong with a checkpoint; raised on only if the ones before it are no better."""
    return DamagedCheckpointError(
        f"Checkpoint {folder} cannot be read: {problem.rstrip('.')}.",
        remedy="No checkpoint before it is whole either. Train again with --replace; best/ may still be used.",
    )


def unwritable(folder: Path, problem: Exception) -> TrainingError:
    """What a disk that refuses means for the run in `folder`."""
    found = checkpoints(folder / "checkpoints")
    last = f"Its last checkpoint, {found[-1].name}, is intact." if found else "It has no checkpoint yet."
    return TrainingError(
        f"The run in {folder} cannot go on: {problem}. {last}",
        remedy="Check the space on the disk and who owns its folders, then go on with --resume.",
    )


def _by_step(root: Path) -> list[Path]:
    return sorted(root.glob("step_*"), key=lambda folder: (len(folder.name), folder.name))


def _taken_apart(
    wrapped: Any, optimiser: torch.optim.Optimizer
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The state of an optimiser: tensors by `kind|parameter`, and everything else as JSON."""
    names = {id(weight): name for name, weight in trainable(wrapped).items()}
    tensors: dict[str, torch.Tensor] = {}
    numbers: dict[str, Any] = {}
    for weight, values in optimiser.state.items():
        for kind, value in values.items():
            key = f"{kind}|{names[id(weight)]}"
            if isinstance(value, torch.Tensor):
                tensors[key] = value.detach().clone().contiguous()
            else:
                numbers[key] = value
    groups = [
        {key: value for key, value in group.items() if isinstance(value, int | float)}
        for group in optimiser.param_groups
    ]
    return tensors, {"class": type(optimiser).__name__, "state": numbers, "groups": groups}


def _put_together(
    folder: Path,
    wrapped: Any,
    optimiser: torch.optim.Optimizer,
    tensors: dict[str, torch.Tensor],
    numbers: dict[str, Any],
) -> None:
    """The reverse of `_taken_apart`: every parameter has the same kinds of state, shaped after it."""
    weights = trainable(wrapped)
    by_name: dict[str, dict[str, Any]] = {name: {} for name in weights}
    for key, value in [*tensors.items(), *numbers["state"].items()]:
        kind, _, name = key.partition("|")
        by_name.setdefault(name, {})[kind] = value
    groups = numbers["groups"]
    if by_name.keys() != weights.keys() or len(groups) != len(optimiser.param_groups):
        raise unreadable(folder, "its optimiser is of other parameters")
    kinds = max(map(set, by_name.values()), key=len)
    for name, weight in weights.items():
        own = by_name[name]
        fits = own and (set(own) == kinds or weight.dim() < 2)
        if not fits or not all(_fits(value, weight, optimiser) for value in own.values()):
            raise unreadable(folder, f"its optimiser does not fit {name}")
        optimiser.state[weight] = own
    for group, saved in zip(optimiser.param_groups, groups, strict=True):
        group.update(saved)


def _fits(value: Any, weight: torch.Tensor, optimiser: torch.optim.Optimizer) -> bool:
    """Whether a value could be state of a weight: a number, its shape, or its shape with axes summed away."""
    if not isinstance(value, torch.Tensor) or value.numel() == 1:
        return True
    if not type(optimiser).__module__.startswith("torch.optim"):
        return True  # others pack what they keep as they like
    left = list(weight.shape)
    for size in value.shape:
        if size in left:
            left.remove(size)
        elif size != 1:
            return False
    return True

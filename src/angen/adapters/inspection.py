"""Looking at an adapter: its files and their sizes, and whether it has learnt anything at all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from angen.adapters.weights import WEIGHTS, read_weights
from angen.errors import AdapterError


@dataclass(frozen=True)
class TargetNorm:
    """How much an adapter changes the layers of one name.

    Attributes:
        target: The name, as "q_proj".
        layers: How many there are.
        values: Trainable values in them.
        norm: Frobenius norm of all their changes together; 0 if nothing was learnt.
        largest: The largest change of one layer.
    """

    target: str
    layers: int
    values: int
    norm: float
    largest: float


@dataclass(frozen=True)
class Inspection:
    """What is in one folder of an adapter.

    Attributes:
        part: "best", "final" or a checkpoint's name.
        bytes: Size of all its files.
        problem: Why it cannot be used; empty if it can.
        rank: Of most layers, with `alpha`, `rslora` and `dora`.
        targets: Change by target.
        is_trained: Whether the matrices change the base at all.
    """

    part: str
    bytes: int
    problem: str = ""
    rank: int = 0
    alpha: float = 0.0
    rslora: bool = False
    dora: bool = False
    targets: tuple[TargetNorm, ...] = ()
    is_trained: bool = False


def inspect_parts(folder: Path) -> list[Inspection]:
    """Look into `best/`, `final/` and every checkpoint of an adapter."""
    parts = [folder / "best", folder / "final", *sorted((folder / "checkpoints").glob("step_*"))]
    return [inspect_part(part) for part in parts if (part / WEIGHTS).exists()]


def inspect_part(part: Path) -> Inspection:
    """Look into one folder; a fault is told, not raised."""
    size = size_bytes(part)
    try:
        weights = read_weights(part)
    except AdapterError as error:
        return Inspection(part.name, size, problem=error.message)
    changes: dict[str, list[float]] = {}
    values: dict[str, int] = {}
    for layer, pair in weights.pairs.items():
        target = layer.rpartition(".")[2]
        # the norm of up·down from two small products: |UD|² = tr(UᵀU · DDᵀ)
        up, down = pair.up.double(), pair.down.double()
        square = float(((up.T @ up) * (down @ down.T)).sum())
        changes.setdefault(target, []).append(abs(pair.scale) * math.sqrt(max(0.0, square)))
        values[target] = values.get(target, 0) + up.numel() + down.numel()
    targets = tuple(
        TargetNorm(target, len(norms), values[target], math.hypot(*norms), max(norms))
        for target, norms in changes.items()
    )
    config = weights.config
    return Inspection(
        part.name,
        size,
        "",
        config.r,
        config.lora_alpha,
        config.use_rslora,
        config.use_dora,
        targets,
        any(target.norm > 0 for target in targets),
    )


def size_bytes(folder: Path) -> int:
    """Size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

"""Adapters into one thing: added into the weights of a base, or combined into one new adapter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from angen.adapters.stack import AppliedAdapter
from angen.adapters.weights import (
    PREFIX,
    AdapterWeights,
    Pair,
    config_for,
    linear_layers,
    read_weights,
    refuse_misfit,
    write_weights,
)
from angen.errors import AdapterError

LARGEST_RANK = 2048


@dataclass(frozen=True)
class Combined:
    """What became of a combination.

    Attributes:
        rank: The largest rank of a layer.
        error: Share of the change that was lost: the norm of what is missing over that of the whole; 0 for an
            exact combination.
        worst_layer: The layer that lost most, and `worst_error` its share.
    """

    rank: int
    error: float = 0.0
    worst_layer: str = ""
    worst_error: float = 0.0


def merged_weights(network: nn.Module, adapters: Sequence[AppliedAdapter]) -> Iterator[tuple[str, Tensor]]:
    """The weights that adapters change, with their changes added up: (key of the state dict, float32), one at a time.

    Plain adapters add up in any order; one of DoRA scales what those before it made, as in `applied`.

    Raises:
        AdapterError: If a folder is not an adapter of this network; before the first weight.
    """
    layers = linear_layers(network)
    acting = []
    for adapter in adapters:
        if adapter.strength == 0.0:
            continue
        weights = read_weights(adapter.folder)
        refuse_misfit(weights, layers, adapter.folder)
        acting.append((weights, adapter.strength))
    for layer in layers:
        pairs = [(weights.pairs[layer], strength) for weights, strength in acting if layer in weights.pairs]
        if pairs:
            yield f"{layer}.weight", _with_all(network.get_parameter(f"{layer}.weight").detach(), pairs)


def _with_all(base: Tensor, pairs: Sequence[tuple[Pair, float]]) -> Tensor:
    """A layer's weight with adapters in it, one after another as they act in `applied`."""
    weight = base.float()
    for pair, strength in pairs:
        weight = pair.onto(weight, base, strength)
    return weight


def merge(network: nn.Module, adapters: Sequence[AppliedAdapter]) -> nn.Module:
    """Add adapters into the weights of `network` for good and return it.

    The result is within rounding of `applied`; it can no longer be taken apart, so merge into a copy.

    Raises:
        AdapterError: If a folder is not an adapter of this network. It is as it was then.
    """
    with torch.no_grad():
        for key, weight in merged_weights(network, adapters):
            network.get_parameter(key).copy_(weight)
    return network.requires_grad_(False)


def combine(
    network: nn.Module, adapters: Sequence[AppliedAdapter], folder: Path, *, rank: int | None = None
) -> Combined:
    """Write one adapter that does what several do together.

    Args:
        network: The base they belong to.
        adapters: At least one, of strength other than 0.
        folder: An existing, empty folder.
        rank: None for the exact sum, whose rank is the sum of theirs; otherwise the nearest adapter of this rank
            (Eckart and Young 1936, by singular values).

    Raises:
        AdapterError: If a folder is not an adapter of this network, or DoRA is to be summed exactly.
    """
    acting = [(read_weights(a.folder), a.strength, a.folder) for a in adapters if a.strength != 0.0]
    if not acting or (rank is not None and not 1 <= rank <= LARGEST_RANK):
        raise AdapterError(
            f"{len(acting)} adapters cannot be combined into one of rank {rank}.",
            remedy=f"Name adapters with strengths other than 0, and a rank of 1 to {LARGEST_RANK}.",
        )
    layers = linear_layers(network)
    for weights, _, source in acting:
        refuse_misfit(weights, layers, source)
    by_layer = {
        layer: [(weights, strength) for weights, strength, _ in acting if layer in weights.pairs]
        for layer in layers
    }
    pairs, losses = {}, {}
    for layer, parts in by_layer.items():
        if parts:
            weight = network.get_parameter(f"{layer}.weight").detach()
            pairs[layer], losses[layer] = _combined_pair(layer, parts, weight, rank)
    _write(folder, pairs, layers)
    whole = sum(total for _, total in losses.values())
    shares = {layer: (lost / total) ** 0.5 if total else 0.0 for layer, (lost, total) in losses.items()}
    worst = max(shares, key=lambda layer: shares[layer])
    error = (sum(lost for lost, _ in losses.values()) / whole) ** 0.5 if whole else 0.0
    largest = max(pair.down.shape[0] for pair in pairs.values())
    return Combined(int(largest), error, worst if error else "", shares[worst])


def _combined_pair(
    layer: str, parts: Sequence[tuple[AdapterWeights, float]], weight: Tensor, rank: int | None
) -> tuple[Pair, tuple[float, float]]:
    """One layer of a combination; the squared norms of what it lost and of the whole."""
    whole = [(weights.pairs[layer], strength) for weights, strength in parts]
    if any(pair.magnitude is not None for pair, _ in whole):
        if rank is None:
            raise AdapterError(
                "A DoRA adapter has no exact sum with others: its change is of full rank.",
                remedy="Give a rank (--rank) for the nearest adapter, or merge them into the base.",
            )
        change = _with_all(weight, whole) - weight.float()
        u, values, v = torch.linalg.svd(change.double(), full_matrices=False)
        return _nearest(u, values, v, rank)
    down = torch.cat([pair.down.float() for pair, _ in whole])
    up = torch.cat([pair.up.float() * (pair.scale * strength) for pair, strength in whole], dim=1)
    if rank is None:
        return Pair(down, up, 1.0), (0.0, 0.0)
    left, left_rest = torch.linalg.qr(up.double())
    right, right_rest = torch.linalg.qr(down.double().T)
    u, values, v = torch.linalg.svd(left_rest @ right_rest.T, full_matrices=False)
    return _nearest(left @ u, values, v @ right.T, rank)


def _nearest(u: Tensor, values: Tensor, v: Tensor, rank: int) -> tuple[Pair, tuple[float, float]]:
    """The pair of a rank nearest to u · diag(values) · v, each matrix taking the root of the values."""
    kept = min(rank, len(values))
    root = values[:kept].sqrt()
    pair = Pair((root[:, None] * v[:kept]).float(), (u[:, :kept] * root).float(), 1.0)
    return pair, (float(values[kept:].square().sum()), float(values.square().sum()))


def _write(folder: Path, pairs: Mapping[str, Pair], layers: Mapping[str, tuple[int, int]]) -> None:
    tensors = {}
    for layer, pair in pairs.items():
        tensors[f"{PREFIX}{layer}.lora_A.weight"] = pair.down
        tensors[f"{PREFIX}{layer}.lora_B.weight"] = pair.up
    write_weights(folder, tensors, config_for(pairs, layers))

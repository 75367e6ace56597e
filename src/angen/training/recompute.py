"""Gradient checkpointing: blocks are computed again in the backward pass, so that memory need not hold them all.

Dropout draws the same masks the second time, so loss and gradients are what they are without it.

Source: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost" (arXiv:1604.06174).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def blocks_of(network: nn.Module) -> list[nn.Module]:
    """The blocks of a network that hold trainable weights: members of its outermost lists of modules."""
    found: list[nn.Module] = []

    def look(module: nn.Module) -> None:
        for child in module.children():
            if isinstance(child, nn.ModuleList):
                found.extend(b for b in child if any(w.requires_grad for w in b.parameters()))
            else:
                look(child)

    look(network)
    return found


@contextmanager
def recomputed(network: nn.Module, is_wanted: bool = True) -> Iterator[None]:
    """While the block runs, the network's blocks keep only their inputs for the backward pass."""
    blocks = blocks_of(network) if is_wanted else []
    for block in blocks:
        block.forward = _recomputing(block.forward)
    try:
        yield
    finally:
        for block in blocks:
            del block.forward  # the method of its class is there again


def _recomputing(forward: Callable[..., Any]) -> Callable[..., Any]:
    def run(*values: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*values)
        return checkpoint(forward, *values, use_reentrant=False)  # type: ignore[no-untyped-call, unused-ignore]

    return run

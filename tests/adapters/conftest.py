"""Small networks to put adapters on, and trained-looking adapters for them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from angen.adapters.lora import LoraSpec, attach, save_adapter
from angen.model.music_model import LORA_TARGETS
from angen.model.network import FlowNetwork

SMALL = {
    "dim": 32, "depth": 2, "heads": 2, "ff_mult": 2, "mel_dim": 4, "text_num_embeds": 30, "block_size": 3,
}  # fmt: skip


@pytest.fixture(scope="session")
def make_network() -> Callable[..., FlowNetwork]:
    """A small frozen network, always of the same weights: `make_network(depth=1, ...)`."""

    def make(**changes: Any) -> FlowNetwork:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return FlowNetwork(SMALL | changes).eval().requires_grad_(False)

    return make


@pytest.fixture
def network(make_network: Callable[..., FlowNetwork]) -> FlowNetwork:
    """A small frozen network."""
    return make_network()


@pytest.fixture(scope="session")
def answer() -> Callable[[torch.nn.Module], torch.Tensor]:
    """What a network says to one fixed question."""
    generator = torch.Generator().manual_seed(1)
    asked = {
        "text_ids": torch.randint(1, 31, (2, 4), generator=generator),
        "text_valid": torch.ones(2, 4, dtype=torch.bool),
        "clean": torch.randn(2, 6, 4, generator=generator),
        "noisy": torch.randn(2, 6, 4, generator=generator),
        "times": torch.rand(2, 6, generator=generator),
        "style": torch.randn(2, 512, generator=generator),
        "frame_valid": torch.ones(2, 6, dtype=torch.bool),
    }
    return lambda network: network(**asked)


@pytest.fixture(scope="session")
def spec() -> LoraSpec:
    """Rank 3 on all seven layers of a block."""
    return LoraSpec(rank=3, alpha=6.0, dropout=0.0, targets=LORA_TARGETS)


@pytest.fixture(scope="session")
def fill() -> Callable[[Any, int], None]:
    """Give both matrices of every pair random weights, as training would."""

    def fill_in(wrapped: Any, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, weight in wrapped.named_parameters():
                if "lora_A" in name or "lora_B" in name:
                    weight.copy_(0.3 * torch.randn(weight.shape, generator=generator))

    return fill_in


@pytest.fixture
def make_adapter(
    tmp_path: Path, network: FlowNetwork, spec: LoraSpec, fill: Callable[[Any, int], None]
) -> Callable[..., Path]:
    """Save an adapter with random weights: `make_adapter(name, seed, spec=..., network=...)`."""

    def make(
        name: str = "one", seed: int = 1, *, spec: LoraSpec = spec, network: FlowNetwork = network
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        wrapped = attach(copy.deepcopy(network), spec, seed=0)
        fill(wrapped, seed)
        save_adapter(wrapped, folder)
        return folder

    return make

"""Small networks with random weights, and `angen-tiny` with a small one inside."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from angen.model.codec import Codec
from angen.model.network import FlowNetwork
from angen.model.text import StyleEncoder
from angen.model.tiny import AngenTiny, packaged_weights

SMALL = {
    "dim": 32, "depth": 2, "heads": 2, "ff_mult": 2, "mel_dim": 4, "text_num_embeds": 30, "block_size": 3,
}  # fmt: skip


def randomise(module: torch.nn.Module, seed: int) -> None:
    """Weights large enough that every part of the network matters."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in module.parameters():
            drawn = torch.randn(weight.shape, generator=generator)
            if weight.dim() > 1:
                weight.copy_(drawn / weight[0].numel() ** 0.5)
            else:
                weight.add_(0.2 * drawn)


@pytest.fixture(scope="session")
def make_network() -> Callable[..., FlowNetwork]:
    """A small frozen network: `make_network(seed, depth=1, ...)`."""

    def make(seed: int = 0, **changes: Any) -> FlowNetwork:
        network = FlowNetwork(SMALL | changes)
        randomise(network, seed)
        return network.eval().requires_grad_(False)

    return make


@pytest.fixture(scope="session")
def small_model_folder(
    tmp_path_factory: pytest.TempPathFactory, make_network: Callable[..., FlowNetwork]
) -> Path:
    """A folder like that of `angen-tiny`, its networks small and random."""
    folder = tmp_path_factory.mktemp("small model")
    shape = {"dim": 32, "depth": 2, "heads": 2, "mel_dim": 8, "text_num_embeds": 2600, "beat_dim": 17}
    config = SMALL | shape | {"block_size": 4}
    (folder / "model.json").write_text(json.dumps(config | {"crop_blocks": 3, "noise_scale": 1.0}))
    torch.manual_seed(0)
    parts = {"model": make_network(1, **config), "codec": Codec(channels=8), "style": StyleEncoder(2600)}
    for name, part in parts.items():
        save_file(part.state_dict(), folder / f"{name}.safetensors")
    for name in ("table.safetensors", "tokenizer.json", "words.json"):
        (folder / name).symlink_to(packaged_weights() / name)
    return folder


@pytest.fixture(scope="session")
def small_model(small_model_folder: Path) -> AngenTiny:
    """`angen-tiny` with a small random network and codec: for laws, not for music."""
    return AngenTiny(small_model_folder)

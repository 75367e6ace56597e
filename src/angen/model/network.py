"""The module an adapter wraps: DiffRhythm 2's transformer under the name its checkpoint uses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from angen.errors import ModelError
from angen.model.dit import DiT
from angen.model.layout import training_forward

_KNOWN = (
    "dim", "depth", "heads", "ff_mult", "mel_dim", "text_num_embeds", "repa_depth", "repa_dims",
    "long_skip_connection", "beat_dim",
)  # fmt: skip


class FlowNetwork(nn.Module):
    """`transformer`, and the training pass as `forward`; state-dict keys start with `transformer.`.

    Args:
        config: A `model.json`; keys that are not the network's own are ignored, as in the release.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.block_frames = int(config.get("block_size", 10))
        self.transformer = DiT(**{key: config[key] for key in _KNOWN if key in config})

    def forward(self, **tensors: Any) -> Tensor:
        """Velocities of noisy frames; see `layout.training_forward` for the arguments."""
        return training_forward(self.transformer, block_frames=self.block_frames, **tensors)


def load_network(folder: Path) -> FlowNetwork:
    """Read `model.json` and `model.safetensors` of a folder in the layout of the release.

    Raises:
        ModelError: If a file is missing or damaged, or the weights do not fit the configuration.
    """
    config = read_json(folder / "model.json")
    network = FlowNetwork(config)
    load_weights(network, folder / "model.safetensors")
    return network.eval().requires_grad_(False)


def read_json(path: Path) -> Any:
    """A JSON file of a model folder."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise ModelError(
            f"{path} of the model cannot be read: {problem}.",
            remedy="Install the package or download the weights again.",
        ) from problem


def read_tensors(path: Path) -> dict[str, Tensor]:
    """A safetensors file of a model folder."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as problem:
        raise ModelError(
            f"{path} of the model cannot be read: {problem}.",
            remedy="Install the package or download the weights again.",
        ) from problem


def load_weights(module: nn.Module, path: Path) -> None:
    """Fill a module from a safetensors file, every tensor of both named and shaped alike.

    Raises:
        ModelError: Naming what is missing, left over or of another shape.
    """
    stored, own = read_tensors(path), module.state_dict()
    missing, extra = sorted(own.keys() - stored.keys()), sorted(stored.keys() - own.keys())
    reshaped = [key for key in own.keys() & stored.keys() if own[key].shape != stored[key].shape]
    if missing or extra or reshaped:
        raise ModelError(
            f"{path} does not fit its configuration: missing {missing[:3] or 'nothing'}, unknown "
            f"{extra[:3] or 'nothing'}, of another shape {reshaped[:3] or 'nothing'}.",
            remedy="Take weights and configuration from the same release.",
        )
    module.load_state_dict({key: value.to(own[key].dtype) for key, value in stored.items()})

"""Key names of adapter files, there and back: peft's, and those of kohya trainers that ComfyUI reads.

    peft     base_model.model.<layer>.lora_A.weight, .lora_B.weight, .lora_magnitude_vector; alpha in the configuration
    kohya    lora_unet_<layer with _ for .>.lora_down.weight, .lora_up.weight, .dora_scale, and .alpha, a tensor

The product of a pair is scaled by alpha / rank. A reader that forgets alpha hears another adapter; so the kohya
layout always stores it, for rsLoRA as the value that gives its own scale, alpha · √rank.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from angen.adapters.weights import PREFIX, AdapterWeights, Pair, config_for, understood
from angen.errors import AdapterError

Layout = Literal["peft", "kohya"]
FLAT = "lora_unet_"

_KEY = re.compile(
    r"(?P<layer>.+?)\.(?P<part>lora_A|lora_B|lora_down|lora_up|lora_magnitude_vector|dora_scale|alpha)"
    r"(?:\.default)?(?:\.weight)?"
)
_PARTS = {"lora_A": "down", "lora_down": "down", "lora_B": "up", "lora_up": "up",
          "lora_magnitude_vector": "magnitude", "dora_scale": "magnitude", "alpha": "alpha"}  # fmt: skip
_DOTTED = ("", PREFIX, "diffusion_model.", "model.", "transformer.")
_FLATTENED = (FLAT, "lora_transformer_", "lycoris_")


def as_layout(weights: AdapterWeights, layout: Layout) -> dict[str, Tensor]:
    """The tensors of an adapter under the names of a layout; the values are the same."""
    if layout == "peft":
        return dict(weights.tensors)
    tensors: dict[str, Tensor] = {}
    for layer, pair in weights.pairs.items():
        name = FLAT + layer.replace(".", "_")
        tensors[f"{name}.lora_down.weight"] = pair.down
        tensors[f"{name}.lora_up.weight"] = pair.up
        tensors[f"{name}.alpha"] = torch.tensor(pair.scale * pair.down.shape[0])
        if pair.magnitude is not None:
            tensors[f"{name}.dora_scale"] = pair.magnitude[:, None]
    return tensors


def from_layout(
    tensors: Mapping[str, Tensor],
    layers: Mapping[str, tuple[int, int]],
    raw: Mapping[str, Any] | None,
    source: Path,
) -> AdapterWeights:
    """The adapter that tensors of any known layout are, for a network of these layers.

    Args:
        tensors: Of the file.
        layers: The linear layers of the base (`linear_layers`).
        raw: Its peft configuration, if it came with one. Without it, alpha is that of the tensors, or the rank.
        source: The file, for messages.

    Raises:
        AdapterError: If a tensor belongs to no layer, twice to one, or the configuration contradicts alpha.
    """
    parts = _by_layer(tensors, layers, source)
    renamed: dict[str, Tensor] = {}
    pairs: dict[str, Pair] = {}
    for layer, part in parts.items():
        if not {"down", "up"} <= part.keys():
            raise _refusal(source, f"{layer} has only {', '.join(sorted(part))}")
        down, up, magnitude = part["down"], part["up"], part.get("magnitude")
        if down.ndim != 2 or not down.shape[0]:
            raise _refusal(source, f"{layer} is not of a linear layer: its shape is {tuple(down.shape)}")
        renamed[f"{PREFIX}{layer}.lora_A.weight"], renamed[f"{PREFIX}{layer}.lora_B.weight"] = down, up
        if magnitude is not None:
            magnitude = magnitude.flatten()
            renamed[f"{PREFIX}{layer}.lora_magnitude_vector"] = magnitude
        pairs[layer] = Pair(down, up, _scale(layer, part, source), magnitude)
    if not pairs:
        raise _refusal(source, "it has no tensors")
    dora = any(pair.magnitude is not None for pair in pairs.values())
    weights = understood(renamed, dict(raw or config_for(pairs, layers, dora=dora)), source)
    for layer, part in parts.items():
        told, kept = pairs[layer].scale, weights.pairs[layer].scale
        if "alpha" in part and abs(told - kept) > 1e-5 * abs(kept):
            raise _refusal(source, f"alpha of {layer} gives a scale of {told:g}, its configuration {kept:g}")
    return weights


def _by_layer(
    tensors: Mapping[str, Tensor], layers: Mapping[str, tuple[int, int]], source: Path
) -> dict[str, dict[str, Tensor]]:
    flat = {layer.replace(".", "_"): layer for layer in layers}
    parts: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        found = _KEY.fullmatch(key)
        layer = _layer(found["layer"], layers, flat) if found else None
        if found is None or layer is None:
            raise _refusal(source, f"{key[:120]!r} belongs to no linear layer of this model")
        slots = parts.setdefault(layer, {})
        if _PARTS[found["part"]] in slots:
            raise _refusal(source, f"{key[:120]!r} is there twice under different names")
        slots[_PARTS[found["part"]]] = tensor
    return parts


def _layer(name: str, layers: Mapping[str, tuple[int, int]], flat: Mapping[str, str]) -> str | None:
    dotted = [name.removeprefix(prefix) for prefix in _DOTTED]
    candidates = [*dotted, *(f"transformer.{short}" for short in dotted)]
    flattened = [flat.get(name.removeprefix(prefix)) for prefix in _FLATTENED if name.startswith(prefix)]
    known = [candidate for candidate in candidates if candidate in layers] + [one for one in flattened if one]
    return known[0] if known else None


def _scale(layer: str, part: Mapping[str, Tensor], source: Path) -> float:
    rank = part["down"].shape[0]
    if "alpha" not in part:
        return 1.0
    if part["alpha"].numel() != 1 or float(part["alpha"]) <= 0:
        raise _refusal(source, f"alpha of {layer} is no number above 0")
    return float(part["alpha"]) / rank


def _refusal(source: Path, problem: str) -> AdapterError:
    return AdapterError(
        f"The adapter in {source} cannot be used: {problem}.",
        remedy="Use an adapter of this base, in peft's layout or kohya's.",
    )

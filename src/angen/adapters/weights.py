"""The files of an adapter, read as if a stranger had written them: sizes, keys, types and values are checked first.

Nothing here opens a pickle, and nothing in a configuration reaches peft that Angen does not know.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn

from angen.errors import AdapterError

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
LARGEST_FILE = 4 * 2**30
LARGEST_HEADER = 8 * 2**20
MOST_TENSORS = 20_000
DTYPES = ("F32", "F16", "BF16")
PREFIX = "base_model.model."

_Rank = Annotated[int, Field(ge=1, le=8192)]
_Alpha = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]{1,300}$")]  # peft reads them as expressions
_FREE = {  # said in a configuration, and of no effect on what is computed
    "auto_mapping", "base_model_name_or_path", "inference_mode", "init_lora_weights", "megatron_core", "peft_version",
    "qalora_group_size", "revision", "task_type", "ensure_weight_tying",
}  # fmt: skip
_PART = re.compile(r"(?P<layer>.+)\.(?P<part>lora_A\.weight|lora_B\.weight|lora_magnitude_vector)")


class AdapterConfig(BaseModel):
    """What Angen takes from an `adapter_config.json`; anything else in it must be of no effect."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    peft_type: Annotated[str, Field(pattern="^LORA$")]
    r: _Rank
    lora_alpha: _Alpha
    lora_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    target_modules: Annotated[list[_Name], Field(min_length=1, max_length=MOST_TENSORS)]
    bias: Annotated[str, Field(pattern="^none$")] = "none"
    use_rslora: bool = False
    use_dora: bool = False
    rank_pattern: dict[_Name, _Rank] = {}
    alpha_pattern: dict[_Name, _Alpha] = {}

    def scale(self, layer: str, rank: int) -> float:
        """What the product of a layer's two matrices is multiplied by."""
        from peft.utils.other import get_pattern_key

        alpha = self.alpha_pattern.get(get_pattern_key(list(self.alpha_pattern), layer), self.lora_alpha)
        return alpha / (math.sqrt(rank) if self.use_rslora else rank)


@dataclass(frozen=True)
class Pair:
    """What an adapter does to one layer.

    Attributes:
        down: (rank, inputs), and `up`: (outputs, rank).
        scale: What their product is multiplied by.
        magnitude: Norm of each output's weights (outputs,), for DoRA.
    """

    down: Tensor
    up: Tensor
    scale: float
    magnitude: Tensor | None = None

    def onto(self, weight: Tensor, base: Tensor, strength: float = 1.0) -> Tensor:
        """A layer's weight with this adapter in it, float32.

        Args:
            weight: What it is so far, (outputs, inputs): the base, or the base with other adapters.
            base: The base's own; its norm counts for DoRA, as in peft.
            strength: How strongly the adapter acts.

        Source:
            Hu et al. 2021 (arXiv:2106.09685); Liu et al. 2024, DoRA (arXiv:2402.09353), eq. 5.
        """
        product = (self.scale * strength) * (self.up.float() @ self.down.float())
        if self.magnitude is None:
            return weight.float() + product
        norm: Tensor = torch.linalg.norm(base.float() + product, dim=1, keepdim=True)
        return (self.magnitude.float()[:, None] / norm) * (weight.float() + product)


@dataclass(frozen=True)
class AdapterWeights:
    """An adapter as it is on disk.

    Attributes:
        config: What is known of its configuration, and `raw` all of it.
        tensors: By peft's keys.
        pairs: By layer.
    """

    config: AdapterConfig
    raw: dict[str, Any]
    tensors: dict[str, Tensor]
    pairs: dict[str, Pair] = field(default_factory=dict)


def read_weights(folder: Path) -> AdapterWeights:
    """Read an adapter folder.

    Raises:
        AdapterError: Naming what is missing, damaged or not understood.
    """
    raw = _read_config(folder)
    path = folder / WEIGHTS
    if not path.is_file():
        raise AdapterError(
            f"{folder} holds no adapter: {WEIGHTS} is missing.",
            remedy="Use another checkpoint of it, or train it again.",
        )
    tensors, _ = read_tensors(path)
    return understood(tensors, raw, folder)


def understood(tensors: dict[str, Tensor], raw: dict[str, Any], source: Path) -> AdapterWeights:
    """Make sure that tensors and a configuration are those of one LoRA adapter.

    Raises:
        AdapterError: If not; `source` is named.
    """
    config = checked_config(raw, source)
    parts: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        found = _PART.fullmatch(key)
        if found is None or not key.startswith(PREFIX):
            raise _misfit(source, f"{key[:120]!r} is no tensor of a LoRA adapter")
        parts.setdefault(found["layer"].removeprefix(PREFIX), {})[found["part"].split(".")[0]] = tensor
    pairs = {layer: _pair(layer, named, config, source) for layer, named in parts.items()}
    if not pairs:
        raise _misfit(source, "it has no tensors")
    return AdapterWeights(config, raw, tensors, pairs)


def _pair(layer: str, parts: dict[str, Tensor], config: AdapterConfig, source: Path) -> Pair:
    from peft.utils.other import get_pattern_key

    wanted = {"lora_A", "lora_B"} | ({"lora_magnitude_vector"} if config.use_dora else set())
    if parts.keys() != wanted:
        raise _misfit(source, f"{layer} has {', '.join(sorted(parts))} and needs {', '.join(sorted(wanted))}")
    down, up, magnitude = parts["lora_A"], parts["lora_B"], parts.get("lora_magnitude_vector")
    rank = config.rank_pattern.get(get_pattern_key(list(config.rank_pattern), layer), config.r)
    fits = down.ndim == 2 and up.ndim == 2 and down.shape[0] == up.shape[1] == rank
    if not fits or (magnitude is not None and magnitude.shape != up.shape[:1]):
        shapes = ", ".join(str(tuple(part.shape)) for part in parts.values())
        raise _misfit(source, f"{layer} has shapes {shapes}, which make no pair of rank {rank}")
    return Pair(down, up, config.scale(layer, rank), magnitude)


def refuse_misfit(weights: AdapterWeights, layers: Mapping[str, tuple[int, int]], source: Path) -> None:
    """Make sure that an adapter fits the layers of a network (`linear_layers`), and fills all that it names.

    Raises:
        AdapterError: Saying how many fit and naming the first that does not.
    """
    wrong = [
        layer
        for layer, pair in weights.pairs.items()
        if layers.get(layer) != (pair.up.shape[0], pair.down.shape[1])
    ]
    if wrong:
        pair = weights.pairs[wrong[0]]
        shape = (pair.up.shape[0], pair.down.shape[1])
        raise AdapterError(
            f"The adapter in {source} does not fit this model: {len(weights.pairs) - len(wrong)} of its "
            f"{len(weights.pairs)} layers do; {wrong[0]} is {shape} there and {layers.get(wrong[0], 'absent')} here.",
            remedy="Use it with the model it was trained on.",
        )
    named = {layer for layer in layers if _targets(weights.config, layer)}
    if named != weights.pairs.keys():
        raise AdapterError(
            f"The adapter in {source} does not fit this model: its configuration names {len(named)} layers of it, and "
            f"it has {len(weights.tensors)} tensors for {len(weights.pairs)}.",
            remedy="Use it with the model it was trained on.",
        )


def _targets(config: AdapterConfig, layer: str) -> bool:
    return any(layer == target or layer.endswith(f".{target}") for target in config.target_modules)


def linear_layers(network: nn.Module) -> dict[str, tuple[int, int]]:
    """The linear layers of a network by name, as (outputs, inputs); those of adapters on it do not count."""
    return {
        name.removesuffix(".base_layer"): (module.out_features, module.in_features)
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) and ".lora_" not in name
    }


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a safetensors file.

    Raises:
        AdapterError: If it is too large, damaged, or holds what no adapter holds: NaN, integers, thousands of
            tensors.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        metadata = _checked_header(path)
        tensors = load_file(path)
    except (OSError, ValueError, SafetensorError, RuntimeError) as problem:
        raise AdapterError(
            f"The weights of the adapter in {path} cannot be read: {str(problem)[:300]}.",
            remedy="Use another checkpoint or copy of it, or train it again.",
        ) from problem
    for key, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise _misfit(path, f"{key[:120]!r} holds NaN or infinity")
    return tensors, metadata


def _checked_header(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file whose header holds nothing out of bounds, else a ValueError."""
    size = path.stat().st_size
    if not 8 < size <= LARGEST_FILE:
        raise ValueError(f"it has {size} bytes, where 9 to {LARGEST_FILE} are expected")
    with path.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        if not 0 < length <= min(LARGEST_HEADER, size - 8):
            raise ValueError(f"its header claims {length} bytes")
        try:
            header = json.loads(handle.read(length).decode("utf-8"))
        except RecursionError as problem:
            raise ValueError("its header is nested too deeply") from problem
    if not isinstance(header, dict) or len(header) > MOST_TENSORS:
        raise ValueError("its header is no list of tensors, or too long a one")
    metadata = header.pop("__metadata__", {})
    for key, entry in header.items():
        if not isinstance(entry, dict) or entry.get("dtype") not in DTYPES:
            raise ValueError(f"{key[:120]!r} is not of type {', '.join(DTYPES)}")
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("its metadata is no table of texts")
    return metadata


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    if not path.is_file():
        raise AdapterError(f"{folder} holds no adapter: {CONFIG} is missing.", remedy="Train it again.")
    try:
        if path.stat().st_size > LARGEST_HEADER:
            raise ValueError(f"it has {path.stat().st_size} bytes")
        raw = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(raw, dict):
            raise ValueError("it is no table")
    except (OSError, ValueError, RecursionError) as problem:
        raise _misfit(path, f"its configuration cannot be read: {problem}") from problem
    return raw


def checked_config(raw: Mapping[str, Any], source: Path) -> AdapterConfig:
    """What Angen takes from a configuration.

    Raises:
        AdapterError: If a value is out of range, or asks for something that Angen does not do.
    """
    try:
        config = AdapterConfig.model_validate(raw)
    except (ValidationError, RecursionError) as problem:
        first = (
            problem.errors()[0] if isinstance(problem, ValidationError) else {"loc": (), "msg": "too deep"}
        )
        where = ".".join(str(part) for part in first["loc"])[:120]
        raise _misfit(source, f"{where} of its configuration: {first['msg']}") from problem
    extra = config.model_extra or {}
    if extra.get("init_lora_weights", True) not in (True, False, "gaussian"):
        raise _misfit(source, "its configuration would change the base (init_lora_weights)")
    for key, value in extra.items():
        if key not in _FREE and value not in (None, False, "", 0) and value != {} and value != []:
            raise _misfit(source, f"its configuration asks for {key[:60]!r}, which Angen does not do")
    return config


def _misfit(source: Path, problem: str) -> AdapterError:
    return AdapterError(
        f"The adapter in {source} cannot be used: {problem}.",
        remedy="Use plain LoRA, rsLoRA or DoRA on linear layers, saved by Angen, peft or a kohya trainer.",
    )


def write_weights(folder: Path, tensors: Mapping[str, Tensor], raw: Mapping[str, Any]) -> None:
    """Write both files of an adapter into a folder that nobody else sees yet, as peft itself would."""
    from safetensors.torch import save_file

    whole = {key: tensor.detach().contiguous() for key, tensor in tensors.items()}
    save_file(whole, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / CONFIG).write_text(json.dumps(raw, indent=2, sort_keys=True), encoding="utf-8")


def config_for(
    pairs: Mapping[str, Pair], layers: Mapping[str, tuple[int, int]], *, dora: bool = False
) -> dict[str, Any]:
    """A configuration for pairs: scales become alphas, and layers of another rank or alpha are named."""
    from peft import LoraConfig

    ranks = {layer: int(pair.down.shape[0]) for layer, pair in pairs.items()}
    alphas = {layer: pair.scale * ranks[layer] for layer, pair in pairs.items()}
    rank, alpha = _most_common(ranks.values()), _most_common(alphas.values())
    names = {layer.rpartition(".")[2] for layer in pairs}
    matched = {layer for layer in layers if layer.rpartition(".")[2] in names}
    config = LoraConfig(
        r=int(rank),
        lora_alpha=alpha,  # type: ignore[arg-type, unused-ignore]
        target_modules=sorted(names if matched == pairs.keys() else pairs),
        rank_pattern={layer: own for layer, own in ranks.items() if own != rank},
        alpha_pattern={layer: own for layer, own in alphas.items() if own != alpha},
        use_dora=dora,
    )
    return {
        key: sorted(value) if isinstance(value, set) else getattr(value, "value", value)
        for key, value in config.to_dict().items()
    }


def _most_common(values: Any) -> Any:
    from collections import Counter

    return Counter(values).most_common(1)[0][0]

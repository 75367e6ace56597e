"""LoRA on a network through peft: attach a fresh adapter, put a saved one on, save, take out.

peft puts its layers inside the network it is given, so the network itself is what runs afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from angen.adapters.weights import linear_layers, read_weights, refuse_misfit
from angen.errors import AdapterError


@dataclass(frozen=True)
class LoraSpec:
    """The shape of an adapter.

    Args:
        rank: Inner size r of each pair of matrices, 1..512.
        alpha: The pair's product is scaled by alpha / rank (alpha / √rank with `rslora`).
        dropout: Share of inputs dropped in training.
        targets: Names of the linear layers to change.
        rslora: Rank-stabilised scaling (arXiv:2312.03732).
        dora: Weight-decomposed adapters (arXiv:2402.09353).
    """

    rank: int
    alpha: float
    dropout: float
    targets: tuple[str, ...]
    rslora: bool = False
    dora: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        if not 1 <= self.rank <= 512 or self.alpha <= 0 or not 0 <= self.dropout < 1 or not self.targets:
            raise AdapterError(
                f"LoRA with rank {self.rank}, alpha {self.alpha:g}, dropout {self.dropout:g} and "
                f"{len(self.targets)} targets cannot be made.",
                remedy="Choose a rank of 1 to 512, an alpha above 0 and a dropout from 0 to below 1.",
            )


def attach(network: nn.Module, spec: LoraSpec, *, seed: int) -> Any:
    """Put a fresh adapter into `network`; only its weights get gradients. It changes nothing yet.

    Returns:
        The `PeftModel` around the network; `detach` takes it out again.
    """
    from peft import LoraConfig, get_peft_model

    refuse_occupied(network)
    config = LoraConfig(
        r=spec.rank,
        lora_alpha=spec.alpha,  # type: ignore[arg-type, unused-ignore]
        lora_dropout=spec.dropout,
        target_modules=list(spec.targets),
        use_rslora=spec.rslora,
        use_dora=spec.dora,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return get_peft_model(network, config)


def detach(wrapped: Any) -> nn.Module:
    """Take every adapter out; the base network as it was."""
    network: nn.Module = wrapped.unload()
    if hasattr(network, "peft_config"):
        del network.peft_config
    return network


def refuse_occupied(network: nn.Module) -> None:
    """Make sure that no adapter is on a network.

    Raises:
        AdapterError: If there is one.
    """
    if hasattr(network, "peft_config"):
        raise AdapterError(
            "There are adapters on this network already.",
            remedy="Take them off first, or add to the stack that holds them.",
        )


def trainable(network: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that get gradients, by name."""
    return {name: weight for name, weight in network.named_parameters() if weight.requires_grad}


def save_adapter(wrapped: Any, folder: Path) -> None:
    """Write `adapter_config.json` and `adapter_model.safetensors` into an existing folder."""
    wrapped.save_pretrained(str(folder), safe_serialization=True)
    readme = folder / "README.md"  # peft's empty model card; ours is metadata.json
    readme.unlink(missing_ok=True)


def load_weights(wrapped: Any, folder: Path) -> None:
    """Fill an attached adapter from a folder, every tensor matched.

    Raises:
        AdapterError: If the file is missing or damaged, or its tensors are not those of this adapter.
    """
    stored = read_weights(folder).tensors
    fill(
        wrapped,
        stored,
        folder,
        "default",
        "Resume with the same rank and targets, or start under a new name.",
    )


def put_on(network: nn.Module, wrapped: Any, folder: Path, name: str) -> Any:
    """Put a saved adapter on `network`, beside those of `wrapped` if it is given; it acts fully and has no gradients.

    Returns:
        The `PeftModel` around the network.

    Raises:
        AdapterError: If it does not fit. The network and the adapters on it are as before then.
    """
    from peft import PeftConfig, PeftModel

    remedy = "Use it with the model it was trained on."
    stored = read_weights(
        folder
    )  # before peft sees the folder: it would look for a missing one on the internet
    refuse_misfit(stored, linear_layers(network), folder)
    before = wrapped
    try:
        config: Any = PeftConfig.from_pretrained(str(folder))
        config.init_lora_weights = True
        if wrapped is None:
            refuse_occupied(network)
            wrapped = PeftModel(network, config, name)
        else:
            wrapped.add_adapter(name, config)
        fill(wrapped, stored.tensors, folder, name, remedy)
    except (RuntimeError, ValueError, KeyError, TypeError, AdapterError) as problem:
        if before is not None:
            take_off(before, name)
        elif wrapped is not None:
            detach(wrapped)
        if isinstance(problem, AdapterError):
            raise
        raise AdapterError(
            f"The adapter in {folder} does not fit this model: {str(problem)[:200]}", remedy=remedy
        ) from problem
    wrapped.requires_grad_(False)
    return wrapped


def take_off(wrapped: Any, name: str) -> None:
    """Remove one of several adapters; layers that only it had stay wrapped, and pass the base through."""
    from peft.tuners.lora import LoraLayer

    wrapped.peft_config.pop(name, None)
    for layer in wrapped.modules():
        if isinstance(layer, LoraLayer):
            layer.set_adapter([own for own in layer.active_adapters if own != name])
            layer.delete_adapter(name)
    wrapped.requires_grad_(False)


def fill(wrapped: Any, stored: dict[str, torch.Tensor], folder: Path, name: str, remedy: str) -> None:
    """Fill the named adapter with tensors, every one matched; nothing changes if one does not fit."""
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    own = get_peft_model_state_dict(wrapped, adapter_name=name)
    if stored.keys() != own.keys() or any(stored[key].shape != own[key].shape for key in own):
        raise AdapterError(
            f"The adapter in {folder} has {len(stored)} tensors, of which "
            f"{sum(key in own and stored[key].shape == own[key].shape for key in stored)} fit; "
            f"{len(own)} are expected.",
            remedy=remedy,
        )
    set_peft_model_state_dict(wrapped, stored, adapter_name=name)

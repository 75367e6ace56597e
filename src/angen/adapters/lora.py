"""LoRA on a base network through peft: attach, apply with strengths, save, merge.

peft puts its layers inside the network it is given, so the network itself is what runs afterwards. Whatever is
applied here is taken out again, and the base is then what it was, bit for bit.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

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


@dataclass(frozen=True)
class AppliedAdapter:
    """An adapter folder and how strongly it acts: 1 as trained, 0 not at all."""

    folder: Path
    strength: float = 1.0


def attach(network: nn.Module, spec: LoraSpec, *, seed: int) -> Any:
    """Put a fresh adapter into `network`; only its weights get gradients. It changes nothing yet.

    Returns:
        The `PeftModel` around the network; `detach` takes it out again.
    """
    from peft import LoraConfig, get_peft_model

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
    _fill(
        wrapped, folder, "default", remedy="Resume with the same rank and targets, or start under a new name."
    )


@contextmanager
def applied(network: nn.Module, adapters: Sequence[AppliedAdapter]) -> Iterator[None]:
    """Let adapters act on `network` while the block runs, their changes added up.

    An adapter of strength 0 is not loaded at all, so the network is the base exactly.

    Raises:
        AdapterError: If a folder is not an adapter of this network.
    """
    acting = [adapter for adapter in adapters if adapter.strength != 0.0]
    if not acting:
        yield
        return
    training = network.training
    wrapped: Any = None
    try:
        for number, adapter in enumerate(acting):
            wrapped = _put_on(network, wrapped, adapter, f"adapter_{number}")
        wrapped.base_model.set_adapter([f"adapter_{number}" for number in range(len(acting))])
        network.eval()
        yield
    finally:
        if wrapped is not None:
            detach(wrapped)
        network.train(training)
        network.requires_grad_(False)


def merge(network: nn.Module, adapters: Sequence[AppliedAdapter]) -> nn.Module:
    """Add adapters into the weights of `network` for good and return it.

    The result is within rounding of `applied`; it can no longer be taken apart, so merge into a copy.

    Raises:
        AdapterError: If a folder is not an adapter of this network.
    """
    for adapter in adapters:
        if adapter.strength == 0.0:
            continue
        network = _put_on(network, None, adapter, "merged").merge_and_unload()
        if hasattr(network, "peft_config"):
            del network.peft_config
    return network.requires_grad_(False)


def copy_adapter(source: Path, target: Path) -> None:
    """Copy an adapter folder's two files into an existing folder."""
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copyfile(source / name, target / name)


def _put_on(network: nn.Module, wrapped: Any, adapter: AppliedAdapter, name: str) -> Any:
    """Put a saved adapter on `network`, beside those of `wrapped` if it is given, at its strength.

    Returns:
        The `PeftModel` around the network. If the adapter does not fit, a bare network is left bare.
    """
    from peft import PeftConfig, PeftModel
    from peft.tuners.lora import LoraLayer

    folder, remedy = adapter.folder, "Use it with the model it was trained on."
    _read(folder)  # before peft sees the folder: it would look for a missing one on the internet
    before = wrapped
    try:
        config: Any = PeftConfig.from_pretrained(str(folder))
        if config.peft_type != "LORA" or config.bias != "none" or config.modules_to_save:
            raise ValueError("Angen applies LoRA without trained biases or whole layers.")
        if wrapped is None:
            wrapped = PeftModel(network, config, name)
        else:
            wrapped.add_adapter(name, config)
        _fill(wrapped, folder, name, remedy=remedy)
    except (RuntimeError, ValueError, KeyError, TypeError, AdapterError) as problem:
        if before is None and wrapped is not None:
            detach(wrapped)
        if isinstance(problem, AdapterError):
            raise
        raise AdapterError(
            f"The adapter in {folder} does not fit this model: {str(problem)[:200]}", remedy=remedy
        ) from problem
    for layer in wrapped.modules():
        if isinstance(layer, LoraLayer) and name in layer.scaling:
            layer.scaling[name] *= adapter.strength
    return wrapped


def _fill(wrapped: Any, folder: Path, name: str, *, remedy: str) -> None:
    """Fill the named adapter from a folder, every tensor matched; nothing changes if one does not fit."""
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    stored = _read(folder)
    own = get_peft_model_state_dict(wrapped, adapter_name=name)
    if stored.keys() != own.keys() or any(stored[key].shape != own[key].shape for key in own):
        raise AdapterError(
            f"The adapter in {folder} has {len(stored)} tensors, of which "
            f"{sum(key in own and stored[key].shape == own[key].shape for key in stored)} fit; "
            f"{len(own)} are expected.",
            remedy=remedy,
        )
    set_peft_model_state_dict(wrapped, stored, adapter_name=name)


def _read(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of an adapter folder; never a pickle."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not (folder / "adapter_config.json").is_file():
        raise AdapterError(
            f"{folder} holds no adapter: adapter_config.json is missing.", remedy="Train it again."
        )
    try:
        return load_file(folder / "adapter_model.safetensors")
    except (OSError, SafetensorError) as problem:
        raise AdapterError(
            f"The weights of the adapter in {folder} cannot be read: {problem}.",
            remedy="Use another checkpoint of it, or train it again.",
        ) from problem

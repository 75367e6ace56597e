"""Adapters on a loaded network: put on, made stronger or weaker, taken off, without loading the base again.

The base's weights are never copied and never changed. Taking the last adapter off leaves the network as it was,
bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from torch import nn

from angen.adapters.attach import detach, put_on, take_off
from angen.adapters.use import held_folder
from angen.errors import AdapterError


@dataclass(frozen=True)
class AppliedAdapter:
    """An adapter folder and how strongly it acts: 1 as trained, 0 not at all."""

    folder: Path
    strength: float = 1.0


class AdapterStack:
    """Adapters that act on one network, their changes added up.

    While it holds any, the network is in evaluation mode and the adapters count as in use. Close it, or use it as
    a context, to have the base back. Generation on the network needs to know nothing of it.

    Args:
        network: The base's network; no other adapters may be on it.

    Example:
        >>> from torch import nn
        >>> AdapterStack(nn.Linear(2, 2)).strengths
        {}
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self._wrapped: Any = None
        self._was_training = False
        self._strengths: dict[str, float] = {}
        self._scales: dict[str, dict[str, float]] = {}  # as trained, by adapter and layer
        self._uses: dict[str, ExitStack] = {}
        self._count = 0

    @property
    def strengths(self) -> dict[str, float]:
        """How strongly each adapter acts, by the key it was given."""
        return dict(self._strengths)

    def add(self, folder: Path, strength: float = 1.0) -> str:
        """Read an adapter and put it on.

        Returns:
            Its key, for the other methods.

        Raises:
            AdapterError: If the folder is not an adapter of this network. Nothing has changed then.
        """
        key = f"adapter_{self._count}"
        with ExitStack() as use:
            use.enter_context(held_folder(folder, "generation"))
            was_training = self.network.training if self._wrapped is None else self._was_training
            self._wrapped = put_on(self.network, self._wrapped, folder, key)
            self._was_training = was_training
            self._uses[key] = use.pop_all()
        self._count += 1
        self._scales[key] = {
            name: layer.scaling[key] for name, layer in self._layers() if key in layer.scaling
        }
        self.network.eval()
        self.set_strength(key, strength)
        return key

    def set_strength(self, key: str, strength: float) -> None:
        """Change how strongly an adapter acts; nothing is read. At 0 it is passed by, exactly.

        Raises:
            AdapterError: If there is none of this key.
        """
        if key not in self._scales:
            raise self._unknown(key)
        self._strengths[key] = float(strength)
        acting = [name for name, value in self._strengths.items() if value != 0.0]
        for name, layer in self._layers():
            if name in self._scales[key]:
                layer.scaling[key] = self._scales[key][name] * strength
            layer.set_adapter(acting)
        self._wrapped.base_model.active_adapter = acting
        self._wrapped.requires_grad_(False)  # peft gives gradients to what acts

    def remove(self, key: str) -> None:
        """Take one adapter off; with the last one, the network is the base as it was.

        Raises:
            AdapterError: If there is none of this key.
        """
        if key not in self._scales:
            raise self._unknown(key)
        del self._strengths[key], self._scales[key]
        if self._strengths:
            take_off(self._wrapped, key)
        else:
            detach(self._wrapped)
            self._wrapped = None
            self.network.train(self._was_training)
            self.network.requires_grad_(False)
        self._uses.pop(key).close()

    def clear(self) -> None:
        """Take every adapter off."""
        for key in reversed(list(self._strengths)):
            self.remove(key)

    def __enter__(self) -> AdapterStack:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def _layers(self) -> list[tuple[str, Any]]:
        from peft.tuners.lora import LoraLayer

        return [(name, layer) for name, layer in self.network.named_modules() if isinstance(layer, LoraLayer)]

    def _unknown(self, key: str) -> AdapterError:
        there = ", ".join(self._strengths) or "none"
        return AdapterError(f"There is no adapter {key!r} on this network.", remedy=f"There: {there}.")


@contextmanager
def applied(network: nn.Module, adapters: Sequence[AppliedAdapter]) -> Iterator[None]:
    """Let adapters act on `network` while the block runs, their changes added up.

    An adapter of strength 0 is not loaded at all, so the network is the base exactly.

    Raises:
        AdapterError: If a folder is not an adapter of this network.
    """
    with AdapterStack(network) as stack:
        for adapter in adapters:
            if adapter.strength != 0.0:
                stack.add(adapter.folder, adapter.strength)
        yield

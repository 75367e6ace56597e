"""Who is using an adapter: locks that last as long as their process, so that nothing in use is taken away.

    models/loras/.in-use/<name>.use     shared by all who read it or train it; alone to those who move it
                         <name>.train   alone to the one run that trains it

A lock ends with its process: see `angen.files.locks`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

from angen.adapters.catalogue import METADATA, AdapterInfo, adapter_folder
from angen.errors import AdapterError
from angen.files.locks import Holder, holders_of, is_locked, locked, process_started, who_holds

__all__ = [
    "IN_USE", "Holder", "held", "held_folder", "held_for_training", "holders", "is_used", "lock_kind",
    "process_started", "state_now",
]  # fmt: skip

IN_USE = ".in-use"
Lock = Literal["use", "train"]


@contextmanager
def held(root: Path, name: str, purpose: str, *, alone: bool = False, lock: Lock = "use") -> Iterator[None]:
    """Hold an adapter while the block runs.

    Args:
        root: The folder of all adapters.
        name: Of the adapter, which need not exist yet.
        purpose: What for, in words; shown to those who are refused.
        alone: Whether nobody else may hold it meanwhile.
        lock: Which of its two locks.

    Raises:
        AdapterError: At once, if others hold it and `alone` is asked for, or one of them holds it alone.
    """
    path = root / IN_USE / f"{adapter_folder(root, name).name}.{lock}"
    with locked(path, purpose, lambda by: _refusal(name, by), alone=alone):
        yield


def holders(root: Path, name: str, lock: Lock = "use") -> list[Holder]:
    """The living processes that have said they use an adapter."""
    return holders_of(root / IN_USE / f"{name}.{lock}")


def is_used(root: Path, name: str, lock: Lock = "use") -> bool:
    """Whether anybody holds an adapter now, or trains it."""
    return is_locked(root / IN_USE / f"{name}.{lock}")


def state_now(root: Path, info: AdapterInfo) -> str:
    """`finished`, `training`, or `interrupted`: it has not ended, and no living process trains it."""
    is_left = info.state == "training" and not is_used(root, info.name, "train")
    return "interrupted" if is_left else info.state


@contextmanager
def held_for_training(root: Path, name: str, *, anew: bool) -> Iterator[None]:
    """Hold an adapter for a run: no second run, no deletion; generation with its `best/` may go on.

    Args:
        root: The folder of all adapters.
        name: Of the adapter.
        anew: Whether a former run of this name is to be cleared away; then nobody may use it at the start.

    Raises:
        AdapterError: If it is in use so.
    """
    with held(root, name, "training", alone=True, lock="train"), ExitStack() as use:
        if anew:
            with held(root, name, "training", alone=True):
                pass
        use.enter_context(held(root, name, "training"))
        yield


@contextmanager
def held_folder(folder: Path, purpose: str) -> Iterator[None]:
    """Hold the adapter that a `best/`, `final/` or checkpoint folder belongs to; nothing for a loose folder."""
    owner = next((parent for parent in folder.absolute().parents[:2] if (parent / METADATA).is_file()), None)
    with ExitStack() as use:
        if owner is not None and os.access(owner.parent, os.W_OK):
            use.enter_context(held(owner.parent, owner.name, purpose))
        yield


def lock_kind(suffix: str) -> Lock:
    """Which lock a file of `.in-use/` is, by its suffix."""
    return "train" if suffix == "train" else "use"


def _refusal(name: str, by: list[Holder]) -> AdapterError:
    return AdapterError(
        f"Adapter {name!r} is in use ({who_holds(by)}).", remedy="Wait until that has ended, or stop it."
    )

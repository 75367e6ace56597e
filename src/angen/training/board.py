"""TensorBoard's curves of a run; in all but the first of several processes, nothing is written."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any


def open_board(folder: Path, steps: int, *, is_writer: bool) -> AbstractContextManager[Any]:
    """A writer into `tensorboard/` of a run's folder, with `add_scalar(name, value, step)` and `flush()`.

    Args:
        folder: Of the adapter.
        steps: Where the run goes on; what a killed run told of later steps is taken out.
        is_writer: False for one that takes scalars and writes nothing.
    """
    if not is_writer:
        return nullcontext(_NoBoard())
    from torch.utils.tensorboard import SummaryWriter

    purge = steps + 1 if steps else 0
    return SummaryWriter(str(folder / "tensorboard"), purge_step=purge)


class _NoBoard:
    """Takes scalars and forgets them."""

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Forget it."""

    def flush(self) -> None:
        """Nothing to write."""

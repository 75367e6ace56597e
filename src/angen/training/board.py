"""TensorBoard's curves of a run; in all but the first of several processes, nothing is written."""

from __future__ import annotations

import time
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

    board = folder / "tensorboard"
    _wait_for_a_second_of_its_own(board)
    purge = steps + 1 if steps else 0
    return SummaryWriter(str(board), purge_step=purge)


def _wait_for_a_second_of_its_own(board: Path) -> None:
    """Files are read in the order of their names, which hold the second they were begun in.

    Within one second, the tenth writer of a process sorts before its ninth, and curves would be read out of order.
    """
    seconds = [int(file.name.split(".")[3]) for file in board.glob("events.out.tfevents.*")]
    if seconds:
        time.sleep(min(max(max(seconds) + 1 - time.time(), 0.0), 1.0))


class _NoBoard:
    """Takes scalars and forgets them."""

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Forget it."""

    def flush(self) -> None:
        """Nothing to write."""

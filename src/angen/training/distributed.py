"""Several processes that train one adapter: each takes its part of every step's crops, and gradients are summed.

`accelerate launch` or `torchrun` starts them. All hold the same weights at every step, so the first one alone
validates, writes and answers; the others hear from it. A step's crops are `batch_size × accumulation` however many
share them, so a run may be resumed by another number of processes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch import distributed as group

from angen.errors import TrainingError

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """Who trains together.

    Args:
        rank: Which one this is, from 0.
        count: How many there are.
    """

    rank: int = 0
    count: int = 1

    @classmethod
    def joined(cls) -> Processes:
        """The processes of this launch; one alone if none was launched."""
        if not (group.is_available() and group.is_initialized()):
            return cls()
        return cls(group.get_rank(), group.get_world_size())

    @property
    def is_first(self) -> bool:
        """Whether this one writes."""
        return self.rank == 0

    def share(self, crops: int) -> range:
        """This process's part of a step's crops.

        Raises:
            TrainingError: If they cannot be parted evenly.
        """
        if crops % self.count:
            raise TrainingError(
                f"A step of {crops} crops cannot be parted among {self.count} processes.",
                remedy="Make batch size × accumulation a multiple of the number of processes.",
            )
        part = crops // self.count
        return range(self.rank * part, (self.rank + 1) * part)

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all processes."""
        if self.count == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        group.all_reduce(flat)
        for tensor, part in zip(tensors, torch.split(flat, [t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def any(self, mine: bool) -> bool:
        """Whether it is true for any process."""
        if self.count == 1:
            return mine
        said = torch.tensor([float(mine)])
        self.add_up([said])
        return bool(said)

    def of_first(self, make: Callable[[], T]) -> T:
        """Let the first process make a value, and tell it to all."""
        if self.count == 1:
            return make()
        told: list[T | None] = [make() if self.is_first else None]
        group.broadcast_object_list(told, src=0)
        return told[0]  # type: ignore[return-value]

    def first_then_others(self, make: Callable[[], T]) -> T:
        """Let each process make a value: the first one alone, then the others, which find what it left on disk."""
        if self.is_first:
            made = make()
            self.wait()
        else:
            self.wait()
            made = make()
        self.wait()
        return made

    def wait(self) -> None:
        """Go on when all have come here."""
        if self.count > 1:
            group.barrier()


ALONE = Processes()

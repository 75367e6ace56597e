"""Who is using a dataset: nobody deletes, renames or replaces one that a run reads.

training_data/.in-use/<name>.use       shared by those who read it; alone to those who move it
                      <name>.prepare   alone to the one who prepares it
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

from angen.errors import DatasetError
from angen.files.locks import Holder, locked, who_holds

__all__ = ["IN_USE", "held_dataset"]

IN_USE = ".in-use"


@contextmanager
def held_dataset(
    root: Path, name: str, purpose: str, *, alone: bool = False, lock: Literal["use", "prepare"] = "use"
) -> Iterator[None]:
    """Hold a dataset while the block runs. In a workspace that cannot be written to there is nothing to hold.

    Args:
        root: The folder of all datasets.
        name: The name of its folder, which need not be there yet.
        purpose: What for, in words; shown to those who are refused.
        alone: Whether nobody else may hold it meanwhile.
        lock: Which of its two locks.

    Raises:
        DatasetError: At once, if others hold it and `alone` is asked for, or one of them holds it alone.
    """

    def refusal(by: list[Holder]) -> DatasetError:
        return DatasetError(
            f"The dataset {name!r} is in use ({who_holds(by)}).",
            remedy="Wait until that has ended, or stop it.",
        )

    with ExitStack() as use:
        if not root.exists() or os.access(root, os.W_OK):
            use.enter_context(locked(root / IN_USE / f"{name}.{lock}", purpose, refusal, alone=alone))
        yield

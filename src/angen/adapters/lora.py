"""LoRA adapters on a base network, all that other rooms use of them.

`attach` puts a fresh adapter on and saves it, `stack` lets saved ones act, `merge` makes one thing of several,
`weights` reads and checks their files.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from angen.adapters.attach import LoraSpec, attach, detach, load_weights, save_adapter, trainable
from angen.adapters.merge import Combined, combine, merge, merged_weights
from angen.adapters.stack import AdapterStack, AppliedAdapter, applied
from angen.adapters.weights import CONFIG, WEIGHTS

__all__ = [
    "AdapterStack", "AppliedAdapter", "Combined", "LoraSpec", "applied", "attach", "combine", "copy_adapter", "detach",
    "load_weights", "merge", "merged_weights", "save_adapter", "trainable",
]  # fmt: skip


def copy_adapter(source: Path, target: Path) -> None:
    """Copy an adapter folder's two files into an existing folder."""
    for name in (CONFIG, WEIGHTS):
        shutil.copyfile(source / name, target / name)

"""LoRA adapters: putting them on a network, and the catalogue of those a user has.

The catalogue needs no torch; `angen.adapters.lora` and the rooms under it do and are imported where they are used.
"""

from angen.adapters.catalogue import (
    AdapterInfo,
    Parent,
    adapter_folder,
    list_adapters,
    read_info,
    write_info,
)
from angen.adapters.manage import clean_up, delete_adapter, duplicate_adapter, rename_adapter
from angen.adapters.use import held, held_for_training, holders, is_used, state_now

__all__ = [
    "AdapterInfo", "Parent", "adapter_folder", "clean_up", "delete_adapter", "duplicate_adapter", "held",
    "held_for_training", "holders", "is_used", "list_adapters", "read_info", "rename_adapter", "state_now",
    "write_info",
]  # fmt: skip

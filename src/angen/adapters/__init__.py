"""LoRA adapters: putting them on a network, and the catalogue of those a user has trained.

The catalogue needs no torch; `angen.adapters.lora` does and is imported where it is used.
"""

from angen.adapters.catalogue import (
    AdapterInfo,
    adapter_folder,
    delete_adapter,
    list_adapters,
    read_info,
    write_info,
)

__all__ = ["AdapterInfo", "adapter_folder", "delete_adapter", "list_adapters", "read_info", "write_info"]

"""The tabs of the page, a module each with `build(page)`; see `angen.ui.context`."""

from __future__ import annotations

__all__ = ["TABS"]

TABS: dict[str, dict[str, str]] = {
    "LoRA training": {
        "dataset_training": "Dataset training",
        "user_audio": "User audio training",
        "training": "Training configuration",
        "manage": "Manage LoRA adapters",
    },
    "Studio": {
        "generate": "Generate",
        "lyrics": "Lyrics",
        "timeline": "Timeline",
        "stems": "Stems & enhance",
        "mastering": "Mastering",
        "export": "Export",
    },
}
"""Top tabs, and in each the modules of this package with what is written on them."""

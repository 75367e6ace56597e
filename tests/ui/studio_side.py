"""An adapter of the packaged model that acts, made without training; for the tests of the studio's tabs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from angen.adapters import AdapterInfo, write_info
from angen.settings import Settings


def write_adapter(settings: Settings, name: str, *, weights: bool = False, **fields: Any) -> Path:
    """An adapter's folder; with `weights` it can be played."""
    folder = settings.loras / name
    folder.mkdir(parents=True)
    base_hash = _write_weights(folder) if weights else "0" * 64
    known: dict[str, Any] = {
        "name": name, "state": "finished", "created": "2026-01-01T00:00:00+00:00", "base": "angen-tiny",
        "base_hash": base_hash, "dataset": "mine", "dataset_hash": "0" * 64, "style": "", "config": {}, "versions": {},
        "steps": 1, "best_step": 1, "noise_scale": 1.1, "tempo_bpm": 112.0, "seconds": 1.0,
    }  # fmt: skip
    write_info(folder, AdapterInfo(**{**known, **fields}))
    return folder


def _write_weights(folder: Path) -> str:
    """Small random weights for `best/`; the hash of the base they belong to."""
    import torch

    from angen.adapters.lora import LoraSpec, attach, save_adapter, trainable
    from angen.model import AngenTiny

    model = AngenTiny()
    wrapped = attach(model.network, LoraSpec(2, 4.0, 0.0, model.facts.lora_targets), seed=0)
    source = torch.Generator().manual_seed(1)
    for weight in trainable(wrapped).values():
        weight.data = 0.05 * torch.randn(weight.shape, generator=source)
    (folder / "best").mkdir()
    save_adapter(wrapped, folder / "best")
    return model.facts.base_hash

"""A small base model with the codec and the words of angen-tiny, datasets and adapters made without waiting."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from angen.adapters import AdapterInfo, write_info
from angen.adapters.lora import LoraSpec, attach, detach, save_adapter, trainable
from angen.audio import Audio
from angen.dataset import (
    ClipRecord,
    Dataset,
    DatasetInfo,
    load_dataset,
    new_dataset,
    write_clip,
    write_dataset,
)
from angen.dataset.records import content_sha256
from angen.dataset.store import count_splits
from angen.model import AngenTiny
from angen.model.network import FlowNetwork
from angen.model.tiny import WEIGHTS, packaged_weights
from angen.settings import Settings

RATE_HZ = 24_000


class CountingTiny(AngenTiny):
    """A model that remembers what it was asked to encode."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.encoded: list[Audio] = []

    def encode(self, audio: Audio) -> torch.Tensor:
        self.encoded.append(audio)
        return super().encode(audio)


@pytest.fixture(scope="session")
def _small_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small model")
    for name in WEIGHTS:
        (folder / name).symlink_to(packaged_weights() / name)
    config = json.loads((folder / "model.json").read_text())
    config |= {"dim": 32, "depth": 2, "heads": 2, "ff_mult": 2, "block_size": 12, "crop_blocks": 2}
    config["beat_dim"] = 17
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = FlowNetwork(config)
        for weight in network.parameters():
            if weight.dim() > 1:
                weight.data = torch.randn(weight.shape) / weight.shape[1] ** 0.5
    for name in ("model.json", "model.safetensors"):
        (folder / name).unlink()
    (folder / "model.json").write_text(json.dumps(config))
    save_file(network.state_dict(), folder / "model.safetensors")
    return folder


@pytest.fixture
def small(_small_weights: Path, monkeypatch: pytest.MonkeyPatch) -> CountingTiny:
    """angen-tiny with a random network that takes milliseconds a step, and saved without peft's model card."""
    monkeypatch.setattr("peft.PeftModel.create_or_update_model_card", lambda *_: None)
    return CountingTiny(_small_weights)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "workspace")


@pytest.fixture
def make_dataset(settings: Settings) -> Callable[..., Dataset]:
    """`make_dataset(name="mine", songs=3, seconds=4.0, prefix="", splits=None, **fields of every clip)`."""

    def make(
        name: str = "mine",
        *,
        songs: int = 3,
        seconds: float = 4.0,
        prefix: str = "",
        splits: tuple[str, ...] | None = None,
        **fields: Any,
    ) -> Dataset:
        splits = splits or ("train",) * (songs - 1) + ("validation",)
        time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
        clips = []
        with new_dataset(settings.training_data, name) as folder:
            for number, split in enumerate(splits):
                noise = np.random.default_rng(number).standard_normal(len(time_s))
                sound = 0.3 * np.sin(2 * np.pi * 440 * time_s) + 0.02 * (number + 1) * noise
                audio = Audio(sound[None].astype(np.float32), RATE_HZ)
                file_name, sha256 = write_clip(folder, f"song{number}-001", audio)
                known = {"tempo_bpm": 120.0, "beats_s": [0.5 * beat for beat in range(8)], **fields}
                clips.append(
                    ClipRecord(
                        file_name=file_name,
                        clip_id=f"song{number}-001",
                        song=f"song{number}",
                        split=split,
                        start_s=0.0,
                        end_s=seconds,
                        duration_s=seconds,
                        sha256=sha256,
                        **known,
                    )
                )
            info = DatasetInfo(
                name=name,
                created=datetime.now(UTC),
                prompt_prefix=prefix,
                songs=songs,
                clips=len(clips),
                seconds=seconds * len(clips),
                splits=count_splits(clips),
                sha256=content_sha256(clips, prefix),
            )
            write_dataset(folder, info, clips)
        return load_dataset(settings.training_data / name)

    return make


@pytest.fixture
def make_adapter(settings: Settings) -> Callable[..., Path]:
    """`make_adapter(model, name, **fields of its metadata)`: one that acts, in the workspace."""

    def make(model: AngenTiny, name: str = "mine", **fields: Any) -> Path:
        folder = settings.loras / name
        (folder / "best").mkdir(parents=True)
        wrapped = attach(model.network, LoraSpec(2, 4.0, 0.0, model.facts.lora_targets), seed=0)
        source = torch.Generator().manual_seed(len(name))
        for weight in trainable(wrapped).values():
            weight.data = 0.2 * torch.randn(weight.shape, generator=source)
        save_adapter(wrapped, folder / "best")
        detach(wrapped)
        model.network.requires_grad_(False)
        known: dict[str, Any] = {
            "name": name,
            "state": "finished",
            "created": "2026-01-01T00:00:00+00:00",
            "base": model.facts.id,
            "base_hash": model.facts.base_hash,
            "dataset": "mine",
            "dataset_hash": "0" * 64,
            "style": "",
            "config": {},
            "versions": {},
            "steps": 1,
            "best_step": 1,
            "validation_loss_base": 1.0,
            "validation_loss_best": 0.5,
            "validation_loss_final": 0.5,
            "noise_scale": 1.1,
            "tempo_bpm": 97.0,
            "seconds": 1.0,
        }
        write_info(folder, AdapterInfo(**{**known, **fields}))
        return folder

    return make

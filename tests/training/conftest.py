"""A base model small enough to train for twenty steps in a second, and clips it can learn."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from angen.audio import Audio
from angen.model import AngenTiny, Conditions, ModelFacts
from angen.model.beats import beat_features
from angen.model.form import form_features
from angen.model.music_model import LORA_TARGETS
from angen.model.network import FlowNetwork
from angen.training import ClipVersion, TrainConfig, TrainingClip, TrainResult, train

CHANNELS, BLOCK, RATE_HZ = 8, 4, 12.5


class ToyModel:
    """A real network and the real loss over random weights; it has no codec."""

    def __init__(self) -> None:
        self.facts = ModelFacts(
            id="toy",
            base_hash="0" * 64,
            codec_hash="1" * 64,
            rate_hz=24_000,
            latent_rate_hz=RATE_HZ,
            latent_channels=CHANNELS,
            block_frames=BLOCK,
            crop_blocks=2,
            learning_rate=1e-2,
            lora_targets=LORA_TARGETS,
            licence="Apache-2.0",
            history_blocks=1,
            noise_scale=1.0,
        )
        config = {"dim": 32, "depth": 2, "heads": 2, "ff_mult": 2, "mel_dim": CHANNELS, "text_num_embeds": 50}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.network = FlowNetwork({**config, "beat_dim": 17, "block_size": BLOCK})
            for weight in self.network.parameters():
                if weight.dim() > 1:  # fresh ones are 0 in places, and nothing could be learnt behind those
                    weight.data = torch.randn(weight.shape) / weight.shape[1] ** 0.5
        self.network.eval().requires_grad_(False)

    loss = AngenTiny.loss

    def conditions(self, prompt: str, *, tempo_bpm: float | None = None) -> Conditions:
        """Ids and a style vector made of the prompt's letters."""
        ids = [1, *(2 + ord(letter) % 40 for letter in prompt[:6])]
        style = torch.randn(512, generator=torch.Generator().manual_seed(sum(map(ord, prompt))))
        return Conditions(prompt, tempo_bpm, torch.tensor(ids), 0.1 * style)

    def beats(
        self,
        beats_s: ArrayLike,
        downbeats_s: ArrayLike,
        frames: int,
        *,
        start_s: float = 0.0,
        sections: Sequence[tuple[str, float]] = (),
        ends_s: float | None = None,
        key: str | None = None,
    ) -> Tensor:
        """Beats and form, as for angen-tiny."""
        beat = beat_features(beats_s, downbeats_s, frames, RATE_HZ, start_s=start_s)
        form = form_features(sections, frames, RATE_HZ, ends_s=ends_s, start_s=start_s)
        return torch.from_numpy(np.concatenate([beat, form], axis=1))

    def encode(self, audio: Audio) -> Tensor:
        raise NotImplementedError

    def decode(self, latents: Tensor) -> Audio:
        raise NotImplementedError

    def sample(self, *_: Any, **__: Any) -> list[Tensor]:
        raise NotImplementedError

    def version(self, frames: int, seed: int, *prompts: str) -> ClipVersion:
        """A clip: one pattern that all share, and a little noise of its own."""
        noise = torch.randn(frames, CHANNELS, generator=torch.Generator().manual_seed(seed))
        grid = np.arange(0, frames / RATE_HZ + 1, 0.4)
        conditions = tuple(self.conditions(prompt) for prompt in prompts)
        return ClipVersion(
            torch.linspace(-1, 1, CHANNELS) + 0.2 * noise, self.beats(grid, grid[::4], frames), conditions
        )

    def clip(self, name: str, frames: int, shifts: tuple[int, ...] = ()) -> TrainingClip:
        """A clip and its copies at other speeds."""
        copies = tuple(
            self.version(max(1, round(frames / 2 ** (shift / 12))), frames + shift, f"{name} {shift}")
            for shift in shifts
        )
        return TrainingClip(name, name, self.version(frames, frames, f"{name}, fast", name), copies)


@pytest.fixture(autouse=True)
def _without_model_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """peft's, which is removed at once, takes most of the time that saving takes."""
    monkeypatch.setattr("peft.PeftModel.create_or_update_model_card", lambda *_: None)


@pytest.fixture
def model() -> ToyModel:
    return ToyModel()


BASIC: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 2,
    "accumulation": 2,
    "rank": 4,
    "alpha": 8.0,
    "dropout": 0.1,
    "warmup_steps": 2,
    "weight_decay": 0.01,
    "speed_shifts": (-2, 3),
    "log_every": 2,
    "checkpoint_every": 100,
}


@pytest.fixture
def run(model: ToyModel) -> Callable[..., TrainResult]:
    """Train on clips of 20, 8, 5, 13 and 16 frames (8 crops, 2 steps of 4 an epoch), 2 clips held out.

    `run(folder, resume=..., on_progress=..., should_stop=..., clips=..., held_out=..., replay=..., **config)`
    """

    processes = count()

    def start(folder: Path, **how: Any) -> TrainResult:
        torch.manual_seed(next(processes))  # no run finds the randomness of another process
        names = ("resume", "on_progress", "should_stop", "replay", "on_event", "on_validated")
        loop = {key: how.pop(key) for key in names if key in how}
        clips, held_out = how.pop("clips", None), how.pop("held_out", None)
        config = TrainConfig(**{**BASIC, **how})
        if clips is None:
            clips = [
                model.clip(f"clip{frames}", frames, config.speed_shifts) for frames in (20, 8, 5, 13, 16)
            ]
        if held_out is None:
            held_out = [model.clip(f"held{frames}", frames) for frames in (16, 11)]
        return train(model, clips, held_out, config, folder, **loop)

    return start


@pytest.fixture(scope="session")
def killing() -> Any:
    """The module `killing.py` beside this file."""
    spec = importlib.util.spec_from_file_location("killing", Path(__file__).with_name("killing.py"))
    assert spec is not None
    assert spec.loader is not None
    sys.modules["killing"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

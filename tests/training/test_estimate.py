from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from angen.adapters.lora import LoraSpec, attach, detach, trainable
from angen.errors import TrainingError
from angen.model import AngenTiny
from angen.training import PRESETS, ClipVersion, TrainConfig, TrainingClip, estimate, preset
from angen.training.clips import Plan, crop_batches, network_frames_of
from angen.training.config import targets_of
from angen.training.estimate import _kept_bytes, _Layers
from angen.training.recompute import recomputed

from ..peak import TELL_PEAK

FRAMES, HELD_OUT = [20, 8, 5, 13, 16], [16, 11]


def _of(model: Any, **how: Any) -> Any:
    return estimate(model, FRAMES, HELD_OUT, TrainConfig(**how), tokens_per_s=1000.0)


class TestWhatIsCounted:
    @pytest.mark.parametrize(
        "how", [{}, {"max_steps": 7}, {"audio_seconds": 30.0}, {"batch_size": 2, "accumulation": 3}], ids=str
    )
    def test_steps_and_audio_are_those_of_the_plan(self, model: Any, how: dict[str, Any]) -> None:
        config = TrainConfig(**how)
        plan = Plan.of_lengths(FRAMES, 8, config, 12.5)
        expected = _of(model, **how)
        assert expected.steps == plan.steps
        assert expected.audio_seconds == pytest.approx(plan.steps * plan.crops_per_step * 8 / 12.5)

    @pytest.mark.parametrize(
        "how",
        [{}, {"rank": 3}, {"targets": ("mlp",)}, {"dora": True}, {"dora": True, "targets": ("q_proj",)}],
    )
    def test_trainable_weights_are_those_of_the_adapter(self, model: Any, how: dict[str, Any]) -> None:
        config = TrainConfig(**how)
        spec = LoraSpec(config.rank, 1.0, 0.0, targets_of(model.facts, config), dora=config.dora)
        expected = _of(model, **how).trainable
        wrapped = attach(model.network, spec, seed=0)
        assert expected == sum(weight.numel() for weight in trainable(wrapped).values())
        detach(wrapped)

    def test_time_follows_the_speed_and_the_work(self, model: Any) -> None:
        once = estimate(model, FRAMES, HELD_OUT, TrainConfig(), tokens_per_s=1000.0)
        fast = estimate(model, FRAMES, HELD_OUT, TrainConfig(), tokens_per_s=2000.0)
        assert fast.seconds == pytest.approx(once.seconds / 2)
        assert once.seconds > 2 * 8 * 4 * once.steps / 1000.0
        assert _of(model, validate_every=5).seconds < once.seconds
        assert (once.is_measured, once.tokens_per_s) == (True, 1000.0)

    @pytest.mark.parametrize(
        "how", [{}, {"ema": 0.9, "keep_checkpoints": 1}, {"optimiser": "adafactor"}], ids=str
    )
    def test_the_disk_holds_the_run_and_one_more_checkpoint(
        self, model: Any, run: Any, tmp_path: Path, how: dict[str, Any]
    ) -> None:
        how = {"rank": 16, "max_steps": 6, "checkpoint_every": 1, "patience": 0, **how}
        run(tmp_path, **how, epochs=None)
        taken = sum(path.stat().st_size for path in tmp_path.rglob("*.safetensors"))
        newest = sum(
            p.stat().st_size for p in (tmp_path / "checkpoints" / "step_000006").glob("*.safetensors")
        )
        latents = 4 * 8 * (sum(FRAMES) * (1 + len(TrainConfig().speed_shifts)) + sum(HELD_OUT))
        said = _of(model, **how).disk_bytes - latents - 2 * 2**20  # what is no log
        assert taken + newest == pytest.approx(said, rel=0.2)

    def test_without_a_former_run_the_speed_is_measured_now(self, model: Any) -> None:
        plain = estimate(model, FRAMES, HELD_OUT, TrainConfig(precision="fp32"))
        assert not plain.is_measured
        assert plain.tokens_per_s > 0
        assert plain.seconds > 0

    def test_what_needs_more_is_said_to_need_more(self, model: Any) -> None:
        plain = _of(model, precision="fp32")
        for how in ({"batch_size": 64}, {"dora": True}, {"dropout": 0.05, "rank": 64}, {"ema": 0.9}):
            assert _of(model, precision="fp32", **how).memory_bytes > plain.memory_bytes, how
        for how in ({"gradient_checkpointing": True}, {"precision": "bf16"}, {"optimiser": "adafactor"}):
            assert _of(model, **{"precision": "fp32", **how}).memory_bytes < plain.memory_bytes, how
        assert _of(model, keep_checkpoints=9).disk_bytes > plain.disk_bytes > _of(model, rank=2).disk_bytes

    def test_layers_the_model_has_not_are_refused(self, model: Any) -> None:
        model.facts = dataclasses.replace(model.facts, lora_targets=("q_proj",))
        with pytest.raises(TrainingError, match="does not offer"):
            _of(model, targets=("mlp",))


@pytest.fixture(scope="module")
def tiny() -> AngenTiny:
    return AngenTiny()


def _kept(tiny: AngenTiny, config: TrainConfig) -> int:
    """Bytes that PyTorch keeps for the backward pass of one batch."""
    words = tiny.conditions("calypso, steel drums, 112 bpm")
    frames = 200
    clip = ClipVersion(
        torch.randn(frames, tiny.facts.latent_channels), tiny.beats([0.0], [0.0], frames), (words,)
    )
    spec = LoraSpec(
        config.rank, config.alpha, config.dropout, targets_of(tiny.facts, config), dora=config.dora
    )
    wrapped = attach(tiny.network, spec, seed=0)
    own = {weight.untyped_storage().data_ptr() for weight in tiny.network.parameters()}
    kept: dict[int, int] = {}
    alive = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        alive.append(storage)
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    tiny.network.train()
    batch = crop_batches([TrainingClip("a", "a", clip)], [0] * config.batch_size, tiny.facts, config, 0)[0]
    with (
        recomputed(tiny.network, config.gradient_checkpointing),
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
    ):
        tiny.loss(batch).mean()
    detach(wrapped)
    tiny.network.eval().requires_grad_(False)
    return sum(kept.values())


PROCESS = r"""
import json, sys
from pathlib import Path
import torch
from angen.model import load_model
from angen.training import ClipVersion, TrainConfig, TrainingClip, train
model = load_model()
words, beats = model.conditions("calypso"), model.beats([0.0], [0.0], 200)
clip = TrainingClip("a", "a", ClipVersion(torch.randn(200, model.facts.latent_channels), beats, (words,)))
train(model, [clip], [clip], TrainConfig(**json.loads(sys.argv[2])), Path(sys.argv[1]))
"""


class TestMemory:
    @pytest.mark.parametrize(
        "how",
        [
            {}, {"dropout": 0.0}, {"batch_size": 1}, {"crop_blocks": 8, "batch_size": 2}, {"rank": 64},
            {"dora": True}, {"targets": ("attention",)},
        ],
        ids=str,
    )  # fmt: skip
    def test_it_is_what_is_really_kept(
        self, tiny: AngenTiny, how: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("angen.model.precision.fast_bfloat16", lambda: False)
        config = TrainConfig(**how)
        layers = _Layers.of(tiny.network, targets_of(tiny.facts, config))
        told = _kept_bytes(layers, config, network_frames_of(tiny.facts, config))
        assert told == pytest.approx(_kept(tiny, config), rel=0.3)

    def test_every_memory_preset_keeps_its_promise(self, tiny: AngenTiny) -> None:
        """What is kept for the backward pass, the largest part of it, must fall by far."""
        small, usual = preset("small-memory", 600.0), preset("balanced", 600.0)
        assert small.crops_per_step == usual.crops_per_step  # the same step, in less memory
        assert _kept(tiny, small) < 0.02 * _kept(tiny, usual)
        sizes = [
            estimate(tiny, [200], [200], config, tokens_per_s=1.0).memory_bytes for config in (small, usual)
        ]
        assert sizes[0] < sizes[1] - 100 * 2**20

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "how", [{"batch_size": 12}, {"batch_size": 2, "gradient_checkpointing": True}], ids=str
    )
    def test_a_process_takes_what_was_said(
        self, tiny: AngenTiny, how: dict[str, Any], tmp_path: Path
    ) -> None:
        said = estimate(tiny, [200], [96], TrainConfig(max_steps=3, **how), tokens_per_s=1.0).memory_bytes
        words = [
            sys.executable,
            "-c",
            PROCESS + TELL_PEAK,
            str(tmp_path),
            json.dumps({"max_steps": 3, **how}),
        ]
        ended = subprocess.run(words, capture_output=True, text=True, timeout=300, check=True)
        assert (
            0.6 < int(ended.stdout) / said < 1.9
        )  # Python and its libraries alone differ by 0.3 GB between machines


class TestPresets:
    @pytest.mark.parametrize("name", sorted(PRESETS))
    def test_each_trains(self, run: Any, tmp_path: Any, name: str) -> None:
        """Two steps of it, on clips of seconds."""
        config = preset(name, 60.0).changed(max_steps=2, crop_blocks=2, learning_rate=1e-2)
        result = run(tmp_path, **{**config.as_dict(), "speed_shifts": ()})
        assert (result.steps, result.finished) == (2, True)
        assert (tmp_path / "final" / "adapter_model.safetensors").is_file()

    @pytest.mark.parametrize("name", sorted(PRESETS))
    def test_the_more_there_is_to_hear_the_fewer_the_epochs(self, name: str) -> None:
        epochs = [preset(name, seconds).epochs for seconds in (1.0, 60.0, 600.0, 6_000.0, 1e6)]
        assert epochs == sorted(epochs, reverse=True)
        assert (epochs[0], epochs[-1]) == (PRESETS[name].most, PRESETS[name].least)

    def test_thorough_is_more_than_balanced_and_that_more_than_quick(self) -> None:
        for seconds in (60.0, 1_200.0, 36_000.0):
            few, some, many = (preset(name, seconds) for name in ("quick", "balanced", "thorough"))
            assert few.epochs < some.epochs < many.epochs
            assert few.rank < some.rank < many.rank

    def test_an_unknown_one_is_refused(self) -> None:
        with pytest.raises(TrainingError, match=r"no preset 'slow'.*balanced, quick, small-memory, thorough"):
            preset("slow", 60.0)

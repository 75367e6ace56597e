"""What each knob promises: optimisers, averages, schedules, budgets, precision, memory; and losses that are true."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from angen.adapters.lora import LoraSpec, attach, detach, trainable
from angen.errors import TrainingError
from angen.model import precision
from angen.training import TrainConfig, TrainResult, Validation, optimisers, validate
from angen.training.clips import Plan, crop_batches
from angen.training.ema import Ema
from angen.training.recompute import recomputed
from angen.training.schedule import learning_rate

Run = Callable[..., TrainResult]
OPTIMISERS = ("adamw", "adafactor", "prodigy")


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


def _same(one: Path, other: Path) -> bool:
    first, second = _weights(one), _weights(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def _stop_after(step: int) -> Callable[[], bool]:
    asked = iter(range(1, 10_000))
    return lambda: next(asked) >= step


def _events(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]


@pytest.fixture
def adapter(model: Any) -> Iterator[Any]:
    """An adapter that acts, in training mode."""
    wrapped = attach(model.network, LoraSpec(4, 8.0, 0.1, model.facts.lora_targets), seed=1)
    source = torch.Generator().manual_seed(2)
    for weight in trainable(wrapped).values():
        weight.data += 0.1 * torch.randn(weight.shape, generator=source)
    model.network.train()
    yield wrapped
    detach(wrapped)


class TestOptimisers:
    @pytest.mark.parametrize("how", [*({"optimiser": name} for name in OPTIMISERS), {"ema": 0.9}], ids=str)
    def test_a_stopped_run_goes_on_as_if_it_had_never_stopped(
        self, run: Run, tmp_path: Path, how: dict[str, Any]
    ) -> None:
        how = {**how, "dora": True}  # a vector among the matrices
        whole = run(tmp_path / "whole", **how)
        run(tmp_path / "stopped", should_stop=_stop_after(3), **how)
        resumed = run(tmp_path / "stopped", resume=True, **how)
        assert resumed.train_losses == whole.train_losses
        assert resumed.validations == whole.validations
        for part in ("best", "final"):
            assert _same(tmp_path / "stopped" / part, tmp_path / "whole" / part)

    @pytest.mark.parametrize("name", OPTIMISERS)
    def test_each_learns(self, run: Run, tmp_path: Path, name: str) -> None:
        result = run(tmp_path, epochs=15, optimiser=name)
        assert result.best.loss < 0.8 * result.base.loss

    def test_the_averages_decay_as_told(self, run: Run, tmp_path: Path) -> None:
        run(tmp_path / "a", max_steps=3, epochs=None)
        run(tmp_path / "b", max_steps=3, epochs=None, betas=(0.5, 0.9))
        assert not _same(tmp_path / "a" / "final", tmp_path / "b" / "final")

    def test_prodigy_brings_its_own_rate_and_prints_nothing(
        self, model: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        weight = torch.nn.Parameter(torch.ones(2, 2))
        config = TrainConfig(optimiser="prodigy", weight_decay=0.1)
        made = optimisers.optimiser_of([weight], model.facts, config)
        assert made.param_groups[0]["lr"] == 1.0
        assert optimisers.peak_rate(model.facts, config.changed(learning_rate=0.5)) == 0.5
        assert capsys.readouterr().out == ""

    @pytest.mark.parametrize(("name", "words"), [("prodigy", "prodigyopt"), ("adamw-8bit", "bitsandbytes")])
    def test_one_that_is_not_there_is_refused_with_how_to_get_it(
        self, run: Run, model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str
    ) -> None:
        find = importlib.import_module

        def absent(module: str) -> Any:
            if module.startswith(words):
                raise ImportError(module)
            return find(module)

        monkeypatch.setattr(optimisers.importlib, "import_module", absent)
        with pytest.raises(TrainingError, match=rf"package {words}.*pip install"):
            run(tmp_path, optimiser=name)
        assert not any("lora" in key for key in model.network.state_dict())


class TestEma:
    def test_it_is_what_is_validated_and_kept(self, run: Run, model: Any, tmp_path: Path) -> None:
        from peft import PeftModel

        how: dict[str, Any] = {"ema": 0.9, "checkpoint_every": 1, "keep_checkpoints": 10}
        result = run(tmp_path / "ema", **how)
        plain = run(tmp_path / "plain", **{**how, "ema": 0.0})
        assert result.train_losses == plain.train_losses  # it watches, and does not steer
        assert result.base == plain.base
        assert result.validations[-1] != plain.validations[-1]
        mean = _weights(tmp_path / "plain" / "checkpoints" / "step_000001")
        first = LoraSpec(4, 8.0, 0.1, model.facts.lora_targets)
        wrapped = attach(model.network, first, seed=0)
        mean = {
            name.replace(".default.", "."): value.detach().clone()
            for name, value in trainable(wrapped).items()
        }
        detach(wrapped)
        for step in range(1, 7):
            raw = _weights(tmp_path / "plain" / "checkpoints" / f"step_{step:06d}")
            decay = min(0.9, (1 + step) / (10 + step))
            mean = {name: decay * mean[name] + (1 - decay) * raw[name] for name in mean}
        final = _weights(tmp_path / "ema" / "final")
        assert all(torch.allclose(final[name], mean[name], atol=1e-6) for name in final)
        held_out = [model.clip(f"held{frames}", frames) for frames in (16, 11)]
        again = PeftModel.from_pretrained(model.network, str(tmp_path / "ema" / "final"))
        assert validate(model, held_out, 8) == result.validations[-1][1]
        again.unload()

    def test_the_weights_come_back_bit_for_bit(self, adapter: Any) -> None:
        weights = trainable(adapter)
        before = {name: weight.detach().clone() for name, weight in weights.items()}
        ema = Ema(weights, 0.5)
        for weight in weights.values():
            weight.data += 1
        ema.update(100)
        means = {name: before[name] + 0.5 for name in weights}
        with contextlib.suppress(ValueError), ema.in_place():
            assert all(torch.allclose(weight, means[name]) for name, weight in weights.items())
            raise ValueError
        assert all(torch.equal(weight, before[name] + 1) for name, weight in weights.items())

    def test_an_average_of_another_adapter_is_refused(self, adapter: Any) -> None:
        ema = Ema(trainable(adapter), 0.5)
        stored = ema.tensors()
        stored.popitem()
        with pytest.raises(TrainingError, match="not of this adapter"):
            ema.load(stored)


class TestLength:
    @pytest.mark.parametrize(
        ("how", "steps", "validated"),
        [
            ({"max_steps": 5}, 5, [0, 2, 4, 5]),
            ({"max_steps": 1}, 1, [0, 1]),
            ({"max_steps": 5, "validate_steps": 3}, 5, [0, 3, 5]),
            ({"epochs": 2, "validate_steps": 3}, 4, [0, 3, 4]),
            (
                {"audio_seconds": 7.6},
                3,
                [0, 2, 3],
            ),  # a step is four crops of 8 frames at 12.5 a second: 2.56 s
            ({"audio_seconds": 7.68}, 3, [0, 2, 3]),
            ({"audio_seconds": 7.7}, 4, [0, 2, 4]),
        ],
        ids=str,
    )
    def test_a_run_is_as_long_as_its_budget(
        self, run: Run, tmp_path: Path, how: dict[str, Any], steps: int, validated: list[int]
    ) -> None:
        result = run(tmp_path, patience=0, **{"epochs": None, **how})
        assert (result.steps, result.finished) == (steps, True)
        assert [step for step, _ in result.validations] == validated

    def test_gains_too_small_to_count_do_not_hold_a_run_up(self) -> None:
        result = TrainResult(
            validations=[(i, Validation(loss, ())) for i, loss in enumerate((1, 0.9, 0.85, 0.84))]
        )
        assert [result.validations_without_gain(gain) for gain in (0.0, 0.02, 0.12, 0.5)] == [0, 1, 1, 3]

    def test_a_run_ends_early_for_want_of_gain(self, run: Run, tmp_path: Path) -> None:
        result = run(tmp_path, epochs=10, patience=2, min_gain=100.0)
        assert (result.steps, result.finished) == (4, True)


class TestSchedule:
    @pytest.mark.parametrize(
        ("name", "rates"),
        [
            ("cosine", {0: 1.0, 5: 0.55, 10: 0.1}),
            ("linear", {0: 1.0, 5: 0.55, 9: 0.19, 10: 0.1}),
            ("constant", {0: 1.0, 5: 1.0, 10: 1.0}),
            ("wsd", {0: 1.0, 7: 1.0, 8: 1.0, 9: 0.55, 10: 0.1}),
        ],
    )
    def test_each_has_its_shape_after_the_warmup(self, name: str, rates: dict[int, float]) -> None:
        config = TrainConfig(scheduler=name, warmup_steps=2, final_rate_share=0.1)
        assert [learning_rate(step, 12, 1.0, config) for step in (0, 1)] == [0.5, 1.0]
        for step, rate in rates.items():
            assert learning_rate(2 + step, 12, 1.0, config) == pytest.approx(rate), step


class TestTargets:
    def test_only_they_are_changed(self, run: Run, tmp_path: Path) -> None:
        run(tmp_path, targets=("mlp", "q_proj"), max_steps=1, epochs=None)
        layers = {name.split(".lora_")[0].rsplit(".", 1)[1] for name in _weights(tmp_path / "final")}
        assert layers == {"gate_proj", "up_proj", "down_proj", "q_proj"}


class TestTrueLoss:
    """Clips shorter than a crop (5 and 13 frames; a crop has 8) are padded."""

    @pytest.mark.parametrize(("batch_size", "accumulation"), [(2, 2), (1, 4), (4, 2), (3, 1)])
    def test_it_is_the_mean_over_all_valid_frames_of_a_step(
        self, run: Run, model: Any, tmp_path: Path, batch_size: int, accumulation: int
    ) -> None:
        clips = [model.clip(f"c{frames}", frames) for frames in (5, 3, 20)]
        config = TrainConfig(
            batch_size=batch_size, accumulation=accumulation, seed=0, dropout=0.0, precision="fp32"
        )
        result = run(
            tmp_path, clips=clips, batch_size=batch_size, accumulation=accumulation, dropout=0.0,
            precision="fp32", speed_shifts=(), max_steps=1, epochs=None,
        )  # fmt: skip
        indices = Plan.of(clips, 8, config, 12.5).clips_of_step(0)
        drawn = config.changed(batch_size=len(indices), accumulation=1, speed_shifts=[])
        whole = crop_batches(clips, indices, model.facts, drawn, 0)[0]
        assert not bool(whole.valid.all())
        with precision.chosen_precision("fp32"):  # a fresh adapter changes nothing
            losses, frames = model.loss(whole), whole.valid.sum(1)
        expected = float((losses * frames).sum() / frames.sum())
        assert result.train_losses[0][1] == pytest.approx(expected, rel=1e-5)

    def test_what_is_in_padding_moves_neither_loss_nor_any_gradient(self, model: Any, adapter: Any) -> None:
        clips = [model.clip("a", 5), model.clip("b", 3), model.clip("c", 20)]
        batch = crop_batches(clips, [0, 1, 2], model.facts, TrainConfig(batch_size=3), 0)[0]

        def step() -> list[torch.Tensor]:
            adapter.zero_grad()
            torch.manual_seed(5)
            loss = model.loss(batch)
            loss.sum().backward()
            return [loss.detach(), *(weight.grad.clone() for weight in trainable(adapter).values())]

        clean = step()
        assert all(bool(value.any()) for value in clean)
        batch.clean[~batch.valid] = torch.nan
        batch.noise[~batch.valid] = 1e5
        assert batch.context is not None
        assert batch.beats is not None
        batch.context[~batch.valid] = torch.inf
        batch.beats[~batch.valid] = -77.0
        assert all(torch.equal(one, other) for one, other in zip(clean, step(), strict=True))


class TestMemory:
    def _step(self, model: Any, adapter: Any, recompute: bool) -> tuple[list[torch.Tensor], int]:
        clips = [model.clip("a", 40)]
        batch = crop_batches(clips, [0] * 4, model.facts, TrainConfig(crop_blocks=8), 0)[0]
        kept: dict[int, int] = {}
        own = {weight.untyped_storage().data_ptr() for weight in model.network.parameters()}

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        adapter.zero_grad()
        torch.manual_seed(5)
        with recomputed(model.network, recompute):
            with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
                loss = model.loss(batch).mean()
                held = sum(kept.values())
            loss.backward()
        return [loss.detach(), *(weight.grad.clone() for weight in trainable(adapter).values())], held

    def test_blocks_computed_twice_give_the_same_loss_and_gradients_in_less_memory(
        self, model: Any, adapter: Any
    ) -> None:
        plain, much = self._step(model, adapter, recompute=False)
        twice, little = self._step(model, adapter, recompute=True)
        assert all(torch.equal(one, other) for one, other in zip(plain, twice, strict=True))
        assert little < 0.25 * much

    def test_the_network_is_as_before_afterwards(self, run: Run, model: Any, tmp_path: Path) -> None:
        run(tmp_path, gradient_checkpointing=True, max_steps=1, epochs=None)
        assert not any("forward" in vars(module) for module in model.network.modules())


class TestPrecision:
    def test_it_is_what_was_chosen_and_only_for_the_run(
        self, run: Run, model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: set[bool] = set()
        losses = model.loss

        def watched(batch: Any) -> torch.Tensor:
            seen.add(precision.is_mixed())
            return losses(batch)

        model.loss = watched
        for name, fast, mixed in (
            ("bf16", False, True),
            ("fp32", True, False),
            ("auto", True, True),
            ("auto", False, False),
        ):
            monkeypatch.setattr(precision, "fast_bfloat16", lambda fast=fast: fast)
            seen.clear()
            run(tmp_path / f"{name}{fast}", precision=name, max_steps=1, epochs=None)
            assert seen == {mixed}
            assert precision.is_mixed() == fast


class TestHooks:
    def test_events_are_the_lines_of_the_log(self, run: Run, tmp_path: Path) -> None:
        told: list[dict[str, Any]] = []
        run(tmp_path, on_event=told.append, checkpoint_every=2, patience=1, min_gain=50.0)
        lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
        assert told == lines
        assert {line["kind"] for line in lines} == {
            "step", "validation", "best", "checkpoint", "settled", "finished",
        }  # fmt: skip

    def test_whoever_listens_at_validations_leaves_no_trace(
        self, run: Run, model: Any, tmp_path: Path
    ) -> None:
        import random

        import numpy as np

        steps: list[int] = []

        def listen(step: int) -> None:
            steps.append(step)
            assert not any(module.training for module in model.network.modules())
            assert not torch.is_grad_enabled()
            torch.manual_seed(step)
            torch.randn(100)
            np.random.seed(step)
            random.seed(step)
            model.network.train()

        states = random.getstate(), np.random.get_state()[1].tolist()
        whole = run(tmp_path / "whole", ema=0.9)
        heard = run(tmp_path / "heard", ema=0.9, on_validated=listen, should_stop=_stop_after(3))
        heard = run(tmp_path / "heard", ema=0.9, on_validated=listen, resume=True)
        assert steps == [0, 2, 4, 6]
        assert heard.train_losses == whole.train_losses
        assert _same(tmp_path / "heard" / "final", tmp_path / "whole" / "final")
        assert (random.getstate(), np.random.get_state()[1].tolist()) == states

    def test_the_adapter_acts_there_with_its_average(self, run: Run, model: Any, tmp_path: Path) -> None:
        held_out = [model.clip(f"held{frames}", frames) for frames in (16, 11)]
        scores = []
        result = run(tmp_path, ema=0.9, on_validated=lambda _: scores.append(validate(model, held_out, 8)))
        assert scores == [score for _, score in result.validations]


class TestEstimateOfARun:
    def test_it_is_corrected_once_twenty_steps_are_known(self, run: Run, tmp_path: Path) -> None:
        result = run(tmp_path, epochs=None, max_steps=25, validate_steps=12, patience=0)
        told = _events(tmp_path, "estimate")
        assert [event["step"] for event in told] == [20, 24, 25]
        assert told[-1]["seconds_left"] == 0.0
        assert told[0]["seconds_left"] > told[1]["seconds_left"] > 0.0
        assert told[0]["steps"] == 25
        assert result.tokens_per_s == pytest.approx(told[-1]["tokens_per_s"], abs=0.1)
        assert told[0]["seconds_total"] == pytest.approx(result.seconds, rel=2.0)


def test_every_field_of_a_result_but_the_speed_is_kept(run: Run, tmp_path: Path) -> None:
    result = run(tmp_path, max_steps=2, epochs=None)
    again = TrainResult.from_state(json.loads(json.dumps(result.as_state())))
    assert dataclasses.replace(again, finished=True, tokens_per_s=result.tokens_per_s) == result

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest

from angen.errors import TrainingError
from angen.model.music_model import LORA_TARGETS
from angen.training import TrainConfig, read_settings
from angen.training.config import targets_of

OUT_OF_RANGE: dict[str, list[Any]] = {
    "epochs": [0, -1, 1.5, "3", True],
    "batch_size": [0, 4.0, None],
    "learning_rate": [0.0, -1e-3, 0.2, math.nan],
    "rank": [0, 513],
    "alpha": [0.0, -1.0, math.nan],
    "dropout": [-0.1, 1.0, math.nan],
    "seed": [-1, 2**31],
    "crop_blocks": [0],
    "noisy_blocks": [0, -1, 1.5],
    "accumulation": [0],
    "weight_decay": [-0.1, math.nan],
    "warmup_steps": [-1],
    "final_rate_share": [-0.1, 1.1, math.nan],
    "clip_norm": [0.0, math.nan],
    "condition_dropout": [-0.1, 1.1],
    "beat_dropout": [-0.1, 1.1],
    "context_noise": [-0.1, math.nan],
    "time_distribution": ["normal", ""],
    "speed_shifts": [(0,), (1, 13), (-13,)],
    "speed_share": [-0.1, 1.1],
    "replay_share": [-0.1, 1.1, math.nan],
    "max_steps": [0, -1, 2.0, True],
    "audio_seconds": [0.0, -1.0, math.nan, math.inf, "10"],
    "scheduler": ["", "exponential", 1],
    "optimiser": ["", "sgd"],
    "betas": [(0.9,), (0.9, 1.0), (-0.1, 0.9), (0.9, 0.99, 0.999), ("a", "b"), 0.9],
    "targets": [("heads",), ("attention", "q"), "attention", ("",)],
    "ema": [-0.1, 1.0, math.nan],
    "precision": ["fp16", ""],
    "min_gain": [-0.1, math.nan],
    "validate_steps": [0, 1.5],
    "sample_prompts": [("",), (" ",), "words", (1,)],
    "sample_every": [-1, 0.5],
    "patience": [-1],
    "log_every": [0],
    "checkpoint_every": [0],
    "validate_every": [0],
    "keep_checkpoints": [0],
}
SWITCHES = {"rslora", "dora", "gradient_checkpointing"}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in OUT_OF_RANGE for value in OUT_OF_RANGE[name]]
)
def test_a_value_out_of_range_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(TrainingError, match=f"^{name} is "):
        TrainConfig(**{name: value})


@pytest.mark.parametrize("name", sorted(SWITCHES))
def test_a_switch_is_on_or_off_and_nothing_else(name: str) -> None:
    for value in (1, 0, "yes", None):
        with pytest.raises(TrainingError, match=f"^{name} is .*true or false"):
            TrainConfig(**{name: value})


def test_no_setting_goes_unchecked() -> None:
    assert {field.name for field in dataclasses.fields(TrainConfig)} == OUT_OF_RANGE.keys() | SWITCHES


@pytest.mark.parametrize(
    "values",
    [
        {"learning_rate": None, "crop_blocks": None, "speed_shifts": ()},
        {"condition_dropout": 1.0, "beat_dropout": 0.0, "speed_share": 1.0, "final_rate_share": 1.0},
        {"rank": 512, "seed": 2**31 - 1, "warmup_steps": 0, "dropout": 0.0, "context_noise": 0.0},
        {"speed_shifts": (-12, 12), "learning_rate": 0.1, "replay_share": 1.0, "patience": 0},
    ],
    ids=str,
)
def test_values_at_the_edge_are_taken(values: dict[str, Any]) -> None:
    TrainConfig(**values)


def test_it_reads_back_from_the_metadata_it_is_written_to() -> None:
    config = TrainConfig(epochs=3, learning_rate=1e-4, speed_shifts=(-1, 5), time_distribution="logit-normal")
    kept = json.loads(json.dumps(config.as_dict()))
    assert kept == config.as_dict()
    assert TrainConfig(**kept) == config
    assert TrainConfig.from_dict(kept) == config


@pytest.mark.parametrize(
    ("key", "near"), [("epoch", "epochs"), ("optimizer", "optimiser"), ("lr_banana", "")]
)
def test_an_unknown_setting_is_an_error_and_a_near_one_is_named(key: str, near: str) -> None:
    with pytest.raises(TrainingError, match=f"no setting '{key}'.*{near}"):
        TrainConfig.from_dict({"rank": 4, key: 1})


def test_a_run_has_one_budget() -> None:
    assert TrainConfig().epochs == 10
    assert TrainConfig(max_steps=5).epochs is None
    for two in ({"epochs": 1, "max_steps": 5}, {"max_steps": 5, "audio_seconds": 9.0}):
        with pytest.raises(TrainingError, match="one budget"):
            TrainConfig(**two)
    changed = TrainConfig(epochs=3, rank=4).changed(max_steps=7)
    assert (changed.epochs, changed.max_steps, changed.rank) == (None, 7, 4)
    assert changed.changed(rank=5).max_steps == 7
    assert TrainConfig(validate_steps=3).changed(validate_every=2).validate_steps is None


@pytest.mark.parametrize(
    "values",
    [
        {"optimiser": "adafactor", "betas": (0.8, 0.9)},
        {"scheduler": "constant", "final_rate_share": 0.5},
        {"validate_steps": 5, "validate_every": 2},
        {"patience": 0, "min_gain": 0.1},
    ],
    ids=str,
)
def test_a_setting_that_would_change_nothing_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(TrainingError, match=f"{list(values)[1]} is .*would change nothing"):
        TrainConfig(**values)


@pytest.mark.parametrize(
    ("targets", "layers"),
    [
        ((), LORA_TARGETS),
        (("all",), LORA_TARGETS),
        (("attention",), ("q_proj", "k_proj", "v_proj", "o_proj")),
        (("mlp", "v_proj"), ("v_proj", "gate_proj", "up_proj", "down_proj")),
    ],
)
def test_targets_are_names_or_groups(model: Any, targets: tuple[str, ...], layers: tuple[str, ...]) -> None:
    assert targets_of(model.facts, TrainConfig(targets=targets)) == layers


def test_targets_the_model_has_not_are_refused(model: Any) -> None:
    facts = dataclasses.replace(model.facts, lora_targets=("q_proj", "v_proj"))
    with pytest.raises(TrainingError, match=r"targets has k_proj, o_proj.*offers q_proj, v_proj"):
        targets_of(facts, TrainConfig(targets=("attention",)))
    assert targets_of(facts, TrainConfig(targets=("all",))) == ("q_proj", "v_proj")


def test_settings_are_read_from_toml_and_json(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('rank = 4\ntargets = ["mlp"]\nlearning_rate = 1e-4\n')
    (tmp_path / "a.json").write_text('{"rank": 4, "targets": ["mlp"], "learning_rate": 1e-4}')
    for name in ("a.toml", "a.json"):
        config = TrainConfig.from_dict(read_settings(tmp_path / name))
        assert (config.rank, config.targets, config.learning_rate) == (4, ("mlp",), 1e-4)


@pytest.mark.parametrize(
    ("name", "text"), [("a.toml", "rank ="), ("a.json", "{"), ("a.json", "[1]"), ("none.toml", None)]
)
def test_settings_that_cannot_be_read_are_named(tmp_path: Path, name: str, text: str | None) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(TrainingError, match=name):
        read_settings(tmp_path / name)

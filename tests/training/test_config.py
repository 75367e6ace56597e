from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest

from angen.errors import TrainingError
from angen.training import TrainConfig

OUT_OF_RANGE: dict[str, list[Any]] = {
    "epochs": [0, -1],
    "batch_size": [0],
    "learning_rate": [0.0, -1e-3, 0.2, math.nan],
    "rank": [0, 513],
    "alpha": [0.0, -1.0, math.nan],
    "dropout": [-0.1, 1.0, math.nan],
    "seed": [-1, 2**31],
    "crop_blocks": [0],
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
    "patience": [-1],
    "log_every": [0],
    "checkpoint_every": [0],
    "validate_every": [0],
    "keep_checkpoints": [0],
}
SWITCHES = {"rslora", "dora"}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in OUT_OF_RANGE for value in OUT_OF_RANGE[name]]
)
def test_a_value_out_of_range_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(TrainingError, match=f"^{name} is "):
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
    assert TrainConfig(**{**kept, "speed_shifts": tuple(kept["speed_shifts"])}) == config

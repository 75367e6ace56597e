"""Ready-made settings: from a name and the size of a dataset to a `TrainConfig`.

The number of epochs follows from how much audio a run should hear: a small dataset is heard more often, up to
where held-out loss no longer gains (`docs/experiments.md`), and patience ends a run that has settled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from angen.errors import TrainingError
from angen.training.config import TrainConfig


@dataclass(frozen=True)
class Preset:
    """A ready-made setting.

    Attributes:
        about: When to take it.
        heard_s: Seconds of audio a run should hear.
        least: Epochs at least.
        most: Epochs at most.
        values: Its other settings.
    """

    about: str
    heard_s: float
    least: int
    most: int
    values: dict[str, Any] = field(default_factory=dict)


PRESETS: dict[str, Preset] = {
    "quick": Preset(
        "a first impression in minutes", 3_600, 3, 10,
        {"rank": 8, "alpha": 16.0, "checkpoint_every": 100, "patience": 2},
    ),
    "balanced": Preset(
        "what most datasets want", 20_000, 10, 30,
        {"batch_size": 8, "checkpoint_every": 100, "validate_every": 2},
    ),
    "thorough": Preset(
        "the night is long and the songs are many", 85_000, 20, 80,
        {
            "batch_size": 8, "rank": 32, "alpha": 64.0, "ema": 0.99, "scheduler": "wsd",
            "checkpoint_every": 200, "validate_every": 2, "replay_share": 0.1,
        },
    ),
    "small-memory": Preset(
        "the least memory: one crop at a time, blocks computed twice, little optimiser state", 20_000, 10, 30,
        {
            "batch_size": 1, "accumulation": 8, "gradient_checkpointing": True, "optimiser": "adafactor",
            "rank": 8, "alpha": 16.0, "checkpoint_every": 100, "validate_every": 2, "keep_checkpoints": 1,
        },
    ),
}  # fmt: skip


def preset(name: str, audio_seconds: float) -> TrainConfig:
    """The settings of a preset for a dataset of this size.

    Args:
        name: One of `PRESETS`.
        audio_seconds: Of the clips to train on.

    Raises:
        TrainingError: If there is no preset of this name.

    Example:
        >>> preset("balanced", 120.0).epochs, preset("balanced", 1_000.0).epochs
        (30, 20)
    """
    if name not in PRESETS:
        raise TrainingError(
            f"There is no preset {name!r}.", remedy=f"Choose one of {', '.join(sorted(PRESETS))}."
        )
    chosen = PRESETS[name]
    return TrainConfig(epochs=_epochs(chosen, audio_seconds), **chosen.values)


def usual_epochs(audio_seconds: float) -> int:
    """How often a run goes through its clips if nobody says how long it should be: as often as in "balanced".

    Args:
        audio_seconds: Of the clips to train on.
    """
    return _epochs(PRESETS["balanced"], audio_seconds)


def _epochs(chosen: Preset, audio_seconds: float) -> int:
    return min(chosen.most, max(chosen.least, round(chosen.heard_s / max(1.0, audio_seconds))))

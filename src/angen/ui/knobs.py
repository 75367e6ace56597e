"""The knobs of a training run as components, and what was set as a `TrainConfig`.

The five that matter stand in the open; the others are in a fold. `read_config` believes nothing: `TrainConfig` checks
types and ranges, and its error names the knob.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr

from angen.errors import TrainingError
from angen.training import TrainConfig
from angen.training.config import OPTIMISERS, PRECISIONS, SCHEDULERS, TIME_DISTRIBUTIONS

__all__ = ["ADVANCED", "MAIN", "Knob", "component", "read_config", "shown_values"]


@dataclass(frozen=True)
class Knob:
    """A setting on the page.

    Attributes:
        name: Of `TrainConfig`.
        label: For people.
        kind: What is set.
        value: At first.
        info: A sentence.
        least: Of a slider.
        most: Of a slider.
        step: Of a slider.
        choices: Of a list.
    """

    name: str
    label: str
    kind: Literal["whole", "number", "switch", "choice", "words", "lines"]
    value: Any = None
    info: str = ""
    least: float | None = None
    most: float | None = None
    step: float = 1
    choices: Sequence[str] = ()


MAIN = (
    Knob("batch_size", "Batch size", "whole", 4, "Crops of one step.", 1, 32),
    Knob("learning_rate", "Learning rate", "number", 3e-4, "angen-tiny's own: 1e-3.", 1e-5, 3e-3, 1e-5),
    Knob("epochs", "Epochs", "whole", 10, "Times through all clips.", 1, 200),
    Knob("rank", "LoRA rank", "whole", 16, "Size of the change.", 1, 128),
    Knob("alpha", "LoRA alpha", "number", 32, "Twice the rank is usual.", 1, 256),
)
ADVANCED = (
    Knob("max_steps", "Steps in all", "whole", None, "In place of epochs; 0 for epochs."),
    Knob("accumulation", "Accumulation", "whole", 1, "Batches of one step."),
    Knob("patience", "Patience", "whole", 8, "Validations without a gain that end a run; 0 for never."),
    Knob("warmup_steps", "Warm-up steps", "whole", 20, "In which the rate rises."),
    Knob("scheduler", "Scheduler", "choice", "cosine", "How the rate falls.", choices=SCHEDULERS),
    Knob("optimiser", "Optimiser", "choice", "adamw", "Some are extras.", choices=OPTIMISERS),
    Knob("dropout", "LoRA dropout", "number", 0.05, "0 to below 1."),
    Knob("ema", "Moving average", "number", 0.0, "Decay of the weights' average; 0 for none."),
    Knob("precision", "Precision", "choice", "auto", "bf16 halves memory on a GPU.", choices=PRECISIONS),
    Knob("gradient_checkpointing", "Less memory", "switch", False, "Computes each block twice."),
    Knob("rslora", "Rank-stabilised LoRA", "switch", False, "For high ranks."),
    Knob("dora", "DoRA", "switch", False, "Weight-decomposed; slower."),
    Knob("targets", "Layers", "words", "", "attention, mlp, or names; empty for the model's own."),
    Knob(
        "time_distribution",
        "Flow times",
        "choice",
        "uniform",
        "Which noise levels.",
        choices=TIME_DISTRIBUTIONS,
    ),
    Knob("condition_dropout", "Crops without prompt", "number", 0.1, "Share, for guidance."),
    Knob("replay_share", "The base's own music", "number", 0.0, "Share of crops, against forgetting."),
    Knob("checkpoint_every", "Steps between checkpoints", "whole", 500),
    Knob("validate_steps", "Steps between validations", "whole", None, "0: after every epoch."),
    Knob("log_every", "Steps between log lines", "whole", 10),
    Knob("seed", "Seed", "whole", 0, "Of every random choice."),
    Knob(
        "sample_prompts",
        "Prompts to hear while training",
        "lines",
        "",
        "One a line; empty for the dataset's own.",
    ),
)


def component(knob: Knob) -> Any:
    """The component that sets a knob; to be called where it shall stand."""
    common: dict[str, Any] = {"label": knob.label, "info": knob.info or None, "elem_id": f"knob-{knob.name}"}
    if knob.least is not None:
        return gr.Slider(knob.least, knob.most, knob.value, step=knob.step, **common)
    if knob.kind == "choice":
        return gr.Dropdown(list(knob.choices), value=knob.value, **common)
    if knob.kind == "switch":
        return gr.Checkbox(knob.value, **common)
    if knob.kind in ("whole", "number"):
        return gr.Number(knob.value, precision=0 if knob.kind == "whole" else None, **common)
    return gr.Textbox(knob.value, lines=3 if knob.kind == "lines" else 1, max_length=2000, **common)


def read_config(knobs: Sequence[Knob], values: Sequence[Any], *, own_rate: bool = False) -> TrainConfig:
    """What was set.

    Args:
        knobs: In the order of the values.
        values: As the browser sent them.
        own_rate: Whether the model's own learning rate counts in place of the slider's.

    Raises:
        TrainingError: If a value is of the wrong type or out of range.
    """
    given = {knob.name: _read(knob, value) for knob, value in zip(knobs, values, strict=True)}
    if own_rate:
        given["learning_rate"] = None
    if given.get("max_steps") is not None:
        given["epochs"] = None
    return TrainConfig.from_dict({name: value for name, value in given.items() if value is not None})


def shown_values(knobs: Sequence[Knob], config: TrainConfig) -> list[Any]:
    """The values that show a configuration; the learning rate stays where it is if the model's own counts."""
    stored = config.as_dict()
    shown: list[Any] = []
    for knob in knobs:
        value = stored[knob.name]
        if isinstance(value, list):
            value = ("\n" if knob.kind == "lines" else ", ").join(map(str, value))
        shown.append(gr.skip() if value is None and knob.least is not None else value)
    return shown


def _read(knob: Knob, value: Any) -> Any:
    """A value in the type of its knob; None where it was left empty."""
    if knob.kind in ("words", "lines"):
        separator = "\n" if knob.kind == "lines" else ","
        return tuple(part.strip() for part in str(value or "").split(separator) if part.strip())
    if knob.kind in ("choice", "switch") or value is None or value == "":
        return None if value == "" else value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TrainingError(f"{knob.label} cannot be {str(value)[:40]!r}.", remedy="Give a number.")
    if knob.kind == "whole":
        if value != value or value in (float("inf"), float("-inf")) or value != int(value):
            raise TrainingError(f"{knob.label} cannot be {value}.", remedy="Give a whole number.")
        return int(value) or (None if knob.value is None else 0)
    return float(value)

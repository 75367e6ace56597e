"""The knobs of a training run as options, in the groups a person looks for them in.

Names, and what is shown as the default, are those of `TrainConfig` (a test compares them); it is not imported here,
so that `angen --help` need not wait for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import typer


@dataclass(frozen=True)
class Knob:
    """An option for a setting.

    Attributes:
        name: Of the setting.
        kind: What the command line takes; text for several values with commas between.
        default: As shown.
        help: One sentence.
        panel: The group it is shown in.
        least: Smallest value, where the command line can say so itself.
        items: Type of each of several values.
    """

    name: str
    kind: Any
    default: str
    help: str
    panel: str
    least: int | None = None
    items: type | None = None

    @property
    def flag(self) -> str:
        """Without its two hyphens."""
        return self.name.replace("_", "-")

    def read(self, value: Any) -> Any:
        """A value as `TrainConfig` takes it."""
        if self.items is None:
            return tuple(value) if isinstance(value, list) else value
        try:
            return tuple(self.items(part.strip()) for part in value.split(",") if part.strip())
        except ValueError as problem:
            raise typer.BadParameter(
                f"{value!r} is not a list like {self.default}.", param_hint=f"--{self.flag}"
            ) from problem


LENGTH, LEARNING, ADAPTER, MUSIC, KEEPING = "Length", "Learning", "Adapter", "Music", "Watching"

KNOBS = (
    Knob("epochs", int, "10 to 30, by the size of the dataset", "Times through all clips.", LENGTH, 1),
    Knob("max_steps", int, "none", "Steps in all, in place of epochs.", LENGTH, 1),
    Knob("audio_seconds", float, "none", "Seconds of audio heard in all, in place of epochs.", LENGTH),
    Knob("batch_size", int, "4", "Crops of one pass.", LENGTH, 1),
    Knob("accumulation", int, "1", "Batches whose gradients make one step.", LENGTH, 1),
    Knob("patience", int, "8", "Validations without a new best that end a run; 0 for never.", LENGTH, 0),
    Knob("min_gain", float, "0", "How far held-out loss must fall to count for patience.", LENGTH),
    Knob("learning_rate", float, "the model's own: 1e-3 for angen-tiny", "Peak learning rate.", LEARNING),
    Knob("scheduler", str, "cosine", "cosine, linear, constant, or wsd (constant, then linear).", LEARNING),
    Knob("warmup_steps", int, "20", "Steps in which the rate rises.", LEARNING, 0),
    Knob("final_rate_share", float, "0.1", "Where the rate ends, as a share of its peak.", LEARNING),
    Knob("optimiser", str, "adamw", "adamw, adamw-8bit, adafactor or prodigy.", LEARNING),
    Knob("betas", str, "0.9,0.99", "Decays of the optimiser's moving averages.", LEARNING, items=float),
    Knob("weight_decay", float, "0", "Of the optimiser.", LEARNING),
    Knob("clip_norm", float, "1", "Largest norm of a gradient.", LEARNING),
    Knob("ema", float, "0", "Decay of a moving average of the weights; 0 for none.", LEARNING),
    Knob("precision", str, "auto", "auto, fp32 or bf16.", LEARNING),
    Knob("gradient_checkpointing", bool, "off", "Less memory: compute each block twice.", LEARNING),
    Knob("seed", int, "0", "Of every random choice.", LEARNING, 0),
    Knob("rank", int, "16", "LoRA rank.", ADAPTER, 1),
    Knob("alpha", float, "32", "LoRA alpha.", ADAPTER),
    Knob("dropout", float, "0.05", "LoRA dropout.", ADAPTER),
    Knob("targets", str, "all", "Layers to change: names, attention, mlp or all.", ADAPTER, items=str),
    Knob("rslora", bool, "off", "Rank-stabilised LoRA.", ADAPTER),
    Knob("dora", bool, "off", "Weight-decomposed LoRA.", ADAPTER),
    Knob("crop_blocks", int, "the model's own: 4 for angen-tiny", "Blocks of a crop.", MUSIC, 1),
    Knob(
        "noisy_blocks",
        int,
        "all",
        "Blocks of a crop learnt from in a step; fewer need less memory.",
        MUSIC,
        1,
    ),
    Knob("condition_dropout", float, "0.1", "Share of crops without prompt.", MUSIC),
    Knob("beat_dropout", float, "0.2", "Share of crops without beat grid.", MUSIC),
    Knob("context_noise", float, "0.1", "Most noise on the past a block sees.", MUSIC),
    Knob("time_distribution", str, "uniform", "uniform or logit-normal flow times.", MUSIC),
    Knob("speed_shifts", str, "-2,-1,1,2", "Semitones of copies at other speeds.", MUSIC, items=int),
    Knob("speed_share", float, "0.5", "Share of crops from such copies.", MUSIC),
    Knob("replay_share", float, "0", "Share of crops of the base's own music, against forgetting.", MUSIC),
    Knob("log_every", int, "10", "Steps between log lines.", KEEPING, 1),
    Knob("checkpoint_every", int, "500", "Steps between checkpoints.", KEEPING, 1),
    Knob("keep_checkpoints", int, "2", "How many to keep.", KEEPING, 1),
    Knob("validate_every", int, "1", "Epochs between validations.", KEEPING, 1),
    Knob("validate_steps", int, "none", "Steps between validations, in place of epochs.", KEEPING, 1),
    Knob("sample_prompts", list[str], "the dataset's own", "Heard while training; may be repeated.", KEEPING),
    Knob("sample_every", int, "1", "Validations between such samples; 0 for never.", KEEPING, 0),
)

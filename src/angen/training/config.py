"""Every knob of a training run, typed and checked. An unknown one is an error."""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from angen.errors import TrainingError

if TYPE_CHECKING:
    from angen.model import ModelFacts

OPTIMISERS = ("adamw", "adamw-8bit", "adafactor", "prodigy")
SCHEDULERS = ("cosine", "linear", "constant", "wsd")
PRECISIONS = ("auto", "fp32", "bf16")
TIME_DISTRIBUTIONS = ("uniform", "logit-normal")
TARGET_GROUPS: dict[str, tuple[str, ...]] = {
    "attention": ("q_proj", "k_proj", "v_proj", "o_proj"),
    "mlp": ("gate_proj", "up_proj", "down_proj"),
}
BUDGETS = ("epochs", "max_steps", "audio_seconds")
DEFAULT_EPOCHS = 10


@dataclass(frozen=True)
class TrainConfig:
    """How an adapter is trained.

    Args:
        epochs: Times each clip is gone through, 1 or more; 10 if no other budget is set.
        max_steps: Optimiser steps in all, in place of `epochs`.
        audio_seconds: Seconds of crops seen in all, in place of `epochs`.
        batch_size: Crops of one forward pass, 1 or more.
        accumulation: Batches whose gradients make one step.
        learning_rate: Peak rate; None for the base model's own (1 for prodigy, which finds it itself).
        scheduler: After the warm-up: `cosine`, `linear`, `constant`, or `wsd` (constant, the last fifth linear).
        warmup_steps: Steps in which the rate rises from 0.
        final_rate_share: Where the rate ends, as a share of the peak rate.
        optimiser: `adamw`, `adamw-8bit` (bitsandbytes and CUDA), `adafactor`, or `prodigy` (an extra).
        betas: Decays of the optimiser's two moving averages, each 0 to below 1.
        weight_decay: Decoupled from the gradient.
        clip_norm: Largest norm of a step's gradient.
        rank: LoRA rank.
        alpha: LoRA alpha; the change is scaled by alpha / rank.
        dropout: LoRA dropout, 0 to below 1.
        targets: Layers to change: their names, or `attention`, `mlp`, `all`; none for the model's own choice.
        rslora: Rank-stabilised LoRA.
        dora: Weight-decomposed LoRA.
        ema: Decay of a moving average of the weights, 0 for none; validation, `best/` and `final/` use it.
        precision: `auto` (bf16 where the processor is fast in it), `fp32` or `bf16`.
        gradient_checkpointing: Compute each block again in the backward pass instead of keeping it in memory.
        seed: Of every random choice.
        crop_blocks: Blocks of latents in a crop; None for what the base was trained on.
        noisy_blocks: Blocks of a crop that are learnt from in a step, drawn anew each time; None for all. The rest
            is still seen as their past. Fewer need less memory and time, and the gradient is noisier.
        condition_dropout: Share of crops trained without prompt, for guidance.
        beat_dropout: Share of crops trained without a beat grid.
        context_noise: Up to this much noise (standard deviation) on the past a block sees.
        time_distribution: `uniform` or `logit-normal` flow times.
        speed_shifts: Semitones by which copies of the training clips are sped up or slowed down.
        speed_share: Share of crops taken from such copies.
        replay_share: Share of crops taken from the base's own music, so that it is not forgotten.
        patience: Validations without a new best after which a run ends; 0 for never.
        min_gain: How far held-out loss must fall to count as a new best for `patience`.
        log_every: Steps between log lines.
        checkpoint_every: Steps between checkpoints; each new best is one too.
        keep_checkpoints: How many checkpoints to keep.
        validate_every: Epochs between validations; the last step always validates.
        validate_steps: Steps between validations, in place of `validate_every`.
        sample_prompts: What is generated while training, to hear base and adapter; none for the dataset's own.
        sample_every: Validations between such samples; 0 for never.
    """

    epochs: int | None = None
    max_steps: int | None = None
    audio_seconds: float | None = None
    batch_size: int = 4
    accumulation: int = 1
    learning_rate: float | None = None
    scheduler: str = "cosine"
    warmup_steps: int = 20
    final_rate_share: float = 0.1
    optimiser: str = "adamw"
    betas: tuple[float, ...] = (0.9, 0.99)
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.05
    targets: tuple[str, ...] = ()
    rslora: bool = False
    dora: bool = False
    ema: float = 0.0
    precision: str = "auto"
    gradient_checkpointing: bool = False
    seed: int = 0
    crop_blocks: int | None = None
    noisy_blocks: int | None = None
    condition_dropout: float = 0.1
    beat_dropout: float = 0.2
    context_noise: float = 0.1
    time_distribution: str = "uniform"
    speed_shifts: tuple[int, ...] = (-2, -1, 1, 2)
    speed_share: float = 0.5
    replay_share: float = 0.0
    patience: int = 8
    min_gain: float = 0.0
    log_every: int = 10
    checkpoint_every: int = 500
    keep_checkpoints: int = 2
    validate_every: int = 1
    validate_steps: int | None = None
    sample_prompts: tuple[str, ...] = ()
    sample_every: int = 1

    def __post_init__(self) -> None:
        """Check every value, and name the first that is out of range."""
        for name, value in vars(self).copy().items():
            if isinstance(value, list):  # as JSON and TOML have them
                object.__setattr__(self, name, tuple(value))
        if self._budgets() == []:
            object.__setattr__(self, "epochs", DEFAULT_EPOCHS)
        self._check_types()
        self._check_ranges()
        self._check_choices()
        self._refuse_idle()

    def changed(self, **values: Any) -> TrainConfig:
        """The same with other values; a budget given takes the place of the one there was."""
        if any(values.get(name) is not None for name in BUDGETS):
            values = {**dict.fromkeys(BUDGETS), **values}
        if values.get("validate_every") is not None and "validate_steps" not in values:
            values["validate_steps"] = None
        return TrainConfig.from_dict({**self.as_dict(), **values})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """Read what `as_dict` gives, or a part of it; the rest is as by default.

        Raises:
            TrainingError: If a key is unknown, or a value of the wrong type or out of range.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        for key in values:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, 1)
                raise TrainingError(
                    f"There is no setting {key!r}" + (f"; did you mean {near[0]}?" if near else "."),
                    remedy="See docs/training.md for every setting.",
                )
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """All values, for `metadata.json`."""
        values = dataclasses.asdict(self)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}

    @property
    def crops_per_step(self) -> int:
        """Crops of one optimiser step, all batches and processes together."""
        return self.batch_size * self.accumulation

    def _budgets(self) -> list[str]:
        return [name for name in BUDGETS if getattr(self, name) is not None]

    def _check_types(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            value, kinds = getattr(self, name), _KINDS[str(hint)]
            parts = value if isinstance(value, tuple) and kinds.many else [value]
            fits = isinstance(value, tuple) == kinds.many and all(
                isinstance(part, kinds.types) and isinstance(part, bool) == (bool in kinds.types)
                for part in parts
            )
            self._expect(name, fits or (value is None and kinds.optional), kinds.words)

    def _check_ranges(self) -> None:
        for name, (low, high, words) in _RANGES.items():
            value = getattr(self, name)
            self._expect(name, value is None or low <= value <= high, words)
        most = 10.0 if self.optimiser == "prodigy" else 0.1
        rate = self.learning_rate
        self._expect("learning_rate", rate is None or 0 < rate <= most, f"above 0, at most {most:g}")
        for name in ("alpha", "clip_norm"):
            self._expect(name, 0 < getattr(self, name) < math.inf, "above 0")
        for name in ("dropout", "ema"):
            self._expect(name, 0 <= getattr(self, name) < 1, "0 to below 1")
        fits = len(self.betas) == 2 and all(0 <= beta < 1 for beta in self.betas)
        self._expect("betas", fits, "two numbers, each 0 to below 1")
        seconds = self.audio_seconds
        self._expect("audio_seconds", seconds is None or 0 < seconds < math.inf, "above 0")
        fits = all(-12 <= shift <= 12 and shift for shift in self.speed_shifts)
        self._expect("speed_shifts", fits, "-12 to 12, not 0")
        self._expect("sample_prompts", all(text.strip() for text in self.sample_prompts), "words")

    def _check_choices(self) -> None:
        for name, choices in (
            ("optimiser", OPTIMISERS),
            ("scheduler", SCHEDULERS),
            ("precision", PRECISIONS),
            ("time_distribution", TIME_DISTRIBUTIONS),
        ):
            words = f"{', '.join(choices[:-1])} or {choices[-1]}"
            self._expect(name, getattr(self, name) in choices, words)
        known = {"all", *TARGET_GROUPS, *(name for group in TARGET_GROUPS.values() for name in group)}
        words = f"some of {', '.join(sorted(known))}"
        self._expect("targets", set(self.targets) <= known, words)

    def _refuse_idle(self) -> None:
        """A setting that would change nothing is refused."""
        if len(self._budgets()) > 1:
            raise TrainingError(
                f"{' and '.join(self._budgets())} are both set; a run has one budget.",
                remedy="Keep one of them.",
            )
        idle = {
            "betas": self.optimiser == "adafactor",
            "final_rate_share": self.scheduler == "constant",
            "validate_every": self.validate_steps is not None,
            "min_gain": self.patience == 0,
        }
        for name, has_no_use in idle.items():
            default = type(self).__dataclass_fields__[name].default
            if has_no_use and getattr(self, name) != default:
                raise TrainingError(
                    f"{name} is {getattr(self, name)!r}, which would change nothing with these other settings.",
                    remedy=f"Leave {name} out.",
                )

    def _expect(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise TrainingError(
                f"{name} is {getattr(self, name)!r}; expected {expected}.",
                remedy="Change it and start again.",
            )


@dataclass(frozen=True)
class _Kind:
    types: tuple[type, ...]
    words: str
    many: bool = False
    optional: bool = False


_KINDS = {
    "<class 'int'>": _Kind((int,), "a whole number"),
    "<class 'float'>": _Kind((int, float), "a number"),
    "<class 'bool'>": _Kind((bool,), "true or false"),
    "<class 'str'>": _Kind((str,), "a word"),
    "int | None": _Kind((int,), "a whole number", optional=True),
    "float | None": _Kind((int, float), "a number", optional=True),
    "tuple[float, ...]": _Kind((int, float), "numbers", many=True),
    "tuple[int, ...]": _Kind((int,), "whole numbers", many=True),
    "tuple[str, ...]": _Kind((str,), "words", many=True),
}
_ONE, _SHARE, _NOT_NEGATIVE = (1, math.inf, "1 or more"), (0, 1, "0 to 1"), (0, math.inf, "0 or more")
_RANGES: dict[str, tuple[float, float, str]] = {
    **dict.fromkeys(("epochs", "max_steps", "batch_size", "accumulation", "crop_blocks"), _ONE),
    "noisy_blocks": _ONE,
    **dict.fromkeys(("log_every", "checkpoint_every", "keep_checkpoints"), _ONE),
    **dict.fromkeys(("validate_every", "validate_steps"), _ONE),
    **dict.fromkeys(("condition_dropout", "beat_dropout", "speed_share", "replay_share"), _SHARE),
    "final_rate_share": _SHARE,
    **dict.fromkeys(("weight_decay", "context_noise", "min_gain"), _NOT_NEGATIVE),
    **dict.fromkeys(("patience", "warmup_steps", "sample_every"), _NOT_NEGATIVE),
    "rank": (1, 512, "1 to 512"),
    "seed": (0, 2**31 - 1, "0 to 2147483647"),
}


def targets_of(facts: ModelFacts, config: TrainConfig) -> tuple[str, ...]:
    """The layers an adapter of this model changes, in the model's order.

    Raises:
        TrainingError: If the model has no such layer to change.
    """
    if not config.targets:
        return facts.lora_targets
    wanted: set[str] = set()
    for name in config.targets:
        wanted |= set(facts.lora_targets if name == "all" else TARGET_GROUPS.get(name, (name,)))
    foreign = sorted(wanted.difference(facts.lora_targets))
    if foreign:
        raise TrainingError(
            f"targets has {', '.join(foreign)}, which {facts.id} does not offer.",
            remedy=f"It offers {', '.join(facts.lora_targets)}.",
        )
    return tuple(name for name in facts.lora_targets if name in wanted)


def read_settings(path: Path) -> dict[str, Any]:
    """The settings a `.toml` or `.json` file holds, to be checked by `TrainConfig.from_dict`.

    Raises:
        TrainingError: If it cannot be read, or is no table of settings.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as problem:
        raise TrainingError(
            f"The settings in {str(path)!r} cannot be read: {problem}.",
            remedy="Give a .toml or .json file of settings, as in docs/training.md.",
        ) from problem
    if not isinstance(values, dict):
        raise TrainingError(
            f"{str(path)!r} holds no table of settings.", remedy="Write it as in docs/training.md."
        )
    return values

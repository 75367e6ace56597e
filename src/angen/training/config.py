"""Every knob of a training run, checked."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from angen.errors import TrainingError


@dataclass(frozen=True)
class TrainConfig:
    """How an adapter is trained.

    Args:
        epochs: Times each clip is gone through, 1 or more.
        batch_size: Crops a step, 1 or more.
        learning_rate: Peak rate of AdamW; None for the base model's own.
        rank: LoRA rank.
        alpha: LoRA alpha; the change is scaled by alpha / rank.
        dropout: LoRA dropout, 0 to below 1.
        rslora: Rank-stabilised LoRA.
        dora: Weight-decomposed LoRA.
        seed: Of every random choice.
        crop_blocks: Blocks of latents in a crop; None for what the base was trained on.
        accumulation: Batches whose gradients are averaged into one step.
        weight_decay: Of AdamW.
        warmup_steps: Steps in which the rate rises from 0.
        final_rate_share: Where the cosine ends, as a share of the peak rate.
        clip_norm: Largest norm of a step's gradient.
        condition_dropout: Share of crops trained without prompt, for guidance.
        beat_dropout: Share of crops trained without a beat grid.
        context_noise: Up to this much noise (standard deviation) on the past a block sees.
        time_distribution: `uniform` or `logit-normal` flow times.
        speed_shifts: Semitones by which copies of the training clips are sped up or slowed down.
        speed_share: Share of crops taken from such copies.
        replay_share: Share of crops taken from the base's own music, so that it is not forgotten.
        patience: Validations without a new best after which a run ends; 0 for never.
        log_every: Steps between log lines.
        checkpoint_every: Steps between checkpoints; each new best is one too.
        validate_every: Epochs between validations; the last epoch always validates.
        keep_checkpoints: How many checkpoints to keep.
    """

    epochs: int = 10
    batch_size: int = 4
    learning_rate: float | None = None
    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.05
    rslora: bool = False
    dora: bool = False
    seed: int = 0
    crop_blocks: int | None = None
    accumulation: int = 1
    weight_decay: float = 0.0
    warmup_steps: int = 20
    final_rate_share: float = 0.1
    clip_norm: float = 1.0
    condition_dropout: float = 0.1
    beat_dropout: float = 0.2
    context_noise: float = 0.1
    time_distribution: str = "uniform"
    speed_shifts: tuple[int, ...] = (-2, -1, 1, 2)
    speed_share: float = 0.5
    replay_share: float = 0.0
    patience: int = 4
    log_every: int = 10
    checkpoint_every: int = 500
    validate_every: int = 1
    keep_checkpoints: int = 2

    def __post_init__(self) -> None:
        """Check every value, and name the first that is out of range."""
        at_least_one = (
            "epochs", "batch_size", "rank", "accumulation", "log_every", "checkpoint_every", "validate_every",
            "keep_checkpoints",
        )  # fmt: skip
        for name in at_least_one:
            self._expect(name, getattr(self, name) >= 1, "1 or more")
        for name in ("condition_dropout", "beat_dropout", "speed_share", "final_rate_share", "replay_share"):
            self._expect(name, 0 <= getattr(self, name) <= 1, "0 to 1")
        self._expect("dropout", 0 <= self.dropout < 1, "0 to below 1")
        self._expect("rank", self.rank <= 512, "at most 512")
        self._expect("alpha", self.alpha > 0, "above 0")
        self._expect(
            "learning_rate",
            self.learning_rate is None or 0 < self.learning_rate <= 0.1,
            "above 0, at most 0.1",
        )
        self._expect("crop_blocks", self.crop_blocks is None or self.crop_blocks >= 1, "1 or more")
        self._expect("weight_decay", self.weight_decay >= 0, "0 or more")
        self._expect("patience", self.patience >= 0, "0 or more")
        self._expect("warmup_steps", self.warmup_steps >= 0, "0 or more")
        self._expect("context_noise", self.context_noise >= 0, "0 or more")
        self._expect("clip_norm", self.clip_norm > 0, "above 0")
        self._expect("seed", 0 <= self.seed < 2**31, "0 to 2147483647")
        self._expect(
            "time_distribution",
            self.time_distribution in ("uniform", "logit-normal"),
            "uniform or logit-normal",
        )
        self._expect(
            "speed_shifts",
            all(-12 <= shift <= 12 and shift for shift in self.speed_shifts),
            "-12 to 12, not 0",
        )

    def as_dict(self) -> dict[str, Any]:
        """All values, for `metadata.json`."""
        return {**dataclasses.asdict(self), "speed_shifts": list(self.speed_shifts)}

    def _expect(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise TrainingError(
                f"{name} is {getattr(self, name)!r}; expected {expected}.",
                remedy="Change it and start again.",
            )

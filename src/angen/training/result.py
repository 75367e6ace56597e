"""What a run has come to, as it is kept in checkpoints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from angen.training.validation import Validation


@dataclass
class TrainResult:
    """What a run has come to.

    Attributes:
        steps: Optimiser steps done.
        finished: False if it was stopped.
        best_step: The step of `best/`.
        validations: (step, validation) pairs, step 0 first.
        train_losses: (step, loss) pairs.
        seconds: Time spent in the loop, all attempts together.
        tokens_per_s: Frames the network was given a second, noisy and clean, in this attempt; 0 if no step was done.
    """

    steps: int = 0
    finished: bool = False
    best_step: int = 0
    validations: list[tuple[int, Validation]] = field(default_factory=list)
    train_losses: list[tuple[int, float]] = field(default_factory=list)
    seconds: float = 0.0
    tokens_per_s: float = 0.0

    @property
    def base(self) -> Validation:
        """The base model's score."""
        return self.validations[0][1]

    @property
    def best(self) -> Validation:
        """The score of `best/`."""
        return next(score for step, score in self.validations if step == self.best_step)

    def validations_without_gain(self, min_gain: float) -> int:
        """How many validations in a row, up to the last, have not brought the loss down by more than `min_gain`."""
        lowest, count = float("inf"), 0
        for _, score in self.validations:
            if score.loss < lowest - min_gain:
                lowest, count = score.loss, 0
            else:
                count += 1
        return count

    def as_state(self) -> dict[str, Any]:
        """For a checkpoint's `state.json`."""
        return {
            "step": self.steps,
            "best_step": self.best_step,
            "validations": [[step, score.loss, list(score.loss_by_time)] for step, score in self.validations],
            "train_losses": [[step, loss] for step, loss in self.train_losses],
            "seconds": self.seconds,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> TrainResult:
        """The reverse of `as_state`."""
        return cls(
            steps=state["step"],
            best_step=state["best_step"],
            validations=[
                (step, Validation(loss, tuple(by_time))) for step, loss, by_time in state["validations"]
            ],
            train_losses=[(step, loss) for step, loss in state["train_losses"]],
            seconds=state["seconds"],
        )

"""How fast a run is, from its own steps: what is left of it, and the speed to expect of the next one."""

from __future__ import annotations

from dataclasses import dataclass, field

from angen.training.clips import Plan
from angen.training.config import TrainConfig

KNOWN_AFTER = 20  # steps of this attempt


@dataclass
class Pace:
    """Times of a run's steps and validations.

    Args:
        plan: Of the run.
        config: Likewise.
        tokens_per_step: Frames the network is given in a step, noisy and clean, all processes together.
    """

    plan: Plan
    config: TrainConfig
    tokens_per_step: int
    _steps: int = field(default=0, init=False)
    _step_seconds: float = field(default=0.0, init=False)
    _validation_seconds: float = field(default=0.0, init=False)

    def stepped(self, seconds: float) -> None:
        """Take in a step's time; the first one warms the caches and does not count where there are more."""
        self._steps += 1
        self._step_seconds = seconds if self._steps <= 2 else self._step_seconds + seconds

    def validated(self, seconds: float) -> None:
        """Take in a validation's time, previews included."""
        self._validation_seconds = seconds

    @property
    def is_known(self) -> bool:
        """Whether enough steps were done."""
        return self._steps >= KNOWN_AFTER

    @property
    def just_known(self) -> bool:
        """Whether the last step was the one that made it known."""
        return self._steps == KNOWN_AFTER

    @property
    def seconds_per_step(self) -> float:
        """Mean over this attempt; 0 before any step."""
        return self._step_seconds / max(1, self._steps - 1)

    @property
    def tokens_per_s(self) -> float:
        """Mean over this attempt; 0 before any step."""
        return self.tokens_per_step / self.seconds_per_step if self._steps else 0.0

    def seconds_left(self, step: int) -> float:
        """Time from the end of this step to the end of the plan, if no patience ends it before."""
        left = self.plan.steps - step
        rest = range(step + 1, self.plan.steps + 1)
        validations = sum(self.plan.is_validated(at, self.config) for at in rest)
        return left * self.seconds_per_step + validations * self._validation_seconds

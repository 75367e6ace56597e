"""The training loop: attach, step, log, validate, checkpoint; stop and resume exactly.

The loop reads straight down. It knows a model, clips and a folder; datasets and previews are the workflow's.
"""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from angen.adapters.lora import LoraSpec, attach, detach, save_adapter, trainable
from angen.errors import TrainingError
from angen.model import MusicModel
from angen.progress import Progress, ProgressCallback, no_progress
from angen.training.checkpoint import (
    checkpoints,
    load_checkpoint,
    prune,
    read_state,
    save_checkpoint,
    whole_folder,
)
from angen.training.clips import Plan, TrainingClip, crop_batches, crop_frames_of, step_generator
from angen.training.config import TrainConfig
from angen.training.validation import TIMES, Validation, validate

LOG = "log.jsonl"
SMOOTHING = 20


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
    """

    steps: int = 0
    finished: bool = False
    best_step: int = 0
    validations: list[tuple[int, Validation]] = field(default_factory=list)
    train_losses: list[tuple[int, float]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def base(self) -> Validation:
        """The base model's score."""
        return self.validations[0][1]

    @property
    def best(self) -> Validation:
        """The score of `best/`."""
        return next(score for step, score in self.validations if step == self.best_step)

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


def learning_rate(step: int, steps: int, peak: float, config: TrainConfig) -> float:
    """Warm-up from 0, then half a cosine to `final_rate_share` of the peak; `step` counts from 0."""
    warmup = min(config.warmup_steps, steps)
    if step < warmup:
        return peak * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    share = config.final_rate_share
    return peak * (share + (1 - share) * 0.5 * (1 + math.cos(math.pi * done)))


def refuse_empty(clips: Sequence[object], held_out: Sequence[object]) -> None:
    """Make sure that there is something to learn and something to validate on.

    Raises:
        TrainingError: If there is not.
    """
    if not clips or not held_out:
        raise TrainingError(
            f"{len(clips)} clips to train on and {len(held_out)} to validate; both need one at least.",
            remedy="Prepare the dataset from more recordings.",
        )


def train(
    model: MusicModel,
    clips: Sequence[TrainingClip],
    held_out: Sequence[TrainingClip],
    config: TrainConfig,
    folder: Path,
    *,
    replay: Sequence[TrainingClip] = (),
    resume: bool = False,
    on_progress: ProgressCallback = no_progress,
    should_stop: Callable[[], bool] = lambda: False,
) -> TrainResult:
    """Train an adapter into `folder`: `best/`, `final/`, `checkpoints/`, `tensorboard/`, `log.jsonl`.

    The base is frozen and is the base again, bit for bit, when this returns or raises.

    Args:
        model: The base.
        clips: Clips to learn.
        held_out: Clips of songs not among them.
        config: Every knob.
        folder: Of the adapter; its `metadata.json` is the workflow's.
        replay: The base's own music, mixed in as `config.replay_share` says.
        resume: Go on from the last checkpoint in `folder`, if there is one.
        on_progress: Told of every step.
        should_stop: Asked after every step; True saves a checkpoint and returns.

    Raises:
        TrainingError: If there is nothing to train or validate on, or the loss is no longer a number. The last
            checkpoint is intact then.
    """
    refuse_empty(clips, held_out)
    facts = model.facts
    targets = LoraSpec(
        config.rank, config.alpha, config.dropout, facts.lora_targets, config.rslora, config.dora
    )
    wrapped = attach(model.network, targets, seed=config.seed)
    try:
        run = _Run(model, wrapped, clips, held_out, config, folder, on_progress, replay)
        run.start(resume)
        return run.fit(should_stop)
    finally:
        detach(wrapped)
        model.network.requires_grad_(False)
        model.network.eval()


class _Run:
    """One run's moving parts: the optimiser, what has been reached, and where it is written."""

    def __init__(
        self,
        model: MusicModel,
        wrapped: Any,
        clips: Sequence[TrainingClip],
        held_out: Sequence[TrainingClip],
        config: TrainConfig,
        folder: Path,
        on_progress: ProgressCallback,
        replay: Sequence[TrainingClip] = (),
    ) -> None:
        self.replay = replay
        self.model, self.wrapped, self.clips, self.held_out = model, wrapped, clips, held_out
        self.config, self.folder, self.on_progress = config, folder, on_progress
        self.crop_frames = crop_frames_of(model.facts, config)
        self.plan = Plan.of(clips, self.crop_frames, config)
        self.weights = list(trainable(wrapped).values())
        self.peak_rate = config.learning_rate or model.facts.learning_rate
        self.optimiser = torch.optim.AdamW(
            self.weights, lr=self.peak_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay, foreach=True
        )
        self.result = TrainResult()
        self.recent: deque[float] = deque(maxlen=SMOOTHING)
        self.began = time.monotonic()

    def start(self, resume: bool) -> None:
        """Begin at step 0 with the base's score, or where the last checkpoint is."""
        found = checkpoints(self.folder / "checkpoints") if resume else []
        if found:
            state = read_state(found[-1], [*self.result.as_state(), "plan"])
            if state["plan"] != self._fingerprint():
                raise TrainingError(
                    f"{found[-1]} was made with other settings or clips.",
                    remedy="Resume with the same settings, or start under a new name.",
                )
            load_checkpoint(found[-1], self.wrapped, self.optimiser)
            self.result = TrainResult.from_state(state)
            self.recent.extend(loss for _, loss in self.result.train_losses[-SMOOTHING:])
            self.began -= self.result.seconds
            self._note("resumed", step=self.result.steps)
            if self.result.best_step == self.result.steps:
                self._save_best()  # the process may have ended between this checkpoint and it
            return
        self.on_progress(Progress("training", 0, self.plan.steps, "scoring the base model"))
        self._validate()
        self._save_best()

    def fit(self, should_stop: Callable[[], bool]) -> TrainResult:
        """Step until the plan is done or somebody asks to stop."""
        from torch.utils.tensorboard import SummaryWriter

        result, config = self.result, self.config
        self.model.network.train()
        with SummaryWriter(str(self.folder / "tensorboard"), purge_step=result.steps + 1) as board:
            if result.steps == 0:
                board.add_scalar("validation/loss", result.base.loss, 0)
            while not self._is_over():
                loss, rate = self._step(result.steps)
                result.steps += 1
                result.train_losses.append((result.steps, loss))
                self.recent.append(loss)
                epoch, place = divmod(result.steps, self.plan.steps_per_epoch)
                self._report(rate, board)
                if place == 0 and (epoch % config.validate_every == 0 or epoch == config.epochs):
                    self._validate()
                    board.add_scalar("validation/loss", result.validations[-1][1].loss, result.steps)
                stopping, is_best = should_stop(), result.best_step == result.steps
                last = self._is_over()
                if stopping or last or is_best or result.steps % config.checkpoint_every == 0:
                    self._checkpoint()
                if is_best:  # after its checkpoint, so that no resumed run falls back behind it
                    self._save_best()
                if stopping and not last:
                    self._note("stopped", step=result.steps)
                    return result
        if result.steps < self.plan.steps:
            self._note("settled", step=result.steps, best_step=result.best_step)
        with whole_folder(self.folder / "final") as final:
            save_adapter(self.wrapped, final)
        result.finished = True
        self._note("finished", step=result.steps, best_step=result.best_step)
        return result

    def _is_over(self) -> bool:
        """Whether the plan is done, or held-out songs have not gained for as long as patience lasts."""
        result, patience = self.result, self.config.patience
        since_best = sum(step > result.best_step for step, _ in result.validations)
        return result.steps >= self.plan.steps or 0 < patience <= since_best

    def _step(self, step: int) -> tuple[float, float]:
        """One optimiser step; its loss and its rate."""
        rate = learning_rate(step, self.plan.steps, self.peak_rate, self.config)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        indices, facts = self.plan.clips_of_step(step), self.model.facts
        batches = crop_batches(self.clips, indices, facts, self.config, step, self.replay)
        total = 0.0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(step_generator(self.config.seed, step).initial_seed() ^ 0x5A5A)  # LoRA dropout
            for batch in batches:
                loss = self.model.loss(batch).mean() / len(batches)
                loss.backward()  # type: ignore[no-untyped-call]
                total += float(loss.detach())
        norm = float(torch.nn.utils.clip_grad_norm_(self.weights, self.config.clip_norm))
        self._expect_number("loss", step + 1, total)
        self._expect_number("gradient", step + 1, norm)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return total, rate

    def _report(self, rate: float, board: Any) -> None:
        result, steps = self.result, self.plan.steps
        result.seconds = time.monotonic() - self.began
        mean = sum(self.recent) / len(self.recent)
        epoch = min(self.config.epochs, (result.steps - 1) // self.plan.steps_per_epoch + 1)
        note = f"Epoch {epoch}/{self.config.epochs} | Step {result.steps} | Loss: {mean:.3f}"
        self.on_progress(Progress("training", result.steps, steps, note))
        if result.steps % self.config.log_every == 0 or result.steps == steps:
            self._note("step", step=result.steps, loss=result.train_losses[-1][1], mean_loss=mean, rate=rate)
            board.add_scalar("train/loss", mean, result.steps)
            board.add_scalar("train/learning_rate", rate, result.steps)

    def _validate(self) -> None:
        score = validate(self.model, self.held_out, self.crop_frames)
        result = self.result
        self._expect_number("held-out loss", result.steps, score.loss)
        result.validations.append((result.steps, score))
        by_time = {f"{time:g}": loss for time, loss in zip(TIMES, score.loss_by_time, strict=True)}
        self._note("validation", step=result.steps, loss=score.loss, loss_by_time=by_time)
        if result.steps == 0 or score.loss < result.best.loss:
            result.best_step = result.steps

    def _save_best(self) -> None:
        with whole_folder(self.folder / "best") as best:
            save_adapter(self.wrapped, best)

    def _expect_number(self, name: str, step: int, value: float) -> None:
        if not math.isfinite(value):
            raise TrainingError(
                f"The {name} of step {step} is {value}.",
                remedy="Start again with a lower learning rate; the last checkpoint is intact.",
            )

    def _checkpoint(self) -> None:
        root = self.folder / "checkpoints"
        state = {**self.result.as_state(), "plan": self._fingerprint()}
        save_checkpoint(root / f"step_{self.result.steps:06d}", self.wrapped, self.optimiser, state)
        prune(root, self.config.keep_checkpoints)

    def _fingerprint(self) -> dict[str, Any]:
        """What a resumed run must share with the one it goes on with."""
        return {
            "config": self.config.as_dict(),
            "base_hash": self.model.facts.base_hash,
            "clips": [_known_by(clip) for clip in self.clips],
            "held_out": [_known_by(clip) for clip in self.held_out],
            "replay": [_known_by(clip) for clip in self.replay],
        }

    def _note(self, kind: str, **values: Any) -> None:
        """Append a line to `log.jsonl`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        line = {"kind": kind, "seconds": round(time.monotonic() - self.began, 2), **values}
        with (self.folder / LOG).open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(line) + "\n")


def _known_by(clip: TrainingClip) -> list[Any]:
    return [clip.clip_id, clip.frames, *(words.text for words in clip.original.conditions)]

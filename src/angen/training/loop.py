"""The training loop: attach, step, log, validate, checkpoint; stop and resume exactly.

The loop reads straight down. It knows a model, clips and a folder; datasets and previews are the workflow's.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from angen.adapters.lora import LoraSpec, attach, detach, save_adapter, trainable
from angen.errors import TrainingError
from angen.files import remove_left_overs
from angen.model import MusicModel
from angen.model.precision import chosen_precision
from angen.progress import Progress, ProgressCallback, no_progress
from angen.training.board import open_board
from angen.training.checkpoint import (
    load_newest,
    prune,
    read_state,
    save_checkpoint,
    unreadable,
    unwritable,
    whole_folder,
)
from angen.training.clips import (
    Plan,
    TrainingClip,
    crop_batches,
    crop_frames_of,
    network_frames_of,
    refuse_empty,
    step_generator,
)
from angen.training.config import TrainConfig, targets_of
from angen.training.distributed import ALONE, Processes
from angen.training.ema import Ema
from angen.training.events import EventCallback, EventLog, no_event
from angen.training.lora_layers import quicken
from angen.training.optimisers import optimiser_of, peak_rate
from angen.training.pace import Pace
from angen.training.recompute import recomputed
from angen.training.result import TrainResult
from angen.training.resume import cut_events, fingerprint, refuse_other
from angen.training.schedule import learning_rate
from angen.training.validation import TIMES, untouched, validate

SMOOTHING = 20


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
    on_event: EventCallback = no_event,
    on_validated: Callable[[int], None] = lambda step: None,
    processes: Processes = ALONE,
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
        on_event: Told of each line of `log.jsonl` as it is written.
        on_validated: Called with the step after each validation, step 0 too. The adapter acts then, and the
            network is in evaluation mode; whatever is drawn there leaves no trace on the run.
        processes: Who trains together; the first alone writes and tells.

    Raises:
        TrainingError: If there is nothing to train or validate on, the loss is no longer a number, the disk
            refuses, or the run to be resumed was another. The last checkpoint is intact then.
    """
    refuse_empty(clips, held_out)
    processes.share(config.crops_per_step)
    layers = targets_of(model.facts, config)
    spec = LoraSpec(config.rank, config.alpha, config.dropout, layers, config.rslora, config.dora)
    wrapped = attach(model.network, spec, seed=config.seed)
    quicken(wrapped)
    try:
        with ExitStack() as stack:
            stack.enter_context(chosen_precision(config.precision))
            stack.enter_context(recomputed(model.network, config.gradient_checkpointing))
            log = EventLog(folder, on_event, is_writer=processes.is_first)
            run = _Run(model, wrapped, clips, held_out, config, folder, replay, log, processes)
            if processes.is_first:
                run.on_progress, run.on_validated = on_progress, on_validated
            run.start(resume)
            return run.fit(should_stop)
    except (OSError, SafetensorError) as problem:
        raise unwritable(folder, problem) from problem
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
        replay: Sequence[TrainingClip],
        log: EventLog,
        processes: Processes,
    ) -> None:
        self.model, self.wrapped, self.clips, self.held_out = model, wrapped, clips, held_out
        self.config, self.folder, self.replay, self.log = config, folder, replay, log
        self.processes = processes
        self.on_progress: ProgressCallback = no_progress
        self.on_validated: Callable[[int], None] = lambda step: None
        self.crop_frames = crop_frames_of(model.facts, config)
        self.plan = Plan.of(clips, self.crop_frames, config, model.facts.latent_rate_hz)
        weights = trainable(wrapped)
        self.weights = list(weights.values())
        self.peak_rate = peak_rate(model.facts, config)
        self.optimiser = optimiser_of(self.weights, model.facts, config)
        self.ema = Ema(weights, config.ema)
        self.fingerprint = fingerprint(model.facts, config, clips, held_out, replay)
        self.result = TrainResult()
        self.recent: deque[float] = deque(maxlen=SMOOTHING)
        frames = network_frames_of(model.facts, config)
        self.pace = Pace(self.plan, config, frames * config.crops_per_step)

    def start(self, resume: bool) -> None:
        """Begin at step 0 with the base's score, or where the last checkpoint is."""
        if self.processes.is_first:
            for folder in (self.folder, self.folder / "checkpoints"):
                remove_left_overs(folder)
        found = self._load() if resume else None
        if found is not None:
            state, extra, damaged = found
            self.result = TrainResult.from_state(state)
            self.ema.load(extra)
            self._go_on(damaged)
            return
        if self.processes.is_first:
            cut_events(self.folder, -1)
        self.on_progress(Progress("training", 0, self.plan.steps, "scoring the base model"))
        self._validate()
        self._save_best()

    def _load(self) -> tuple[dict[str, Any], dict[str, torch.Tensor], list[str]] | None:
        """The newest whole checkpoint; the first process sets damaged ones aside before the others look."""
        root = self.folder / "checkpoints"
        return self.processes.first_then_others(
            lambda: load_newest(root, self.wrapped, self.optimiser, self._read_state)
        )

    def _read_state(self, checkpoint: Path) -> dict[str, Any]:
        """The state of a checkpoint of this run, known to make sense."""
        state = read_state(checkpoint, [*self.result.as_state(), "plan"])
        refuse_other(checkpoint, state["plan"], self.fingerprint)
        try:
            TrainResult.from_state(state)
        except (TypeError, ValueError, KeyError) as problem:
            raise unreadable(checkpoint, f"its state makes no sense: {problem}") from problem
        return state

    def _go_on(self, damaged: Sequence[str]) -> None:
        """Tell where the run goes on, and what could not be read."""
        result = self.result
        self.recent.extend(loss for _, loss in result.train_losses[-SMOOTHING:])
        self.log.began -= result.seconds
        repeated = cut_events(self.folder, result.steps) if self.processes.is_first else 0
        for problem in damaged:
            self.log.note("damaged", step=result.steps, problem=problem)
            note = f"{problem} Going on from step {result.steps}."
            self.on_progress(Progress("training", result.steps, self.plan.steps, note))
        self.log.note("resumed", step=result.steps, repeated=repeated)
        if result.best_step == result.steps:
            self._save_best()  # the process may have ended between this checkpoint and it

    def fit(self, should_stop: Callable[[], bool]) -> TrainResult:
        """Step until the plan is done or somebody asks to stop."""
        result, config = self.result, self.config
        self.model.network.train()
        with open_board(self.folder, result.steps, is_writer=self.processes.is_first) as board:
            if result.steps == 0:
                board.add_scalar("validation/loss", result.base.loss, 0)
            while not self._is_over():
                loss, rate = self._step(result.steps)
                result.steps += 1
                result.train_losses.append((result.steps, loss))
                self.recent.append(loss)
                self._report(rate, board)
                if self.plan.is_validated(result.steps, config):
                    self._validate()
                    board.add_scalar("validation/loss", result.validations[-1][1].loss, result.steps)
                self._correct_estimate()
                stopping = self.processes.any(should_stop())
                is_best, last = result.best_step == result.steps, self._is_over()
                if stopping or last or is_best or result.steps % config.checkpoint_every == 0:
                    board.flush()  # no resumed run tells these steps again
                    self._checkpoint()
                if is_best:  # after its checkpoint, so that no resumed run falls back behind it
                    self._save_best()
                if stopping and not last:
                    self.log.note("stopped", step=result.steps)
                    return result
        return self._finish()

    def _finish(self) -> TrainResult:
        result = self.result
        if result.steps < self.plan.steps:
            self.log.note("settled", step=result.steps, best_step=result.best_step)
        self._save("final")
        result.finished = True
        self.log.note("finished", step=result.steps, best_step=result.best_step)
        return result

    def _is_over(self) -> bool:
        """Whether the plan is done, or held-out songs have not gained for as long as patience lasts."""
        result, patience = self.result, self.config.patience
        is_settled = 0 < patience <= result.validations_without_gain(self.config.min_gain)
        return result.steps >= self.plan.steps or is_settled

    def _step(self, step: int) -> tuple[float, float]:
        """One optimiser step; its loss, the mean over all valid frames of all its crops, and its rate."""
        began, config, processes = time.perf_counter(), self.config, self.processes
        rate = learning_rate(step, self.plan.steps, self.peak_rate, config)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        part = processes.share(config.crops_per_step)
        clips = self.plan.clips_of_step(step)
        batches = crop_batches(self.clips, clips, self.model.facts, config, step, self.replay, part)
        frames = torch.tensor([float(sum(int(batch.valid.sum()) for batch in batches))])
        processes.add_up([frames])
        total = torch.zeros(1)
        with torch.random.fork_rng(devices=[]):
            own = step_generator(config.seed, step).initial_seed() ^ 0x5A5A  # LoRA dropout
            torch.manual_seed(own + processes.rank)
            for batch in batches:
                loss = (self.model.loss(batch) * batch.valid.sum(1)).sum() / frames[0]
                loss.backward()  # type: ignore[no-untyped-call]
                total += loss.detach()
        processes.add_up([total, *(w.grad for w in self.weights if w.grad is not None)])
        norm = float(torch.nn.utils.clip_grad_norm_(self.weights, config.clip_norm))
        self._expect_number("loss", step + 1, float(total))
        self._expect_number("gradient", step + 1, norm)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.ema.update(step + 1)
        self.pace.stepped(time.perf_counter() - began)
        return float(total), rate

    def _correct_estimate(self) -> None:
        """Tell how long the run will take, once that can be known from its own steps, and at each validation."""
        self.result.tokens_per_s = self.pace.tokens_per_s
        step = self.result.steps
        if self.pace.is_known and (self.pace.just_known or self.plan.is_validated(step, self.config)):
            left = self.pace.seconds_left(step)
            self.log.note(
                "estimate",
                step=step,
                steps=self.plan.steps,
                seconds_left=round(left, 3),
                seconds_total=round(self.log.seconds + left, 1),
                tokens_per_s=round(self.pace.tokens_per_s, 1),
            )

    def _report(self, rate: float, board: Any) -> None:
        result, steps = self.result, self.plan.steps
        result.seconds = self.log.seconds
        mean = sum(self.recent) / len(self.recent)
        epochs = self.plan.epochs
        epoch = min(epochs, (result.steps - 1) // self.plan.steps_per_epoch + 1)
        note = f"Epoch {epoch}/{epochs} | Step {result.steps} | Loss: {mean:.3f}"
        self.on_progress(Progress("training", result.steps, steps, note))
        if result.steps % self.config.log_every == 0 or result.steps == steps:
            self.log.note(
                "step", step=result.steps, loss=result.train_losses[-1][1], mean_loss=mean, rate=rate
            )
            board.add_scalar("train/loss", mean, result.steps)
            board.add_scalar("train/learning_rate", rate, result.steps)

    def _validate(self) -> None:
        began, result = time.perf_counter(), self.result
        with self.ema.in_place():
            score = self.processes.of_first(lambda: validate(self.model, self.held_out, self.crop_frames))
            self._expect_number("held-out loss", result.steps, score.loss)
            result.validations.append((result.steps, score))
            by_time = {f"{at:g}": loss for at, loss in zip(TIMES, score.loss_by_time, strict=True)}
            self.log.note("validation", step=result.steps, loss=score.loss, loss_by_time=by_time)
            if result.steps == 0 or score.loss < result.best.loss:
                result.best_step = result.steps
            with untouched(self.model.network):
                self.on_validated(result.steps)
        self.pace.validated(time.perf_counter() - began)

    def _save_best(self) -> None:
        self._save("best")
        self.log.note("best", step=self.result.best_step, loss=self.result.best.loss)

    def _save(self, part: str) -> None:
        """Write the adapter as it is to be used: with the moving average, if there is one."""
        if self.processes.is_first:
            with self.ema.in_place(), whole_folder(self.folder / part) as temporary:
                save_adapter(self.wrapped, temporary)
        self.processes.wait()

    def _expect_number(self, name: str, step: int, value: float) -> None:
        if not math.isfinite(value):
            raise TrainingError(
                f"The {name} of step {step} is {value}.",
                remedy="Start again with a lower learning rate; the last checkpoint is intact.",
            )

    def _checkpoint(self) -> None:
        if self.processes.is_first:
            root, step = self.folder / "checkpoints", self.result.steps
            state = {**self.result.as_state(), "plan": self.fingerprint}
            save_checkpoint(
                root / f"step_{step:06d}", self.wrapped, self.optimiser, state, self.ema.tensors()
            )
            prune(root, self.config.keep_checkpoints)
            self.log.note("checkpoint", step=step)
        self.processes.wait()

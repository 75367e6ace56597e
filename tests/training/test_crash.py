"""Killed at any moment, a run goes on to the very bytes of the run that nobody touched.

The trainer runs in a process of its own (`lives.py`) and is ended by SIGKILL, which no code of ours can answer. Moments
are drawn by seed: some at random after a step, some in the middle of saving, when a hidden folder is there.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from angen.training import TrainResult
from angen.training.checkpoint import checkpoints
from angen.training.resume import read_events

EVERY = 3
SETTINGS: dict[str, Any] = {
    "epochs": 60,
    "batch_size": 2,
    "accumulation": 2,
    "rank": 4,
    "alpha": 8.0,
    "dropout": 0.1,
    "warmup_steps": 2,
    "learning_rate": 1e-3,
    "log_every": 1,
    "checkpoint_every": EVERY,
    "validate_every": 5,
    "keep_checkpoints": 2,
    "patience": 0,
}


@pytest.fixture(scope="module")
def lives(killing: Any) -> Iterator[Any]:
    process = killing.Lives()
    yield process
    process.close()


@pytest.fixture(scope="module")
def whole(lives: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Path, float]]:
    """`whole(epochs)`: the folder of a run that nobody interrupted, and its seconds a step."""
    done: dict[int, tuple[Path, float]] = {}

    def run(epochs: int) -> tuple[Path, float]:
        if epochs not in done:
            folder = tmp_path_factory.mktemp("whole") / str(epochs)
            began = time.monotonic()
            life = lives.bury(lives.begin(folder=str(folder), settings={**SETTINGS, "epochs": epochs}))
            assert life.ended == "done", life.lines
            done[epochs] = folder, (time.monotonic() - began) / (2 * epochs)
        return done[epochs]

    return run


def _expect_whole(folder: Path, pattern: Path) -> None:
    """Every folder that can be seen holds all its files, and all tensors of the run's adapter."""
    expected = load_file(pattern / "final" / "adapter_model.safetensors")
    seen = [folder / name for name in ("best", "final") if (folder / name).exists()]
    for place in (*seen, *(folder / "checkpoints").glob("step_*")):
        json.loads((place / "adapter_config.json").read_text())
        tensors = load_file(place / "adapter_model.safetensors")
        assert {key: value.shape for key, value in tensors.items()} == {
            key: value.shape for key, value in expected.items()
        }
        if place.name.startswith("step_"):
            assert json.loads((place / "state.json").read_text())["step"] == int(place.name[5:])
            assert len(load_file(place / "optimiser.safetensors")) == 3 * len(expected)


def _expect_same(folder: Path, whole: Path, *, checkpoints_too: bool = True) -> None:
    """The same adapter, log and curves, and the same last checkpoints; nothing half-written is left."""
    last = [path.name for path in checkpoints(whole / "checkpoints")] if checkpoints_too else []
    files = ["best/adapter_model.safetensors", "final/adapter_model.safetensors"]
    files += [
        f"checkpoints/{name}/{kind}.safetensors" for name in last for kind in ("adapter_model", "optimiser")
    ]
    for file in files:
        assert (folder / file).read_bytes() == (whole / file).read_bytes(), file
    for kind, keys in (
        ("step", ("step", "loss", "mean_loss", "rate")),
        ("validation", ("step", "loss", "loss_by_time")),
        ("best", ("step", "loss")),
    ):
        told, expected = (
            [[event[key] for key in keys] for event in read_events(where) if event["kind"] == kind]
            for where in (folder, whole)
        )
        assert told == expected, kind
        assert [line[0] for line in told] == sorted({line[0] for line in told})
    for tag in ("train/loss", "validation/loss"):
        told, expected = (
            [
                (event.step, event.value)
                for event in EventAccumulator(str(where / "tensorboard")).Reload().Scalars(tag)
            ]
            for where in (folder, whole)
        )
        assert told == expected, tag
    assert list(folder.rglob(".*")) == []


def _kill(
    killing: Any, lives: Any, life: Any, folder: Path, target: int, delay_s: float, *, while_saving: bool
) -> None:
    """Let a life reach a step, then end it: a little later, or as soon as it is seen saving."""
    if while_saving:
        target += -target % EVERY  # told just before the checkpoint of it is begun
    while not life.is_dead and (not life.steps or life.steps[-1] < target):
        lives.hear(life, 30)
    end = time.monotonic() + (1.0 if while_saving else delay_s)
    while not life.is_dead and life.steps[-1] <= target + EVERY and time.monotonic() < end:
        if while_saving and killing.hidden(folder):
            time.sleep(delay_s / 50)
            break
        lives.hear(life, 0.0002 if while_saving else max(0.0, end - time.monotonic()))
    lives.kill(life)


def _survive(
    killing: Any, lives: Any, folder: Path, whole: Path, kills: int, epochs: int, step_s: float
) -> dict[str, int]:
    """Kill a run `kills` times, spread over its steps, and let it end; look at its folder after every kill."""
    source = random.Random(kills)
    steps, reached, told = 2 * epochs, 0, {"killed": 0, "while saving": 0, "repeated": 0}
    settings = {**SETTINGS, "epochs": epochs}
    for number in range(3 * kills):
        left = killing.hidden(folder)
        life = lives.begin(folder=str(folder), settings=settings)
        if told["killed"] < kills:
            target = round((steps - 4 * EVERY) * told["killed"] / kills) + source.choice([0, 0, 1])
            aimed = number % 5 in (1, 3)
            _kill(
                killing,
                lives,
                life,
                folder,
                target,
                source.uniform(0, 2 * EVERY * step_s),
                while_saving=aimed,
            )
        else:
            lives.bury(life)
        told["while saving"] += bool(killing.hidden(folder))
        _expect_whole(folder, whole)
        if life.steps:
            assert not left & killing.hidden(folder)
            resumed = [event for event in read_events(folder) if event["kind"] == "resumed"]
            from_step = resumed[-1]["step"] if resumed else 0
            assert 0 <= reached - from_step <= EVERY
            assert life.steps[0] in (from_step, from_step + 1)
            told["repeated"] += reached - from_step
            reached = max(reached if from_step else 0, life.steps[-1])
        if life.ended:
            assert life.ended == "done", life.ended
            break
        told["killed"] += 1
    return told


def test_a_run_killed_five_times_ends_as_if_nobody_had_touched_it(
    killing: Any, lives: Any, whole: Callable[..., tuple[Path, float]], tmp_path: Path
) -> None:
    pattern, step_s = whole(15)
    told = _survive(killing, lives, tmp_path / "run", pattern, 5, 15, step_s)
    assert told["killed"] == 5
    _expect_same(tmp_path / "run", pattern)


@pytest.mark.slow
def test_a_run_killed_at_a_hundred_moments_ends_as_if_nobody_had_touched_it(
    killing: Any, lives: Any, whole: Callable[..., tuple[Path, float]], tmp_path: Path
) -> None:
    pattern, step_s = whole(60)
    told = _survive(killing, lives, tmp_path / "run", pattern, 100, 60, step_s)
    assert told["killed"] == 100
    assert told["while saving"] >= 10, told
    _expect_same(tmp_path / "run", pattern)


@pytest.mark.parametrize("seed", range(3))
def test_asked_to_stop_at_random_steps_it_goes_on_as_if_nobody_had_asked(
    run: Callable[..., TrainResult], tmp_path: Path, seed: int
) -> None:
    """Ten steps of two batches, validated after every second; with a moving average beside the weights."""
    source, how = random.Random(seed), {"epochs": 5, "ema": 0.9, "log_every": 1, "checkpoint_every": 4}
    whole = run(tmp_path / "whole", **how)
    stops = sorted(source.sample(range(1, 10), 5)) if seed else [2, 4, 6, 7, 8]  # in and between validations
    for step in stops:
        done = iter(range(result_steps(tmp_path / "often") + 1, 11))
        stopped = run(
            tmp_path / "often", resume=True, should_stop=lambda done=done, at=step: next(done) >= at, **how
        )
        assert (stopped.finished, stopped.steps) == (False, step)
        assert checkpoints(tmp_path / "often" / "checkpoints")[-1].name == f"step_{step:06d}"
    result = run(tmp_path / "often", resume=True, **how)
    assert (result.train_losses, result.validations) == (whole.train_losses, whole.validations)
    _expect_same(tmp_path / "often", tmp_path / "whole", checkpoints_too=False)


def result_steps(folder: Path) -> int:
    """Where a run will go on."""
    found = checkpoints(folder / "checkpoints")
    return int(found[-1].name[5:]) if found else 0


@pytest.mark.slow
def test_asked_by_a_signal_at_any_moment_it_ends_with_a_checkpoint_of_its_last_step(
    lives: Any, whole: Callable[..., tuple[Path, float]], tmp_path: Path
) -> None:
    pattern, step_s = whole(15)
    source, settings, folder = random.Random(5), {**SETTINGS, "epochs": 15}, tmp_path / "run"
    for target in (1, 8, 9, 20):
        life = lives.begin(folder=str(folder), settings=settings)
        while not life.steps or life.steps[-1] < target:
            lives.hear(life, 30)
        time.sleep(source.uniform(0, 2 * step_s))
        os.kill(life.process, signal.SIGTERM)
        lives.bury(life)
        assert life.ended == "done", life.ended
        assert (
            target <= life.steps[-1] < 30
        )  # the signal may land as the step is told, before the next begins
        assert result_steps(folder) == life.steps[-1]
        assert read_events(folder)[-1]["kind"] == "stopped"
    assert lives.bury(lives.begin(folder=str(folder), settings=settings)).ended == "done"
    _expect_same(folder, pattern)

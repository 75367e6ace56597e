"""Kinds of job for tests, small and quick; real workers are given this module by `--kinds`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from angen.errors import TrainingError
from angen.files import write_text
from angen.jobs.kinds import Context, Kind, Kinds, Params, Stopped
from angen.progress import Progress
from angen.settings import Settings


class Count(Params):
    """Count to `steps`; a checkpoint after each, a line of `trace` for each."""

    steps: int = 3
    step_s: float = 0.05
    folder: str = ""


class Fail(Params):
    """Fail at `step`; `same` says whether each attempt fails with the same words."""

    how: str = "internal"
    step: int = 2
    same: bool = True


def count(settings: Settings, params: Count, context: Context) -> Any:
    """Go on from the last checkpoint, and say who did which step."""
    folder = Path(params.folder or settings.home / f"count-{context.job.id}")
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, trace = folder / "checkpoint", folder / "trace"
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    while done < params.steps:
        time.sleep(params.step_s)
        done += 1
        context.show(Progress("counting", done, params.steps))
        context.event("step", {"step": done})
        if context.should_stop():
            write_text(checkpoint, str(done))
            context.checkpointed(f"step {done}")
            raise Stopped
        with trace.open("a") as handle:
            handle.write(f"{context.job.attempt} {done} {os.getpid()}\n")
        write_text(checkpoint, str(done))
    return {"counted": done}


def deaf(settings: Settings, params: Count, context: Context) -> Any:
    """Make progress and never ask whether to stop."""
    for step in range(params.steps):
        context.show(Progress("not listening", step, params.steps))
        time.sleep(params.step_s)
    return None


def stuck(settings: Settings, params: Count, context: Context) -> Any:
    """Begin, and make no progress, while the heart beats."""
    context.show(Progress("hanging", 1, 2))
    if context.job.attempt > 1:
        return "went on"
    time.sleep(60)
    return None


def fail(settings: Settings, params: Fail, context: Context) -> Any:
    """Fail as asked."""
    for step in range(params.step + 1):
        context.report(Progress("failing", step, 10))
    if params.how == "typed":
        raise TrainingError("The loss of step 2 is nan.", remedy="Lower the learning rate.")
    raise RuntimeError("always" if params.same else f"attempt {context.job.attempt}")


def grow(settings: Settings, params: Count, context: Context) -> Any:
    """Start a process of its own, as an analysis does, and wait."""
    import subprocess
    import sys

    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    context.event("child", {"pid": child.pid})
    for step in range(params.steps):
        context.report(Progress("waiting", step, params.steps))
        time.sleep(params.step_s)
    return None


KINDS = Kinds(
    [
        Kind("count", Count, count, resumable=True, slot="accelerator"),
        Kind("light", Count, count, resumable=True),
        Kind("target", Count, count, target=lambda params: "the-same-thing"),
        Kind("deaf", Count, deaf),
        Kind("grow", Count, grow),
        Kind("stuck", Count, stuck, stuck_s=3.0),
        Kind("fail", Fail, fail),
    ]
)

"""A process that lends its body to many short lives of a trainer, so that killing one of them costs little.

Run as a program. Importing torch, peft and tensorboard takes seconds; this does it once and then forks. A fork holds
the same code and the same model as a new process would, and no state of training: that is made in the fork alone.

It reads requests from stdin, one JSON object a line, and forks for each:

    {"folder": F, "settings": {...}}                                the toy model of `conftest.py`, `training.train`
    {"workspace": W, "name": N, "settings": {...}, "resume": bool}  the model of argv[1], `workflows.train_adapter`

and writes lines to stdout: `born PID`, then of the child `at STAGE DONE` for each progress it tells and `done` when it
has returned (or `failed ERROR`), then `dead STATUS`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import peft
import torch
import torch.utils.tensorboard

from angen.cli.stopping import stop_on_interrupt
from angen.errors import AngenError
from angen.progress import Progress
from angen.settings import Settings
from angen.training import TrainConfig, train
from angen.workflows import calibrate
from angen.workflows.train import train_adapter

SHIFTS = (-2, 3)


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def toy() -> Any:
    """The module of the toy model."""
    spec = importlib.util.spec_from_file_location("toy", Path(__file__).with_name("conftest.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def live(request: dict[str, Any], model: Any) -> None:
    """One life: train, or go on training, until the end."""
    config = TrainConfig(**{**request["settings"], "speed_shifts": SHIFTS})
    torch.manual_seed(os.getpid())  # no life finds the randomness of another

    def on_progress(progress: Progress) -> None:
        say(f"at {progress.stage} {progress.done}")

    with stop_on_interrupt() as should_stop:
        how: dict[str, Any] = {"on_progress": on_progress, "should_stop": should_stop}
        if "workspace" in request:
            settings = Settings(Path(request["workspace"]))
            train_adapter(settings, request["name"], "mine", config, model, resume=request["resume"], **how)
            return
        clips = [model.clip(f"clip{frames}", frames, SHIFTS) for frames in (20, 8, 5, 13, 16)]
        held_out = [model.clip(f"held{frames}", frames) for frames in (16, 11)]
        train(model, clips, held_out, config, Path(request["folder"]), resume=True, **how)


def fork(request: dict[str, Any], model: Any) -> None:
    process = os.fork()
    if process == 0:
        try:
            live(request, model)
            say("done")
        except AngenError as error:
            say(f"failed {type(error).__name__} {error}".replace("\n", " "))
        finally:
            os._exit(0)
    say(f"born {process}")
    _, status = os.waitpid(process, 0)
    say(f"dead {status}")


def main() -> None:
    torch.set_num_threads(1)
    peft.PeftModel.create_or_update_model_card = lambda *_: None
    calibrate.NOISE_SCALES, calibrate.GUIDANCES, calibrate.PIECES = (1.05,), (0.75,), 2
    if len(sys.argv) > 1:
        from angen.model import AngenTiny

        model: Any = AngenTiny(Path(sys.argv[1]))
        _ = model.facts  # hashed once
    else:
        model = toy().ToyModel()
    say("ready")
    for line in sys.stdin:
        fork(json.loads(line), model)
    os._exit(0)  # an interpreter that clears up after itself takes seconds


if __name__ == "__main__":
    main()

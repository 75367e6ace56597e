"""One process of runs on the toy model: `launched_toy.py FOLDER COUNT RANK`, with what a launcher would tell it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import torch
from torch import distributed as group

from angen.training import Processes, TrainConfig, train

CONFIG = {
    "epochs": 3, "batch_size": 4, "accumulation": 2, "rank": 4, "dropout": 0.0, "warmup_steps": 2,
    "speed_shifts": (-2, 3), "checkpoint_every": 100, "ema": 0.9, "precision": "fp32", "log_every": 1,
}  # fmt: skip
CLIPS, HELD_OUT = (20, 8, 5, 13, 16, 40), (16, 11)


def toys() -> object:
    """The toy model of the tests beside this file."""
    spec = importlib.util.spec_from_file_location("toys", Path(__file__).with_name("conftest.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["toys"] = module
    spec.loader.exec_module(module)
    return module.ToyModel()


def go(folder: Path, action: str, processes: Processes) -> None:
    """Train whole, or stop after two steps, or go on."""
    model = toys()
    config = TrainConfig(**CONFIG)
    asked = iter(range(1, 1000))
    last = processes.rank == processes.count - 1
    train(
        model,
        [model.clip(f"clip{frames}", frames, config.speed_shifts) for frames in CLIPS],
        [model.clip(f"held{frames}", frames) for frames in HELD_OUT],
        config,
        folder,
        resume=action == "resume",
        should_stop=lambda: next(asked) >= 2 and action == "stop" and last,  # only one process is asked
        processes=processes,
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    root, count, rank = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    group.init_process_group("gloo", init_method=f"file://{root / 'meeting'}", world_size=count, rank=rank)
    torch.manual_seed(rank)
    for name, action in (("whole", "whole"), ("stopped", "stop"), ("resumed", "stop"), ("resumed", "resume")):
        go(root / name, action, Processes.joined())
    group.destroy_process_group()

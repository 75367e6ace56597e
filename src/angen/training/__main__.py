"""One of several processes that train an adapter together. `accelerate launch` starts as many as it is told.

    accelerate launch --cpu --num_processes 2 -m angen.training --home WORKSPACE --run run.toml

It is a door, and calls the workflow above this room (`pyproject.toml` lets it). SIGTERM and Ctrl-C save a
checkpoint and end the run: set `resume` in the file to go on.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from datetime import timedelta
from pathlib import Path

from angen.errors import AngenError
from angen.progress import Progress
from angen.settings import load_settings
from angen.training.distributed import Processes

_PATIENCE = timedelta(hours=12)  # for the first process, which validates, listens and calibrates alone


def main(words: list[str] | None = None) -> int:
    """Train; the exit code is 0 when finished, 130 when stopped, 1 when Angen refuses."""
    parser = argparse.ArgumentParser(prog="python -m angen.training", description="Train as one of several.")
    parser.add_argument("--home", type=Path, help="the workspace; without it ANGEN_HOME")
    parser.add_argument(
        "--run", type=Path, required=True, help="a .toml or .json file that describes the run"
    )
    given = parser.parse_args(words)
    from accelerate import PartialState

    PartialState(cpu=True, timeout=_PATIENCE)  # joins the processes; the network lives on the processor
    from torch import distributed as group

    processes = Processes.joined()
    try:
        return _train(given.home, given.run, processes)
    except AngenError as error:
        sys.stderr.write(f"[process {processes.rank}] Error: {error}\n")
        return 1
    finally:
        if group.is_initialized():
            group.destroy_process_group()


def _train(home: Path | None, run_file: Path, processes: Processes) -> int:
    from angen.workflows.launched import read_run, train_launched

    asked: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: asked.append(number))
    trained = train_launched(
        load_settings(home),
        read_run(run_file),
        processes,
        on_progress=_tell if processes.is_first else lambda _: None,
        should_stop=lambda: bool(asked),
    )
    if processes.is_first:
        told = {"folder": str(trained.folder), **trained.info.model_dump(mode="json")}
        sys.stdout.write(json.dumps(told) + "\n")
    return 0 if trained.result.finished else 130


def _tell(progress: Progress) -> None:
    sys.stderr.write(f"{progress.stage} {progress.fraction:.0%} {progress.note}\n")


if __name__ == "__main__":
    sys.exit(main())

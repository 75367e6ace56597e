"""The tests' side of `lives.py`: begin lives of a trainer, listen to them, end them."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("lives.py")


@dataclass
class Life:
    """What is known of one life of the trainer.

    Attributes:
        process: Its number.
        steps: Those it told, in order.
        lines: Everything it told.
        ended: "done", "failed …", or "" if it was killed.
    """

    process: int
    steps: list[int] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    ended: str = ""
    is_dead: bool = False


class Lives:
    """The process that forks trainers, seen from the test."""

    def __init__(self, *arguments: str, within: Sequence[str] = ()) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [*within, sys.executable, str(PROGRAM), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        self.rest = b""
        assert self._line(300) == "ready"

    def begin(self, **request: Any) -> Life:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        while not (line := self._line(120)).startswith(
            "born"
        ):  # a quick child may speak before it is announced
            raise AssertionError(line)
        return Life(int(line.split()[1]))

    def hear(self, life: Life, timeout: float) -> bool:
        """Take in one line of a life; False if there was none in time."""
        line = self._line(timeout)
        if line is None:
            return False
        life.lines.append(line)
        if line.startswith("at training"):
            life.steps.append(int(line.split()[2]))
        elif line.startswith("dead"):
            life.is_dead = True
        elif not line.startswith("at "):
            life.ended = line
        return True

    def bury(self, life: Life) -> Life:
        """Listen until the life has ended."""
        while not life.is_dead:
            assert self.hear(life, 120), "the trainer hangs"
        return life

    def kill(self, life: Life) -> None:
        """End a life as the system does when memory is short: at once, and nothing can be done about it."""
        if not life.is_dead:
            os.kill(life.process, signal.SIGKILL)
        self.bury(life)

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _line(self, timeout: float) -> Any:
        assert self.process.stdout is not None
        end = time.monotonic() + timeout
        while b"\n" not in self.rest:
            if not select.select([self.process.stdout], [], [], max(0.0, end - time.monotonic()))[0]:
                return None
            chunk = os.read(self.process.stdout.fileno(), 65536)
            assert chunk, "the process that forks has died"
            self.rest += chunk
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode()


def hidden(folder: Path) -> set[Path]:
    """What is being written in a run's folder, or was when its writer was killed."""
    roots = (folder, folder / "checkpoints")
    return {path for root in roots for ending in (".*.part*", ".*.old") for path in root.glob(ending)}

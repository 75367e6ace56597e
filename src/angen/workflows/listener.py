"""A process that analyses recordings one by one, for `analyze_files`.

It is a plain child process that is told a path per line and answers a record per line, both JSON. The
standard library's process pools would run a user's script a second time in each child unless it is guarded by
`if __name__ == "__main__"`, and when a child dies they do not say which file killed it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any, cast

_ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "VECLIB", "NUMEXPR")}


class Listener:
    """A child process that listens; started when first needed, and again after a file that killed it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._is_closed = False

    def record(self, path: str) -> dict[str, Any]:
        """The record of one file, as `analyze_file` makes it."""
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(path).encode() + b"\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except (BrokenPipeError, ValueError):  # ValueError: closed meanwhile
            answer = b""
        if answer.endswith(b"\n"):
            return cast(dict[str, Any], json.loads(answer))
        self._stop()
        return {"path": path, "error": _died(process.returncode)}

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._is_closed = True
        self._stop()

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],  # -P: the folder we stand in offers no modules
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **_ONE_THREAD},
            start_new_session=True,  # Ctrl-C is for the parent, which ends its children itself
        )
        self._process = process
        if self._is_closed:
            self._stop()
        return process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _died(exit_code: int | None) -> dict[str, str]:
    return {
        "type": "internal",
        "message": f"The process that analysed it ended without an answer (exit code {exit_code}).",
        "remedy": "The file may need more memory than there is, or trip up the library that decodes it.",
    }


def answer_until_end() -> None:
    """Read paths from standard input until it ends; write a record for each to standard output."""
    from angen.workflows.analyze import analyze_file

    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    for line in sys.stdin.buffer:
        answers.write(json.dumps(analyze_file(json.loads(line))).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    answer_until_end()

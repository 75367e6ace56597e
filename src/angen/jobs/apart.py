"""A supervisor of its own process: `python -m angen.jobs.apart HOME [--kinds MODULE]`; see `ensure_supervisor`."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from angen.jobs.backend import LocalBackend
from angen.jobs.supervisor import Limits, supervise
from angen.settings import Settings

_TRIES = 5


def main(words: Sequence[str]) -> int:
    """Look after the jobs of a workspace until there are none for a while; the exit code."""
    home, *rest = words
    is_over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: is_over.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    backend = LocalBackend(rest[1] if rest else None)
    for _ in range(_TRIES):  # somebody who only asks whether there is one holds the lock for a moment
        if supervise(Settings(Path(home)), Limits(), backend, is_over=is_over):
            return 0
        time.sleep(0.2)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What a server's test leaves running: the supervisor and the workers of its workspace are ended, and waited for."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from angen.jobs import ACTIVE, LocalBackend, open_store
from angen.settings import Settings


def end_jobs(home: Path) -> None:
    """End the supervisor and the workers of a workspace."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"angen.jobs.apart" in words and bytes(home) in words:
            os.kill(int(folder.name), signal.SIGTERM)
            while _is_there(folder, words):
                time.sleep(0.02)
            LocalBackend().bury(home, [])
    if (home / "angen.db").exists():
        store = open_store(Settings(home))
        for job in store.list(ACTIVE):
            if job.worker:
                LocalBackend().kill(job.worker, signal.SIGKILL)
        store.close()


def _is_there(folder: Path, words: list[bytes]) -> bool:
    try:
        return (folder / "cmdline").read_bytes().split(b"\0") == words
    except OSError:
        return False

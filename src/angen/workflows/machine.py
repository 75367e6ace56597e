"""What this machine lets us use, which in a container is less than it has."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Processor cores that this process may use, at least one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota_us, _, period_us = _read(_CGROUP / "cpu.max").partition(" ")
    if quota_us.isdecimal() and period_us.isdecimal():
        cores = min(cores, round(int(quota_us) / int(period_us)))
    return max(1, cores)


def memory_bytes() -> int:
    """Main memory that this process may use, in bytes."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _read(_CGROUP / "memory.max")
    return min(total, int(limit)) if limit.isdecimal() else total


def _read(path: Path) -> str:
    """The text of a small file, stripped; nothing if it cannot be read."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""

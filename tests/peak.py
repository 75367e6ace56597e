"""The most memory that a process of its own has had."""

from __future__ import annotations

TELL_PEAK = r"""
import re
from pathlib import Path
# Not ru_maxrss: that counts what the process that began this one had.
print(int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1]) * 1024)
"""
"""The last lines of such a process: they print the bytes."""

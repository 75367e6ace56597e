"""Which number format the processor is fast in, and memory that is not given back between steps."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

import torch


@cache
def fast_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 in hardware. `ANGEN_PRECISION=float32` says no for it."""
    if os.environ.get("ANGEN_PRECISION") == "float32":
        return False
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return bool(supported())


def autocast() -> AbstractContextManager[Any]:
    """Mixed precision for training where the processor is fast in it, float32 elsewhere."""
    return torch.autocast("cpu", torch.bfloat16) if fast_bfloat16() else nullcontext()


def keep_freed_memory() -> bool:
    """Tell glibc to keep freed memory for the next step instead of giving it back to the system.

    Training frees and takes hundreds of megabytes a step. Where taking pages is dear (virtual machines), this is
    most of a step's time; elsewhere it is some of it. Returns whether anything was set.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    trim_threshold, top_pad, mmap_max = -1, -2, -4  # M_* of malloc.h
    return all(
        mallopt(option, value) == 1
        for option, value in ((mmap_max, 0), (trim_threshold, 2**31 - 1), (top_pad, 256 * 2**20))
    )

"""Which number format the processor is fast in, and memory that is not given back between steps."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache
from typing import Any

import torch

_CHOSEN: ContextVar[str] = ContextVar("precision", default="auto")


@cache
def fast_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 in hardware. `ANGEN_PRECISION=float32` says no for it."""
    if os.environ.get("ANGEN_PRECISION") == "float32":
        return False
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return bool(supported())


def autocast() -> AbstractContextManager[Any]:
    """Mixed precision for training: as `chosen_precision` says, else where the processor is fast in it."""
    return torch.autocast("cpu", torch.bfloat16) if is_mixed() else nullcontext()


def is_mixed() -> bool:
    """Whether `autocast` is mixed precision now."""
    chosen = _CHOSEN.get()
    return fast_bfloat16() if chosen == "auto" else chosen == "bf16"


@contextmanager
def chosen_precision(name: str) -> Iterator[None]:
    """While the block runs, `autocast` is float32 (`fp32`), mixed (`bf16`), or as the processor is fast (`auto`)."""
    token = _CHOSEN.set(name)
    try:
        yield
    finally:
        _CHOSEN.reset(token)


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

"""Reading large weights: checked by their header alone, then once into memory, and only what is needed.

A network is made on the `meta` device (shapes without memory) and takes its tensors over as they are read, so
that loading needs the weights' own size and no more.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from angen.errors import ModelError

Shapes = Mapping[str, tuple[int, ...]]
ROOM = 0.9  # of the free memory, the part that weights may take


def stored_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes in a safetensors file, from its header; no weight is read.

    Raises:
        ModelError: If it is missing, damaged, or cut off.
    """
    try:
        with safe_open(str(path), "pt") as file:
            return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118 - no dict
    except (OSError, SafetensorError) as problem:
        raise ModelError(
            f"{path} cannot be read: {problem}.", remedy="Download it again: angen model fetch."
        ) from problem


def expect_shapes(stored: Shapes, wanted: Shapes, name: str) -> None:
    """Compare what a file holds with what its configuration asks for.

    Raises:
        ModelError: Naming what is missing, left over, or of another shape.
    """
    missing, extra = sorted(wanted.keys() - stored.keys()), sorted(stored.keys() - wanted.keys())
    other = [
        f"{key} {list(stored[key])} instead of {list(wanted[key])}"
        for key in sorted(wanted.keys() & stored.keys())
        if tuple(stored[key]) != tuple(wanted[key])
    ]
    parts = [
        f"{len(names)} {word} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
        for word, names in (("missing", missing), ("unknown", extra), ("of another shape", other))
        if names
    ]
    if parts:
        raise ModelError(
            f"{name} does not fit its configuration: {'; '.join(parts)}.",
            remedy="Take weights and configuration from the same release.",
        )


def shapes_of(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a module's state."""
    return {key: tuple(value.shape) for key, value in module.state_dict().items()}


def fill(module: nn.Module, path: Path, *, dtype: torch.dtype, device: torch.device) -> None:
    """Give a module on the `meta` device its tensors from a safetensors file, one after another.

    Tensors of the file that the module does not have are not read.
    """
    with safe_open(str(path), "pt", device="cpu") as file:
        tensors = {key: file.get_tensor(key).to(device, dtype) for key in module.state_dict()}
    module.load_state_dict(tensors, strict=True, assign=True)


def on_meta(make: Callable[[], nn.Module]) -> nn.Module:
    """Make a module without memory for its weights."""
    with torch.device("meta"):
        return make()


def size_bytes(shapes: Shapes, dtype: torch.dtype) -> int:
    """Memory of tensors of these shapes."""
    return sum(_count(shape) for shape in shapes.values()) * dtype.itemsize


def count_of(shapes: Shapes) -> int:
    """Values in tensors of these shapes."""
    return sum(_count(shape) for shape in shapes.values())


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def free_memory(device: torch.device) -> int | None:
    """Bytes that can be taken on a device now; None where that cannot be known."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = _meminfo("MemAvailable")
    limit, used = (_number(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current"))
    if limit is not None and used is not None:
        free = min(limit - used, free if free is not None else limit)
    if free is None and hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return free


def best_device() -> torch.device:
    """A CUDA device if there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fitting_dtype(
    shapes: Shapes, device: torch.device, *, free_bytes: int | None, prefers_half: bool, extra_bytes: int = 0
) -> torch.dtype:
    """The format in which weights of these shapes serve best on a device and fit.

    Args:
        shapes: Of all weights.
        device: Where they shall be.
        free_bytes: Memory that can be taken; None for unknown, which counts as enough.
        prefers_half: Whether bfloat16 is fast there.
        extra_bytes: What else must fit beside them.

    Raises:
        ModelError: If they fit in neither; it says how much is needed and how much there is.
    """
    choices = [torch.bfloat16] if prefers_half else [torch.float32, torch.bfloat16]
    for dtype in choices:
        if free_bytes is None or size_bytes(shapes, dtype) + extra_bytes <= ROOM * free_bytes:
            return dtype
    needed = (size_bytes(shapes, choices[-1]) + extra_bytes) / ROOM
    raise ModelError(
        f"The model needs {needed / 1e9:.1f} GB of memory on {device} even in bfloat16; "
        f"{(free_bytes or 0) / 1e9:.1f} GB are free.",
        remedy="Close other programs, use a device with more memory, or use angen-tiny, which needs 0.2 GB.",
    )


def _meminfo(name: str) -> int | None:
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return None


def _number(path: str) -> int | None:
    try:
        text = Path(path).read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None

"""Can this machine do the work? A list of checks, each with its remedy."""

from __future__ import annotations

import importlib
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from angen.errors import SettingsError
from angen.files import free_bytes
from angen.settings import Settings, load_settings
from angen.workflows.machine import memory_bytes, usable_cores

LEAST_MEMORY_BYTES = 4e9
LEAST_FREE_BYTES = 2e9
LEAST_PYTHON = (3, 11)

_LIBRARIES = (
    "numpy",
    "scipy",
    "soundfile",
    "soxr",
    "pydantic",
    "peft",
    "accelerate",
    "safetensors",
    "tokenizers",
)
_SMALLEST_WEIGHTS_BYTES = 1024  # a pointer of Git LFS has about 130


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What was looked at.
        is_ok: Whether it is as it should be.
        found: What was found.
        is_essential: Whether Angen cannot work without it.
        remedy: What to do about it, if it is not ok.
    """

    name: str
    is_ok: bool
    found: str
    is_essential: bool = True
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The check as plain values, ready for JSON."""
        return asdict(self)


def examine_machine() -> Iterator[Check]:
    """Look at everything that Angen needs, the quick things first. Nothing is left behind."""
    yield _python()
    yield from _workspace()
    yield _memory()
    yield Check("cores", True, f"{usable_cores()} ({platform.machine()})")
    yield _ffmpeg()
    yield _embedded_model()
    yield from (_library(name) for name in _LIBRARIES)
    yield from _torch()


def _python() -> Check:
    needed = ".".join(str(number) for number in LEAST_PYTHON)
    return Check(
        "python",
        sys.version_info >= LEAST_PYTHON,
        platform.python_version(),
        remedy=f"Install Python {needed} or newer.",
    )


def _workspace() -> Iterator[Check]:
    try:
        settings = load_settings()
    except SettingsError as error:
        yield Check("workspace", False, error.message, remedy=error.remedy)
        return
    yield _writable(settings)
    yield _disk(settings)
    try:
        from angen.dataset import damaged_datasets
    except (ImportError, OSError):  # a library is broken: a check of its own says which
        return
    for damaged in damaged_datasets(settings.training_data):
        yield Check("dataset", False, damaged.message, is_essential=False, remedy=damaged.remedy)


def _writable(settings: Settings) -> Check:
    """Write a file where the workspace is or will be: permissions alone do not tell of a read-only disk."""
    folder = settings.home
    while not folder.exists():
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"angen")
    except OSError as error:
        return Check(
            "workspace", False, f"{settings.home}: {error}", remedy="Set ANGEN_HOME to another folder."
        )
    state = "writable" if settings.home.exists() else "made when needed"
    return Check("workspace", True, f"{settings.home} ({state})")


def _disk(settings: Settings) -> Check:
    free = free_bytes(settings.home)
    return Check(
        "disk",
        free >= LEAST_FREE_BYTES,
        f"{free / 1e9:.1f} GB free for the workspace",
        is_essential=False,
        remedy=f"Keep at least {LEAST_FREE_BYTES / 1e9:.0f} GB free for clips and checkpoints.",
    )


def _memory() -> Check:
    size = memory_bytes()
    return Check(
        "memory",
        size >= LEAST_MEMORY_BYTES,
        f"{size / 1e9:.1f} GB",
        is_essential=False,
        remedy=f"Training wants {LEAST_MEMORY_BYTES / 1e9:.0f} GB or more; close other programs or use less.",
    )


def _ffmpeg() -> Check:
    found = shutil.which("ffmpeg")
    return Check(
        "ffmpeg",
        found is not None,
        found or "not installed",
        is_essential=False,
        remedy="Optional: install it to convert M4A, AAC and WMA recordings to WAV.",
    )


def _embedded_model() -> Check:
    """The weights that come with the package, found without importing the model's room."""
    folder = resources.files("angen").joinpath("model", "weights")
    files = [path for path in Path(str(folder)).rglob("*.safetensors") if path.is_file()]
    hollow = [path.name for path in files if path.stat().st_size < _SMALLEST_WEIGHTS_BYTES]
    size = sum(path.stat().st_size for path in files)
    remedy = "Install Angen again; in a clone of its repository, fetch the large files too."
    if not files:
        return Check("embedded model", False, "no weights in the package", remedy=remedy)
    if hollow:
        return Check(
            "embedded model", False, f"not the weights themselves: {', '.join(hollow)}", remedy=remedy
        )
    return Check("embedded model", True, f"{len(files)} files, {size / 1e6:.0f} MB")


def _library(name: str, load: Callable[[str], Any] = importlib.import_module) -> Check:
    """Import a library: one that is installed but broken (a missing system library) is found out, too."""
    try:
        load(name)
        return Check(name, True, metadata.version(name))
    except Exception as error:  # noqa: BLE001 - whatever a library's import raises, it is what we were asked to find
        return Check(
            name, False, f"{type(error).__name__}: {error}", remedy=f"Install it again: pip install {name}"
        )


def _torch() -> Iterator[Check]:
    check = _library("torch")
    yield check
    if not check.is_ok:
        return
    import torch

    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        yield Check("device", True, f"cuda: {properties.name}, {properties.total_memory / 1e9:.1f} GB")
    elif torch.backends.mps.is_available():
        yield Check("device", True, "mps (Apple)")
    else:
        yield Check("device", True, f"cpu, {torch.get_num_threads()} threads")

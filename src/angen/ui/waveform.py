"""The shape of a sound as a drawing: its peaks, and an SVG path of them.

Peaks are computed once for a file's bytes and kept in the cache; drawing is quick.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from angen.files import atomic_path
from angen.settings import Settings

__all__ = ["PEAKS_A_SECOND", "peaks_of", "svg_path"]

PEAKS_A_SECOND = 20
MOST_PEAKS = 72_000
_BLOCK = 65_536


def peaks_of(settings: Settings, path: Path) -> NDArray[np.float32]:
    """The largest magnitude of every twentieth of a second, all channels together; empty where it cannot be read.

    Args:
        settings: The workspace, whose cache keeps them.
        path: The sound.
    """
    try:
        state = path.stat()
    except OSError:
        return np.zeros(0, np.float32)
    key = hashlib.sha256(f"{path}|{state.st_size}|{state.st_mtime_ns}".encode("utf-8", "replace")).hexdigest()
    kept = settings.cache / "waveforms" / f"{key[:24]}.npy"
    try:
        return np.asarray(np.load(kept, allow_pickle=False), np.float32)
    except (OSError, ValueError):  # never computed, or damaged
        pass
    try:
        peaks = _computed(path)
    except (OSError, RuntimeError):
        return np.zeros(0, np.float32)
    with atomic_path(kept) as temporary, temporary.open("wb") as handle:
        np.save(handle, peaks)
    return peaks


def _computed(path: Path) -> NDArray[np.float32]:
    with soundfile.SoundFile(path) as sound:
        hop = max(1, sound.samplerate // PEAKS_A_SECOND)
        read = max(1, _BLOCK // hop) * hop
        parts: list[NDArray[np.float32]] = []
        for block in sound.blocks(read, dtype="float32", always_2d=True):
            level = np.abs(block).max(axis=1)
            parts.append(np.maximum.reduceat(level, np.arange(0, level.size, hop)) if level.size else level)
            if sum(map(len, parts)) > MOST_PEAKS:
                break
    return np.concatenate(parts)[:MOST_PEAKS] if parts else np.zeros(0, np.float32)


def svg_path(
    peaks: NDArray[np.float32], start_s: float, stop_s: float, *, points: int = 200, height: float = 40.0
) -> str:
    """The `d` of an SVG path, `points` wide and `height` high, of a stretch of a sound.

    Example:
        >>> svg_path(np.ones(20, np.float32), 0.0, 1.0, points=2, height=10.0)
        'M0 0.0 L2 0.0 L2 10.0 L0 10.0 Z'
    """
    first, last = round(start_s * PEAKS_A_SECOND), max(round(stop_s * PEAKS_A_SECOND), 1)
    part = peaks[first:last]
    if not part.size:
        return ""
    points = max(1, min(points, part.size))
    edges = np.linspace(0, part.size, points, endpoint=False).astype(int)
    level = np.clip(np.maximum.reduceat(part, edges), 0.02, 1.0) * height / 2
    x = np.linspace(0, points, points) if points > 1 else np.array([0.0])
    if points == 1:
        x, level = np.array([0.0, 1.0]), np.repeat(level, 2)
    over = " L".join(
        f"{place:g} {height / 2 - size:.1f}" for place, size in zip(x.round(1), level, strict=True)
    )
    under = " L".join(
        f"{place:g} {height / 2 + size:.1f}"
        for place, size in zip(x.round(1)[::-1], level[::-1], strict=True)
    )
    return f"M{over} L{under} Z"

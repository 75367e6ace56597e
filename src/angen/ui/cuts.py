"""A recording drawn as its loudness over time, with the places where it would be cut into clips."""

from __future__ import annotations

import html
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from angen.audio import read_audio

__all__ = ["cuts_html", "outline"]

_WIDTH, _HEIGHT = 600, 80


def cuts_html(path: Path, clips: Sequence[Sequence[float]]) -> str:
    """A drawing with a line at each cut, and the same in words.

    Args:
        path: The recording.
        clips: Start and end of each clip, in seconds; empty where nothing was proposed yet.
    """
    peaks, duration_s = outline(str(path), path.stat().st_mtime_ns)
    step = _WIDTH / len(peaks)
    middle = _HEIGHT / 2
    bars = "".join(
        f"M{index * step + step / 2:.1f} {middle - max(0.5, peak * middle):.1f}V{middle + max(0.5, peak * middle):.1f}"
        for index, peak in enumerate(peaks)
    )
    inner = sorted({start for start, _ in clips[1:]})
    lines = "".join(
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{_HEIGHT}"/>' for x in _places(inner, duration_s)
    )
    spans = ", ".join(f"{_clock(start)} to {_clock(end)}" for start, end in clips)
    words = (
        f"{len(clips)} clips: {spans}." if clips else "Analyse the recordings to see where they would be cut."
    )
    return (
        f'<figure class="cuts"><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="Loudness of {html.escape(path.name, quote=True)} over {_clock(duration_s)}">'
        f'<path d="{bars}"/>{lines}</svg><figcaption>{html.escape(words)}</figcaption></figure>'
    )


@lru_cache(maxsize=64)
def outline(path: str, changed_ns: int, columns: int = 300) -> tuple[tuple[float, ...], float]:
    """The peaks of a recording in equal stretches, 0 to 1 of its loudest, and its length in seconds.

    Args:
        path: The recording.
        changed_ns: When it was last changed: another time is another outline.
        columns: How many stretches.

    Raises:
        AudioError: If it cannot be read.
    """
    del changed_ns
    audio = read_audio(path)
    mono = np.abs(audio.samples).max(axis=0)
    edges = np.linspace(0, len(mono), min(columns, len(mono)) + 1).astype(int)[:-1]
    peaks = np.maximum.reduceat(mono, edges)
    top = float(peaks.max()) or 1.0
    return tuple(round(float(peak) / top, 3) for peak in peaks), audio.duration_s


def _places(times_s: Sequence[float], duration_s: float) -> list[float]:
    return [time_s / duration_s * _WIDTH for time_s in times_s]


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}:{rest:04.1f}"

"""From a project to sound, block by block, in memory that does not grow with its length.

Every sample is worked out from its own place alone, in double precision, always in the same order: clips of a
track by their start, tracks from top to bottom. So a render is the same to the bit at any block size, from any
start. A track is rounded to single precision before the mix, so the mix is exactly the sum of the stems.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from angen.timeline.fades import clip_fades, fade_in_gains, fade_out_gains
from angen.timeline.records import Clip, Fade, Project, Track

CHANNELS = 2
BLOCK = 65_536

ReadSamples = Callable[[str, int, int], NDArray[np.float32]]
"""`read(sha256, first, count)`: samples of a source at the project's rate, shape (1 or 2, count)."""


def amplitude(gain_db: float) -> float:
    """A level change as a factor; 0 dB is exactly 1."""
    return float(10.0 ** (gain_db / 20))


def balance(pan: float) -> tuple[float, float]:
    """Factors of left and right: 1 and 1 in the middle; the side away from `pan` goes down evenly to 0."""
    return min(1.0, 1.0 - pan), min(1.0, 1.0 + pan)


def is_heard(project: Project, track: Track) -> bool:
    """Whether a track sounds: it is not muted, and soloed if any track is."""
    return not track.muted and (track.soloed or not any(other.soloed for other in project.tracks))


def render(
    project: Project, read: ReadSamples, *, start: int = 0, stop: int | None = None, block: int = BLOCK
) -> Iterator[NDArray[np.float32]]:
    """The mix, block by block.

    Args:
        project: What to render.
        read: Where samples of sources come from.
        start: First sample, at least 0.
        stop: The sample after the last; None is the project's end. Beyond the end there is silence.
        block: Samples at once, at least 1. It changes nothing but speed and memory.

    Yields:
        Blocks of shape (2, up to `block`), not clamped: loud projects go beyond ±1.
    """
    factor = amplitude(project.gain_db)
    for stems in render_stems(project, read, start=start, stop=stop, block=block):
        mix = np.zeros(stems.shape[1:], np.float64)
        for stem in stems:
            mix += stem
        yield (mix * factor).astype(np.float32)


def render_stems(
    project: Project, read: ReadSamples, *, start: int = 0, stop: int | None = None, block: int = BLOCK
) -> Iterator[NDArray[np.float32]]:
    """Every track by itself, block by block, before the master fader; a track that is not heard is silent.

    Yields:
        Blocks of shape (tracks, 2, up to `block`). Their sum over tracks is the mix at 0 dB.
    """
    stop = project.length if stop is None else stop
    if start < 0 or block < 1:
        raise ValueError(f"a render starts at 0 or later in blocks of 1 or more, not at {start} in {block}")
    tracks = [_Voice.of(track) if is_heard(project, track) else None for track in project.tracks]
    for first in range(start, stop, block):
        count = min(block, stop - first)
        stems = np.zeros((len(tracks), CHANNELS, count), np.float32)
        for stem, track in zip(stems, tracks, strict=True):
            if track is not None:
                track.add_to(stem, read, first)
        yield stems


@dataclass(frozen=True)
class _Voice:
    """A track made ready: its clips in order with their fades, and its two factors."""

    clips: tuple[tuple[Clip, Fade, Fade], ...]
    factors: tuple[float, float]

    @classmethod
    def of(cls, track: Track) -> _Voice:
        fades = clip_fades(track.clips)
        ordered = sorted(track.clips, key=lambda clip: (clip.start, clip.id))
        level, (left, right) = amplitude(track.gain_db), balance(track.pan)
        return cls(tuple((clip, *fades[clip.id]) for clip in ordered), (level * left, level * right))

    def add_to(self, stem: NDArray[np.float32], read: ReadSamples, first: int) -> None:
        """Write the samples from `first` on into a silent stem, shape (2, count)."""
        stop = first + stem.shape[1]
        near = [voiced for voiced in self.clips if voiced[0].start < stop and voiced[0].end > first]
        if not near:
            return
        total = np.zeros(stem.shape, np.float64)
        for clip, fade_in, fade_out in near:
            begin, end = max(clip.start, first), min(clip.end, stop)
            part = clip_samples(clip, fade_in, fade_out, read, begin - clip.start, end - begin)
            total[:, begin - first : end - first] += part
        for channel, factor, out in zip(total, self.factors, stem, strict=True):
            out[:] = channel * factor


def clip_samples(
    clip: Clip, fade_in: Fade, fade_out: Fade, read: ReadSamples, first: int, count: int
) -> NDArray[np.float64]:
    """Samples `first` to `first + count` of a clip with its gain and fades, shape (1 or 2, count)."""
    part = read(clip.source, clip.offset + first, count).astype(np.float64)
    if clip.gain_db:
        part *= amplitude(clip.gain_db)
    for gains in (
        fade_in_gains(fade_in, first, count),
        fade_out_gains(fade_out, first, count, clip.length),
    ):
        if gains is not None:
            part *= gains
    return part

"""Where a piece of music comes nearest to others: every window of it against every window of them.

A piece is a sequence of frames (latents, or the bands of `sound_frames`). Two windows are compared by the
correlation of what changes in them: each channel's mean over the window is taken out, which takes out level and
steady timbre, and the rest is brought to unit length. The distance is 1 minus the correlation: 0 for the same
music at any level, about 1 for music that has nothing to do with it. It is a normalised cross-correlation
(Lewis 1995, "Fast Normalized Cross-Correlation"), taken over all channels at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from angen.analysis.spectrum import FRAME_RATE_HZ, listening_signal, spectrum_of
from angen.audio import Audio

Frames = NDArray[np.float32]

POOL = 4
SOUND_RATE_HZ = FRAME_RATE_HZ / POOL
LEAST_SPREAD = 0.1
QUIET = 0.1
LONGEST_REST_S = 0.5
MOST_QUIET = 0.1


def sound_frames(audio: Audio) -> Frames:
    """Log-mel of a sound, 36 bands at 21.5 frames a second, at a common level; shape (frames, 36)."""
    log_mel = spectrum_of(listening_signal(audio)).log_mel
    whole = log_mel[: len(log_mel) // POOL * POOL]
    return np.asarray(whole.reshape(-1, POOL, log_mel.shape[1]).mean(axis=1), np.float32)


def heard(audio: Audio, count: int) -> NDArray[np.bool_]:
    """Which of `count` equal parts of a sound are music: False in silences longer than half a second.

    A part is silent at 20 dB under the root mean square of the whole. Where music begins or ends, the fall to
    silence outweighs all else and makes any two songs alike: windows that hold much of it are not compared.
    """
    power = np.square(audio.mono().samples[0], dtype=np.float64)
    edges = np.linspace(0, len(power), count + 1).astype(int)
    sums = np.concatenate([[0.0], np.cumsum(power)])
    levels = np.sqrt((sums[edges[1:]] - sums[edges[:-1]]) / np.maximum(np.diff(edges), 1))
    width = max(1, round(LONGEST_REST_S * count / audio.duration_s))
    return np.asarray(maximum_filter1d(levels, width) > QUIET * max(float(np.sqrt(power.mean())), 1e-6))


@dataclass(frozen=True)
class Match:
    """The nearest windows of two pieces.

    Attributes:
        distance: 0 for the same music, about 1 for unrelated music, at most 2.
        frame: Where the window starts in the piece that was asked about.
        piece: Which of the others it is nearest to.
        piece_frame: Where the window starts there.
    """

    distance: float
    frame: int
    piece: int
    piece_frame: int


@dataclass(frozen=True, eq=False)
class Windowed:
    """A piece made ready to be searched: the mean and the spread of every window of it.

    Attributes:
        frames: Shape (frames, channels).
        means: Of each window, shape (windows, channels).
        spreads: Root of the summed squares of each window after its mean is taken out, shape (windows,); infinite
            where nothing changes or much is silent, so that nothing is near it.
    """

    frames: Frames
    means: NDArray[np.float64]
    spreads: NDArray[np.float64]

    @classmethod
    def of(
        cls, frames: NDArray[np.floating], window: int, is_heard: NDArray[np.bool_] | None = None
    ) -> Windowed:
        """Make a piece ready; `is_heard` as `heard` gives it, None for all of it. A short one has no windows."""
        exact = np.asarray(frames, np.float64)
        sums = np.cumsum(np.vstack([np.zeros(exact.shape[1]), exact]), axis=0)
        squares = np.concatenate([[0.0], np.cumsum(np.square(exact).sum(axis=1))])
        means = (sums[window:] - sums[:-window]) / window
        power = squares[window:] - squares[:-window] - window * np.square(means).sum(axis=1)
        least = LEAST_SPREAD**2 * window * np.square(exact - exact.mean(axis=0)).sum(axis=1).mean()
        spreads = np.where(power > max(least, 1e-9), np.sqrt(np.maximum(power, 0)), np.inf)
        if is_heard is not None:
            silent = np.concatenate([[0], np.cumsum(~is_heard)])
            spreads[silent[window:] - silent[:-window] > MOST_QUIET * window] = np.inf
        return cls(np.asarray(frames, np.float32), means, spreads)


def nearest(
    query: Windowed, pieces: Iterable[Windowed], window: int, *, hop: int | None = None
) -> Match | None:
    """The window of `query` and the window of `pieces` that are most alike.

    Args:
        query: The piece that is asked about.
        pieces: What it is looked for in, all made ready with the same window; every frame of them is tried.
        window: Frames compared.
        hop: Frames between the windows of `query`; None for a quarter of a window.

    Returns:
        None if the query or all of the pieces are shorter than a window. Of equal matches the first.
    """
    best: Match | None = None
    starts = _starts(len(query.spreads), hop or max(1, window // 4))
    for number, piece in enumerate(pieces):
        if not len(piece.spreads) or not len(query.spreads):
            continue
        products = query.frames @ piece.frames.T
        for start in starts:
            away = _distances(query, piece, products, start, window)
            at = int(away.argmin())
            if best is None or away[at] < best.distance:
                best = Match(float(away[at]), start, number, at)
    return best


def _starts(count: int, hop: int) -> list[int]:
    """Every `hop`-th window, and the last."""
    return sorted({*range(0, count, hop), count - 1})


def _distances(
    query: Windowed, piece: Windowed, products: Frames, start: int, window: int
) -> NDArray[np.float64]:
    """Distance of one window of `query` to every window of `piece`, shape (windows,)."""
    count = len(piece.spreads)
    shared = -window * (piece.means @ query.means[start])
    for row in range(window):
        shared += products[start + row, row : row + count]
    return np.asarray(np.maximum(0.0, 1 - shared / (query.spreads[start] * piece.spreads)))

"""Fingerprints: short words that stay the same when a recording is encoded again, moved in time or turned down.

Each word has 32 bits: whether the difference of energy between two neighbouring bands rises or falls from one
frame to the next. Frames overlap by seven eighths, so that a shift by part of a frame changes few bits.

Source:
    Haitsma and Kalker 2002, "A Highly Robust Audio Fingerprinting System", ISMIR, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from angen.audio import Audio

__all__ = ["FINGERPRINT_VERSION", "WORDS_PER_S", "Match", "best_match", "fingerprint", "shared_stretch"]

FINGERPRINT_VERSION = 1
"""Raised whenever a recording's words may be others."""

RATE_HZ, FRAME, HOP = 8000, 2048, 256
WORDS_PER_S = RATE_HZ / HOP
BANDS = 33
LOW_HZ, HIGH_HZ = 180.0, 3400.0
SHORTEST_S = 3.0
"""Less music in common than this is not called a duplicate."""
LARGEST_ERROR = 0.28
"""Share of bits that may differ over a stretch; half of them differ between recordings without relation."""

_SILENCE = 1e-6  # power below the loudest frame's, under which a frame says nothing
_FRAMES_AT_ONCE = 512
_SHORTEST = round(SHORTEST_S * WORDS_PER_S)

Words = NDArray[np.uint32]


def fingerprint(audio: Audio) -> Words:
    """The words of a recording, 31.25 a second; 0 where nothing is to be heard. Empty below a third of a second."""
    samples = audio.mono().resampled(RATE_HZ, quality="LQ").samples[0]
    frames = max(0, (samples.size - FRAME) // HOP + 1)
    if frames < 2:
        return np.zeros(0, np.uint32)
    powers = np.concatenate(
        [_band_powers(samples, first, frames) for first in range(0, frames, _FRAMES_AT_ONCE)]
    )
    across = np.diff(np.log(powers + 1e-12), axis=1)
    bits = np.diff(across, axis=0) > 0
    words = np.packbits(bits, axis=1, bitorder="little").view("<u4")[:, 0].astype(np.uint32)
    loud = powers.sum(axis=1) > _SILENCE * powers.sum(axis=1).max()
    words[~(loud[1:] & loud[:-1])] = 0
    return words


def _band_powers(samples: NDArray[np.float32], first: int, frames: int) -> NDArray[np.float32]:
    count = min(_FRAMES_AT_ONCE, frames - first)
    part = samples[first * HOP : (first + count - 1) * HOP + FRAME]
    framed = np.lib.stride_tricks.sliding_window_view(part, FRAME)[::HOP]
    spectra = np.abs(scipy.fft.rfft(framed * np.hanning(FRAME).astype(np.float32), axis=1)) ** 2
    edges = np.geomspace(LOW_HZ, HIGH_HZ, BANDS + 1) * FRAME / RATE_HZ
    return np.add.reduceat(spectra, np.round(edges).astype(int), axis=1)[:, :BANDS].astype(np.float32)


@dataclass(frozen=True)
class Match:
    """A stretch that two recordings have in common.

    Attributes:
        start: Its first word in the first recording.
        end: After its last.
        shift: Words by which it is later in the second.
        error: Share of bits that differ.
    """

    start: int
    end: int
    shift: int
    error: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end - self.start) / WORDS_PER_S


def best_match(one: Words, other: Words, shift: int, *, reach: int = 4) -> Match | None:
    """The longest stretch in common at about a shift; None if none is long enough.

    Args:
        one: Words of a recording.
        other: Words of another.
        shift: About how many words later the stretch is in the other.
        reach: How many words the shift may be off.
    """
    found = [shared_stretch(one, other, shift + off) for off in range(-reach, reach + 1)]
    matches = [match for match in found if match is not None]
    return min(matches, key=lambda match: (match.error, -match.end + match.start), default=None)


def shared_stretch(one: Words, other: Words, shift: int) -> Match | None:
    """The longest stretch in common at a shift, of `SHORTEST_S` or more, or nearly all of a shorter recording."""
    first, last = max(0, -shift), min(one.size, other.size - shift)
    shortest = _SHORTEST
    if last - first < shortest:
        return None
    a, b = one[first:last], other[first + shift : last + shift]
    heard = (a != 0) & (b != 0)
    wrong = np.where(heard, np.bitwise_count(a ^ b), 0)
    errors, words = (_windowed(each, shortest) for each in (wrong, heard))
    good = (words >= shortest // 2) & (errors <= 32 * LARGEST_ERROR * words)
    start, end = _longest_run(good)
    if start == end:
        return None
    stop = end - 1 + shortest
    share = wrong[start:stop].sum() / (32 * max(1, heard[start:stop].sum()))
    return Match(first + start, first + stop, shift, float(share))


def _windowed(values: NDArray[np.generic], length: int) -> NDArray[np.int64]:
    """Sums of every `length` neighbours."""
    sums = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
    return np.asarray(sums[length:] - sums[:-length])


def _longest_run(good: NDArray[np.bool_]) -> tuple[int, int]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(np.int8)))
    if not edges.size:
        return 0, 0
    starts, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - starts))
    return int(starts[longest]), int(ends[longest])

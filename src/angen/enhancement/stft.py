"""Short-time spectra in blocks, so that an hour of sound needs no more memory than a minute.

The window is the root of a periodic Hann window, on the way in and on the way out, and frames overlap by three
quarters: without a change the sound comes back (to about -130 dB), at its own place and of its own length.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

FRAMES_AT_ONCE = 256
OVERLAP = 4

Spectra = NDArray[np.complex64]
"""Shape (channels, frames, bands)."""


@dataclass(frozen=True)
class Stft:
    """Short-time Fourier transform.

    Args:
        size: Samples in a frame, a power of two of at least 16. There are size / 2 + 1 bands.
    """

    size: int

    @classmethod
    def lasting(cls, frame_s: float, rate_hz: int) -> Stft:
        """The transform whose frames last about `frame_s`."""
        return cls(2 ** max(4, round(math.log2(frame_s * rate_hz))))

    @property
    def hop(self) -> int:
        """Samples from one frame to the next."""
        return self.size // OVERLAP

    @property
    def bands(self) -> int:
        """Bands of a frame, from 0 Hz to half the rate."""
        return self.size // 2 + 1

    def frames(self, samples: int) -> int:
        """How many frames a stretch of so many samples has; frame t is centred on sample t hop - size / 4."""
        return -(-samples // self.hop) + OVERLAP - 1

    def blocks(self, samples: NDArray[np.float32]) -> Iterator[tuple[int, Spectra]]:
        """The spectra of sound (channels, samples), block after block.

        Yields:
            The number of the block's first frame, and spectra (channels, frames, bands).
        """
        channels, count = samples.shape
        window, total = self._window(), self.frames(count)
        before = self.size - self.hop
        for first in range(0, total, FRAMES_AT_ONCE):
            frames = min(FRAMES_AT_ONCE, total - first)
            start, length = first * self.hop - before, (frames - 1) * self.hop + self.size
            stretch = np.zeros((channels, length), np.float32)
            low, high = max(start, 0), min(start + length, count)
            stretch[:, low - start : high - start] = samples[:, low:high]
            framed = np.lib.stride_tricks.sliding_window_view(stretch, self.size, axis=1)[:, :: self.hop]
            yield first, scipy.fft.rfft(framed * window, axis=2)

    def changed(
        self, samples: NDArray[np.float32], change: Callable[[int, Spectra], Spectra]
    ) -> NDArray[np.float32]:
        """The sound whose short-time spectra are those of `samples`, changed.

        Args:
            samples: Sound, shape (channels, samples).
            change: Given the number of the first frame and spectra (channels, frames, bands), in order of time;
                returns as many.

        Returns:
            Sound of the same shape.
        """
        channels, count = samples.shape
        window, before = self._window() * np.float32(2 / OVERLAP), self.size - self.hop
        total = np.zeros((channels, (self.frames(count) - 1) * self.hop + self.size), np.float32)
        for first, spectra in self.blocks(samples):
            parts = scipy.fft.irfft(change(first, spectra), self.size, axis=2) * window
            frames = parts.shape[1]
            for quarter in range(OVERLAP):  # pieces of one hop: all first quarters do not overlap, and so on
                at = (first + quarter) * self.hop
                piece = parts[:, :, quarter * self.hop : (quarter + 1) * self.hop]
                total[:, at : at + frames * self.hop] += piece.reshape(channels, -1)
        return np.ascontiguousarray(total[:, before : before + count])

    def _window(self) -> NDArray[np.float32]:
        phase = np.pi * np.arange(self.size) / self.size
        return np.sin(phase).astype(np.float32)

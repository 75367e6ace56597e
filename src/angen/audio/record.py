"""The `Audio` record: samples and their rate, always together.

Samples are float32, shape (channels, samples), nominally within ±1. A record is never changed; each method
returns a new one (or the same one, when there is nothing to do).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import soxr
from numpy.typing import NDArray

Quality = Literal["LQ", "MQ", "HQ", "VHQ"]


@dataclass(frozen=True, eq=False)
class Audio:
    """A stretch of sound.

    Args:
        samples: float32, shape (channels, samples), at least one of each; full scale is ±1.
        rate_hz: Samples per second, positive.

    Raises:
        TypeError: If `samples` is not a float32 array.
        ValueError: If its shape is not (channels, samples), it is empty, or the rate is not positive.
    """

    samples: NDArray[np.float32]
    rate_hz: int

    def __post_init__(self) -> None:
        given: Any = self.samples
        if not isinstance(given, np.ndarray) or given.dtype != np.float32:
            kind = getattr(given, "dtype", type(given).__name__)
            raise TypeError(f"Audio needs a float32 array, not {kind}")
        if given.ndim != 2 or 0 in given.shape:
            raise ValueError(
                f"Audio needs the shape (channels, samples), none of them 0; this is {given.shape}"
            )
        if self.rate_hz <= 0:
            raise ValueError(f"Audio needs a positive rate in Hz, not {self.rate_hz}")

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.samples.shape[0])

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return int(self.samples.shape[1]) / self.rate_hz

    def mono(self) -> Audio:
        """The mean of the channels as one channel; the first alone where they cancel each other (one is inverted)."""
        if self.channels == 1:
            return self
        mean = mean_of_channels(self.samples)
        if is_cancelled(float(np.dot(mean, mean)), sum_of_squares(self.samples), self.channels):
            mean = self.samples[0]
        return Audio(mean[None], self.rate_hz)

    def resampled(self, rate_hz: int, *, quality: Quality = "HQ") -> Audio:
        """The same sound at another rate, at least one sample of it.

        Args:
            rate_hz: The new rate, positive.
            quality: A preset of the SoX resampler; "LQ" is enough for analysis.
        """
        if rate_hz == self.rate_hz:
            return self
        if rate_hz <= 0:
            raise ValueError(f"a rate is positive, not {rate_hz} Hz")
        channels = [
            soxr.resample(channel, self.rate_hz, rate_hz, quality=quality) for channel in self.samples
        ]
        resampled = np.stack(channels).astype(np.float32, copy=False)
        return Audio(resampled if resampled.size else self.samples[:, :1], rate_hz)

    def span(self, start_s: float, end_s: float) -> Audio:
        """The part from `start_s` to `end_s`, kept within the recording and cut at the nearest samples.

        Raises:
            ValueError: If nothing of the recording lies in that span.
        """
        total = self.samples.shape[1]
        first = min(max(round(start_s * self.rate_hz), 0), total)
        last = min(max(round(end_s * self.rate_hz), 0), total)
        if first >= last:
            raise ValueError(
                f"{start_s} to {end_s} s holds nothing of a recording of {self.duration_s:.3f} s"
            )
        return Audio(self.samples[:, first:last], self.rate_hz)


def mean_of_channels(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of channels (channels, samples), added one by one: several times as fast as a mean over an axis."""
    if len(samples) == 1:
        return np.asarray(samples[0])
    total = samples[0] + samples[1]
    for channel in samples[2:]:
        total += channel
    total *= np.float32(1 / len(samples))
    return np.asarray(total)


def is_cancelled(of_mean: float, of_all: float, channels: int) -> bool:
    """Whether the mean of channels has less than 1 % of their mean power, by sums of squares."""
    return channels > 1 and of_mean < 0.01 * of_all / channels


def sum_of_squares(samples: NDArray[np.float32]) -> float:
    """Of all channels (channels, samples)."""
    return sum(float(np.dot(channel, channel)) for channel in samples)

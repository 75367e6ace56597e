"""A recording apart: its stems by any separator, and what of the mix they leave over."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from angen.audio import Audio
from angen.progress import ProgressCallback, no_progress

__all__ = ["Separated", "Separator", "level_db", "separate_stems"]

Float = NDArray[np.float32]


class Separator(Protocol):
    """A network that takes music apart."""

    @property
    def model_id(self) -> str:
        """What it is called: "spleeter"."""
        ...

    @property
    def rate_hz(self) -> int:
        """The rate it works at."""
        ...

    @property
    def rest(self) -> str | None:
        """The stem that is given all that no stem has; None where the stems are left as they come."""
        ...

    def separate(
        self, samples: Float, *, on_progress: ProgressCallback, should_stop: Callable[[], bool]
    ) -> Mapping[str, Float]:
        """Its stems of a mix at its rate, shape (2, samples) each."""
        ...


@dataclass(frozen=True)
class Separated:
    """A recording apart.

    Attributes:
        stems: By name, each of the recording's own rate, channels and length.
        model_id: The separator.
        own_residual_db: Power of mix − Σ stems over that of the mix, of the stems as the network gave them; None
            where nothing is left.
        residual_db: The same of the stems as they are here.
        seconds: That it took.
    """

    stems: dict[str, Audio]
    model_id: str
    own_residual_db: float | None
    residual_db: float | None
    seconds: float


def separate_stems(
    audio: Audio,
    separator: Separator,
    *,
    on_progress: ProgressCallback = no_progress,
    should_stop: Callable[[], bool] = lambda: False,
) -> Separated:
    """Take a recording apart. Stems start and end with it and keep its rate.

    Args:
        audio: Any rate, mono or stereo; of more channels their mean is taken apart.
        separator: Which network.
        on_progress: Told of seconds of music.
        should_stop: Asked now and then.

    Raises:
        StoppedError: If it was asked to stop.
    """
    began = time.perf_counter()
    mix = audio if audio.channels <= 2 else audio.mono()
    given = mix.resampled(separator.rate_hz).samples
    stereo = np.ascontiguousarray(np.broadcast_to(given, (2, given.shape[1])))
    found = separator.separate(stereo, on_progress=on_progress, should_stop=should_stop)
    stems = {name: _like(mix, samples, separator.rate_hz) for name, samples in found.items()}
    left = mix.samples - sum(stems.values())
    own_db = level_db(left, mix.samples)
    if separator.rest is not None:
        stems[separator.rest] = stems[separator.rest] + left
        left = mix.samples - sum(stems.values())
    return Separated(
        {name: Audio(np.ascontiguousarray(samples), mix.rate_hz) for name, samples in stems.items()},
        separator.model_id,
        own_db,
        level_db(left, mix.samples),
        time.perf_counter() - began,
    )


def _like(mix: Audio, samples: Float, rate_hz: int) -> Float:
    """A stem with the rate, channels and length of the mix."""
    at_rate = Audio(np.ascontiguousarray(samples), rate_hz).resampled(mix.rate_hz).samples
    if mix.channels == 1:
        at_rate = at_rate.mean(axis=0, keepdims=True, dtype=np.float32)
    fitted = np.zeros_like(mix.samples)
    count = min(fitted.shape[1], at_rate.shape[1])
    fitted[:, :count] = at_rate[:, :count]
    return fitted


def level_db(samples: Float | float, reference: Float) -> float | None:
    """Power of one sound over that of another, in dB; None where the first is silent."""
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    of = float(np.mean(np.square(reference, dtype=np.float64)))
    return 10 * math.log10(power / of) if power > 0 and of > 0 else None

"""A higher rate, and new sound above a band limit, each called by its name: nothing here restores anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from angen.audio import Audio
from angen.enhancement.bandwidth import Bandwidth, measure_bandwidth
from angen.enhancement.extension import EDGE_HZ, TOP_HZ, extend_bandwidth
from angen.enhancement.knobs import check_range
from angen.errors import EnhancementError

MOST_OF_NYQUIST = 0.9


class Upscaler(Protocol):
    """What a model-based upscaler has to be. `PluginUpscaler` makes one of any program."""

    @property
    def name(self) -> str:
        """What the result is called after."""
        ...

    def upscale(self, audio: Audio, rate_hz: int, should_stop: Callable[[], bool]) -> Audio:
        """The recording at another rate: same channels, same duration, all samples finite."""
        ...


@dataclass(frozen=True, eq=False)
class Upscaled:
    """A recording at its new rate, and what was done to it.

    Attributes:
        audio: The recording.
        source_rate_hz: What its rate was.
        bandwidth: The band limit that was measured, before anything was added.
        extended_above_hz: Where new sound begins; None where none was added.
        method: "unchanged", "resampled", "extended above 8050 Hz", or "upscaled by NAME".
    """

    audio: Audio
    source_rate_hz: int
    bandwidth: Bandwidth
    extended_above_hz: float | None
    method: str


def upscale(
    audio: Audio,
    rate_hz: int,
    *,
    extend: bool = True,
    upscaler: Upscaler | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Upscaled:
    """Bring a recording to a rate, and fill the band above its limit if it has one.

    The band limit is measured after resampling, so that half the rate of a file is a limit like any other. A
    recording without one, or with one from 18 kHz on, is only resampled.

    Args:
        audio: The recording.
        rate_hz: The new rate, its own at least, 384,000 at most.
        extend: Whether to add new sound above a limit.
        upscaler: A model that does all of it instead.
        should_stop: Handed to the model.

    Raises:
        EnhancementError: If the rate is lower than the recording's, or the model fails.
    """
    check_range("upscale", {"rate_hz": rate_hz}, rate_hz=(8000, 384_000))
    if rate_hz < audio.rate_hz:
        raise EnhancementError(
            f"{rate_hz} Hz is lower than the recording's {audio.rate_hz} Hz.",
            remedy="Upscaling only goes up; export to a lower rate instead.",
        )
    resampled = audio.resampled(rate_hz, quality="VHQ")
    bandwidth = measure_bandwidth(resampled)
    if upscaler is not None:
        made = upscaler.upscale(audio, rate_hz, should_stop)
        return Upscaled(made, audio.rate_hz, bandwidth, None, f"upscaled by {upscaler.name}")
    if extend and _can_extend(bandwidth, rate_hz):
        made = extend_bandwidth(resampled, bandwidth.hz)
        method = f"extended above {bandwidth.hz:.0f} Hz"
        return Upscaled(made, audio.rate_hz, bandwidth, bandwidth.hz, method)
    method = "unchanged" if rate_hz == audio.rate_hz else "resampled"
    return Upscaled(resampled, audio.rate_hz, bandwidth, None, method)


def _can_extend(bandwidth: Bandwidth, rate_hz: int) -> bool:
    highest = min(MOST_OF_NYQUIST * rate_hz / 2, min(TOP_HZ, 0.48 * rate_hz) - 2 * EDGE_HZ)
    return bandwidth.is_limited and 1500 <= bandwidth.hz <= highest

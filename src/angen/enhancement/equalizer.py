"""A parametric equaliser of second-order sections.

Source:
    Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients" (W3C note, 2021).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from angen.audio import Audio
from angen.enhancement.knobs import check_choice, check_range
from angen.errors import EnhancementError

Shape = Literal["high_pass", "low_pass", "low_shelf", "high_shelf", "peak", "notch"]
HIGHEST = 0.49  # of the rate; above, there is nothing to filter


@dataclass(frozen=True)
class EqBand:
    """One section.

    Attributes:
        shape: What it does.
        hz: Corner or middle, 10 to 96,000. Above 0.49 of a recording's rate the band does nothing.
        gain_db: Of peaks and shelves, -24 to 24.
        q: Sharpness, 0.1 to 30.
    """

    shape: Shape
    hz: float
    gain_db: float = 0.0
    q: float = math.sqrt(0.5)

    def __post_init__(self) -> None:
        check_choice("EqBand.shape", self.shape, get_args(Shape))
        check_range(self, hz=(10, 96_000), gain_db=(-24, 24), q=(0.1, 30))

    def section(self, rate_hz: int) -> NDArray[np.float64]:
        """Numerator and denominator of the section, shape (6,)."""
        turn = 2 * math.pi * self.hz / rate_hz
        cos, alpha, a = math.cos(turn), math.sin(turn) / (2 * self.q), 10 ** (self.gain_db / 40)
        top, bottom = {
            "high_pass": (((1 + cos) / 2, -(1 + cos), (1 + cos) / 2), (1 + alpha, -2 * cos, 1 - alpha)),
            "low_pass": (((1 - cos) / 2, 1 - cos, (1 - cos) / 2), (1 + alpha, -2 * cos, 1 - alpha)),
            "notch": ((1, -2 * cos, 1), (1 + alpha, -2 * cos, 1 - alpha)),
            "peak": (
                (1 + alpha * a, -2 * cos, 1 - alpha * a),
                (1 + alpha / a, -2 * cos, 1 - alpha / a),
            ),
            "low_shelf": _shelf(cos, alpha, a, 1),
            "high_shelf": _shelf(cos, alpha, a, -1),
        }[self.shape]
        return np.array([*top, *bottom]) / bottom[0]


def _shelf(
    cos: float, alpha: float, a: float, side: int
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """A shelf below (side 1) or above (side -1) its corner."""
    root, up, down = 2 * math.sqrt(a) * alpha, a + 1, a - 1
    top = (
        a * (up - side * down * cos + root),
        2 * a * side * (down - side * up * cos),
        a * (up - side * down * cos - root),
    )
    bottom = (
        up + side * down * cos + root,
        -2 * side * (down + side * up * cos),
        up + side * down * cos - root,
    )
    return top, bottom


@dataclass(frozen=True)
class Equalize:
    """Bands one after the other; minimum phase, so nothing comes before its time.

    Attributes:
        bands: The sections, at most 16.
        amount: From 0 (the very same samples) to 1; between, equalised and original are blended.
    """

    bands: tuple[EqBand, ...]
    amount: float = 1.0

    def __post_init__(self) -> None:
        check_range(self, amount=(0, 1))
        if len(self.bands) > 16:
            raise EnhancementError(f"An equaliser of {len(self.bands)} bands.", remedy="Use 16 at most.")

    def apply(self, audio: Audio) -> Audio:
        """The recording, equalised."""
        import scipy.signal

        acting = [band for band in self.bands if band.hz < HIGHEST * audio.rate_hz]
        if self.amount == 0 or not acting:
            return audio
        sections = np.stack([band.section(audio.rate_hz) for band in acting])
        filtered = np.empty_like(audio.samples)
        for channel, out in zip(audio.samples, filtered, strict=True):
            out[:] = scipy.signal.sosfilt(sections, channel.astype(np.float64))
        if self.amount == 1:
            return Audio(filtered, audio.rate_hz)
        blend = audio.samples + np.float32(self.amount) * (filtered - audio.samples)
        return Audio(blend, audio.rate_hz)

"""Sibilants softer: a band that shouts over the rest is turned down, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from angen.audio import Audio
from angen.enhancement.envelopes import block_power, control_hop, follow, loud_level_db, to_db, with_gain
from angen.enhancement.knobs import check_range
from angen.errors import EnhancementError

TAPS_S = 0.004


@dataclass(frozen=True)
class DeEss:
    """Turns a band down while it is louder than the rest of the sound.

    Attributes:
        amount: From 0 (the very same samples) to 1.
        low_hz: The band's lower edge, 2,000 to 12,000.
        high_hz: Its upper edge, to 20,000.
        threshold_db: Level of the band over that of the rest where it begins, -24 to 24.
        ratio: dB in for each dB out above that, 1 to 20.
        most_db: It is never turned down further than this, 0 to 24.
    """

    amount: float = 1.0
    low_hz: float = 5000.0
    high_hz: float = 9000.0
    threshold_db: float = 0.0
    ratio: float = 4.0
    most_db: float = 10.0

    def __post_init__(self) -> None:
        check_range(
            self,
            amount=(0, 1),
            low_hz=(2000, 12_000),
            high_hz=(2000, 20_000),
            threshold_db=(-24, 24),
            ratio=(1, 20),
            most_db=(0, 24),
        )
        if self.high_hz < 1.2 * self.low_hz:
            raise EnhancementError(
                f"A band from {self.low_hz:g} to {self.high_hz:g} Hz is too narrow.",
                remedy="Let it end a fifth above its beginning at least.",
            )

    def apply(self, audio: Audio) -> Audio:
        """The recording with softer sibilants; the very same where there are none."""
        if self.amount == 0 or self.ratio == 1 or not audio.samples.any():
            return audio
        high_hz = min(self.high_hz, 0.46 * audio.rate_hz)
        if high_hz < 1.2 * self.low_hz:
            return audio  # a rate without sibilants
        hop, rate_hz = control_hop(audio.rate_hz), audio.rate_hz
        band = _band(audio.samples, self.low_hz, high_hz, rate_hz)
        powers = [
            block_power(part, hop, window_s=0.004, rate_hz=rate_hz)
            for part in (audio.samples, band, audio.samples - band)
        ]
        if not powers[1].any():
            return audio
        whole, hiss, rest = (to_db(power) for power in powers)
        over = hiss - rest - self.threshold_db
        wanted = np.clip(over * (1 - 1 / self.ratio), 0, self.most_db)
        wanted[hiss < loud_level_db(whole) - 40] = 0  # too soft to disturb anybody
        reduction = follow(wanted, rise_s=0.001, fall_s=0.04, step_s=hop / rate_hz)
        reduction[reduction < 0.01] = 0.0
        if not reduction.any():
            return audio
        softer = with_gain(Audio(band, rate_hz), 10 ** (-reduction / 20), hop)
        return Audio(audio.samples + np.float32(self.amount) * (softer.samples - band), rate_hz)


def _band(samples: NDArray[np.float32], low_hz: float, high_hz: float, rate_hz: int) -> NDArray[np.float32]:
    """The part between two frequencies, in phase with the whole."""
    import scipy.signal

    taps = scipy.signal.firwin(
        2 * round(TAPS_S * rate_hz / 2) + 1, [low_hz, high_hz], pass_zero=False, fs=rate_hz
    ).astype(np.float32)
    # Padded, because "same" is as long as the longer of the two.
    whole = scipy.signal.oaconvolve(samples, taps[None], mode="full", axes=1)
    half = len(taps) // 2
    return np.ascontiguousarray(whole[:, half : half + samples.shape[1]])

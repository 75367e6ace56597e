"""Late reverberation made softer: a room's tail is foretold from what sounded before, and taken away.

Nothing decays faster than the room it sounds in. So the quicker decays of a recording tell its reverberation
time, and a recording with quick ones is dry and stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from angen.audio import Audio
from angen.enhancement.knobs import check_range
from angen.enhancement.stft import Spectra, Stft
from angen.enhancement.wiener import Wiener

FRAME_S = 0.046
DELAY_FRAMES = 4  # of 12 ms: what comes sooner is part of the sound itself
SLOPE_S = 0.14
LEAST_DECAYS = 12
DRY_S, WET_S = 0.3, 0.45
QUICK_QUANTILE = 0.25


@dataclass(frozen=True)
class DeReverb:
    """Less of the room. A dry recording is not changed.

    Attributes:
        amount: From 0 (the very same samples) to 1.
        reduction_db: No band is turned down further than this, 0 to 40.
        reverb_s: The reverberation time (decay by 60 dB), 0.1 to 10; None to measure it.
        wetness: How much of each sound goes into the room, 0.05 to 1.

    Source:
        Lebart et al. 2001, "A new method based on spectral subtraction for speech dereverberation" (Acustica
        87), eq. 12, with the tail fed recursively as in Habets et al. 2009 (IEEE SPL 16(9), eq. 10).
    """

    amount: float = 0.8
    reduction_db: float = 12.0
    reverb_s: float | None = None
    wetness: float = 0.4

    def __post_init__(self) -> None:
        check_range(self, amount=(0, 1), reduction_db=(0, 40), wetness=(0.05, 1))
        if self.reverb_s is not None:
            check_range(self, reverb_s=(0.1, 10))

    def apply(self, audio: Audio) -> Audio:
        """The recording with less late reverberation: same length, same place."""
        if self.amount == 0 or self.reduction_db == 0 or not audio.samples.any():
            return audio
        reverb_s, share = self.reverb_s, 1.0
        if reverb_s is None:
            reverb_s = measure_reverb_s(audio)
            if reverb_s is None or reverb_s <= DRY_S:
                return audio
            share = min(1.0, (reverb_s - DRY_S) / (WET_S - DRY_S))
        stft = Stft.lasting(FRAME_S, audio.rate_hz)
        tail = _Tail(10 ** (-6 * DELAY_FRAMES * stft.hop / audio.rate_hz / reverb_s), self.wetness)
        gain = Wiener(stft.bands, lowest=10 ** (-self.reduction_db / 20), memory=0.9)
        amount = np.float32(self.amount * share)

        def drier(_first: int, spectra: Spectra) -> Spectra:
            power = (np.abs(spectra) ** 2).sum(axis=0)
            return np.asarray(spectra * (1 + amount * (gain.next(power, tail.next(power)) - 1)))

        return Audio(stft.changed(audio.samples, drier), audio.rate_hz)


def measure_reverb_s(audio: Audio) -> float | None:
    """The reverberation time that a recording's own decays allow, in seconds; None where too few are heard."""
    stft = Stft.lasting(FRAME_S / 2, audio.rate_hz)
    levels, step_s = _octave_levels(audio, stft), stft.hop / audio.rate_hz
    width = max(4, round(SLOPE_S / step_s))
    if levels.shape[0] < 4 * width:
        return None
    time_s = (np.arange(width) - (width - 1) / 2) * step_s
    runs = np.lib.stride_tricks.sliding_window_view(levels, width, axis=0)
    slope = runs @ time_s / np.sum(time_s**2)  # dB a second
    residue = np.sqrt(
        np.mean((runs - runs.mean(-1, keepdims=True) - slope[..., None] * time_s) ** 2, axis=-1)
    )
    loud = np.quantile(levels, 0.95, axis=0)
    # A free decay: straight, down by 6 dB at least, begun well above whatever noise there is.
    decays = (
        (slope * SLOPE_S < -6)
        & (residue < 2.0)
        & (runs[..., 0] > loud - 35)
        & (runs[..., -1] > levels.min(axis=0) + 6)
        & (loud > levels.max() - 50)
    )
    times = -60 / slope[decays]
    if times.size < LEAST_DECAYS:
        return None
    return float(np.quantile(times, QUICK_QUANTILE))


def _octave_levels(audio: Audio, stft: Stft) -> NDArray[np.float64]:
    """Levels in dB of half octaves from 200 Hz on; shape (frames, bands)."""
    edges_hz = 200 * 2 ** (np.arange(12) / 2)
    edges = np.unique(np.round(edges_hz[edges_hz < 0.45 * audio.rate_hz] * stft.size / audio.rate_hz))
    parts = [
        np.add.reduceat((np.abs(spectra) ** 2).sum(axis=0), edges.astype(int), axis=1)[:, :-1]
        for _, spectra in stft.blocks(audio.samples)
    ]
    power = np.concatenate(parts).astype(np.float64)
    return np.asarray(10 * np.log10(np.maximum(power, 1e-12 * max(power.max(), 1e-12))))


class _Tail:
    """The power of the late reverberation, foretold frame after frame."""

    def __init__(self, decay: float, wetness: float) -> None:
        self._decay, self._wetness = np.float32(decay), np.float32(wetness)
        self._heard: list[NDArray[np.float32]] = []
        self._late: list[NDArray[np.float32]] = []

    def next(self, power: NDArray[np.float32]) -> NDArray[np.float32]:
        """The late power within each frame of `power` (frames, bands)."""
        late = np.zeros_like(power)
        for frame, now in enumerate(power):
            if len(self._heard) == DELAY_FRAMES:
                fed = (1 - self._wetness) * self._late.pop(0) + self._wetness * self._heard[0]
                late[frame] = self._decay * fed
            before = self._heard[-1] if self._heard else now
            self._heard.append(np.float32(0.5) * (before + now))
            self._late.append(late[frame])
            if len(self._heard) > DELAY_FRAMES:
                del self._heard[0]
        return late

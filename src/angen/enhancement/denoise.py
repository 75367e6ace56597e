"""Taking steady noise away: a Wiener gain in short-time spectra, from a noise floor that was really found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from angen.audio import Audio
from angen.enhancement.knobs import check_range
from angen.enhancement.noise_floor import measure_noise
from angen.enhancement.stft import Spectra, Stft
from angen.enhancement.wiener import Wiener

FRAME_S = 0.046
MEMORY = 0.97  # of the a-priori estimate, each hop of 12 ms; what keeps the residue from twinkling


@dataclass(frozen=True)
class DeNoise:
    """Steady broadband noise (hiss, air, rumble) made quieter. Where no noise floor is found, nothing changes.

    Attributes:
        amount: From 0 (the very same samples) to 1.
        reduction_db: No band is turned down further than this, 0 to 60.
        sensitivity: The noise is taken for this many times its measured power, 0.5 to 4.

    The noise is measured by `measure_noise`, the gains are those of `Wiener`.
    """

    amount: float = 1.0
    reduction_db: float = 20.0
    sensitivity: float = 1.0

    def __post_init__(self) -> None:
        check_range(self, amount=(0, 1), reduction_db=(0, 60), sensitivity=(0.5, 4))

    def apply(self, audio: Audio) -> Audio:
        """The recording with less noise: same length, same place."""
        if self.amount == 0 or self.reduction_db == 0:
            return audio
        stft = Stft.lasting(FRAME_S, audio.rate_hz)
        floor = measure_noise(audio, stft)
        if not floor.is_present:
            return audio
        noise = (floor.expected * self.sensitivity).astype(np.float32)
        gain = Wiener(stft.bands, lowest=10 ** (-self.reduction_db / 20), memory=MEMORY)

        def quieter(_first: int, spectra: Spectra) -> Spectra:
            gains = gain.next((np.abs(spectra) ** 2).sum(axis=0), noise)
            return np.asarray(spectra * (1 + np.float32(self.amount) * (gains - 1)))

        return Audio(stft.changed(audio.samples, quieter), audio.rate_hz)

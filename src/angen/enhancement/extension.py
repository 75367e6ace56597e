"""New sound above a band limit, made from the sound below it. It is invented, not restored.

The octave below the limit is moved up, as often as needed, and given the levels that the long-term spectrum
would have if it went on falling as it does. Being the same sound, it rises and falls in time with it. Below the
limit nothing is added: the new sound passes a steep high-pass filter without a shift in time.

Source:
    The idea of spectral band replication: Dietz et al. 2002 (AES 112, paper 5553). There the envelope is sent
    along; here it is extrapolated.
"""

from __future__ import annotations

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from angen.audio import Audio
from angen.enhancement.bandwidth import long_term_db
from angen.enhancement.stft import Spectra, Stft
from angen.errors import EnhancementError

FRAME_S = 0.023
EDGE_HZ = 200.0  # next to the limit, where its filter already acts
TOP_HZ = 20_000.0
STEEPEST_DB, FLATTEST_DB = -60.0, -6.0  # an octave
STOP_DB = 100.0
CAUTION_DB = 2.0  # too little is heard as dull, too much as harsh
AIR_HZ, AIR_DB_PER_KHZ = 12_000.0, 1.5  # music falls faster up there than its lower spectrum foretells


def extend_bandwidth(audio: Audio, limit_hz: float) -> Audio:
    """The recording, with new sound from its band limit to 20 kHz (or to what the rate allows).

    Args:
        audio: A recording that ends at `limit_hz`.
        limit_hz: Its band limit, as `measure_bandwidth` finds it; 1,500 Hz at least.

    Raises:
        EnhancementError: If the limit is lower than that, or leaves no room under half the rate.
    """
    top_hz = min(TOP_HZ, 0.48 * audio.rate_hz)
    if not 1500 <= limit_hz <= top_hz - 2 * EDGE_HZ:
        raise EnhancementError(
            f"A band limit of {limit_hz:g} Hz cannot be extended at {audio.rate_hz} Hz.",
            remedy=f"It has to lie between 1500 and {top_hz - 2 * EDGE_HZ:g} Hz; choose a higher rate.",
        )
    stft = Stft.lasting(FRAME_S, audio.rate_hz)
    levels = long_term_db(audio, stft)
    if levels is None:
        return audio
    hz_per_band = audio.rate_hz / stft.size
    source, shift = _patches(stft, limit_hz, top_hz, hz_per_band)
    gain = _gains(levels, source, limit_hz, hz_per_band)
    turn = np.array([1, 1j, -1, -1j], np.complex64)  # a shift by one band turns each frame by a quarter
    target = np.arange(source[0] + shift[0], source[0] + shift[0] + len(source))

    def moved_up(first: int, spectra: Spectra) -> Spectra:
        frames = np.arange(first, first + spectra.shape[1])
        new = np.zeros_like(spectra)
        new[..., target] = spectra[..., source] * gain * turn[(frames[:, None] * shift) % 4]
        return new

    added = _high_passed(stft.changed(audio.samples, moved_up), limit_hz, audio.rate_hz)
    return Audio(audio.samples + added, audio.rate_hz)


def _patches(
    stft: Stft, limit_hz: float, top_hz: float, hz_per_band: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each band above the limit, the band it comes from and how many bands that lies below."""
    last = round((limit_hz - EDGE_HZ) / hz_per_band)
    width = last - round(limit_hz / 2 / hz_per_band)
    target = np.arange(int(limit_hz / hz_per_band), min(round(top_hz / hz_per_band), stft.bands - 1))
    steps = (target - last) // width + 1
    return target - steps * width, steps * width


def _gains(
    levels: NDArray[np.float64], source: NDArray[np.int64], limit_hz: float, hz_per_band: float
) -> NDArray[np.float32]:
    """From the level of each source band to the level extrapolated for its target."""
    known = np.arange(round(limit_hz / 2 / hz_per_band), round((limit_hz - EDGE_HZ) / hz_per_band))
    octaves = np.log2(known * hz_per_band / limit_hz)
    slope, at_limit = np.polyfit(octaves, levels[known], 1)
    slope = float(np.clip(slope, STEEPEST_DB, FLATTEST_DB))
    at_limit = float(np.mean(levels[known[-len(known) // 4 :]] - slope * octaves[-len(known) // 4 :]))
    first = int(limit_hz / hz_per_band)
    hz = np.arange(first, first + len(source)) * hz_per_band
    wanted = at_limit + slope * np.log2(hz / limit_hz) - CAUTION_DB
    wanted -= AIR_DB_PER_KHZ / 1000 * np.maximum(hz - max(AIR_HZ, limit_hz), 0)
    return np.asarray(10 ** ((wanted - levels[source]) / 20), dtype=np.float32)


def _high_passed(samples: NDArray[np.float32], limit_hz: float, rate_hz: int) -> NDArray[np.float32]:
    taps, beta = scipy.signal.kaiserord(STOP_DB, 2 * EDGE_HZ / rate_hz)
    taps += 1 - taps % 2
    high_pass = scipy.signal.firwin(
        taps, limit_hz + EDGE_HZ / 2, window=("kaiser", beta), pass_zero=False, fs=rate_hz
    )
    whole = scipy.signal.oaconvolve(samples.astype(np.float64), high_pass[None], mode="full", axes=1)
    return np.asarray(whole[:, taps // 2 : taps // 2 + samples.shape[1]], dtype=np.float32)

"""How near a recording is to another: distortion ratios and log-spectral distance."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from angen.audio import Audio
from angen.enhancement.stft import Stft

LSD_RANGE_DB = 80.0


def sdr_db(reference: Audio, estimate: Audio) -> float:
    """Power of the reference over that of the difference, in dB; +inf where they are equal.

    Raises:
        ValueError: If they differ in shape or rate.
    """
    true, heard = _pair(reference, estimate)
    return _ratio_db(float(np.sum(true**2)), float(np.sum((heard - true) ** 2)))


def si_sdr_db(reference: Audio, estimate: Audio) -> float:
    """As `sdr_db`, with the reference scaled to fit the estimate best: a change of level costs nothing.

    Source:
        Le Roux et al. 2019, "SDR - half-baked or well done?" (arXiv:1811.02508), eq. 5.
    """
    true, heard = _pair(reference, estimate)
    power = float(np.sum(true**2))
    scaled = true * (float(np.sum(true * heard)) / power if power else 0.0)
    return _ratio_db(float(np.sum(scaled**2)), float(np.sum((heard - scaled) ** 2)))


def log_spectral_distance_db(
    reference: Audio,
    estimate: Audio,
    *,
    low_hz: float = 0.0,
    high_hz: float = math.inf,
    range_db: float = LSD_RANGE_DB,
) -> float:
    """Root mean square over bands of the difference of short-time spectra in dB, averaged over frames.

    Args:
        reference: What it should be.
        estimate: What it is.
        low_hz: Compare from here ...
        high_hz: ... to here.
        range_db: Spectra count as no lower than this far below the reference's highest; without such a floor
            the distance of two silences would be what rounding makes it.

    Returns:
        The distance in dB; 0 for a silent reference.

    Source:
        Gray and Markel 1976, "Distance measures for speech processing", IEEE TASSP 24(5).
    """
    true, heard = _pair(reference, estimate)
    stft = Stft.lasting(0.046, reference.rate_hz)
    hz = np.arange(stft.bands) * reference.rate_hz / stft.size
    bands = (hz >= low_hz) & (hz <= high_hz)
    if not bands.any():
        raise ValueError(f"there is nothing between {low_hz:g} and {high_hz:g} Hz at {reference.rate_hz} Hz")
    top = max(float((np.abs(spectra) ** 2).max()) for _, spectra in stft.blocks(true.astype(np.float32)))
    if top == 0:
        return 0.0
    floor = top * 10 ** (-range_db / 10)
    distances: list[NDArray[np.float64]] = []
    pairs = zip(stft.blocks(true.astype(np.float32)), stft.blocks(heard.astype(np.float32)), strict=True)
    for (_, a), (_, b) in pairs:
        levels = [10 * np.log10(np.maximum(np.abs(part[..., bands]) ** 2, floor)) for part in (a, b)]
        distances.append(np.sqrt(np.mean((levels[0] - levels[1]) ** 2, axis=2)).ravel())
    return float(np.concatenate(distances).mean())


def _pair(reference: Audio, estimate: Audio) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if (reference.samples.shape, reference.rate_hz) != (estimate.samples.shape, estimate.rate_hz):
        raise ValueError(
            f"cannot compare {reference.samples.shape} at {reference.rate_hz} Hz "
            f"with {estimate.samples.shape} at {estimate.rate_hz} Hz"
        )
    return reference.samples.astype(np.float64), estimate.samples.astype(np.float64)


def _ratio_db(signal: float, rest: float) -> float:
    if rest == 0:
        return math.inf
    return 10 * math.log10(signal / rest) if signal else -math.inf

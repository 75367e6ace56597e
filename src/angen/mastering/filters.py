"""Second-order filters, crossovers and linear filters from a curve.

Sections have the form of `scipy.signal.sosfilt`: rows of (b0, b1, b2, 1, a1, a2). They run in double precision
and in stretches that fit the cache, whatever the length of the recording; the sound stays float32.

Sources: R. Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients"; S. Linkwitz and
R. Riley, "Active crossover networks for noncoincident drivers" (JAES 24, 1976); for the minimum phase,
Oppenheim and Schafer, "Discrete-Time Signal Processing", section 13.5 (folding of the cepstrum).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import scipy.fft
import scipy.signal
from numpy.typing import NDArray

Sections = NDArray[np.float64]
Samples = NDArray[np.float32]
Phase = Literal["minimum", "linear"]

HIGHEST_SHARE = 0.475  # of the rate: filters above that are left out by whoever builds a chain
_STRETCH = 32768
_BUTTERWORTH_Q = math.sqrt(0.5)


def high_pass(frequency_hz: float, rate_hz: float, q: float = _BUTTERWORTH_Q) -> Sections:
    """One section that lets pass what is above `frequency_hz` (-3 dB there at the default Q); 12 dB an octave."""
    cos, alpha = _angle(frequency_hz, rate_hz, q)
    return _section((1 + cos) / 2, -(1 + cos), (1 + cos) / 2, 1 + alpha, -2 * cos, 1 - alpha)


def low_pass(frequency_hz: float, rate_hz: float, q: float = _BUTTERWORTH_Q) -> Sections:
    """One section that lets pass what is below `frequency_hz` (-3 dB there at the default Q); 12 dB an octave."""
    cos, alpha = _angle(frequency_hz, rate_hz, q)
    return _section((1 - cos) / 2, 1 - cos, (1 - cos) / 2, 1 + alpha, -2 * cos, 1 - alpha)


def peaking(frequency_hz: float, rate_hz: float, gain_db: float, q: float) -> Sections:
    """One section that raises or lowers the surroundings of `frequency_hz`, by `gain_db` at the centre."""
    cos, alpha = _angle(frequency_hz, rate_hz, q)
    root = 10 ** (gain_db / 40)
    return _section(
        1 + alpha * root, -2 * cos, 1 - alpha * root, 1 + alpha / root, -2 * cos, 1 - alpha / root
    )


def low_shelf(frequency_hz: float, rate_hz: float, gain_db: float, q: float = _BUTTERWORTH_Q) -> Sections:
    """One section that raises or lowers all below `frequency_hz`: `gain_db` at 0 Hz, half of it (in dB) there."""
    return _shelf(frequency_hz, rate_hz, gain_db, q, side=1)


def high_shelf(frequency_hz: float, rate_hz: float, gain_db: float, q: float = _BUTTERWORTH_Q) -> Sections:
    """One section that raises or lowers all above `frequency_hz`: `gain_db` at the top, half (in dB) there."""
    return _shelf(frequency_hz, rate_hz, gain_db, q, side=-1)


def _shelf(frequency_hz: float, rate_hz: float, gain_db: float, q: float, side: int) -> Sections:
    cos, alpha = _angle(frequency_hz, rate_hz, q)
    root = 10 ** (gain_db / 40)
    up, down, slope = root + 1, root - 1, 2 * math.sqrt(root) * alpha
    cos *= side  # the two shelves mirror each other about a quarter of the rate
    return _section(
        root * (up - down * cos + slope),
        side * 2 * root * (down - up * cos),
        root * (up - down * cos - slope),
        up + down * cos + slope,
        side * -2 * (down + up * cos),
        up + down * cos - slope,
    )


def _angle(frequency_hz: float, rate_hz: float, q: float) -> tuple[float, float]:
    if not 0 < frequency_hz < rate_hz / 2:
        raise ValueError(
            f"a filter at {rate_hz:g} Hz needs 0 < frequency < {rate_hz / 2:g}, not {frequency_hz:g}"
        )
    angle = 2 * math.pi * frequency_hz / rate_hz
    return math.cos(angle), math.sin(angle) / (2 * q)


def _section(b0: float, b1: float, b2: float, a0: float, a1: float, a2: float) -> Sections:
    return np.array([[b0, b1, b2, a0, a1, a2]]) / a0


def crossover(frequency_hz: float, rate_hz: float) -> tuple[Sections, Sections]:
    """Low and high half of a Linkwitz-Riley crossover of fourth order.

    Each is -6 dB at `frequency_hz` and falls 24 dB an octave; they are in phase everywhere, and their sum is
    flat (an all-pass filter).
    """
    low, high = low_pass(frequency_hz, rate_hz), high_pass(frequency_hz, rate_hz)
    return np.vstack([low, low]), np.vstack([high, high])


def filtered(sections: Sections, samples: Samples) -> Samples:
    """Run sections over each channel, from rest. Shape (channels, samples) in and out."""
    result = np.empty_like(samples)
    state = np.zeros((len(sections), samples.shape[0], 2))
    for first in range(0, samples.shape[1], _STRETCH):
        part = samples[:, first : first + _STRETCH].astype(np.float64)
        result[:, first : first + _STRETCH], state = scipy.signal.sosfilt(sections, part, axis=1, zi=state)
    return result


def response_db(
    sections: Sections, frequencies_hz: NDArray[np.float64], rate_hz: float
) -> NDArray[np.float64]:
    """Gain of sections at frequencies up to half the rate, in dB."""
    delay = np.exp(-2j * np.pi * np.asarray(frequencies_hz) / rate_hz)
    powers = np.stack([np.ones_like(delay), delay, delay**2])
    gain = np.prod(np.abs(sections[:, :3] @ powers) / np.abs(sections[:, 3:] @ powers), axis=0)
    return np.asarray(20 * np.log10(np.maximum(gain, 1e-12)))


def fir_from_curve(
    frequencies_hz: NDArray[np.float64],
    gain_db: NDArray[np.float64],
    rate_hz: int,
    *,
    phase: Phase = "minimum",
) -> NDArray[np.float64]:
    """A filter that follows a gain curve, drawn straight between its points over log frequency.

    It lasts about 90 ms; twice that for a linear phase.

    Args:
        frequencies_hz: Points of the curve, ascending, above 0; beyond its ends the curve stays level.
        gain_db: Gain at each.
        rate_hz: Of the sound to be filtered.
        phase: "minimum": no delay and no pre-echo. "linear": all frequencies delayed alike, by half the
            length, which `convolved` takes out again.

    Returns:
        Shape (taps,), an odd number of them for "linear".
    """
    taps = 2 ** max(6, math.ceil(math.log2(rate_hz * 0.07)))
    size = 8 * taps
    grid = np.arange(size // 2 + 1) * (rate_hz / size)
    curve_db = np.interp(np.log(np.maximum(grid, 1e-3)), np.log(frequencies_hz), gain_db)
    if phase == "linear":
        taps *= 2
        impulse = np.roll(scipy.fft.irfft(10 ** (curve_db / 20), size), taps // 2)[: taps + 1]
        return np.asarray(impulse * np.hanning(taps + 3)[1:-1])
    cepstrum = scipy.fft.irfft(curve_db * (math.log(10) / 20), size)
    cepstrum[1 : size // 2] *= 2
    cepstrum[size // 2 + 1 :] = 0
    impulse = scipy.fft.irfft(np.exp(scipy.fft.rfft(cepstrum)), size)[:taps]
    fade = taps // 4
    impulse[-fade:] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(1, fade + 1) / fade)
    return np.asarray(impulse)


def convolved(samples: Samples, firs: Sequence[NDArray[np.float64]], *, phase: Phase = "minimum") -> Samples:
    """Each channel through its own filter; the length stays, and the delay of a linear phase is taken out."""
    rows = []
    for channel, fir in zip(samples, firs, strict=True):
        start = len(fir) // 2 if phase == "linear" else 0
        whole = scipy.signal.oaconvolve(channel, fir.astype(np.float32))
        rows.append(whole[start : start + len(channel)])
    return np.asarray(np.stack(rows), dtype=np.float32)

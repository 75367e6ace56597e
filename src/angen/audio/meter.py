"""The level of a recording: its largest sample, its root mean square, and its true peak between the samples."""

from __future__ import annotations

import math

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from angen.audio.record import Audio, sum_of_squares

_PEAK_FRAME, _PEAK_TAPS, _FRAMES_AT_ONCE = 4096, 64, 8


def peak_db(audio: Audio) -> float:
    """The largest sample in dBFS; -inf for digital silence."""
    peak = max(float(audio.samples.max()), -float(audio.samples.min()))
    return 20 * math.log10(peak) if peak > 0 else -math.inf


def rms_db(audio: Audio) -> float:
    """The root mean square over all channels, in dB relative to a constant 1; -inf for digital silence."""
    power = mean_power(audio.samples)
    return 10 * math.log10(power) if power > 0 else -math.inf


def mean_power(samples: NDArray[np.float32]) -> float:
    """The mean square over all channels. Samples are finite."""
    return sum_of_squares(samples) / samples.size


def true_peak(audio: Audio) -> float:
    """The largest magnitude of the sound, between its samples too, over all channels; 1 is full scale.

    Source:
        ITU-R BS.1770-4, annex 2.
    """
    return float(peak_envelope(audio).max())


def oversampling(rate_hz: int) -> int:
    """How many times denser than the samples the true peak is looked for: to 350 kHz, within 2 to 16 times."""
    return next((factor for factor in (2, 4, 8) if rate_hz * factor >= 350_000), 16)


def peak_envelope(audio: Audio) -> NDArray[np.float32]:
    """The largest magnitude of the sound at and after each sample, before the next; shape (samples,).

    Taken over all channels, from the sound reconstructed between its samples by a windowed sinc.

    Source:
        ITU-R BS.1770-4, annex 2, with 2 to 16 phases of 64 taps where the standard asks for at least 4 of 12.
    """
    channels, count = audio.samples.shape
    responses = _phase_responses(oversampling(audio.rate_hz))
    before, step = _PEAK_TAPS // 2 - 1, _PEAK_FRAME - _PEAK_TAPS
    result = np.empty(count, np.float32)
    for first in range(0, count, step * _FRAMES_AT_ONCE):
        last = min(count, first + step * _FRAMES_AT_ONCE)
        frames = np.zeros((math.ceil((last - first) / step), channels, _PEAK_FRAME), np.float32)
        for index, frame in enumerate(frames):
            start = first + index * step - before
            low, high = max(start, 0), min(start + _PEAK_FRAME, count)
            frame[:, low - start : high - start] = audio.samples[:, low:high]
        envelope = np.abs(frames[..., before : before + step]).max(axis=1)
        spectrum = scipy.fft.rfft(frames, axis=-1)
        for response in responses:
            between = scipy.fft.irfft(spectrum * response, _PEAK_FRAME, axis=-1)[..., before : before + step]
            np.maximum(envelope, np.abs(between).max(axis=1), out=envelope)
        result[first:last] = envelope.ravel()[: last - first]
    return result


def _phase_responses(factor: int) -> list[NDArray[np.complex64]]:
    """For each place between two samples, the transform of the filter that reads the sound there."""
    offsets = np.arange(_PEAK_TAPS) - (_PEAK_TAPS // 2 - 1)  # sample positions seen from "now"
    responses = []
    for phase in range(1, factor):
        distance = offsets - phase / factor
        window = np.i0(7.0 * np.sqrt(np.maximum(0, 1 - (2 * distance / _PEAK_TAPS) ** 2))) / np.i0(7.0)
        taps = np.sinc(distance) * window
        circular = np.zeros(_PEAK_FRAME)
        circular[-offsets] = taps / taps.sum()  # a filter that looks ahead, wrapped around
        responses.append(scipy.fft.rfft(circular).astype(np.complex64))
    return responses

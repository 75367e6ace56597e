"""Short-time spectra, shared by every estimate.

Frames are centred: frame t is about the time t * hop / rate, and the signal is padded with zeros by half a
window at either end. Windows are symmetric Hann windows and magnitudes are not scaled, so a sine of amplitude
a in one bin reads about a * size / 4. Spectra are made a block of frames at a time: the whole of one is never
kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.fft
import soxr
from numpy.typing import NDArray

from angen.audio import Audio
from angen.audio.record import is_cancelled, mean_of_channels, sum_of_squares

Float = NDArray[np.float32]

RATE_HZ = 22050
SIZE, HOP = 1024, 256
FRAME_RATE_HZ = RATE_HZ / HOP
MEL_BANDS = 36
LISTENING_RMS = 0.1
BRIGHT_END_HZ = 8000.0  # resampling to 22,050 Hz spares what lies below
ONSET_LEAD_FRAMES = 1.7  # the flux at frame t tells of an onset about this much later
_GROUPS = (slice(0, 18), slice(18, 28), slice(28, 36))  # of mel bands
BLOCK_SAMPLES = 2**18  # of windowed signal at a time: what fits the cache


def listening_signal(audio: Audio) -> Float:
    """What the estimates listen to: mono, 22,050 Hz, at an RMS of 0.1 so that loudness does not count.

    Channels are averaged, unless they cancel each other (one of them inverted): then the first is heard
    alone.

    Returns:
        float32, shape (samples,).
    """
    return signal_and_rms(audio)[0]


def signal_and_rms(audio: Audio) -> tuple[Float, float]:
    """The listening signal, and the root mean square of the recording in mono.

    Channels are mixed and resampled a piece at a time, while it lies in the cache.
    """
    samples, rate_hz = audio.samples, audio.rate_hz
    count = samples.shape[1]
    resampler = None if rate_hz == RATE_HZ else soxr.ResampleStream(rate_hz, RATE_HZ, 1, quality="LQ")
    signal = np.empty(round(count * RATE_HZ / rate_hz) + 64, np.float32)
    power, whole, filled = 0.0, 0.0, 0
    for first in range(0, count, BLOCK_SAMPLES):
        block = samples[:, first : first + BLOCK_SAMPLES]
        mono = mean_of_channels(block)
        power += float(np.dot(mono, mono))
        whole += sum_of_squares(block)
        if resampler:
            mono = resampler.resample_chunk(mono, last=first + BLOCK_SAMPLES >= count)
        signal[filled : filled + len(mono)] = mono
        filled += len(mono)
    if is_cancelled(power, whole, len(samples)):
        return signal_and_rms(Audio(samples[:1], rate_hz))
    signal = signal[:filled] if filled else samples[0, :1].copy()
    return at_common_level(signal, out=signal), math.sqrt(power / count)


def at_common_level(signal: Float, out: Float | None = None) -> Float:
    """A signal scaled to an RMS of 0.1, written to `out` if given; silence stays silence."""
    level = rms(signal)
    return np.multiply(signal, np.float32(LISTENING_RMS / level if level > 0 else 1.0), out=out)


def rms(samples: Float) -> float:
    """Root mean square of shape (samples,); 0 of none."""
    return float(np.sqrt(np.dot(samples, samples) / samples.size)) if samples.size else 0.0


def magnitude_blocks(
    signal: Float, size: int, hop: int, bins: slice = slice(None)
) -> Iterator[tuple[int, Float]]:
    """Magnitude spectra, in blocks of consecutive frames.

    Args:
        signal: Shape (samples,).
        size: Window length in samples, even.
        hop: Samples between frames.
        bins: The bins that are wanted.

    Yields:
        The number of the first frame, and magnitudes of shape (frames of the block, bins), size / 2 + 1 of them
        if all are wanted. All blocks together have 1 + samples // hop frames. The next block overwrites them.
    """
    window = np.hanning(size).astype(np.float32)
    block = max(1, BLOCK_SAMPLES // size)
    windowed = np.empty((block, size), np.float32)
    magnitudes = np.empty((block, len(range(size // 2 + 1)[bins])), np.float32)
    for start, frames in _frames(signal, size, hop):
        for first in range(0, len(frames), block):
            here = frames[first : first + block]
            np.multiply(here, window, out=windowed[: len(here)])
            spectra = scipy.fft.rfft(windowed[: len(here)], axis=1, overwrite_x=True)
            yield start + first, np.abs(spectra[:, bins], out=magnitudes[: len(here)])


def _frames(signal: Float, size: int, hop: int) -> Iterator[tuple[int, Float]]:
    """Centred frames of a signal: those that reach beyond its start, those within, those that reach beyond its end.

    Only the first and the last are copied, with zeros added.

    Yields:
        The number of the first frame, and frames of shape (frames, size).
    """
    count, half = 1 + len(signal) // hop, size // 2
    within = -(-half // hop)  # the first frame that starts within the signal
    after = (len(signal) - size + half) // hop + 1  # the first that ends beyond it
    if after <= within:
        padded = np.pad(signal, half)
        yield 0, np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
        return
    head = np.concatenate([np.zeros(half, np.float32), signal[: within * hop + half]])
    yield 0, np.lib.stride_tricks.sliding_window_view(head, size)[::hop][:within]
    inner = signal[within * hop - half :]
    yield within, np.lib.stride_tricks.sliding_window_view(inner, size)[::hop][: after - within]
    if after < count:
        tail = np.concatenate([signal[after * hop - half :], np.zeros(half, np.float32)])
        yield after, np.lib.stride_tricks.sliding_window_view(tail, size)[::hop][: count - after]


def triangles(centres_hz: NDArray[np.float64], size: int, rate_hz: int) -> Float:
    """Triangular filters with a peak of 1, each reaching to its neighbours' centres.

    Args:
        centres_hz: Rising frequencies: the lowest edge, the centres, the highest edge; shape (bands + 2,).
        size: Window length of the spectra.
        rate_hz: Rate of the signal.

    Returns:
        Weights of shape (bands, size / 2 + 1).
    """
    bins_hz = np.arange(size // 2 + 1) * (rate_hz / size)
    low, centre, high = (centres_hz[i : len(centres_hz) - 2 + i, None] for i in range(3))
    rising, falling = (bins_hz - low) / (centre - low), (high - bins_hz) / (high - centre)
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def mel_triangles() -> Float:
    """36 bands from 30 to 11,000 Hz, even on the scale 2595 log10(1 + f / 700); shape (36, SIZE / 2 + 1)."""
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (30.0, 11000.0))
    mels = np.linspace(low, high, MEL_BANDS + 2)
    return triangles(700 * (10 ** (mels / 2595) - 1), SIZE, RATE_HZ)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """What is kept of the one fine spectrum (1024 / 256, 86.13 frames a second).

    Args:
        log_mel: log(1 + 20 * mel magnitude), shape (frames, 36).
        power: Sum of squared magnitudes of each frame, shape (frames,).
        centroid_hz: Centre of gravity of each frame's magnitudes below 8 kHz, shape (frames,).
        bass_share: Share of each frame's power below 120 Hz, shape (frames,).
        duration_s: Length of the signal.
    """

    log_mel: Float
    power: Float
    centroid_hz: Float
    bass_share: Float
    duration_s: float

    @cached_property
    def flux(self) -> Float:
        """Rise of each band over two frames, never negative; shape (frames, 36), 0 in the last two frames."""
        rise = np.zeros_like(self.log_mel)
        np.maximum(self.log_mel[2:] - self.log_mel[:-2], 0, out=rise[:-2])
        return rise

    def onsets_per_s(self) -> float:
        """Distinct onsets a second: maxima of the mean flux half a deviation above its mean."""
        strength = self.flux.mean(axis=1)
        least = float(strength.mean() + 0.5 * strength.std())
        inner = strength[1:-1]
        peaks = (inner > strength[:-2]) & (inner >= strength[2:]) & (inner > least)
        return float(peaks.sum()) / max(self.duration_s, 1e-9)

    @property
    def brightness_hz(self) -> float:
        """Spectral centroid in Hz, the mean over frames weighted by their magnitude."""
        weights = np.sqrt(self.power)
        total = float(weights.sum())
        return float(np.dot(weights, self.centroid_hz)) / total if total > 0 else 0.0


def _grouped(filters: Float) -> list[tuple[slice, slice, Float]]:
    """Filters of neighbouring bands with the bins they look at: a third of the products of one large matrix.

    Returns:
        Bands, bins, and weights of shape (bins, bands) of each group.
    """
    groups = []
    for bands in _GROUPS:
        heard = np.flatnonzero(filters[bands].any(axis=0))
        bins = slice(int(heard[0]), int(heard[-1]) + 1)
        groups.append((bands, bins, np.ascontiguousarray(filters[bands, bins].T)))
    return groups


def spectrum_of(signal: Float) -> Spectrum:
    """The fine spectrum of a listening signal, shape (samples,)."""
    bins_hz = np.arange(int(BRIGHT_END_HZ / RATE_HZ * SIZE) + 1, dtype=np.float32) * np.float32(
        RATE_HZ / SIZE
    )
    brightness, filters = np.stack([bins_hz, np.ones_like(bins_hz)], axis=1), _grouped(mel_triangles())
    sums = np.empty((BLOCK_SAMPLES // SIZE, MEL_BANDS), np.float32)
    frames, bass_bins = 1 + len(signal) // HOP, int(120 / RATE_HZ * SIZE) + 1
    log_mel = np.empty((frames, MEL_BANDS), np.float32)
    power, centroid, bass = (np.empty(frames, np.float32) for _ in range(3))
    for first, magnitude in magnitude_blocks(signal, SIZE, HOP):
        here = slice(first, first + len(magnitude))
        for bands, bins, weights in filters:  # each group of bands looks at its own bins
            np.matmul(magnitude[:, bins], weights, out=sums[: len(magnitude), bands])
        mel = sums[: len(magnitude), :MEL_BANDS]
        mel *= 20
        mel += 1
        np.log(mel, out=log_mel[here])  # several times as fast as log1p, and near enough
        bright = magnitude[:, : len(brightness)] @ brightness
        centroid[here] = bright[:, 0] / np.maximum(bright[:, 1], 1e-9)
        power[here] = np.linalg.vecdot(magnitude, magnitude)
        low = magnitude[:, :bass_bins]
        bass[here] = np.linalg.vecdot(low, low)
    bass /= np.maximum(power, np.float32(1e-9))
    return Spectrum(log_mel, power, centroid, bass, len(signal) / RATE_HZ)

"""Tempo proposed from the periodicity of onsets.

Onsets are rises of log-mel bands. Their windowed, compressed autocorrelation proposes a tempo (a comb over
multiples of the beat, weighted towards familiar tempi); the autocorrelation of the whole file, read at up to
32 beats, then fixes it far below the resolution of a frame. Which of its multiples is the beat is settled in
`rhythm`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from angen.analysis.spectrum import FRAME_RATE_HZ, Float, Spectrum

Array = NDArray[np.float64]

SLOWEST_BPM, FASTEST_BPM = 40.0, 240.0
SHORTEST_S = 4.0
"""Less sound than this says nothing about tempo."""

_BANDS = ((0, 6, 1.2), (6, 18, 0.8), (18, 28, 0.8), (28, 36, 1.0), (0, 36, 1.5))
_WINDOW_S = 8.9
_COMB = ((1.0, 1.0), (2.0, 0.6), (3.0, 0.25), (4.0, 0.5), (1.5, -0.15))
_RIPPLE = 0.08  # held chords stay below 0.07, slow ambient music above 0.19
_FAMILIAR_BPM, _FAMILIAR_OCTAVES = 118.0, 0.62


@dataclass(frozen=True, eq=False)
class Proposal:
    """A tempo, its octave still open.

    Args:
        bpm: Beats per minute, refined.
        clarity: How periodic and distinct the onsets are, 0 (noise, held sounds) to 1 (a machine).
        periodicity: By lag in frames, 1 at lag 0.
        bands: The same of each of five groups of bands alone, shape (5, lags).
        onsets_per_s: Distinct onsets a second in each of them, shape (5,).
    """

    bpm: float
    clarity: float
    periodicity: Array
    bands: Array
    onsets_per_s: Array

    def relative_comb(self, bpm: Array) -> Array:
        """Comb scores of some tempi relative to the best of them, shape as `bpm`."""
        scores = _comb_score(self.periodicity, bpm)
        return np.asarray(scores / max(float(scores.max()), 1e-9))


def propose_tempo(spectrum: Spectrum) -> Proposal | None:
    """The tempo of a recording, supposed to be steady; None when it is too short or has no onsets at all."""
    flux = spectrum.flux
    if spectrum.duration_s < SHORTEST_S or not flux.any():
        return None
    periodicity, bands, onsets = _periodicity(flux)
    candidates = np.geomspace(SLOWEST_BPM, FASTEST_BPM, 1600)
    bpm = float(candidates[np.argmax(_comb_score(periodicity, candidates))])
    strength = onset_strength(flux)
    whole = _whole_autocorrelation(strength)
    bpm = _refined(whole, bpm)
    clarity = _clarity(whole, bpm) * _distinctness(strength)
    return Proposal(bpm, clarity, periodicity, bands, onsets / spectrum.duration_s)


def onset_strength(flux: Float) -> Float:
    """Mean flux over all bands, shape (frames,)."""
    return np.asarray(flux @ np.full(flux.shape[1], 1 / flux.shape[1], np.float32))


def _periodicity(flux: Float) -> tuple[Array, Array, Array]:
    """Compressed autocorrelations of five groups of bands over windows, by lag in frames.

    Returns:
        Their weighted sum, 1 at lag 0, shape (lags,); each alone, a mean over windows, shape (5, lags); and how
        many distinct onsets each group has, shape (5,).
    """
    window = min(int(_WINDOW_S * FRAME_RATE_HZ), len(flux))
    length = scipy.fft.next_fast_len(2 * window, real=True)
    taper = np.maximum(window - np.arange(window), 0.2 * window) / window
    total, bands, onsets = np.zeros(window), np.zeros((len(_BANDS), window)), np.zeros(len(_BANDS))
    shares = np.zeros((flux.shape[1], len(_BANDS)), np.float32)
    for group, (low, high, _) in enumerate(_BANDS):
        shares[low:high, group] = 1 / (high - low)
    envelopes = np.ascontiguousarray((flux @ shares).T)
    for group, (_, _, weight) in enumerate(_BANDS):
        envelope = _sharpened(envelopes[group])
        inner = envelope[1:-1]
        onsets[group] = np.sum((inner > envelope[:-2]) & (inner >= envelope[2:]) & (inner > 0.5))
        starts = range(0, len(envelope) - window + 1, max(1, window // 2))
        windows = np.stack([envelope[start : start + window] for start in starts])
        windows -= windows.mean(axis=1, keepdims=True)
        spectra = np.abs(scipy.fft.rfft(windows, length, axis=1)) ** 1.6
        lags = scipy.fft.irfft(spectra, length, axis=1)[:, :window]
        heard = lags[:, 0] > 1e-9
        summed = (lags[heard] / lags[heard, :1]).sum(axis=0)
        total += weight * summed
        bands[group] = summed / len(windows) / taper
    return np.asarray(total / taper / max(total[0], 1e-9)), bands, onsets


def _sharpened(envelope: Float) -> Float:
    """The envelope above its moving mean of 0.4 s, in units of its deviation, at most 4."""
    above = np.maximum(envelope - uniform_filter1d(envelope, int(0.4 * FRAME_RATE_HZ)), 0)
    deviation = float(above.std())
    return np.asarray(np.minimum(above / deviation, np.float32(4))) if deviation > 0 else above


def _comb_score(periodicity: Array, bpm: Array) -> Array:
    """How well each tempo explains the periodicity, times how familiar it is; shape as `bpm`."""
    lag = 60 * FRAME_RATE_HZ / bpm
    comb = np.sum([weight * _at(periodicity, multiple * lag) for multiple, weight in _COMB], axis=0)
    familiar = np.exp(-0.5 * (np.log2(bpm / _FAMILIAR_BPM) / _FAMILIAR_OCTAVES) ** 2)
    return np.asarray(np.maximum(comb, 0) * familiar)


def _at(values: Array, lag: Array | float) -> Array:
    return np.asarray(np.interp(lag, np.arange(len(values)), values, right=0.0))


def _whole_autocorrelation(envelope: Float) -> Array:
    """Autocorrelation of the whole envelope, unbiased, by lag in frames; 1 at lag 0."""
    deviation = float(envelope.std())
    clipped = np.minimum(envelope / max(deviation, 1e-9), 5.0).astype(np.float64)
    clipped -= clipped.mean()
    count = len(clipped)
    length = scipy.fft.next_fast_len(2 * count, real=True)
    spectrum = np.abs(scipy.fft.rfft(clipped, length)) ** 2
    lags = scipy.fft.irfft(spectrum, length)[:count] / (count - np.arange(count))
    return np.asarray(lags / max(lags[0], 1e-12))


def _refined(whole: Array, bpm: float) -> float:
    """The tempo near `bpm` whose 4, 8, 16 and 32 beats fit the whole file best."""
    for beats in (4, 8, 16, 32):
        if beats * 60 * FRAME_RATE_HZ / bpm >= 0.55 * len(whole):
            break
        reach, points = (0.025, 401) if beats == 4 else (0.06 / beats, 201)
        near = bpm * np.linspace(1 - reach, 1 + reach, points)
        width = 0.02 * bpm / np.sqrt(beats / 4)
        fit = _at(whole, beats * 60 * FRAME_RATE_HZ / near) * np.exp(-0.5 * ((near - bpm) / width) ** 2)
        bpm = float(near[np.argmax(fit)])
    return bpm


def _distinctness(strength: Float) -> float:
    """0 when even the strongest onsets are mere ripples, as in a held chord, 1 when they are onsets."""
    return float(np.clip((np.percentile(strength, 99) - _RIPPLE) / _RIPPLE, 0, 1))


def _clarity(whole: Array, bpm: float) -> float:
    """Share of the onsets' variance that recurs after 1, 2, 4 or 8 beats; 0 to 1.

    What recurs at any lag, because one part of the recording is busier than another, is not counted.
    """
    beat = 60 * FRAME_RATE_HZ / bpm
    lags = np.array([1, 2, 4, 8]) * beat
    lags = lags[lags + beat / 2 < 0.55 * len(whole)]
    around = np.linspace(-beat / 2, beat / 2, 2 * int(beat) + 1)
    contrast = [float(_at(whole, lag) - _at(whole, lag + around).mean()) for lag in lags]
    return float(np.clip(max(contrast, default=0.0), 0, 1))

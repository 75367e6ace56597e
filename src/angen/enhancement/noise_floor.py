"""Is there a noise floor in a recording, and what is its spectrum?

Steady noise gives itself away by three things at once, in each band of a quarter octave:

* it is the same in every second: the quiet ends of one second lie where those of the next lie (minimum
  statistics; Martin 2001, "Noise power spectral density estimation based on optimal smoothing and minimum
  statistics", IEEE TSAP 9(5));
* the level rests there, where the tail of a note only passes by;
* there, the bins are as uneven as Gaussian noise: the logarithm of their mean lies 2.51 dB (Euler's constant
  in dB) above the mean of their logarithms. Notes, codecs and gaps lie far higher, the skirt of a tone lower.

A band that fails one of the three has no floor that we know of, and is left alone; so is one whose neighbours
fail. That is how clean music stays unharmed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, uniform_filter1d

from angen.audio import Audio
from angen.enhancement.stft import OVERLAP, Stft

GAUSSIAN_UNEVENNESS_DB = 2.51  # 10 lg(e) times Euler's constant
WINDOW_S = 1.0
SMOOTHING_S = 0.06
SMOOTHED_BANDS = 5
LEAST_WINDOWS = 3
FLOOR_WIDTH_DB = 3.0
INAUDIBLE_DB = -75.0  # below the mean level of the music, floors are of no interest
SILENCE_DB = -100.0
BROAD_GROUPS, BROAD_SHARE = 7, 0.8

Bands = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NoiseFloor:
    """The steady noise of a recording.

    Attributes:
        power: Mean power of the noise in each band of the transform, channels added; shape (bands,).
        confidence: How sure it is noise, in [0, 1]; shape (bands,).
    """

    power: Bands
    confidence: Bands

    @property
    def is_present(self) -> bool:
        """Whether any band has noise."""
        return bool(self.confidence.any())

    @property
    def expected(self) -> Bands:
        """The power that may be taken away without harm: power times confidence."""
        return self.power * self.confidence


def measure_noise(audio: Audio, stft: Stft) -> NoiseFloor:
    """Find the steady noise of a recording.

    Args:
        audio: The recording. Shorter than three windows' worth of sound (3 s), nothing is found in it.
        stft: The transform in whose bands the answer is given.
    """
    nothing = NoiseFloor(np.zeros(stft.bands), np.zeros(stft.bands))
    edges = _group_edges(stft)
    levels = _group_levels(audio, stft, edges)
    heard = levels.max(axis=1) > levels.max() + SILENCE_DB
    # Frames that reach into silence, or beyond an end of the file, are no measure of anything.
    reach = OVERLAP + _smoothing_frames(audio, stft)
    heard = binary_erosion(heard, np.ones(2 * reach + 1))
    window = max(1, round(WINDOW_S * audio.rate_hz / stft.hop))
    windows = int(heard.sum()) // window
    if windows < LEAST_WINDOWS or levels.max() < SILENCE_DB:
        return nothing
    kept = levels[heard]
    minima = kept[: windows * window].reshape(windows, window, -1).min(axis=1)
    floor, typical = np.quantile(minima, [0.1, 0.35], axis=0)
    at_floor = (levels < floor + FLOOR_WIDTH_DB) & heard[:, None]
    power, unevenness = _floor_statistics(audio, stft, edges, at_floor)
    mean = 10 * np.log10(np.mean(10 ** (kept / 10), axis=0))
    confidence = (
        _falling(typical - floor, 1.5, 3.0)
        * (1 - _falling(at_floor.sum(axis=0) / heard.sum(), 0.03, 0.06))
        * _falling(np.abs(unevenness - GAUSSIAN_UNEVENNESS_DB), 0.35, 0.7)
        * (floor > mean.max() + INAUDIBLE_DB)
    )
    return NoiseFloor(power, np.repeat(_broad(confidence), np.diff(edges)))


def _broad(confidence: Bands) -> Bands:
    """Noise is broad: bands that look like it in patches, between others that do not, are music."""
    width = np.ones(BROAD_GROUPS)
    sure = np.convolve(confidence, width / BROAD_GROUPS, "valid") >= BROAD_SHARE
    return np.where(np.convolve(sure, width) > 0, confidence, 0.0)


def noise_level_db(audio: Audio) -> float | None:
    """Level of the steady noise in dBFS (as `rms_db` of it alone would tell); None where there is none."""
    stft = Stft.lasting(0.046, audio.rate_hz)
    floor = measure_noise(audio, stft)
    if not floor.is_present:
        return None
    # Parseval; the bands but the first and last stand for two each, and the squared window sums to size / 2.
    power = 2 * float(floor.expected.sum()) / (stft.size * stft.size / 2) / audio.channels
    return 10 * math.log10(power) if power > 0 else None


def _group_edges(stft: Stft) -> NDArray[np.int64]:
    """Where groups of bands begin: 8 bands at least, and about a quarter octave; all bands are in one."""
    edges = [0, 8]
    while edges[-1] < stft.bands:
        edges.append(max(edges[-1] + 8, round(edges[-1] * 1.19)))
    if stft.bands - edges[-2] < 8 and len(edges) > 3:
        del edges[-2]
    return np.array([*edges[:-1], stft.bands])


def _group_levels(audio: Audio, stft: Stft, edges: NDArray[np.int64]) -> Bands:
    """Level in dB of each group of bands, smoothed over time; shape (frames, groups)."""
    parts = [
        np.add.reduceat((np.abs(spectra) ** 2).sum(axis=0), edges[:-1], axis=1)
        for _, spectra in stft.blocks(audio.samples)
    ]
    power = np.concatenate(parts).astype(np.float64) / np.diff(edges)
    smooth = uniform_filter1d(power, _smoothing_frames(audio, stft), axis=0)
    return np.asarray(10 * np.log10(np.maximum(smooth, 1e-20)))


def _smoothing_frames(audio: Audio, stft: Stft) -> int:
    return max(1, round(SMOOTHING_S * audio.rate_hz / stft.hop))


def _floor_statistics(
    audio: Audio, stft: Stft, edges: NDArray[np.int64], at_floor: NDArray[np.bool_]
) -> tuple[Bands, Bands]:
    """Mean power (bands,) of the frames at the floor, and their unevenness in dB, (groups,)."""
    total, groups = np.zeros(stft.bands), len(edges) - 1
    mean, log_mean = np.zeros((audio.channels, groups)), np.zeros((audio.channels, groups))
    for first, spectra in stft.blocks(audio.samples):
        power = np.abs(spectra) ** 2
        chosen = at_floor[first : first + power.shape[1]]
        total += (power.sum(axis=0) * np.repeat(chosen, np.diff(edges), axis=1)).sum(axis=0)
        logs = np.log10(np.maximum(power, 1e-20))
        mean += (np.add.reduceat(power, edges[:-1], axis=2) * chosen).sum(axis=1)
        log_mean += (np.add.reduceat(logs, edges[:-1], axis=2) * chosen).sum(axis=1)
    frames = np.maximum(at_floor.sum(axis=0), 1)
    count = frames * np.diff(edges)
    gaps = 10 * (np.log10(np.maximum(mean / count, 1e-20)) - log_mean / count)
    has_sound = mean > 1e-9 * mean.max(axis=0)  # a silent channel says nothing
    unevenness = np.where(has_sound, gaps, 0).sum(axis=0) / np.maximum(has_sound.sum(axis=0), 1)
    # The mean of logarithms over neighbours: noise is smooth, and a tone's peak must not widen.
    smooth = np.exp(uniform_filter1d(np.log(np.maximum(total, 1e-30)), SMOOTHED_BANDS, mode="nearest"))
    return smooth / np.repeat(frames, np.diff(edges)), unevenness


def _falling(value: Bands, high: float, low: float) -> Bands:
    """1 up to `high`, 0 from `low`, a line between."""
    return np.clip((low - value) / (low - high), 0.0, 1.0)

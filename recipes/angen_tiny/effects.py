"""Small audio effects on float arrays whose last axis is time: room, tone, dynamics, tape, noise, level."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, sosfilt

Signal = NDArray[np.float32]


def room(rng: np.random.Generator, decay_s: float, rate_hz: int, channels: int = 1) -> Signal:
    """Decaying noise that darkens as it decays: an impulse response of unit energy, (channels, samples)."""
    samples = int(decay_s * rate_hz)
    envelope = np.exp(-np.linspace(0.0, 6.9, samples))
    bright = rng.standard_normal((channels, samples)) * envelope
    sos = butter(1, min(2500.0 / (rate_hz / 2), 0.9), output="sos")
    dark = sosfilt(sos, bright, axis=-1)
    fade = np.linspace(0.0, 1.0, samples) ** 0.5
    response = (1 - fade) * bright + fade * 1.6 * dark
    delay = int(rng.uniform(0.004, 0.025) * rate_hz)
    response = np.pad(response, ((0, 0), (delay, 0)))
    return np.asarray(response / np.sqrt((response**2).sum(axis=-1, keepdims=True)), dtype=np.float32)


def reverberate(audio: Signal, response: Signal, wet: float) -> Signal:
    """Add a room's sound, `wet` times as strong as the dry signal in energy terms."""
    tail = fftconvolve(np.atleast_2d(audio), response, axes=-1)[..., : audio.shape[-1]]
    return np.asarray(audio + wet * tail.reshape(audio.shape), dtype=np.float32)


def tilt(audio: Signal, slope_db: float, rate_hz: int, pivot_hz: float = 900.0) -> Signal:
    """Turn the spectrum about a pivot: highs up and lows down by `slope_db` / 2 each, or the reverse."""
    low = sosfilt(butter(1, pivot_hz / (rate_hz / 2), output="sos"), audio, axis=-1)
    gain = 10 ** (slope_db / 40)
    return np.asarray(low / gain + (audio - low) * gain, dtype=np.float32)


def low_pass(audio: Signal, cutoff_hz: float, rate_hz: int) -> Signal:
    """A gentle low pass, as of a worn tape."""
    return np.asarray(
        sosfilt(butter(2, cutoff_hz / (rate_hz / 2), output="sos"), audio, axis=-1), dtype=np.float32
    )


def saturate(audio: Signal, drive: float) -> Signal:
    """Soft saturation that leaves quiet passages alone; the peak keeps its height."""
    peak = float(np.abs(audio).max()) or 1.0
    return np.asarray(np.tanh(audio / peak * drive) * (peak / np.tanh(drive)), dtype=np.float32)


def compress(audio: Signal, ratio: float, rate_hz: int, window_s: float = 0.05) -> Signal:
    """Even out loudness: levels above the mean are reduced by `ratio`, following a smoothed envelope."""
    power = (audio**2).reshape(-1, audio.shape[-1]).mean(axis=0)
    hop = max(1, int(window_s * rate_hz))
    blocks = np.add.reduceat(power, np.arange(0, len(power), hop)) / hop
    level = np.sqrt(np.maximum(np.convolve(blocks, [0.2, 0.6, 0.2], mode="same"), 1e-10))
    gain = np.minimum(1.0, (level / (np.sqrt(blocks.mean()) + 1e-9)) ** (1.0 / ratio - 1.0))
    centres = (np.arange(len(gain)) + 0.5) * hop
    return np.asarray(audio * np.interp(np.arange(len(power)), centres, gain), dtype=np.float32)


def wow(audio: Signal, rng: np.random.Generator, depth_s: float, rate_hz: int) -> Signal:
    """Tape wow: read a mono signal with a slowly swaying delay of at most `depth_s`."""
    time_s = np.arange(len(audio)) / rate_hz
    sway = np.sin(2 * np.pi * rng.uniform(0.3, 1.2) * time_s + rng.uniform(0.0, 2 * np.pi))
    position = np.clip(time_s - depth_s * (1 + sway) / 2, 0.0, None) * rate_hz
    return np.asarray(np.interp(position, np.arange(len(audio)), audio), dtype=np.float32)


def crackle(rng: np.random.Generator, samples: int, rate_hz: int, per_second: float = 9.0) -> Signal:
    """The clicks of an old record, shape (samples,), about unit peak."""
    clicks = np.zeros(samples, dtype=np.float32)
    count = rng.poisson(per_second * samples / rate_hz)
    clicks[rng.integers(0, samples, count)] = rng.uniform(-1.0, 1.0, count) ** 3
    return clicks


def noise_floor(rng: np.random.Generator, samples: int) -> Signal:
    """Hiss of unit deviation, tilted towards lows a little, shape (samples,)."""
    white = rng.standard_normal(samples + 1).astype(np.float32)
    return 0.8 * white[1:] + 0.6 * white[:-1]


def set_level(audio: Signal, rms_db: float, ceiling: float = 0.97) -> Signal:
    """Bring a signal to an RMS level, bending (not cutting) what would pass the ceiling.

    Below 60 % of the ceiling nothing changes; above, peaks approach the ceiling along a tanh.
    """
    rms = float(np.sqrt(np.mean(audio.astype(np.float64) ** 2)))
    if rms < 1e-7:
        return audio
    target = 10 ** (rms_db / 20)
    knee = 0.6 * ceiling
    gain, result = target / rms, audio
    for _ in range(2):  # bending costs a little level: make it up once
        scaled = audio * gain
        excess = np.abs(scaled) - knee
        bent = np.sign(scaled) * (
            knee + (ceiling - knee) * np.tanh(np.maximum(excess, 0.0) / (ceiling - knee))
        )
        result = np.where(excess > 0, bent, scaled)
        gain *= target / float(np.sqrt(np.mean(result.astype(np.float64) ** 2)))
    return result.astype(np.float32)

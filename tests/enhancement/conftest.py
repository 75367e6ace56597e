"""Sound made by formula whose truth is known, and the examples."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile
from numpy.typing import NDArray

from angen.audio import Audio

CALYPSO = sorted((Path(__file__).parents[2] / "examples" / "calypso").glob("*.ogg"))


@cache
def _calypso(number: int, seconds: float) -> Audio:
    with soundfile.SoundFile(CALYPSO[number]) as sound:
        sound.seek(10 * sound.samplerate)
        samples = sound.read(round(seconds * sound.samplerate), dtype="float32", always_2d=True).T
        return Audio(np.ascontiguousarray(samples), sound.samplerate)


@pytest.fixture(scope="session")
def calypso() -> Callable[..., Audio]:
    """Some seconds of an example: `calypso(0, seconds=8.0)`."""
    return lambda number=0, seconds=8.0: _calypso(number, seconds)


@pytest.fixture(scope="session")
def plucked() -> Callable[..., Audio]:
    """Decaying notes with overtones up to half the rate, no noise: `plucked(seconds, channels, rate_hz)`."""

    def make(
        seconds: float = 6.0, channels: int = 1, rate_hz: int = 44100, seed: int = 0, gap_s: float = 0.2
    ) -> Audio:
        rng = np.random.default_rng(seed)
        sound = np.zeros((channels, round(seconds * rate_hz)))
        time_s = np.arange(rate_hz // 2) / rate_hz
        for start in np.arange(0, sound.shape[1] - rate_hz // 8, round(gap_s * rate_hz)):
            hz = rng.uniform(110, 700)
            overtones = np.arange(1, min(40, int(0.47 * rate_hz / hz)) + 1)[:, None]
            note = (np.sin(2 * np.pi * hz * overtones * time_s) / overtones * np.exp(-9 * time_s)).sum(axis=0)
            note[: rate_hz // 500] *= np.linspace(0, 1, rate_hz // 500)
            place = slice(start, min(start + len(note), sound.shape[1]))
            sound[:, place] += rng.uniform(0.4, 1, (channels, 1)) * note[: place.stop - start]
        return Audio((0.5 * sound / np.abs(sound).max()).astype(np.float32), rate_hz)

    return make


def made_noise(
    shape: tuple[int, ...], rate_hz: int, kind: str = "white", seed: int = 0
) -> NDArray[np.float64]:
    """Noise with a mean square of 1."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(shape), axis=-1)
    hz = np.maximum(np.fft.rfftfreq(shape[-1], 1 / rate_hz), 20)
    spectrum *= {"white": np.ones_like(hz), "pink": hz**-0.5, "hiss": hz / np.hypot(hz, 3000)}[kind]
    sound = np.fft.irfft(spectrum, shape[-1], axis=-1)
    return np.asarray(sound / np.sqrt(np.mean(sound**2)))


@pytest.fixture(scope="session")
def noise() -> Callable[..., NDArray[np.float64]]:
    """Noise with a mean square of 1: `noise(shape, rate_hz, "pink")`."""
    return made_noise


@pytest.fixture(scope="session")
def with_noise() -> Callable[..., Audio]:
    """A recording with noise: `with_noise(audio, "pink", snr_db=10)`."""

    def add(audio: Audio, kind: str = "white", snr_db: float = 10.0, seed: int = 0) -> Audio:
        level = np.sqrt(np.mean(audio.samples.astype(float) ** 2)) * 10 ** (-snr_db / 20)
        added = level * made_noise(audio.samples.shape, audio.rate_hz, kind, seed)
        return Audio((audio.samples + added).astype(np.float32), audio.rate_hz)

    return add


@pytest.fixture(scope="session")
def low_passed() -> Callable[..., Audio]:
    """A recording without what is above a frequency: `low_passed(audio, 8000)`."""

    def cut(audio: Audio, hz: float, width_hz: float = 300) -> Audio:
        taps, beta = scipy.signal.kaiserord(120, 2 * width_hz / audio.rate_hz)
        taps |= 1
        response = scipy.signal.firwin(taps, hz, window=("kaiser", beta), fs=audio.rate_hz)
        whole = scipy.signal.oaconvolve(audio.samples.astype(float), response[None], axes=1)
        kept = whole[:, taps // 2 : taps // 2 + audio.samples.shape[1]]
        return Audio(kept.astype(np.float32), audio.rate_hz)

    return cut


@pytest.fixture(scope="session")
def voice() -> Callable[..., Audio]:
    """Dry syllables of harmonic sound; with `sibilants`, bursts at 5.5 to 8.5 kHz between: also where they are."""

    def make(seconds: float = 6.0, rate_hz: int = 44100, sibilants: bool = False, seed: int = 0) -> Audio:
        rng, sound, at = np.random.default_rng(seed), np.zeros(round(seconds * rate_hz)), rate_hz // 10
        hiss = np.zeros(len(sound))
        if sibilants:
            edges = [5500, min(8500, 0.45 * rate_hz)]
            section = scipy.signal.butter(4, edges, "bandpass", fs=rate_hz, output="sos")
            hiss = scipy.signal.sosfilt(section, rng.standard_normal(len(sound)))
        while at < len(sound) - rate_hz:
            length = int(rng.uniform(0.12, 0.3) * rate_hz)
            time_s = np.arange(length) / rate_hz
            shape = np.minimum(1, np.minimum(time_s / 0.02, time_s[::-1] / 0.03))
            hz = rng.uniform(120, 300)
            for k in range(1, int(min(4000, 0.45 * rate_hz) / hz)):
                sound[at : at + length] += 0.1 * shape * np.sin(2 * np.pi * k * hz * time_s) / k
            at += length + rate_hz // 10
            if sibilants:
                burst = rate_hz // 12
                sound[at : at + burst] += 0.15 * hiss[at : at + burst] / hiss.std() * np.hanning(burst)
                at += burst + rate_hz // 10
        return Audio(sound.astype(np.float32)[None], rate_hz)

    return make

"""What the estimates listen to is mixed and resampled in pieces, as if in one."""

import numpy as np
import pytest
import soxr

from angen.analysis.spectrum import BLOCK_SAMPLES, LISTENING_RMS, RATE_HZ, rms, signal_and_rms
from angen.audio import Audio

SAMPLES = 2 * BLOCK_SAMPLES + 12_345


def _noise(channels: int, samples: int = SAMPLES) -> np.ndarray:
    return np.random.default_rng(4).normal(0, 0.2, (channels, samples)).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_pieces_are_as_the_whole(channels: int, rate_hz: int) -> None:
    audio = Audio(_noise(channels), rate_hz)
    whole = soxr.resample(audio.mono().samples[0], rate_hz, RATE_HZ, quality="LQ")
    signal, level = signal_and_rms(audio)
    assert len(signal) == len(whole)
    assert np.allclose(signal * rms(whole) / LISTENING_RMS, whole, atol=1e-5)
    assert level == pytest.approx(rms(audio.mono().samples[0]), rel=1e-5)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_recording_at_the_listening_rate_is_left_as_it_was(channels: int) -> None:
    samples = _noise(channels)
    before = samples.copy()
    signal, _ = signal_and_rms(Audio(samples, RATE_HZ))
    assert np.array_equal(samples, before)
    assert np.allclose(signal / LISTENING_RMS, before.mean(axis=0) / rms(before.mean(axis=0)), atol=1e-4)


def test_channels_that_cancel_are_heard_by_the_first() -> None:
    left = _noise(1)[0]
    signal, level = signal_and_rms(Audio(np.stack([left, -left]), 44_100))
    alone, own_level = signal_and_rms(Audio(left[None], 44_100))
    assert np.array_equal(signal, alone)
    assert level == own_level == pytest.approx(rms(left), rel=1e-5)


def test_silence_stays_silence() -> None:
    signal, level = signal_and_rms(Audio(np.zeros((2, SAMPLES), np.float32), 44_100))
    assert not signal.any()
    assert level == 0.0


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_a_few_samples_are_heard(samples: int) -> None:
    signal, _ = signal_and_rms(Audio(_noise(2, samples), 192_000))
    assert len(signal) >= 1
    assert np.isfinite(signal).all()

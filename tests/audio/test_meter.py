import math

import numpy as np
import pyloudnorm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.audio import Audio, loudness_lufs, peak_db, rms_db


def sine(hz: float, peak: float, seconds: float = 2.0, channels: int = 1, rate_hz: int = 48000) -> Audio:
    wave = peak * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)
    return Audio(np.tile(wave, (channels, 1)).astype(np.float32), rate_hz)


def test_peak_and_rms_of_a_sine():
    audio = sine(1000, 0.5)
    assert peak_db(audio) == pytest.approx(20 * math.log10(0.5), abs=0.01)
    assert rms_db(audio) == pytest.approx(20 * math.log10(0.5) - 3.01, abs=0.01)


def test_silence_has_no_level():
    audio = Audio(np.zeros((2, 48000), np.float32), 48000)
    assert peak_db(audio) == rms_db(audio) == -math.inf
    assert loudness_lufs(audio) is None


@pytest.mark.parametrize("rate_hz", [22050, 44100, 48000, 96000])
def test_a_stereo_sine_of_997_hz_reads_its_peak_level(rate_hz):
    """EBU Tech 3341, case 1: -23 dBFS in both channels reads -23 LUFS."""
    audio = sine(997, 10 ** (-23 / 20), seconds=3, channels=2, rate_hz=rate_hz)
    assert loudness_lufs(audio) == pytest.approx(-23, abs=0.1)


def test_quiet_parts_are_gated_out():
    """EBU Tech 3341, case 3: -36, -23, -36 dBFS reads -23 LUFS."""
    quiet, loud = (10 ** (level / 20) for level in (-36, -23))
    parts = [sine(997, quiet, 10, 2), sine(997, loud, 60, 2), sine(997, quiet, 10, 2)]
    audio = Audio(np.concatenate([part.samples for part in parts], axis=1), 48000)
    assert loudness_lufs(audio) == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("rate_hz", [32000, 44100])
def test_loudness_agrees_with_pyloudnorm(make_audio, channels, rate_hz):
    audio = make_audio(seconds=12.34, channels=channels, rate_hz=rate_hz)
    fading = audio.samples * np.linspace(0.01, 1, audio.samples.shape[1], dtype=np.float32)
    reference = pyloudnorm.Meter(rate_hz).integrated_loudness(fading.T.astype(np.float64))
    assert loudness_lufs(Audio(fading, rate_hz)) == pytest.approx(reference, abs=0.02)


def test_low_effects_do_not_count(make_audio):
    audio = make_audio(channels=6)
    louder = audio.samples.copy()
    louder[3] *= 2
    assert loudness_lufs(Audio(louder, audio.rate_hz)) == pytest.approx(loudness_lufs(audio), abs=1e-6)


def test_less_than_a_block_has_no_loudness(make_audio):
    assert loudness_lufs(make_audio(seconds=0.39)) is None
    assert loudness_lufs(make_audio(seconds=0.4)) is not None


@settings(max_examples=20, deadline=None)
@given(st.floats(-12, 12))
def test_gain_adds_in_decibels(gain_db):
    audio = sine(440, 0.2, seconds=1.0)
    louder = Audio(audio.samples * np.float32(10 ** (gain_db / 20)), audio.rate_hz)
    for measure in (peak_db, rms_db, loudness_lufs):
        assert measure(louder) - measure(audio) == pytest.approx(gain_db, abs=1e-3)

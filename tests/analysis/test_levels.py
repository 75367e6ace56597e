import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.analysis.levels import loudness_of
from angen.audio import Audio, loudness_lufs


@settings(max_examples=10)
@given(
    seed=st.integers(0, 2**16),
    rate_hz=st.sampled_from([8000, 22050, 24000, 44100, 48000]),
    channels=st.sampled_from([1, 2, 5, 6]),
    seconds=st.floats(5.5, 8),
    tilt=st.floats(-1.5, 0.5),
    gain=st.floats(0.01, 1.0),
)
def test_the_fast_loudness_is_the_standards(seed, rate_hz, channels, seconds, tilt, gain):
    random = np.random.default_rng(seed)
    count = round(seconds * rate_hz)
    spectrum = np.fft.rfft(random.standard_normal((channels, count)), axis=1)
    spectrum *= np.maximum(np.arange(spectrum.shape[1]), 1) ** tilt
    sound = np.fft.irfft(spectrum, count, axis=1)
    sound *= np.repeat(random.uniform(0.1, 1, 12), -(-count // 12))[:count]  # loud and soft stretches
    audio = Audio((gain * sound / np.abs(sound).max()).astype(np.float32), rate_hz)
    exact, fast = loudness_lufs(audio), loudness_of(audio)
    assert (exact is None) == (fast is None)
    if exact is not None:
        assert fast == pytest.approx(exact, abs=0.05)


def test_silence_and_a_moment_have_no_loudness():
    assert loudness_of(Audio(np.full((1, 480_000), 1e-9, np.float32), 48_000)) is None
    assert loudness_of(Audio(np.full((1, 100), 0.5, np.float32), 48_000)) is None


def test_a_short_sound_is_measured_sample_by_sample(make_noise):
    noise = make_noise(2.0)
    assert loudness_of(noise) == loudness_lufs(noise)

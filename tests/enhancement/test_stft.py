import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.audio import Audio
from angen.enhancement import sdr_db
from angen.enhancement.stft import FRAMES_AT_ONCE, Stft


@given(count=st.integers(1, 40_000), size=st.sampled_from([16, 64, 1024]), channels=st.integers(1, 2))
@settings(max_examples=40)
def test_without_a_change_the_sound_comes_back(count, size, channels):
    sound = np.random.default_rng(count).standard_normal((channels, count)).astype(np.float32)
    back = Stft(size).changed(sound, lambda _, spectra: spectra)
    assert back.shape == sound.shape
    assert sdr_db(Audio(sound, 44100), Audio(back, 44100)) > 120


def test_blocks_are_the_transforms_of_their_frames():
    """More than one block; frame t holds the samples from t hop - 3/4 size on."""
    stft = Stft(64)
    sound = np.random.default_rng(0).standard_normal((1, 64 * FRAMES_AT_ONCE)).astype(np.float32)
    frames = np.concatenate([spectra for _, spectra in stft.blocks(sound)], axis=1)
    assert frames.shape == (1, stft.frames(sound.shape[1]), stft.bands)
    window = np.sin(np.pi * np.arange(64) / 64)
    for frame in (3, 300, 600):
        start = frame * stft.hop - 48
        expected = np.fft.rfft(sound[0, start : start + 64] * window)
        np.testing.assert_allclose(frames[0, frame], expected, atol=1e-4)


def test_a_gain_of_one_band_is_heard_in_that_band_alone():
    stft, rate_hz = Stft(1024), 44100
    time_s = np.arange(rate_hz) / rate_hz
    tones = [np.sin(2 * np.pi * hz * time_s).astype(np.float32)[None] for hz in (1000, 5000)]

    def without_top(_first, spectra):
        spectra[..., 70:] = 0  # from 3 kHz
        return spectra

    left = stft.changed(tones[0] + tones[1], without_top)
    assert sdr_db(Audio(tones[0], rate_hz), Audio(left, rate_hz)) > 25


def test_frames_last_about_as_long_at_any_rate():
    rates = (16_000, 44_100, 48_000, 192_000)
    assert [Stft.lasting(0.046, rate_hz).size for rate_hz in rates] == [1024, 2048, 2048, 8192]

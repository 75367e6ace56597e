import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from angen.audio import Audio, write_audio
from angen.mastering.dither import dithered

from ..conftest import music, tone


@pytest.mark.parametrize("bits", [16, 24])
def test_the_samples_are_whole_steps_and_survive_a_file(tmp_path, bits):
    audio = dithered(music(1), bits, seed=1)
    steps = audio.samples.astype(np.float64) * 2 ** (bits - 1)
    np.testing.assert_array_equal(steps, np.rint(steps))
    for suffix in (".wav", ".flac"):
        write_audio(tmp_path / f"a{suffix}", audio, bit_depth=bits)
        np.testing.assert_array_equal(
            soundfile.read(tmp_path / f"a{suffix}", dtype="float32")[0].T, audio.samples
        )


@given(level=st.floats(-3, 3))
def test_the_error_has_no_mean_and_the_power_of_theory_whatever_the_level(level):
    """TPDF: the error's mean is 0 and its variance 1/4 step², for any constant input between two steps."""
    step = 2.0**-15
    audio = Audio(np.full((1, 40_000), level * step, np.float32), 8000)
    error = (dithered(audio, 16, seed=0).samples - audio.samples) / step
    assert abs(float(error.mean())) < 0.015
    assert float(error.var()) == pytest.approx(0.25, abs=0.01)


def test_a_tone_below_one_step_is_still_there():
    sound = tone(1000, 0.4 * 2.0**-15, 4, channels=1)
    result = dithered(sound, 16, seed=0).samples[0]
    levels = np.abs(np.fft.rfft(result))
    assert int(levels[10:].argmax()) + 10 == 4000
    assert not np.rint(sound.samples * 2**15).any()  # rounding alone loses it


def test_the_seed_decides_and_full_scale_is_kept():
    audio = music(0.5)
    np.testing.assert_array_equal(dithered(audio, 16, 3).samples, dithered(audio, 16, 3).samples)
    assert (dithered(audio, 16, 3).samples != dithered(audio, 16, 4).samples).any()
    loud = dithered(Audio(np.array([[1.5, -1.5, 1.0]], np.float32), 8000), 16, 0).samples
    np.testing.assert_array_equal(loud, [[1 - 2**-15, -1, 1 - 2**-15]])


def test_the_noise_of_two_channels_is_not_the_same():
    silent = Audio(np.zeros((2, 20_000), np.float32), 8000)
    noise = dithered(silent, 16, 0).samples
    assert abs(np.corrcoef(noise)[0, 1]) < 0.05

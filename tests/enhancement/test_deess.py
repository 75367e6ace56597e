import numpy as np
import pytest

from angen.audio import Audio
from angen.enhancement import DeEss


def band_db(samples, low_hz=5500, high_hz=8500, rate_hz=44100):
    power = np.abs(np.fft.rfft(samples)) ** 2
    hz = np.fft.rfftfreq(samples.shape[-1], 1 / rate_hz)
    return 10 * np.log10(power[..., (hz > low_hz) & (hz < high_hz)].sum())


def test_sibilants_are_softened_and_the_rest_is_the_same_bit_for_bit(voice):
    audio, dull = voice(6, sibilants=True), voice(6, sibilants=False)
    assert DeEss().apply(dull) is dull
    made = DeEss().apply(audio)
    changed = np.flatnonzero(made.samples[0] != audio.samples[0])
    untouched = 1 - len(changed) / audio.samples.shape[1]
    assert untouched > 0.4
    assert band_db(made.samples[0]) < band_db(audio.samples[0]) - 6
    assert band_db(made.samples[0]) > band_db(audio.samples[0]) - 10.5
    assert band_db(made.samples[0], 100, 4000) == pytest.approx(
        band_db(audio.samples[0], 100, 4000), abs=0.05
    )


def test_reduction_follows_the_ratio_up_to_its_limit():
    """A steady band 12 dB over the rest: a ratio of 2 takes 6 dB, and a limit of 3 dB holds."""
    time_s = np.arange(4 * 44100) / 44100
    low, high = np.sin(2 * np.pi * 800 * time_s), np.sin(2 * np.pi * 7000 * time_s)
    audio = Audio((0.1 * low + 0.1 * 10 ** (12 / 20) * high).astype(np.float32)[None], 44100)
    for step, expected in ((DeEss(ratio=2, most_db=20), -6.0), (DeEss(ratio=20, most_db=3), -3.0)):
        made = step.apply(audio).samples[0, 44100:-44100]
        change = band_db(made) - band_db(audio.samples[0, 44100:-44100])
        assert change == pytest.approx(expected, abs=0.4)


def test_a_rate_without_such_a_band_is_left_alone(voice):
    audio = voice(3, rate_hz=8000)
    assert DeEss().apply(audio) is audio


def test_at_16_khz_the_band_ends_under_half_the_rate(voice):
    audio = voice(4, rate_hz=16_000, sibilants=True)
    made = DeEss().apply(audio)
    assert band_db(made.samples[0], 5500, 7300, 16_000) < band_db(audio.samples[0], 5500, 7300, 16_000) - 3

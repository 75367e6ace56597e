import math

import numpy as np
import pytest

from angen.audio import Audio
from angen.enhancement import log_spectral_distance_db, sdr_db, si_sdr_db


@pytest.fixture
def sound():
    return Audio(np.random.default_rng(0).standard_normal((2, 44100)).astype(np.float32), 44100)


def scaled(audio, factor):
    return Audio(audio.samples * np.float32(factor), audio.rate_hz)


def test_ratios_of_known_errors(sound):
    other = np.random.default_rng(1).standard_normal((2, 44100)) * 0.1
    noisy = Audio((sound.samples + other).astype(np.float32), 44100)
    assert sdr_db(sound, sound) == math.inf
    assert sdr_db(sound, scaled(sound, 0.9)) == pytest.approx(20, abs=0.01)
    assert sdr_db(sound, noisy) == pytest.approx(20, abs=0.1)
    assert si_sdr_db(sound, noisy) == pytest.approx(20, abs=0.1)
    assert si_sdr_db(sound, scaled(noisy, 0.3)) == pytest.approx(si_sdr_db(sound, noisy), abs=1e-3)
    assert sdr_db(scaled(sound, 0), sound) == -math.inf


@pytest.mark.parametrize("factor_db", [-12.0, -3.0, 6.0])
def test_log_spectral_distance_of_a_change_of_level_is_that_change(sound, factor_db):
    louder = scaled(sound, 10 ** (factor_db / 20))
    assert log_spectral_distance_db(sound, louder) == pytest.approx(abs(factor_db), rel=0.01)
    assert log_spectral_distance_db(sound, sound) == 0


def test_distance_is_of_the_band_asked_for(sound, low_passed):
    dull = low_passed(sound, 8000)
    assert log_spectral_distance_db(sound, dull, high_hz=7000) < 0.1
    assert log_spectral_distance_db(sound, dull, low_hz=9000) > 30
    assert log_spectral_distance_db(sound, dull, low_hz=9000, range_db=40) < 40


def test_what_cannot_be_compared_is_refused(sound):
    with pytest.raises(ValueError, match="cannot compare"):
        sdr_db(sound, Audio(sound.samples[:1], 44100))
    with pytest.raises(ValueError, match="nothing between"):
        log_spectral_distance_db(sound, sound, low_hz=30_000)
    assert log_spectral_distance_db(scaled(sound, 0), sound) == 0

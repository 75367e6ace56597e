import numpy as np
import pytest

from angen.audio import Audio
from angen.mastering.equalizer import (
    _TARGET,
    MOST_CORRECTED_DB,
    MOST_MATCHED_DB,
    corrective_curve,
    equalize,
    left_right,
    long_term_spectrum,
    matching_curves,
    mid_side,
)
from angen.mastering.filters import filtered, high_pass, high_shelf, low_pass, peaking, response_db

from ..conftest import music, tone
from .conftest import level_db


def noise(seconds=8.0, *, channels=1, rate_hz=44_100, seed=0):
    generator = np.random.default_rng(seed)
    return Audio(
        generator.standard_normal((channels, round(seconds * rate_hz))).astype(np.float32) * 0.1, rate_hz
    )


def coloured(audio, sections):
    return Audio(filtered(sections, audio.samples), audio.rate_hz)


def test_mid_and_side_go_there_and_back():
    samples = music(1.0).samples
    np.testing.assert_allclose(left_right(mid_side(samples)), samples, atol=1e-7)
    np.testing.assert_array_equal(mid_side(np.stack([samples[0]] * 2))[1], 0)


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 96_000])
def test_white_noise_rises_3_db_an_octave_in_thirds_of_an_octave(rate_hz):
    spectrum = long_term_spectrum(noise(rate_hz=rate_hz))
    hz = spectrum.frequencies_hz
    inside = (hz > 60) & (hz < 0.4 * rate_hz)
    slope = np.polyfit(np.log2(hz[inside]), spectrum.mid_db[inside], 1)[0]
    assert slope == pytest.approx(3.01, abs=0.1)


def test_a_tone_stands_in_its_third_of_an_octave_and_quiet_parts_do_not_count():
    loud, quiet = tone(1000, 0.5, 4, channels=1), tone(5000, 0.001, 30, channels=1)
    sound = Audio(np.concatenate([loud.samples, quiet.samples], axis=1), 48_000)
    spectrum = long_term_spectrum(sound)
    peak_hz = spectrum.frequencies_hz[spectrum.mid_db > spectrum.mid_db.max() - 1]
    assert 880 < peak_hz.min() < 1000 < peak_hz.max() < 1130
    alone = long_term_spectrum(loud)
    assert spectrum.mid_db.max() == pytest.approx(alone.mid_db.max(), abs=0.7)


def test_what_has_the_target_already_is_left_alone():
    audio = noise(20)
    spectrum = np.fft.rfft(audio.samples[0])
    hz = np.maximum(np.fft.rfftfreq(audio.samples.shape[1], 1 / 44_100), 1)
    third_db = np.interp(np.log(hz), np.log([f for f, _ in _TARGET]), [db for _, db in _TARGET])
    shaped = np.fft.irfft(spectrum * 10 ** (third_db / 20) / np.sqrt(hz), audio.samples.shape[1])
    on_target = Audio((shaped / np.abs(shaped).max())[None].astype(np.float32), 44_100)
    spectrum = long_term_spectrum(on_target)
    assert np.abs(corrective_curve(spectrum, 1.0)[spectrum.frequencies_hz > 40]).max() < 0.4
    # A hill of 6 dB is taken down, half of it at half strength.
    hill = long_term_spectrum(coloured(on_target, peaking(1000, 44_100, 6, 0.5)))
    at = int(np.abs(hill.frequencies_hz - 1000).argmin())
    full, half = corrective_curve(hill, 1.0)[at], corrective_curve(hill, 0.5)[at]
    assert -3 <= full < -2
    assert full < half < full / 2 + 0.1


def test_corrections_stay_small_and_nothing_is_raised_where_nothing_is():
    for cut in (low_pass(700, 44_100), high_pass(3000, 44_100)):
        steep = coloured(noise(), np.vstack([cut] * 8))
        spectrum = long_term_spectrum(steep)
        curve = corrective_curve(spectrum, 1.0)
        assert np.abs(curve).max() <= MOST_CORRECTED_DB
        assert np.abs(curve[spectrum.mid_db < spectrum.mid_db.max() - 60]).max() < 1e-6
    assert not corrective_curve(spectrum, 0.0).any()


def test_matching_undoes_a_known_filter():
    audio = music(12)
    sections = np.vstack([peaking(300, 44_100, 4, 0.8), high_shelf(5000, 44_100, -4)])
    dull = coloured(audio, sections)
    mid, side = matching_curves(long_term_spectrum(dull), long_term_spectrum(audio))
    hz = long_term_spectrum(audio).frequencies_hz
    inside = (hz > 60) & (hz < 14_000)
    wanted = -response_db(sections, hz, 44_100)
    error = (mid - wanted)[inside]
    assert np.std(error) < 0.4
    matched = equalize(dull, hz, mid, side)
    left = long_term_spectrum(matched).mid_db - long_term_spectrum(audio).mid_db
    assert np.std(left[inside]) < 0.5
    before = long_term_spectrum(dull).mid_db - long_term_spectrum(audio).mid_db
    assert np.std(before[inside]) > 2


def test_matching_ignores_level_keeps_to_6_db_and_brings_the_side_along():
    audio = music(8)
    spectrum = long_term_spectrum(audio)
    louder = long_term_spectrum(Audio(audio.samples * 4, 44_100))
    for curve in matching_curves(spectrum, louder):
        assert np.abs(curve).max() < 0.01
    wide = left_right(mid_side(audio.samples) * np.array([[1], [1.5]], np.float32))
    mid, side = matching_curves(spectrum, long_term_spectrum(Audio(wide, 44_100)))
    inside = (spectrum.frequencies_hz > 60) & (spectrum.frequencies_hz < 10_000)
    assert np.abs(mid).max() < 0.01
    np.testing.assert_allclose(side[inside], 6 * np.tanh(3.52 / 6), atol=0.1)
    extreme = coloured(audio, high_shelf(1000, 44_100, 30))
    for curve in matching_curves(spectrum, long_term_spectrum(extreme)):
        assert np.abs(curve).max() <= MOST_MATCHED_DB


def test_a_mono_recording_matches_a_stereo_one_and_a_narrow_band_raises_nothing_above_itself():
    mono = music(4, channels=1)
    mid, side = matching_curves(long_term_spectrum(mono), long_term_spectrum(music(4)))
    assert side is None
    dull = long_term_spectrum(music(4).resampled(16_000))
    mid, _ = matching_curves(long_term_spectrum(music(4)), dull)
    hz = long_term_spectrum(music(4)).frequencies_hz
    assert not mid[hz > 8_000].any()


@pytest.mark.parametrize("phase", ["minimum", "linear"])
def test_mid_and_side_have_their_own_filters(phase):
    hz = np.array([50.0, 500, 5000])
    generator = np.random.default_rng(0)
    audio = Audio(generator.standard_normal((2, 88_200)).astype(np.float32) * 0.1, 44_100)
    result = equalize(audio, hz, np.zeros(3), np.full(3, -6.0), phase=phase)
    before, after = mid_side(audio.samples), mid_side(result.samples)
    np.testing.assert_allclose(after[0], before[0], atol=1e-4)
    assert level_db(after[1]) - level_db(before[1]) == pytest.approx(-6, abs=0.05)

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.audio import Audio
from angen.mastering import colour
from angen.mastering.colour import saturate, widen
from angen.mastering.equalizer import mid_side
from angen.mastering.filters import filtered, high_pass, low_pass

from ..conftest import music, tone
from .conftest import level_db


def spectrum_db(samples):
    """Levels of the bins of a windowed second in the middle, a sine of peak 1 reading 0 dB."""
    middle = samples[len(samples) // 2 - 22_050 :][:44_100]
    window = np.blackman(middle.size)
    return 20 * np.log10(np.abs(np.fft.rfft(middle * window)) * 2 / window.sum() + 1e-12)


def test_the_third_harmonic_is_a_quarter_of_the_drive():
    sound = saturate(tone(1000, 0.8, 3, rate_hz=44_100), 0.2).samples[0]
    levels = spectrum_db(sound / 0.8)
    assert levels[3000] == pytest.approx(20 * np.log10(0.05), abs=0.05)
    assert levels[1000] == pytest.approx(20 * np.log10(1 - 0.75 * 0.2), abs=0.05)
    others = np.delete(levels, np.r_[990:1011, 2990:3011])
    assert others.max() < -100


@settings(max_examples=15)
@given(hz=st.integers(7_600, 17_500))
def test_high_tones_leave_no_alias(hz):
    """The third harmonic lies above half the rate; a plain cube would fold it back at -38 dB."""
    sound = tone(hz, 1.0, 2, channels=1, rate_hz=44_100)
    levels = spectrum_db(saturate(sound, 0.2).samples[0])
    levels[hz - 10 : hz + 11] = -200
    assert levels.max() < -95
    plain = spectrum_db(sound.samples[0] - 0.2 * sound.samples[0] ** 3)
    plain[hz - 10 : hz + 11] = -200
    assert plain.max() > -30


def test_saturation_keeps_to_its_limits_and_the_form_of_the_level():
    audio = music(2)
    assert saturate(audio, 0.0) is audio
    bent = saturate(audio, 0.3)
    assert 0.6 < np.abs(bent.samples).max() / np.abs(audio.samples).max() < 0.8
    half = saturate(Audio(audio.samples * np.float32(0.5), 44_100), 0.3)
    np.testing.assert_allclose(half.samples, bent.samples * 0.5, atol=1e-6)
    with pytest.raises(ValueError, match="drive lies within"):
        saturate(audio, 0.5)


def test_stretches_do_not_show(monkeypatch):
    audio = music(2)
    whole = saturate(audio, 0.2).samples
    monkeypatch.setattr(colour, "_STRETCH", 7000)
    np.testing.assert_allclose(saturate(audio, 0.2).samples, whole, atol=1e-5)


def side_db(audio, sections):
    return level_db(filtered(sections, mid_side(audio.samples)[1:]))


def test_the_bass_is_mono_and_the_rest_as_wide_as_asked():
    generator = np.random.default_rng(0)
    audio = Audio(generator.standard_normal((2, 200_000)).astype(np.float32) * 0.1, 44_100)
    result = widen(audio, 1.25, mono_below_hz=120)
    low, high = np.vstack([low_pass(40, 44_100)] * 4), np.vstack([high_pass(1000, 44_100)] * 2)
    assert side_db(result, low) - side_db(audio, low) < -30
    assert side_db(result, high) - side_db(audio, high) == pytest.approx(20 * np.log10(1.25), abs=0.02)
    mid = [level_db(mid_side(sound.samples)[:1]) for sound in (audio, result)]
    assert mid[1] == pytest.approx(mid[0], abs=0.02)  # an all-pass


def test_one_channel_alone_stays_on_its_side():
    """Mid and side keep their phase to each other through the crossover: nothing leaks above it."""
    audio = Audio(np.stack([tone(1000, 0.5, 1).samples[0], np.zeros(48_000, np.float32)]), 48_000)
    result = widen(audio, 1.0, mono_below_hz=120)
    assert level_db(result.samples[1, 10_000:]) - level_db(result.samples[0, 10_000:]) < -30


def test_width_0_is_mono_and_mono_stays_as_it_is():
    audio = music(1)
    result = widen(audio, 0.0, mono_below_hz=None)
    np.testing.assert_allclose(result.samples[0], result.samples[1])
    assert widen(audio, 1.0, mono_below_hz=None) is audio
    mono = music(1, channels=1)
    assert widen(mono, 2.0, mono_below_hz=120) is mono

import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

from angen.mastering import filters
from angen.mastering.filters import (
    convolved,
    crossover,
    filtered,
    fir_from_curve,
    high_pass,
    high_shelf,
    low_pass,
    low_shelf,
    peaking,
    response_db,
)

from ..conftest import tone
from .conftest import level_db

RATES = st.sampled_from([8_000, 44_100, 48_000, 192_000])
GAINS = st.floats(-18, 18)


def at(sections, hz, rate_hz):
    return float(response_db(sections, np.array([hz]), rate_hz)[0])


@given(rate_hz=RATES, share=st.floats(0.001, 0.45))
def test_passes_are_3_db_down_at_their_frequency_and_flat_far_from_it(rate_hz, share):
    hz = share * rate_hz
    assert at(high_pass(hz, rate_hz), hz, rate_hz) == pytest.approx(-3.01, abs=0.01)
    assert at(low_pass(hz, rate_hz), hz, rate_hz) == pytest.approx(-3.01, abs=0.01)
    assert at(high_pass(hz, rate_hz), rate_hz / 2, rate_hz) == pytest.approx(0, abs=1e-6)
    assert at(low_pass(hz, rate_hz), 0, rate_hz) == pytest.approx(0, abs=1e-6)


def test_passes_fall_12_db_an_octave():
    assert at(high_pass(1000, 192_000), 100, 192_000) == pytest.approx(-40, abs=0.1)
    assert at(low_pass(100, 192_000), 1000, 192_000) == pytest.approx(-40, abs=0.1)


@given(rate_hz=RATES, share=st.floats(0.005, 0.4), gain_db=GAINS)
def test_shelves_meet_their_gain_at_one_end_half_of_it_between_and_0_at_the_other(rate_hz, share, gain_db):
    hz = share * rate_hz
    for shelf, gained, left in ((low_shelf, 0, rate_hz / 2), (high_shelf, rate_hz / 2, 0)):
        sections = shelf(hz, rate_hz, gain_db)
        assert at(sections, gained, rate_hz) == pytest.approx(gain_db, abs=1e-4)
        assert at(sections, hz, rate_hz) == pytest.approx(gain_db / 2, abs=1e-4)
        assert at(sections, left, rate_hz) == pytest.approx(0, abs=1e-4)


@given(rate_hz=RATES, share=st.floats(0.005, 0.4), gain_db=GAINS, q=st.floats(0.3, 8))
def test_a_peak_meets_its_gain_at_the_centre_only_and_its_opposite_undoes_it(rate_hz, share, gain_db, q):
    hz = share * rate_hz
    sections = peaking(hz, rate_hz, gain_db, q)
    assert at(sections, hz, rate_hz) == pytest.approx(gain_db, abs=1e-4)
    assert at(sections, 0, rate_hz) == pytest.approx(0, abs=1e-4)
    both = np.vstack([sections, peaking(hz, rate_hz, -gain_db, q)])
    grid = np.linspace(0, rate_hz / 2, 50)
    np.testing.assert_allclose(response_db(both, grid, rate_hz), 0, atol=1e-6)


@given(rate_hz=RATES, share=st.floats(0.001, 0.45))
def test_the_halves_of_a_crossover_add_up_to_an_all_pass(rate_hz, share):
    low, high = crossover(share * rate_hz, rate_hz)
    _, of_low = scipy.signal.sosfreqz(low, 200)
    _, of_high = scipy.signal.sosfreqz(high, 200)
    np.testing.assert_allclose(np.abs(of_low + of_high), 1, atol=1e-6)
    assert at(low, share * rate_hz, rate_hz) == pytest.approx(-6.02, abs=0.01)
    assert at(high, share * rate_hz, rate_hz) == pytest.approx(-6.02, abs=0.01)


def test_response_and_filtering_agree_and_stretches_do_not_show(monkeypatch):
    sections = np.vstack([high_pass(80, 48_000), peaking(1000, 48_000, 6, 1)])
    sound = tone(1000, 0.1, 2.0)
    once = filtered(sections, sound.samples)
    gained = level_db(once[:, 24_000:]) - level_db(sound.samples[:, 24_000:])
    assert gained == pytest.approx(at(sections, 1000, 48_000), abs=0.01)
    monkeypatch.setattr(filters, "_STRETCH", 777)
    np.testing.assert_array_equal(filtered(sections, sound.samples), once)


@pytest.mark.parametrize("hz", [0, -5, 24_000, 30_000])
def test_a_frequency_beyond_the_reach_of_the_rate_is_refused(hz):
    with pytest.raises(ValueError, match="needs 0 < frequency < 24000"):
        high_pass(hz, 48_000)


@pytest.mark.parametrize("phase", ["minimum", "linear"])
@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 96_000])
def test_a_filter_follows_its_curve(phase, rate_hz):
    hz = np.geomspace(25, 0.45 * rate_hz, 60)
    curve = 5 * np.sin(np.log2(hz) * 1.7)
    fir = fir_from_curve(hz, curve, rate_hz, phase=phase)
    _, gain = scipy.signal.freqz(fir, worN=hz, fs=rate_hz)
    assert np.abs(20 * np.log10(np.abs(gain)) - curve)[hz > 60].max() < 0.25


def test_minimum_phase_comes_first_and_linear_phase_is_symmetric_and_put_back_in_time():
    hz, curve = np.array([50.0, 500, 5000]), np.array([6.0, -6, 3])
    least = fir_from_curve(hz, curve, 48_000)
    even = fir_from_curve(hz, curve, 48_000, phase="linear")
    np.testing.assert_allclose(even, even[::-1], atol=1e-12)
    energy = np.cumsum(least**2) / np.sum(least**2)
    assert energy[8] > 0.7
    click = np.zeros((1, 20_000), np.float32)
    click[0, 10_000] = 1
    for fir, phase in ((least, "minimum"), (even, "linear")):
        result = convolved(click, [fir], phase=phase)
        assert result.shape == click.shape
        assert abs(int(np.abs(result).argmax()) - 10_000) <= 1
    assert np.abs(convolved(click, [least])[0, :10_000]).max() < 1e-6  # no pre-echo


def test_a_level_curve_changes_nothing():
    fir = fir_from_curve(np.array([100.0, 1000]), np.zeros(2), 44_100)
    sound = tone(440, 0.5).samples
    np.testing.assert_allclose(convolved(sound, [fir, fir]), sound, atol=1e-6)

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from angen.audio import Audio
from angen.mastering.dynamics import (
    Compressor,
    block_mean,
    block_samples,
    compress,
    de_ess,
    following,
    scaled,
    with_release,
)
from angen.mastering.filters import filtered, high_pass, low_pass

from ..conftest import joined, music, tone
from .conftest import level_db


@given(arrays.arrays(float, st.integers(1, 200), elements=st.floats(0, 40)), st.floats(0.01, 1))
def test_release_is_the_recursion_of_the_textbook(reduction, release_s):
    state, expected = 0.0, []
    for value in reduction:
        state = max(value, state * math.exp(-0.001 / release_s))
        expected.append(state)
    np.testing.assert_allclose(with_release(reduction, release_s, 0.001), expected, rtol=1e-9, atol=1e-12)


def test_release_stays_exact_over_hours():
    reduction = np.zeros(2_000_000)
    reduction[-1000] = 6.0
    tail = with_release(reduction, 0.08, 0.002)[-1000:]
    np.testing.assert_allclose(tail, 6 * np.exp(-np.arange(1000) * 0.002 / 0.08), rtol=1e-6)


def test_following_has_its_time_constant_and_starts_where_it_is():
    steps = np.concatenate([np.full(5, 2.0), np.full(1000, 3.0)])
    followed = following(steps, 0.1, 0.001)
    np.testing.assert_allclose(followed[:5], 2.0)
    assert followed[4 + 100] == pytest.approx(3 - math.exp(-1), abs=0.005)


@given(st.integers(1, 50), st.integers(1, 400))
def test_blocks_cover_everything(block, count):
    power = np.linspace(0, 1, count, dtype=np.float32)
    means = block_mean(power, block)
    assert means.size == math.ceil(count / block)
    assert means[-1] == pytest.approx(power[(means.size - 1) * block :].mean(), abs=1e-5)
    ones = scaled(np.ones((2, count), np.float32), np.full(means.size, 0.5), block)
    np.testing.assert_array_equal(ones, 0.5)


def test_gains_are_drawn_straight_between_the_middles_of_blocks():
    ramp = scaled(np.ones((1, 40), np.float32), np.arange(4.0), 10)[0]
    np.testing.assert_allclose(ramp[4:35], (np.arange(4, 35) - 4.5).clip(0) / 10, atol=1e-6)


def test_the_static_curve():
    rule = Compressor(-20, 4, knee_db=6)
    levels = np.array([-60.0, -23, -20, -17, -10, 0])
    np.testing.assert_allclose(rule.reduction_db(levels), [0, 0, 0.75 * 0.75, 0.75 * 3, 0.75 * 10, 0.75 * 20])
    grid = rule.reduction_db(np.linspace(-60, 0, 500))
    assert (np.diff(grid) >= 0).all()
    assert not Compressor(-20, 1).reduction_db(levels).any()


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 192_000])
def test_a_steady_tone_is_turned_down_by_the_curve_and_returns_with_the_release(rate_hz):
    loud, quiet = tone(997, 0.5, 2, rate_hz=rate_hz), tone(997, 0.02, 2, rate_hz=rate_hz)
    rule = Compressor(-16, 3, knee_db=2, attack_s=0.02, release_s=0.2)
    level_lufs = 20 * math.log10(0.5)
    result, most_db = compress(joined(quiet, loud, quiet), rule)
    wanted = (level_lufs + 16) * (1 - 1 / 3)
    second = rate_hz
    parts = result.samples[:, int(0.5 * second) : second], result.samples[:, 3 * second : int(3.9 * second)]
    assert level_db(parts[0]) == pytest.approx(level_db(quiet.samples), abs=0.02)  # under the threshold
    assert level_db(parts[1]) - level_db(loud.samples) == pytest.approx(-wanted, abs=0.15)
    assert most_db == pytest.approx(wanted, abs=0.15)
    just_after = result.samples[:, int(4.19 * second) : int(4.21 * second)]
    assert level_db(just_after) - level_db(quiet.samples) == pytest.approx(-wanted * math.exp(-1.02), abs=0.8)
    late = result.samples[:, int(5.8 * second) :]
    assert level_db(late) == pytest.approx(level_db(quiet.samples), abs=0.02)


def test_attack_takes_its_time_and_both_channels_move_together():
    audio = joined(tone(997, 0.01, 1), tone(997, 0.5, 1))
    one_sided = Audio(audio.samples * np.array([[1.0], [0.1]], np.float32), 48_000)
    result, _ = compress(one_sided, Compressor(-20, 4, attack_s=0.05))
    loud = np.abs(one_sided.samples[0]) > 0.001
    gains = result.samples[:, loud] / one_sided.samples[:, loud]
    np.testing.assert_allclose(gains[0], gains[1], atol=1e-3)
    assert level_db(result.samples[:, 48_000:48_300]) - level_db(one_sided.samples[:, 48_000:48_300]) > -1.5


def test_the_glue_makes_music_denser():
    audio = music(6)
    result, most_db = compress(audio, Compressor(-30, 3))
    assert 1 < most_db < 20
    blocks = block_samples(44_100) * 100

    def spread(sound):
        levels = [level_db(sound[:, i : i + blocks]) for i in range(0, sound.shape[1], blocks)]
        return float(np.std(levels))

    assert spread(result.samples) < 0.9 * spread(audio.samples)


def test_de_essing_turns_bursts_of_sibilance_down_and_the_rest_not():
    generator = np.random.default_rng(0)
    count = 44_100 * 4
    white = generator.standard_normal((2, count)).astype(np.float32) * 0.1
    steady = filtered(np.vstack([low_pass(2000, 44_100)] * 4), white)
    hiss = filtered(np.vstack([high_pass(7000, 44_100)] * 4), white)
    is_burst = (np.arange(count) // 4410) % 10 == 5
    audio = Audio((steady + hiss * np.where(is_burst, 1.0, 0.02)).astype(np.float32), 44_100)
    result, most_db = de_ess(audio, 1.0)
    assert 3 < most_db < 12
    high = [filtered(np.vstack([high_pass(7000, 44_100)] * 4), s.samples) for s in (audio, result)]
    low = [filtered(np.vstack([low_pass(2000, 44_100)] * 4), s.samples) for s in (audio, result)]
    assert level_db(high[1]) - level_db(high[0]) < -2
    assert level_db(low[1]) - level_db(low[0]) == pytest.approx(0, abs=0.05)


def test_de_essing_does_nothing_at_strength_0_or_beyond_the_rate():
    audio = music(1.0, rate_hz=8000)
    assert de_ess(audio, 1.0) == (audio, 0.0)
    audio = music(1.0)
    assert de_ess(audio, 0.0) == (audio, 0.0)

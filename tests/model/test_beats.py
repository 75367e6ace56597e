import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.model.beats import beat_features, steady_grid

RATE_HZ = 12.5


def phase(features, sine=0):
    """The angle in turns, 0..1."""
    return np.arctan2(features[:, sine], features[:, sine + 1]) / (2 * np.pi) % 1


def turned(one, other):
    """The distance of two angles in turns, at most a half."""
    return np.abs((one - other + 0.5) % 1 - 0.5)


@given(bpm=st.floats(40, 240), start_s=st.floats(0, 30), bar=st.integers(2, 7))
@settings(max_examples=50)
def test_phases_run_at_the_tempo_without_a_jump(bpm, start_s, bar):
    beats, downbeats = steady_grid(bpm, 20, beats_per_bar=bar)
    features = beat_features(beats, downbeats, 200, RATE_HZ, start_s=start_s)
    times = start_s + (np.arange(200) + 0.5) / RATE_HZ
    assert turned(phase(features), times * bpm / 60 % 1).max() < 1e-3
    assert turned(phase(features, 2), times * bpm / 30 % 1).max() < 1e-3
    assert turned(phase(features, 4), times * bpm / 60 / bar % 1).max() < 1e-3
    assert (features[:, 6] == 1).all()


def test_a_frame_on_a_beat_has_phase_zero():
    half = 0.5 / RATE_HZ
    features = beat_features([half, half + 0.8], [half, half + 3.2], 21, RATE_HZ)
    for frame in (0, 10, 20):  # 0.8 s apart, also beyond the last beat
        assert np.allclose(features[frame, :4], [0, 1, 0, 1], atol=1e-5)
    assert np.allclose(features[10, 4:6], [1, 0], atol=1e-5)  # a quarter of the bar


def test_an_uneven_grid_is_followed_beat_by_beat():
    beats = np.array([0.3, 0.7, 1.3, 1.6, 2.4])
    features = beat_features(beats, [], 400, 100.0)
    times = (np.arange(400) + 0.5) / 100
    inside = (times > beats[0]) & (times < beats[-1])
    expected = np.interp(times, beats, np.arange(5)) % 1
    assert turned(phase(features), expected)[inside].max() < 1e-3
    before = (times[times < 0.3] - 0.3) / 0.4  # the first spacing goes on
    assert turned(phase(features)[times < 0.3], before % 1).max() < 1e-3
    after = (times[times > 2.4] - 2.4) / 0.8  # and so does the last
    assert turned(phase(features)[times > 2.4], after % 1).max() < 1e-3


def test_every_pair_lies_on_the_unit_circle():
    features = beat_features(*steady_grid(97, 8), 100, RATE_HZ)
    for sine in (0, 2, 4):
        assert np.allclose(features[:, sine] ** 2 + features[:, sine + 1] ** 2, 1, atol=1e-5)


@pytest.mark.parametrize("beats", [[], [1.0]])
def test_an_unknown_grid_gives_zeros(beats):
    features = beat_features(beats, [0.0, 2.0], 10, RATE_HZ)
    assert features.shape == (10, 7)
    assert features.dtype == np.float32
    assert not features.any()


@pytest.mark.parametrize("downbeats", [[], [1.0]])
def test_unknown_bars_leave_the_bar_phase_at_zero(downbeats):
    features = beat_features([0.0, 0.5, 1.0], downbeats, 10, RATE_HZ)
    assert not features[:, 4:6].any()
    assert features[:, 6].all()


def test_a_crop_has_the_features_of_its_place_in_the_song():
    grid = steady_grid(112, 20)
    whole = beat_features(*grid, 200, RATE_HZ)
    assert np.allclose(beat_features(*grid, 40, RATE_HZ, start_s=100 / RATE_HZ), whole[100:140], atol=1e-5)


@pytest.mark.parametrize(("bpm", "seconds", "bar"), [(120, 10, 4), (61.7, 3.2, 3), (200, 0.1, 7)])
def test_a_steady_grid_covers_its_span_with_at_least_two_bars_marked(bpm, seconds, bar):
    beats, downbeats = steady_grid(bpm, seconds, beats_per_bar=bar)
    assert beats[0] == 0
    assert beats[-1] >= seconds
    assert np.allclose(np.diff(beats), 60 / bpm)
    assert len(downbeats) >= 2
    assert np.allclose(np.diff(downbeats), bar * 60 / bpm)

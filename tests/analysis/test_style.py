import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.analysis import StyleSpace, frechet_distance, split_half_floor, style_features
from angen.analysis.style import slaney_filters
from angen.audio import Audio


def cloud(count, dims=4, seed=0, shift=0.0, scale=1.0):
    return shift + scale * np.random.default_rng(seed).standard_normal((count, dims))


def with_moments(mean, covariance, count=200, seed=0):
    """Points whose sample mean and covariance are exactly these."""
    points = cloud(count, len(mean), seed)
    points -= points.mean(axis=0)
    white = points @ np.linalg.inv(np.linalg.cholesky(np.cov(points.T))).T
    return mean + white @ np.linalg.cholesky(covariance).T


@pytest.mark.parametrize(
    ("seconds", "windows"), [(0.2, 1), (7.68, 1), (11.4, 1), (11.6, 2), (15.36, 2), (30.0, 4), (27.0, 4)]
)
def test_windows_follow_each_other_and_the_last_needs_half_a_window(make_noise, seconds, windows):
    features = style_features(make_noise(seconds))
    assert features.shape == (windows, 256)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


def test_the_last_window_is_aligned_to_the_end(make_noise):
    audio = make_noise(12.0, rate_hz=24000)
    last = audio.span(12.0 - 7.68, 12.0)
    assert np.allclose(style_features(audio)[1], style_features(last)[0], atol=1e-4)


@pytest.mark.parametrize("gain_db", [-50, -6, 6])
def test_loudness_does_not_count(make_drums, gain_db):
    audio = make_drums(120, seconds=16)
    louder = Audio(audio.samples * np.float32(10 ** (gain_db / 20)), audio.rate_hz)
    assert np.allclose(style_features(audio), style_features(louder), atol=1e-3)


def test_rate_and_channels_hardly_count(make_drums):
    audio = make_drums(120, seconds=8)
    stereo = Audio(np.repeat(audio.resampled(44100).samples, 2, axis=0), 44100)
    difference = np.abs(style_features(audio)[0, :56] - style_features(stereo)[0, :56])  # below 8 kHz
    assert difference.max() < 0.05


def test_a_quiet_end_is_not_raised_to_the_level_of_the_song(make_noise):
    audio = make_noise(15.36, rate_hz=24000)
    fading = audio.samples.copy()
    fading[:, fading.shape[1] // 2 :] *= 1e-4
    loud, quiet = style_features(Audio(fading, 24000))[:, :64]
    assert quiet.mean() < loud.mean() - 3


def test_silence_has_finite_features():
    assert np.isfinite(style_features(Audio(np.zeros((1, 24000), np.float32), 24000))).all()


def test_filters_have_unit_area():
    areas = slaney_filters().sum(axis=1) * 24000 / 1024
    assert np.allclose(areas[10:], 1, atol=0.08)


def test_different_music_is_farther_than_the_same(make_drums, make_noise, make_clicks):
    sets = [
        style_features(audio, window_s=2.0) for audio in (make_drums(120), make_drums(121), make_clicks(90))
    ]
    space = StyleSpace.fit(np.concatenate(sets), dims=4)
    drums, more_drums, clicks = (space.project(features) for features in sets)
    assert frechet_distance(drums, more_drums) < 0.2 * frechet_distance(drums, clicks)


def test_a_space_is_orthonormal_centred_and_in_falling_order():
    features = cloud(60, 256) * np.linspace(0.1, 5, 256)
    features[:, 7] = 3.0  # a constant feature must not divide by zero
    space = StyleSpace.fit(features, dims=6)
    assert np.allclose(space.axes @ space.axes.T, np.eye(6))
    projected = space.project(features)
    assert projected.shape == (60, 6)
    assert np.allclose(projected.mean(axis=0), 0)
    assert np.all(np.diff(projected.var(axis=0)) <= 1e-9)


def test_a_space_is_stored_exactly(tmp_path):
    features = cloud(30, 256)
    space = StyleSpace.fit(features, dims=5)
    space.save(tmp_path / "space.npz")
    loaded = StyleSpace.load(tmp_path / "space.npz")
    assert loaded.dims == 5
    assert np.array_equal(loaded.project(features), space.project(features))


def test_a_pickle_is_not_loaded(tmp_path):
    np.savez(tmp_path / "space.npz", mean=np.array([{}]), scale=1, axes=1)
    with pytest.raises(ValueError, match="allow_pickle"):
        StyleSpace.load(tmp_path / "space.npz")


@pytest.mark.parametrize("shape", [(4, 256), (8, 256), (256,), (20, 5)])
def test_too_few_windows_for_a_space_are_refused(shape):
    with pytest.raises(ValueError, match="more than 8 windows"):
        StyleSpace.fit(np.zeros(shape), dims=8)


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 9), st.floats(1e-3, 1e3), st.integers(0, 99))
def test_the_distance_is_symmetric_and_zero_on_itself(count_a, count_b, dims, scale, seed):
    a, b = cloud(count_a, dims, seed, scale=scale), cloud(count_b, dims, seed + 1, shift=1, scale=scale)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)
    assert frechet_distance(a, b) >= 0
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6 * max(1, scale**2))


def test_the_distance_between_axis_parallel_gaussians_has_a_closed_form():
    a = with_moments(np.array([0.0, 0.0, 1.0]), np.diag([1.0, 4.0, 0.25]))
    b = with_moments(np.array([1.0, 0.0, -1.0]), np.diag([9.0, 1.0, 0.25]), seed=1)
    assert frechet_distance(a, b) == pytest.approx(1 + 4 + (3 - 1) ** 2 + (2 - 1) ** 2, rel=1e-4)


def test_the_distance_between_tilted_gaussians_agrees_with_the_matrix_square_root():
    from scipy.linalg import sqrtm

    a_spread, b_spread = np.array([[2.0, 0.8], [0.8, 1.0]]), np.array([[1.0, -0.5], [-0.5, 3.0]])
    a, b = with_moments(np.zeros(2), a_spread), with_moments(np.ones(2), b_spread, seed=1)
    expected = 2 + np.trace(a_spread + b_spread - 2 * np.real(sqrtm(a_spread @ b_spread)))
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-4)


@settings(max_examples=20)
@given(st.floats(-5, 5), st.integers(0, 50))
def test_a_shift_adds_its_square(shift, seed):
    a = cloud(50, 3, seed)
    moved = a + np.array([shift, 0, 0])
    assert frechet_distance(a, moved) == pytest.approx(shift**2, abs=1e-6)


def test_an_empty_set_has_no_distance():
    with pytest.raises(ValueError, match="at least one point"):
        frechet_distance(np.zeros((0, 3)), np.zeros((4, 3)))


def test_the_floor_is_far_below_a_real_difference_and_repeatable():
    songs = [cloud(12, 6, seed) for seed in range(10)]
    space = StyleSpace.fit(np.concatenate(songs), dims=4)
    floor = split_half_floor(songs, space, count=40)
    assert floor == split_half_floor(songs, space, count=40)
    assert floor != split_half_floor(songs, space, count=40, seed=1)
    other = space.project(np.concatenate(songs) + 2)
    assert floor < frechet_distance(space.project(np.concatenate(songs)), other)


def test_fewer_windows_have_a_higher_floor():
    songs = [cloud(12, 6, seed) for seed in range(10)]
    space = StyleSpace.fit(np.concatenate(songs), dims=4)
    assert split_half_floor(songs, space, count=6) > split_half_floor(songs, space, count=50)


def test_songs_are_not_split_when_there_are_several():
    """Two songs that differ throughout: every draw sees the difference in full."""
    songs = [cloud(10, 6, 0), cloud(10, 6, 1, shift=9)]
    space = StyleSpace.fit(np.concatenate(songs), dims=2)
    assert split_half_floor(songs, space, count=10) > 5


def test_a_single_song_is_split_by_windows():
    song = cloud(60, 6)
    space = StyleSpace.fit(song, dims=2)
    assert 0 < split_half_floor([song], space, count=20) < 1
    with pytest.raises(ValueError, match="two windows"):
        split_half_floor([song[:1]], space, count=5)

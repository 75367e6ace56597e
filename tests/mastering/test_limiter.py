import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.audio import Audio, loudness_lufs
from angen.mastering import limit, limiter, measure
from angen.mastering.limiter import limitable, limited, plan_gain, reduction_db

from ..conftest import joined, music, tone


def spikes(rate_hz=44_100, seed=0, density=0.001, seconds=1.5):
    """Quiet noise with sudden full-scale samples: the hardest thing for a limiter."""
    generator = np.random.default_rng(seed)
    sound = generator.standard_normal((2, round(seconds * rate_hz))) * 0.05
    hit = generator.random(sound.shape) < density
    sound[hit] = generator.choice([-1, 1], hit.sum()) * generator.uniform(0.5, 2, hit.sum())
    return Audio(sound.astype(np.float32), rate_hz)


@settings(max_examples=25)
@given(
    ceiling=st.floats(-20, -0.1),
    rate_hz=st.sampled_from([8_000, 22_050, 44_100, 96_000]),
    seed=st.integers(0, 100),
    density=st.sampled_from([0.0001, 0.01, 0.3]),
)
def test_the_true_peak_never_passes_the_ceiling(ceiling, rate_hz, seed, density):
    result = limit(spikes(rate_hz, seed, density, 0.5), ceiling)
    assert measure(result).true_peak_dbtp <= ceiling


def test_ffmpeg_agrees_about_the_ceiling(ffmpeg_levels, song):
    for audio in (spikes(), Audio(song.samples * 6, song.rate_hz)):
        assert ffmpeg_levels(limit(audio, -1.0))["true_peak"] <= -0.9  # its meter has one decimal


def test_what_is_under_the_ceiling_is_the_same_object(song):
    assert limit(Audio(song.samples * np.float32(0.2), song.rate_hz), -1.0).samples.max() < 0.2
    quiet = tone(440, 0.5)
    assert limit(quiet, -1.0) is quiet


@given(seed=st.integers(0, 200), ceiling=st.floats(0.05, 1))
def test_every_block_and_its_neighbours_get_at_least_what_a_peak_needs(seed, ceiling):
    generator = np.random.default_rng(seed)
    peaks = generator.exponential(0.2, 2000) * (generator.random(2000) < 0.1)
    needed = 20 * np.log10(np.maximum(peaks / ceiling, 1))
    given_db = reduction_db(peaks, ceiling, 44_100)
    for shift in (-1, 0, 1):
        assert (np.roll(given_db, shift) >= needed - 1e-9)[1:-1].all()
    assert given_db.max() <= needed.max() + 1e-9


def test_the_gain_looks_ahead_returns_with_the_release_and_never_jumps():
    peaks = np.full(20_000, 0.1)
    peaks[5000] = 2.0  # 6 dB above the ceiling
    reduction = reduction_db(peaks, 1.0, 44_100)
    step_s = 16 / 44_100
    assert reduction[5000] == pytest.approx(6.02, abs=0.01)
    ahead = round(limiter.LOOK_AHEAD_S / step_s)
    assert not reduction[: 5000 - 2 * ahead].any()
    later = 5000 + ahead + round(limiter.RELEASE_S / step_s)
    assert reduction[later] == pytest.approx(6.02 / np.e, abs=0.25)
    assert np.abs(np.diff(reduction)).max() < 2.5 * 6.02 / ahead
    assert reduction[-1] < 0.01


def test_low_notes_are_not_bent_by_the_release():
    """A steady 50 Hz limited by 6 dB: its harmonics stay below -46 dB."""
    sound = joined(tone(50, 0.5, 4, channels=1, rate_hz=44_100), tone(50, 0.5, 2, channels=1, rate_hz=44_100))
    result = limit(sound, -12.04).samples[0]
    middle = result[44_100 * 3 : 44_100 * 5] * np.blackman(88_200)
    levels = np.abs(np.fft.rfft(middle))
    fundamental = levels[95:106].max()
    assert 20 * np.log10(levels[140:].max() / fundamental) < -46


def test_both_channels_are_turned_down_alike():
    audio = Audio(np.stack([spikes().samples[0], 0.1 * music(1.5).samples[0]]), 44_100)
    result = limit(audio, -6)
    heard = np.abs(audio.samples).min(axis=0) > 1e-3
    gains = result.samples[:, heard] / audio.samples[:, heard]
    np.testing.assert_allclose(gains[0], gains[1], atol=1e-4)
    assert gains.min() < 0.6


@pytest.mark.parametrize("target", [-30.0, -16.0, -12.0])
def test_the_planned_gain_reaches_the_loudness(song, target):
    sound = limitable(song)
    plan = plan_gain(sound, target, -1.0, 6.0)
    assert plan.reaches
    result, reduction = limited(sound, plan.gain_db, -1.0)
    assert loudness_lufs(result) == pytest.approx(target, abs=0.1)
    assert (reduction.max() > 0) == (target > -16)


def test_a_plan_stops_where_limiting_costs_too_much(song):
    sound = limitable(song)
    plan = plan_gain(sound, -2.0, -1.0, 3.0)
    assert not plan.reaches
    assert plan.mean_reduction_db == pytest.approx(3.0, abs=0.05)
    strict = plan_gain(sound, -2.0, -1.0, 1.0)
    assert strict.gain_db < plan.gain_db
    loud = limitable(Audio(song.samples * 50, song.rate_hz))
    assert plan_gain(loud, -2.0, -1.0, 3.0).gain_db == pytest.approx(
        plan.gain_db - 20 * np.log10(50), abs=0.05
    )

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from angen.audio import Audio


def ramp(count: int, channels: int = 1, rate_hz: int = 100) -> Audio:
    return Audio(np.tile(np.linspace(-1, 1, count, dtype=np.float32), (channels, 1)), rate_hz)


@pytest.mark.parametrize(
    ("samples", "rate_hz", "error"),
    [
        (np.zeros((1, 4)), 100, TypeError),
        ([[0.0, 1.0]], 100, TypeError),
        (np.zeros(4, np.float32), 100, ValueError),
        (np.zeros((1, 0), np.float32), 100, ValueError),
        (np.zeros((0, 4), np.float32), 100, ValueError),
        (np.zeros((1, 4), np.float32), 0, ValueError),
    ],
)
def test_a_record_refuses_what_is_not_sound(samples, rate_hz, error):
    with pytest.raises(error, match="Audio needs"):
        Audio(samples, rate_hz)


def test_channels_that_cancel_are_heard_by_the_first():
    left = np.sin(np.arange(1000, dtype=np.float32))
    assert Audio(np.stack([left, -left]), 44_100).mono().samples.tolist() == [left.tolist()]
    assert np.abs(Audio(np.stack([left, -0.5 * left]), 44_100).mono().samples[0] - left / 4).max() < 1e-6


def test_mono_is_the_mean_of_the_channels():
    stereo = Audio(np.array([[1.0, 0.0], [0.0, 0.5]], np.float32), 100)
    assert stereo.mono().samples.tolist() == [[0.5, 0.25]]
    assert stereo.mono().samples.dtype == np.float32


def test_nothing_to_do_returns_the_same_record():
    audio = ramp(50)
    assert audio.mono() is audio
    assert audio.resampled(100) is audio


def test_resampling_keeps_pitch_duration_and_channels(make_audio):
    audio = make_audio(seconds=1.0, channels=3, rate_hz=48000)
    resampled = audio.resampled(22050)
    assert resampled.samples.shape == (3, 22050)
    assert resampled.samples.dtype == np.float32
    peak_hz = np.argmax(np.abs(np.fft.rfft(resampled.samples[0])))
    assert peak_hz == 330


def test_resampling_refuses_a_rate_of_zero():
    with pytest.raises(ValueError, match="positive"):
        ramp(50).resampled(0)


@given(st.floats(-2, 6), st.floats(-2, 6))
def test_a_span_stays_within_the_recording(start_s, end_s):
    audio = ramp(400)
    first, last = (min(max(round(time * 100), 0), 400) for time in (start_s, end_s))
    if first < last:
        assert np.array_equal(audio.span(start_s, end_s).samples, audio.samples[:, first:last])
    else:
        with pytest.raises(ValueError, match="holds nothing"):
            audio.span(start_s, end_s)


@given(st.integers(1, 399))
def test_spans_that_meet_hold_every_sample_once(cut):
    audio = ramp(400, channels=2)
    parts = [audio.span(0, cut / 100).samples, audio.span(cut / 100, 4.0).samples]
    assert np.array_equal(np.concatenate(parts, axis=1), audio.samples)

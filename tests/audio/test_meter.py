import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.audio import Audio, meter, peak_db, rms_db, true_peak
from angen.audio.meter import peak_envelope

from ..conftest import music, tone


def true_peak_db(audio):
    return 20 * math.log10(true_peak(audio))


def test_peak_and_rms_of_a_sine():
    audio = tone(1000, 0.5)
    assert peak_db(audio) == pytest.approx(20 * math.log10(0.5), abs=0.01)
    assert rms_db(audio) == pytest.approx(20 * math.log10(0.5) - 3.01, abs=0.01)


def test_silence_has_no_level():
    audio = Audio(np.zeros((2, 48000), np.float32), 48000)
    assert peak_db(audio) == rms_db(audio) == -math.inf
    assert true_peak(audio) == 0


@settings(max_examples=20)
@given(st.floats(-12, 12))
def test_gain_adds_in_decibels(gain_db):
    audio = tone(440, 0.2, 1.0)
    louder = Audio(audio.samples * np.float32(10 ** (gain_db / 20)), audio.rate_hz)
    for measure in (peak_db, rms_db, true_peak_db):
        assert measure(louder) - measure(audio) == pytest.approx(gain_db, abs=1e-3)


@pytest.mark.parametrize("rate_hz", [22_050, 44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize(
    ("share", "degrees", "sample_peak"), [(4, 45, 0.5**0.5), (4, 0, 1), (6, 60, 0.75**0.5)]
)
def test_the_true_peak_lies_between_the_samples(rate_hz, share, degrees, sample_peak):
    """EBU Tech 3341, cases 15 to 18: tones whose samples miss their peaks, +0.2/-0.4 dB allowed."""
    wave = np.sin(2 * np.pi / share * np.arange(rate_hz) + np.radians(degrees))
    fade = np.minimum(1, np.arange(rate_hz) / (0.1 * rate_hz))
    audio = Audio((wave * fade * fade[::-1])[None].astype(np.float32), rate_hz)
    assert true_peak_db(audio) == pytest.approx(0.0, abs=0.1)
    assert peak_db(audio) == pytest.approx(20 * math.log10(sample_peak), abs=0.01)


def test_a_click_is_found_wherever_and_on_whichever_channel_it_is():
    silence = np.zeros((3, 22050 * 3), np.float32)
    for channel, at in ((0, 0), (1, 4031), (1, 4032), (2, 32255), (0, 32256), (2, 22050 * 3 - 1)):
        one = silence.copy()
        one[channel, at] = -0.7
        assert true_peak(Audio(one, 22050)) == pytest.approx(0.7, rel=1e-3)


def test_the_envelope_is_never_under_the_samples_and_knows_no_frames(monkeypatch):
    audio = music(1.0)
    envelope = peak_envelope(audio)
    assert envelope.shape == audio.samples.shape[1:]
    assert (envelope >= np.abs(audio.samples).max(axis=0)).all()
    monkeypatch.setattr(meter, "_PEAK_FRAME", 512)
    np.testing.assert_allclose(peak_envelope(audio), envelope, atol=2e-6)


@pytest.mark.parametrize(("rate_hz", "channels"), [(8_000, 1), (22_050, 2), (44_100, 2), (88_200, 2)])
def test_the_true_peak_agrees_with_ffmpeg(ffmpeg_levels, rate_hz, channels):
    audio = music(3.3, rate_hz=rate_hz, channels=channels)
    theirs = ffmpeg_levels(audio)["true_peak"]
    # Its shorter filter loses some of what is near half the rate; ours must not be the lower one.
    assert theirs - 0.1 <= true_peak_db(audio) <= theirs + 0.3

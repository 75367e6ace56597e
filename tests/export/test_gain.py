import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from angen.audio import Audio, loudness_lufs, true_peak
from angen.export import ReplayGain, measure_loudness, replay_gain

from .conftest import noise


def test_the_gain_brings_a_track_to_minus_18_lufs():
    audio = noise(3)
    gain = replay_gain(measure_loudness(audio))
    louder = Audio((audio.samples * 10 ** (gain.track_gain_db / 20)).astype(np.float32), audio.rate_hz)
    assert loudness_lufs(louder) == pytest.approx(-18, abs=0.01)
    assert (gain.album_gain_db, gain.album_peak) == (None, None)


def test_an_album_is_gated_as_one_recording():
    loud = noise(20, 1, 22050)
    parts = [
        loud,
        Audio(loud.samples * np.float32(0.05), 22050),
        Audio(loud.samples[:, : 5 * 22050] * np.float32(0.5), 22050),
    ]
    levels = [measure_loudness(part) for part in parts]
    album = Audio(np.concatenate([part.samples for part in parts], axis=1), 22050)
    gains = [replay_gain(level, levels) for level in levels]
    assert len({gain.album_gain_db for gain in gains}) == 1
    assert gains[0].album_gain_db == pytest.approx(
        -18 - loudness_lufs(album), abs=0.1
    )  # blocks across the seams
    assert gains[0].album_peak == max(gain.track_peak for gain in gains)
    assert gains[1].track_gain_db > gains[1].album_gain_db + 20  # the quiet track stays quiet


def test_silence_and_clicks_have_no_gain():
    assert replay_gain(measure_loudness(Audio(np.zeros((2, 44100), np.float32), 44100))) is None
    assert replay_gain(measure_loudness(noise(0.2))) is None


@given(st.floats(-60, 60), st.none() | st.floats(0, 4), st.none() | st.floats(-60, 60))
def test_tags_keep_the_levels(track_db, peak, album_db):
    gain = ReplayGain(track_db, peak, album_db, None)
    back = ReplayGain.from_pairs(gain.pairs())
    assert back.track_gain_db == pytest.approx(track_db, abs=0.006)
    assert back.track_peak == (None if peak is None else pytest.approx(peak, abs=1e-6))
    opus = ReplayGain.from_pairs(gain.r128_pairs())
    assert opus.track_gain_db == pytest.approx(track_db, abs=1 / 256)
    assert (opus.album_gain_db is None) == (album_db is None)


def test_levels_are_those_of_the_meter():
    audio = noise(3)
    level = measure_loudness(audio)
    assert level.lufs == loudness_lufs(audio)
    assert level.true_peak == true_peak(audio) > np.abs(audio.samples).max()
    assert level.true_peak_dbtp == pytest.approx(20 * np.log10(level.true_peak))
    assert replay_gain(level).track_peak == pytest.approx(level.true_peak, abs=1e-6)
    assert measure_loudness(Audio(np.zeros((1, 44100), np.float32), 44100)).true_peak_dbtp is None

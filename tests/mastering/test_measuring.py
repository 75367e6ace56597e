import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.audio import Audio
from angen.errors import MasteringError
from angen.mastering import measure
from angen.mastering.measuring import clipped_runs

from ..conftest import joined, music, tone


def test_correlation_of_left_and_right():
    generator = np.random.default_rng(0)
    left, other = generator.standard_normal((2, 100_000)).astype(np.float32) * 0.1
    for right, expected in ((left, 1), (-left, -1), (other, 0), (0.6 * left + 0.8 * other, 0.6)):
        audio = Audio(np.stack([left, right.astype(np.float32)]), 48_000)
        assert measure(audio).correlation == pytest.approx(expected, abs=0.01)
    shifted = Audio(np.stack([left, -left]) + np.float32(0.5), 48_000)
    assert measure(shifted).correlation == pytest.approx(-1, abs=0.01)  # an offset is no likeness


def test_what_does_not_exist_is_none():
    assert measure(tone(440, 0.1, 0.3)).momentary_max_lufs is None
    short = measure(tone(440, 0.1, 1.0, channels=1))
    assert short.short_term_max_lufs is short.loudness_range_lu is short.correlation is None
    assert short.integrated_lufs is not None
    silent = measure(Audio(np.zeros((2, 48_000), np.float32), 48_000))
    assert silent.integrated_lufs is silent.true_peak_dbtp is silent.plr_db is silent.correlation is None


def test_clips_are_runs_of_three_at_full_scale_on_one_side():
    def runs(*values):
        return clipped_runs(np.array(values, np.float32))

    assert runs(0, 1, 1, 0, 1, 1) == 0
    assert runs(0, 1, 1, 1, 0.5, -1, -1, -1, -1) == 2
    assert runs(1, 1, -1, -1, 1, 1) == 0
    assert runs(1, 1, 1) == 1
    assert runs(2, 3, 2.5, 0) == 1
    clean = tone(100, 1.5)
    assert measure(clean).clips == 2 * 2 * 100 * 2  # both half-waves, 100 Hz, 2 s, 2 channels
    assert measure(tone(100, 0.9)).clips == 0


def test_the_record_is_plain_json_numbers():
    record = measure(music(3.5)).as_dict()
    assert record["channels"] == 2
    assert record["clips"] == 0
    assert record["plr_db"] == pytest.approx(record["true_peak_dbtp"] - record["integrated_lufs"], abs=0.002)
    assert measure(Audio(np.full((1, 48_000), 0.25, np.float32), 48_000)).dc_offset == pytest.approx(0.25)


def test_more_than_two_channels_are_refused():
    with pytest.raises(MasteringError, match="has 6 channels"):
        measure(tone(440, 0.1, channels=6))


def test_momentary_short_term_and_range_of_known_steps():
    """A second of -13 LUFS in nine of -33: a block of 0.4 s lies in it, one of 3 s is a third of it."""
    parts = [(-33, 5), (-13, 1), (-33, 4)]
    made = measure(joined(*(tone(997, 10 ** (level / 20), seconds) for level, seconds in parts)))
    assert made.momentary_max_lufs == pytest.approx(-13, abs=0.1)
    assert made.short_term_max_lufs == pytest.approx(10 * np.log10((10**-1.3 + 2 * 10**-3.3) / 3), abs=0.1)
    assert made.integrated_lufs == pytest.approx(-14.13, abs=0.1)  # of 13 blocks, 7 whole
    assert made.sample_peak_dbfs == pytest.approx(-13, abs=0.01)
    assert made.true_peak_dbtp == pytest.approx(-13, abs=0.1)


@settings(max_examples=20)
@given(gain_db=st.floats(-20, 6))
def test_gain_moves_every_level_alike(gain_db):
    audio = music(3.5, rate_hz=16_000)
    before = measure(audio)
    after = measure(Audio(audio.samples * np.float32(10 ** (gain_db / 20)), 16_000))
    for name in ("integrated_lufs", "momentary_max_lufs", "short_term_max_lufs", "true_peak_dbtp"):
        assert getattr(after, name) - getattr(before, name) == pytest.approx(gain_db, abs=0.01)
    assert after.plr_db == pytest.approx(before.plr_db, abs=0.01)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from angen.audio import Audio
from angen.enhancement import Compress, Gate, Transient
from angen.enhancement.envelopes import follow

RATE = 44100


def steps(*levels_db, seconds=1.0, hz=1000.0):
    """A tone at one level after the other, in dBFS; None is silence."""
    time_s = np.arange(round(seconds * RATE)) / RATE
    tone = np.sin(2 * np.pi * hz * time_s)
    parts = [tone * (0 if level is None else 10 ** (level / 20)) for level in levels_db]
    return Audio(np.concatenate(parts).astype(np.float32)[None], RATE)


def level_db(audio, start_s, end_s):
    part = audio.samples[:, round(start_s * RATE) : round(end_s * RATE)].astype(float)
    return 10 * np.log10(np.mean(part**2))


class TestCompress:
    @pytest.mark.parametrize(("ratio", "threshold"), [(2.0, -20.0), (4.0, -12.0), (20.0, -30.0)])
    def test_each_db_above_the_threshold_becomes_one_over_the_ratio(self, ratio, threshold):
        audio = steps(-6, -12, -6 + threshold - 10, -6, seconds=2)
        step = Compress(threshold_db=threshold, ratio=ratio, knee_db=0, keep_level=False)
        made = step.apply(audio)
        for start, over in ((1, -threshold), (3, -threshold - 6), (7, -threshold)):
            change = level_db(made, start, start + 0.9) - level_db(audio, start, start + 0.9)
            assert change == pytest.approx(-over * (1 - 1 / ratio), abs=0.3)
        assert level_db(made, 5, 5.9) == pytest.approx(level_db(audio, 5, 5.9), abs=0.1)

    @given(over=st.floats(-60, 60), ratio=st.floats(1, 20), knee=st.floats(0, 24))
    def test_the_knee_joins_both_lines_and_never_rises(self, over, ratio, knee):
        step = Compress(ratio=ratio, knee_db=knee)
        near, far = step.reduction_db(np.array([over, over + 1e-3]))
        assert -1e-9 <= near <= far + 1e-9  # more level, more reduction
        assert far - near <= 1e-3 * (1 - 1 / ratio) + 1e-9  # but never less level out
        if abs(over) >= knee / 2:
            assert near == pytest.approx(max(0, over) * (1 - 1 / ratio), abs=1e-6)

    def test_attack_and_release_take_their_time(self):
        audio = steps(-40, 0, -40, seconds=1)
        step = Compress(threshold_db=-20, ratio=4, knee_db=0, attack_s=0.05, release_s=0.2, keep_level=False)
        gain = np.abs(step.apply(audio).samples[0]) / np.maximum(np.abs(audio.samples[0]), 1e-9)
        heard = np.abs(audio.samples[0]) > 0.003

        def reduction_db(at_s):
            around = slice(round((at_s - 0.002) * RATE), round((at_s + 0.002) * RATE))
            return -20 * np.log10(np.median(gain[around][heard[around]]))

        assert reduction_db(1.9) == pytest.approx(15, abs=0.2)
        assert reduction_db(1.05) == pytest.approx(15 * (1 - np.exp(-1)), abs=1.2)
        assert reduction_db(2.2) == pytest.approx(15 * np.exp(-1), abs=1.2)

    def test_the_level_is_kept_when_asked(self):
        audio = steps(-6, -20, -10)
        made = Compress(threshold_db=-20, ratio=4).apply(audio)
        assert level_db(made, 0, 3) == pytest.approx(level_db(audio, 0, 3), abs=1e-4)
        assert level_db(made, 1.2, 2) > level_db(audio, 1.2, 2) + 1

    def test_bass_is_not_distorted(self):
        """A steady low tone gets one gain, not one for each of its swings."""
        audio = steps(-6, seconds=3, hz=50)
        made = Compress(threshold_db=-20, ratio=8, keep_level=False).apply(audio).samples[0, RATE:-RATE]
        spectrum = np.abs(np.fft.rfft(made * np.hanning(len(made))))
        hz = np.fft.rfftfreq(len(made), 1 / RATE)
        assert spectrum[hz > 90].max() < 0.005 * spectrum.max()


class TestGate:
    def test_what_lies_between_notes_is_turned_down_and_notes_are_not(self):
        audio = steps(-6, -60, -6, -60, seconds=0.5)
        step = Gate(open_db=-40, depth_db=30, hold_s=0.05, lookahead_s=0.005, release_s=0.02)
        made = step.apply(audio)
        assert level_db(made, 0.85, 0.95) - level_db(audio, 0.85, 0.95) == pytest.approx(-30, abs=0.5)
        for note in (slice(0, RATE // 2), slice(RATE, 3 * RATE // 2)):
            assert np.array_equal(made.samples[:, note], audio.samples[:, note])

    def test_a_gap_shorter_than_the_hold_is_not_heard(self):
        audio = steps(-6, -60, -6, seconds=0.1)
        made = Gate(open_db=-40, hold_s=0.12).apply(audio)
        assert made is audio or np.array_equal(made.samples, audio.samples)
        assert Gate(open_db=-40, hold_s=0.02, release_s=0.01).apply(audio) is not audio

    def test_between_the_thresholds_it_stays_as_it_was(self):
        """At -43 it is open after a note and closed after silence, with thresholds of -40 and -46."""
        step = Gate(open_db=-40, hysteresis_db=6, hold_s=0, release_s=0.01, depth_db=30)
        audio = steps(-6, -49, None, -49, seconds=0.5)
        made = step.apply(audio)
        assert level_db(made, 0.7, 0.95) == pytest.approx(level_db(audio, 0.7, 0.95), abs=0.01)
        assert level_db(made, 1.7, 1.95) == pytest.approx(level_db(audio, 1.7, 1.95) - 30, abs=0.5)

    def test_depth_times_amount(self):
        audio = steps(-6, -60, seconds=1)
        made = Gate(amount=0.5, open_db=-40, depth_db=90, release_s=0.02).apply(audio)
        assert level_db(made, 1.7, 1.9) - level_db(audio, 1.7, 1.9) == pytest.approx(-6, abs=0.3)


class TestTransient:
    @staticmethod
    def hits():
        time_s = np.arange(RATE // 2) / RATE
        hit = np.exp(-12 * time_s) * np.random.default_rng(0).standard_normal(RATE // 2)
        return Audio((0.2 * np.tile(hit, 6)).astype(np.float32)[None], RATE)

    @staticmethod
    def attack_and_tail(audio):
        parts = audio.samples[0, RATE // 2 :].reshape(5, -1).astype(float)
        return [10 * np.log10(np.mean(one**2)) for one in (parts[:, :400], parts[:, 8000:14_000])]

    @pytest.mark.parametrize("attack_db", [-6.0, 6.0, 12.0])
    def test_attacks_move_and_tails_stay(self, attack_db):
        before = self.attack_and_tail(self.hits())
        after = self.attack_and_tail(Transient(attack_db=attack_db).apply(self.hits()))
        change = after[0] - before[0]
        assert 0.4 * abs(attack_db) < change * np.sign(attack_db) < abs(attack_db)
        assert after[1] == pytest.approx(before[1], abs=0.5)

    @pytest.mark.parametrize("sustain_db", [-6.0, 6.0])
    def test_tails_move_and_attacks_stay(self, sustain_db):
        before = self.attack_and_tail(self.hits())
        after = self.attack_and_tail(Transient(attack_db=0, sustain_db=sustain_db).apply(self.hits()))
        assert (after[1] - before[1]) * np.sign(sustain_db) > 0.4 * abs(sustain_db)
        assert after[0] == pytest.approx(before[0], abs=0.8)

    def test_a_steady_tone_has_no_transients(self):
        audio = steps(-12, seconds=3)
        made = Transient(attack_db=12, sustain_db=12).apply(audio)
        np.testing.assert_allclose(made.samples[:, RATE:-RATE], audio.samples[:, RATE:-RATE], atol=1e-3)


def test_a_follower_reaches_all_but_one_over_e_in_its_time():
    up = follow(np.r_[0.0, np.ones(2000)], rise_s=0.1, fall_s=1.0, step_s=0.001)
    down = follow(np.r_[1.0, np.zeros(2000)], rise_s=0.1, fall_s=1.0, step_s=0.001)
    assert up[100] == pytest.approx(1 - np.exp(-1), abs=1e-6)
    assert down[1000] == pytest.approx(np.exp(-1), abs=1e-6)

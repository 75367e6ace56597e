"""Against the standards' own numbers, and against ffmpeg."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.audio import Audio, loudness, loudness_lufs, read_audio, true_peak
from angen.audio.loudness import (
    MOMENTARY_HOPS,
    SHORT_TERM_HOPS,
    hop_power,
    integrated_lufs,
    k_weighting,
    loudness_range_lu,
    loudness_series,
    weighted_power,
)

from ..conftest import joined, music, tone

SONGS = Path(__file__).parents[2] / "examples" / "calypso"


def db(level):
    return 10 ** (level / 20)


def tones(*parts, rate_hz=8000):
    """997 Hz on both channels at (level, seconds) one after the other."""
    return joined(*(tone(997, db(level), seconds, rate_hz=rate_hz) for level, seconds in parts))


def test_the_weighting_at_48_khz_is_that_of_the_standard():
    """ITU-R BS.1770-4, tables 1 and 2."""
    shelf, rumble = k_weighting(48_000)
    expected = [1.53512485958697, -2.69169618940638, 1.19839281085285, 1, -1.69065929318241, 0.73248077421585]
    np.testing.assert_allclose(shelf, expected, atol=1e-8)
    np.testing.assert_allclose(rumble, [1, -2, 1, 1, -1.99004745483398, 0.99007225036621], atol=1e-8)


@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000])
def test_997_hz_on_both_channels_reads_its_peak_level(rate_hz):
    """EBU Tech 3341, cases 1 and 2."""
    for level in (-23, -33):
        hops = hop_power(tone(997, db(level), 6, rate_hz=rate_hz))
        assert integrated_lufs(hops) == pytest.approx(level, abs=0.1)
        for count in (MOMENTARY_HOPS, SHORT_TERM_HOPS):
            assert loudness_series(hops, count).max() == pytest.approx(level, abs=0.1)


@pytest.mark.parametrize(
    "parts",
    [
        [(-36, 10), (-23, 60), (-36, 10)],
        [(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)],
        [(-26, 20), (-20, 20.1), (-26, 20)],
    ],
)
def test_gating(parts):
    """EBU Tech 3341, cases 3 to 5: all read -23.0 LUFS."""
    assert loudness_lufs(tones(*parts)) == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize(("quiet", "expected"), [(-34.8, -25.73), (-36.0, -23.0)])
def test_the_relative_gate_lies_10_lu_under_the_mean(quiet, expected):
    """Half loud, half quiet: the mean of all is near -25.8 LUFS, so the gate lies between these two."""
    assert loudness_lufs(tones((-23, 30), (quiet, 30))) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([(-20, 20), (-30, 20)], 10),
        ([(-20, 20), (-15, 20)], 5),
        ([(-40, 20), (-20, 20)], 20),
        ([(-50, 20), (-35, 20), (-20, 20), (-35, 20), (-50, 20)], 15),
    ],
)
def test_loudness_range(parts, expected):
    """EBU Tech 3342, cases 1 to 4."""
    assert loudness_range_lu(hop_power(tones(*parts))) == pytest.approx(expected, abs=1)


def test_the_range_reaches_from_the_10th_to_the_95th_percentile():
    """A tone rising evenly by 20 dB: 85 % of what its short-term loudness (57 of 60 s) goes through."""
    rising = tones((-20, 60))
    slope = np.linspace(-20, 0, rising.samples.shape[1])
    sound = Audio((rising.samples * 10 ** (slope / 20)).astype(np.float32), 8000)
    assert loudness_range_lu(hop_power(sound)) == pytest.approx(0.85 * 20 * 57 / 60, abs=0.3)


def test_several_recordings_are_gated_as_one_and_no_block_is_made_of_two():
    loud, quiet, short = (hop_power(tones(part)) for part in ((-23, 6), (-44, 60), (-3, 0.3)))
    assert integrated_lufs(loud, quiet, short) == integrated_lufs(loud)
    assert integrated_lufs(quiet) == pytest.approx(-44, abs=0.1)
    both = integrated_lufs(loud, hop_power(tones((-20, 6))))
    assert both == pytest.approx(10 * np.log10((10**-2.3 + 10**-2.0) / 2), abs=0.1)
    assert integrated_lufs(short, short) is None


def test_less_than_a_block_and_silence_have_no_loudness(make_audio):
    assert loudness_lufs(make_audio(seconds=0.05)) is None
    assert loudness_lufs(make_audio(seconds=0.39)) is None
    assert loudness_lufs(make_audio(seconds=0.4)) is not None
    assert loudness_lufs(Audio(np.zeros((2, 48_000), np.float32), 48_000)) is None
    assert loudness_lufs(tones((-71, 3))) is None
    assert loudness_range_lu(hop_power(make_audio(seconds=2.9))) is None


def test_low_effects_do_not_count_and_surrounds_count_more(make_audio):
    audio = make_audio(channels=6)
    for channel, weight in enumerate([1, 1, 1, 0, 1.41, 1.41]):
        only = np.zeros_like(audio.samples)
        only[channel] = audio.samples[0]
        expected = weight * weighted_power(Audio(audio.samples[:1], audio.rate_hz))
        np.testing.assert_allclose(weighted_power(Audio(only, audio.rate_hz)), expected, rtol=1e-5)


@settings(max_examples=20)
@given(gain_db=st.floats(-12, 12))
def test_gain_adds_in_decibels(gain_db):
    audio = music(1.0, rate_hz=16_000)
    louder = Audio(audio.samples * np.float32(db(gain_db)), 16_000)
    assert loudness_lufs(louder) - loudness_lufs(audio) == pytest.approx(gain_db, abs=1e-3)


def test_a_recording_is_filtered_in_pieces_as_if_at_once(monkeypatch):
    audio = music(2.05)
    power, hops = weighted_power(audio), hop_power(audio)
    assert power.shape == audio.samples.shape[1:]
    assert hops.shape == (20,)
    np.testing.assert_allclose(hops, power[: 20 * 4410].reshape(20, 4410).mean(axis=1), rtol=1e-5)
    monkeypatch.setattr(loudness, "_STRETCH", 1000)
    monkeypatch.setattr(loudness, "_HOPS_AT_ONCE", 3)
    np.testing.assert_allclose(weighted_power(audio), power, rtol=1e-6)
    np.testing.assert_allclose(hop_power(audio), hops, rtol=1e-9)


@pytest.mark.parametrize(
    ("rate_hz", "channels"),
    [(8_000, 1), (22_050, 2), (44_100, 1), (44_100, 5), (48_000, 6), (88_200, 2), (192_000, 1)],
)
def test_loudness_agrees_with_ffmpeg(ffmpeg_levels, rate_hz, channels):
    audio = music(9.3, rate_hz=rate_hz, channels=channels)
    steps = np.repeat(np.float32([1, 0.02, 0.5]), audio.samples.shape[1] // 3 + 1)[: audio.samples.shape[1]]
    stepped = Audio(audio.samples * steps, rate_hz)
    hops, theirs = hop_power(stepped), ffmpeg_levels(stepped)
    assert integrated_lufs(hops) == pytest.approx(theirs["integrated"], abs=0.05)
    assert loudness_series(hops, MOMENTARY_HOPS).max() == pytest.approx(theirs["momentary"], abs=0.05)
    assert loudness_series(hops, SHORT_TERM_HOPS).max() == pytest.approx(theirs["short_term"], abs=0.05)
    assert loudness_range_lu(hops) == pytest.approx(theirs["range"], abs=0.3)


@pytest.mark.parametrize("name", ["01 Harbour Morning.ogg", "07 Carnival Tuesday.ogg"])
def test_levels_of_real_music_agree_with_ffmpeg(ffmpeg_levels, name):
    audio = read_audio(SONGS / name).span(10, 22)
    hops, theirs = hop_power(audio), ffmpeg_levels(audio)
    assert integrated_lufs(hops) == pytest.approx(theirs["integrated"], abs=0.02)
    assert loudness_range_lu(hops) == pytest.approx(theirs["range"], abs=0.1)
    assert 20 * np.log10(true_peak(audio)) == pytest.approx(theirs["true_peak"], abs=0.1)

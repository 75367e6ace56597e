"""The whole chain: what the presets promise, on real music, by ffmpeg's meter; and what is refused."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.audio import Audio
from angen.errors import MasteringError
from angen.mastering import PRESETS, STYLES, MasterPreset, PresetName, StyleName, master, measure
from angen.mastering.equalizer import long_term_spectrum, mid_side
from angen.mastering.filters import filtered, high_pass, low_pass

from ..conftest import joined, music, tone
from .conftest import level_db


def loudness_missed(result):
    return abs(result.after.integrated_lufs - result.settings.target_lufs)


def test_the_names_are_complete():
    assert tuple(PRESETS) == get_args(PresetName)
    assert tuple(STYLES) == get_args(StyleName)


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "match"])
def test_every_preset_keeps_its_promises_on_real_music(song, ffmpeg_levels, name):
    preset = PRESETS[name]
    result = master(song, name)
    theirs = ffmpeg_levels(result.audio, preset.bit_depth)
    assert theirs["true_peak"] <= preset.ceiling_dbtp
    assert result.after.true_peak_dbtp <= preset.ceiling_dbtp
    if preset.target_lufs is not None:
        assert theirs["integrated"] == pytest.approx(preset.target_lufs, abs=0.1)
    else:
        assert result.after.true_peak_dbtp == pytest.approx(preset.ceiling_dbtp, abs=0.15)
        assert result.settings.limiter_reduction_db == 0
    steps = result.audio.samples.astype(np.float64) * 2 ** (preset.bit_depth - 1)
    np.testing.assert_array_equal(steps, np.rint(steps))
    assert result.after == measure(result.audio)
    assert result.before == measure(song)
    assert result.audio.samples.shape == song.samples.shape


def test_a_reference_gives_its_loudness_and_its_balance(song, other_song):
    result = master(song, "match", reference=other_song)
    assert result.settings.target_lufs == pytest.approx(measure(other_song).integrated_lufs)
    assert loudness_missed(result) <= 0.1

    def distance(audio):
        ours, theirs = long_term_spectrum(audio), long_term_spectrum(other_song)
        inside = (ours.frequencies_hz > 60) & (ours.frequencies_hz < 12_000)
        return np.std((ours.mid_db - theirs.mid_db)[inside])

    assert distance(result.audio) < 0.6 * distance(song)
    kept = master(song, "streaming", reference=other_song)  # balance of the reference, loudness of the preset
    assert kept.after.integrated_lufs == pytest.approx(-14, abs=0.1)
    assert kept.settings.equalizer_db == result.settings.equalizer_db


def test_the_same_input_gives_the_same_bytes_and_stays_as_it_was():
    audio = music(3)
    kept = audio.samples.copy()
    first, again = (master(audio, "cd").audio.samples for _ in range(2))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(audio.samples, kept)
    assert (master(audio, "cd", seed=1).audio.samples != first).any()


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 48_000, 192_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_rate_mono_and_stereo(rate_hz, channels):
    result = master(music(3.2, rate_hz=rate_hz, channels=channels), "streaming", intensity=1, style="open")
    assert result.audio.channels == channels
    assert result.audio.rate_hz == rate_hz
    assert loudness_missed(result) <= 0.1
    assert result.after.true_peak_dbtp <= -1


def test_a_cd_has_its_rate_and_depth():
    result = master(music(2, rate_hz=48_000), "cd")
    assert result.audio.rate_hz == result.settings.rate_hz == 44_100
    assert result.audio.duration_s == pytest.approx(2, abs=1e-4)


@settings(max_examples=10)
@given(
    seed=st.integers(0, 50),
    style=st.sampled_from(list(STYLES)),
    intensity=st.floats(0, 1),
    target=st.floats(-30, -5),
    ceiling=st.floats(-9, -0.1),
    level=st.sampled_from([0.03, 0.3, 4.0]),
)
def test_the_ceiling_holds_and_the_loudness_is_met_or_a_warning_tells(
    seed, style, intensity, target, ceiling, level
):
    audio = music(1.2, rate_hz=22_050, seed=seed)
    preset = MasterPreset("mine", "", target, ceiling, 16)
    result = master(
        Audio(audio.samples * np.float32(level), 22_050), preset, style=style, intensity=intensity
    )
    assert result.after.true_peak_dbtp <= ceiling
    told = [warning for warning in result.warnings if "cannot be met" in warning]
    assert (loudness_missed(result) > 0.1) == bool(told)
    if told:
        assert f"{result.after.integrated_lufs:.1f} LUFS was reached" in told[0]


def test_what_cannot_be_loud_says_how_loud_it_became():
    """Clicks in quiet: their crest is so high that -9 LUFS would be nothing but limiting."""
    generator = np.random.default_rng(0)
    sound = generator.standard_normal((2, 44_100 * 4)) * 0.001
    sound[:, ::11_025] = 0.9
    result = master(Audio(sound.astype(np.float32), 44_100), "club")
    assert result.after.true_peak_dbtp <= -1
    assert result.after.integrated_lufs < -9.5
    assert any(f"{result.after.integrated_lufs:.1f} LUFS was reached" in text for text in result.warnings)


def test_intensity_0_is_gain_alone():
    """But for what is under 25 Hz, mono bass and dither: with neither, the difference is the dither's."""
    audio = tone(1000, 0.1, 3, rate_hz=44_100)
    result = master(audio, "r128", intensity=0)
    gain = np.sqrt(np.mean(result.audio.samples[:, 44_100:] ** 2) / np.mean(audio.samples[:, 44_100:] ** 2))
    assert 20 * np.log10(gain) == pytest.approx(result.settings.gain_db, abs=0.01)
    assert result.settings.glue is None
    assert result.settings.drive == 0
    assert not any(result.settings.equalizer_db)
    shape = np.abs(np.fft.rfft(result.audio.samples[0, 44_100:88_200] * np.blackman(44_100)))
    assert 20 * np.log10(np.delete(shape, np.r_[990:1011])[10:].max() / shape[1000]) < -100


def test_styles_and_intensity_turn_the_balance(song):
    def tilt(style, intensity):
        spectrum = long_term_spectrum(master(song, "r128", style=style, intensity=intensity).audio)
        hz, level = spectrum.frequencies_hz, spectrum.mid_db
        return level[(hz > 8_000) & (hz < 14_000)].mean() - level[(hz > 60) & (hz < 120)].mean()

    warm, balanced, opened = (tilt(style, 1.0) for style in ("warm", "balanced", "open"))
    assert warm < balanced - 2
    assert opened > balanced + 2
    assert balanced > tilt("warm", 0.4) > warm


def test_more_intensity_is_denser(song):
    plr = [master(song, "streaming", intensity=amount).after.plr_db for amount in (0.0, 1.0)]
    spread = [master(song, "r128", intensity=amount).after.plr_db for amount in (0.0, 1.0)]
    assert plr[0] == pytest.approx(plr[1], abs=0.3)  # both stand at the ceiling
    assert spread[1] < spread[0] - 0.5


def test_the_vinyl_master_is_mono_in_the_bass_and_tame_above(song):
    result = master(song, "vinyl")
    low = np.vstack([low_pass(75, 44_100)] * 4)
    side, mid = (level_db(filtered(low, mid_side(result.audio.samples)[i : i + 1])) for i in (1, 0))
    assert side < mid - 25
    plain = master(song, replace(PRESETS["vinyl"], de_ess=0.0, high_shelf_db=0.0))
    top = np.vstack([high_pass(10_000, 44_100)] * 4)
    levels = [level_db(filtered(top, r.audio.samples)) - level_db(r.audio.samples) for r in (plain, result)]
    assert levels[1] < levels[0] - 0.3


def test_an_offset_is_taken_out_without_a_thump_and_clipping_is_told():
    clean = music(3)
    offset = Audio(clean.samples + np.float32(0.3), 44_100)
    results = [master(audio, "streaming") for audio in (clean, offset)]
    np.testing.assert_allclose(results[1].audio.samples, results[0].audio.samples, atol=2e-4)
    assert abs(results[1].after.dc_offset) < 1e-3
    assert any("offset of 30" in text for text in results[1].warnings)
    clipped = Audio(np.clip(clean.samples * 8, -1, 1), 44_100)
    result = master(clipped, "streaming")
    assert result.before.clips > 10
    assert result.after.clips == 0
    assert any(f"clipped in {result.before.clips} places" in text for text in result.warnings)


def test_a_file_beyond_full_scale_comes_back_under_the_ceiling():
    audio = Audio(music(2).samples * 8, 44_100)
    result = master(audio, "streaming")
    assert result.before.true_peak_dbtp > 6
    assert result.after.true_peak_dbtp <= -1
    assert loudness_missed(result) <= 0.1


def test_inverted_polarity_and_great_gain_are_told():
    audio = music(2, channels=1)
    inverted = Audio(np.stack([audio.samples[0], -audio.samples[0]]), 44_100)
    assert any("against each other" in text for text in master(inverted, "streaming").warnings)
    quiet = Audio(audio.samples * np.float32(0.005), 44_100)
    assert any("and its noise with it" in text for text in master(quiet, "streaming").warnings)


def test_club_warns_and_streaming_does_not(song):
    assert any("turn a master of -9 LUFS down" in text for text in master(song, "club").warnings)
    assert master(song, "streaming").warnings == ()


def test_half_a_second_can_be_mastered():
    result = master(music(0.5), "streaming")
    assert loudness_missed(result) <= 0.1
    assert result.after.short_term_max_lufs is None


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (tone(440, 0.5, 0.39), "lasts 0.39 s"),
        (Audio(np.zeros((2, 48_000), np.float32), 48_000), "is silent"),
        (Audio(np.full((2, 48_000), 0.5, np.float32), 48_000), "is silent"),
        (tone(440, 1e-5), "is silent"),
        (tone(440, 0.5, channels=3), "has 3 channels"),
        (tone(440, 0.5, rate_hz=4_000), "has 4000 samples a second"),
        (tone(440, 0.5, rate_hz=384_000), "has 384000 samples a second"),
        (joined(tone(440, 0.5), Audio(np.full((2, 9), np.nan, np.float32), 48_000)), "not numbers"),
        (joined(tone(440, 0.5), Audio(np.full((2, 9), -np.inf, np.float32), 48_000)), "not numbers"),
    ],
)
def test_what_cannot_be_mastered_is_refused_with_its_reason(audio, message):
    with pytest.raises(MasteringError, match=message) as refused:
        master(audio)
    assert refused.value.remedy
    with pytest.raises(MasteringError, match=message.replace("has", "reference has")):
        master(tone(440, 0.5), "match", reference=audio)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"preset": "loud"}, "no preset 'loud'"),
        ({"style": "crunchy"}, "no style 'crunchy'"),
        ({"intensity": 1.5}, "intensity is 1.5"),
        ({"intensity": float("nan")}, "intensity is nan"),
        ({"preset": "match"}, "needs a reference"),
        ({"seed": -1}, "seed of the dither is -1"),
    ],
)
def test_choices_that_do_not_exist_are_refused(words, message):
    with pytest.raises(MasteringError, match=message):
        master(tone(440, 0.5), **words)


def test_presets_of_ones_own_are_checked():
    for words in ({"bit_depth": 8}, {"ceiling_dbtp": 1.0}, {"target_lufs": 3.0}):
        with pytest.raises(MasteringError, match="Preset 'club'"):
            replace(PRESETS["club"], **words)


def test_progress_goes_from_nothing_to_all():
    told = []
    master(music(1), on_progress=told.append)
    assert [progress.done for progress in told] == sorted(progress.done for progress in told)
    assert told[0].done == 0
    assert told[-1].fraction == 1

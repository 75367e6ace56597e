import numpy as np
import pytest

from angen.audio import Audio, rms_db
from angen.enhancement import (
    DeNoise,
    log_spectral_distance_db,
    measure_noise,
    noise_level_db,
    sdr_db,
    si_sdr_db,
)
from angen.enhancement.stft import Stft


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kind", ["white", "pink"])
def test_the_level_of_noise_alone_is_found(noise, kind, channels):
    sound = Audio((0.01 * noise((channels, 6 * 44100), 44100, kind)).astype(np.float32), 44100)
    least = -4.5 if kind == "pink" else -0.6  # what lies under 170 Hz is left out
    assert least < noise_level_db(sound) - rms_db(sound) < 0.6


def test_the_noise_under_music_is_found_band_by_band(calypso, noise):
    """Where it is sure, within 2 dB of the truth for nine in ten bands; sure in most bands above 500 Hz."""
    clean, level = calypso(0), 0.01
    noisy = Audio((clean.samples + level * noise(clean.samples.shape, 44100)).astype(np.float32), 44100)
    stft = Stft(2048)
    floor = measure_noise(noisy, stft)
    sure = (floor.confidence > 0.5) & (np.arange(stft.bands) > 500 * 2048 / 44100)
    true = 2 * level**2 * 2048 / 2  # two channels, a squared window that sums to half its length
    errors_db = 10 * np.log10(floor.power[sure] / true)
    assert sure.mean() > 0.8
    assert np.quantile(np.abs(errors_db), 0.9) < 2


@pytest.mark.parametrize("number", range(4))
def test_music_without_noise_comes_back_as_it_is(calypso, number):
    audio = calypso(number)
    assert DeNoise().apply(audio) is audio


def test_notes_without_noise_come_back_as_they_are(plucked, voice):
    for audio in (plucked(4, 2), voice(4), voice(4, sibilants=True)):
        made = DeNoise().apply(audio)
        assert made is audio or sdr_db(audio, made) > 40


@pytest.mark.parametrize("kind", ["white", "pink", "hiss"])
@pytest.mark.parametrize("snr_db", [20.0, pytest.param(10.0, marks=pytest.mark.slow)])
def test_music_with_noise_comes_nearer_to_the_clean(calypso, with_noise, kind, snr_db):
    clean = calypso(1)
    noisy = with_noise(clean, kind, snr_db)
    made = DeNoise().apply(noisy)
    assert si_sdr_db(clean, made) > si_sdr_db(clean, noisy) + {"white": 1.0, "pink": 0.3, "hiss": 1.5}[kind]
    assert log_spectral_distance_db(clean, made) < log_spectral_distance_db(clean, noisy) - 2


def test_notes_with_noise_at_another_rate(plucked, with_noise):
    clean = plucked(6, 2, 16_000, gap_s=0.6)
    noisy = with_noise(clean, "white", 15)
    made = DeNoise().apply(noisy)
    assert si_sdr_db(clean, made) > si_sdr_db(clean, noisy) + 3


def test_what_is_left_of_noise_is_soft_and_does_not_twinkle(plucked, with_noise):
    """Musical noise is single bins that stand out: their power is then far more uneven than Gaussian noise's."""
    clean = plucked(4)
    padded = Audio(np.pad(clean.samples, ((0, 0), (0, 3 * 44100))), 44100)
    noisy = with_noise(padded, "white", 15)
    made = DeNoise().apply(noisy)
    tails = [Audio(one.samples[:, 5 * 44100 :].copy(), 44100) for one in (noisy, made)]
    assert rms_db(tails[1]) < rms_db(tails[0]) - 12
    power = np.concatenate([np.abs(z) ** 2 for _, z in Stft(2048).blocks(tails[1].samples)], axis=1)[:, 8:-8]
    unevenness = np.mean(power**2, axis=1) / np.mean(power, axis=1) ** 2  # 2 for Gaussian noise
    assert np.median(unevenness) < 3
    assert np.quantile(unevenness, 0.95) < 20


def test_the_reduction_is_a_limit_and_the_amount_a_blend(plucked, with_noise):
    noisy = with_noise(Audio(np.pad(plucked(3).samples, ((0, 0), (0, 3 * 44100))), 44100), "white", 15)
    tail = slice(4 * 44100, 5 * 44100)
    level = rms_db(Audio(noisy.samples[:, tail], 44100))
    for step, expected in ((DeNoise(reduction_db=6), -6.0), (DeNoise(amount=0.5, reduction_db=60), -6.0)):
        made = step.apply(noisy)
        assert rms_db(Audio(made.samples[:, tail].copy(), 44100)) - level == pytest.approx(expected, abs=0.7)


def test_a_hum_like_tone_or_a_short_recording_is_no_noise(noise):
    time_s = np.arange(6 * 44100) / 44100
    tone = Audio((0.3 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32)[None], 44100)
    assert noise_level_db(tone) is None
    short = Audio((0.1 * noise((1, 2 * 44100), 44100)).astype(np.float32), 44100)
    assert noise_level_db(short) is None


def test_digital_silence_around_a_noisy_recording_does_not_hide_its_noise(plucked, with_noise):
    noisy = with_noise(plucked(5), "white", 15)
    padded = Audio(np.pad(noisy.samples, ((0, 0), (44100, 88200))), 44100)
    assert noise_level_db(padded) == pytest.approx(noise_level_db(noisy), abs=1.0)
    assert not DeNoise().apply(padded).samples[:, -44100:].any()

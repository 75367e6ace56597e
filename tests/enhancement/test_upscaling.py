import numpy as np
import pytest

from angen.audio import Audio
from angen.enhancement import extend_bandwidth, log_spectral_distance_db, measure_bandwidth, sdr_db, upscale
from angen.errors import EnhancementError


@pytest.mark.parametrize("hz", [8000, 11_000])
@pytest.mark.parametrize("number", [0, 2, *(pytest.param(one, marks=pytest.mark.slow) for one in (1, 3))])
def test_the_high_band_is_nearer_to_the_true_one_than_by_resampling(calypso, low_passed, number, hz):
    true = calypso(number)
    low = low_passed(true, hz)
    made = upscale(low, 44_100)
    assert made.method == f"extended above {made.extended_above_hz:.0f} Hz"
    band = {"low_hz": hz + 300.0, "high_hz": 16_000.0}
    plain, extended = (log_spectral_distance_db(true, one, **band) for one in (low, made.audio))
    assert extended < plain - 5


def test_below_the_limit_nothing_changes(calypso, low_passed):
    low = low_passed(calypso(0), 8000)
    limit_hz = measure_bandwidth(low).hz
    made = extend_bandwidth(low, limit_hz)
    added = made.samples - low.samples
    assert added.any()
    spectrum = np.abs(np.fft.rfft(added.astype(float) * np.hanning(added.shape[1]), axis=1)) ** 2
    hz = np.fft.rfftfreq(added.shape[1], 1 / 44100)
    below, above = (spectrum[:, part].sum() for part in (hz < limit_hz - 20, hz > limit_hz + 250))
    assert 10 * np.log10(below / above) < -80
    inside = [low_passed(one, 7600).samples[:, 2000:-2000].copy() for one in (low, made)]  # the ends are cuts
    assert sdr_db(*(Audio(one, 44100) for one in inside)) > 100


def test_the_new_sound_rises_and_falls_with_the_old(noise, low_passed):
    """Bursts of noise: between them, the new band is as silent as the old, and attacks are not announced."""
    gate = (np.arange(4 * 44100) % 22050 < 4410).astype(np.float32)
    low = low_passed(Audio((0.1 * noise((1, 4 * 44100), 44100) * gate).astype(np.float32), 44100), 8000)
    added = extend_bandwidth(low, 8000).samples[0] - low.samples[0]
    envelope = np.sqrt(np.convolve(added.astype(float) ** 2, np.ones(441) / 441, "same"))
    inside, before = (
        envelope[22050 * 3 + 1000 : 22050 * 3 + 3500].mean(),
        envelope[22050 * 3 - 4000 : 22050 * 3 - 1500],
    )
    assert before.max() < 0.01 * inside
    assert sum(added**2) > 0


def test_the_level_of_falling_noise_goes_on_as_it_fell(noise, low_passed):
    """6 dB an octave: a little softer than the truth (2 dB of caution), nowhere louder by more than 1 dB."""
    spectrum = np.fft.rfft(noise((1, 8 * 44100), 44100)) / np.maximum(
        np.fft.rfftfreq(8 * 44100, 1 / 44100), 50
    )
    sound = np.fft.irfft(spectrum)
    true = Audio((0.1 * sound / sound.std()).astype(np.float32), 44100)
    made = extend_bandwidth(low_passed(true, 6000), 6100)
    power = [np.abs(np.fft.rfft(one.samples[0].astype(float))) ** 2 for one in (made, true)]
    hz = np.fft.rfftfreq(8 * 44100, 1 / 44100)
    for low_hz in (7000, 8500, 10_000):
        part = (hz > low_hz) & (hz < low_hz + 1000)
        assert -4 < 10 * np.log10(power[0][part].sum() / power[1][part].sum()) < 1


@pytest.mark.parametrize("rate_hz", [48_000, 96_000])
def test_full_band_sound_is_only_resampled(noise, rate_hz):
    audio = Audio((0.1 * noise((2, 4 * 44100), 44100, "pink")).astype(np.float32), 44_100)
    made = upscale(audio, rate_hz)
    assert (made.method, made.extended_above_hz) == ("resampled", None)
    assert np.array_equal(made.audio.samples, audio.resampled(rate_hz, quality="VHQ").samples)
    assert upscale(audio, 44_100).method == "unchanged"
    assert upscale(audio, 44_100).audio is audio


def test_a_low_rate_is_extended_above_half_of_it_only_when_asked(calypso):
    low = calypso(0).resampled(22_050, quality="VHQ")
    made = upscale(low, 48_000)
    assert made.audio.rate_hz == 48_000
    assert made.source_rate_hz == 22_050
    assert 9500 < made.extended_above_hz < 11_100
    plain = upscale(low, 48_000, extend=False)
    assert plain.method == "resampled"
    assert plain.audio.samples.shape == made.audio.samples.shape


def test_nothing_is_delayed(calypso, low_passed):
    """The extended sound fits the true one best where it is."""
    true = calypso(0)
    made = upscale(low_passed(true, 8000), 44_100).audio
    a, b = true.samples[0, 1000:-1000].astype(float), made.samples[0].astype(float)
    fits = {lag: float(a @ b[1000 + lag : len(b) - 1000 + lag]) for lag in range(-20, 21)}
    assert max(fits, key=fits.__getitem__) == 0


def test_mono_tiny_and_silent_recordings():
    for samples in (np.zeros((1, 22_050)), np.zeros((2, 1)), np.eye(1, 500)):
        made = upscale(Audio(samples.astype(np.float32), 22_050), 44_100)
        assert made.method == "resampled"
        assert np.isfinite(made.audio.samples).all()


def test_what_cannot_be_is_refused(calypso):
    with pytest.raises(EnhancementError, match="lower than"):
        upscale(calypso(0), 22_050)
    with pytest.raises(EnhancementError, match="rate_hz"):
        upscale(calypso(0), 1_000_000)
    with pytest.raises(EnhancementError, match="cannot be extended"):
        extend_bandwidth(calypso(0), 21_000)

import io

import numpy as np
import pytest
import soundfile

from angen.audio import Audio
from angen.enhancement import measure_bandwidth


@pytest.mark.parametrize("hz", [4000, 8000, 11_000, 16_000])
@pytest.mark.parametrize("number", [0, 2])
def test_the_limit_of_low_passed_music_is_found(calypso, low_passed, number, hz):
    found = measure_bandwidth(low_passed(calypso(number), hz))
    assert abs(found.hz - hz) < 200
    assert found.confidence > 0.8
    assert found.is_limited


@pytest.mark.parametrize(("kilobits", "low", "high"), [(64, 10_500, 11_700), (128, 15_500, 17_500)])
def test_the_limit_of_an_mp3_is_found(calypso, kilobits, low, high):
    audio, packed = calypso(1), io.BytesIO()
    level = (320 - kilobits) / 288  # libsndfile counts from 320 to 32 kbit/s
    soundfile.write(
        packed, audio.samples.T, 44100, format="MP3", bitrate_mode="CONSTANT", compression_level=level
    )
    assert abs(len(packed.getvalue()) * 8 / audio.duration_s / 1000 - kilobits) < 8
    packed.seek(0)
    samples = soundfile.read(packed, dtype="float32", always_2d=True)[0].T
    found = measure_bandwidth(Audio(np.ascontiguousarray(samples), 44100))
    assert low < found.hz < high
    assert found.confidence > 0.8


@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 32_000])
def test_half_a_lower_rate_is_a_limit_after_resampling(calypso, rate_hz):
    found = measure_bandwidth(calypso(0).resampled(rate_hz, quality="VHQ").resampled(48_000, quality="VHQ"))
    assert 0.88 * rate_hz / 2 < found.hz < 1.02 * rate_hz / 2
    assert found.is_limited


@pytest.mark.parametrize("slope", [0.0, -0.5, -1.0, -2.0])
def test_sound_that_only_gets_softer_has_no_limit(noise, slope):
    sound = np.fft.rfft(noise((1, 5 * 44100), 44100))
    sound *= np.maximum(np.fft.rfftfreq(5 * 44100, 1 / 44100), 50) ** slope
    shaped = np.fft.irfft(sound)
    audio = Audio((0.1 * shaped / shaped.std()).astype(np.float32), 44100)
    found = measure_bandwidth(audio)
    assert (found.hz, found.confidence, found.is_limited) == (22_050, 0, False)


def test_silence_and_short_sounds_claim_nothing(calypso, low_passed):
    assert not measure_bandwidth(Audio(np.zeros((2, 44100), np.float32), 44100)).is_limited
    short = low_passed(calypso(0), 8000).samples[:, :8000]
    assert measure_bandwidth(Audio(np.ascontiguousarray(short), 44100)).confidence == 0


def test_a_noisy_gap_does_not_hide_the_limit(calypso, low_passed):
    """A converter's noise between two parts reaches to the top, and is not counted."""
    audio = low_passed(calypso(0), 8000)
    gap = 1e-4 * np.random.default_rng(0).standard_normal((2, 6 * 44100))
    joined = np.concatenate([audio.samples, gap.astype(np.float32), audio.samples], axis=1)
    assert abs(measure_bandwidth(Audio(joined, 44100)).hz - 8000) < 200


def test_quiet_noise_over_all_does_not_hide_the_limit(calypso, low_passed):
    """Rounded to 16 bits."""
    audio = low_passed(calypso(0), 8000)
    rounded = np.round(audio.samples * 32768) / 32768
    assert abs(measure_bandwidth(Audio(rounded.astype(np.float32), 44100)).hz - 8000) < 200

import shutil
import subprocess

import numpy as np
import pytest
import scipy.signal
import soundfile

from angen.audio import Audio
from angen.enhancement import EqBand, Equalize


def response_db(step, rate_hz, *at_hz):
    impulse = np.zeros((1, rate_hz), np.float32)
    impulse[0, 0] = 1
    spectrum = np.abs(np.fft.rfft(step.apply(Audio(impulse, rate_hz)).samples[0].astype(float)))
    return [20 * np.log10(spectrum[hz]) for hz in at_hz]  # one second: a band is 1 Hz


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 192_000])
def test_gains_are_those_of_theory(rate_hz):
    peak = Equalize((EqBand("peak", 1000, 9.0, 2.0),))
    assert response_db(peak, rate_hz, 1000, 20) == pytest.approx([9, 0], abs=0.02)
    shelf = Equalize((EqBand("low_shelf", 500, -6.0),))
    assert response_db(shelf, rate_hz, 5, 500, 7000) == pytest.approx([-6, -3, 0], abs=0.05)
    shelf = Equalize((EqBand("high_shelf", 2000, 8.0),))
    assert response_db(shelf, rate_hz, 20, 2000, 7900) == pytest.approx([0, 4, 8], abs=0.12)
    high = Equalize((EqBand("high_pass", 100),))
    assert response_db(high, rate_hz, 100, 25, 7000) == pytest.approx([-3.01, -24.1, 0], abs=0.06)
    low = Equalize((EqBand("low_pass", 1000),))
    assert response_db(low, rate_hz, 1000, 10) == pytest.approx([-3.01, 0], abs=0.05)
    assert response_db(Equalize((EqBand("notch", 3000, q=5),)), rate_hz, 3000)[0] < -60


def test_bands_add_up_and_opposite_bands_cancel(plucked):
    audio = plucked(2)
    there, back = EqBand("peak", 800, 7, 1.3), EqBand("peak", 800, -7, 1.3)
    np.testing.assert_allclose(Equalize((there, back)).apply(audio).samples, audio.samples, atol=1e-6)


def test_bands_above_the_rate_do_nothing(plucked):
    audio = plucked(2, 1, 16_000)
    assert Equalize((EqBand("high_shelf", 9000, 6),)).apply(audio) is audio


def test_half_an_amount_is_half_way(plucked):
    audio, bands = plucked(2), (EqBand("low_pass", 500),)
    full, half = (Equalize(bands, amount).apply(audio).samples for amount in (1.0, 0.5))
    np.testing.assert_allclose(half, (full + audio.samples) / 2, atol=1e-6)


@pytest.mark.skipif(shutil.which("sox") is None, reason="needs sox")
@pytest.mark.parametrize(
    ("band", "words"),
    [
        (EqBand("peak", 1200, 5.0, 1.5), ["equalizer", "1200", "1.5q", "5"]),
        (EqBand("high_pass", 200), ["highpass", "-2", "200", "0.7071q"]),
        (EqBand("low_shelf", 300, -4.0, 0.7), ["bass", "-4", "300", "0.7q"]),
        (EqBand("high_shelf", 4000, 4.0, 0.7), ["treble", "4", "4000", "0.7q"]),
    ],
)
def test_another_program_filters_alike(tmp_path, plucked, band, words):
    audio = plucked(2)
    quiet = Audio(audio.samples * np.float32(0.3), audio.rate_hz)
    soundfile.write(tmp_path / "in.wav", quiet.samples.T, quiet.rate_hz, subtype="FLOAT")
    subprocess.run(["sox", "-D", tmp_path / "in.wav", tmp_path / "out.wav", *words], check=True)
    theirs = soundfile.read(tmp_path / "out.wav", dtype="float32")[0]
    np.testing.assert_allclose(Equalize((band,)).apply(quiet).samples[0], theirs, atol=2e-4)


def test_sections_are_stable_everywhere():
    for shape in ("high_pass", "low_pass", "low_shelf", "high_shelf", "peak", "notch"):
        for hz in (10, 100, 7800):
            for q in (0.1, 0.7, 30):
                for gain in (-24, 24):
                    poles = scipy.signal.sos2zpk(EqBand(shape, hz, gain, q).section(16_000)[None])[1]
                    assert np.abs(poles).max() < 1

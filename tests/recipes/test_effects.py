import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recipes.angen_tiny import effects

RATE_HZ = 24_000


def _music(seconds: float = 2.0, seed: int = 0) -> effects.Signal:
    rng = np.random.default_rng(seed)
    time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    tone = sum(
        np.sin(2 * np.pi * hz * time_s) / number for number, hz in enumerate((110, 440, 3000), start=1)
    )
    return (tone * (1 + np.sin(9 * time_s)) + 0.1 * rng.standard_normal(len(time_s))).astype(np.float32)


@given(st.floats(-40, -12), st.floats(0.001, 100.0))
def test_the_level_is_met_and_the_ceiling_held(rms_db: float, scale: float) -> None:
    audio = effects.set_level(_music() * np.float32(scale), rms_db)
    assert np.abs(audio).max() < 0.98
    assert 20 * np.log10(np.sqrt(np.mean(audio**2))) == pytest.approx(rms_db, abs=0.6)


def test_levelling_quiet_music_only_scales_it() -> None:
    audio = _music()
    levelled = effects.set_level(audio, -40.0)
    assert levelled == pytest.approx(audio * (levelled[100] / audio[100]), abs=1e-6)


def test_silence_stays_silence() -> None:
    silence = np.zeros(4800, dtype=np.float32)
    assert not effects.set_level(silence, -18.0).any()
    assert not effects.saturate(silence, 2.0).any()
    assert np.isfinite(effects.compress(silence, 2.0, RATE_HZ)).all()


def test_every_effect_keeps_length_and_type() -> None:
    audio, rng = _music(), np.random.default_rng(1)
    for changed in (
        effects.reverberate(audio, effects.room(rng, 0.5, RATE_HZ), 0.2),
        effects.tilt(audio, 3.0, RATE_HZ),
        effects.low_pass(audio, 4000.0, RATE_HZ),
        effects.saturate(audio, 1.2),
        effects.compress(audio, 2.0, RATE_HZ),
        effects.wow(audio, rng, 0.001, RATE_HZ),
    ):
        assert changed.shape == audio.shape
        assert changed.dtype == np.float32
        assert np.isfinite(changed).all()


def test_a_room_has_unit_energy_and_dies_away() -> None:
    response = effects.room(np.random.default_rng(2), 1.0, RATE_HZ, channels=2)
    assert (response**2).sum(axis=-1) == pytest.approx([1.0, 1.0], rel=1e-4)
    assert np.abs(response[:, -2000:]).max() < 0.02 * np.abs(response).max()


def test_tilt_raises_highs_against_lows() -> None:
    audio = _music()
    before, after = (np.abs(np.fft.rfft(signal)) for signal in (audio, effects.tilt(audio, 6.0, RATE_HZ)))
    low, high = 2 * 110, 2 * 3000
    assert after[high] / before[high] > 1.2
    assert after[low] / before[low] < 0.85


def test_saturation_keeps_the_peak_and_raises_the_rest() -> None:
    audio = _music()
    driven = effects.saturate(audio, 2.0)
    assert np.abs(driven).max() == pytest.approx(np.abs(audio).max(), rel=1e-3)
    assert np.mean(driven**2) > np.mean(audio**2)


def test_compression_narrows_the_range_between_loud_and_quiet() -> None:
    loud_then_quiet = np.concatenate([_music(), 0.1 * _music()]).astype(np.float32)
    squeezed = effects.compress(loud_then_quiet, 3.0, RATE_HZ)
    half = len(loud_then_quiet) // 2
    assert np.std(squeezed[:half]) / np.std(squeezed[half:]) < 8.0


def test_wow_moves_time_no_further_than_its_depth() -> None:
    ramp = np.arange(RATE_HZ, dtype=np.float32)
    moved = effects.wow(ramp, np.random.default_rng(3), 0.001, RATE_HZ)
    assert (ramp - moved).min() >= 0
    assert (ramp - moved).max() <= 0.001 * RATE_HZ + 1

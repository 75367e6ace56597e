"""What every processor and every chain owes its user."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.audio import Audio
from angen.enhancement import (
    STEMS,
    Compress,
    DeEss,
    DeNoise,
    DeReverb,
    EqBand,
    Equalize,
    Gate,
    StoppedError,
    Transient,
    apply_chain,
    chain_as_list,
    chain_for,
)
from angen.errors import EnhancementError

PROCESSORS = [
    DeNoise(),
    DeEss(threshold_db=-24),
    DeReverb(reverb_s=1.0),
    Gate(open_db=-20),
    Transient(attack_db=12, sustain_db=-6),
    Compress(threshold_db=-30, ratio=8),
    Equalize((EqBand("high_pass", 60), EqBand("peak", 1500, 6, 2), EqBand("high_shelf", 7000, -4))),
]
names = [type(one).__name__ for one in PROCESSORS]
every_processor = pytest.mark.parametrize("step", PROCESSORS, ids=names)


def rough(seconds=4.0, channels=2, rate_hz=44100, seed=0):
    """Bursts over noise: something to do for everybody."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    bursts = np.exp(-15 * (time_s % 0.4)) * (time_s % 0.8 < 0.4)
    sound = 0.4 * bursts * rng.standard_normal((channels, len(time_s)))
    sound += 0.2 * np.sin(2 * np.pi * 220 * time_s) * (time_s % 1.6 < 0.8)
    return Audio((sound + 0.004 * rng.standard_normal(sound.shape)).astype(np.float32), rate_hz)


@every_processor
def test_each_has_something_to_do_here_and_nothing_with_amount_0(step):
    audio = rough()
    assert not np.array_equal(step.apply(audio).samples, audio.samples)
    assert dataclasses.replace(step, amount=0.0).apply(audio) is audio


@every_processor
@pytest.mark.parametrize(("channels", "rate_hz"), [(1, 16_000), (2, 16_000), (2, 44_100), (1, 192_000)])
def test_shape_and_rate_stay_and_all_is_finite(step, rate_hz, channels):
    audio = rough(3.2 if rate_hz < 100_000 else 1.0, channels, rate_hz)
    before = audio.samples.copy()
    made = step.apply(audio)
    assert (made.samples.shape, made.rate_hz, made.samples.dtype) == (before.shape, rate_hz, np.float32)
    assert np.isfinite(made.samples).all()
    assert np.array_equal(audio.samples, before)  # what was given is untouched
    assert np.array_equal(made.samples, step.apply(audio).samples)


@every_processor
def test_silence_stays_silence(step):
    silence = Audio(np.zeros((2, 44100 * 4), np.float32), 44100)
    assert not step.apply(silence).samples.any()
    half = rough(4)
    half.samples[:, 88200:] = 0
    made = step.apply(half)
    assert np.abs(made.samples[:, 88200 + 22050 :]).max() < 1e-6  # a filter's tail may ring out before


@every_processor
@given(count=st.integers(1, 5000), kind=st.sampled_from(["constant", "impulse", "loud", "tiny", "noise"]))
@settings(max_examples=12)
def test_odd_sounds_stay_finite(step, count, kind):
    sound = {
        "constant": np.ones(count),
        "impulse": np.eye(1, count)[0],
        "loud": 50 * np.sin(np.arange(count)),
        "tiny": 1e-20 * np.sin(np.arange(count)),
        "noise": np.random.default_rng(count).standard_normal(count),
    }[kind]
    made = step.apply(Audio(sound.astype(np.float32)[None], 44100))
    assert made.samples.shape == (1, count)
    assert np.isfinite(made.samples).all()


@every_processor
def test_nothing_is_moved_in_time(step):
    """The sound fits itself best without a shift, and a click stays where it is."""
    audio = rough(4, 1)
    made = step.apply(audio).samples[0].astype(float)
    given_ = audio.samples[0].astype(float)
    middle = slice(4410, -4410)
    fits = {lag: float(made[middle] @ np.roll(given_, lag)[middle]) for lag in range(-60, 61)}
    assert max(fits, key=fits.__getitem__) == 0
    clicks = np.zeros((1, 44100 * 4), np.float32)
    clicks[0, [30_001, 77_777, 150_003]] = 0.9
    peaks = np.sort(np.argsort(np.abs(step.apply(Audio(clicks, 44100)).samples[0]))[-3:])
    assert peaks.tolist() == [30_001, 77_777, 150_003]


@every_processor
def test_both_channels_alike_is_as_one_channel(step):
    audio = rough(4, 1)
    double = Audio(np.repeat(audio.samples, 2, axis=0), audio.rate_hz)
    made = step.apply(double).samples
    assert np.array_equal(made[0], made[1])
    np.testing.assert_allclose(made[0], step.apply(audio).samples[0], atol=2e-5)


@every_processor
def test_a_quieter_copy_is_treated_alike(step):
    audio = rough(4)
    quiet = Audio(audio.samples * np.float32(1 / 16), audio.rate_hz)
    np.testing.assert_allclose(step.apply(quiet).samples * 16, step.apply(audio).samples, atol=2e-5)


@every_processor
def test_knobs_are_checked_and_frozen(step):
    for value in (-0.1, 1.1, float("nan"), "much", True):
        with pytest.raises(EnhancementError, match="amount"):
            dataclasses.replace(step, amount=value)
    with pytest.raises(dataclasses.FrozenInstanceError):
        step.amount = 0.5


@pytest.mark.parametrize(
    "make",
    [
        lambda: DeNoise(reduction_db=61),
        lambda: DeEss(low_hz=9000, high_hz=9500),
        lambda: DeReverb(reverb_s=0),
        lambda: Gate(hold_s=3),
        lambda: Transient(attack_db=40),
        lambda: Compress(ratio=0.5),
        lambda: EqBand("bell", 1000),  # type: ignore[arg-type]
        lambda: EqBand("peak", 5),
        lambda: Equalize(tuple(EqBand("peak", 1000) for _ in range(17))),
        lambda: chain_for("flute"),  # type: ignore[arg-type]
        lambda: chain_for("bass", 1.5),
    ],
)
def test_what_is_out_of_range_is_refused_with_a_remedy(make):
    with pytest.raises(EnhancementError) as caught:
        make()
    assert caught.value.remedy


@pytest.mark.parametrize("stem", STEMS)
def test_a_chain_bypassed_returns_the_very_record(stem):
    audio = rough(4)
    assert apply_chain(audio, chain_for(stem, 0.0)) is audio
    assert apply_chain(audio, ()) is audio
    assert not np.array_equal(apply_chain(audio, chain_for(stem, 1.0)).samples, audio.samples)


@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize(("channels", "rate_hz"), [(1, 16_000), (2, 32_000)])
def test_chains_keep_shape_and_time(stem, channels, rate_hz):
    audio = rough(3.5, channels, rate_hz)
    seen = []
    made = apply_chain(audio, chain_for(stem, 1.0), on_progress=seen.append)
    assert made.samples.shape == audio.samples.shape
    assert np.isfinite(made.samples).all()
    assert seen[-1].fraction == 1
    assert len(seen) == len(chain_for(stem, 1.0)) + 1


def test_a_chain_tells_all_its_knobs():
    told = chain_as_list(chain_for("vocals", 0.5))
    assert [one["processor"] for one in told] == [
        "DeNoise",
        "DeReverb",
        "Gate",
        "DeEss",
        "Equalize",
        "Compress",
    ]
    assert told[0] == {"processor": "DeNoise", **dataclasses.asdict(DeNoise(amount=0.5))}
    assert told[4]["bands"][0]["hz"] == 80


def test_a_chain_stops_when_asked_and_refuses_odd_rates():
    with pytest.raises(StoppedError):
        apply_chain(rough(1), chain_for("drums"), should_stop=lambda: True)
    with pytest.raises(EnhancementError, match="4000 Hz"):
        apply_chain(Audio(np.ones((1, 100), np.float32), 4000), chain_for("drums"))

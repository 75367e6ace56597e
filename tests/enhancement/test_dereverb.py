import numpy as np
import pytest
import scipy.signal

from angen.audio import Audio
from angen.enhancement import DeReverb, log_spectral_distance_db, measure_reverb_s, si_sdr_db


def in_a_room(audio, reverb_s, seed=0):
    """The sound in a room of decaying noise, as loud as itself; and with the first 50 ms of the room only."""
    time_s = np.arange(round(1.2 * reverb_s * audio.rate_hz)) / audio.rate_hz
    room = np.random.default_rng(seed).standard_normal((audio.channels, len(time_s)))
    room *= 10 ** (-3 * time_s / reverb_s) * (time_s > 0.003)
    room /= np.sqrt((room**2).sum(axis=1, keepdims=True))
    room[:, 0] = 1
    count = audio.samples.shape[1]
    heard = [
        scipy.signal.oaconvolve(audio.samples, one, axes=1)[:, :count]
        for one in (room, room * (time_s < 0.05))
    ]
    return [Audio(one.astype(np.float32), audio.rate_hz) for one in heard]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_dry_voice_is_left_as_it_is(voice, seed):
    audio = voice(8, seed=seed)
    assert DeReverb(amount=1).apply(audio) is audio


@pytest.mark.parametrize("reverb_s", [0.4, 0.6, 0.8])
def test_the_reverberation_time_is_found(voice, reverb_s):
    """Short by a quarter at most: the direct sound's end makes decays steeper, never flatter."""
    wet, _ = in_a_room(voice(10), reverb_s)
    assert 0.7 * reverb_s < measure_reverb_s(wet) < 1.1 * reverb_s


@pytest.mark.parametrize("reverb_s", [0.8, 1.5])
@pytest.mark.parametrize("told", [True, False])
def test_a_voice_in_a_room_comes_nearer_to_the_dry_one(voice, reverb_s, told):
    wet, early = in_a_room(voice(8), reverb_s)
    made = DeReverb(amount=1, reverb_s=reverb_s if told else None).apply(wet)
    assert si_sdr_db(early, made) > si_sdr_db(early, wet) + 0.4
    assert log_spectral_distance_db(early, made) < log_spectral_distance_db(early, wet) - 0.8


def test_the_tail_after_the_last_note_is_softer_by_what_is_asked_for(voice):
    dry = Audio(np.pad(voice(4).samples, ((0, 0), (0, 44100))), 44100)
    wet, _ = in_a_room(dry, 1.0)
    last = np.flatnonzero(np.abs(dry.samples[0]) > 1e-3)[-1]
    tail = slice(last + 13_000, last + 22_000)
    made = DeReverb(amount=1, reverb_s=1.0, reduction_db=12).apply(wet)
    change = 10 * np.log10(np.mean(made.samples[:, tail] ** 2) / np.mean(wet.samples[:, tail] ** 2))
    assert -12.5 < change < -6

"""Fingerprints hold through coding, shifts and levels, and tell recordings apart."""

from __future__ import annotations

import io
from itertools import combinations

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.tunes import tune

from angen.audio import Audio
from angen.dataset.duplicates import grouped, near_duplicates
from angen.dataset.fingerprint import WORDS_PER_S, best_match, fingerprint, shared_stretch


def _degraded(audio: Audio, container: str, subtype: str, cut_s: float, gain: float) -> Audio:
    cut = audio.samples[:, round(cut_s * audio.rate_hz) :] * np.float32(gain)
    file = io.BytesIO()
    soundfile.write(file, cut.T, audio.rate_hz, format=container, subtype=subtype)
    file.seek(0)
    samples, rate_hz = soundfile.read(file, dtype="float32", always_2d=True)
    return Audio(np.ascontiguousarray(samples.T), rate_hz)


@pytest.mark.parametrize(
    ("container", "subtype"), [("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"), ("WAV", "PCM_U8")]
)
@pytest.mark.parametrize("cut_s", [0.0, 1.2345])
def test_the_same_song_encoded_again_shifted_and_turned_down_is_found(
    container: str, subtype: str, cut_s: float
) -> None:
    song = tune(16.0, seed=3)
    words = [fingerprint(song), fingerprint(_degraded(song, container, subtype, cut_s, 0.3))]
    (pair,) = near_duplicates(2, words.__getitem__)
    assert pair.shift_s == pytest.approx(-cut_s, abs=0.1)
    assert pair.match.seconds > 0.8 * (16.0 - cut_s)
    assert pair.match.error < 0.28


def test_another_rate_and_stereo_change_few_words() -> None:
    song = tune(8.0, seed=1)
    one, other = (
        fingerprint(song),
        fingerprint(Audio(np.tile(song.resampled(44_100).samples, (2, 1)), 44_100)),
    )
    assert np.mean(np.bitwise_count(one ^ other[: one.size])) / 32 < 0.1


def test_different_songs_are_not_alike() -> None:
    words = [fingerprint(tune(14.0, seed=seed)) for seed in range(6)]
    assert near_duplicates(len(words), words.__getitem__) == []
    for one, other in combinations(words, 2):
        assert shared_stretch(one, other, 0) is None


def test_an_excerpt_inside_another_song_is_found_where_it_is() -> None:
    host, guest = tune(20.0, seed=1), tune(8.0, seed=2)
    sound = host.samples.copy()
    sound[:, 5 * 24_000 : 13 * 24_000] = guest.samples[:, : 8 * 24_000]
    words = [fingerprint(tune(9.0, seed=5)), fingerprint(Audio(sound, 24_000)), fingerprint(guest)]
    (pair,) = near_duplicates(3, words.__getitem__)
    assert (pair.first, pair.second) == (1, 2)
    assert pair.start_s == pytest.approx(5.0, abs=0.6)
    assert pair.shift_s == pytest.approx(-5.0, abs=0.1)
    assert pair.match.seconds == pytest.approx(8.0, abs=1.5)


def test_silence_says_nothing_and_the_shortest_sounds_have_no_words() -> None:
    quiet = np.zeros((1, 8 * 8000), np.float32)
    quiet[0, :8000] = tune(1.0, seed=0, rate_hz=8000).samples[0]
    words = fingerprint(Audio(quiet, 8000))
    assert not words[40:].any()
    assert near_duplicates(2, lambda number: words) == []  # a second of sound is too little
    assert fingerprint(Audio(quiet[:, :1000], 8000)).size == 0


@given(st.integers(-60, 60), st.integers(0, 2**32 - 1))
def test_a_shifted_copy_matches_at_its_shift_alone(shift: int, seed: int) -> None:
    words: NDArray[np.uint32] = np.random.default_rng(seed).integers(1, 2**32, 400, np.uint32)
    other = words[shift:] if shift >= 0 else np.concatenate([words[:-shift] ^ np.uint32(0x5A5A5A5A), words])
    match = best_match(words, other, -shift + 2)
    assert match is not None
    assert (match.shift, match.error) == (-shift, 0.0)
    assert match.end - match.start == min(words.size, other.size) if shift >= 0 else 400
    assert shared_stretch(words, other, -shift + 1) is None


def test_many_recordings_are_compared_without_each_with_each() -> None:
    generator = np.random.default_rng(0)
    words = [generator.integers(1, 2**32, 150, np.uint32) for _ in range(400)]
    words[390] = np.concatenate([words[7][20:], words[390][:30]])
    asked = 0

    def words_of(number: int) -> NDArray[np.uint32]:
        nonlocal asked
        asked += 1
        return words[number]

    found = near_duplicates(400, words_of)
    assert [(pair.first, pair.second, pair.match.shift) for pair in found] == [(7, 390, -20)]
    assert asked < 450


def test_what_hangs_together_is_one_group() -> None:
    assert grouped(6, [(4, 5), (0, 4), (2, 3)]) == [0, 1, 2, 2, 0, 0]
    assert best_match(np.ones(20, np.uint32), np.ones(20, np.uint32), 0) is None  # below three seconds
    assert WORDS_PER_S == 31.25

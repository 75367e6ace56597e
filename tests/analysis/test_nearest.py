from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.tunes import tune

from angen.analysis.nearest import SOUND_RATE_HZ, Windowed, heard, nearest, sound_frames
from angen.audio import Audio

WINDOW = 12


def _frames(count: int, seed: int, channels: int = 5) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((count, channels)).astype(np.float32)


def _made(frames: NDArray[np.float32]) -> Windowed:
    return Windowed.of(frames, WINDOW)


@settings(max_examples=25)
@given(at=st.integers(0, 60), gain=st.floats(0.05, 20), offset=st.floats(-5, 5), seed=st.integers(0, 99))
def test_a_passage_is_found_where_it_is_at_any_level(at: int, gain: float, offset: float, seed: int) -> None:
    song = _frames(80, seed)
    query = np.float32(gain) * song[at : at + WINDOW + 4] + np.float32(offset)
    others = [_made(_frames(50, seed + 1000)), _made(song), _made(_frames(8, seed))]
    match = nearest(_made(query), others, WINDOW, hop=1)
    assert match is not None
    assert match.distance == pytest.approx(0, abs=1e-3)
    assert (match.piece, match.piece_frame - match.frame) == (1, at)


def test_every_window_is_tried_and_the_distance_is_one_less_the_correlation() -> None:
    query, song = _frames(30, 1), _frames(70, 2)
    best = min(
        1 - np.corrcoef((a - a.mean(0)).ravel(), (b - b.mean(0)).ravel())[0, 1]
        for a in np.lib.stride_tricks.sliding_window_view(query, WINDOW, axis=0).transpose(0, 2, 1)
        for b in np.lib.stride_tricks.sliding_window_view(song, WINDOW, axis=0).transpose(0, 2, 1)
    )
    match = nearest(_made(query), [_made(song)], WINDOW, hop=1)
    assert match is not None
    assert match.distance == pytest.approx(best, abs=1e-4)


def test_what_is_unrelated_is_far_and_what_is_too_short_is_nowhere() -> None:
    match = nearest(_made(_frames(40, 1)), [_made(_frames(60, 2))], WINDOW)
    assert match is not None
    assert match.distance > 0.4
    assert nearest(_made(_frames(11, 1)), [_made(_frames(60, 2))], WINDOW) is None
    assert nearest(_made(_frames(40, 1)), [_made(_frames(5, 2))], WINDOW) is None
    assert nearest(_made(_frames(40, 1)), [], WINDOW) is None


def test_silence_is_near_to_nothing() -> None:
    song, still = _frames(60, 3), np.zeros((60, 5), np.float32)
    for one, other in ((song, still), (still, song), (still, still)):
        match = nearest(_made(one), [_made(other)], WINDOW)
        assert match is not None
        assert match.distance == 1.0


def test_endings_that_fall_silent_alike_are_not_compared() -> None:
    fall = np.concatenate([np.ones(30), np.zeros(30)])[:, None]
    one, other = (30 * fall * np.ones(5) + _frames(60, seed) for seed in (1, 2))
    is_heard = np.arange(60) < 30
    alike = nearest(_made(one), [_made(other)], WINDOW)
    masked = nearest(Windowed.of(one, WINDOW, is_heard), [Windowed.of(other, WINDOW, is_heard)], WINDOW)
    assert alike is not None
    assert masked is not None
    assert alike.distance < 0.1 < 0.4 < masked.distance


def test_long_silences_are_not_heard_and_rests_are() -> None:
    sound = 0.3 * np.random.default_rng(0).standard_normal((1, 24_000 * 6)).astype(np.float32)
    sound[:, 24_000 * 4 :] = 0
    sound[:, 24_000 : 24_000 + 4_800] = 0
    told = heard(Audio(sound, 24_000), 60)
    assert told[:40].all()
    assert not told[45:].any()


@pytest.fixture(scope="module")
def song() -> Audio:
    return tune(20.0, 1)


@pytest.mark.parametrize("start_s", [3.0, 3.01, 3.017, 7.777])
def test_a_quieter_noisier_excerpt_of_a_sound_is_found_at_its_time(song: Audio, start_s: float) -> None:
    window = round(3.0 * SOUND_RATE_HZ)
    excerpt = 0.2 * song.span(start_s, start_s + 5.0).samples
    noise = 0.002 * np.random.default_rng(0).standard_normal(excerpt.shape)
    query = sound_frames(Audio((excerpt + noise).astype(np.float32), song.rate_hz))
    other = sound_frames(tune(20.0, 2))
    songs = [Windowed.of(other, window), Windowed.of(sound_frames(song), window)]
    match = nearest(Windowed.of(query, window), songs, window)
    apart = nearest(Windowed.of(query, window), songs[:1], window)
    assert match is not None
    assert apart is not None
    assert match.piece == 1
    assert (match.piece_frame - match.frame) / SOUND_RATE_HZ == pytest.approx(start_s, abs=0.06)
    assert match.distance < 0.6 * apart.distance

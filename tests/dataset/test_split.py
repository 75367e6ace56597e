from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.analysis import Segment
from angen.dataset import split_by_time, split_songs

fast = settings(max_examples=40, derandomize=True)
lengths = st.lists(st.floats(1, 600), min_size=2, max_size=9)


def _held_back(songs: dict[str, float], **how: float) -> set[str]:
    sides = split_songs(songs, **{"seed": 0, **how})  # type: ignore[arg-type]
    return {song for song, side in sides.items() if side == "validation"}


@fast
@given(lengths)
def test_validation_is_the_subset_of_songs_closest_to_a_tenth(seconds: list[float]) -> None:
    songs = {f"song {number}": length for number, length in enumerate(seconds)}
    total = sum(seconds)
    chosen = _held_back(songs)
    assert 0 < len(chosen) < len(songs)
    best = min(
        abs(sum(subset) - 0.1 * total)
        for size in range(1, len(seconds))
        for subset in combinations(seconds, size)
    )
    assert abs(sum(songs[song] for song in chosen) - 0.1 * total) <= best + 0.001 * total


@fast
@given(lengths, st.integers(0, 2**32))
def test_the_split_depends_on_the_seed_alone_not_on_the_order(seconds: list[float], seed: int) -> None:
    songs = {f"song {number}": length for number, length in enumerate(seconds)}
    reversed_songs = dict(reversed(songs.items()))
    assert split_songs(songs, seed=seed) == split_songs(reversed_songs, seed=seed)


def test_another_seed_holds_back_other_songs_of_the_same_length() -> None:
    songs = {f"song {number}": 180.0 for number in range(20)}
    choices = {frozenset(_held_back(songs, seed=seed)) for seed in range(10)}
    assert len(choices) > 3
    assert {len(choice) for choice in choices} == {2}


def test_hundreds_of_songs_come_within_a_thousandth_of_a_tenth() -> None:
    songs = {f"song {number}": 120.0 + (number * 37) % 200 for number in range(400)}
    total = sum(songs.values())
    assert sum(songs[song] for song in _held_back(songs)) == pytest.approx(0.1 * total, abs=0.001 * total)


def test_a_single_song_is_all_for_training() -> None:
    assert split_songs({"only": 100.0}, seed=0) == {"only": "train"}
    assert split_songs({}, seed=0) == {}


@pytest.mark.parametrize("share", [0.0, -0.1, 0.6])
def test_an_impossible_share_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        split_songs({"a": 1.0, "b": 1.0}, validation_share=share, seed=0)
    with pytest.raises(ValueError, match="share"):
        split_by_time([Segment(0.0, 1.0)], validation_share=share)


def test_a_song_without_music_is_refused() -> None:
    with pytest.raises(ValueError, match="some music"):
        split_songs({"a": 1.0, "b": 0.0}, seed=0)


@fast
@given(st.lists(st.floats(1, 30), min_size=1, max_size=20))
def test_a_split_by_time_keeps_a_gap_and_both_sides(lengths_s: list[float]) -> None:
    edges = [0.0]
    for length in lengths_s:
        edges.append(edges[-1] + length)
    parts = split_by_time([Segment(start, end) for start, end in pairwise(edges)])
    training = [segment for segment, side in parts if side == "train"]
    validation = [segment for segment, side in parts if side == "validation"]
    assert training
    assert validation
    gap_s = validation[0].start_s - training[-1].end_s
    shortened_s = training[-1].end_s - training[-1].start_s
    assert gap_s == pytest.approx(min(2.0, shortened_s / 3))  # a short neighbour gives up a quarter of itself
    assert validation[-1].end_s == edges[-1]
    assert all(segment.end_s - segment.start_s > 0.2 for segment, _ in parts)
    for (earlier, _), (later, _) in pairwise(parts):
        assert earlier.end_s <= later.start_s


def test_a_long_song_holds_back_its_last_tenth() -> None:
    parts = split_by_time([Segment(20.0 * at, 20.0 * at + 20) for at in range(10)])
    assert [side for _, side in parts] == ["train"] * 9 + ["validation"]
    assert parts[-2][0] == Segment(160.0, 178.0)


def test_segments_that_are_apart_already_are_not_shortened() -> None:
    parts = split_by_time([Segment(0.0, 20.0), Segment(40.0, 41.0)], validation_share=0.05)
    assert [(segment, side) for segment, side in parts] == [
        (Segment(0.0, 20.0), "train"),
        (Segment(40.0, 41.0), "validation"),
    ]


def test_no_segments_are_no_split() -> None:
    assert split_by_time([]) == []


def test_a_split_of_very_many_songs_is_close_and_costs_little_memory() -> None:
    import tracemalloc

    seconds = np.random.default_rng(0).uniform(60, 400, 20_000)
    songs = {f"song {number}": float(length) for number, length in enumerate(seconds)}
    tracemalloc.start()
    sides = split_songs(songs, seed=1)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    held_back_s = sum(songs[song] for song, side in sides.items() if side == "validation")
    assert held_back_s / sum(songs.values()) == pytest.approx(0.1, abs=1e-4)
    assert most < 12e6
    assert sides == split_songs(dict(reversed(songs.items())), seed=1)
    assert sides != split_songs(songs, seed=2)

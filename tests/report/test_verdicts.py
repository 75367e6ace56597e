from __future__ import annotations

from typing import Any

import pytest

from angen.report.record import Near
from angen.report.verdicts import (
    judge_forgetting,
    judge_learning,
    judge_memorisation,
    judge_style,
    near_level,
    worst,
)


def _near(distance: float, usual: float = 0.8) -> Near:
    return Near(
        space="sound",
        distance=distance,
        usual=usual,
        song="Harbour",
        clip="Harbour-001",
        song_s=73.4,
        piece_s=1.0,
        semitones=-1,
        level=near_level(distance, usual),
    )


@pytest.mark.parametrize(
    ("distance", "level"),
    [(0.0, "alarm"), (0.55, "alarm"), (0.57, "watch"), (0.67, "watch"), (0.69, "clear")],
)
def test_near_is_judged_against_what_is_usual(distance: float, level: str) -> None:
    assert near_level(distance, 0.8) == level
    assert near_level(distance / 4, 0.2) == level


def test_the_worst_level_wins() -> None:
    assert worst(["clear", "alarm", "watch"]) == "alarm"
    assert worst(["clear", "watch"]) == "watch"
    assert worst([]) == "clear"


@pytest.mark.parametrize(
    ("samples", "gap", "level", "words"),
    [
        ([0.1, 0.9], 0.0, "alarm", "It copies: 1 of 2 pieces"),
        ([0.9, 0.9], 0.5, "alarm", "learnt your songs by heart"),
        ([0.6, 0.9], 0.0, "watch", "1 of 2 pieces come nearer"),
        ([0.9, 0.9], 0.2, "watch", "knows your songs better"),
        ([0.9, 0.9], 0.05, "clear", "does not copy"),
        ([], 0.0, "clear", "does not copy"),
    ],
)
def test_copies_and_the_gap_ring(samples: list[float], gap: float, level: str, words: str) -> None:
    told = judge_memorisation([[_near(x)] for x in samples], gap, (0.8, 0.8), 10)
    assert told.level == level
    assert words in told.words


def test_a_copy_is_named_by_song_time_and_speed() -> None:
    words = judge_memorisation([[_near(0.4), _near(0.2)], [_near(0.3)]], 0.0, (0.8, 0.8), 10).words
    assert "“Harbour” at 1:13, -1 semitones (25% of the usual distance)" in words
    assert "It copies: 2 of 2 pieces" in words


def test_an_alarm_that_sees_little_says_so() -> None:
    assert "sees little" in judge_memorisation([[_near(0.9)]], 0.0, (0.8, 0.1), 10).words
    assert "one song only" in judge_memorisation([[_near(0.9)]], 0.0, (0.8, 0.8), 0).words


@pytest.mark.parametrize(
    ("numbers", "level", "words"),
    [
        ((50.0, 30.0, 10.0), "clear", "That is 50% of the way."),
        ((50.0, 5.0, 10.0), "clear", "That is 100% of the way."),
        ((50.0, 45.0, 10.0), "watch", "a little of your sound"),
        ((50.0, 60.0, 10.0), "alarm", "did not come nearer"),
        ((50.0, 50.0, 10.0), "alarm", "did not come nearer"),
        ((9.0, 8.0, 10.0), "clear", "already alike"),
    ],
)
def test_style_is_how_much_of_the_way_was_gone(numbers: tuple[float, ...], level: str, words: str) -> None:
    told = judge_style(*numbers)
    assert told.level == level
    assert words in told.words


@pytest.mark.parametrize(
    ("numbers", "level", "words"),
    [
        ((1.0, 0.8, 10), "clear", "20.0% better"),
        ((1.0, 0.999, 10), "watch", "hardly anything"),
        ((1.0, 1.0, 0), "alarm", "changes nothing"),
    ],
)
def test_learning_is_what_held_out_songs_say(numbers: Any, level: str, words: str) -> None:
    told = judge_learning(*numbers)
    assert told.level == level
    assert words in told.words


@pytest.mark.parametrize(
    ("change", "pull", "level", "words"),
    [
        (0.02, 0.1, "clear", "still knows"),
        (-0.02, 0.1, "clear", "2.0% better"),
        (0.12, 0.1, "watch", "begun to forget"),
        (0.16, 0.1, "alarm", "forgot much"),
        (0.02, 0.7, "watch", "70% of the way"),
        (None, 0.1, "clear", "10% of the way"),
        (None, 0.7, "watch", "70% of the way"),
        (0.0, -0.3, "clear", "0% of the way"),
    ],
)
def test_forgetting_promises_at_most_fifteen_per_cent(
    change: float | None, pull: float, level: str, words: str
) -> None:
    told = judge_forgetting(change, pull)
    assert told.level == level
    assert words in told.words

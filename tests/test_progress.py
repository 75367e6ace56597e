from __future__ import annotations

import pytest

from angen.progress import Eta, Progress, no_progress


@pytest.mark.parametrize(
    ("done", "total", "fraction"), [(0, 10, 0.0), (5, 10, 0.5), (12, 10, 1.0), (-1, 10, 0.0), (5, 0, 0.0)]
)
def test_a_fraction_is_between_none_and_all(done: float, total: float, fraction: float) -> None:
    assert Progress("cutting", done, total).fraction == fraction
    no_progress(Progress("cutting", done, total))


class _Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_the_time_left_follows_the_mean_speed() -> None:
    clock = _Clock()
    eta = Eta(clock)
    assert eta.remaining_s(Progress("training", 0, 10)) is None
    clock.now_s += 4
    assert eta.remaining_s(Progress("training", 2, 10)) == pytest.approx(16)
    clock.now_s += 2
    assert eta.remaining_s(Progress("training", 10, 10)) == 0


def test_a_resumed_stage_does_not_count_what_was_done_before() -> None:
    clock = _Clock()
    eta = Eta(clock)
    assert eta.remaining_s(Progress("training", 80, 100)) is None
    clock.now_s += 10
    assert eta.remaining_s(Progress("training", 90, 100)) == pytest.approx(10)


def test_another_stage_starts_the_clock_again() -> None:
    clock = _Clock()
    eta = Eta(clock)
    eta.remaining_s(Progress("analysing", 0, 2))
    clock.now_s += 100
    assert eta.remaining_s(Progress("cutting", 0, 2)) is None
    clock.now_s += 1
    assert eta.remaining_s(Progress("cutting", 1, 2)) == pytest.approx(1)
    assert eta.remaining_s(Progress("cutting", 0, 2)) is None

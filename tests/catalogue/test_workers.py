from __future__ import annotations

import os
import time

import pytest

from angen.catalogue.workers import Outcome, run_each
from angen.errors import ScoreError


def _task(word: str) -> str:
    if word == "hang":
        time.sleep(60)
    if word == "crash":
        os._exit(3)
    if word == "refuse":
        raise ScoreError("broken", "It is broken.")
    if word == "fail":
        raise KeyError("odd")
    return word.upper()


def test_a_task_that_hangs_or_crashes_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("angen.catalogue.workers._START_ALLOWANCE_S", 8.0)
    words = ["a", "crash", "b", "hang", "refuse", "fail", "c"]
    begin = time.monotonic()
    outcomes = {each.index: each for each in run_each(_task, words, workers=1, timeout_s=0.5)}
    assert time.monotonic() - begin < 40
    assert sorted(outcomes) == list(range(len(words)))
    assert [outcomes[index].value for index in (0, 2, 6)] == ["A", "B", "C"]
    kinds = {words[index]: (each.error or {}).get("type") for index, each in outcomes.items()}
    assert (kinds["crash"], kinds["hang"], kinds["refuse"], kinds["fail"]) == (
        "crash",
        "timeout",
        "broken",
        "unexpected",
    )


def test_stopping_ends_the_processes() -> None:
    calls: list[Outcome] = []
    for outcome in run_each(_task, ["a"] * 50, workers=1, timeout_s=30, should_stop=lambda: len(calls) >= 3):
        calls.append(outcome)
    assert 3 <= len(calls) < 50


def test_without_workers_this_process_does_the_tasks_in_turn() -> None:
    outcomes = list(run_each(_task, ["a", "refuse", "fail", "b"], workers=0, timeout_s=1))
    assert [each.index for each in outcomes] == [0, 1, 2, 3]
    assert [each.value for each in outcomes] == ["A", None, None, "B"]
    assert [(each.error or {}).get("type") for each in outcomes] == [None, "broken", "unexpected", None]
    assert list(run_each(_task, ["a"], workers=0, timeout_s=1, should_stop=lambda: True)) == []


@pytest.mark.parametrize(("workers", "timeout_s"), [(-1, 1.0), (1, 0.0)])
def test_fewer_than_no_workers_and_no_time_are_refused(workers: int, timeout_s: float) -> None:
    with pytest.raises(ValueError, match="do nothing"):
        list(run_each(_task, ["a"], workers=workers, timeout_s=timeout_s))

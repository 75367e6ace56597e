"""Whatever is in a file, analysis gives a result or a typed error."""

from __future__ import annotations

import pytest
from recipes.analysis.fuzz import Tally, case_of, cases, outcome, run

from angen.workflows.analyze import analyze_file


def heard_here(tmp_path, seed, count):
    tally = Tally()
    path = tmp_path / "odd.bin"
    for case in cases(seed, count):
        path.write_bytes(case.content)
        tally.add(case.name, outcome(analyze_file(path)), 0.0)
    return tally


def test_damaged_files_are_heard_or_refused_with_a_reason(tmp_path):
    tally = heard_here(tmp_path, seed=1, count=300)
    assert tally.faults == []
    assert sum(tally.outcomes.values()) == 300
    assert tally.outcomes["heard"] > 60
    assert {"audio-unreadable", "audio-truncated", "audio-silent"} <= set(tally.outcomes)


def test_a_damaged_mp3_that_ends_beyond_its_end_is_refused(tmp_path):
    """The one fault that 10,000 files found: after seeking, its decoder stands behind the last sample."""
    path = tmp_path / "odd.bin"
    path.write_bytes(case_of(0, 6376).content)
    assert outcome(analyze_file(path)) in ("audio-truncated", "audio-unreadable")


def test_the_same_seed_makes_the_same_files():
    first, again, other = (list(cases(seed, 8)) for seed in (3, 3, 4))
    assert [case.name for case in first] == [case.name for case in again]
    assert [case.name for case in first] != [case.name for case in other]


def test_a_record_that_cannot_be_right_is_noticed(tmp_path):
    tally = Tally()
    record = next(
        record
        for record in map(analyze_file, _written(tmp_path))
        if "error" not in record and record["duration_s"] > 1
    )
    assert outcome(record) == "heard"
    for field, value in (
        ("beats_s", [2.0, 1.0]),
        ("energy", 0),
        ("segments", [[0, 0.5]]),
        ("duration_s", float("nan")),
    ):
        tally.add(field, outcome({**record, field: value}), 0.0)
    tally.add("fault", outcome({"error": {"type": "internal", "message": "x", "remedy": "y"}}), 0.0)
    assert len(tally.faults) == 5


def _written(tmp_path):
    for number, case in enumerate(cases(5, 30)):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(case.content)
        yield path


@pytest.mark.slow
def test_two_thousand_files_neither_kill_nor_fault_a_listener():
    tally = run(cases(2, 2000), processes=2)
    assert tally.faults == []
    assert sum(tally.outcomes.values()) == 2000

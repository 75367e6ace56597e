from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import angen.analysis
from angen.analysis import Analysis
from angen.progress import Progress
from angen.workflows.analyze import analyze_file, analyze_files
from angen.workflows.listener import Listener

OddFiles = dict[str, tuple[Path, str | None]]


@pytest.mark.parametrize("processes", [1, 2])
def test_every_file_has_its_record_in_order_and_bad_ones_harm_no_good_ones(
    odd_files: OddFiles, processes: int
) -> None:
    given = [path for path, _ in odd_files.values()]
    records = list(analyze_files(given, processes=processes))
    assert [record["path"] for record in records] == [str(path) for path in given]
    found = {
        name: record.get("error", {}).get("type") for name, record in zip(odd_files, records, strict=True)
    }
    assert found == {name: error for name, (_, error) in odd_files.items()}
    for record in records:
        if "error" in record:
            assert all(record["error"].values()), record
        else:
            assert record["duration_s"] > 0
            assert 0 < record["energy"] < 1
    json.dumps(records, allow_nan=False)


def test_processes_and_no_processes_hear_the_same(odd_files: OddFiles) -> None:
    given = [odd_files[name][0] for name in ("plain.wav", "eight bits.wav", "short.wav")]
    assert list(analyze_files(given, processes=2)) == list(analyze_files(given, processes=1))


def test_a_song_is_heard(tmp_path: Path, write_song: Callable[..., Path]) -> None:
    path = write_song(tmp_path / "song.wav", 24.0, bpm=100.0, channels=2)
    (record,) = analyze_files([path])
    assert record["tempo_bpm"] == pytest.approx(100, rel=0.02)
    assert record["key"] == "C major"
    assert record["channels"] == 2


def test_progress_counts_the_files(odd_files: OddFiles) -> None:
    seen: list[Progress] = []
    list(analyze_files([odd_files["plain.wav"][0], odd_files["empty.wav"][0]], on_progress=seen.append))
    assert [(step.done, step.total, step.note) for step in seen] == [
        (0, 2, ""),
        (1, 2, "plain.wav"),
        (2, 2, "empty.wav"),
    ]


def test_no_files_are_no_records() -> None:
    assert list(analyze_files([])) == []


@pytest.mark.parametrize("fault", [ZeroDivisionError("by zero"), MemoryError(), RecursionError("deep")])
def test_an_unforeseen_fault_is_an_internal_error(monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    def fail(path: Path) -> Analysis:
        raise fault

    monkeypatch.setattr(angen.analysis, "analyze", fail)
    error = analyze_file("song.wav")["error"]
    assert error["type"] == "internal"
    assert type(fault).__name__ in error["message"]


def test_a_file_that_kills_its_process_is_named_and_the_next_one_is_heard(
    odd_files: OddFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = Listener()
    try:
        good = str(odd_files["plain.wav"][0])
        assert "error" not in listener.record(good)
        assert listener._process is not None
        os.kill(listener._process.pid, 9)
        killed = listener.record(good)
        assert killed["path"] == good
        assert killed["error"]["type"] == "internal"
        assert "-9" in killed["error"]["message"]
        assert "error" not in listener.record(good)
    finally:
        listener.close()


def test_stopping_early_ends_the_processes(odd_files: OddFiles) -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    before = children.read_text().split() if children.exists() else []  # those of other tests
    records = analyze_files([odd_files["plain.wav"][0]] * 6, processes=2)
    next(records)
    records.close()  # type: ignore[attr-defined]
    assert not children.exists() or set(children.read_text().split()) <= set(before)


def test_a_plain_script_without_a_main_guard_works_with_processes(
    odd_files: OddFiles, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from angen.workflows.analyze import analyze_files\n"
        "for record in analyze_files(sys.argv[1:], processes=2):\n"
        "    print('error' in record)\n"
    )
    (tmp_path / "json.py").write_text("raise SystemExit('a module of the folder we stand in was imported')\n")
    given = [str(odd_files[name][0]) for name in ("plain.wav", "empty.wav")]
    run = subprocess.run(
        [sys.executable, "-P", script, *given], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["False", "True"]

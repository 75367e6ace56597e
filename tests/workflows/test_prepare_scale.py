"""Many songs: memory that hardly grows, several processes, clusters, and what a crashed worker costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from angen.dataset import load_dataset
from angen.errors import SettingsError
from angen.settings import Settings
from angen.workflows.prepare import Work, prepare_dataset
from angen.workflows.spread import Outcome, Spread, spread_from, spreading

from ..peak import TELL_PEAK


def write_songs(folder: Path, count: int, seconds: float = 1.5) -> Path:
    """Short songs of random notes, each its own."""
    folder.mkdir(parents=True, exist_ok=True)
    time_s = np.arange(2000) / 8000
    for number in range(count):
        generator = np.random.default_rng(number)
        sound = 1e-3 * generator.standard_normal(round(seconds * 8000))
        for at in range(0, sound.size - 2000, 1500):
            hz = 110 * 2 ** (generator.integers(0, 36) / 12)
            sound[at : at + 2000] += np.sin(2 * np.pi * hz * time_s) * np.exp(-8 * time_s)
        soundfile.write(folder / f"{number:05d}.wav", 0.5 * sound / np.abs(sound).max(), 8000)
    return folder


def _odd(number: int) -> int:
    if number % 5 == 3:
        raise ValueError(f"{number} is odd")
    return number


def _deadly(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


class TestSpread:
    @pytest.mark.parametrize("workers", [1, 2])
    def test_outcomes_come_in_order_and_errors_stop_nothing(self, workers: int) -> None:
        with spreading(Spread(workers=workers), 1) as run:
            outcomes: list[Outcome[int]] = list(run(_odd, lambda number: number, 40))
        assert [outcome.value for outcome in outcomes] == [None if n % 5 == 3 else n for n in range(40)]
        assert outcomes[3].error == {
            "type": "internal",
            "message": "ValueError: 3 is odd",
            "remedy": outcomes[3].error["remedy"] if outcomes[3].error else "",
        }

    @pytest.mark.slow
    def test_a_task_that_kills_its_process_costs_itself_alone(self) -> None:
        with spreading(Spread(workers=2), 1) as run:
            outcomes: list[Outcome[int]] = list(run(_deadly, lambda number: number, 14))
        assert [outcome.value for outcome in outcomes] == [None if n == 3 else n for n in range(14)]
        assert outcomes[3].error is not None
        assert "ended without an answer" in outcomes[3].error["message"]

    def test_the_environment_chooses_and_is_checked(self) -> None:
        assert spread_from({}) == Spread("loky", None, None)
        given = {"ANGEN_BACKEND": "ray", "ANGEN_WORKERS": "3", "ANGEN_CLUSTER": "head:6379"}
        assert spread_from(given) == Spread("ray", 3, "head:6379")
        for wrong in ({"ANGEN_BACKEND": "threads"}, {"ANGEN_WORKERS": "many"}, {"ANGEN_WORKERS": "0"}):
            with pytest.raises(SettingsError):
                spread_from(wrong)

    def test_a_backend_without_its_package_says_what_to_install(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "ray", None)
        with pytest.raises(SettingsError, match="package ray") as told, spreading(Spread("ray", 1), 1):
            pass
        assert "angen[ray]" in told.value.remedy


def test_two_processes_make_the_same_dataset_as_one(tmp_path: Path) -> None:
    songs = write_songs(tmp_path / "songs", 9)
    (songs / "broken.wav").write_bytes(b"RIFF")
    made = [
        prepare_dataset(Settings(tmp_path / f"home{workers}"), "x", [songs], spread=Spread(workers=workers))
        for workers in (1, 2)
    ]
    assert made[0].info.sha256 == made[1].info.sha256
    assert made[0].work == made[1].work == Work(9, 0, 9, 0)
    assert [file.path for file in made[0].skipped] == [str(songs / "broken.wav")]


_MEASURED = r"""
import sys
from pathlib import Path
from angen.settings import Settings
from angen.workflows.prepare import prepare_dataset
from angen.workflows.spread import Spread
made = prepare_dataset(Settings(Path(sys.argv[1])), "x", [sys.argv[2]], spread=Spread(workers=1))
print(made.info.songs)
"""


def _memory_bytes(home: Path, songs: Path) -> tuple[int, int]:
    words = [sys.executable, "-c", _MEASURED + TELL_PEAK, str(home), str(songs)]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return int(told[0]), int(told[1])


@pytest.mark.slow
def test_memory_hardly_grows_with_the_number_of_songs(tmp_path: Path) -> None:
    """Less than 20 kB for each further song, whose samples alone have 48 kB and whose records 2 kB."""
    few, many = write_songs(tmp_path / "few", 20), write_songs(tmp_path / "many", 320)
    small, large = _memory_bytes(tmp_path / "a", few), _memory_bytes(tmp_path / "b", many)
    assert (small[0], large[0]) == (20, 320)
    assert (large[1] - small[1]) / 300 < 20_000


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["ray", "dask"])
def test_a_real_local_cluster_makes_the_same_dataset(tmp_path: Path, backend: Any) -> None:
    pytest.importorskip({"ray": "ray", "dask": "distributed"}[backend], reason=f"optional: angen[{backend}]")
    songs = write_songs(tmp_path / "songs", 8)
    words = [
        sys.executable, "-W", "ignore", "-c", "from angen.cli import main; main()", "dataset", "prepare", "x",
        str(songs), "--backend", backend, "--workers", "2",
    ]  # fmt: skip
    subprocess.run(
        words, check=True, env={**os.environ, "ANGEN_HOME": str(tmp_path / "cluster")}, timeout=240
    )
    here = prepare_dataset(Settings(tmp_path / "here"), "x", [songs], spread=Spread(workers=1))
    there = load_dataset(tmp_path / "cluster" / "training_data" / "x")
    assert there.info.sha256 == here.info.sha256

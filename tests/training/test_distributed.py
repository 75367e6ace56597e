from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from angen.errors import TrainingError
from angen.training import ALONE, Processes
from angen.training.checkpoint import checkpoints

SCRIPT = Path(__file__).with_name("launched_toy.py")


class TestParts:
    @pytest.mark.parametrize(("crops", "count"), [(8, 1), (8, 2), (8, 8), (6, 3)])
    def test_they_cover_a_step_once(self, crops: int, count: int) -> None:
        parts = [Processes(rank, count).share(crops) for rank in range(count)]
        assert [crop for part in parts for crop in part] == list(range(crops))
        assert len({len(part) for part in parts}) == 1

    def test_a_step_that_cannot_be_parted_is_refused(self) -> None:
        with pytest.raises(TrainingError, match=r"6 crops cannot be parted among 4 processes.*multiple"):
            Processes(0, 4).share(6)

    def test_one_alone_needs_no_launcher(self) -> None:
        assert Processes.joined() == ALONE
        assert ALONE.any(True)
        assert not ALONE.any(False)
        assert ALONE.of_first(lambda: 3) == ALONE.first_then_others(lambda: 3) == 3
        ALONE.wait()


def _together(root: Path) -> None:
    """Two processes, as a launcher starts them: a whole run, and two that are stopped, one of which goes on."""
    words = [sys.executable, str(SCRIPT), str(root), "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen([*words, str(rank)], stderr=subprocess.PIPE, text=True, env=environment)
        for rank in range(2)
    ]
    told = [process.communicate(timeout=300)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], told


def _events(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]


def _assert_near(one: Path, other: Path) -> None:
    for part in ("best", "final"):
        first, second = (load_file(root / part / "adapter_model.safetensors") for root in (one, other))
        assert first.keys() == second.keys()
        for name in first:
            assert torch.allclose(first[name], second[name], rtol=1e-3, atol=1e-4), name
    for kind in ("step", "validation"):
        losses = [[line["loss"] for line in _events(root, kind)] for root in (one, other)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.fixture(scope="module")
def toy() -> Any:
    """The module `launched_toy.py`."""
    spec = importlib.util.spec_from_file_location("launched_toy", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def alone(toy: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run in this process."""
    folder = tmp_path_factory.mktemp("alone")
    toy.go(folder, "whole", ALONE)
    return folder


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes made: `whole/`, `resumed/`, `stopped/`."""
    root = tmp_path_factory.mktemp("together")
    _together(root)
    return root


@pytest.mark.slow
class TestTwoProcesses:
    def test_they_learn_what_one_would_have_learnt(self, alone: Path, together: Path) -> None:
        whole = together / "whole"
        _assert_near(whole, alone)
        assert [event["step"] for event in _events(whole, "step")] == [1, 2, 3, 4, 5, 6]  # one of them writes
        assert len(_events(whole, "finished")) == 1
        assert len(list((whole / "tensorboard").iterdir())) == 1

    def test_stopped_by_either_they_go_on_together_or_alone(
        self, toy: Any, alone: Path, together: Path
    ) -> None:
        stopped = together / "stopped"
        assert [folder.name for folder in checkpoints(stopped / "checkpoints")][-1] == "step_000002"
        assert not (stopped / "final").exists()
        _assert_near(together / "resumed", alone)
        toy.go(stopped, "resume", ALONE)
        _assert_near(stopped, alone)

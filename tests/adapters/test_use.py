"""Locks that real processes hold, and what becomes of them when those are killed."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager

import pytest

from angen.adapters.catalogue import AdapterInfo
from angen.adapters.use import (
    IN_USE,
    Holder,
    held,
    held_folder,
    held_for_training,
    holders,
    is_used,
    process_started,
    state_now,
)
from angen.errors import AdapterError

HOLD = """
import sys
from pathlib import Path
from angen.adapters.use import held, held_for_training
root, name, how = sys.argv[1:]
with held_for_training(Path(root), name, anew=False) if how == "train" else held(Path(root), name, "generation"):
    print("holds", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(root, name, how="use"):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(root), name, how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "holds\n"
        try:
            yield process
        finally:
            process.stdin.close()
            process.kill()


def test_many_may_read_and_one_alone_may_move(tmp_path):
    with ExitStack() as use:
        for _ in range(3):
            use.enter_context(held(tmp_path, "one", "generation"))
        assert is_used(tmp_path, "one")
        assert not is_used(tmp_path, "other")
        with pytest.raises(AdapterError, match="in use"), held(tmp_path, "one", "deleting", alone=True):
            pytest.fail("it is in use")
    with held(tmp_path, "one", "deleting", alone=True):
        for alone in (True, False):
            with (
                pytest.raises(AdapterError, match="in use"),
                held(tmp_path, "one", "generation", alone=alone),
            ):
                pytest.fail("it is in use")


def test_only_a_run_that_nobody_goes_on_with_is_interrupted(tmp_path):
    left = AdapterInfo(
        name="one", state="training", created="2026-01-02T03:04:05", base="toy", base_hash="", dataset="",
        dataset_hash="", style="", config={}, versions={}, steps=1, best_step=0, seconds=1.0,
    )  # fmt: skip
    assert state_now(tmp_path, left) == "interrupted"
    with held(tmp_path, "one", "generation"):
        assert state_now(tmp_path, left) == "interrupted"
    with held_for_training(tmp_path, "one", anew=False):
        assert state_now(tmp_path, left) == "training"
    assert state_now(tmp_path, left.model_copy(update={"state": "finished"})) == "finished"


def test_a_lock_leaves_nothing_behind_not_even_the_folders_it_made(tmp_path):
    root = tmp_path / "workspace" / "models" / "loras"
    with held(root, "one", "generation"), held_for_training(root, "two", anew=True):
        assert (root / IN_USE).is_dir()
    assert list(tmp_path.iterdir()) == []
    root.mkdir(parents=True)
    with held(root, "one", "generation"):
        pass
    assert list(root.iterdir()) == []


def test_another_process_is_named_by_what_it_does(tmp_path):
    with another_process(tmp_path, "one") as process:
        (holder,) = holders(tmp_path, "one")
        assert (holder.pid, holder.purpose) == (process.pid, "generation")
        assert holder.started == process_started(process.pid)
        with (
            pytest.raises(AdapterError, match=f"generation, process {process.pid}"),
            held(tmp_path, "one", "x", alone=True),
        ):
            pytest.fail("it is in use")


def test_the_lock_of_a_killed_process_blocks_nobody(tmp_path):
    with another_process(tmp_path, "one") as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert (tmp_path / IN_USE / "one.use").is_file()  # the file is stale, the lock is not
        assert not is_used(tmp_path, "one")
        assert holders(tmp_path, "one") == []
        with held(tmp_path, "one", "deleting", alone=True):
            pass
    assert not (tmp_path / IN_USE).exists()


def test_a_run_lets_others_listen_but_no_second_run_and_no_deletion(tmp_path):
    with another_process(tmp_path, "one", "train"):
        with held(tmp_path, "one", "generation"):
            pass
        with pytest.raises(AdapterError, match="training"), held_for_training(tmp_path, "one", anew=False):
            pytest.fail("two runs of one adapter")
        with pytest.raises(AdapterError, match="training"), held(tmp_path, "one", "deleting", alone=True):
            pytest.fail("it is being trained")


def test_a_run_that_would_clear_the_former_one_waits_for_its_listeners(tmp_path):
    with held(tmp_path, "one", "generation"):
        with pytest.raises(AdapterError, match="in use"), held_for_training(tmp_path, "one", anew=True):
            pytest.fail("somebody listens to the former run")
        with held_for_training(tmp_path, "one", anew=False):
            pass


def test_a_number_given_to_a_later_process_is_not_its_first_owner():
    mine = Holder(os.getpid(), process_started(os.getpid()), "training", "")
    assert mine.is_alive
    if mine.started is not None:
        assert not Holder(mine.pid, mine.started - 1, "training", "").is_alive


def test_a_loose_folder_is_nobodys(tmp_path):
    (tmp_path / "best").mkdir()
    with held_folder(tmp_path / "best", "generation"):
        assert not (tmp_path.parent / IN_USE).exists()


@pytest.mark.parametrize("name", ["", "..", "a/b", "../x"])
def test_a_path_is_no_name_to_lock(tmp_path, name):
    with pytest.raises(AdapterError, match="cannot name"), held(tmp_path / "r", name, "x"):
        pytest.fail("a path")
    assert list(tmp_path.iterdir()) == []

"""The studio's kinds: what is kept of a job, and whose checkpoints a training job goes on from."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from angen.errors import JobError, TrainingError
from angen.jobs.studio import KINDS
from angen.jobs.training import _all_since, _goes_on

SMALLEST = {
    "analyze": {"files": ["/a.wav"]},
    "annotate": {"folder": "/a"},
    "collect": {"collection": "mutopia"},
    "prepare": {"name": "x", "files": ["/a.wav"]},
    "train": {"name": "x", "dataset": "y"},
    "demo": {"songs": ["/a"]},
    "generate": {"request": {"prompt": "jazz"}},
    "produce": {"request": {"prompt": "jazz"}},
    "enhance": {"files": ["/a.wav"]},
    "separate": {"files": ["/a.wav"]},
    "upscale": {"files": ["/a.wav"]},
    "master": {"files": ["/a.wav"]},
    "export": {"files": ["/a.wav"]},
    "lyrics": {},
    "render": {"project": "x"},
}


@pytest.mark.parametrize("name", KINDS.names)
def test_every_kind_reads_its_own_record_and_nothing_else(name: str) -> None:
    kind = KINDS[name]
    params = kind.read(SMALLEST[name])
    assert kind.read(params.model_dump(mode="json")) == params
    assert kind.title(params)
    with pytest.raises(JobError, match="surprise"):
        kind.read({**SMALLEST[name], "surprise": 1})
    assert kind.slot == ("accelerator" if name in ("train", "demo", "generate", "produce") else "light")


def test_no_job_names_a_program_or_a_relative_path() -> None:
    with pytest.raises(JobError, match="plugin"):
        KINDS["upscale"].read({"files": ["/a.wav"], "plugin": "rm -rf /"})
    for path in ("a.wav", "../a.wav", ""):
        with pytest.raises(JobError, match="from the root"):
            KINDS["master"].read({"files": [path]})


def test_a_training_job_keeps_every_setting() -> None:
    from angen.training import TrainConfig

    kind = KINDS["train"]
    complete = kind.complete(kind.read({"name": "x", "dataset": "y", "config": {"epochs": 3}}))
    assert complete.config == TrainConfig(epochs=3).as_dict()
    assert kind.complete(complete) == complete
    with pytest.raises(TrainingError, match="epoch"):
        kind.complete(kind.read({"name": "x", "dataset": "y", "config": {"epoch": 3}}))


def test_a_run_that_replaces_another_never_goes_on_from_it(tmp_path: Path) -> None:
    started = time.time()
    assert not _goes_on(tmp_path, 0.0)
    checkpoint = tmp_path / "checkpoints" / "step_000002"
    checkpoint.mkdir(parents=True)
    (checkpoint / "state.json").write_text("{}")
    os.utime(checkpoint / "state.json", (started - 0.5, started - 0.5))
    assert _goes_on(tmp_path, 0.0)  # an interrupted run of the name
    assert not _goes_on(tmp_path, started)  # of the run that is to be replaced
    assert not _all_since(tmp_path, started)  # so nothing here may be cleared away as a job's own
    os.utime(checkpoint / "state.json", (started + 1, started + 1))
    assert _goes_on(tmp_path, started)
    assert _all_since(tmp_path, started)

"""A real training run, killed again and again through the supervisor, ends as if nothing had happened."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from angen.audio import Audio
from angen.dataset import ClipRecord, DatasetInfo, Split, new_dataset, write_clip, write_dataset
from angen.dataset.records import content_sha256
from angen.dataset.store import count_splits
from angen.jobs import Job, JobStore, Limits, LocalBackend, Supervisor, attempts, submit_job
from angen.jobs.studio import KINDS
from angen.settings import Settings

KILLS = 3
CONFIG = {
    "max_steps": 80, "batch_size": 1, "rank": 2, "learning_rate": 1e-3, "speed_shifts": [], "speed_share": 0.0,
    "checkpoint_every": 2, "log_every": 1, "crop_blocks": 1, "warmup_steps": 1, "validate_steps": 40,
    "sample_every": 0,
}  # fmt: skip


def _dataset(settings: Settings) -> None:
    """Three clips of four seconds, the last one held out."""
    sides: tuple[Split, ...] = ("train", "train", "validation")
    time_s, clips = np.arange(4 * 24_000) / 24_000, []
    with new_dataset(settings.training_data, "mine") as folder:
        for number, side in enumerate(sides):
            noise = np.random.default_rng(number).standard_normal(len(time_s))
            sound = 0.3 * np.sin(2 * np.pi * 220 * (number + 2) * time_s) + 0.02 * noise
            file, sha256 = write_clip(
                folder, f"song{number}-001", Audio(sound[None].astype(np.float32), 24_000)
            )
            clips.append(
                ClipRecord(
                    file_name=file, clip_id=f"song{number}-001", song=f"song{number}", split=side, start_s=0.0,
                    end_s=4.0, duration_s=4.0, sha256=sha256, tempo_bpm=120.0,
                )
            )  # fmt: skip
        info = DatasetInfo(
            name="mine", created=datetime.now(UTC), songs=3, clips=3, seconds=12.0, splits=count_splits(clips),
            sha256=content_sha256(clips, ""),
        )  # fmt: skip
        write_dataset(folder, info, clips)


def _weights(settings: Settings, name: str) -> dict[str, str]:
    root = settings.loras / name
    return {
        part: hashlib.sha256((root / part / "adapter_model.safetensors").read_bytes()).hexdigest()
        for part in ("best", "final")
    }


def _submit(settings: Settings, name: str, **how: Any) -> Job:
    params = {"name": name, "dataset": "mine", "config": CONFIG, "report": False}
    return submit_job(settings, KINDS, "train", params, **how)


@pytest.mark.slow
def test_a_run_that_is_killed_at_random_equals_one_that_is_not(
    settings: Settings, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(attempts, "RETRY_DELAY_S", 0.0)
    _dataset(settings)
    supervisor = Supervisor(
        settings, replace(Limits(), tick_s=0.05, stale_s=120.0), LocalBackend("quick_training")
    )
    supervisor.start()
    try:
        plain = _submit(settings, "plain")
        _ended(store, plain)
        assert store.get(plain.id).state == "succeeded", Path(plain.log).read_text()
        broken = _submit(settings, "broken", max_crashes=KILLS + 1)
        killed = _kill_at_random(store, broken)
        final = _ended(store, broken)
    finally:
        supervisor.stop()
    assert final.state == "succeeded", Path(broken.log).read_text()
    assert final.attempt == final.crashes + 1 == killed + 1
    assert killed == KILLS
    assert _weights(settings, "broken") == _weights(settings, "plain")
    events = store.events(broken.id, limit=10_000)
    assert {"state", "progress", "crash", "step", "validation"} <= {event.kind for event in events}
    resumed = [event.data["step"] for event in events if event.kind == "resumed"]
    assert len(resumed) == KILLS - 1, resumed  # all but the first kill were in the middle of the training
    assert resumed == sorted(set(resumed)), resumed
    assert 0 < resumed[0] < resumed[-1] < CONFIG["max_steps"]
    assert not list((settings.loras / "broken" / "checkpoints").glob(".*"))


def _kill_at_random(store: JobStore, job: Job) -> int:
    """Kill its worker at random moments: once in its beginning, then soon after checkpoints; how often."""
    moments, killed, reached = random.Random(7), 0, store.get(job.id).checkpoint
    while killed < KILLS:
        found = _begun(store, job, killed + 1, reached)
        if found.has_ended:
            return killed
        time.sleep(moments.uniform(0.0, 0.3))
        found = store.get(job.id)
        if found.has_ended or found.pid is None:
            return killed
        with suppress(ProcessLookupError):
            os.kill(found.pid, signal.SIGKILL)
            killed += 1
            reached = store.get(job.id).checkpoint
    return killed


def _begun(store: JobStore, job: Job, attempt: int, reached: str | None) -> Job:
    """The job once this attempt runs and, unless it is the first, has told of a checkpoint of its own."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        found = store.get(job.id)
        is_on = attempt == 1 or found.checkpoint != reached
        if found.has_ended or (found.attempt == attempt and found.state == "running" and is_on):
            return found
        time.sleep(0.02)
    raise AssertionError(store.get(job.id))


def _ended(store: JobStore, job: Job) -> Job:
    until = time.monotonic() + 300
    while time.monotonic() < until:
        found = store.get(job.id)
        if found.has_ended:
            return found
        time.sleep(0.05)
    raise AssertionError(store.get(job.id))

"""What a supervisor promises, with real processes that are really killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from angen.jobs import Job, JobStore, Supervisor, attempts, ensure_supervisor, is_supervised
from angen.jobs.backend import LocalBackend, mark_of, start_apart
from angen.jobs.records import Worker
from angen.settings import Settings

Submit = Callable[..., Job]
Wait = Callable[..., Job]
Supervise = Callable[..., Supervisor]


def working(job: Job) -> bool:
    """Whether a worker has made progress with it."""
    return job.state == "running" and job.done >= 1


def kill(job: Job, number: signal.Signals) -> None:
    """Send a signal to a job's worker alone."""
    assert job.pid is not None
    os.kill(job.pid, number)


def _trace(settings: Settings, job: Job) -> list[tuple[int, int]]:
    """(attempt, step) of each step that was done."""
    lines = (settings.home / f"count-{job.id}" / "trace").read_text().splitlines()
    return [(int(line.split()[0]), int(line.split()[1])) for line in lines]


def _states(store: JobStore, job: Job) -> list[str]:
    return [event.data["state"] for event in store.events(job.id) if event.kind == "state"]


class TestRunning:
    def test_two_jobs_share_one_slot_in_turn_and_light_ones_go_beside(
        self, store: JobStore, submit: Submit, supervise: Supervise, wait: Wait
    ) -> None:
        first, second = submit(steps=20), submit(steps=1)
        light = submit("light", steps=1)
        supervise()
        beside, one, two = wait(light), wait(first), wait(second)
        assert beside.state == "succeeded"
        assert one.ended is not None
        assert beside.started is not None
        assert beside.started < one.ended
        assert (one.result, one.attempt, one.exit_code, one.ended_by) == ({"counted": 20}, 1, 0, "itself")
        assert two.started is not None
        assert two.started >= one.ended
        assert _states(store, first) == ["queued", "claimed", "running", "succeeded"]
        steps = [event.data["step"] for event in store.events(first.id) if event.kind == "step"]
        assert steps == list(range(1, 21))
        assert (one.done, one.total, one.stage) == (20, 20, "counting")

    def test_nothing_is_left_of_a_worker_that_is_done(
        self, submit: Submit, supervise: Supervise, wait: Wait
    ) -> None:
        supervise()
        job = wait(submit(steps=1))
        assert job.pid
        until = time.monotonic() + 10
        while Path(f"/proc/{job.pid}").exists() and time.monotonic() < until:
            time.sleep(0.05)
        assert not Path(f"/proc/{job.pid}").exists()

    def test_an_error_is_kept_with_its_remedy_and_its_traceback_in_the_log(
        self, submit: Submit, supervise: Supervise, wait: Wait
    ) -> None:
        supervise()
        typed, other = submit("fail", how="typed"), submit("fail", same=False, max_crashes=2)
        known = wait(typed)
        assert (known.state, known.attempt, known.exit_code) == ("failed", 1, 1)
        assert known.error == {
            "type": "training",
            "message": "The loss of step 2 is nan.",
            "remedy": "Lower the learning rate.",
            "where": "failing 2/10",
        }
        unknown = wait(other)
        assert unknown.error
        assert (unknown.error["type"], unknown.attempt) == ("internal", 2)
        assert "Traceback" not in str(unknown.error)
        assert "RuntimeError: attempt 1" in Path(unknown.log).read_text()

    def test_the_same_error_at_the_same_place_is_not_tried_a_third_time(
        self, submit: Submit, supervise: Supervise, wait: Wait
    ) -> None:
        supervise()
        same, other = submit("fail", max_crashes=5), submit("fail", same=False, max_crashes=3)
        assert (wait(same).attempt, wait(same).state) == (2, "failed")
        assert (wait(other).attempt, wait(other).crashes, wait(other).state) == (3, 3, "failed")


class TestCrashes:
    def test_a_killed_worker_is_followed_by_one_that_goes_on(
        self, settings: Settings, store: JobStore, submit: Submit, supervise: Supervise, wait: Wait
    ) -> None:
        supervise()
        job = submit(steps=20)
        kill(wait(job, until=working), signal.SIGKILL)
        done = wait(job)
        assert (done.state, done.attempt, done.crashes) == ("succeeded", 2, 1)
        crash = next(event for event in store.events(job.id) if event.kind == "crash")
        assert "Out of memory?" in crash.data["error"]["message"]
        trace = _trace(settings, job)
        assert {attempt for attempt, _ in trace} == {1, 2}
        assert sorted({step for _, step in trace}) == list(range(1, 21))
        assert len(trace) <= 21  # at most the step in which it was killed was done twice

    def test_after_three_crashes_it_fails_and_a_retry_goes_on_from_there(
        self, settings: Settings, store: JobStore, submit: Submit, supervise: Supervise, wait: Wait,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr(attempts, "RETRY_DELAY_S", 0.0)
        supervise()
        job = submit(steps=400, step_s=0.02)
        for attempt in (1, 2, 3):
            found = wait(job, until=lambda now, n=attempt: working(now) and now.attempt == n)
            kill(found, signal.SIGKILL)
        failed = wait(job)
        assert (failed.state, failed.attempt, failed.exit_code) == ("failed", 3, -9)
        assert failed.error
        assert failed.error["type"] == "worker"
        reached = int((settings.home / f"count-{job.id}" / "checkpoint").read_text())
        store.retry(job.id)
        wait(job, until=lambda now: working(now) and now.attempt == 4)
        assert min(step for attempt, step in _trace(settings, job) if attempt == 4) == reached + 1
        store.cancel(job.id)
        assert wait(job).state == "cancelled"

    def test_a_frozen_worker_is_ended_and_followed(
        self, submit: Submit, supervise: Supervise, wait: Wait
    ) -> None:
        supervise(stale_s=2.0)
        job = submit(steps=20)
        frozen = wait(job, until=working)
        kill(frozen, signal.SIGSTOP)
        done = wait(job)
        assert (done.state, done.attempt) == ("succeeded", 2)
        assert frozen.worker
        assert not LocalBackend().poll(frozen.worker).is_alive

    def test_a_worker_that_thaws_after_another_took_over_writes_nothing(
        self, settings: Settings, store: JobStore, submit: Submit, wait: Wait
    ) -> None:
        """As where a supervisor could not end it: on another machine, or in another container."""
        job, backend = submit(steps=500, step_s=0.02), LocalBackend("quick_kinds")
        claimed = attempts.claim(store, "accelerator", 1)
        assert claimed
        worker = backend.start(settings.home, claimed)
        frozen = wait(job, until=working)
        os.killpg(worker.pid, signal.SIGSTOP)
        attempts.lose(store, job.id, 1, {"message": "silent"}, ended_by="vanished", exit_code=None)
        assert attempts.claim(store, "accelerator", 1).attempt == 2  # type: ignore[union-attr]
        time.sleep(6)  # longer than a worker takes for a nap
        before, events, steps = store.get(job.id), store.events(job.id), _trace(settings, frozen)
        os.killpg(worker.pid, signal.SIGCONT)
        until = time.monotonic() + 20
        while (status := backend.poll(worker)).is_alive and time.monotonic() < until:
            time.sleep(0.02)
        assert status.exit_code == 3
        assert (store.get(job.id), store.events(job.id)) == (before, events)
        assert len(_trace(settings, frozen)) <= len(steps) + 1  # the step it was in the middle of

    def test_another_process_of_its_number_is_not_taken_for_it_nor_ended(
        self, store: JobStore, submit: Submit, supervise: Supervise, wait: Wait
    ) -> None:
        job = submit(steps=2)
        attempts.claim(store, "accelerator", 1)
        stranger = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True
        )
        try:
            attempts.begin(store, job.id, 1, Worker(stranger.pid, "began long ago"))
            supervise()
            assert wait(job).attempt == 2
            assert stranger.poll() is None
        finally:
            stranger.kill()
            stranger.wait()

    def test_a_worker_without_progress_is_ended_though_its_heart_beats(
        self, store: JobStore, submit: Submit, supervise: Supervise, wait: Wait
    ) -> None:
        supervise()
        done = wait(submit("stuck"))
        assert (done.state, done.attempt, done.result) == ("succeeded", 2, "went on")
        crash = next(event for event in store.events(done.id) if event.kind == "crash")
        assert "no progress" in crash.data["error"]["message"]

    def test_what_a_killed_worker_had_started_is_ended_too(
        self, store: JobStore, submit: Submit, supervise: Supervise, wait: Wait
    ) -> None:
        supervise()
        job = submit("grow", steps=500, max_crashes=1)
        found = wait(job, until=working)
        child = next(event.data["pid"] for event in store.events(job.id) if event.kind == "child")
        assert mark_of(child)
        kill(found, signal.SIGKILL)
        assert wait(job).state == "failed"
        until = time.monotonic() + 5
        while mark_of(child) and time.monotonic() < until:
            time.sleep(0.02)
        assert mark_of(child) is None

    def test_a_job_that_was_claimed_and_never_begun_goes_back(
        self, store: JobStore, submit: Submit, supervise: Supervise, wait: Wait
    ) -> None:
        job = submit(steps=1)
        attempts.claim(store, "accelerator", 1)
        supervise(start_s=0.3)
        assert wait(job).attempt == 2


class TestWishes:
    def test_cancel_leaves_a_checkpoint_from_which_a_retry_goes_on(
        self, settings: Settings, store: JobStore, submit: Submit, supervise: Supervise, wait: Wait
    ) -> None:
        supervise()
        job = submit(steps=100, step_s=0.1)
        wait(job, until=working)
        assert store.cancel(job.id).state == "cancelling"
        ended = wait(job)
        assert (ended.state, ended.ended_by, ended.crashes) == ("cancelled", "asked", 0)
        assert ended.checkpoint
        reached = int((settings.home / f"count-{job.id}" / "checkpoint").read_text())
        assert ended.checkpoint == f"step {reached}"
        store.retry(job.id)
        again = wait(job, until=lambda now: working(now) and now.attempt == 2)
        assert again.done > reached
        store.cancel(job.id)
        wait(job)

    def test_pause_and_resume(
        self, settings: Settings, store: JobStore, submit: Submit, supervise: Supervise, wait: Wait
    ) -> None:
        supervise()
        job, next_one = submit(steps=40, step_s=0.1), submit(steps=1)
        wait(job, until=working)
        store.pause(job.id)
        paused = wait(job, "paused")
        assert paused.ended_by == "asked"
        assert wait(next_one).state == "succeeded"  # the slot is free meanwhile
        assert store.get(job.id).state == "paused"
        store.resume(job.id)
        done = wait(job)
        assert (done.state, done.attempt, done.crashes) == ("succeeded", 2, 0)
        steps = [step for _, step in _trace(settings, job)]
        assert (
            len(steps) == len(set(steps)) >= 39
        )  # the step in which it stopped left its mark in the checkpoint

    def test_one_that_does_not_listen_is_ended_and_how_is_kept(
        self, store: JobStore, submit: Submit, supervise: Supervise, wait: Wait
    ) -> None:
        supervise(cancel_s=0.5, term_s=2.0)
        job = submit("deaf", steps=1000)
        wait(job, until=working)
        store.cancel(job.id)
        ended = wait(job)
        assert ended.state == "cancelled"
        assert ended.ended_by == "SIGTERM"

    def test_one_that_is_frozen_is_killed_and_that_is_kept(
        self, store: JobStore, submit: Submit, supervise: Supervise, wait: Wait
    ) -> None:
        supervise(cancel_s=0.3, term_s=0.3)
        job = submit("deaf", steps=1000)
        kill(wait(job, until=working), signal.SIGSTOP)
        store.cancel(job.id)
        ended = wait(job)
        assert (ended.state, ended.ended_by, ended.exit_code) == ("cancelled", "SIGKILL", -9)

    def test_a_worker_that_the_machine_ends_stops_well_and_its_job_goes_on_later(
        self, store: JobStore, submit: Submit, supervise: Supervise, wait: Wait
    ) -> None:
        supervise()
        job = submit(steps=30)
        kill(wait(job, until=working), signal.SIGTERM)
        done = wait(job)
        assert (done.state, done.attempt, done.crashes) == ("succeeded", 2, 0)


class TestBurying:
    """A server that lets go of its own dead workers must not forget how those of another workspace ended."""

    @pytest.mark.parametrize(("other", "code"), [(True, 3), (False, None)])
    def test_only_the_workspace_that_asks_forgets(
        self, tmp_path: Path, other: bool, code: int | None
    ) -> None:
        backend, homes = LocalBackend(), [tmp_path / "one", tmp_path / "other"]
        for home in homes:
            home.mkdir()
        pid = start_apart(["-c", "raise SystemExit(3)"], homes[0] / "log", homes[0])
        until = time.monotonic() + 30
        while mark_of(pid) is not None and time.monotonic() < until:
            time.sleep(0.01)
        backend.bury(homes[other], [])
        status = backend.poll(Worker(pid, "its mark"))
        assert (status.is_alive, status.exit_code) == (False, code)


class TestSupervisors:
    def test_a_killed_one_is_followed_by_one_that_adopts_its_workers(
        self, settings: Settings, store: JobStore, submit: Submit, supervise: Supervise, wait: Wait
    ) -> None:
        job, queued = submit(steps=60, step_s=0.1), submit(steps=1)
        assert ensure_supervisor(settings, kinds="quick_kinds")
        working_one = wait(job, until=working)
        assert not ensure_supervisor(settings, kinds="quick_kinds")
        own = _supervisor_pid(settings)
        os.kill(own, signal.SIGKILL)
        until = time.monotonic() + 10
        while is_supervised(settings) and time.monotonic() < until:
            time.sleep(0.02)
        before = store.get(job.id).done
        wait(job, until=lambda now: now.done > before)  # it goes on alone
        supervise()
        done = wait(job)
        assert (done.state, done.attempt, done.pid) == ("succeeded", 1, working_one.pid)
        assert wait(queued).state == "succeeded"

    def test_a_stopped_one_leaves_the_queue_to_the_next(
        self, store: JobStore, submit: Submit, supervise: Supervise, wait: Wait
    ) -> None:
        first, second = submit(steps=20), submit(steps=1)
        supervisor = supervise()
        wait(first, until=working)
        supervisor.stop()
        assert store.get(second.id).state == "queued"
        supervise()
        assert wait(first).attempt == 1
        assert wait(second).state == "succeeded"

    def test_only_one_is_at_work(
        self, settings: Settings, store: JobStore, submit: Submit, supervise: Supervise, wait: Wait
    ) -> None:
        first, second = supervise(), supervise()
        jobs = [submit("light", steps=1) for _ in range(6)]
        assert [wait(job).attempt for job in jobs] == [1] * 6
        assert is_supervised(settings)
        first.stop()
        assert wait(submit(steps=1)).state == "succeeded"
        second.stop()
        assert not is_supervised(settings)


def test_a_process_is_known_by_when_it_began() -> None:
    mine = mark_of(os.getpid())
    assert mine
    assert mine == mark_of(os.getpid())
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert mark_of(child.pid) not in (mine, None)
    assert child.stdin
    child.stdin.close()
    until = time.monotonic() + 10
    while mark_of(child.pid) and time.monotonic() < until:
        time.sleep(0.02)
    assert mark_of(child.pid) is None  # dead, though not buried
    assert Path(f"/proc/{child.pid}").exists()
    child.wait()
    assert mark_of(child.pid) is None


def _supervisor_pid(settings: Settings) -> int:
    """Of the process that was started for this very workspace."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words: list[Any] = (folder / "cmdline").read_bytes().split(b"\0")
            if b"angen.jobs.apart" in words and os.fsencode(settings.home) in words:
                return int(folder.name)
    raise AssertionError("there is no supervisor")

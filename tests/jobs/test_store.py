from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angen.errors import JobError, JobNotFoundError, JobStoreError, TrainingError
from angen.jobs import Job, JobStore, Kinds, NewJob, attempts, open_store, submit_job
from angen.jobs.records import Worker
from angen.progress import Progress
from angen.settings import Settings

Submit = Callable[..., Job]
ME = Worker(1234, "then")


class TestQueue:
    def test_a_job_is_there_with_all_that_was_said(self, store: JobStore, submit: Submit) -> None:
        job = submit("count", steps=7, priority=2, title="Seven")
        assert store.get(job.id) == store.get(job.id[:5]) == job
        assert (job.state, job.attempt, job.title, job.priority) == ("queued", 0, "Seven", 2)
        assert job.params == {"steps": 7, "step_s": 0.05, "folder": ""}
        assert (job.slot, job.resumable, job.started) == ("accelerator", True, None)

    def test_the_highest_priority_goes_first_then_the_oldest(self, store: JobStore, submit: Submit) -> None:
        given_ = [submit(priority=priority) for priority in (0, 5, 0, 5, -1)]
        taken = [attempts.claim(store, "accelerator", 9) for _ in given_]
        assert [job.id for job in taken if job] == [given_[index].id for index in (1, 3, 0, 2, 4)]
        assert attempts.claim(store, "accelerator", 9) is None

    def test_a_slot_has_no_more_jobs_than_places(self, store: JobStore, submit: Submit) -> None:
        first, second, light = submit(), submit(), submit("light")
        assert attempts.claim(store, "accelerator", 1).id == first.id  # type: ignore[union-attr]
        assert attempts.claim(store, "accelerator", 1) is None
        assert attempts.claim(store, "light", 1).id == light.id  # type: ignore[union-attr]
        attempts.succeed(store, first.id, 1, None)
        assert attempts.claim(store, "accelerator", 1).id == second.id  # type: ignore[union-attr]

    def test_a_job_waits_for_its_time(self, store: JobStore, submit: Submit) -> None:
        job = submit(max_crashes=9)
        for _ in range(2):
            claimed = attempts.claim(store, "accelerator", 1)
            assert claimed
            attempts.lose(
                store, job.id, claimed.attempt, {"message": "gone"}, ended_by="vanished", exit_code=None
            )
        assert store.get(job.id).not_before > time.time() + 1
        assert attempts.claim(store, "accelerator", 1) is None

    def test_pages_of_a_list_follow_one_another(self, store: JobStore, submit: Submit) -> None:
        jobs = [submit() for _ in range(5)]
        first = store.list(limit=2)
        rest = store.list(before=first[-1].number)
        assert [job.id for job in first + rest] == [job.id for job in reversed(jobs)]
        store.cancel(jobs[3].id)
        assert [job.id for job in store.list(["cancelled"])] == [jobs[3].id]

    def test_an_idempotency_key_stands_for_one_job(self, store: JobStore, submit: Submit) -> None:
        first = submit(idempotency_key="k", steps=4)
        assert submit(idempotency_key="k", steps=4) == first
        assert len(store.list()) == 1
        with pytest.raises(JobError, match="stands for job"):
            submit(idempotency_key="k", steps=5)

    def test_two_jobs_cannot_be_at_one_target(self, store: JobStore, submit: Submit) -> None:
        first = submit("target")
        with pytest.raises(JobError, match="the-same-thing already"):
            submit("target")
        store.cancel(first.id)
        second = submit("target")
        with pytest.raises(JobError, match=second.id):
            store.retry(first.id)

    def test_what_is_no_job_is_refused_before_it_is_queued(self, store: JobStore, submit: Submit) -> None:
        with pytest.raises(JobError, match="no kind of job 'nothing'"):
            submit("nothing")
        with pytest.raises(JobError, match="stepz"):
            submit("count", stepz=3)
        with pytest.raises(JobError, match="steps"):
            submit("count", steps="3")
        assert store.list() == []

    def test_twenty_submitters_at_once_lose_nothing(self, settings: Settings) -> None:
        """From the very first moment: they make the database, too."""
        program = (
            "import os, sys; from pathlib import Path; from angen.jobs import JobStore, NewJob\n"
            "def write(who):\n"
            "    store = JobStore(Path(sys.argv[1]))\n"
            "    for n in range(10): store.submit(NewJob('count', {'who': who, 'n': n}))\n"
            "for who in range(20):\n"
            "    if not os.fork():\n"
            "        write(who)\n"
            "        os._exit(0)\n"
            "sys.exit(any(os.wait()[1] for _ in range(20)))\n"
        )
        path = settings.home / "angen.db"
        subprocess.run([sys.executable, "-c", program, str(path)], check=True, timeout=120)
        store = JobStore(path)
        told = sorted((job.params["who"], job.params["n"]) for job in store.list(limit=1000))
        assert told == [(who, n) for who in range(20) for n in range(10)]
        assert len(store.events()) == 200
        store.close()


class TestWishes:
    def test_a_queued_job_is_cancelled_paused_and_resumed_at_once(
        self, store: JobStore, submit: Submit
    ) -> None:
        job = submit()
        assert store.pause(job.id).state == "paused"
        assert attempts.claim(store, "accelerator", 1) is None
        assert store.resume(job.id).state == "queued"
        assert store.cancel(job.id).state == store.cancel(job.id).state == "cancelled"
        assert store.retry(job.id).state == "queued"

    def test_a_wish_that_makes_no_sense_is_refused(self, store: JobStore, submit: Submit) -> None:
        job = submit("deaf")
        claimed = attempts.claim(store, "light", 1)
        assert claimed
        with pytest.raises(JobError, match="no checkpoints"):
            store.pause(job.id)
        with pytest.raises(JobError, match="cannot be tried again"):
            store.retry(job.id)
        attempts.succeed(store, job.id, 1, {"x": 1})
        assert store.cancel(job.id).state == "succeeded"
        with pytest.raises(JobError, match="succeeded"):
            store.retry(job.id)

    def test_an_unknown_job_is_said_to_be_unknown(self, store: JobStore, submit: Submit) -> None:
        for name in ("nobody", "", "%", "_____"):
            with pytest.raises(JobNotFoundError):
                store.get(name)

    def test_resumed_before_it_stopped_it_goes_on(self, store: JobStore, submit: Submit) -> None:
        job = submit()
        attempts.claim(store, "accelerator", 1)
        attempts.begin(store, job.id, 1, ME)
        assert store.pause(job.id).state == "pausing"
        assert store.resume(job.id).state == "running"
        assert attempts.stop(store, job.id, 1, ended_by="asked").state == "queued"


class TestFence:
    def test_an_attempt_that_is_over_writes_nothing(self, store: JobStore, submit: Submit) -> None:
        job = submit()
        attempts.claim(store, "accelerator", 1)
        attempts.begin(store, job.id, 1, ME)
        attempts.lose(store, job.id, 1, {"message": "silent"}, ended_by="SIGKILL", exit_code=-9)
        for attempt_is_taken in (False, True):
            if attempt_is_taken:
                assert attempts.claim(store, "accelerator", 1).attempt == 2  # type: ignore[union-attr]
            before, events = store.get(job.id), store.events()
            writes: list[Callable[[], object]] = [
                lambda: attempts.begin(store, job.id, 1, ME),
                lambda: attempts.held(store, job.id, 1, ME),
                lambda: attempts.beat(store, job.id, 1, Progress("late", 9, 9), events=[("step", {})]),
                lambda: attempts.succeed(store, job.id, 1, "late"),
                lambda: attempts.stop(store, job.id, 1, ended_by="asked"),
                lambda: attempts.fail(store, job.id, 1, {"message": "late"}, is_final=True),
                lambda: attempts.lose(store, job.id, 1, {}, ended_by="vanished", exit_code=None),
            ]
            for write in writes:
                with pytest.raises(attempts.Fenced):
                    write()
            assert (store.get(job.id), store.events()) == (before, events)

    def test_one_process_takes_up_an_attempt(self, store: JobStore, submit: Submit) -> None:
        job = submit()
        attempts.claim(store, "accelerator", 1)
        attempts.begin(store, job.id, 1, ME)
        with pytest.raises(attempts.Fenced):
            attempts.begin(store, job.id, 1, Worker(99, "another"))


class TestEvents:
    def test_whoever_saw_one_is_told_what_came_after(self, store: JobStore, submit: Submit) -> None:
        job, other = submit(), submit("light")
        attempts.claim(store, "accelerator", 1)
        for step in range(5):
            attempts.beat(store, job.id, 1, events=[("step", {"step": step}), ("step", {"step": step + 0.5})])
        every = store.events(job.id)
        assert [event.seq for event in every] == sorted({event.seq for event in every})
        assert all(event.job == job.id for event in every)
        for index, event in enumerate(every):
            assert store.events(job.id, after=event.seq) == every[index + 1 :]
        assert store.events(job.id, limit=3) == every[:3]
        assert {event.job for event in store.events()} == {job.id, other.id}

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5
        )
    )
    def test_any_value_is_kept_and_no_number_is_null(self, value: object) -> None:
        from angen.jobs.store import as_json

        def cleaned(x: object) -> object:
            if isinstance(x, list):
                return [cleaned(one) for one in x]
            return None if isinstance(x, float) and (x != x or x in (float("inf"), -float("inf"))) else x

        import json

        assert json.loads(as_json(value)) == cleaned(value)

    def test_old_progress_goes_and_then_old_jobs(self, store: JobStore, submit: Submit) -> None:
        done, going = submit(), submit("light")
        for job, slot in ((done, "accelerator"), (going, "light")):
            attempts.claim(store, slot, 1)  # type: ignore[arg-type]
            attempts.beat(store, job.id, 1, events=[("progress", {}), ("validation", {"loss": 0.5})])
        attempts.succeed(store, done.id, 1, None)
        Path(done.log).parent.mkdir(exist_ok=True)
        Path(done.log).write_text("words")
        assert store.prune() == 0
        assert "progress" in {event.kind for event in store.events(done.id)}
        store.prune(progress_s=-1)
        assert {event.kind for event in store.events(done.id)} == {"state", "validation"}
        assert "progress" in {event.kind for event in store.events(going.id)}
        assert store.prune(jobs_s=-1) == 1
        assert store.events(done.id) == []
        assert not Path(done.log).exists()
        assert [job.id for job in store.list()] == [going.id]


class TestDatabase:
    def test_a_damaged_file_is_said_to_be_damaged(self, tmp_path: Path) -> None:
        path = tmp_path / "angen.db"
        path.write_bytes(b"these are words, not a database " * 99)
        with pytest.raises(JobStoreError, match=r"Move .* away"):
            JobStore(path)
        assert path.read_bytes().startswith(b"these are words")

    def test_a_newer_one_is_left_alone(self, store: JobStore, settings: Settings) -> None:
        with sqlite3.connect(store.path) as connection:
            connection.execute("UPDATE schema_versions SET version = 99")
        connection.close()
        with pytest.raises(JobStoreError, match="version 99"):
            open_store(settings)

    def test_a_full_disk_loses_nothing_that_was_there(self, store: JobStore, submit: Submit) -> None:
        first = submit()
        connection = store.database.connection
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(JobStoreError, match=r"full.*Make space"):
            _fill(store)
        written = store.list(limit=1000)
        assert written[-1] == first
        connection.execute("PRAGMA max_page_count = 1000000")
        later = store.submit(NewJob("count", {}))
        assert [job.id for job in store.list(limit=1000)] == [later.id, *(job.id for job in written)]

    def test_one_that_cannot_be_written_to_is_said_so(self, store: JobStore, submit: Submit) -> None:
        job = submit()
        store.database.connection.execute("PRAGMA query_only = ON")
        with pytest.raises(JobStoreError, match=r"readonly.*permissions"):
            store.cancel(job.id)
        assert store.get(job.id) == job

    def test_a_folder_that_cannot_be_made_is_said_so(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(JobStoreError, match="permissions"):
            JobStore(tmp_path / "file" / "angen.db")

    def test_an_error_of_a_room_keeps_a_job_out_of_the_queue(self, settings: Settings) -> None:
        from quick_kinds import KINDS, Count, count

        from angen.jobs import Kind

        def check(settings: Settings, params: Count) -> None:
            raise TrainingError("No.")

        kinds = Kinds([Kind("count", Count, count, check)])
        with pytest.raises(TrainingError):
            submit_job(settings, kinds, "count", {})
        store = open_store(settings)
        assert store.list() == []
        store.close()
        assert submit_job(settings, KINDS, "count", {}).state == "queued"


def _fill(store: JobStore) -> None:
    for _ in range(200):
        store.submit(NewJob("count", {"text": "x" * 2000}))

"""`angen jobs` as a person or a script meets it, with the studio's own kinds and real workers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from angen.cli import app
from angen.jobs import ACTIVE, LocalBackend, NewJob, attempts, open_store
from angen.settings import Settings

BRIEF = {"theme": "the sea", "form": "short", "offline": True}


def _run(*words: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["jobs", *map(str, words)], input=stdin)


def _json(*words: object, stdin: str | None = None) -> Any:
    result = _run(*words, "--json", stdin=stdin)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(autouse=True)
def _nothing_left(workspace: Path) -> Iterator[None]:
    """The supervisor and the workers that a test started are ended with it."""
    yield
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"angen.jobs.apart" in words and bytes(workspace) in words:
            subprocess.run(["kill", folder.name], check=False)
    if (workspace / "angen.db").exists():
        store = open_store(Settings(workspace))
        for job in store.list(ACTIVE):
            if job.worker:
                LocalBackend().kill(job.worker, signal.SIGKILL)
        store.close()


def test_a_job_is_submitted_followed_and_shown(workspace: Path) -> None:
    job = _json("submit", "lyrics", "--params", "-", "--key", "mine", stdin=json.dumps(BRIEF))
    assert (job["state"], job["kind"]) == ("queued", "lyrics")
    assert _json("submit", "lyrics", "--key", "mine", stdin=json.dumps(BRIEF))["id"] == job["id"]
    followed = _run("follow", job["id"], "--json")
    assert followed.exit_code == 0, followed.stderr
    events = [json.loads(line) for line in followed.stdout.splitlines()]
    assert [event["seq"] for event in events] == sorted(event["seq"] for event in events)
    states = [event["data"]["state"] for event in events if event["kind"] == "state"]
    assert states == ["queued", "claimed", "running", "succeeded"]
    late = _run("follow", job["id"], "--json", "--after", events[-2]["seq"])
    assert [json.loads(line) for line in late.stdout.splitlines()] == events[-1:]
    shown = _json("show", job["id"][:4])
    assert shown["state"] == "succeeded"
    assert shown["result"]["is_draft"]
    assert [one["id"] for one in _json("list")] == [job["id"]]
    assert job["id"] in _run("list").stdout
    again = _run("retry", job["id"], "--json")
    assert again.exit_code == 1
    assert json.loads(again.stdout)["error"]["type"] == "job"


def test_misuse_and_refusals_are_told_apart(workspace: Path) -> None:
    assert _run("submit", "lyrics", stdin="no json").exit_code == 2
    assert _run("list", "--state", "sleeping").exit_code == 2
    unknown = _run("submit", "nothing", "--json", stdin="{}")
    assert unknown.exit_code == 1
    assert "lyrics" in json.loads(unknown.stdout)["error"]["remedy"]
    missing = _run("show", "abc", "--json")
    assert (missing.exit_code, json.loads(missing.stdout)["error"]["type"]) == (1, "job-missing")
    for kind, params in {
        "train": {"name": "x", "dataset": "nowhere"},
        "generate": {"request": {"prompt": " "}},
        "master": {"files": ["/nowhere.wav"]},
        "analyze": {"files": ["relative.wav"]},
        "export": {"files": [str(workspace)], "formats": "tape"},
        "render": {"project": "nothing"},
    }.items():
        refused = _run("submit", kind, "--json", stdin=json.dumps(params))
        assert refused.exit_code == 1, kind
        assert json.loads(refused.stdout)["error"]["message"]
    assert _json("list") == []


def test_a_job_that_waits_is_cancelled_paused_and_resumed(workspace: Path) -> None:
    store = open_store(Settings(workspace))
    job = store.submit(NewJob("train", {}, not_a_slot_in_use := "Later", slot="accelerator", resumable=True))
    assert job.title == not_a_slot_in_use
    other = store.submit(NewJob("train", {}, priority=9, slot="accelerator"))
    attempts.claim(store, "accelerator", 1)  # the slot is taken, so that nothing begins
    assert _json("pause", job.id)["state"] == "paused"
    assert _json("resume", job.id)["state"] == "queued"
    assert _json("cancel", job.id)["state"] == "cancelled"
    assert _run("cancel", other.id).stdout.strip() == f"Job {other.id} is cancelling."
    assert _run("follow", job.id).exit_code == 1
    store.close()


FOLLOW = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "  # ignored under nohup
    "from angen.cli import main; main()"
)


def test_ctrl_c_leaves_a_followed_job_running(workspace: Path) -> None:
    store = open_store(Settings(workspace))
    job = store.submit(NewJob("train", {}, slot="accelerator"))
    attempts.claim(store, "accelerator", 1)
    follower = subprocess.Popen(
        [sys.executable, "-c", FOLLOW, "jobs", "follow", job.id],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert follower.stderr
    while "claimed" not in follower.stderr.readline():
        time.sleep(0.01)
    follower.send_signal(signal.SIGINT)
    _, told = follower.communicate(timeout=30)
    assert follower.returncode == 130
    assert "goes on" in told
    assert store.get(job.id).state == "claimed"
    store.close()


def test_every_long_command_can_be_a_job(workspace: Path, tmp_path: Path, write_song: Any) -> None:
    """What they are given arrives in the job; the two light ones are done, the others wait for the accelerator."""
    store = open_store(Settings(workspace))
    store.submit(NewJob("train", {}, slot="accelerator"))
    attempts.claim(store, "accelerator", 1)  # the slot is taken, so that nothing of it begins
    songs = [write_song(tmp_path / f"{number}.wav", 3.0, seed=number) for number in range(2)]

    def begun(*words: object) -> Any:
        result = CliRunner().invoke(app, [*map(str, words), "--background", "--json"])
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    light = [
        begun("dataset", "prepare", "mine", *songs, "--style", "calypso"),
        begun("master", songs[0], "--preset", "club", "--out", tmp_path / "master.wav"),
    ]
    assert [_run("follow", job["id"]).exit_code for job in light] == [0, 0]
    assert (workspace / "training_data" / "mine" / "dataset_info.json").is_file()
    assert (tmp_path / "master.wav").is_file()
    assert light[1]["params"]["preset"] == "club"

    trained = begun("adapter", "train", "steel", "--dataset", "mine", "--rank", 3, "--no-report")
    assert (trained["kind"], trained["params"]["config"]["rank"]) == ("train", 3)
    assert not trained["params"]["report"]
    again = CliRunner().invoke(app, ["adapter", "train", "steel", "--dataset", "mine", "--background"])
    assert again.exit_code == 1
    made = begun("generate", "--prompt", "calypso", "--seed", 4, "--out", tmp_path / "song.wav")
    assert (made["params"]["request"]["seed"], made["params"]["out"]) == (4, str(tmp_path / "song.wav"))
    produced = begun("produce", "--prompt", "calypso", "--no-enhance", "--title", "Song", "--seconds", 9)
    assert produced["params"]["request"]["seconds"] == 9
    assert (produced["params"]["enhance"], produced["params"]["tags"]["title"]) == (None, "Song")
    of_file = begun("produce", songs[0], "--upscale", 44_100)
    assert (of_file["params"]["recording"], of_file["params"]["upscale_hz"]) == (str(songs[0]), 44_100)
    waiting = [trained, made, produced, of_file]
    assert {store.get(job["id"]).state for job in waiting} == {"queued"}
    for job in waiting:
        store.cancel(job["id"])
    store.close()


def test_run_does_the_queue_here_and_ends(workspace: Path) -> None:
    store = open_store(Settings(workspace))
    jobs = [store.submit(NewJob("lyrics", BRIEF)) for _ in range(2)]
    assert _json("run") == {"has_work": False}
    assert [store.get(job.id).state for job in jobs] == ["succeeded"] * 2
    store.close()

"""What outlives a server: jobs, streams that are taken up again, and nothing of an upload that broke off."""

from __future__ import annotations

import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from .conftest import Server
from .test_jobs import LYRICS, events_of


def _set_state(home: Path, job: str, state: str) -> None:
    with sqlite3.connect(home / "angen.db") as database:
        database.execute("UPDATE jobs SET state = ?, ended = NULL WHERE id = ?", (state, job))
    database.close()


@pytest.mark.slow
def test_three_servers_in_turn(start: Callable[..., Server]) -> None:
    """Killed amid an upload and a job; stopped with a stream open; and the third tells the rest."""
    first = start()
    made = first.ask("POST", "/lyrics", 202, json=LYRICS)
    parts = urlsplit(first.url)
    with socket.create_connection((parts.hostname, parts.port)) as line:
        line.sendall(
            b"POST /api/v1/assets?name=a.wav HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000000\r\n\r\n"
            + b"RIFF" * 500_000
        )
        uploads, end = first.home / "uploads", time.monotonic() + 20
        while not list(uploads.glob(".upload*/body")) and time.monotonic() < end:
            time.sleep(0.02)
        assert list(uploads.glob(".upload*/body"))
        assert first.stop(signal.SIGKILL) == -signal.SIGKILL

    second = start()
    assert not list(uploads.iterdir())
    assert second.ended(made)["state"] == "succeeded"
    _set_state(second.home, made["id"], "paused")  # so that its stream has no end yet
    seen: list[str] = []
    is_open = threading.Event()

    def follow() -> None:
        with httpx.stream("GET", f"{second.url}/api/v1/jobs/{made['id']}/events", timeout=60) as answer:
            for told in answer.iter_lines():
                if told.startswith("id: "):
                    seen.append(told.removeprefix("id: "))
                    is_open.set()

    follower = threading.Thread(target=follow)
    follower.start()
    assert is_open.wait(30)
    second.stop(signal.SIGTERM)  # waits 30 s at most; a stream alone would never end
    follower.join(30)
    assert not follower.is_alive()

    third = start()
    _set_state(third.home, made["id"], "queued")
    assert third.ended(made)["state"] == "succeeded"
    later = [one["id"] for one in events_of(third, made["id"], after=int(seen[-1])) if "id" in one]
    everything = [one["id"] for one in events_of(third, made["id"]) if "id" in one]
    assert seen + later == everything
    assert later

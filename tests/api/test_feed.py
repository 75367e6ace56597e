"""The feed of events: what keeps a quiet line open, and that pages of events are whole."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from angen.api.counting import Counts
from angen.api.feed import Feed
from angen.jobs import JobStore, NewJob, open_store
from angen.jobs.store import add_events
from angen.settings import Settings


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    store = open_store(Settings(tmp_path / "workspace"))
    yield store
    store.close()


def test_a_quiet_line_is_kept_open_by_comments(store: JobStore, tmp_path: Path) -> None:
    job = store.submit(NewJob("generate", {}, title="quiet"))
    counts = Counts()
    feed = Feed(store, counts, tmp_path, keep_alive_s=0.05)

    async def follow() -> list[bytes]:
        got: list[bytes] = []
        stream = feed.events(job.id, 0)
        async for piece in stream:
            got.append(piece)
            if got.count(b": still here\n\n") == 2:
                break
        await stream.aclose()  # type: ignore[attr-defined]
        return got

    got = asyncio.run(follow())
    assert got[0] == b"retry: 1000\n\n"
    assert re.findall(rb"^event: (\w+)", b"".join(got), re.MULTILINE) == [b"state"]
    assert counts.streams == 0


def test_thousands_of_events_come_in_order_and_once(store: JobStore, tmp_path: Path) -> None:
    job = store.submit(NewJob("generate", {}, title="long"))
    with store.database.transaction() as rows:
        add_events(rows, job.id, [("log", {"text": f"{tmp_path}/line {number}"}) for number in range(1200)])
    feed = Feed(store, Counts(), tmp_path)

    async def follow() -> bytes:
        got = b""
        stream = feed.events(job.id, 0)
        async for piece in stream:
            got += piece
            if got.count(b"event: log") == 1200:
                break
        await stream.aclose()  # type: ignore[attr-defined]
        return got

    got = asyncio.run(follow())
    numbers = [int(number) for number in re.findall(rb"^id: (\d+)", got, re.MULTILINE)]
    assert numbers == sorted(set(numbers))
    assert re.findall(rb"line (\d+)", got) == [str(number).encode() for number in range(1200)]
    assert str(tmp_path).encode() not in got

"""Events of jobs for many readers at once: one look into the database for all, a reader's own events when it wakes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from angen.api.counting import Counts
from angen.errors import JobStoreError
from angen.jobs import Job, JobStore

__all__ = ["Feed", "sse"]

_LOOK_S = 0.25
_KEEP_ALIVE_S = 15.0
_PAGE = 500
_RETRY_MS = 1000


class Feed:
    """Wakes readers when anything has happened to any job.

    Args:
        store: The jobs.
        counts: Where open streams are counted.
        home: The workspace, which is taken out of what events tell.
        keep_alive_s: After so long without an event a comment is sent, so that nobody between cuts the line.
    """

    def __init__(
        self, store: JobStore, counts: Counts, home: Path, *, keep_alive_s: float = _KEEP_ALIVE_S
    ) -> None:
        self.store, self.counts, self.keep_alive_s = store, counts, keep_alive_s
        self._home = json.dumps(f"{home}/")[1:-1].encode()
        self.is_closed = False
        self._news = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def watch(self) -> None:
        """Look for news while somebody reads, until cancelled; one task of the app."""
        self._loop = asyncio.get_running_loop()
        seen = 0
        while True:
            await asyncio.sleep(_LOOK_S)
            if not self.counts.streams:
                continue
            try:
                latest = await run_in_threadpool(self._latest)
            except JobStoreError:
                continue  # readers meet it themselves
            if latest != seen:
                seen = latest
                self._wake()

    def close(self) -> None:
        """End all streams: the server is about to stop. Their clients come back and miss nothing."""
        self.is_closed = True
        self._wake()

    async def events(self, job_id: str, after: int) -> AsyncIterator[bytes]:
        """A job's events after one of them, as server-sent events, until it has ended.

        Args:
            job_id: Whose.
            after: The last event that the reader has.
        """
        self.counts.streams += 1
        try:
            yield f"retry: {_RETRY_MS}\n\n".encode()
            told_s = time.monotonic()
            while not self.is_closed:
                news = self._news
                job, page, after = await run_in_threadpool(self._read, job_id, after)
                if page:
                    yield page
                    told_s = time.monotonic()
                    continue
                if job.has_ended:
                    yield sse("end", {"job": job.id, "state": job.state})
                    return
                left_s = self.keep_alive_s - (time.monotonic() - told_s)
                if left_s <= 0:
                    yield b": still here\n\n"
                    told_s = time.monotonic()
                    continue
                await self._nap(news, left_s)
        finally:
            self.counts.streams -= 1

    async def _nap(self, news: asyncio.Event, seconds: float) -> None:
        try:
            await asyncio.wait_for(news.wait(), seconds)
        except TimeoutError:
            return

    def _read(self, job_id: str, after: int) -> tuple[Job, bytes, int]:
        """A job, its next events as they are sent, and the number of the last of them.

        Many events make one piece: twenty readers who come back to a long run must not hold up all others.
        """
        job = self.store.get(job_id)  # before its events: those of its end are then there
        events = self.store.events(job_id, after=after, limit=_PAGE)
        page = b"".join(sse(event.kind, event.as_dict(), event.seq) for event in events)
        return job, page.replace(self._home, b""), events[-1].seq if events else after

    def _latest(self) -> int:
        return int(self.store.database.rows("SELECT MAX(seq) AS seq FROM events")[0]["seq"] or 0)

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


def sse(kind: str, data: dict[str, object], seq: int | None = None) -> bytes:
    r"""One server-sent event.

    Example:
        >>> sse("state", {"state": "queued"}, 7)
        b'id: 7\nevent: state\ndata: {"state": "queued"}\n\n'
    """
    number = "" if seq is None else f"id: {seq}\n"
    return f"{number}event: {kind}\ndata: {json.dumps(data)}\n\n".encode("utf-8", "backslashreplace")

"""Fetching one file over HTTP: resumed where it broke off, tried again where that helps, and verified.

The bytes go to `<name>.part` beside the target. What is known of them (address, ETag, date, size) is kept in
`<name>.part.json`, so that another process can go on after a crash. A server that ignores the request for a
range sends the whole, and the file starts anew. Size and hash decide whether a file is the right one; only then
is it renamed.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx

from angen.catalogue.answers import (
    BY_HAND,
    PAGE_BYTES,
    USER_AGENT,
    place_of,
    read_page,
    refuse_protocol,
    refuse_status,
)
from angen.catalogue.pages import explain_page, follow_drive_warning, looks_like_page, starts_like_page
from angen.catalogue.retrying import Patience, TransientError
from angen.catalogue.verifying import Expected, Fetched, stopped_file, verify_file, wrong_file
from angen.errors import (
    DownloadError,
    WebPageError,
    WrongFileError,
)
from angen.files import free_bytes, write_json
from angen.progress import Progress, ProgressCallback, no_progress

__all__ = ["fetch"]

ShouldStop = Callable[[], bool]

_CHUNK_BYTES = 1 << 18
_REPORT_EVERY_S = 0.2
_RESERVE_BYTES = 100 << 20


def fetch(
    url: str,
    target: Path,
    expected: Expected | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    patience: Patience | None = None,
    room_for: Callable[[int], None] | None = None,
    on_progress: ProgressCallback = no_progress,
    should_stop: ShouldStop = lambda: False,
) -> Fetched:
    """Fetch a file, going on where an earlier attempt broke off.

    Args:
        url: An http or https address; redirects are followed.
        target: Where the file goes. What is there already counts if it is the right one.
        expected: Size and hashes, as far as they are known.
        headers: More headers to send.
        patience: How often and how long to try.
        room_for: Called with the file's size as soon as it is known, and may raise; the disk check of the caller.
        on_progress: Told of bytes ("downloading", "verifying").
        should_stop: Asked between pieces; the part that came is kept.

    Raises:
        DownloadError: `DownloadStoppedError`, `DownloadRefusedError`, `WebPageError`, `WrongFileError`, or the
            plain one where the connection failed too often, or another process fetches the same file.
    """
    expected = expected or Expected()
    if target.is_file() and (expected.hashes or expected.size is not None):
        with suppress(WrongFileError):
            return verify_file(target, expected, url=url, on_progress=on_progress, should_stop=should_stop)
    target.parent.mkdir(parents=True, exist_ok=True)
    job = _Job(url, target, expected, dict(headers or {}), room_for, on_progress, should_stop)
    with _locked(job.part) as handle:
        for _ in range(
            2
        ):  # a file that was put together from two attempts may be wrong; one more, from the start
            final_url, was_resumed = _fetch_part(job, handle, patience or Patience())
            _refuse_page(job, handle)
            try:
                checked = verify_file(
                    job.part, expected, url=final_url, on_progress=on_progress, should_stop=should_stop
                )
            except WrongFileError:
                job.forget(handle)
                if was_resumed:
                    continue
                raise
            os.fsync(handle.fileno())
            job.part.replace(target)
            job.state.unlink(missing_ok=True)
            return Fetched(target, checked.size, checked.sha256, final_url, checked.is_verified)
    raise WrongFileError(
        f"{url!r} did not give the same file twice.", remedy="Try again later, or fetch it by hand."
    )


def _refuse_page(job: _Job, handle: IO[bytes]) -> None:
    """Some hosts send a page as if it were the file."""
    with job.part.open("rb") as part:
        head = part.read(PAGE_BYTES)
    if starts_like_page(head):
        message, remedy = explain_page(head.decode("utf-8", "replace"))
        job.forget(handle)
        raise WebPageError(f"{job.url!r}: {message}", remedy=remedy)


@dataclass
class _Job:
    """One file on its way: what was asked for and what is known of the part that came."""

    url: str
    target: Path
    expected: Expected
    headers: dict[str, str]
    room_for: Callable[[int], None] | None
    on_progress: ProgressCallback
    should_stop: ShouldStop
    known: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.part = self.target.with_name(f"{self.target.name}.part")
        self.state = self.target.with_name(f"{self.target.name}.part.json")
        try:
            known = json.loads(self.state.read_text())
            self.known = known if isinstance(known, dict) and known.get("url") == self.url else {}
        except (OSError, ValueError):
            self.known = {}

    def remember(self, response: httpx.Response, total: int | None) -> None:
        """Keep what tells whether a later answer is of the same file."""
        self.known = {
            "url": self.url,
            "etag": response.headers.get("etag"),
            "last_modified": response.headers.get("last-modified"),
            "total": total,
        }
        write_json(self.state, self.known)

    def forget(self, handle: IO[bytes]) -> None:
        """Begin anew."""
        handle.truncate(0)
        self.known = {}
        self.state.unlink(missing_ok=True)

    def request_headers(self, have: int) -> dict[str, str]:
        """A request for what is still missing, valid only if the file is still the same."""
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **self.headers}
        if have:
            headers["Range"] = f"bytes={have}-"
            etag = str(self.known.get("etag") or "")
            validator = etag if etag.startswith('"') else self.known.get("last_modified")
            if validator:
                headers["If-Range"] = str(validator)
        return headers


@contextmanager
def _locked(part: Path) -> Iterator[IO[bytes]]:
    """The part file, held by this process alone; the lock goes with the process, however it ends."""
    with part.open("ab") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DownloadError(
                f"{part.name.removesuffix('.part')!r} is being downloaded by another process.",
                remedy="Wait until it is done, or stop that one first.",
            ) from error
        yield handle


def _fetch_part(job: _Job, handle: IO[bytes], patience: Patience) -> tuple[str, bool]:
    """Bring the part to its full length. Attempts that bring it further than ever do not count as failures.

    Returns:
        The final address, and whether the part was put together from more than one answer.
    """
    furthest, failures, was_resumed, attempts = 0, 0, False, 0
    timeout = httpx.Timeout(patience.timeout_s, connect=min(20.0, patience.timeout_s))
    with httpx.Client(follow_redirects=True, timeout=timeout) as client:
        while True:
            if job.should_stop():
                raise stopped_file(job.target)
            have = handle.seek(0, os.SEEK_END)
            attempts += 1
            wait_s = None
            try:
                url, resumed = _attempt(job, client, handle, have)
            except TransientError as error:
                fault, wait_s = str(error), error.wait_s
            except httpx.TransportError as error:
                fault = f"{type(error).__name__}: {error}".rstrip(": ")
                refuse_protocol(job.url, error)
            except httpx.HTTPError as error:  # too many redirects, a redirect that leads nowhere
                raise DownloadError(f"{job.url!r}: {error}.", remedy=BY_HAND) from error
            except httpx.InvalidURL as error:
                raise DownloadError(f"{job.url!r} is no address: {error}.", remedy=BY_HAND) from error
            else:
                return url, was_resumed or resumed
            was_resumed = was_resumed or have > 0
            reached = handle.seek(0, os.SEEK_END)
            failures = 0 if reached > furthest else failures + 1
            furthest = max(furthest, reached)
            if failures >= patience.attempts:
                raise DownloadError(
                    f"{job.url!r} cannot be fetched: {fault} ({attempts} attempts, {reached} bytes so far).",
                    remedy="Run the same command again later: it goes on from there. " + BY_HAND,
                )
            patience.wait(failures, wait_s, job.should_stop)


def _attempt(job: _Job, client: httpx.Client, handle: IO[bytes], have: int) -> tuple[str, bool]:
    """One request, its answer written to the part.

    Returns:
        The final address, and whether the answer went on from what was there.
    """
    with _answer(job, client, have) as response:
        if response.status_code == 416:
            return _beyond_the_end(job, response, handle, have)
        start, total = place_of(response)
        is_resumed = response.status_code == 206
        if is_resumed and (start != have or job.known.get("total") not in (None, total)):
            job.forget(handle)
            raise TransientError("the file changed at the server while it was fetched")
        if not is_resumed:
            handle.truncate(0)
            have = 0
        _check_total(job, total)
        if not is_resumed or not job.known:
            job.remember(response, total)
        _write_body(job, response, handle, have, total)
        return str(response.url), is_resumed


@contextmanager
def _answer(job: _Job, client: httpx.Client, have: int) -> Iterator[httpx.Response]:
    """The response that carries the file, past a host's page of warning if there is one."""
    url = job.url
    for _ in range(2):
        with client.stream("GET", url, headers=job.request_headers(have)) as response:
            refuse_status(job.url, response)
            if not (response.is_success and looks_like_page(response)):
                yield response
                return
            page = read_page(response)
            followed = follow_drive_warning(str(response.url), page)
            if followed is None or url != job.url:
                message, remedy = explain_page(page)
                raise WebPageError(f"{job.url!r}: {message}", remedy=remedy)
            url = followed
    raise AssertionError("unreachable")


def _check_total(job: _Job, total: int | None) -> None:
    """Refuse a file of another size before it is fetched, and one there is no room for."""
    if total is None:
        return
    if job.expected.size is not None and total != job.expected.size:
        raise wrong_file(job.url, f"{total} bytes", f"{job.expected.size}")
    if job.room_for is not None:
        job.room_for(total)


def _write_body(job: _Job, response: httpx.Response, handle: IO[bytes], have: int, total: int | None) -> None:
    """Append the body to the part. A body that ends early raises; one that does not end is cut off."""
    limit = total if total is not None else job.expected.size
    limit = limit if limit is not None else have + max(0, free_bytes(job.part.parent) - _RESERVE_BYTES)
    done, said_s = have, 0.0
    for chunk in response.iter_raw(_CHUNK_BYTES if total and total > 4 * _CHUNK_BYTES else None):
        if job.should_stop():
            raise stopped_file(job.target)
        handle.write(chunk)
        done += len(chunk)
        if done > limit:
            raise wrong_file(job.url, f"more than {limit} bytes", f"{limit}")
        if (now := time.monotonic()) - said_s >= _REPORT_EVERY_S:
            handle.flush()
            said_s = now
            job.on_progress(_progress(job, done, total))
    handle.flush()
    if total is not None and done < total:
        raise TransientError(f"the answer ended after {done} of {total} bytes")
    job.on_progress(_progress(job, done, total))


def _progress(job: _Job, done: int, total: int | None) -> Progress:
    size = f"{done / 1e6:.1f} of {total / 1e6:.1f} MB" if total else f"{done / 1e6:.1f} MB"
    return Progress("downloading", done, total or 0, f"{job.target.name}, {size}")


def _beyond_the_end(job: _Job, response: httpx.Response, handle: IO[bytes], have: int) -> tuple[str, bool]:
    """416: the part may be whole already; if not, it is of another file."""
    total = response.headers.get("content-range", "").rpartition("/")[2]
    if total.isdecimal() and int(total) == have:
        return str(response.url), True
    job.forget(handle)
    raise TransientError("the part that was there is longer than the file")

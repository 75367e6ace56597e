from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from angen.catalogue.fetching import fetch
from angen.catalogue.retrying import retry_after_s
from angen.catalogue.verifying import Expected, verify_file
from angen.errors import (
    DownloadError,
    DownloadRefusedError,
    DownloadStoppedError,
    WebPageError,
    WrongFileError,
)
from angen.progress import Progress

from .conftest import IMPATIENT, Page, Server

BODY = bytes(hashlib.sha256(b"seed").digest() * 20_000)  # 640 kB
SHA256 = hashlib.sha256(BODY).hexdigest()
KNOWN = Expected(size=len(BODY), sha256=SHA256)


def _fetch(
    server: Server, target: Path, expected: Expected | None = KNOWN, path: str = "/file", **how: object
) -> bytes:
    fetched = fetch(f"{server.url}{path}", target, expected, patience=IMPATIENT, **how)  # type: ignore[arg-type]
    assert fetched.path == target
    assert fetched.sha256 == hashlib.sha256(target.read_bytes()).hexdigest()
    assert sorted(path.name for path in target.parent.iterdir()) == [target.name], "nothing is left beside it"
    return target.read_bytes()


def test_a_file_comes_whole_with_bytes_told(server: Server, tmp_path: Path) -> None:
    server.pages["/file"] = Page(BODY)
    told: list[Progress] = []
    assert _fetch(server, tmp_path / "a", on_progress=told.append) == BODY
    downloading = [each for each in told if each.stage == "downloading"]
    assert downloading[-1].done == downloading[-1].total == len(BODY)


def test_a_broken_connection_goes_on_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.pages["/file"] = Page(BODY, drops=[100_000, 250_000])
    assert _fetch(server, tmp_path / "a") == BODY
    assert server.ranges_of("/file") == [None, "bytes=100000-", "bytes=350000-"]


def test_a_server_that_ignores_ranges_is_read_from_the_start(server: Server, tmp_path: Path) -> None:
    server.pages["/file"] = Page(BODY, ranges=False, drops=[100_000])
    assert _fetch(server, tmp_path / "a") == BODY
    assert len(server.log) == 2


def test_a_server_that_ignores_ranges_and_always_drops_is_given_up(server: Server, tmp_path: Path) -> None:
    server.pages["/file"] = Page(BODY, ranges=False, drops=[100_000] * 50)
    with pytest.raises(DownloadError, match="cannot be fetched"):
        _fetch(server, tmp_path / "a")
    assert len(server.log) == 1 + IMPATIENT.attempts, "attempts that bring nothing new are counted"


def test_a_file_that_changes_between_two_attempts_is_never_mixed(server: Server, tmp_path: Path) -> None:
    new = BODY[::-1]
    server.pages["/file"] = Page(BODY, drops=[100_000], change_after=new)
    assert _fetch(server, tmp_path / "a", Expected()) == new


def test_a_mixed_file_without_validators_is_found_by_its_hash_and_fetched_anew(
    server: Server, tmp_path: Path
) -> None:
    server.pages["/file"] = Page(BODY, etag=None)
    (tmp_path / "a.part").write_bytes(b"x" * 1000)
    assert _fetch(server, tmp_path / "a") == BODY
    assert server.ranges_of("/file") == ["bytes=1000-", None]


def test_a_part_that_is_whole_already_only_needs_verifying(server: Server, tmp_path: Path) -> None:
    server.pages["/file"] = Page(BODY)
    (tmp_path / "a.part").write_bytes(BODY)
    assert _fetch(server, tmp_path / "a") == BODY


def test_a_file_that_is_there_and_right_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(BODY)
    assert _fetch(server, tmp_path / "a") == BODY
    assert server.log == []


def test_a_wrong_hash_is_refused_and_nothing_takes_the_files_name(server: Server, tmp_path: Path) -> None:
    server.pages["/file"] = Page(BODY[:-1] + b"?")
    with pytest.raises(WrongFileError, match="sha256"):
        _fetch(server, tmp_path / "a")
    assert not (tmp_path / "a").exists()
    assert len(server.log) == 1


def test_a_wrong_size_is_refused_before_the_body_is_read(server: Server, tmp_path: Path) -> None:
    server.pages["/file"] = Page(BODY * 20)
    told: list[Progress] = []
    with pytest.raises(WrongFileError, match="bytes, expected"):
        _fetch(server, tmp_path / "a", on_progress=told.append)
    assert told == []


def test_a_length_that_promises_too_much_is_not_believed(server: Server, tmp_path: Path) -> None:
    server.pages["/file"] = Page(BODY, length=len(BODY) + 500, ranges=False)
    with pytest.raises(DownloadError):
        _fetch(server, tmp_path / "a", Expected())
    assert not (tmp_path / "a").exists()


def test_a_body_without_length_that_does_not_end_is_cut_off(server: Server, tmp_path: Path) -> None:
    server.pages["/file"] = Page(BODY * 3, chunked=True)
    with pytest.raises(WrongFileError, match="more than"):
        _fetch(server, tmp_path / "a")


def test_a_passing_refusal_is_waited_for(server: Server, tmp_path: Path) -> None:
    server.pages["/file"] = Page(BODY, refusals=[503, 429], retry_after="1")
    begin = time.monotonic()
    assert _fetch(server, tmp_path / "a") == BODY
    assert time.monotonic() - begin >= 2 * IMPATIENT.longest_wait_s * 0.9, (
        "Retry-After counts, within our limit"
    )


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_for_good_is_said_at_once(server: Server, tmp_path: Path, status: int) -> None:
    server.pages["/file"] = Page(BODY, refusals=[status] * 9)
    with pytest.raises(DownloadRefusedError, match=str(status)):
        _fetch(server, tmp_path / "a")
    assert len(server.log) == 1


def test_redirects_are_followed_but_not_in_circles(server: Server, tmp_path: Path) -> None:
    server.pages["/go"] = Page(redirect="/file")
    server.pages["/file"] = Page(BODY, drops=[1000])
    assert _fetch(server, tmp_path / "a", path="/go") == BODY
    server.pages["/circle"] = Page(redirect="/circle")
    with pytest.raises(DownloadError):
        _fetch(server, tmp_path / "b", path="/circle")


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_quota_page_is_recognised_whatever_it_calls_itself(
    server: Server, tmp_path: Path, content_type: str
) -> None:
    page = (
        b"<!DOCTYPE html><title>Google Drive - Quota exceeded</title><p>Too many users have viewed this file"
    )
    server.pages["/file"] = Page(page, content_type=content_type)
    with pytest.raises(WebPageError, match="quota") as caught:
        _fetch(server, tmp_path / "a", Expected())
    assert "--from" in caught.value.remedy
    assert not (tmp_path / "a").exists()


def test_the_page_that_warns_of_an_unscanned_file_is_passed(server: Server, tmp_path: Path) -> None:
    form = (
        f'<html><form id="download-form" action="{server.url}/real" method="get">'
        '<input type="hidden" name="id" value="1a"><input type="hidden" name="uuid" value="x&amp;y"></form></html>'
    )
    server.pages["/file"] = Page(form.encode(), content_type="text/html")
    server.pages["/real"] = Page(BODY)
    assert _fetch(server, tmp_path / "a") == BODY
    assert server.log[-1][0] == "/real?id=1a&uuid=x%26y"


def test_cancelling_keeps_the_part_and_the_next_one_goes_on(server: Server, tmp_path: Path) -> None:
    server.pages["/file"] = Page(BODY, pause_s=0.002)
    told: list[Progress] = []
    with pytest.raises(DownloadStoppedError):
        _fetch(
            server,
            tmp_path / "a",
            on_progress=told.append,
            should_stop=lambda: bool(told and told[-1].done > 50_000),
        )
    kept = (tmp_path / "a.part").stat().st_size
    assert 0 < kept < len(BODY)
    server.pages["/file"].pause_s = 0
    assert _fetch(server, tmp_path / "a") == BODY
    assert server.ranges_of("/file")[-1] == f"bytes={kept}-"


def test_a_download_that_is_killed_goes_on_in_another_process(server: Server, tmp_path: Path) -> None:
    server.pages["/file"] = Page(BODY, pause_s=0.01)
    words = (
        "import sys, pathlib, angen.catalogue.fetching as f; f.fetch(sys.argv[1], pathlib.Path(sys.argv[2]))"
    )
    target = tmp_path / "a"
    process = subprocess.Popen([sys.executable, "-c", words, f"{server.url}/file", str(target)])
    part = tmp_path / "a.part"
    _until(lambda: part.exists() and part.stat().st_size > 40_000)
    with pytest.raises(DownloadError, match="another process"):
        fetch(f"{server.url}/file", target, KNOWN, patience=IMPATIENT)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = part.stat().st_size
    server.pages["/file"].pause_s = 0
    assert _fetch(server, target) == BODY
    assert server.ranges_of("/file")[-1] == f"bytes={kept}-"


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="cannot be fetched"):
        fetch("http://127.0.0.1:9/x", tmp_path / "a", patience=IMPATIENT)
    with pytest.raises(DownloadError, match="no web address"):
        fetch("ftp://host/x", tmp_path / "a", patience=IMPATIENT)


def test_no_room_is_said_before_the_body(server: Server, tmp_path: Path) -> None:
    server.pages["/file"] = Page(BODY)

    def room_for(size: int) -> None:
        raise DownloadError(f"{size} do not fit")

    with pytest.raises(DownloadError, match=f"{len(BODY)} do not fit"):
        _fetch(server, tmp_path / "a", room_for=room_for)
    assert (tmp_path / "a.part").stat().st_size == 0


def test_size_and_every_known_hash_decide(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    right = {
        "sha256": hashlib.sha256(b"abc").hexdigest(),
        "sha1": hashlib.sha1(b"abc").hexdigest(),
        "md5": hashlib.md5(b"abc").hexdigest(),
    }
    assert verify_file(path, Expected(size=3, **right)).is_verified
    for name in right:
        with pytest.raises(WrongFileError, match=name):
            verify_file(path, Expected(**{**right, name: "0" * 64}))
    with pytest.raises(WrongFileError, match="3 bytes"):
        verify_file(path, Expected(size=4))
    assert not verify_file(path, Expected()).is_verified


def test_retry_after_may_be_a_date() -> None:
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert (retry_after_s("Wed, 21 Oct 2099 07:28:00 GMT") or 0) > 1e9

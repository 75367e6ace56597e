"""Files in and out: by id, in pieces, and nothing left of what broke off."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..conftest import composed
from .conftest import Server


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("songs") / "song.wav"
    soundfile.write(path, composed(2.0), 22_050)
    return path


@pytest.fixture(scope="module")
def asset(server: Server, song: Path) -> dict[str, object]:
    return server.upload(song)


def _kept(server: Server) -> set[str]:
    """All there is in the folder of uploads, hidden things too."""
    return {str(path) for path in (server.home / "uploads").rglob("*") if path.is_file()}


def _quiet(server: Server, before: set[str]) -> None:
    """Wait until the uploads are what they were."""
    uploads, end = server.home / "uploads", time.monotonic() + 120
    while (_kept(server) != before or list(uploads.glob(".*"))) and time.monotonic() < end:
        time.sleep(0.05)
    assert _kept(server) == before
    assert not list(uploads.glob(".*"))


class TestTaking:
    def test_a_file_comes_back_as_it_went(self, server: Server, song: Path) -> None:
        answer = server.http.post("/assets", params={"name": "été & <b>.wav"}, content=song.read_bytes())
        assert answer.status_code == 201
        made = answer.json()
        assert answer.headers["location"] == f"/api/v1/assets/{made['id']}"
        assert made["name"] == "été-b.wav"
        assert (made["kind"], made["size"]) == ("upload", song.stat().st_size)
        assert server.ask("GET", f"/assets/{made['id']}") == made
        content = server.http.get(f"/assets/{made['id']}/content")
        assert content.content == song.read_bytes()
        assert content.headers["content-type"] == "audio/wav"
        held = {"If-None-Match": content.headers["etag"]}
        assert server.http.get(f"/assets/{made['id']}/content", headers=held).status_code == 304
        server.ask("DELETE", f"/assets/{made['id']}", 204)
        server.refusal("GET", f"/assets/{made['id']}", 404)
        assert not [path for path in _kept(server) if "b.wav" in path]

    def test_a_form_is_the_same(self, server: Server, song: Path) -> None:
        made = server.ask("POST", "/assets", 201, files={"file": ("from form.wav", song.read_bytes())})
        assert made["name"] == "from-form.wav"
        assert server.http.get(f"/assets/{made['id']}/content").content == song.read_bytes()

    def test_the_same_key_is_the_same_upload(
        self, server: Server, song: Path, asset: dict[str, object]
    ) -> None:
        key = {"Idempotency-Key": "once"}
        first = server.upload(song, headers=key)
        again = server.ask(
            "POST", "/assets", 200, params={"name": "song.wav"}, content=song.read_bytes(), headers=key
        )
        assert again == first
        soundfile.write(song.with_name("other.wav"), composed(1.0), 22_050)
        other = song.with_name("other.wav").read_bytes()
        problem = server.refusal(
            "POST", "/assets", 409, params={"name": "song.wav"}, content=other, headers=key
        )
        assert problem["code"] == "key-used"
        assert server.upload(song)["id"] != asset["id"]

    @pytest.mark.parametrize(
        ("name", "content", "code"),
        [
            ("a.wav", b"RIFF is not enough", "audio-unreadable"),
            ("a.wav", b"", "upload-empty"),
            ("a.mp3", b"<html>" * 100, "audio-unreadable"),
            ("a.wav", "half", "audio-truncated"),
            (None, "whole", "upload-empty"),
        ],
    )
    def test_what_is_no_recording_leaves_nothing(
        self, server: Server, song: Path, name: str | None, content: bytes | str, code: str
    ) -> None:
        before = _kept(server)
        sound = song.read_bytes()
        sent = {"half": sound[: len(sound) // 2], "whole": sound}.get(content, content)  # type: ignore[call-overload]
        problem = server.refusal("POST", "/assets", 422, params={"name": name} if name else {}, content=sent)
        assert problem["code"] == code
        _quiet(server, before)

    @pytest.mark.parametrize(
        "body",
        [
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF',
            b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\nwords\r\n--b--\r\n',
            b"no form at all",
            b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.wav"\r\n\r\nx\r\n'
            b'--b\r\nContent-Disposition: form-data; name="g"; filename="b.wav"\r\n\r\nx\r\n--b--\r\n',
        ],
        ids=["cut", "no file", "no form", "two files"],
    )
    def test_a_damaged_form_leaves_nothing(self, server: Server, body: bytes) -> None:
        before = _kept(server)
        kind = {"content-type": "multipart/form-data; boundary=b"}
        assert server.refusal("POST", "/assets", 422, content=body, headers=kind)["code"] == "form-damaged"
        _quiet(server, before)

    def test_an_upload_that_breaks_off_leaves_nothing(self, server: Server) -> None:
        before = _kept(server)
        parts = urlsplit(server.url)
        for _ in range(5):
            with socket.create_connection((parts.hostname, parts.port)) as line:
                line.sendall(
                    b"POST /api/v1/assets?name=a.wav HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000000\r\n\r\n"
                    + b"RIFF" * 500_000
                )
        _quiet(server, before)


class TestGiving:
    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.integers(0, 90_000), st.integers(0, 90_000))
    def test_a_part_is_the_part_that_was_asked_for(
        self, server: Server, song: Path, asset: dict[str, object], first: int, length: int
    ) -> None:
        content, path = song.read_bytes(), f"/assets/{asset['id']}/content"
        answer = server.http.get(path, headers={"Range": f"bytes={first}-{first + length}"})
        if first >= len(content):
            assert answer.status_code == 416
            assert answer.headers["content-range"] == f"bytes */{len(content)}"
            return
        last = min(first + length, len(content) - 1)
        assert answer.status_code == 206
        assert answer.content == content[first : last + 1]
        assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(content)}"

    @pytest.mark.parametrize(
        ("asked", "status", "part"),
        [
            ("bytes=88243-", 206, slice(88_243, None)),
            ("bytes=88244-", 416, None),  # the song has 88,244 bytes
            ("bytes=-10", 206, slice(-10, None)),
            ("bytes=10-", 206, slice(10, None)),
            ("bytes=-9999999", 200, slice(None)),
            ("bytes=-0", 416, None),
            ("bytes=5-2", 200, slice(None)),
            ("bytes=a-b", 200, slice(None)),
            ("bytes=0-1,3-4", 200, slice(None)),
            ("seconds=0-1", 200, slice(None)),
            ("", 200, slice(None)),
        ],
    )
    def test_odd_parts_are_all_of_it_or_refused(
        self,
        server: Server,
        song: Path,
        asset: dict[str, object],
        asked: str,
        status: int,
        part: slice | None,
    ) -> None:
        answer = server.http.get(f"/assets/{asset['id']}/content", headers={"Range": asked})
        assert answer.status_code == status
        if part is not None:
            assert answer.content == song.read_bytes()[part]

    def test_no_id_leads_out_of_the_workspace(self, server: Server, song: Path) -> None:
        outside = server.home.parent / "outside.wav"
        outside.write_bytes(song.read_bytes())
        inside = server.home / "outputs" / "2026-11-23"
        inside.mkdir(parents=True, exist_ok=True)
        (inside / "link.wav").symlink_to(outside)
        (inside / ".hidden.wav").write_bytes(song.read_bytes())
        (server.home / "api_token").write_text("secret")
        listed = server.ask("GET", "/assets", params={"limit": 200})["items"]
        names = {one["name"] for one in listed}
        assert not names & {"link.wav", ".hidden.wav", "outside.wav", "api_token", "angen.db"}
        from angen.api.shelf import Shelf

        shelf = Shelf(server.settings)
        for path in (
            inside / "link.wav", outside, server.home / "angen.db", server.home / "api_token",
            inside / ".." / ".." / "angen.db", server.home / "uploads" / ".x" / "y.wav",
        ):  # fmt: skip
            assert shelf.asset_of(path) is None, path
        for path in ("..%2Fangen.db", "..", "%2e%2e%2fangen.db", "0" * 20):
            assert httpx.get(f"{server.url}/api/v1/assets/{path}/content").status_code in (404, 422)
        (inside / "link.wav").unlink()

    def test_pages_of_a_list_meet_without_a_gap(self, server: Server, asset: dict[str, object]) -> None:
        outputs = server.home / "outputs" / "2026-11-24"
        outputs.mkdir(parents=True, exist_ok=True)
        for number in range(7):
            (outputs / f"piece{number}.txt").write_text("words")
        whole = server.ask("GET", "/assets", params={"kind": "output", "limit": 200})["items"]
        seen, cursor = [], {}
        while True:
            page = server.ask("GET", "/assets", params={"kind": "output", "limit": 2, **cursor})
            seen += page["items"]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        assert [one["id"] for one in seen] == [one["id"] for one in whole]
        assert len(seen) >= 7
        server.refusal("GET", "/assets", 422, params={"cursor": "é"})

"""What every request passes before any route, as a client meets it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import pytest

from .conftest import Server

JSON = {"content-type": "application/json"}


def _raw(server: Server, text: bytes) -> bytes:
    """What the server answers to these bytes, until it closes."""
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as line:
        line.sendall(text)
        answer = b""
        while piece := line.recv(65536):
            answer += piece
        return answer


class TestToken:
    def test_without_it_nothing_but_the_door_answers(self, guarded: Server) -> None:
        stranger = guarded.stranger()
        for path in (
            "/api/v1/jobs",
            "/api/v1/metrics",
            "/openapi.json",
            "/docs",
            "/nowhere",
            "/static/api/swagger-ui.css",
        ):
            answer = stranger.get(path)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), path
            assert answer.json()["code"] == "unauthorized"
        assert stranger.post("/api/v1/lyrics", json={}).status_code == 401
        assert (
            stranger.get("/api/v1/jobs", headers={"Authorization": "Bearer " + "x" * 43}).status_code == 401
        )
        assert stranger.get("/api/v1/health").json()["status"] == "ok"
        assert stranger.get("/login").status_code == 200
        assert guarded.ask("GET", "/jobs") == {"items": [], "next": None}

    def test_a_browser_is_sent_to_sign_in_and_gets_a_cookie_that_scripts_cannot_read(
        self, guarded: Server
    ) -> None:
        browser = guarded.stranger(Accept="text/html")
        sent = browser.get("/docs")
        assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=/docs")
        wrong = browser.post("/api/v1/session", json={"token": "x" * 43})
        assert (wrong.status_code, "set-cookie" in wrong.headers) == (401, False)
        right = browser.post("/api/v1/session", json={"token": guarded.token})
        assert right.status_code == 204
        cookie = right.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert guarded.token not in cookie
        assert browser.get("/docs").status_code == 200
        assert browser.get("/api/v1/jobs").status_code == 200
        assert browser.delete("/api/v1/session").status_code == 204
        assert browser.get("/api/v1/jobs", headers={"Accept": "*/*"}).status_code == 401

    def test_the_pages_load_nothing_from_outside(self, guarded: Server) -> None:
        assert guarded.http.get(f"{guarded.url}/").headers["location"] == "/docs"
        for path in ("/login", "/docs"):
            page = guarded.http.get(f"{guarded.url}{path}")
            assert "://" not in page.text, path
            assert "default-src 'none'" in page.headers["content-security-policy"]
            for name in [part.split('"')[0] for part in page.text.split('"/static/')[1:]]:
                assert guarded.http.get(f"{guarded.url}/static/{name}").status_code == 200, name
        assert guarded.http.get(f"{guarded.url}/static/api/..%2Faccess.py").status_code == 404


class TestOrigin:
    def test_a_foreign_page_changes_nothing(self, server: Server) -> None:
        for headers in (
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Origin": "http://127.0.0.1:1"},
        ):
            problem = server.refusal("POST", "/recordings", 403, json={"name": "foreign"}, headers=headers)
            assert problem["code"] == "foreign-origin"
        assert "foreign" not in str(server.ask("GET", "/recordings"))
        server.ask("POST", "/recordings", 201, json={"name": "own"}, headers={"Origin": server.url})

    def test_no_other_page_may_read_either(self, server: Server, guarded: Server) -> None:
        seen = server.http.get("/jobs", headers={"Origin": "http://evil.example"})
        assert not [name for name in seen.headers if name.startswith("access-control-allow")]
        allowed = guarded.http.get("/jobs", headers={"Origin": "https://page.example"})
        assert allowed.headers["access-control-allow-origin"] == "https://page.example"
        preflight = httpx.options(
            f"{guarded.url}/api/v1/jobs",
            headers={"Origin": "https://page.example", "Access-Control-Request-Method": "POST"},
        )
        assert preflight.status_code == 200
        other = httpx.options(
            f"{guarded.url}/api/v1/jobs",
            headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
        )
        assert "access-control-allow-origin" not in other.headers

    def test_a_name_that_is_not_ours_is_not_answered_to(self, server: Server, guarded: Server) -> None:
        problem = server.refusal("GET", "/jobs", 400, headers={"Host": "evil.example"})
        assert problem["code"] == "unknown-host"
        assert server.ask("GET", "/jobs", headers={"Host": "localhost:1"}) is not None
        server.refusal("GET", "/jobs", 400, headers={"Host": "studio.example"})
        assert guarded.ask("GET", "/jobs", headers={"Host": "studio.example"}) is not None

    def test_an_upgrade_of_a_stranger_is_refused(self, guarded: Server) -> None:
        answer = _raw(
            guarded,
            b"GET /ui/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        )
        assert answer.split()[1] in (b"401", b"403")


class TestSize:
    def test_words_that_are_too_long_are_refused_before_they_come(self, server: Server) -> None:
        answer = _raw(
            server,
            b"POST /api/v1/lyrics HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: 99999999999\r\n\r\n",
        )
        assert answer.split()[1] == b"413"
        assert b"application/problem+json" in answer

    def test_and_where_their_length_was_not_told(self, server: Server) -> None:
        def endless() -> object:
            for _ in range(40):
                yield b" " * 2**20

        try:
            answer = server.http.post("/lyrics", content=endless(), headers=JSON)  # type: ignore[arg-type]
        except httpx.WriteError:  # it hung up on us first
            return
        assert answer.status_code == 413
        assert answer.json()["code"] == "too-long"

    def test_a_length_that_is_a_lie_ends_the_request(self, server: Server) -> None:
        answer = _raw(
            server,
            b"POST /api/v1/lyrics HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: -5\r\nConnection: close\r\n\r\n{}",
        )
        assert answer.split()[1] == b"400"


def test_every_path_has_the_headers_that_keep_a_browser_careful(server: Server) -> None:
    for path in ("/jobs", "/jobs/ffffff", "/nowhere"):
        headers = server.http.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "SAMEORIGIN"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/jobs", {"GET"}),
        ("PUT", "/recordings/x", {"GET", "DELETE"}),
        ("PATCH", "/assets", {"GET", "POST"}),
    ],
)
def test_a_wrong_method_is_told_all_right_ones(
    server: Server, method: str, path: str, allowed: set[str]
) -> None:
    answer = server.http.request(method, path)
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == allowed


def test_a_slow_body_is_not_waited_for() -> None:
    import asyncio

    from angen.api.access import Access
    from angen.api.counting import Counts
    from angen.api.guard import Guard

    sent = []

    async def app(scope: object, receive: Callable[[], object], send: Callable[[object], object]) -> None:
        while (await receive())["type"] != "http.disconnect":  # type: ignore[misc,index]
            pass

    async def never() -> dict[str, object]:
        await asyncio.sleep(60)
        return {}

    async def keep(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/api/v1/assets", "raw_path": b"", "query_string": b"",
        "headers": [(b"host", b"localhost")], "server": ("localhost", 80), "scheme": "http",
    }  # fmt: skip
    guard = Guard(app, Access(), Counts(), idle_s=0.05)  # type: ignore[arg-type]
    asyncio.run(guard(scope, never, keep))  # type: ignore[arg-type]
    assert sent[0]["status"] == 408

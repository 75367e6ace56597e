"""Thousands of requests nobody would send on purpose: no fault of the server, nothing lost, nothing left on the disk.

`ANGEN_FUZZ=10000 python -m pytest -m slow tests/api/test_fuzz.py` sends as many.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from ..conftest import SongWriter
from .conftest import Server, running

pytestmark = pytest.mark.slow

ODD: list[Any] = [
    None, True, -1, 0, 1e308, 2**63, "", "x" * 5000, "../../etc/passwd", "a\0b", "\U0001f3b5", "%00", [], {}, [[]],
    {"a": {"b": 1}}, "NaN", "1; DROP TABLE jobs", "<script>", ["x"] * 200, "tapes", "sample.wav",
]  # fmt: skip
ODD_BYTES = [
    b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b'{"a": NaN}', b"RIFF\xff\xff\xff\xffWAVEfmt ", b"x" * 70_000,
    b'"' * 900,
    b'{"name": ' + b"[" * 5000,
]  # fmt: skip
TYPES = [
    "application/json",
    "application/octet-stream",
    "text/plain",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "",
    "☃",
]
HEADERS = [
    ("If-Match", '"x"'), ("If-Match", "*"), ("Range", "bytes=5-2"), ("Range", "bytes=-0,1-"), ("Last-Event-ID", "-1"),
    ("Idempotency-Key", "k" * 300), ("Origin", "https://elsewhere.example"), ("Accept", "text/html"),
    ("Content-Encoding", "gzip"),
]  # fmt: skip
KEPT = ("/recordings/tapes", "/jobs", "/datasets", "/adapters", "/projects")


def _request(rng: random.Random, operations: list[tuple[str, str, list[str]]]) -> dict[str, Any]:
    """One of the server's operations, with odd values wherever there can be any."""
    method, path, fields = rng.choice(operations)
    while "{" in path:
        name = path[path.index("{") : path.index("}") + 1]
        path = path.replace(name, quote(str(rng.choice(ODD))[:200], safe="") or "x", 1)
    if rng.random() < 0.05:
        method = rng.choice(["GET", "PUT", "PATCH", "DELETE", "POST", "TRACE", "OPTIONS"])
    headers = dict(rng.sample(HEADERS, rng.randrange(3)))
    asked: dict[str, Any] = {"method": method, "url": path, "headers": headers}
    if method in ("POST", "PUT", "PATCH"):
        if fields and rng.random() < 0.7:
            body = {name: rng.choice(ODD) for name in fields if rng.random() < 0.7}
            asked["content"] = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        else:
            asked["content"] = rng.choice(ODD_BYTES)
            headers["Content-Type"] = rng.choice(TYPES)
    asked["params"] = {
        rng.choice(["limit", "cursor", "name", "after", "state", "file"]): str(rng.choice(ODD))[:300]
    }
    return asked


def _operations(server: Server) -> list[tuple[str, str, list[str]]]:
    schema = httpx.get(f"{server.url}/openapi.json").json()
    found = []
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            if method not in ("get", "put", "post", "patch", "delete") or path.endswith("/events"):
                continue
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            name = content["schema"].get("$ref", "").rpartition("/")[2] if content else ""
            fields = list(schema["components"]["schemas"].get(name, {}).get("properties", {}))
            deletes_tapes = method == "delete" and path.startswith("/api/v1/recordings/{")
            if not deletes_tapes:  # they must still be there at the end
                found.append((method.upper(), path, fields))
    return found


def _left(home: Path) -> set[str]:
    return {
        str(path.relative_to(home))
        for path in home.rglob("*")
        if path.name.endswith(".part") or ".part." in path.name
    }


def test_thousands_of_odd_requests_do_no_harm(tmp_path: Path, write_song: SongWriter) -> None:
    count, rng = int(os.environ.get("ANGEN_FUZZ", "1000")), random.Random(7)
    song = write_song(tmp_path / "sample.wav", 1.0)
    with running(tmp_path / "workspace") as server:
        server.ask("POST", "/recordings", 201, json={"name": "tapes"})
        server.ask(
            "POST", "/recordings/tapes/files", 201, params={"file": "sample.wav"}, content=song.read_bytes()
        )
        assert server.process is not None
        files = Path(f"/proc/{server.process.pid}/fd")
        before = len(list(files.iterdir()))
        operations, seen = _operations(server), Counter[int]()
        with httpx.Client(base_url=server.url, timeout=120) as client:
            for _ in range(count):
                asked = _request(rng, operations)
                try:
                    answer = client.request(**asked)
                except (httpx.InvalidURL, UnicodeEncodeError):
                    continue
                seen[answer.status_code] += 1
                assert answer.status_code < 500, (asked, answer.text)
                if answer.status_code >= 400 and asked["method"] != "HEAD":
                    assert "Traceback" not in answer.text
                    assert answer.headers["content-type"] == "application/problem+json", (asked, answer.text)
        assert sum(seen.values()) > 0.9 * count, seen
        assert [one["file"] for one in server.ask("GET", "/recordings/tapes")["files"]] == ["sample.wav"]
        for path in KEPT:
            server.ask("GET", path)
        assert len(list(files.iterdir())) <= before + 20
        assert _left(server.home) == set()

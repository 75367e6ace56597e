"""Real servers: `angen serve` in a process of its own, spoken to over HTTP."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from angen.api import Access, create_app, serve
from angen.jobs import ENDED
from angen.settings import Settings

from ..leftovers import end_jobs


@dataclass
class Server:
    """A server that runs."""

    url: str
    home: Path
    token: str | None = None
    process: subprocess.Popen[bytes] | None = None
    http: httpx.Client = field(init=False)
    strangers: list[httpx.Client] = field(default_factory=list)

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        self.http = httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=300)

    def stranger(self, **headers: str) -> httpx.Client:
        """A client without the token; closed with the server."""
        self.strangers.append(httpx.Client(base_url=self.url, headers=headers, timeout=300))
        return self.strangers[-1]

    @property
    def settings(self) -> Settings:
        return Settings(self.home)

    def ask(self, method: str, path: str, status: int = 200, **how: Any) -> Any:
        """An answer of this status, as JSON where it is any."""
        answer = self.http.request(method, path, **how)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if "json" in answer.headers.get("content-type", "") else answer.content

    def refusal(self, method: str, path: str, status: int, **how: Any) -> dict[str, Any]:
        """A refusal, which is a whole problem."""
        answer = self.http.request(method, path, **how)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        assert answer.headers["content-type"] == "application/problem+json"
        problem: dict[str, Any] = answer.json()
        assert set(problem) == {
            "type", "title", "status", "detail", "instance", "code", "remedy", "errors"
        }  # fmt: skip
        assert problem["status"] == status
        assert str(self.home) not in answer.text
        assert "Traceback" not in answer.text
        return problem

    def upload(self, file: Path, **how: Any) -> dict[str, Any]:
        """An asset of a file."""
        made: dict[str, Any] = self.ask(
            "POST", "/assets", 201, params={"name": file.name}, content=file.read_bytes(), **how
        )
        return made

    def ended(self, job: dict[str, Any], seconds: float = 120) -> dict[str, Any]:
        """A job once it has ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found: dict[str, Any] = self.ask("GET", f"/jobs/{job['id']}")
            if found["state"] in ENDED:
                return found
            time.sleep(0.1)
        raise AssertionError(found)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """The exit code of one in a process of its own, once it is asked to end so."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(120)


@contextmanager
def running(home: Path, *words: str) -> Iterator[Server]:
    """`angen serve` on a free port, until the block ends; it and all it began end then."""
    log = home.parent / f"{home.name}.log"
    environment = {**os.environ, "ANGEN_HOME": str(home), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "angen.cli", "serve", "--port", "0", "--json", *words]
    command[1:3] = ["-c", "import sys; from angen.cli import main; sys.argv[0] = 'angen'; main()"]
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=stderr)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, log.read_text()
        told = json.loads(line)
        token = (home / "api_token").read_text().strip() if told["needs_token"] else None
        server = Server(told["url"].replace("0.0.0.0", "127.0.0.1"), home, token, process)
        try:
            yield server
        finally:
            for client in (server.http, *server.strangers):
                client.close()
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        process.stdout.close()
        end_jobs(home)


@contextmanager
def listening(home: Path, access: Access) -> Iterator[Server]:
    """The same app in a thread of this process, which begins quicker, until the block ends."""
    ready: queue.Queue[str] = queue.Queue()
    is_over = threading.Event()
    how = {"on_ready": ready.put, "should_stop": is_over.is_set}
    thread = threading.Thread(target=serve, args=(create_app(Settings(home), access), access), kwargs=how)
    thread.start()
    server = Server(ready.get(timeout=300).replace("0.0.0.0", "127.0.0.1"), home, access.token)
    try:
        yield server
    finally:
        for client in (server.http, *server.strangers):
            client.close()
        is_over.set()
        thread.join(30)
        end_jobs(home)
    assert not thread.is_alive()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of this machine alone, for all tests: each uses names of its own."""
    with listening(tmp_path_factory.mktemp("api") / "workspace", Access(port=0)) as server:
        yield server


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that wants a token, with another name and an allowed origin."""
    home = tmp_path_factory.mktemp("guarded") / "workspace"
    access = Access.of(
        Settings(home), "0.0.0.0", 0, names=("studio.example",), origins=("https://page.example",)
    )
    with listening(home, access) as server:
        yield server


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """`start()`: a server of this test's own workspace; again after it was stopped."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda *words: stack.enter_context(running(tmp_path / "workspace", *words))

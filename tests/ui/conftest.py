"""A page of its own for a test: in this process for its handlers, or served to a real, headless browser."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from angen.jobs import ENDED, Job, open_store
from angen.settings import Settings
from angen.ui import prepare_environment

from ..leftovers import end_jobs

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--mute-audio", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip
PATIENCE_MS = 60_000


@pytest.fixture(scope="session", autouse=True)
def _loops_are_closed() -> Iterator[None]:
    """Gradio makes an event loop for each lock and leaves it open: they are kept, and closed at the end."""
    made: list[asyncio.AbstractEventLoop] = []
    plain = asyncio.new_event_loop

    def kept() -> asyncio.AbstractEventLoop:
        made.append(plain())
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "new_event_loop", kept)
        yield
    for loop in made:
        if not loop.is_running():
            loop.close()


@pytest.fixture(scope="session", autouse=True)
def _environment(tmp_path_factory: pytest.TempPathFactory) -> None:
    prepare_environment(Settings(tmp_path_factory.mktemp("page") / "workspace"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "workspace")


@pytest.fixture
def page(settings: Settings) -> Iterator[Any]:
    """A `Page` without tabs, for handlers that need one; what its jobs began ends with the test."""
    import gradio as gr

    from angen.ui.context import Page

    with gr.Blocks(analytics_enabled=False) as blocks:
        yield Page(settings, blocks, gr.State(""))
    end_jobs(settings.home)


@dataclass
class Studio:
    """A studio that is served."""

    url: str
    home: Path
    process: subprocess.Popen[bytes]

    @property
    def settings(self) -> Settings:
        return Settings(self.home)

    def jobs(self, kind: str) -> list[Job]:
        """The jobs of a kind, the newest first."""
        store = open_store(self.settings)
        try:
            return [job for job in store.list(limit=1000) if job.kind == kind]
        finally:
            store.close()

    def wait_job(
        self, kind: str, is_so: Callable[[Job], bool] = lambda job: job.state in ENDED, s: float = 600
    ) -> Job:
        """The newest job of a kind, once something is so of it."""
        end = time.monotonic() + s
        found: list[Job] = []
        while time.monotonic() < end:
            found = self.jobs(kind)
            if found and is_so(found[0]):
                return found[0]
            time.sleep(0.1)
        raise AssertionError(f"{kind}: {found[0] if found else 'no job'}")

    def restart(self) -> None:
        """End the server, and start another on this workspace and port."""
        self.stop()
        other = start_studio(self.home, port=int(self.url.rpartition(":")[2]))
        self.process = other.process

    def stop(self) -> None:
        """End the server as Ctrl-C does; its jobs go on."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def start_studio(home: Path, *words: str, port: int = 0) -> Studio:
    """`angen studio` in a process of its own."""
    environment = {**os.environ, "ANGEN_HOME": str(home), "OMP_NUM_THREADS": "1"}
    environment.pop("GRADIO_TEMP_DIR", None)
    code = "import sys; from angen.cli import main; sys.argv[0] = 'angen'; main()"
    command = [sys.executable, "-c", code, "studio", "--port", str(port), "--no-browser", "--json", *words]
    log = home.parent / f"{home.name}.log"
    with log.open("ab") as stderr:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=stderr)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert b'"api"' in line, (line, log.read_text())
    return Studio(json.loads(line)["api"].replace("0.0.0.0", "127.0.0.1"), home, process)


@contextmanager
def served(home: Path, *words: str) -> Iterator[Studio]:
    """A studio until the block ends; it and all it began end then."""
    studio = start_studio(home, *words)
    try:
        yield studio
    finally:
        studio.stop()
        end_jobs(home)


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio for all tests that leave nothing behind which others would stumble over."""
    with served(tmp_path_factory.mktemp("studio") / "workspace") as studio:
        yield studio


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless browser."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: the page is tested in it")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def window(chromium: Any) -> Iterator[Callable[..., Any]]:
    """`window(width=390)`: a browser window; a request that would leave this machine fails the test.

    The browser itself finds no other host. Requests are only listened to: one that had to be let through would wait
    while a test looks at files and jobs.
    """
    outside: list[str] = []
    contexts: list[Any] = []

    def noted(request: Any) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            outside.append(request.url)

    def opened(*, width: int = 1280, dark: bool = False, **how: Any) -> Any:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", **how
        )
        contexts.append(context)
        context.on("request", noted)
        context.set_default_timeout(PATIENCE_MS)
        return context.new_page()

    yield opened
    for context in contexts:
        context.close()
    assert outside == []

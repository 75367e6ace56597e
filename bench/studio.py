"""How long a click on the studio page takes, alone and while angen-tiny trains: `python -m bench.studio`.

A click is timed in a real, headless browser, from the press to the handler's answer. The handler reads the workspace:
the table of adapters, and a set of twelve recordings with its metadata.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

CLICKS = 60
PLACES = (("manage", "#refresh"), ("user_audio", "#again"))


def main() -> None:
    """Print the median and the 95 % quantile, in milliseconds, without and with a training run."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "workspace"
        environment = {**os.environ, "ANGEN_HOME": str(home)}
        _angen(environment, "dataset", "prepare", "calypso", "examples/calypso")
        shutil.copytree("examples/calypso", home / "recordings" / "calypso")
        _angen(environment, "metadata", "show", str(home / "recordings" / "calypso"), "--hear")
        command = [_program(), "studio", "--port", "0", "--no-browser", "--json"]
        server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            assert server.stdout is not None
            _measure(json.loads(server.stdout.readline())["url"], environment)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait()


def _measure(url: str, environment: dict[str, str]) -> None:
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        alone = _clicks(page, url)
        job = json.loads(_angen(environment, "adapter", "train", "bench", "--dataset", "calypso", "--epochs", "500",
                                "--background", "--json"))["id"]  # fmt: skip
        while json.loads(_angen(environment, "jobs", "show", job, "--json"))["stage"] != "training":
            time.sleep(1)
        busy = _clicks(page, url)
        _angen(environment, "jobs", "cancel", job)
        while json.loads(_angen(environment, "jobs", "show", job, "--json"))["state"] != "cancelled":
            time.sleep(1)
        browser.close()
    for name, times_ms in (("alone", alone), ("while training", busy)):
        print(f"a click, {name}: median {np.median(times_ms):.0f} ms, p95 {np.quantile(times_ms, 0.95):.0f} ms, "
              f"{len(times_ms)} clicks")  # fmt: skip
    print(f"training makes p95 {np.quantile(busy, 0.95) / np.quantile(alone, 0.95):.1f}x as long")


def _clicks(page: Any, url: str) -> list[float]:
    times_ms = []
    for tab, button in PLACES:
        page.goto(f"{url}?tab={tab}")
        page.wait_for_selector(button)
        page.wait_for_timeout(4000)
        for _ in range(CLICKS // len(PLACES)):
            identity = page.evaluate(f"document.querySelector('{button}') !== null")
            assert identity
            start = time.perf_counter()
            with page.expect_response(lambda answer: "run/predict" in answer.url and _is_click(answer)):
                page.click(button)
            times_ms.append(1000 * (time.perf_counter() - start))
            page.wait_for_timeout(150)
    return times_ms


def _is_click(answer: Any) -> bool:
    """Whether an answer is that of a button, not of the page's heartbeat: it ends with a sentence."""
    return len(json.loads(answer.request.post_data or "{}").get("data", [])) <= 2


def _angen(environment: dict[str, str], *words: str) -> str:
    done = subprocess.run([_program(), *words], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def _program() -> str:
    return str(Path(sys.executable).with_name("angen"))


if __name__ == "__main__":
    main()

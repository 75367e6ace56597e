"""The server under load: `python -m bench.api`. A run of angen-tiny trains meanwhile, its workers on this machine too.

Fifty clients look once a second, twenty follow the run's events. Quiet and busy stretches take turns, so that whatever
else the machine does falls on both. Then a recording of 2 GB is sent.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import soundfile

POLLERS, STREAMS, TURNS, TURN_S = 50, 20, 3, 15.0
UPLOAD_BYTES = 2 * 2**30
READS = ("/jobs", "/jobs/{job}", "/datasets", "/adapters", "/assets", "/recordings")


def main() -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as home, serving(Path(home)) as (url, pid):
        client = httpx.Client(base_url=f"{url}/api/v1", timeout=600)
        job = begun(client)
        print(asyncio.run(loaded(url, client, job, pid)))
        client.post(f"/jobs/{job}/cancel").raise_for_status()
        print(uploaded(client, pid))
        client.close()
        while client_state(url, job) not in ("cancelled", "succeeded", "failed"):
            time.sleep(0.2)


@contextmanager
def serving(home: Path) -> Iterator[tuple[str, int]]:
    """`angen serve` in a process of its own: its address and pid."""
    words = [str(Path(sys.executable).with_name("angen")), "serve", "--port", "0", "--json"]
    environment = {"OMP_NUM_THREADS": "1", **os.environ, "ANGEN_HOME": str(home)}
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["url"], process.pid
        finally:
            process.terminate()


def begun(client: httpx.Client) -> str:
    """A run that trains, on two songs made by formula: the id of its job."""
    client.post("/recordings", json={"name": "bench"}).raise_for_status()
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(2):
            path = Path(folder) / f"song{number}.flac"
            time_s = np.arange(24 * 24_000) / 24_000
            tone = sum(np.sin(2 * np.pi * hz * time_s) for hz in (220, 277, 330)) * np.exp(
                -4 * (time_s % 0.5)
            )
            soundfile.write(path, 0.2 * tone + 0.01 * generator.standard_normal(len(time_s)), 24_000)
            with path.open("rb") as file:
                client.post(
                    "/recordings/bench/files", params={"file": path.name}, content=file
                ).raise_for_status()
    prepared = (
        client.post("/datasets", json={"name": "bench", "recordings": "bench"}).raise_for_status().json()
    )
    wait(client, prepared["id"], lambda job: job["state"] == "succeeded")
    config = {
        "max_steps": 100_000,
        "sample_every": 0,
        "patience": 0,
        "validate_steps": 100_000,
        "log_every": 1,
    }
    run = {"name": "bench", "dataset": "bench", "config": config, "report": False}
    job = client.post("/training", json=run).raise_for_status().json()["id"]
    wait(client, job, lambda job: job["stage"] == "training" and job["done"] >= 10)
    return str(job)


async def loaded(url: str, client: httpx.Client, job: str, pid: int) -> str:
    """Quiet and busy stretches in turn: how long reads take, and what becomes of the training."""
    latencies: list[float] = []
    faults: list[str] = []
    events = [0]
    quiet, busy, cores = [], [], []
    for _ in range(TURNS):
        quiet.append(await asyncio.to_thread(steps_per_s, client, job, TURN_S))
        async with httpx.AsyncClient(
            base_url=f"{url}/api/v1", timeout=30, limits=httpx.Limits(max_connections=None)
        ) as many:
            tasks = [asyncio.create_task(poll(many, job, latencies, faults)) for _ in range(POLLERS)]
            tasks += [asyncio.create_task(follow(many, job, events, faults)) for _ in range(STREAMS)]
            await asyncio.sleep(1)
            used_s, begun_s = processor_s(pid), time.monotonic()
            busy.append(await asyncio.to_thread(steps_per_s, client, job, TURN_S))
            cores.append((processor_s(pid) - used_s) / (time.monotonic() - begun_s))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    ratio = statistics.median(one / other for one, other in zip(busy, quiet, strict=True))
    p50, p99 = (float(np.percentile(latencies, share)) * 1000 for share in (50, 99))
    return (
        f"load: {len(latencies)} reads by {POLLERS} clients, p50 {p50:.0f} ms, p99 {p99:.0f} ms, "
        f"slowest {max(latencies) * 1000:.0f} ms; {events[0]} events by {STREAMS} streams; {len(faults)} errors "
        f"{faults[:3]}; the server took {statistics.median(cores):.2f} of a core; "
        f"training at {ratio:.2f} of its quiet speed "
        f"(turns {', '.join(f'{one / other:.2f}' for one, other in zip(busy, quiet, strict=True))})"
    )


async def poll(client: httpx.AsyncClient, job: str, latencies: list[float], faults: list[str]) -> None:
    """One client that looks once a second."""
    await asyncio.sleep(float(np.random.default_rng().uniform(0, 1)))
    for number in range(10_000):
        started = time.perf_counter()
        try:
            answer = await client.get(READS[number % len(READS)].format(job=job))
            answer.raise_for_status()
            latencies.append(time.perf_counter() - started)
        except httpx.HTTPError as error:
            faults.append(repr(error))
        await asyncio.sleep(max(0.0, 1 - (time.perf_counter() - started)))


async def follow(client: httpx.AsyncClient, job: str, events: list[int], faults: list[str]) -> None:
    """One client that follows the run."""
    try:
        async with client.stream("GET", f"/jobs/{job}/events") as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                events[0] += line.startswith("id:")
    except httpx.HTTPError as error:
        faults.append(repr(error))


def steps_per_s(client: httpx.Client, job: str, seconds: float) -> float:
    """The speed of a run: steps between two moments at which its count has just changed."""

    def edge() -> tuple[float, float]:
        first = client.get(f"/jobs/{job}").json()["done"]
        while (now := client.get(f"/jobs/{job}").json()["done"]) == first:
            time.sleep(0.05)
        return now, time.monotonic()

    steps, begun_s = edge()
    time.sleep(seconds)
    later, ended_s = edge()
    return (later - steps) / (ended_s - begun_s)


def uploaded(client: httpx.Client, pid: int) -> str:
    """A recording of 2 GB: what it does to the server's memory."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    before, started = peak_bytes(pid), time.monotonic()
    made = (
        client.post("/assets", params={"name": "long.wav"}, content=recording(UPLOAD_BYTES))
        .raise_for_status()
        .json()
    )
    seconds = time.monotonic() - started
    grown = (peak_bytes(pid) - before) / 2**20
    client.delete(f"/assets/{made['id']}").raise_for_status()
    return f"upload: {made['size'] / 2**30:.1f} GiB in {seconds:.0f} s, peak memory {grown:+.0f} MiB"


def recording(size: int) -> Iterator[bytes]:
    """A WAV of stereo noise, piece by piece."""
    noise = (np.random.default_rng(0).standard_normal(2**19) * 3000).astype("<i2").tobytes()
    length = (size - 44) // len(noise) * len(noise)
    yield struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + length,
        b"WAVE",
        b"fmt ",
        16,
        1,
        2,
        48_000,
        192_000,
        4,
        16,
        b"data",
        length,
    )
    for _ in range(length // len(noise)):
        yield noise


def processor_s(pid: int) -> float:
    """Seconds of processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_bytes(pid: int) -> int:
    """The most memory a process has held since its peak was reset."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def wait(client: httpx.Client, job: str, until: Any) -> None:
    """Until a job is so far; it may not fail before."""
    while not until(found := client.get(f"/jobs/{job}").raise_for_status().json()):
        assert found["state"] not in ("failed", "cancelled"), found
        time.sleep(0.2)


def client_state(url: str, job: str) -> str:
    """The state of a job; "cancelled" where its server is gone."""
    with suppress(httpx.HTTPError):
        return str(httpx.get(f"{url}/api/v1/jobs/{job}", timeout=30).json()["state"])
    return "cancelled"


if __name__ == "__main__":
    main()

"""Jobs over HTTP: submitted once, followed from anywhere, and not lost with a server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import Server

LYRICS = {"theme": "the sea", "form": "short", "offline": True}


def events_of(server: Server, job: str, after: int | None = None) -> list[dict[str, str]]:
    """All a stream tells until it ends: `id`, `event` and `data` of each."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    found: list[dict[str, str]] = [{}]
    with server.http.stream("GET", f"/jobs/{job}/events", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if line and name:
                found[-1][name] = value
            elif found[-1]:
                found.append({})
    return [one for one in found if "data" in one]


@pytest.fixture(scope="module")
def job(server: Server) -> dict[str, Any]:
    """A job that has ended well."""
    answer = server.http.post("/lyrics", json=LYRICS)
    assert answer.status_code == 202
    made: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/api/v1/jobs/{made['id']}"
    ended = server.ended(made)
    assert ended["state"] == "succeeded"
    return ended


def test_a_stream_tells_all_and_ends(server: Server, job: dict[str, Any]) -> None:
    events = events_of(server, job["id"])
    numbers = [int(one["id"]) for one in events[:-1]]
    assert numbers == sorted(numbers)
    states = [json.loads(one["data"])["data"]["state"] for one in events if one["event"] == "state"]
    assert states == ["queued", "claimed", "running", "succeeded"]
    assert events[-1]["event"] == "end"
    assert json.loads(events[-1]["data"]) == {"job": job["id"], "state": "succeeded"}
    for index, number in enumerate(numbers):
        assert events_of(server, job["id"], after=number) == events[index + 1 :]


def test_the_same_key_is_the_same_job_and_another_is_refused(server: Server) -> None:
    key = {"Idempotency-Key": "sea"}
    first = server.ask("POST", "/lyrics", 202, json=LYRICS, headers=key)
    again = server.ask("POST", "/lyrics", 202, json=LYRICS, headers=key)
    assert again["id"] == first["id"]
    server.refusal("POST", "/lyrics", 409, json={**LYRICS, "theme": "hills"}, headers=key)


def test_pages_of_jobs_meet_without_a_gap(server: Server, job: dict[str, Any]) -> None:
    for seed in range(4):
        server.ask("POST", "/lyrics", 202, json={**LYRICS, "seed": seed})
    whole = [one["id"] for one in server.ask("GET", "/jobs", params={"limit": 200})["items"]]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = server.ask("GET", "/jobs", params={"limit": 2, **cursor})
        seen += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == whole
    assert len(whole) >= 5
    kinds = server.ask("GET", "/jobs", params={"kind": "train"})["items"]
    assert kinds == []
    assert {one["state"] for one in server.ask("GET", "/jobs", params={"state": "succeeded"})["items"]} == {
        "succeeded"
    }


def test_what_a_job_cannot_do_is_refused(server: Server, job: dict[str, Any]) -> None:
    assert server.refusal("POST", f"/jobs/{job['id']}/pause", 409)["code"] == "job"
    server.refusal("POST", f"/jobs/{job['id']}/resume", 409)
    server.refusal("POST", f"/jobs/{job['id']}/retry", 409)
    server.refusal("GET", "/jobs/ffffffff", 404)
    server.refusal("GET", "/jobs/ffffffff/events", 404)
    server.refusal("GET", "/jobs/nothing-like-it", 422)
    server.refusal("GET", f"/jobs/{job['id']}/events", 422, headers={"Last-Event-ID": "-1"})


def test_metrics_count_what_was_done(server: Server, job: dict[str, Any]) -> None:
    text = server.http.get("/metrics")
    assert text.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    values = dict(line.rsplit(" ", 1) for line in text.text.splitlines() if not line.startswith("#"))
    assert float(values['angen_jobs{kind="lyrics",state="succeeded"}']) >= 1
    asked = 'angen_http_requests_total{method="GET",route="/api/v1/metrics",status="200"}'
    before = float(values.get(asked, 0))
    after = dict(
        line.rsplit(" ", 1)
        for line in server.http.get("/metrics").text.splitlines()
        if not line.startswith("#")
    )
    assert float(after[asked]) == before + 1
    assert float(after["angen_http_streams"]) == 0


def test_models_are_told_as_the_command_line_does(server: Server) -> None:
    models = server.ask("GET", "/models")
    assert next(one for one in models if one["id"] == "angen-tiny")["is_ready"]
    assert server.ask("GET", "/models/angen-tiny")["licence"]
    server.refusal("GET", "/models/none", 404)

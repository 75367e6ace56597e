"""Every error is a problem, and none tells what is nobody's business."""

from __future__ import annotations

import asyncio
import errno
import json
from pathlib import Path

import httpx
import pytest

from angen import errors
from angen.api import create_app
from angen.api.problems import STATUSES, Refused, status_of
from angen.settings import Settings


def _all(kind: type[errors.AngenError]) -> list[type[errors.AngenError]]:
    return [kind, *(deeper for one in kind.__subclasses__() for deeper in _all(one))]


@pytest.mark.parametrize("kind", _all(errors.AngenError), ids=lambda kind: kind.__name__)
def test_each_type_of_error_has_a_status_that_a_client_can_act_on(kind: type[errors.AngenError]) -> None:
    if issubclass(kind, Refused):
        return
    error = kind.__new__(kind)
    assert status_of(error) in (403, 404, 409, 413, 422, 502, 503, 504, 507)


def test_the_nearest_type_counts() -> None:
    assert status_of(errors.JobNotFoundError("gone")) == 404
    assert status_of(errors.JobStoreError("full")) == 503
    assert status_of(errors.JobError("no")) == 409
    assert status_of(errors.ConflictError("no")) == 409
    assert status_of(errors.TooLargeError("no")) == 413
    assert status_of(errors.SilentAudioError("a.wav", "silent")) == 422
    assert status_of(OSError(errno.ENOSPC, "full")) == 507
    assert status_of(ZeroDivisionError()) == 500
    assert len(STATUSES) > 20


def test_what_nobody_foresaw_is_told_without_its_insides(tmp_path: Path) -> None:
    home = tmp_path / "secret place"
    app = create_app(Settings(home))

    @app.get("/api/v1/broken")
    def broken() -> None:
        raise ZeroDivisionError("inner words")

    @app.get("/api/v1/disk")
    def disk() -> None:
        raise OSError(errno.ENOSPC, f"no space left in {home}")

    @app.get("/api/v1/refused")
    def refused() -> None:
        raise errors.MasteringError(
            f"{str(home / 'outputs' / 'a.wav')!r} is too loud.", remedy="Turn it down."
        )

    async def ask(path: str) -> httpx.Response:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path)

    for path, status, words in (
        ("/api/v1/broken", 500, "Something went wrong"),
        ("/api/v1/disk", 507, "full"),
        ("/api/v1/refused", 422, "'outputs/a.wav' is too loud."),
    ):
        answer = asyncio.run(ask(path))
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert words in answer.json()["detail"]
        for secret in ("inner words", "secret place", "Traceback", "ZeroDivisionError"):
            assert secret not in answer.text


class TestFields:
    def test_each_field_that_is_wrong_is_named(self, server: object) -> None:
        sent = {"assets": [], "preset": 3, "intensity": 2, "extra": 1}
        problem = server.refusal("POST", "/mastering", 422, json=sent)  # type: ignore[attr-defined]
        assert {one["field"] for one in problem["errors"]} == {
            "body.assets", "body.preset", "body.intensity", "body.extra"
        }  # fmt: skip

    @pytest.mark.parametrize(
        "sent",
        [
            {"request": {"prompt": "x", "seconds": "20"}},
            {"request": {"prompt": "x", "ending": 0}},
            {"request": {"prompt": "x", "seed": 1.5}},
            {"request": {"prompt": "x", "sead": 1}},
            {"request": {"prompt": None}},
            {"request": {"prompt": "x"}, "style_file": "/etc/passwd"},
            {"request": {"prompt": "x"}, "out": "/tmp/x.wav"},
            [],
        ],
    )
    def test_nothing_is_guessed_and_no_path_is_taken(self, server: object, sent: object) -> None:
        problem = server.refusal("POST", "/generation", 422, json=sent)  # type: ignore[attr-defined]
        assert problem["errors"]

    def test_what_is_no_json_is_a_problem_too(self, server: object) -> None:
        for content in (b"{", b"\xff\xfe", b'{"name": "\\ud800"}', b"[" * 100_000, b'{"name": NaN}'):
            answer = server.http.post(  # type: ignore[attr-defined]
                "/recordings", content=content, headers={"content-type": "application/json"}
            )
            assert answer.status_code in (400, 422), (content[:20], answer.text)
            assert json.loads(answer.text)["errors"] is not None

    def test_a_value_out_of_range_is_refused_with_its_remedy(self, server: object) -> None:
        problem = server.refusal(  # type: ignore[attr-defined]
            "POST", "/generation", 422, json={"request": {"prompt": "x", "seconds": 0.5}}
        )
        assert problem["code"] == "generation"
        assert "seconds is 0.5" in problem["detail"]
        assert problem["remedy"]

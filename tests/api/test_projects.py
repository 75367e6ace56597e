"""Projects over HTTP: edited as they were read, and never a path from outside."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import Any

import pytest
import soundfile

from ..conftest import composed
from .conftest import Server

_numbers = itertools.count()


@pytest.fixture
def project(server: Server) -> str:
    """A new project's path."""
    name = f"night{next(_numbers)}"
    server.ask("POST", "/projects", 201, json={"name": name, "tempo_bpm": 100})
    return f"/projects/{name}"


@pytest.fixture(scope="module")
def asset(server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("song") / "song.wav"
    soundfile.write(path, composed(2.0), 22_050)
    made: str = server.upload(path)["id"]
    return made


def _read(server: Server, path: str) -> tuple[dict[str, Any], dict[str, str]]:
    answer = server.http.get(path)
    return answer.json(), {"If-Match": answer.headers["etag"]}


def test_a_recording_is_placed_moved_and_taken_back(server: Server, project: str, asset: str) -> None:
    placed = server.ask("POST", f"{project}/clips", 201, json={"asset": asset, "at": "1s"})
    clip = placed["project"]["tracks"][0]["clips"][0]
    assert clip["start"] == 44_100
    assert not Path(placed["project"]["sources"][0]["path"]).is_absolute()
    view, match = _read(server, project)
    moved = copy.deepcopy(view["project"])
    moved["tracks"][0]["clips"][0]["start"] = 0
    moved["markers"] = [{"at": 100, "name": "here"}]
    after = server.ask("PUT", project, json=moved, headers=match)
    assert after["project"] == moved
    assert after["undo"] == "edit"
    server.refusal("PUT", project, 412, json=moved, headers=match)
    server.refusal("PUT", project, 428, json=moved)
    server.refusal("POST", f"{project}/undo", 428)
    _, match = _read(server, project)
    undone = server.ask("POST", f"{project}/undo", headers=match)
    assert undone["project"] == view["project"]
    _, match = _read(server, project)
    assert server.ask("POST", f"{project}/redo", headers=match)["project"] == moved
    held = {"If-None-Match": server.http.get(project).headers["etag"]}
    assert server.http.get(project, headers=held).status_code == 304


def test_no_path_comes_from_outside(server: Server, project: str, asset: str) -> None:
    server.ask("POST", f"{project}/clips", 201, json={"asset": asset})
    view, match = _read(server, project)
    foreign = view["project"]
    foreign["sources"][0]["path"] = "/etc/passwd"
    kept = server.ask("PUT", project, json=foreign, headers=match)
    assert "/etc/passwd" not in str(kept)
    view, match = _read(server, project)
    foreign = view["project"]
    foreign["sources"][0]["sha256"] = "0" * 64
    foreign["tracks"][0]["clips"][0]["source"] = "0" * 64
    assert server.refusal("PUT", project, 422, json=foreign, headers=match)["code"] == "foreign-source"
    server.refusal("POST", f"{project}/clips", 422, json={"asset": "../../../etc/passwd"})
    server.refusal("POST", "/projects", 422, json={"name": "../x"})
    server.refusal("GET", "/projects/..%2F..%2Fx", 404)


@pytest.mark.parametrize(
    ("where", "value", "field"),
    [
        ("rate_hz", "44100", "body.rate_hz"),
        ("gain_db", 99, "body.gain_db"),
        ("colour", "red", "body.colour"),
        ("tracks", [{"id": "t1"}], "body.tracks.0.name"),
    ],
)
def test_a_project_that_cannot_be_is_refused_by_field(
    server: Server, project: str, where: str, value: object, field: str
) -> None:
    view, match = _read(server, project)
    problem = server.refusal("PUT", project, 422, json={**view["project"], where: value}, headers=match)
    assert field in {one["field"] for one in problem["errors"]}
    assert _read(server, project)[0] == view


def test_it_is_exported_rendered_and_deleted(server: Server, project: str, asset: str) -> None:
    server.ask("POST", f"{project}/clips", 201, json={"asset": asset})
    made = server.ask("POST", f"{project}/export", 201, json={"kind": "midi"})
    assert server.http.get(f"/assets/{made['id']}/content").content.startswith(b"MThd")
    job = server.ended(server.ask("POST", f"{project}/render", 202, json={"bit_depth": 16}))
    assert job["state"] == "succeeded", job
    mix = next(one for one in job["assets"] if one["name"].endswith(".wav"))
    assert mix["kind"] == "project"
    assert server.http.get(mix["href"].removeprefix("/api/v1")).content.startswith(b"RIFF")
    server.refusal("DELETE", f"/assets/{mix['id']}", 409)
    server.refusal("POST", "/projects", 409, json={"name": project.rpartition("/")[2]})
    _, match = _read(server, project)
    server.ask("DELETE", project, 204, headers=match)
    server.refusal("GET", project, 404)

"""Sets of recordings, datasets of them, and the table that two people edit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import soundfile

from ..conftest import composed
from .conftest import Server


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("songs")
    for seed in range(2):
        soundfile.write(folder / f"song{seed}.wav", composed(6.0, seed=seed), 22_050)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def filled(server: Server, songs: list[Path]) -> str:
    """A set with two recordings in it."""
    server.ask("POST", "/recordings", 201, json={"name": "filled"})
    for song in songs:
        server.ask(
            "POST", "/recordings/filled/files", 201, params={"file": song.name}, content=song.read_bytes()
        )
    return "filled"


def _table(server: Server, path: str) -> tuple[dict[str, Any], str]:
    answer = server.http.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json(), answer.headers["etag"]


class TestSets:
    def test_a_recording_goes_in_and_out(self, server: Server, songs: list[Path]) -> None:
        server.ask("POST", "/recordings", 201, json={"name": "in and out"})
        path = "/recordings/in-and-out"
        form = {"file": ("../../x.wav", songs[0].read_bytes())}
        added = server.ask("POST", f"{path}/files", 201, files=form)
        assert (added["file"], added["duration_s"]) == ("x.wav", 6.0)
        assert server.ask("GET", path)["files"] == [added]
        assert server.http.get(f"{path}/files/x.wav").content == songs[0].read_bytes()
        part = server.http.get(f"{path}/files/x.wav", headers={"Range": "bytes=0-3"})
        assert (part.status_code, part.content) == (206, b"RIFF")
        again = server.ask("POST", f"{path}/files", 201, files=form)
        assert again == added
        server.ask("DELETE", f"{path}/files/x.wav", 204)
        server.refusal("GET", f"{path}/files/x.wav", 404)
        server.ask("DELETE", path, 204)
        server.refusal("GET", path, 404)

    def test_what_cannot_be_is_refused(self, server: Server, filled: str) -> None:
        server.refusal("POST", "/recordings", 409, json={"name": filled})
        server.refusal("POST", "/recordings", 422, json={"name": "..."})
        server.refusal("POST", "/recordings/none/files", 404, params={"file": "a.wav"}, content=b"x")
        problem = server.refusal(
            "POST", f"/recordings/{filled}/files", 422, params={"file": "a.wav"}, content=b"words"
        )
        assert "'a.wav'" in problem["detail"]
        server.refusal("GET", "/recordings/..%2F..", 404)
        assert len(server.ask("GET", f"/recordings/{filled}")["files"]) == 2


class TestTable:
    def test_it_is_changed_only_as_it_was_read(self, server: Server, filled: str) -> None:
        path = f"/recordings/{filled}/metadata"
        table, etag = _table(server, path)
        assert [row["file"] for row in table["rows"]] == ["song0.wav", "song1.wav"]
        assert server.http.get(path, headers={"If-None-Match": etag}).status_code == 304
        change = {
            "trigger": "calypso",
            "rows": [{"file": "song0.wav", "edits": {"genre": "soca", "tempo_bpm": 112}}],
        }
        assert server.refusal("PATCH", path, 428, json=change)["code"] == "if-match-missing"
        assert server.refusal("PATCH", path, 412, json=change, headers={"If-Match": '"other"'})
        answer = server.http.patch(path, json=change, headers={"If-Match": etag})
        assert answer.status_code == 200, answer.text
        row = answer.json()["rows"][0]
        assert (row["values"]["genre"], row["sources"]["genre"]) == ("soca", "edited")
        assert row["prompt"].startswith("calypso")
        server.refusal("PATCH", path, 412, json=change, headers={"If-Match": etag})
        assert _table(server, path) == (answer.json(), answer.headers["etag"])

    def test_a_put_is_all_there_is(self, server: Server, filled: str) -> None:
        path = f"/recordings/{filled}/metadata"
        _, etag = _table(server, path)
        both = {
            "rows": [
                {"file": f"song{one}.wav", "edits": {"mood": "calm", "key": "a minor"}} for one in (0, 1)
            ]
        }
        server.ask("PATCH", path, json=both, headers={"If-Match": etag})
        only = {"rows": [{"file": "song1.wav", "edits": {"mood": None}}]}
        table = server.ask("PUT", path, json=only, headers={"If-Match": "*"})
        assert [row["edits"] for row in table["rows"]] == [{}, {"mood": None}]
        taken_back = {"rows": [{"file": "song1.wav", "unset": ["mood"]}]}
        table = server.ask("PATCH", path, json=taken_back, headers={"If-Match": "*"})
        assert [row["edits"] for row in table["rows"]] == [{}, {}]

    @pytest.mark.parametrize(
        "rows",
        [
            [{"file": "song0.wav", "edits": {"tempo_bpm": -1}}],
            [{"file": "song0.wav", "edits": {"key": "H dur"}}],
            [{"file": "song0.wav", "edits": {"genra": "x"}}],
            [{"file": "none.wav", "edits": {"genre": "x"}}],
            [{"file": "song0.wav", "edits": {"genre": "x"}}, {"file": "song1.wav", "edits": {"metre": "3"}}],
        ],
    )
    def test_a_value_that_cannot_be_changes_nothing(
        self, server: Server, filled: str, rows: list[dict[str, Any]]
    ) -> None:
        path = f"/recordings/{filled}/metadata"
        before = _table(server, path)
        server.refusal("PATCH", path, 422, json={"rows": rows}, headers={"If-Match": before[1]})
        assert _table(server, path) == before

    def test_of_many_who_change_what_they_read_one_wins(self, server: Server, filled: str) -> None:
        path = f"/recordings/{filled}/metadata"
        _, etag = _table(server, path)

        def change(number: int) -> int:
            body = {"rows": [{"file": "song0.wav", "edits": {"genre": f"genre {number}"}}]}
            return server.http.patch(path, json=body, headers={"If-Match": etag}).status_code

        with ThreadPoolExecutor(8) as many:
            statuses = sorted(many.map(change, range(8)))
        assert statuses == [200] + [412] * 7


class TestDatasets:
    def test_there_is_none_before_it_is_prepared(self, server: Server, filled: str) -> None:
        server.refusal("GET", "/datasets/none", 404)
        server.refusal("DELETE", "/datasets/none", 404)
        server.refusal("POST", "/datasets", 422, json={"name": "x"})
        server.refusal("POST", "/datasets", 409, json={"name": "x", "recordings": "none"})
        server.refusal("POST", "/datasets", 404, json={"name": "x", "assets": ["0" * 20]})
        server.refusal("POST", "/training", 409, json={"name": "x", "dataset": "none"})
        server.refusal(
            "POST", "/training", 422, json={"name": "x", "dataset": "none", "config": {"epoch": 1}}
        )
        server.refusal("POST", "/training", 422, json={"name": "x", "dataset": "none", "config": {"rank": 0}})
        server.refusal("POST", "/training/none/resume", 404, json={})

    @pytest.mark.slow
    def test_one_is_prepared_corrected_and_deleted(self, server: Server, tmp_path: Path) -> None:
        server.ask("POST", "/recordings", 201, json={"name": "ground"})
        for seed in range(2):
            soundfile.write(tmp_path / "song.wav", composed(24.0, seed=seed), 22_050)
            content = (tmp_path / "song.wav").read_bytes()
            server.ask(
                "POST", "/recordings/ground/files", 201, params={"file": f"song{seed}.wav"}, content=content
            )
        made = server.ask("POST", "/datasets", 202, json={"name": "ground", "recordings": "ground"})
        assert server.ended(made)["state"] == "succeeded"
        dataset = server.ask("GET", "/datasets/ground")
        assert server.ask("GET", "/datasets")["items"] == [dataset]
        clips = server.ask("GET", "/datasets/ground/clips", params={"limit": 1})
        clip = clips["items"][0]
        assert clips["next"] is not None
        sound = server.http.get(f"/datasets/ground/clips/{clip['clip_id']}/content")
        assert sound.content.startswith(b"fLaC")
        server.refusal("GET", "/datasets/ground/clips/none/content", 404)
        _, etag = _table(server, "/datasets/ground/metadata")
        change = {"rows": [{"file": clip["clip_id"], "edits": {"genre": "soca"}}]}
        server.ask("PATCH", "/datasets/ground/metadata", json=change, headers={"If-Match": etag})
        assert "soca" in str(server.ask("GET", "/datasets/ground/clips"))
        plan = {"dataset": "ground", "preset": "balanced", "config": {"max_steps": 3}}
        assert server.ask("POST", "/training/estimates", json=plan)["steps"] == 3
        server.ask("DELETE", "/datasets/ground", 204)
        server.refusal("GET", "/datasets/ground", 404)

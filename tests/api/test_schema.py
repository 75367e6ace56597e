"""The schema: whole, true, and tried by machines."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import soundfile

from ..conftest import composed
from .conftest import Server

METHODS = ("get", "put", "post", "patch", "delete")


@pytest.fixture(scope="module")
def schema(server: Server) -> dict[str, Any]:
    made: dict[str, Any] = httpx.get(f"{server.url}/openapi.json").json()
    return made


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in schema["paths"].items():
        for method in METHODS:
            if method in item:
                yield method, path, item[method]


def test_every_operation_is_explained_named_and_tells_its_problems(schema: dict[str, Any]) -> None:
    assert schema["openapi"].startswith("3.1")
    names = []
    for method, path, operation in _operations(schema):
        names.append(operation["operationId"])
        assert path.startswith("/api/v1/"), path
        assert operation["description"].strip(), path
        assert operation["tags"][0] in {tag["name"] for tag in schema["tags"]}, path
        for status in ("default", "422"):
            content = operation["responses"][status]["content"]
            assert set(content) == {"application/problem+json"}, (method, path)
    assert len(set(names)) == len(names) > 60


def test_every_body_is_closed_and_long_work_is_accepted(schema: dict[str, Any]) -> None:
    keyed = 0
    for method, path, operation in _operations(schema):
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body is not None:
            record = schema["components"]["schemas"][body["schema"]["$ref"].rpartition("/")[2]]
            assert record["additionalProperties"] is False, path
        if "202" in operation["responses"]:
            assert method == "post"
            names = {one["name"] for one in operation["parameters"]}
            assert "Idempotency-Key" in names, path
            keyed += 1
    assert keyed >= 13


def test_every_reference_leads_somewhere(schema: dict[str, Any]) -> None:
    def look(value: Any) -> None:
        if isinstance(value, dict):
            if "$ref" in value:
                kind, _, name = value["$ref"].removeprefix("#/components/").partition("/")
                assert name in schema["components"][kind], value
            for one in value.values():
                look(one)
        elif isinstance(value, list):
            for one in value:
                look(one)

    look(schema)


@pytest.mark.slow
def test_a_machine_that_reads_the_schema_finds_no_fault(server: Server, tmp_path: Path) -> None:
    """Schemathesis over all of it, but for the streams it cannot read and what is refused by rules beyond a schema."""
    soundfile.write(tmp_path / "song.wav", composed(2.0), 22_050)
    server.upload(tmp_path / "song.wav")
    words = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{server.url}/openapi.json",
        "--phases", "examples,coverage", "--seed", "1", "--no-color",
        "--exclude-path-regex", "/events$|/collections/", "--exclude-checks", "positive_data_acceptance",
        "--request-timeout", "300", "--max-failures", "20",
    ]  # fmt: skip
    told = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert told.returncode == 0, told.stdout[-6000:]
    metrics = server.http.get("/metrics").text
    assert 'status="5' not in metrics
    assert "Traceback" not in told.stdout

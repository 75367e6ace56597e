import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.errors import ExportError
from angen.export import SideCar, read_sidecar, write_sidecar
from angen.export.sidecar import SideCarAdapter, SideCarFile, SideCarSource, versions

SOURCE = SideCarSource(
    name="a.wav", sha256="0" * 64, samples_sha256="1" * 64, rate_hz=44100, channels=2, samples=9
)
FULL = SideCar(
    created="2026-11-22T00:00:00+00:00", source=SOURCE, loudness_lufs=-14.2, true_peak_dbtp=-1.0, seed=3,
    files=[SideCarFile(name="歌.flac", format="flac", bytes=1, sha256="2" * 64, rate_hz=44100, channels=2, samples=9)],
    tags={"title": "歌", "bpm": 112.5}, prompt="calypso", model="angen-tiny", base_hash="3" * 64,
    adapters=[SideCarAdapter(name="demo", strength=0.8, sha256="4" * 64, licence="CC-BY-4.0")],
    generation={"seed": 3, "prompt": "calypso"}, mastering={"preset": "streaming"}, ai_marked=True, versions=versions(),
)  # fmt: skip


def test_a_sidecar_comes_back(tmp_path):
    write_sidecar(tmp_path / "a.angen.json", FULL)
    assert read_sidecar(tmp_path / "a.angen.json") == FULL
    assert json.loads((tmp_path / "a.angen.json").read_text("utf-8"))["files"][0]["name"] == "歌.flac"
    assert {"angen", "python", "numpy", "libsndfile"} <= set(FULL.versions)
    with pytest.raises(ExportError, match="exists already"):
        write_sidecar(tmp_path / "a.angen.json", FULL)


@pytest.mark.parametrize(
    "change",
    [{"unknown": 1}, {"seed": "3"}, {"files": [{"name": "x"}]}, {"format_version": 2}, {"source": None}],
)
def test_what_is_no_sidecar_is_refused(tmp_path, change):
    path = tmp_path / "a.angen.json"
    path.write_text(json.dumps(json.loads(FULL.model_dump_json()) | change))
    with pytest.raises(ExportError, match=r"cannot be read|reads 1"):
        read_sidecar(path)


@settings(max_examples=40)
@given(st.binary(max_size=60))
def test_any_bytes_meet_a_typed_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("sidecar") / "a.json"
    path.write_bytes(data)
    with pytest.raises(ExportError):
        read_sidecar(path)

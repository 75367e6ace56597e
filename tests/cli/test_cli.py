"""The command line as a person or a script meets it: words, streams and exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import angen
from angen.cli import app, console
from angen.errors import DatasetError
from angen.progress import Progress
from angen.workflows import doctor, prepare, prepare_songs

OddFiles = dict[str, tuple[Path, str | None]]
WriteSong = Callable[..., Path]


def _run(*words: object, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], input=stdin)


def _records(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def songs(tmp_path: Path, write_song: WriteSong) -> list[Path]:
    return [write_song(tmp_path / f"song {number}.wav", 12.0, seed=number) for number in range(2)]


class TestTheDoor:
    def test_version_and_help(self) -> None:
        assert _run("--version").stdout == f"angen {angen.__version__}\n"
        for words in (["--help"], ["-h"], ["analyze", "-h"], ["dataset", "-h"], ["dataset", "prepare", "-h"]):
            assert _run(*words).exit_code == 0

    @pytest.mark.parametrize(
        "words",
        [
            ["sing"],
            ["analyze"],
            ["analyze", "--loud", "a.wav"],
            ["analyze", "--files-from", "/nowhere/list"],
            ["dataset", "prepare", "name"],
            ["dataset", "prepare", "name", "a.wav", "--min-s", "long"],
            ["dataset", "prepare", "name", "a.wav", "--seed", "-1"],
            ["dataset", "show"],
        ],
    )
    def test_misuse_exits_with_2_and_leaves_stdout_empty(self, words: list[str], workspace: Path) -> None:
        result = _run(*words)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert "Usage" in result.stderr

    def test_every_command_offers_json(self) -> None:
        for words in (
            ["analyze"],
            ["doctor"],
            *(["dataset", verb] for verb in ("prepare", "list", "show", "delete")),
        ):
            assert "--json" in _run(*words, "--help").stdout, words

    def test_help_loads_no_heavy_library(self) -> None:
        script = (
            "import sys\n"
            "from typer.testing import CliRunner\n"
            "from angen.cli import app\n"
            "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
            "print({'torch', 'scipy', 'numpy', 'soundfile', 'matplotlib'} & set(sys.modules))\n"
        )
        run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert run.stdout.strip() == "set()"

    def test_an_unusable_workspace_is_told_with_its_remedy(self, workspace: Path) -> None:
        workspace.write_text("a file")
        result = _run("dataset", "list")
        assert result.exit_code == 1
        assert result.stdout == ""
        assert "is not a folder" in result.stderr
        assert "Set ANGEN_HOME" in result.stderr
        assert "Traceback" not in result.stderr

    def test_with_json_an_error_is_json_too(self, workspace: Path) -> None:
        result = _run("dataset", "show", "nothing", "--json")
        assert result.exit_code == 1
        assert json.loads(result.stdout)["error"]["type"] == "dataset"
        assert "no dataset 'nothing'" in result.stderr


class TestAnalyze:
    def test_json_lines_for_good_and_bad_files_alike(self, odd_files: OddFiles) -> None:
        paths = [path for path, _ in odd_files.values()]
        result = _run("analyze", "--json", *paths)
        assert result.exit_code == 0
        records = _records(result)
        assert [record["path"] for record in records] == [str(path) for path in paths]
        for record, (_, error) in zip(records, odd_files.values(), strict=True):
            if error:
                assert record["error"]["type"] == error
                assert set(record) == {"path", "error"}
                assert set(record["error"]) == {"type", "message", "remedy"}
            else:
                assert {"duration_s", "tempo_bpm", "key", "energy"} <= set(record)

    def test_a_table_for_people_and_errors_beside_it(self, odd_files: OddFiles) -> None:
        names = ["plain.wav", 'it\'s "quoted" & [red]odd[bold].wav', "empty.wav"]
        result = _run("analyze", *(odd_files[name][0] for name in names))
        assert result.exit_code == 0
        assert "[red]odd[bold].wav" in result.stdout
        assert "empty.wav" not in result.stdout
        assert "0 bytes" in result.stderr

    def test_exit_1_if_no_file_could_be_heard(self, odd_files: OddFiles) -> None:
        result = _run("analyze", "--json", odd_files["empty.wav"][0], odd_files["nowhere"][0])
        assert result.exit_code == 1
        assert [record["error"]["type"] for record in _records(result)] == ["audio-empty", "audio-missing"]

    def test_a_list_of_files_from_a_file_or_from_stdin(self, odd_files: OddFiles, tmp_path: Path) -> None:
        paths = [str(odd_files[name][0]) for name in ("plain.wav", "été 歌 🎵.wav", "empty.wav")]
        text = f"\ufeff{paths[0]}\r\n\n   \n{paths[1]}\n{paths[2]}"
        (tmp_path / "list").write_text(text, encoding="utf-8", newline="")
        from_file = _run("analyze", "--json", "--files-from", tmp_path / "list")
        from_stdin = _run("analyze", "--json", "--files-from", "-", stdin=text.encode())
        assert [record["path"] for record in _records(from_file)] == paths
        assert from_stdin.stdout == from_file.stdout
        both = _run("analyze", "--json", paths[0], "--files-from", tmp_path / "list")
        assert [record["path"] for record in _records(both)] == [paths[0], *paths]

    def test_an_empty_list_is_a_failure(self, tmp_path: Path) -> None:
        (tmp_path / "list").write_text("\n \n")
        result = _run("analyze", "--json", "--files-from", tmp_path / "list")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "empty" in result.stderr

    def test_paths_are_given_back_as_they_were_written(
        self, odd_files: OddFiles, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(odd_files["plain.wav"][0].parent)
        given = ["./plain.wav", "--", "--json.wav"]
        assert [record["path"] for record in _records(_run("analyze", "--json", *given))] == [
            given[0],
            given[2],
        ]

    def test_a_real_process_with_a_name_that_is_no_text(self, odd_files: OddFiles, tmp_path: Path) -> None:
        broken = os.fsencode(tmp_path) + b"/caf\xe9.wav"
        Path(os.fsdecode(broken)).write_bytes(odd_files["plain.wav"][0].read_bytes())
        command = [sys.executable, "-c", "from angen.cli import main; main()", "analyze"]
        run = subprocess.run([*command, broken, "--json"], capture_output=True, check=False)
        assert run.returncode == 0, run.stderr
        assert os.fsencode(json.loads(run.stdout)["path"]) == broken
        assert b"analysing" in run.stderr
        table = subprocess.run([*command, broken], capture_output=True, check=False)
        assert table.returncode == 0, table.stderr
        assert rb"caf\udce9.wav" in table.stdout

    def test_control_c_exits_with_130(self, odd_files: OddFiles) -> None:
        command = [sys.executable, "-c", "from angen.cli import main; main()", "analyze", "--json"]
        process = subprocess.Popen(
            [*command, *[odd_files["high rate.wav"][0]] * 2000],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        process.stdout.readline()  # it is at work
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 130
        assert b"Interrupted" in errors
        assert b"Traceback" not in errors


class TestDataset:
    def test_the_life_of_a_dataset(self, workspace: Path, songs: list[Path], odd_files: OddFiles) -> None:
        prepared = _run(
            "dataset",
            "prepare",
            "My songs!",
            *songs,
            odd_files["empty.wav"][0],
            "--style",
            "calypso",
            "--json",
        )
        assert prepared.exit_code == 0, prepared.stderr
        info = json.loads(prepared.stdout)
        assert info["name"] == "My-songs"
        assert info["folder"] == str(workspace / "training_data" / "My-songs")
        assert info["songs"] == 2
        assert [file["error"]["type"] for file in info["skipped"]] == ["audio-empty"]
        assert "analysing" in prepared.stderr
        assert "cutting" in prepared.stderr

        assert [entry["name"] for entry in json.loads(_run("dataset", "list", "--json").stdout)] == [
            "My-songs"
        ]
        shown = json.loads(_run("dataset", "show", "My-songs", "--json").stdout)
        assert shown["sha256"] == info["sha256"]
        assert all(record["prompt"].startswith("calypso, ") for record in shown["records"])
        text = _run("dataset", "show", "My songs!").stdout
        assert shown["records"][0]["prompt"] in text
        assert "empty.wav" in text
        assert "My-songs" in _run("dataset", "list").stdout

        assert _run("dataset", "prepare", "My songs!", *songs).exit_code == 1
        assert _run("dataset", "prepare", "My songs!", *songs, "--replace").exit_code == 0
        assert _run("dataset", "delete", "My-songs").exit_code == 2
        deleted = _run("dataset", "delete", "My-songs", "--yes", "--json")
        assert json.loads(deleted.stdout) == {"deleted": "My-songs"}
        assert json.loads(_run("dataset", "list", "--json").stdout) == []
        assert all(song.exists() for song in songs)

    def test_nothing_usable_is_an_error_that_lists_the_reasons(
        self, workspace: Path, odd_files: OddFiles
    ) -> None:
        result = _run("dataset", "prepare", "mine", odd_files["silence.wav"][0], odd_files["text.wav"][0])
        assert result.exit_code == 1
        assert "silence.wav" in result.stderr
        assert "text.wav" in result.stderr
        assert not (workspace / "training_data").exists()

    @pytest.mark.parametrize("name", ["../outside", "..", "/etc"])
    def test_a_path_is_no_name(self, workspace: Path, name: str) -> None:
        for verb in (["show"], ["delete", "--yes"]):
            result = _run("dataset", *verb, name)
            assert result.exit_code == 1
            assert "no dataset" in result.stderr

    def test_an_empty_workspace_says_how_to_begin(self, workspace: Path) -> None:
        result = _run("dataset", "list")
        assert (result.exit_code, result.stdout) == (0, "")
        assert "angen dataset prepare" in result.stderr
        assert not workspace.exists()

    def test_a_damaged_dataset_is_a_warning_in_the_list(self, workspace: Path, songs: list[Path]) -> None:
        _run("dataset", "prepare", "good", *songs)
        _run("dataset", "prepare", "bad", *songs)
        (workspace / "training_data" / "bad" / "dataset_info.json").write_text("{}")
        result = _run("dataset", "list", "--json")
        assert [entry["name"] for entry in json.loads(result.stdout)] == ["good"]
        assert "damaged" in result.stderr

    def test_an_error_of_the_disk_is_no_traceback(
        self, workspace: Path, songs: list[Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(prepare_songs, "write_clip", full)
        result = _run("dataset", "prepare", "mine", *songs)
        assert result.exit_code == 1
        assert "No space left" in result.stderr
        assert list((workspace / "training_data").glob("*")) == []


class TestDoctor:
    @pytest.fixture(autouse=True)
    def _without_torch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its import takes seconds, and peft and accelerate import it."""
        monkeypatch.setattr(doctor, "_LIBRARIES", ("numpy", "scipy", "soundfile"))
        monkeypatch.setattr(doctor, "_torch", lambda: iter([doctor.Check("torch", True, "present")]))

    @pytest.fixture
    def weights(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        """A package with a model in it."""
        file = tmp_path / "package" / "model" / "weights" / "tiny" / "model.safetensors"
        file.parent.mkdir(parents=True)
        file.write_bytes(b"x" * 5000)
        monkeypatch.setattr(doctor.resources, "files", lambda name: tmp_path / "package")
        return file

    def test_a_good_machine_passes(self, workspace: Path, weights: Path) -> None:
        result = _run("doctor", "--json")
        report = json.loads(result.stdout)
        assert result.exit_code == 0
        assert report["is_able"]
        names = {check["name"] for check in report["checks"]}
        assert {
            "python",
            "workspace",
            "disk",
            "memory",
            "cores",
            "ffmpeg",
            "embedded model",
            "numpy",
        } <= names
        assert not workspace.exists()

    @pytest.mark.parametrize("fault", ["missing", "hollow"])
    def test_missing_weights_are_told_with_a_remedy(self, workspace: Path, weights: Path, fault: str) -> None:
        weights.unlink() if fault == "missing" else weights.write_text("version https://git-lfs")
        result = _run("doctor")
        assert result.exit_code == 1
        assert "FAIL  embedded model" in result.stdout
        assert "Install Angen again" in result.stdout

    def test_a_bad_workspace_is_told_and_the_other_checks_go_on(self, workspace: Path, weights: Path) -> None:
        workspace.write_text("a file")
        result = _run("doctor", "--json")
        assert result.exit_code == 1
        checks = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
        assert not checks["workspace"]["is_ok"]
        assert checks["numpy"]["is_ok"]

    def test_a_missing_helper_is_only_a_warning(
        self, workspace: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
        result = _run("doctor")
        assert result.exit_code == 0
        assert "warn  ffmpeg" in result.stdout

    def test_a_broken_library_is_found_out(self) -> None:
        def broken(name: str) -> None:
            raise OSError("libsndfile.so: cannot open shared object file")

        check = doctor._library("soundfile", broken)
        assert not check.is_ok
        assert "libsndfile.so" in check.found
        assert "pip install soundfile" in check.remedy


class TestConsole:
    def test_plain_progress_says_begin_end_and_now_and_then(self, capsys: pytest.CaptureFixture[str]) -> None:
        now = [0.0]
        write = console._lines(lambda: now[0])
        for done in range(101):
            now[0] = 0.1 * done
            write(Progress("cutting", done, 100, "song"))
        lines = capsys.readouterr().err.splitlines()
        assert lines[0] == "cutting 0% song"
        assert lines[1] == "cutting 50% 0:05 left, song"
        assert lines[-1] == "cutting 100% song"
        assert len(lines) == 3

    def test_a_bar_in_a_terminal_writes_nothing_to_stdout(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        with console.show_progress() as on_progress:
            for done in range(3):
                on_progress(Progress("cutting [red]", done, 2, "[bold]song"))
                print("result")  # noqa: T201
                time.sleep(0.11)
        assert capsys.readouterr().out == "result\n" * 3

    def test_odd_text_is_spelled_out(self) -> None:
        assert console.printable("a\x1b[31mb\udce9é") == "a\\x1b[31mb\\udce9é"

    def test_a_table_is_aligned_for_wide_writing(self, capsys: pytest.CaptureFixture[str]) -> None:
        console.print_table(["name", "n"], [["歌", "1"], ["long name", "2"]])
        assert capsys.readouterr().out.splitlines() == ["NAME       N", "歌         1", "long name  2"]

    def test_an_error_without_a_remedy_prints_no_empty_line(
        self, workspace: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise DatasetError("It broke.")

        monkeypatch.setattr(prepare, "prepare_dataset", fail)
        assert _run("dataset", "prepare", "mine", "a.wav").stderr == "Error: It broke.\n"

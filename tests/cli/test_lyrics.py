"""`angen lyrics` as a person or a script meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from angen.cli import app
from angen.lyrics import read_lyrics

KEY = "sk-secret-0123456789"


@pytest.fixture(autouse=True)
def _no_model_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("ANGEN_LLM"):
            monkeypatch.delenv(name)


def _run(*words: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["lyrics", *map(str, words)], input=stdin)


@pytest.fixture
def model_url() -> Iterator[str]:
    """A server whose model says a verse at once, and then, for paths with `slow`, a line now and then."""
    is_over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            pass

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if "refused" in self.path:
                self.send_response(401)
                self.end_headers()
                self.wfile.write(self.headers["Authorization"].encode())
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            self._say("[Verse 1]\n\x1b[31mThe river runs\nAnd I run too\n")
            while "slow" in self.path and not is_over.wait(0.05):
                self._say("And more\n")
            self.wfile.write(b"data: [DONE]\n\n")

        def _say(self, text: str) -> None:
            event: Any = {"choices": [{"delta": {"content": text}}]}
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
            self.wfile.flush()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *words: None  # type: ignore[method-assign]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    is_over.set()
    server.shutdown()
    server.server_close()


class TestWrite:
    def test_the_words_on_stdout_and_the_label_on_stderr(self) -> None:
        result = _run("write", "--theme", "the sea", "--mood", "sad", "--seed", 3, "--form", "short")
        assert result.exit_code == 0, result.stderr
        assert result.stdout.startswith("[start]\n[verse]\n")
        assert result.stdout.endswith("[end]\n")
        assert "draft" in result.stderr
        again = _run("write", "--theme", "the sea", "--mood", "sad", "--seed", 3, "--form", "short")
        assert again.stdout == result.stdout

    def test_json_and_a_file(self, tmp_path: Path) -> None:
        out = tmp_path / "song.lrc"
        result = _run("write", "--json", "--out", out, "--seconds", 60, "--tempo", 100)
        record = json.loads(result.stdout)
        assert (record["is_draft"], record["path"]) == (True, str(out))
        assert out.read_text().startswith("[00:")

    @pytest.mark.parametrize(
        "words", [("--form", "polka"), ("--language", "xx"), ("--language", "de"), ("--seconds", 1)]
    )
    def test_what_cannot_be_written_is_a_failure(self, words: tuple[object, ...]) -> None:
        result = _run("write", "--json", *words)
        assert result.exit_code == 1
        assert json.loads(result.stdout)["error"]["type"] == "lyrics"

    @pytest.mark.parametrize(
        "words", [("--seed", -1), ("--offline", "--url", "http://a/v1"), ("--model", "tiny")]
    )
    def test_misuse(self, words: tuple[object, ...]) -> None:
        assert _run("write", *words).exit_code == 2


class TestModel:
    def test_its_words_are_plain(self, model_url: str) -> None:
        result = _run("write", "--url", f"{model_url}/v1", "--model", "tiny")
        assert result.exit_code == 0, result.stderr
        assert result.stdout == "[start]\n[verse]\nThe river runs\nAnd I run too\n[end]\n"
        assert "model tiny" in result.stderr
        assert "\x1b" not in result.stderr

    def test_the_environment_sets_it_and_offline_goes_before(
        self, model_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ANGEN_LLM_URL", f"{model_url}/v1")
        monkeypatch.setenv("ANGEN_LLM_MODEL", "tiny")
        assert json.loads(_run("write", "--json").stdout)["source"] == "model tiny"
        assert json.loads(_run("write", "--json", "--offline").stdout)["source"] == "draft writer"

    def test_a_refused_key_is_a_failure_and_is_not_shown(
        self, model_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ANGEN_LLM_KEY", KEY)
        result = _run("write", "--json", "--url", f"{model_url}/refused", "--model", "tiny")
        assert result.exit_code == 1
        assert json.loads(result.stdout)["error"]["type"] == "lyrics-endpoint-key"
        assert "secret" not in result.output

    def test_control_c_keeps_what_has_arrived(self, model_url: str) -> None:
        command = [sys.executable, "-c", "from angen.cli import main; main()", "lyrics", "write", "--json"]
        process = subprocess.Popen(
            [*command, "--url", f"{model_url}/slow", "--model", "tiny"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        process.stderr.readline()  # "writing": it waits
        threading.Timer(1.5, process.send_signal, [signal.SIGINT]).start()
        out, errors = process.communicate(timeout=20)
        assert process.returncode == 0, errors
        record = json.loads(out)
        assert record["is_partial"]
        assert "stopped on request" in record["notes"][0]
        assert "The river runs" in record["text"]


class TestOnFiles:
    @pytest.fixture
    def song(self, tmp_path: Path) -> Path:
        path = tmp_path / "song.txt"
        path.write_bytes(
            b"[Verse 1]\r\nI walk the road alone\r\nThe night is long\r\n123\r\nChorus:\r\nCarry me home (x2)\r\n"
        )
        return path

    def test_check_names_lines_syllables_and_seconds(self, song: Path) -> None:
        result = _run("check", song, "--tempo", 100, "--seconds", 5)
        assert result.exit_code == 0
        assert "line 4: no letters to sing" in result.stdout
        assert "shorten it" in result.stdout
        assert result.stdout.splitlines()[1].split()[1:4] == ["verse", "2", "10"]
        record = json.loads(_run("check", song, "--json").stdout)
        assert record["problems"][0]["line"] == 4
        assert record["time"]["syllables"] == 18

    def test_check_reads_stdin_and_fails_where_nothing_can_be_sung(self) -> None:
        assert _run("check", "-", stdin="[verse]\nhé la\n".encode()).exit_code == 0
        result = _run("check", "-", stdin=b"123\n")
        assert result.exit_code == 1
        assert "no line that can be sung" in result.stderr

    def test_continue_keeps_what_there_is_and_reports_problems(self, song: Path) -> None:
        result = _run("continue", song, "--sections", 2, "--theme", "road")
        before = read_lyrics(song.read_text()).lyrics.sections
        assert read_lyrics(result.stdout).lyrics.sections[:2] == before
        assert len(read_lyrics(result.stdout).lyrics.sections) == 4
        assert "Line 4: no letters" in result.stderr

    def test_rewrite_changes_the_section_that_is_named(self, song: Path) -> None:
        record = json.loads(_run("rewrite", song, "--section", 1, "--json").stdout)
        assert record["sections"][1]["lines"] == ["Carry me home"] * 2
        assert record["sections"][0]["lines"] != ["I walk the road alone", "The night is long"]
        assert _run("rewrite", song, "--section", 9).exit_code == 1

    def test_structure_changes_no_word(self, tmp_path: Path) -> None:
        (tmp_path / "plain").write_text("One two\nthree\n\nSing\nit\n\nFour\nfive\n\nSing\nit\n")
        result = _run("structure", tmp_path / "plain")
        tags = [line for line in result.stdout.splitlines() if line.startswith("[")]
        assert tags == ["[start]", "[verse]", "[chorus]", "[verse]", "[chorus]", "[end]"]

    @pytest.mark.parametrize("verb", ["check", "continue", "rewrite", "structure"])
    def test_a_file_that_is_not_there(self, verb: str, tmp_path: Path) -> None:
        result = _run(verb, tmp_path / "none", "--json")
        assert result.exit_code == 1
        assert "none" in json.loads(result.stdout)["error"]["message"]

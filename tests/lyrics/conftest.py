"""A language model's server that behaves, or misbehaves, as the first part of the address says."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

SONG = (
    "<think>They want a song.</think>Sure! Here are your lyrics:\n\n```\n**[Verse 1]**\nThe \x1b[31mriver runs\n"
    "And I run too\n\n[Chorus]\n<b>Carry me home</b>\nOver the sea (x2)\n```\nLet me know if you like this song!"
)


@dataclass
class ModelServer:
    """Where it is, and what it was asked."""

    port: int
    requests: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    has_left: threading.Event = field(default_factory=threading.Event)
    text: str = SONG

    def url(self, behaviour: str = "good") -> str:
        return f"http://127.0.0.1:{self.port}/{behaviour}/v1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    shared: ModelServer

    def log_message(self, *words: object) -> None:
        pass

    def do_GET(self) -> None:
        models = {"data": [{"id": "first-model"}, {"id": "second"}]}
        self._plain(200, json.dumps({"data": []} if "nomodels" in self.path else models))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.shared.requests.append((self.path, dict(self.headers), body))
        behaviour = self.path.split("/")[1]
        try:
            getattr(self, f"_{behaviour}")()
        except (BrokenPipeError, ConnectionResetError):
            self.shared.has_left.set()

    def _plain(self, status: int, body: str, kind: str = "application/json", **headers: str) -> None:
        data = body.encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def _begin(self) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Connection", "close")
        self.end_headers()

    def _send(self, text: str, *, finish: str | None = None, raw: bool = False) -> None:
        event = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}
        self.wfile.write((text if raw else f"data: {json.dumps(event)}\n\n").encode())
        self.wfile.flush()

    def _pieces(self, size: int = 7) -> list[str]:
        text = self.shared.text
        return [text[at : at + size] for at in range(0, len(text), size)]

    def _good(self) -> None:
        self._begin()
        self._send(": hello\nevent: message\nid: 1\n", raw=True)
        self._send(
            'data: {"choices": [{"delta": {"role": "assistant", "reasoning_content": "hm"}}]}\r\n\r\n',
            raw=True,
        )
        for piece in self._pieces():
            self._send(piece)
        self._send("", finish="stop")
        self._send('data: {"choices": [], "usage": {"total_tokens": 9}}\n\ndata: [DONE]\n\n', raw=True)

    def _bytewise(self) -> None:
        self._begin()
        for piece in self._pieces(40):
            event = json.dumps({"choices": [{"delta": {"content": piece}}]}, ensure_ascii=False)
            for byte in f"data: {event}\r\n\r\n".encode():
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
        self._send("data: [DONE]\n", raw=True)

    def _whole(self) -> None:
        message = {"message": {"role": "assistant", "content": self.shared.text}, "finish_reason": "stop"}
        self._plain(200, json.dumps({"choices": [message]}))

    def _length(self) -> None:
        self._begin()
        self._send("[verse]\nOne line\nAnother that is cu", finish="length")
        self._send("data: [DONE]\n\n", raw=True)

    def _dropped(self) -> None:
        self._begin()
        self._send("[verse]\nThis has arrived\nThis is bro")
        self._send('data: {"choices": [{"del', raw=True)

    def _reset(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        event = 'data: {"choices": [{"delta": {"content": "[verse]\\nThis has arrived\\nBro"}}]}\n\n'
        self.wfile.write(f"{len(event):x}\r\n{event}\r\n7f\r\nhalf of".encode())
        self.close_connection = True

    def _nothing(self) -> None:
        self._begin()

    def _silent(self) -> None:
        self._begin()
        self.shared.has_left.wait(5)

    def _slow(self) -> None:
        self._begin()
        for number in range(400):
            self._send(f"line number {number} of many\n" if number else "[verse]\n")
            time.sleep(0.02)

    def _endless(self) -> None:
        self._begin()
        while True:
            self._send("la la la\n" * 50)

    def _longline(self) -> None:
        self._begin()
        while True:
            self._send("data: " + "x" * 100_000, raw=True)

    def _failing(self) -> None:
        self._begin()
        self._send("[verse]\nThis has arrived\n")
        self._send('data: {"error": {"message": "out of memory"}}\n\n', raw=True)

    def _notjson(self) -> None:
        self._begin()
        self._send("data: {oops\n\n", raw=True)

    def _html(self) -> None:
        self._plain(200, "<html><script>alert(1)</script>welcome</html>", "text/html")

    def _strange(self) -> None:
        self._plain(200, '{"answer": 42}')

    def _gzip(self) -> None:
        self._plain(200, "garbage", "text/event-stream", Content_Encoding="gzip")

    def _deep(self) -> None:
        self._plain(200, "[" * 100_000)

    def _badkey(self) -> None:
        key = self.headers.get("Authorization", "")
        self._plain(401, json.dumps({"error": {"message": f"Incorrect API key provided: {key}"}}))

    def _nomodel(self) -> None:
        self._plain(404, '{"error": {"message": "model \\u001b[31m\'x\' not found"}}')

    def _busy(self) -> None:
        self._plain(429, '{"error": "slow down"}', Retry_After="12")

    def _broken(self) -> None:
        key = self.headers.get("Authorization", "")
        self._plain(500, f"crash while serving {key} " + "x" * 10_000, "text/plain")

    def _elsewhere(self) -> None:
        self._plain(302, "", Location=self.shared.url("good") + "/chat/completions")


@pytest.fixture
def model_server() -> Iterator[ModelServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    shared = ModelServer(server.server_address[1])
    server.RequestHandlerClass = type("Handler", (_Handler,), {"shared": shared})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield shared
    shared.has_left.set()
    server.shutdown()
    server.server_close()

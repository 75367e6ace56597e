from __future__ import annotations

import socket
import threading
import time

import pytest

from angen.errors import LyricsError
from angen.lyrics.chat import chat
from angen.lyrics.endpoint import (
    Endpoint,
    EndpointBusyError,
    EndpointError,
    EndpointFailedError,
    EndpointKeyError,
    EndpointModelError,
    EndpointReplyError,
    EndpointTimeoutError,
    EndpointUnreachableError,
    refusal,
)

KEY = "sk-very-secret-0123456789"
ASK = [{"role": "user", "content": "Sing!"}]


def _endpoint(server, behaviour: str, **bounds: float) -> Endpoint:  # type: ignore[no-untyped-def]
    return Endpoint(server.url(behaviour), "tiny", KEY, **{"timeout_s": 5.0, **bounds})  # type: ignore[arg-type]


class TestWholeAnswers:
    @pytest.mark.parametrize("behaviour", ["good", "bytewise", "whole"])
    def test_arrive_exactly(self, model_server, behaviour: str) -> None:  # type: ignore[no-untyped-def]
        model_server.text += " – 歌 🎵"
        pieces: list[str] = []
        reply = chat(_endpoint(model_server, behaviour), ASK, on_text=pieces.append)
        assert (reply.text, reply.model, reply.stopped) == (model_server.text, "tiny", "")
        assert "".join(pieces) == reply.text

    def test_come_piece_by_piece(self, model_server) -> None:  # type: ignore[no-untyped-def]
        pieces: list[str] = []
        chat(_endpoint(model_server, "good"), ASK, on_text=pieces.append)
        assert len(pieces) > 10

    def test_the_request_is_of_the_protocol(self, model_server) -> None:  # type: ignore[no-untyped-def]
        chat(_endpoint(model_server, "good", temperature=0.3), ASK)
        path, headers, body = model_server.requests[0]
        assert path == "/good/v1/chat/completions"
        assert headers["Authorization"] == f"Bearer {KEY}"
        assert body == {"model": "tiny", "messages": ASK, "stream": True, "temperature": 0.3}

    def test_without_a_key_none_is_sent(self, model_server) -> None:  # type: ignore[no-untyped-def]
        chat(Endpoint(model_server.url(), "tiny"), ASK)
        assert "Authorization" not in model_server.requests[0][1]

    def test_without_a_model_the_first_of_the_server_is_asked(self, model_server) -> None:  # type: ignore[no-untyped-def]
        assert chat(Endpoint(model_server.url()), ASK).model == "first-model"
        with pytest.raises(EndpointModelError, match="which models"):
            chat(Endpoint(model_server.url("nomodels")), ASK)


class TestPartialAnswers:
    @pytest.mark.parametrize(
        ("behaviour", "arrived", "why"),
        [
            ("dropped", "[verse]\nThis has arrived\nThis is bro", "broke off"),
            ("reset", "[verse]\nThis has arrived\nBro", "broke"),
            ("failing", "[verse]\nThis has arrived\n", "out of memory"),
            ("length", "[verse]\nOne line\nAnother that is cu", "length limit"),
        ],
    )
    def test_what_arrived_is_kept(self, model_server, behaviour: str, arrived: str, why: str) -> None:  # type: ignore[no-untyped-def]
        reply = chat(_endpoint(model_server, behaviour), ASK)
        assert reply.text == arrived
        assert why in reply.stopped

    def test_a_stop_is_followed_at_once_and_the_connection_closed(self, model_server) -> None:  # type: ignore[no-untyped-def]
        pieces: list[str] = []
        start = time.monotonic()
        reply = chat(
            _endpoint(model_server, "slow"), ASK, on_text=pieces.append, should_stop=lambda: len(pieces) >= 3
        )
        assert time.monotonic() - start < 4
        assert reply.stopped == "stopped on request"
        assert reply.text.startswith("[verse]\nline number 1")
        assert model_server.has_left.wait(3)

    def test_a_stop_is_followed_while_the_server_is_silent(self, model_server) -> None:  # type: ignore[no-untyped-def]
        asked = threading.Event()
        threading.Timer(0.2, asked.set).start()
        start = time.monotonic()
        reply = chat(_endpoint(model_server, "silent"), ASK, should_stop=asked.is_set)
        assert time.monotonic() - start < 4
        assert (reply.text, reply.stopped) == ("", "stopped on request")

    def test_time_and_length_are_bounded(self, model_server) -> None:  # type: ignore[no-untyped-def]
        start = time.monotonic()
        reply = chat(_endpoint(model_server, "slow", longest_s=0.5), ASK)
        assert time.monotonic() - start < 4
        assert "not done after 0.5 s" in reply.stopped
        reply = chat(_endpoint(model_server, "endless", most_chars=1000), ASK)
        assert len(reply.text) == 1000
        assert "1000 characters" in reply.stopped

    def test_an_error_of_the_callers_own_ends_the_request(self, model_server) -> None:  # type: ignore[no-untyped-def]
        def fail(piece: str) -> None:
            raise RuntimeError("mine")

        with pytest.raises(RuntimeError, match="mine"):
            chat(_endpoint(model_server, "endless"), ASK, on_text=fail)
        assert model_server.has_left.wait(3)


class TestErrors:
    @pytest.mark.parametrize(
        ("behaviour", "error", "match"),
        [
            ("badkey", EndpointKeyError, "does not accept the key"),
            ("nomodel", EndpointModelError, "no model 'tiny'"),
            ("busy", EndpointBusyError, "busy"),
            ("broken", EndpointFailedError, "500"),
            ("elsewhere", EndpointFailedError, "elsewhere"),
            ("nothing", EndpointReplyError, "broke off"),
            ("notjson", EndpointReplyError, "OpenAI-compatible"),
            ("html", EndpointReplyError, "OpenAI-compatible"),
            ("strange", EndpointReplyError, "OpenAI-compatible"),
            ("deep", EndpointReplyError, "OpenAI-compatible"),
            ("gzip", EndpointReplyError, "compressed"),
            ("longline", EndpointReplyError, "1 MB"),
        ],
    )
    def test_have_a_type_a_remedy_and_never_the_key(  # type: ignore[no-untyped-def]
        self,
        model_server,
        behaviour: str,
        error: type[EndpointError],
        match: str,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        endpoint = _endpoint(model_server, behaviour)
        with pytest.raises(error, match=match) as caught:
            chat(endpoint, ASK)
        assert type(caught.value) is error
        shown = f"{caught.value!r} {caught.value} {caught.value.as_dict()} {endpoint!r} {''.join(capfd.readouterr())}"
        chain: BaseException | None = caught.value
        while chain is not None:
            shown += str(chain)
            chain = chain.__cause__ or chain.__context__
        assert "very-secret" not in shown
        assert "\x1b" not in str(caught.value)
        assert caught.value.remedy
        assert len(str(caught.value)) < 600

    def test_the_key_does_not_follow_a_redirect(self, model_server) -> None:  # type: ignore[no-untyped-def]
        with pytest.raises(EndpointFailedError):
            chat(_endpoint(model_server, "elsewhere"), ASK)
        assert [path for path, _, _ in model_server.requests] == ["/elsewhere/v1/chat/completions"]

    def test_a_busy_server_says_when(self, model_server) -> None:  # type: ignore[no-untyped-def]
        with pytest.raises(EndpointBusyError) as caught:
            chat(_endpoint(model_server, "busy"), ASK)
        assert caught.value.retry_after_s == 12
        assert "in 12 s" in caught.value.remedy

    @pytest.mark.parametrize(
        ("header", "low", "high"),
        [("3", 3, 3), ("Fri, 31 Dec 2100 23:59:59 GMT", 1e9, 1e10), ("Fri, 31 Dec 1999 23:59:59 GMT", 0, 0)],
    )
    def test_forms_of_retry_after(self, header: str, low: float, high: float) -> None:
        error = refusal(Endpoint("http://a/v1"), 503, {"retry-after": header}, b"")
        assert isinstance(error, EndpointBusyError)
        assert low <= (error.retry_after_s or 0) <= high
        without = refusal(Endpoint("http://a/v1"), 429, {"retry-after": "soon"}, b"")
        assert isinstance(without, EndpointBusyError)
        assert without.retry_after_s is None

    def test_nobody_there(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with pytest.raises(EndpointUnreachableError, match="cannot be reached") as caught:
            chat(Endpoint(f"http://127.0.0.1:{port}/v1", "tiny", KEY), ASK)
        assert "--offline" in caught.value.remedy

    def test_a_silent_server(self, model_server) -> None:  # type: ignore[no-untyped-def]
        with pytest.raises(EndpointTimeoutError, match=r"silent for 0\.3 s"):
            chat(_endpoint(model_server, "silent", timeout_s=0.3), ASK)
        with pytest.raises(EndpointTimeoutError, match=r"nothing in 0\.3 s"):
            chat(_endpoint(model_server, "silent", longest_s=0.3), ASK)


class TestEndpoint:
    @pytest.mark.parametrize(
        "url",
        [
            "",
            "ollama",
            "ftp://a/v1",
            "file:///etc/passwd",
            "http://",
            "http://a:99999/v1",
            "http://u:p@a/v1",
            "http://a/v1?key=x",
            "http://a/\nv1",
        ],
    )
    def test_addresses_that_are_none(self, url: str) -> None:
        with pytest.raises(LyricsError, match="address of the language model") as caught:
            Endpoint(url)
        assert "u:p" not in str(caught.value)

    @pytest.mark.parametrize("url", ["http://a/v1", "http://a/v1/", " http://a/v1/chat/completions "])
    def test_addresses_as_people_write_them(self, url: str) -> None:
        assert Endpoint(url).address == "http://a/v1"

    @pytest.mark.parametrize(
        "values",
        [
            {"timeout_s": 0},
            {"most_chars": 0},
            {"temperature": 3},
            {"longest_s": float("nan")},
            {"key": "a\nb"},
        ],
    )
    def test_values_out_of_range(self, values: dict[str, object]) -> None:
        with pytest.raises(LyricsError):
            Endpoint("http://a/v1", **values)  # type: ignore[arg-type]

    def test_a_proxy_never_stands_before_this_machine(
        self, model_server, monkeypatch: pytest.MonkeyPatch
    ) -> None:  # type: ignore[no-untyped-def]
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
        assert chat(_endpoint(model_server, "good"), ASK).text == model_server.text

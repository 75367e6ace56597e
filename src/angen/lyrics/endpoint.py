"""A language model behind an OpenAI-compatible address: Ollama, llama.cpp, vLLM, LM Studio, or a hosted one.

One question, one streamed answer. It is bounded in time and size, can be stopped at any moment, and the key is
never written anywhere but into the request's header.

    EndpointError (a LyricsError)
    ├── EndpointUnreachableError   no connection
    ├── EndpointTimeoutError       connected, but nothing came in time
    ├── EndpointKeyError           401, 403
    ├── EndpointModelError         404: no such model or address
    ├── EndpointBusyError          429, 503: `retry_after_s`
    ├── EndpointFailedError        any other refusal
    └── EndpointReplyError         an answer that is not of this protocol
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from angen.errors import LyricsError
from angen.lyrics.lines import clean_text

__all__ = [
    "Endpoint",
    "EndpointBusyError",
    "EndpointError",
    "EndpointFailedError",
    "EndpointKeyError",
    "EndpointModelError",
    "EndpointReplyError",
    "EndpointTimeoutError",
    "EndpointUnreachableError",
    "Message",
    "refusal",
]

Message = Mapping[str, str]


class EndpointError(LyricsError):
    """A language model did not answer as it should."""

    code = "lyrics-endpoint"


class EndpointUnreachableError(EndpointError):
    """There is no connection to the address."""

    code = "lyrics-endpoint-unreachable"


class EndpointTimeoutError(EndpointError):
    """Nothing came in time."""

    code = "lyrics-endpoint-timeout"


class EndpointKeyError(EndpointError):
    """The key is missing, or not accepted."""

    code = "lyrics-endpoint-key"


class EndpointModelError(EndpointError):
    """No such model, or no such address."""

    code = "lyrics-endpoint-model"


class EndpointBusyError(EndpointError):
    """Too many requests; `retry_after_s` is what the server says, or None."""

    code = "lyrics-endpoint-busy"

    def __init__(self, message: str, *, remedy: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after_s = retry_after_s


class EndpointFailedError(EndpointError):
    """The server refused or failed."""

    code = "lyrics-endpoint-failed"


class EndpointReplyError(EndpointError):
    """The answer is not of this protocol."""

    code = "lyrics-endpoint-reply"


@dataclass(frozen=True)
class Endpoint:
    """Where a model is, and how much of it we take.

    Args:
        base_url: The address before `/chat/completions`, like http://127.0.0.1:11434/v1.
        model: Its name there; empty for the first that the server lists.
        key: The bearer token; None for none. Never shown.
        timeout_s: Longest wait for the connection and between two pieces of the answer.
        longest_s: Longest time for the whole answer.
        most_chars: Longest answer; what is beyond is not read.
        temperature: Of the model's choices.

    Raises:
        LyricsError: If the address is not one of http or https, or holds a password; or a bound is out of range.
    """

    base_url: str
    model: str = ""
    key: str | None = field(default=None, repr=False)
    timeout_s: float = 60.0
    longest_s: float = 300.0
    most_chars: int = 40_000
    temperature: float = 0.8

    def __post_init__(self) -> None:
        """Check the values."""
        remedy = "Give something like http://127.0.0.1:11434/v1."
        try:
            parts = urlsplit(self.base_url.strip())
            is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_address = False
        if not is_address or not self.base_url.isprintable():
            raise LyricsError("The address of the language model is not one of http or https.", remedy=remedy)
        if parts.username or parts.password or parts.query or parts.fragment:
            raise LyricsError(
                "The address of the language model holds a user, a password or a query.",
                remedy=remedy + " A key goes into ANGEN_LLM_KEY.",
            )
        if self.key is not None and not (self.key.isascii() and self.key.isprintable()):
            raise LyricsError("The key has characters that no header may have.", remedy="Copy it again.")
        bounds = {
            "timeout_s": (self.timeout_s, 0.01, 3600),
            "longest_s": (self.longest_s, 0.01, 36_000),
            "most_chars": (self.most_chars, 1, 1_000_000),
            "temperature": (self.temperature, 0, 2),
        }
        for name, (value, low, high) in bounds.items():
            if not low <= value <= high:
                raise LyricsError(
                    f"{name} is {value!r}; expected {low} to {high}.", remedy="Change it and try again."
                )

    @property
    def address(self) -> str:
        """The base address without a slash at its end."""
        return self.base_url.strip().rstrip("/").removesuffix("/chat/completions")

    @property
    def is_local(self) -> bool:
        """Whether it is this machine, which no proxy must stand before."""
        host = urlsplit(self.address).hostname or ""
        return host in ("localhost", "::1") or host.startswith("127.")

    def headers(self) -> dict[str, str]:
        """Of every request; the only place where the key goes."""
        plain = {"Accept": "text/event-stream, application/json", "Accept-Encoding": "identity"}
        return plain | ({"Authorization": f"Bearer {self.key}"} if self.key else {})

    def body(self, messages: Sequence[Message]) -> dict[str, Any]:
        """Of a chat request."""
        return {
            "model": self.model,
            "messages": [dict(message) for message in messages],
            "stream": True,
            "temperature": self.temperature,
        }

    def without_key(self, text: str) -> str:
        """A server's own words, harmless to show: short, plain, and the key taken out."""
        if self.key:
            text = text.replace(self.key, "***")
        text = re.sub(r"\b(?:sk|key|Bearer)[-_ ][\w*.-]{6,}", "***", text)
        return clean_text(text)[:200]


def refusal(endpoint: Endpoint, status: int, headers: Mapping[str, str], body: bytes) -> EndpointError:
    """The error for a status that is not 200."""
    said = endpoint.without_key(_message(body))
    quoted = f" It says: {said!r}." if said else ""
    where = endpoint.address
    if status in (401, 403):  # such messages often repeat the key: say nothing of them
        return EndpointKeyError(
            f"{where} does not accept the key ({status}).",
            remedy="Set ANGEN_LLM_KEY to a valid key for this server.",
        )
    if status == 404:
        return EndpointModelError(
            f"{where} has no model {endpoint.model!r}, or is not the right address (404).{quoted}",
            remedy="Check --model (for Ollama: 'ollama list') and that --url ends before /chat/completions.",
        )
    if status in (429, 503):
        wait = _seconds(headers.get("retry-after", ""))
        when = f"in {wait:g} s" if wait is not None else "later"
        return EndpointBusyError(
            f"{where} is busy ({status}).{quoted}", remedy=f"Try again {when}.", retry_after_s=wait
        )
    if 300 <= status < 400:
        return EndpointFailedError(
            f"{where} sends us elsewhere ({status}), and the key goes nowhere else.",
            remedy="Give the address it really has.",
        )
    return EndpointFailedError(
        f"{where} failed ({status}).{quoted}", remedy="See the server's log, or use --offline."
    )


def _message(body: bytes) -> str:
    text = body[:20_000].decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return "" if text.lstrip().startswith("<") else text
    error = value.get("error", value) if isinstance(value, dict) else value
    message = error.get("message") if isinstance(error, dict) else error
    return message if isinstance(message, str) else ""


def _seconds(text: str) -> float | None:
    """The seconds of a Retry-After header, a number or a date; None if it is neither."""
    text = text.strip()
    if re.fullmatch(r"\d{1,6}(?:\.\d+)?", text):
        return float(text)
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return None

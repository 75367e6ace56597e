"""A model's answer as it comes over the wire: bounded bytes, lines, server-sent events, and what they say."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from angen.lyrics.endpoint import Endpoint, EndpointFailedError, EndpointReplyError

if TYPE_CHECKING:
    import httpx

__all__ = ["bounded", "choice", "parsed", "server_events", "why_not_whole"]

_LONGEST_EVENT_BYTES = 1_000_000
_MOST_BYTES = 32_000_000


async def bounded(response: httpx.Response) -> AsyncIterator[bytes]:
    """The body's bytes, at most 32 MB. Compressed bodies are refused: we asked for none."""
    if response.headers.get("content-encoding", "identity").lower() not in ("identity", ""):
        raise EndpointReplyError(
            "The answer is compressed, though none was asked for.", remedy="See the server's settings."
        )
    total = 0
    async for chunk in response.aiter_raw():
        total += len(chunk)
        if total > _MOST_BYTES:
            raise EndpointReplyError(
                f"The answer is larger than {_MOST_BYTES} bytes.", remedy="See the server's log."
            )
        yield chunk


async def server_events(response: httpx.Response, endpoint: Endpoint) -> AsyncIterator[Any]:
    """The values of a stream of server-sent events; None for `[DONE]`."""
    data = ""
    async for line in _lines(response):
        if line.startswith("data:"):
            data += line[5:].strip()
            if data == "[DONE]":
                yield None
                return
            whole, value = _whole(data)
            if whole:
                yield value
                data = ""
        elif not line and data:
            raise _malformed(endpoint, data)
        elif line and not line.startswith((":", "event:", "id:", "retry:")):
            raise _malformed(endpoint, line)


async def _lines(response: httpx.Response) -> AsyncIterator[str]:
    """The body's lines, without their ends; an event without an end was broken off and is left out."""
    buffer = b""
    async for chunk in bounded(response):
        *lines, buffer = (buffer + chunk).split(b"\n")
        if len(buffer) > _LONGEST_EVENT_BYTES:
            raise EndpointReplyError(
                "A line of the answer is longer than 1 MB.", remedy="See the server's log."
            )
        for line in lines:
            yield line.rstrip(b"\r").decode("utf-8", "replace")
    if buffer and not buffer.startswith(b"data:"):
        yield buffer.decode("utf-8", "replace")


def _whole(data: str) -> tuple[bool, Any]:
    """Whether an event's data is whole, and its value; the rest may come in a further line of the same event."""
    try:
        return True, json.loads(data)
    except (ValueError, RecursionError):
        return False, None


def parsed(text: str, endpoint: Endpoint) -> Any:
    """The value of JSON; an `EndpointReplyError` if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _malformed(endpoint, text) from None


def _malformed(endpoint: Endpoint, text: str) -> EndpointReplyError:
    return EndpointReplyError(
        f"{endpoint.address} does not answer as an OpenAI-compatible server: {endpoint.without_key(text)[:80]!r}.",
        remedy="Check --url; it usually ends in /v1.",
    )


def choice(value: Any, endpoint: Endpoint) -> tuple[str, str]:
    """The text and the finish reason of one event or answer."""
    if not isinstance(value, dict):
        raise _malformed(endpoint, json.dumps(value))
    if value.get("error"):
        error = value["error"]
        said = error.get("message", "") if isinstance(error, dict) else error
        raise EndpointFailedError(
            f"{endpoint.address} failed: {endpoint.without_key(str(said))!r}.", remedy="See the server's log."
        )
    choices = value.get("choices")
    if not isinstance(choices, list):
        raise _malformed(endpoint, json.dumps(value))
    if not choices or not isinstance(choices[0], dict):
        return "", ""  # an event of usage only
    part = choices[0].get("delta") or choices[0].get("message") or {}
    content = part.get("content") if isinstance(part, dict) else None
    reason = choices[0].get("finish_reason")
    return content if isinstance(content, str) else "", reason if isinstance(reason, str) else ""


def why_not_whole(reason: str) -> str:
    """A finish reason as why the answer is not whole; empty if it is."""
    return {"length": "the model's own length limit", "content_filter": "the server's content filter"}.get(
        reason, ""
    )

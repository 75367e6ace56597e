"""Ask a language model and take its streamed answer, piece by piece.

The network runs in a thread of its own, so that the caller can stop at any moment, whatever the server does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from angen.lyrics.endpoint import (
    Endpoint,
    EndpointError,
    EndpointModelError,
    EndpointReplyError,
    EndpointTimeoutError,
    EndpointUnreachableError,
    Message,
    refusal,
)
from angen.lyrics.wire import bounded, choice, parsed, server_events, why_not_whole

if TYPE_CHECKING:
    import httpx

__all__ = ["Reply", "chat"]

_POLL_S = 0.05


@dataclass(frozen=True)
class Reply:
    """What a model said.

    Attributes:
        text: Its words, as they came: not to be trusted.
        model: Its name.
        stopped: Why the answer is not whole, as a phrase; empty for a whole one.
    """

    text: str
    model: str
    stopped: str = ""


def chat(
    endpoint: Endpoint,
    messages: Sequence[Message],
    *,
    on_text: Callable[[str], None] = lambda piece: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Reply:
    """Ask, and wait for the answer.

    An answer that breaks off (the connection, a time limit, a length limit, `should_stop`) is returned with what had
    arrived; only where nothing had, an error is raised.

    Args:
        endpoint: The model.
        messages: Records of `role` and `content`.
        on_text: Told of every piece, as it came; in the caller's thread.
        should_stop: Asked about twenty times a second.

    Raises:
        EndpointError: One of its kinds, if there is no answer at all.
    """
    events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    answer = _Answer(endpoint, on_text)
    deadline = time.monotonic() + endpoint.longest_s
    cancel = _start(endpoint, messages, events)
    try:
        while not answer.is_done:
            if should_stop():
                answer.stop("stopped on request")
            elif time.monotonic() > deadline:
                answer.stop(f"not done after {endpoint.longest_s:g} s")
            else:
                with contextlib.suppress(queue.Empty):
                    answer.take(*events.get(timeout=_POLL_S))
    finally:
        cancel()
    if not answer.text.strip() and answer.stopped.startswith("not done"):
        raise EndpointTimeoutError(
            f"{endpoint.address} said nothing in {endpoint.longest_s:g} s.",
            remedy="Give it more time, or a smaller model.",
        )
    return Reply(answer.text, answer.model, answer.stopped)


class _Answer:
    """What has arrived of an answer."""

    def __init__(self, endpoint: Endpoint, on_text: Callable[[str], None]) -> None:
        self.model, self.text, self.stopped, self.is_done = endpoint.model, "", "", False
        self._most_chars, self._on_text = endpoint.most_chars, on_text

    def stop(self, reason: str) -> None:
        """It is over; the reason is empty for a whole answer."""
        self.stopped, self.is_done = reason, True

    def take(self, kind: str, value: Any) -> None:
        """Take an event of the thread that asks."""
        if kind == "text":
            piece = value[: self._most_chars - len(self.text)]
            self.text += piece
            self._on_text(piece)
            if len(self.text) >= self._most_chars:
                self.stop(f"longer than {self._most_chars} characters")
        elif kind == "model":
            self.model = value
        elif kind == "done":
            self.stop(value)
        elif self.text.strip():  # an error, but something has arrived
            self.stop(value.message)
        else:
            raise value


def _start(
    endpoint: Endpoint, messages: Sequence[Message], events: queue.SimpleQueue[tuple[str, Any]]
) -> Callable[[], None]:
    """Begin to ask in a thread; the function given ends it."""
    ready = threading.Event()
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = []

    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        running.append((asyncio.get_running_loop(), task))
        ready.set()
        try:
            await _ask(endpoint, messages, events)
        except asyncio.CancelledError:
            return
        except EndpointError as error:
            events.put(("error", error))
        except Exception as error:  # noqa: BLE001 - the caller waits for an event, whatever happened in this thread
            text = endpoint.without_key(f"{type(error).__name__}: {error}")
            events.put(
                ("error", EndpointReplyError(f"The answer of {endpoint.address} cannot be read: {text}"))
            )

    threading.Thread(target=lambda: asyncio.run(work()), daemon=True, name="angen-llm").start()

    def cancel() -> None:
        if ready.wait(5) and running:
            loop, task = running[0]
            if not loop.is_closed():
                try:
                    loop.call_soon_threadsafe(task.cancel)
                except RuntimeError:  # it closed in between: it is done
                    return

    return cancel


async def _ask(
    endpoint: Endpoint, messages: Sequence[Message], events: queue.SimpleQueue[tuple[str, Any]]
) -> None:
    import httpx

    limits = httpx.Timeout(endpoint.timeout_s)
    try:
        async with httpx.AsyncClient(
            timeout=limits,
            follow_redirects=False,
            trust_env=not endpoint.is_local,
            headers=endpoint.headers(),
        ) as client:
            body = endpoint.body(messages)
            if not endpoint.model:
                body["model"] = await _first_model(client, endpoint)
                events.put(("model", body["model"]))
            request = client.build_request("POST", f"{endpoint.address}/chat/completions", json=body)
            response = await client.send(request, stream=True)
            try:
                await _follow(response, endpoint, events)
            finally:
                await response.aclose()
    except httpx.ConnectTimeout as error:
        raise _unreachable(endpoint, "no connection in time") from error
    except httpx.TimeoutException as error:
        raise EndpointTimeoutError(
            f"{endpoint.address} was silent for {endpoint.timeout_s:g} s.",
            remedy="A model that is being loaded may need longer: raise the time limit.",
        ) from error
    except (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise _unreachable(endpoint, str(error)) from error
    except httpx.HTTPError as error:
        raise EndpointReplyError(
            f"The connection to {endpoint.address} broke: {endpoint.without_key(str(error)) or type(error).__name__}.",
            remedy="Try again; see the server's log.",
        ) from error


def _unreachable(endpoint: Endpoint, why: str) -> EndpointUnreachableError:
    return EndpointUnreachableError(
        f"{endpoint.address} cannot be reached: {endpoint.without_key(why)}.",
        remedy="Start the server, check --url or ANGEN_LLM_URL, or use --offline.",
    )


async def _first_model(client: httpx.AsyncClient, endpoint: Endpoint) -> str:
    response = await client.send(client.build_request("GET", f"{endpoint.address}/models"), stream=True)
    try:
        body = b"".join([chunk async for chunk in bounded(response)])
    finally:
        await response.aclose()
    if response.status_code != 200:
        raise refusal(endpoint, response.status_code, response.headers, body)
    try:
        names = [entry["id"] for entry in json.loads(body)["data"]]
        name = next(name for name in names if isinstance(name, str) and name)
    except (ValueError, TypeError, KeyError, StopIteration, RecursionError) as error:
        raise EndpointModelError(
            f"{endpoint.address} does not say which models it has.",
            remedy="Name one with --model or ANGEN_LLM_MODEL.",
        ) from error
    return str(name)


async def _follow(
    response: httpx.Response, endpoint: Endpoint, events: queue.SimpleQueue[tuple[str, Any]]
) -> None:
    """Turn a response into events: texts, then `done` with the reason it is not whole, or an error."""
    if response.status_code != 200:
        body = b""
        async for chunk in bounded(response):
            body += chunk
            if len(body) > 20_000:
                break
        raise refusal(endpoint, response.status_code, response.headers, body)
    if "json" in response.headers.get("content-type", ""):
        body = b"".join([chunk async for chunk in bounded(response)])
        text, reason = choice(parsed(body.decode("utf-8", "replace"), endpoint), endpoint)
        events.put(("text", text))
        events.put(("done", why_not_whole(reason or "stop")))
        return
    reason = ""
    async for value in server_events(response, endpoint):
        if value is None:
            reason = reason or "stop"
            break
        text, ended = choice(value, endpoint)
        reason = ended or reason
        if text:
            events.put(("text", text))
    if not reason:
        raise EndpointReplyError(
            f"{endpoint.address} broke off midway.", remedy="Try again; see the server's log."
        )
    events.put(("done", why_not_whole(reason)))

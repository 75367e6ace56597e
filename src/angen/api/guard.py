"""What every request passes before any route, the page's too: name, origin, token, size; and what is counted of it.

It is plain ASGI, so that nothing of a body or a stream is held back.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from angen.api.access import Access
from angen.api.counting import Counts
from angen.api.problems import problem_response, refusal

__all__ = ["BODY_BYTES", "OPEN_PATHS", "UPLOAD_BYTES", "Guard"]

BODY_BYTES = 16 * 2**20
UPLOAD_BYTES = 8 * 2**30
IDLE_S = 60.0
_DRAIN_BYTES, _DRAIN_S = 64 * 2**20, 1.0
OPEN_PATHS = ("/login", "/api/v1/session", "/api/v1/health", "/static/api/login.js", "/static/api/front.css")
"""What a stranger may ask for: how to stop being one, and whether the server is well."""
_SAFE = ("GET", "HEAD", "OPTIONS")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "SAMEORIGIN",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """ASGI middleware around the whole app.

    Args:
        app: What it guards.
        access: Who may come in.
        counts: Where requests are counted.
        upload_bytes: Longest body of a binary upload, and of what the page sends; others may have `BODY_BYTES`.
        idle_s: How long a client may take between two pieces of a body.
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        counts: Counts,
        *,
        upload_bytes: int = UPLOAD_BYTES,
        idle_s: float = IDLE_S,
    ) -> None:
        self.app, self.access, self.counts = app, access, counts
        self.upload_bytes, self.idle_s = upload_bytes, idle_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        refused = self._refused(request, scope)
        if scope["type"] == "websocket":
            if refused is not None:
                await send({"type": "websocket.close", "code": 1008})
            else:
                await self.app(scope, receive, send)
            return
        body = _Body(receive, self._most_bytes(request), self.idle_s)
        answer = _Answer(send, body, scope["path"])
        started_s = time.perf_counter()
        try:
            if refused is not None:
                await refused(scope, receive, answer)
            elif body.is_declared_too_long(request.headers.get("content-length")):
                body.fault = 413
                await answer.refuse()
            else:
                await self.app(scope, body, answer)
            if body.fault and not answer.status:
                await answer.refuse()
        except Exception as error:
            if answer.status:
                raise  # half an answer is out: the connection is all that is left to end
            await refusal(error, Request(scope))(scope, receive, answer)
        finally:
            self.counts.request(scope, answer.status, time.perf_counter() - started_s)

    def _refused(self, request: HTTPConnection, scope: Scope) -> Response | None:
        """What a request is answered that may not pass."""
        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        path, method = scope["path"], scope.get("method", "GET")
        if not self.access.answers_to(host):
            return problem_response(
                400, "This server does not go by that name.", code="unknown-host", instance=path,
                remedy="Use its address, or start it with --name.",
            )  # fmt: skip
        if method not in _SAFE or scope["type"] == "websocket":
            is_foreign = origin is not None and not self.access.is_same_origin(origin, host)
            if is_foreign or (origin is None and request.headers.get("sec-fetch-site") == "cross-site"):
                return problem_response(
                    403, "A page of another origin may not change anything here.", code="foreign-origin",
                    instance=path, remedy="Start the server with --origin for that page.",
                )  # fmt: skip
        is_preflight = method == "OPTIONS" and origin in self.access.origins
        if path in OPEN_PATHS or is_preflight or self.access.user_of(request) is not None:
            return None
        if method == "GET" and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(f"/login?next={quote(path)}", 303)
        return problem_response(
            401, "A token is needed.", code="unauthorized", instance=path,
            remedy="Send 'Authorization: Bearer TOKEN', or sign in at /login.", headers={"WWW-Authenticate": "Bearer"},
        )  # fmt: skip

    def _most_bytes(self, request: HTTPConnection) -> int:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        is_words = request.url.path.startswith("/api/") and (
            kind.endswith("json") or kind.startswith("text/") or kind == "application/x-www-form-urlencoded"
        )
        return BODY_BYTES if is_words else self.upload_bytes


class _Body:
    """A request's body, counted as it comes; one that is too long or too slow ends there."""

    def __init__(self, receive: Receive, most: int, idle_s: float) -> None:
        self.receive, self.most, self.idle_s = receive, most, idle_s
        self.count, self.is_whole = 0, False
        self.fault = 0

    def is_declared_too_long(self, length: str | None) -> bool:
        return length is not None and length.isdecimal() and int(length) > self.most

    async def __call__(self) -> Message:
        if self.fault:
            return {"type": "http.disconnect"}
        if self.is_whole:
            return await self.receive()
        try:
            message = await asyncio.wait_for(self.receive(), self.idle_s)
        except TimeoutError:
            self.fault = 408
            return {"type": "http.disconnect"}
        if message["type"] == "http.request":
            self.count += len(message.get("body", b""))
            self.is_whole = not message.get("more_body", False)
            if self.count > self.most:
                self.fault = 413
                return {"type": "http.disconnect"}
        return message

    async def drain(self) -> None:
        """Read on for a while, and keep nothing."""
        left = _DRAIN_BYTES
        with suppress(TimeoutError):
            while left > 0 and self.fault == 413 and not self.is_whole:
                message = await asyncio.wait_for(self.receive(), _DRAIN_S)
                left -= len(message.get("body", b""))
                self.is_whole = not message.get("more_body", False)


class _Answer:
    """What is sent: with our headers, and in place of any other answer what is wrong with the body."""

    def __init__(self, send: Send, body: _Body, path: str) -> None:
        self.send, self.body, self.path = send, body, path
        self.status, self.is_replaced = 0, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if self.body.fault:
                await self.refuse()
                return
            await self._headed(message)
        elif not self.is_replaced:
            await self.send(message)

    async def refuse(self) -> None:
        """Say what is wrong with the body, and only then let go: a line closed on unread bytes loses the answer."""
        if self.is_replaced:
            return
        self.is_replaced = True
        response = _too_long(self.body, self.path)
        await self._headed(
            {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
        )
        await self.send({"type": "http.response.body", "body": response.body, "more_body": True})
        await self.body.drain()
        await self.send({"type": "http.response.body", "body": b""})

    async def _headed(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if self.body.fault:
                headers["Connection"] = "close"
        await self.send(message)


def _too_long(body: _Body, path: str) -> Response:
    if body.fault == 408:
        return problem_response(
            408, f"Nothing came for {body.idle_s:g} seconds.", code="too-slow", instance=path
        )
    return problem_response(
        413, f"The body is longer than {body.most} bytes.", code="too-long", instance=path,
        remedy="Send less at once.",
    )  # fmt: skip

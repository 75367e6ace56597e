"""Listening: uvicorn, with open event streams told to end when the server is asked to."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from angen.api.access import Access
from angen.errors import SettingsError

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["serve"]

_GRACE_S = 5
_BACKLOG = 2048


def serve(
    app: FastAPI,
    access: Access,
    *,
    on_ready: Callable[[str], None] = lambda url: None,
    should_stop: Callable[[], bool] = lambda: False,
    log_level: str = "warning",
) -> None:
    """Serve until asked to stop (Ctrl-C, SIGTERM). Jobs go on without it.

    Open streams are ended at once, so that their clients come back to the next server with `Last-Event-ID`; other
    requests have a few seconds to end.

    Args:
        app: From `create_app`, with or without the page.
        access: Where to listen; the same that the app was made with.
        on_ready: Told the address once connections are taken: "http://127.0.0.1:7860".
        should_stop: Asked ten times a second, for those who serve in a thread.
        log_level: Of uvicorn: "warning", "info".

    Raises:
        SettingsError: If the address cannot be listened at: the port is taken.
    """
    import uvicorn
    from starlette.responses import RedirectResponse

    if all(
        getattr(route, "path", "") != "/" for route in app.routes
    ):  # there is no page: the documentation is one
        app.add_api_route("/", lambda: RedirectResponse("/docs"), include_in_schema=False)
    listener = _listener(access)
    port = listener.getsockname()[1]
    host = f"[{access.host}]" if ":" in access.host else access.host

    class Server(uvicorn.Server):
        """Tells when it listens, and ends streams before it waits for requests to end."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            on_ready(f"http://{host}:{port}")

        async def on_tick(self, counter: int) -> bool:
            return await super().on_tick(counter) or should_stop()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            app.state.studio.feed.close()
            await super().shutdown(sockets)

    config = uvicorn.Config(
        app,
        log_level=log_level,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
        backlog=_BACKLOG,
    )
    with listener:
        Server(config).run([listener])


def _listener(access: Access) -> socket.socket:
    family = socket.AF_INET6 if ":" in access.host else socket.AF_INET
    try:
        return socket.create_server((access.host, access.port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        raise SettingsError(
            f"Nothing can listen at {access.host} port {access.port}: {error}.",
            remedy="Choose another port: --port 0 takes any that is free.",
        ) from error

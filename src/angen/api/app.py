"""The application: a studio for a workspace, the routes, the guard before them, and what runs beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware

from angen import __version__
from angen.api import schema
from angen.api.access import Access
from angen.api.counting import Counts
from angen.api.feed import Feed
from angen.api.guard import UPLOAD_BYTES, Guard
from angen.api.problems import tell_problems
from angen.api.routes import ROUTERS
from angen.api.shelf import Shelf
from angen.api.studio import Studio
from angen.errors import AngenError
from angen.files import remove_left_overs
from angen.jobs import LocalBackend, ensure_supervisor, open_store
from angen.settings import Settings

__all__ = ["create_app"]

_CARE_EVERY_S = 5.0


def create_app(
    settings: Settings, access: Access | None = None, *, upload_bytes: int = UPLOAD_BYTES
) -> FastAPI:
    """The HTTP API of a workspace, as an ASGI application; a page may be mounted on it.

    Args:
        settings: The workspace.
        access: Who may come in; None for this machine alone, without a token.
        upload_bytes: Longest upload.

    Raises:
        JobStoreError: If the database of jobs cannot be used.
    """
    access = access or Access()
    store, counts = open_store(settings), Counts()
    studio = Studio(settings, access, store, Shelf(settings), counts, Feed(store, counts, settings.home))
    app = FastAPI(
        title="Angen",
        version=__version__,
        summary="A music studio around a LoRA trainer.",
        description=schema.DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        docs_url=None,
        redoc_url=None,
        lifespan=_alive(studio),
        generate_unique_id_function=_operation,
    )
    app.state.studio = studio
    tell_problems(app)
    for router in ROUTERS:
        app.include_router(router)
    schema.complete(app, access)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(access.origins),
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "If-Match",
            "If-None-Match",
            "Last-Event-ID",
        ],
        expose_headers=["Location", "ETag", "Link"],
        allow_credentials=bool(access.origins),
    )
    app.add_middleware(Guard, access=access, counts=counts, upload_bytes=upload_bytes)  # outermost
    return app


def _operation(route: APIRoute) -> str:
    """The id of an operation: its name, and its group where the name is not enough."""
    return f"{route.tags[0]}_{route.name}" if route.tags else route.name


def _alive(studio: Studio) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """What runs while the server does: news for those who follow, and care for the queue."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(_tidy, studio)
        tasks = [asyncio.create_task(studio.feed.watch()), asyncio.create_task(_care(studio))]
        try:
            yield
        finally:
            studio.feed.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    return lifespan


async def _care(studio: Studio) -> None:
    """See to it that somebody looks after the jobs: a process of its own, which outlives this one."""

    def look() -> None:
        LocalBackend().bury(studio.settings.home, [])
        with suppress(AngenError, OSError):  # a full disk for a while: the next look may do
            if studio.store.has_work():
                ensure_supervisor(studio.settings)

    while True:
        await run_in_threadpool(look)
        await asyncio.sleep(_CARE_EVERY_S)


def _tidy(studio: Studio) -> None:
    """Remove what a server that was killed left of uploads."""
    remove_left_overs(studio.shelf.uploads)

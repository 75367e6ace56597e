"""The schema at `/openapi.json`: what FastAPI makes of the routes, with problems, the token, and tags explained."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from angen.api.access import Access
from angen.api.problems import Problem

__all__ = ["DESCRIPTION", "complete"]

DESCRIPTION = """Everything the studio can do, for scripts and other programs.

Long work is a job: the answer is `202` with its place in `Location`, and `/api/v1/jobs/{id}/events` tells what becomes
of it. Errors are problems (RFC 9457). Files go by id. What people edit has an `ETag`, and a change names it in
`If-Match`. A `POST` that makes a job, and an upload, may be repeated with the same `Idempotency-Key`.
"""

_TAGS = {
    "session": "Signing in, for browsers.",
    "health": "Whether the server is well, models, metrics.",
    "jobs": "Long work: what waits, runs and has ended; follow, cancel, pause, resume, retry.",
    "assets": "Files by id: uploads, outputs, renders, samples.",
    "recordings": "Sets of uploaded recordings with their metadata table, from which datasets are prepared.",
    "datasets": "What adapters are trained on.",
    "training": "Estimate, start, go on.",
    "adapters": "What was learnt: list, look, rename, copy, send out, take in.",
    "generation": "New music.",
    "enhancement": "Recordings repaired and brought to a higher rate.",
    "mastering": "Level, tone and ceiling for release.",
    "export": "Formats, tags, albums, stems.",
    "productions": "From a prompt or a recording to finished files, in one job.",
    "lyrics": "Check, write, continue, rewrite, structure.",
    "projects": "Arrangements on the timeline.",
}


def complete(app: FastAPI, access: Access) -> None:
    """Let an app tell the whole schema."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _made(app, access)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _made(app: FastAPI, access: Access) -> dict[str, Any]:
    made = get_openapi(
        title=app.title, version=app.version, summary=app.summary, description=app.description,
        license_info=app.license_info, routes=app.routes,
        tags=[{"name": name, "description": about} for name, about in _TAGS.items()],
    )  # fmt: skip
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    if access.token is not None:
        made["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        made["security"] = [{"token": []}]
    return made

"""Errors as problem details (RFC 9457), and the one table that maps types of error to HTTP statuses.

A problem has `type`, `title`, `status`, `detail`, `instance`, and of ours: `code` (as `AngenError.code`), `remedy`,
and `errors`, a list of `field` and `message` where the request itself is wrong. Nobody is shown a stack trace, nor
where the workspace is.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Match

from angen import errors

__all__ = [
    "MEDIA_TYPE",
    "STATUSES",
    "Problem",
    "Refused",
    "problem_response",
    "refusal",
    "status_of",
    "tell_problems",
]  # fmt: skip

MEDIA_TYPE = "application/problem+json"
_log = logging.getLogger("angen.api")


class Refused(errors.AngenError):
    """What the API itself refuses, with a status of its own.

    Args:
        status: The HTTP status.
        code: A word to tell it by.
        message: What was given and what was expected.
        remedy: What to do about it.
        headers: Of the response.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        remedy: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.status, self.code, self.headers = status, code, headers or {}


class FieldError(BaseModel):
    """What is wrong with one field of a request."""

    field: str = Field(description="Where: `body.config.epochs`, `query.limit`.")
    message: str


class Problem(BaseModel):
    """A problem as RFC 9457 has it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:angen:problem:job-missing",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "There is no job '4f2a'.",
                    "instance": "/api/v1/jobs/4f2a",
                    "code": "job-missing",
                    "remedy": "See `angen jobs list`.",
                    "errors": [],
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    remedy: str = ""
    errors: list[FieldError] = []


STATUSES: dict[type[BaseException], int] = {
    errors.MissingFileError: 404,
    errors.JobNotFoundError: 404,
    errors.AudioError: 422,
    errors.DatasetError: 409,
    errors.MetadataError: 422,
    errors.LicenceNotAcceptedError: 403,
    errors.DownloadError: 502,
    errors.ScoreError: 422,
    errors.ModelError: 409,
    errors.AdapterError: 409,
    errors.TrainingError: 422,
    errors.GenerationError: 422,
    errors.LyricsError: 422,
    errors.TimelineError: 422,
    errors.EnhancementError: 422,
    errors.MasteringError: 422,
    errors.ExportError: 422,
    errors.ProductionError: 422,
    errors.JobError: 409,
    errors.JobStoreError: 503,
    errors.SettingsError: 503,
    errors.TooLargeError: 413,
    errors.UploadError: 422,
    errors.ConflictError: 409,
    errors.AngenError: 422,
}
"""The status of each type of error; the nearest type counts."""

_CODES: dict[str, int] = {
    "endpoint": 502, "endpoint-unreachable": 502, "endpoint-timeout": 504, "endpoint-key": 502,
    "endpoint-model": 502, "endpoint-busy": 503, "endpoint-failed": 502, "endpoint-reply": 502,
}  # fmt: skip
"""Of errors that are defined in their rooms, by their code."""


def status_of(error: BaseException) -> int:
    """The HTTP status of an error.

    Example:
        >>> status_of(errors.JobNotFoundError("gone")), status_of(errors.MasteringError("no")), status_of(OSError())
        (404, 422, 500)
    """
    if isinstance(error, Refused):
        return error.status
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return HTTPStatus.INSUFFICIENT_STORAGE
    if isinstance(error, errors.AngenError) and error.code in _CODES:
        return _CODES[error.code]
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)


def problem_response(
    status: int,
    detail: str,
    *,
    code: str = "",
    instance: str = "",
    remedy: str = "",
    fields: Iterable[dict[str, str]] = (),
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """A problem as a response."""
    title = HTTPStatus(status).phrase
    code = code or title.lower().replace(" ", "-")
    content = {
        "type": f"urn:angen:problem:{code}", "title": title, "status": status, "detail": detail,
        "instance": instance, "code": code, "remedy": remedy, "errors": list(fields),
    }  # fmt: skip
    return JSONResponse(content, status, headers, MEDIA_TYPE)


def refusal(error: BaseException, request: Request) -> JSONResponse:
    """The response to an error that Angen, or the disk, raised."""
    status = status_of(error)
    if isinstance(error, errors.AngenError):
        detail, code, remedy = error.message, error.code, error.remedy
    elif status == HTTPStatus.INSUFFICIENT_STORAGE:
        detail, code, remedy = "The disk of the workspace is full.", "disk-full", "Make space, and try again."
    else:
        detail, code, remedy = "Something went wrong in the server; its log says what.", "internal", ""
    if status >= 500:
        _log.error("%s %s", request.method, request.url.path, exc_info=error)
    home = f"{request.app.state.studio.settings.home}/"
    return problem_response(
        status,
        _sayable(detail.replace(home, "")),
        code=code,
        remedy=_sayable(remedy.replace(home, "")),
        instance=request.url.path,
        headers=getattr(error, "headers", None),
    )


def tell_problems(app: FastAPI) -> None:
    """Let every error of an app be told as a problem."""

    @app.exception_handler(RequestValidationError)
    def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        fields = [
            {"field": ".".join(map(str, one["loc"])), "message": _sayable(one["msg"])}
            for one in error.errors()
        ]
        first = fields[0] if fields else {"field": "body", "message": "cannot be read"}
        return problem_response(
            422,
            _sayable(f"{first['field']}: {first['message']}"),
            code="invalid-request",
            instance=request.url.path,
            fields=[{"field": _sayable(one["field"]), "message": one["message"]} for one in fields],
        )

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> JSONResponse:
        headers = dict(error.headers) if error.headers else {}
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(_methods_of(app, request))
        return problem_response(
            error.status_code, str(error.detail), instance=request.url.path, headers=headers
        )

    @app.exception_handler(errors.AngenError)
    @app.exception_handler(OSError)
    def _foreseen(request: Request, error: Exception) -> JSONResponse:
        return refusal(error, request)

    @app.exception_handler(ClientDisconnect)
    def _gone(request: Request, error: Exception) -> JSONResponse:
        return problem_response(400, "The body ended too early.", code="aborted", instance=request.url.path)


def _methods_of(app: FastAPI, request: Request) -> list[str]:
    """All that a path can be asked for; a route of its own knows but one."""
    known: set[str] = set()
    routes = [one for route in app.routes for one in _leaves(route)]
    for route in routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            known |= getattr(route, "methods", None) or set()
    return sorted(known)


def _leaves(route: BaseRoute) -> list[BaseRoute]:
    """A route, or those of the router that was included."""
    router = getattr(route, "original_router", None)
    return [route] if router is None else [leaf for one in router.routes for leaf in _leaves(one)]


def _sayable(text: str) -> str:
    """Text that JSON can carry: half a surrogate pair is spelled out."""
    return text.encode("utf-8", "backslashreplace").decode()


def responses(*more: dict[int | str, dict[str, Any]]) -> dict[int | str, dict[str, Any]]:
    """What every route may answer beside success, for the schema."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    one: dict[str, Any] = {"description": "A problem (RFC 9457).", "content": {MEDIA_TYPE: schema}}
    known: dict[int | str, dict[str, Any]] = {"default": one, 422: one}
    for entry in more:
        known |= entry
    return known

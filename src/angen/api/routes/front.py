"""What a browser needs before anything else: signing in, and the documentation, without any outside request."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from angen.api.access import COOKIE
from angen.api.problems import Refused, responses
from angen.api.studio import Body, StudioDep

router = APIRouter(tags=["session"], responses=responses())

_YEAR_S = 365 * 86_400
_STATIC = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-start.js": "text/javascript",
    "login.js": "text/javascript",
    "front.css": "text/css",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


class SignIn(Body):
    """The token."""

    token: str


@router.post("/api/v1/session", status_code=204, response_class=Response)
def sign_in(studio: StudioDep, body: SignIn, request: Request) -> Response:
    """Give a browser its cookie for the token."""
    if studio.access.token is not None and not studio.access.is_token(body.token):
        raise Refused(401, "unauthorized", "This is not the token.", headers={"WWW-Authenticate": "Bearer"})
    response = Response(status_code=204)
    if studio.access.token is not None:
        response.set_cookie(
            COOKIE, studio.access.session, max_age=_YEAR_S, httponly=True, samesite="strict",
            secure=request.url.scheme == "https",
        )  # fmt: skip
    return response


@router.delete("/api/v1/session", status_code=204, response_class=Response)
def sign_out() -> Response:
    """Take the cookie back."""
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


@router.get("/login", include_in_schema=False)
def login_page() -> HTMLResponse:
    """A form for the token. A link may carry it behind `#`, which no server and no log ever sees."""
    return _page("login.html")


@router.get("/docs", include_in_schema=False)
def docs_page() -> HTMLResponse:
    """The schema to read and to try."""
    return _page("docs.html")


@router.get("/static/api/{name}", include_in_schema=False)
def static_file(name: str) -> Response:
    """What those pages are made of."""
    if name not in _STATIC:
        raise Refused(404, "not-found", "There is no such file.")
    headers = {"Cache-Control": "max-age=86400"}
    return Response(_read(name), media_type=_STATIC[name], headers=headers)


def _page(name: str) -> HTMLResponse:
    return HTMLResponse(
        _read(name), headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
    )


def _read(name: str) -> bytes:
    return files("angen.api").joinpath("static", name).read_bytes()

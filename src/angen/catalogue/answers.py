"""What the answer of a server says: refused for now or for good, a page in place of the file, a part of it."""

from __future__ import annotations

import httpx

from angen import __version__
from angen.catalogue.pages import explain_page, looks_like_page
from angen.catalogue.retrying import TransientError, retry_after_s
from angen.errors import DownloadError, DownloadRefusedError

__all__ = ["BY_HAND", "PAGE_BYTES", "USER_AGENT", "place_of", "read_page", "refuse_protocol", "refuse_status"]

USER_AGENT = f"angen/{__version__}"
PAGE_BYTES = 1 << 18
BY_HAND = "Or fetch the file by hand and give it with --from."
_PASSING = {408, 425, 429, 500, 502, 503, 504}


def refuse_status(url: str, response: httpx.Response) -> None:
    """Let an answer pass that brings something, or says that the part is beyond the end (416).

    Raises:
        TransientError: If it is worth another try, after the wait that the server asks for.
        DownloadRefusedError: If it is not.
    """
    status = response.status_code
    if response.is_success or status == 416:
        return
    if status in _PASSING:
        raise TransientError(
            f"the server answers {status}", retry_after_s(response.headers.get("retry-after"))
        )
    page = read_page(response) if looks_like_page(response) else ""
    why, remedy = explain_page(page) if page else ("", "")
    if status in (404, 410):
        remedy = "It is no longer there. Try a mirror (--mirror), or fetch the file by hand and give it with --from."
    raise DownloadRefusedError(
        f"{url!r}: the server answers {status} {response.reason_phrase}. {why}".strip(),
        status=status,
        remedy=remedy or f"Look at the page of the collection in a browser. {BY_HAND}",
    )


def read_page(response: httpx.Response) -> str:
    """The start of a page, at most `PAGE_BYTES` of it."""
    body = b""
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > PAGE_BYTES:
            break
    return body[:PAGE_BYTES].decode(response.encoding or "utf-8", "replace")


def refuse_protocol(url: str, error: httpx.TransportError) -> None:
    """Tell an address that is none of the web from a failure that may pass.

    Raises:
        DownloadError: For such an address.
    """
    if isinstance(error, httpx.UnsupportedProtocol):
        raise DownloadError(
            f"{url!r} is no web address.", remedy="Give one with http:// or https://."
        ) from error


def place_of(response: httpx.Response) -> tuple[int, int | None]:
    """Where an answer starts in the file, and the size of the whole where it says so."""
    if response.status_code != 206:
        length = response.headers.get("content-length", "")
        return 0, int(length) if length.isdecimal() else None
    unit, _, rest = response.headers.get("content-range", "").partition(" ")
    span, _, total = rest.partition("/")
    start = span.partition("-")[0]
    if unit != "bytes" or not start.isdecimal():
        return -1, None
    return int(start), int(total) if total.isdecimal() else None

"""Fetching a small document over HTTP into memory, tried again where that helps."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import httpx

from angen.catalogue.answers import USER_AGENT, refuse_protocol, refuse_status
from angen.catalogue.pages import explain_page, starts_like_page
from angen.catalogue.retrying import Patience, TransientError
from angen.catalogue.verifying import wrong_file
from angen.errors import DownloadError, DownloadStoppedError, WebPageError

__all__ = ["fetch_small"]

_LATER = "Run the same command again later: what was fetched is kept."


def fetch_small(
    url: str,
    *,
    limit_bytes: int = 4 << 20,
    headers: Mapping[str, str] | None = None,
    patience: Patience | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> bytes:
    """Fetch a small document into memory.

    Raises:
        DownloadError: As `fetch`; also if it is larger than `limit_bytes`.
    """
    patience, failures = patience or Patience(), 0
    sent = {"User-Agent": USER_AGENT, **(headers or {})}
    with httpx.Client(follow_redirects=True, timeout=patience.timeout_s, headers=sent) as client:
        while True:
            wait_s = None
            try:
                return _small_body(client, url, limit_bytes)
            except TransientError as error:
                fault, wait_s = str(error), error.wait_s
            except httpx.TransportError as error:
                fault = f"{type(error).__name__}: {error}".rstrip(": ")
                refuse_protocol(url, error)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise DownloadError(f"{url!r}: {error}.", remedy=_LATER) from error
            failures += 1
            if failures >= patience.attempts:
                raise DownloadError(f"{url!r} cannot be fetched: {fault}.", remedy=_LATER)
            patience.wait(failures, wait_s, should_stop)
            if should_stop():
                raise DownloadStoppedError("Stopped between two files.", remedy=_LATER)


def _small_body(client: httpx.Client, url: str, limit_bytes: int) -> bytes:
    with client.stream("GET", url) as response:
        refuse_status(url, response)
        body = b""
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > limit_bytes:
                raise wrong_file(url, f"more than {limit_bytes} bytes", "a small document")
    if starts_like_page(body):
        message, remedy = explain_page(body.decode("utf-8", "replace"))
        raise WebPageError(f"{url!r}: {message}", remedy=remedy)
    return body

"""Web pages that come in place of a file: quotas, warnings, logins."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from urllib.parse import urlencode, urljoin

import httpx

from angen.errors import DownloadError, WebPageError

_DRIVE_FORM = re.compile(r'<form[^>]*\bid="download-form"[^>]*>(.*?)</form>', re.S | re.I)
_ACTION = re.compile(r'<form[^>]*\bid="download-form"[^>]*?\baction="([^"]+)"', re.S | re.I)
_ACTION_FIRST = re.compile(r'<form[^>]*?\baction="([^"]+)"[^>]*\bid="download-form"', re.S | re.I)
_INPUT = re.compile(r"<input\b[^>]*>", re.I)
_ATTRIBUTE = re.compile(r'\b(name|value)="([^"]*)"', re.I)
_QUOTA = re.compile(r"quota|too many users|download limit|bandwidth limit|rate limit", re.I)
_HEAD_BYTES = 1 << 18
_LOGIN = re.compile(r"sign in|log ?in|password|authenticat", re.I)


def looks_like_page(response: httpx.Response) -> bool:
    """Whether an answer says that it is a web page; none of the files we fetch is one."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in ("text/html", "application/xhtml+xml")


def starts_like_page(head: bytes) -> bool:
    """Whether a file's first bytes are those of a web page, whatever its name says.

    Example:
        >>> starts_like_page(b"  <!DOCTYPE html><title>"), starts_like_page(b"PK")
        (True, False)
    """
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head"))


def refuse_page(path: Path) -> None:
    """Make sure that a file somebody fetched by hand is there, and no web page in its place.

    Raises:
        DownloadError: If there is no such file.
        WebPageError: If it is a page; what it says is told.
    """
    if not path.is_file():
        raise DownloadError(
            f"There is no file {str(path)!r}.", remedy="Give the path of the file you fetched."
        )
    with path.open("rb") as handle:
        head = handle.read(_HEAD_BYTES)
    if starts_like_page(head):
        message, remedy = explain_page(head.decode("utf-8", "replace"))
        raise WebPageError(f"{str(path)!r}: {message}", remedy=remedy)


def explain_page(page: str) -> tuple[str, str]:
    """What a page that came in place of a file says, and what to do."""
    title = re.search(r"<title[^>]*>(.*?)</title>", page, re.S | re.I)
    words = " ".join(unescape(title[1]).split())[:100] if title else ""
    said = f" ({words!r})" if words else ""
    if _QUOTA.search(page):
        return (
            f"the host sent a page about its quota in place of the file{said}: too many people fetched it lately.",
            "Try again in a day. Or open the page of the collection in a browser, where a login may help, and "
            "give the file with --from.",
        )
    if _LOGIN.search(page):
        return (
            f"the host sent a page that asks for a login in place of the file{said}.",
            "Fetch the file in a browser and give it with --from.",
        )
    return (
        f"the host sent a web page in place of the file{said}.",
        "Fetch the file in a browser and give it with --from.",
    )


def follow_drive_warning(url: str, page: str) -> str | None:
    """The address behind "this file is too large to be scanned for viruses", or None.

    The page holds a form named `download-form`, whose hidden fields make the address of the file.
    """
    form, action = _DRIVE_FORM.search(page), _ACTION.search(page) or _ACTION_FIRST.search(page)
    if form is None or action is None:
        return None
    fields = {}
    for tag in _INPUT.findall(form[1]):
        attributes = {name.lower(): unescape(value) for name, value in _ATTRIBUTE.findall(tag)}
        if "name" in attributes:
            fields[attributes["name"]] = attributes.get("value", "")
    return f"{urljoin(url, unescape(action[1]))}?{urlencode(fields)}"

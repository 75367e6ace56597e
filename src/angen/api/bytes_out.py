"""Bytes of files: whole, or the one part that a Range header asks for."""

from __future__ import annotations

import re
from typing import Any

from fastapi.responses import FileResponse
from starlette.types import Receive, Scope, Send

from angen.api.problems import problem_response

__all__ = ["BINARY", "FileBytes"]

_ANYTHING: dict[str, Any] = {"*/*": {"schema": {}}}  # bytes have no schema in OpenAPI 3.1
BINARY: dict[int | str, dict[str, Any]] = {
    200: {"description": "All of it.", "content": _ANYTHING},
    206: {"description": "The part that was asked for.", "content": _ANYTHING},
    304: {"description": "It is as it was."},
}
"""What the schema says of such an answer."""
_ONE_PART = re.compile(r"bytes=(\d{1,18})-(\d{0,18})|bytes=-(\d{1,18})")


class FileBytes(FileResponse):
    """A file. A Range that is no single part of bytes is left aside, as RFC 9110 allows; one beyond the end is 416."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        asked = dict(scope["headers"]).get(b"range", b"").decode("latin-1").strip()
        found = _ONE_PART.fullmatch(asked)
        size = self.stat_result.st_size if self.stat_result else 0
        if found is None or (found[2] and int(found[2]) < int(found[1])):
            scope = {**scope, "headers": [one for one in scope["headers"] if one[0] != b"range"]}
        elif found[3] == "0" * len(found[3] or "-") or (found[1] and int(found[1]) >= size):
            beyond = problem_response(
                416, f"The file has {size} bytes.", code="no-such-part", instance=scope["path"],
                headers={"Content-Range": f"bytes */{size}"},
            )  # fmt: skip
            await beyond(scope, receive, send)
            return
        elif found[3] and int(found[3]) >= size:  # more than there is: all of it
            scope = {**scope, "headers": [one for one in scope["headers"] if one[0] != b"range"]}
        await super().__call__(scope, receive, send)

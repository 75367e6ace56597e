"""Bodies that are files: streamed to the disk in pieces, raw or as a form's one file; memory never grows with them.

What arrives lies in a hidden folder of the workspace and is gone with the request, unless it was moved away: an upload
that breaks off leaves nothing. What a killed server leaves is removed when the next one starts.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from angen.api.problems import Refused
from angen.api.studio import Studio
from angen.files import free_bytes, safe_name

__all__ = ["BODY", "Received", "received"]

_PIECE = 2**20
_SPARE_BYTES = 200 * 2**20
_FILE = {"schema": {"type": "string", "format": "binary"}}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The file itself, or a form with one file in it.",
        "content": {
            "application/octet-stream": _FILE,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            },
        },
    }
}
"""What the schema says of such a body."""


@dataclass(frozen=True)
class Received:
    """A file that came.

    Attributes:
        path: Where it lies until the request ends.
        name: As its sender calls it; a plain file name.
        size: Its bytes.
    """

    path: Path
    name: str
    size: int


@asynccontextmanager
async def received(studio: Studio, request: Request, name: str | None) -> AsyncIterator[Received]:
    """The file in a request's body, until the block ends.

    Args:
        studio: Where it goes.
        request: Its body is the file, or a form with one.
        name: What to call it; None for the name that a form gives.

    Raises:
        Refused: If nothing came, there is no room, the form is damaged, or the file has no name.
    """
    _refuse_short_disk(studio, request.headers.get("content-length"))
    hidden = studio.shelf.uploads / f".upload.{os.getpid()}.{secrets.token_hex(4)}.part"
    await run_in_threadpool(hidden.mkdir, parents=True)
    try:
        path = hidden / "body"
        with path.open("wb") as file:
            form = _form_of(request, file)
            size, said = await _stream(request, file, form)
        given = name or said
        if not size or given is None:
            raise Refused(
                422, "upload-empty", "There is no file in the request, or it has no name.",
                remedy="Send the file as the body and its name in the query, or a form with a file in it.",
            )  # fmt: skip
        suffix = "".join(
            letter for letter in Path(given).suffix.lower() if letter.isalnum() or letter == "."
        )[:10]
        yield Received(path, safe_name(Path(given).stem, fallback="upload") + suffix, size)
    finally:
        await run_in_threadpool(shutil.rmtree, hidden, ignore_errors=True)


async def _stream(request: Request, file: IO[bytes], form: _Form | None) -> tuple[int, str | None]:
    """Write what comes; the bytes of the file, and the name a form gives."""
    waiting = bytearray()
    write = form.write if form is not None else file.write
    async for chunk in request.stream():
        waiting += chunk
        if len(waiting) >= _PIECE:
            await run_in_threadpool(_written, write, bytes(waiting))
            waiting.clear()
    await run_in_threadpool(_written, write, bytes(waiting))
    if form is not None:
        form.end()
    return file.tell(), form.name if form is not None else None


def _written(write: Callable[[bytes], Any], piece: bytes) -> None:
    write(piece)


def _refuse_short_disk(studio: Studio, length: str | None) -> None:
    declared = int(length) if length is not None and length.isdecimal() else 0
    if free_bytes(studio.settings.home) < declared + _SPARE_BYTES:
        raise Refused(507, "disk-full", "There is no room on the disk for this.", remedy="Make some.")


def _form_of(request: Request, file: IO[bytes]) -> _Form | None:
    """A reader of the form that a body is; None where the body is the file itself."""
    from python_multipart.multipart import parse_options_header

    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        return None
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70:
        raise _damaged("it has no boundary")
    return _Form(file, boundary)


@dataclass
class _Form:
    """Writes the one file of a form as it comes; other fields are refused, for nobody would read them."""

    file: IO[bytes]
    boundary: bytes
    name: str | None = None
    parts: int = 0
    is_over: bool = False
    header: tuple[bytearray, bytearray] = field(default_factory=lambda: (bytearray(), bytearray()))

    def __post_init__(self) -> None:
        from python_multipart.multipart import MultipartParser

        callbacks: Any = {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self.header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self.header[1].extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": lambda data, start, end: self.file.write(data[start:end]),
            "on_end": self._end,
        }
        self.parser = MultipartParser(self.boundary, callbacks)

    def write(self, piece: bytes) -> None:
        from python_multipart.exceptions import FormParserError

        try:
            self.parser.write(piece)
        except FormParserError as error:
            raise _damaged(str(error)) from error

    def end(self) -> None:
        if not self.is_over:
            raise _damaged("it ends too early")

    def _begin(self) -> None:
        self.parts += 1
        if self.parts > 1:
            raise _damaged("it has more than one part")

    def _header_end(self) -> None:
        from python_multipart.multipart import parse_options_header

        field_name, value = (bytes(part) for part in self.header)
        if field_name.lower() == b"content-disposition":
            name = parse_options_header(value)[1].get(b"filename")
            self.name = name.decode("utf-8", "replace") if name else None
        for part in self.header:
            part.clear()

    def _headers_finished(self) -> None:
        if self.name is None:
            raise _damaged("its part is no file")

    def _end(self) -> None:
        self.is_over = True


def _damaged(reason: str) -> Refused:
    return Refused(
        422, "form-damaged", f"The form cannot be read: {reason}.",
        remedy="Send a form with one file, or the file itself.",
    )  # fmt: skip

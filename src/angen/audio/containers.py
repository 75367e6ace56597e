"""What the structure of a file tells: is all of the sound there, and if it is not sound, what is it?

libsndfile reads the front of a cut file without complaint. Here the promises of the container are held
against the bytes that are there: RIFF/WAVE (RF64 too), AIFF and CAF name the size of their sound, and the
last page of an Ogg stream is marked (RFC 3533, section 6).
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from angen.errors import TruncatedAudioError

STREAMED_SIZES = frozenset([0xFFFFFFFF, *range(0x7FFFF000, 0x80000000)])
"""Sizes that writers to a pipe leave behind: the largest that fits, or nearly."""

FIRST_BYTES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF8", "a GIF image"),
    (8, b"WEBP", "a WebP image"),
    (8, b"AVI ", "an AVI video"),
    (4, b"ftypM4A", "M4A (AAC or ALAC) sound"),
    (4, b"ftyp", "an MP4 file"),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM file"),
    (0, b"\x30\x26\xb2\x75", "a WMA or ASF file"),
    (0, b"MThd", "a MIDI file"),
    (0, b"wvpk", "WavPack sound"),
    (0, b"MAC ", "Monkey's Audio sound"),
    (0, b"DSD ", "DSD sound"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"SQLite format 3", "a database"),
    (0, b"\x7fELF", "a program"),
    (0, b"\xff\xf1", "raw AAC sound"),
    (0, b"\xff\xf9", "raw AAC sound"),
    (0, b"RIFF", "a damaged WAV file"),
    (0, b"FORM", "a damaged AIFF file"),
    (0, b"fLaC", "a damaged FLAC file"),
    (0, b"OggS", "an Ogg file without sound, or a damaged one"),
    (0, b"ID3", "a damaged MP3 file"),
)


def first_bytes_kind(head: bytes) -> str:
    """What a file that is not readable as sound seems to be, as a noun phrase, from its first bytes."""
    for offset, magic, kind in FIRST_BYTES:
        if head.startswith(magic, offset):
            return kind
    if not head.strip(b"\0"):
        return "nothing but zero bytes"
    if _is_text(head):
        return "a web page" if head.lstrip()[:5].lower() in (b"<!doc", b"<html") else "text"
    return f"no sound format (it starts with the bytes {head[:8].hex(' ')})"


def _is_text(head: bytes) -> bool:
    text = head.decode("utf-8", errors="ignore")
    whole = len(text.encode()) > len(head) - 4  # a character may be cut at the end
    return whole and all(letter.isprintable() or letter.isspace() for letter in text)


@dataclass(frozen=True)
class _Chunked:
    """How a chunked container lays out its chunks: where they start, their head, the one with the sound."""

    first: int
    head: str
    sound: bytes


_CHUNKED = {
    b"RIFF": _Chunked(12, "<4sI", b"data"),
    b"RIFX": _Chunked(12, ">4sI", b"data"),
    b"RF64": _Chunked(12, "<4sI", b"data"),
    b"FORM": _Chunked(12, ">4sI", b"SSND"),
    b"caff": _Chunked(8, ">4sq", b"data"),
}


def check_complete(path: Path, handle: BinaryIO, size: int) -> None:
    """Hold the container's promises against the file.

    Args:
        path: Name for the message.
        handle: The open file.
        size: Its length in bytes.

    Raises:
        TruncatedAudioError: If the sound should go on beyond the end of the file.
    """
    handle.seek(0)
    magic = handle.read(4)
    if magic == b"OggS" and not _ogg_is_closed(handle, size):
        raise TruncatedAudioError(
            path,
            "this Ogg stream has no last page: the end of the file is missing.",
            remedy="Copy or download it again.",
        )
    if magic not in _CHUNKED:
        return
    start, promised = _sound_chunk(handle, size, _CHUNKED[magic])
    there = size - start
    if (
        promised - there > 1
    ):  # one byte: the padding of an odd chunk, which some writers count and do not write
        share = 100 * there / promised
        raise TruncatedAudioError(
            path,
            f"its header promises {promised} bytes of sound, {there} are there ({share:.0f} %).",
            remedy="Copy or export it again.",
        )


def _sound_chunk(handle: BinaryIO, size: int, layout: _Chunked) -> tuple[int, int]:
    """Where the sound starts and how many bytes of it are promised; (size, 0) if there is no such promise."""
    head_size, at, size_64 = struct.calcsize(layout.head), layout.first, 0
    while at + head_size <= size:
        handle.seek(at)
        name, length = struct.unpack(layout.head, handle.read(head_size))
        if name == b"ds64":
            size_64 = struct.unpack("<QQ", handle.read(16).ljust(16, b"\0"))[1]
        if name == layout.sound:
            if length == 0xFFFFFFFF and size_64:
                length = size_64
            streamed = length < 0 or length in STREAMED_SIZES
            return at + head_size, 0 if streamed else length
        if length < 0:
            break
        at += head_size + length + (length % 2 if head_size == 8 else 0)
    return size, 0


def _ogg_is_closed(handle: BinaryIO, size: int) -> bool:
    """Whether the last page is whole and marked as the end of its stream."""
    handle.seek(max(0, size - 2 * 65307))  # a page has at most 65,307 bytes
    tail = handle.read()
    at = tail.rfind(b"OggS")
    while at >= 0:
        page = tail[at:]
        if len(page) >= 27 and page[4] == 0 and len(page) >= 27 + page[26]:
            body = sum(page[27 : 27 + page[26]])
            return bool(page[5] & 4) and len(page) >= 27 + page[26] + body
        at = tail.rfind(b"OggS", 0, at)
    return False


def with_streamed_size(handle: BinaryIO, size: int) -> BinaryIO | None:
    """A WAV whose sound has the size 0, as pipes leave it, seen with the right one; None for any other file.

    libsndfile understands the size 0xFFFFFFFF as "to the end of the file", but takes 0 literally.
    """
    handle.seek(0)
    if handle.read(4) != b"RIFF":
        return None
    layout = _CHUNKED[b"RIFF"]
    start, promised = _sound_chunk(handle, size, layout)
    handle.seek(start - 8)
    name, length = struct.unpack(layout.head, handle.read(8)) if start < size else (b"", 1)
    if promised or length or name != layout.sound or _is_chunk_name(handle.read(4)):
        return None
    return cast(BinaryIO, _Corrected(handle, start - 4, b"\xff\xff\xff\xff"))


class _Corrected(io.RawIOBase):
    """A file seen with some of its bytes replaced; nothing is copied.

    Args:
        handle: The open file.
        at: Where the replacement starts.
        instead: The bytes that are seen there.
    """

    def __init__(self, handle: BinaryIO, at: int, instead: bytes) -> None:
        super().__init__()
        self._handle, self._at, self._instead = handle, at, instead

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._handle.seek(offset, whence)

    def tell(self) -> int:
        return self._handle.tell()

    def readinto(self, buffer: Any) -> int:
        start = self._handle.tell()
        part = bytearray(self._handle.read(len(buffer)))
        for place, byte in enumerate(self._instead, self._at - start):
            if 0 <= place < len(part):
                part[place] = byte
        buffer[: len(part)] = part
        return len(part)


def _is_chunk_name(word: bytes) -> bool:
    return word in (b"LIST", b"id3 ", b"ID3 ", b"bext", b"fact", b"cue ", b"smpl", b"JUNK", b"PAD ", b"iXML")

"""ID3 tags: version 2.4 written, 2.2 to 2.4 read, for MP3 files and the `id3 ` chunk of WAV files.

Text is UTF-8, that of timed lyrics UTF-16. Sizes are synchsafe (seven bits a byte). Unsynchronisation, which
hides what looks like an MPEG frame from players older than ID3 itself, is read and can be written, but is off:
some readers stumble over it.

Source: id3.org, "ID3 tag version 2.4.0 - Main Structure" (3 to 6) and "- Native Frames" (4).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from mmap import mmap

from angen.errors import ExportError
from angen.export.cover import Cover, cover_from_bytes
from angen.export.lrc import LONGEST_S, TimedLine, lrc_text
from angen.export.tags import Tags, from_pairs, to_pairs

LARGEST_TAG = 2**28 - 1
PADDING_BYTES = 1024
UTF8, UTF16, BOM = b"\x03", b"\x01", b"\xff\xfe"
FRONT_COVER = b"\x03"
UNKNOWN_LANGUAGE = "XXX"

TEXT_FRAMES = {
    "TITLE": "TIT2", "ARTIST": "TPE1", "ALBUM": "TALB", "ALBUMARTIST": "TPE2", "GENRE": "TCON", "DATE": "TDRC",
    "INITIALKEY": "TKEY", "COPYRIGHT": "TCOP", "LANGUAGE": "TLAN",
}  # fmt: skip
_KEYS = {frame: key for key, frame in TEXT_FRAMES.items()} | {"TYER": "DATE", "TBPM": "BPM"}
_OLD_NAMES = {  # of version 2.2
    "TT2": "TIT2", "TP1": "TPE1", "TP2": "TPE2", "TAL": "TALB", "TCO": "TCON", "TYE": "TYER", "TKE": "TKEY",
    "TCR": "TCOP", "TLA": "TLAN", "TBP": "TBPM", "TRK": "TRCK", "TXX": "TXXX", "COM": "COMM", "ULT": "USLT",
    "SLT": "SYLT", "PIC": "PIC",
}  # fmt: skip
_ENCODINGS = ("latin-1", "utf-16", "utf-16-be", "utf-8")
_MUST_BREAK = re.compile(rb"\xff(?=[\xe0-\xff\x00]|\Z)", re.DOTALL)


def id3_tag(tags: Tags, *, unsynchronise: bool = False) -> bytes:
    """A whole ID3v2.4 tag with some padding.

    Args:
        tags: What it says.
        unsynchronise: Break up every byte pair that looks like the start of an MPEG frame.

    Raises:
        ExportError: If it would exceed the format's 256 MB.
    """
    frames = b"".join(_frame(name, body, unsynchronise) for name, body in _bodies(tags))
    size = len(frames) + PADDING_BYTES
    if size > LARGEST_TAG:
        raise ExportError(f"An ID3 tag of {size} bytes is beyond its format.", remedy="Shorten the lyrics.")
    flags = 0x80 if unsynchronise else 0
    return b"ID3\x04\x00" + bytes([flags]) + _synchsafe(size) + frames + bytes(PADDING_BYTES)


def mp3_tagged(data: bytes, tags: Tags) -> bytes:
    """The MP3 file `data` with these tags and no others."""
    end = len(data) - 128 if data[-128:-125] == b"TAG" else len(data)
    return id3_tag(tags) + data[tag_size(data) : end]


def tag_size(data: bytes | mmap, start: int = 0) -> int:
    """Bytes of the ID3v2 tags one after another at `start`; 0 if there is none."""
    at = start
    while at + 10 <= len(data) and data[at : at + 3] == b"ID3":
        has_footer = data[at + 3] == 4 and data[at + 5] & 0x10
        at += 10 + _unsynchsafe(data[at + 6 : at + 10]) + (10 if has_footer else 0)
    return at - start


@dataclass
class _Found:
    """What the frames read so far have said."""

    pairs: dict[str, str] = field(default_factory=dict)
    cover: Cover | None = None
    lines: list[TimedLine] = field(default_factory=list)


def id3_tags(data: bytes | mmap, start: int = 0) -> tuple[Tags, list[str]]:
    """The tags of the ID3v2 tag at `start`, and what is damaged in it; empty tags if there is none."""
    if data[start : start + 3] != b"ID3" or start + 10 > len(data):
        return Tags(), []
    version, size = data[start + 3], _unsynchsafe(data[start + 6 : start + 10])
    if version not in (2, 3, 4):
        return Tags(), [f"an ID3 tag of version 2.{version}"]
    problems = ["the ID3 tag is cut off"] if start + 10 + size > len(data) else []
    body = bytes(data[start + 10 : start + 10 + size])
    found, damaged = _Found(), 0
    for name, frame in _frames(body, version, data[start + 5]):
        try:
            _take(found, name, frame)
        except (IndexError, struct.error):
            damaged += 1
    if found.lines:
        found.pairs["SYNCEDLYRICS"] = lrc_text(found.lines)
    problems += [f"{damaged} damaged ID3 frames"] if damaged else []
    return from_pairs(found.pairs, found.cover), problems


def _bodies(tags: Tags) -> Iterator[tuple[str, bytes]]:
    """Frames as (name, body), in a fixed order."""
    pairs = to_pairs(tags)
    if tags.bpm is not None:  # a whole number by the standard; the exact one goes into TXXX
        exact = pairs.pop("BPM")
        yield "TBPM", UTF8 + str(max(1, round(tags.bpm))).encode()
        pairs |= {"BPM": exact} if tags.bpm != round(tags.bpm) else {}
    for key, name in TEXT_FRAMES.items():
        if key in pairs and (key != "INITIALKEY" or len(pairs[key]) <= 3):  # so the standard limits TKEY
            yield name, UTF8 + pairs.pop(key).encode()
    if "TRACKNUMBER" in pairs:
        yield (
            "TRCK",
            UTF8 + "/".join(pairs.pop(key) for key in ("TRACKNUMBER", "TRACKTOTAL") if key in pairs).encode(),
        )
    pairs.pop("SYNCEDLYRICS", "")
    yield from _lyric_bodies(tags, pairs)
    for key, value in pairs.items():
        yield "TXXX", UTF8 + key.encode() + b"\x00" + value.encode()
    if tags.cover:
        yield "APIC", UTF8 + tags.cover.mime.encode() + b"\x00" + FRONT_COVER + b"\x00" + tags.cover.data


def _lyric_bodies(tags: Tags, pairs: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    """The frames that state their language; they are taken out of `pairs`."""
    start = UTF8 + (tags.language or UNKNOWN_LANGUAGE).encode("ascii")
    for key, name in (("COMMENT", "COMM"), ("LYRICS", "USLT")):
        if key in pairs:
            yield name, start + b"\x00" + pairs.pop(key).encode()
    if tags.timed_lyrics:  # in UTF-16: some readers know no UTF-8 here, and then give up the whole tag
        language = start[1:]
        lines = (
            BOM + line.text.encode("utf-16-le") + b"\x00\x00" + struct.pack(">I", round(1000 * line.start_s))
            for line in tags.timed_lyrics
        )
        head = UTF16 + language + b"\x02\x01" + BOM + b"\x00\x00"  # milliseconds; lyrics; no description
        yield "SYLT", head + b"".join(lines)


def _frame(name: str, body: bytes, unsynchronise: bool) -> bytes:
    if not unsynchronise:
        return name.encode() + _synchsafe(len(body)) + b"\x00\x00" + body
    broken = _synchsafe(len(body)) + _MUST_BREAK.sub(b"\xff\x00", body)
    return name.encode() + _synchsafe(len(broken)) + b"\x00\x03" + broken


def _synchsafe(size: int) -> bytes:
    return bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))


def _unsynchsafe(size: bytes) -> int:
    value = 0
    for byte in size:
        value = (value << 7) | (byte & 0x7F)
    return value


def _frames(body: bytes, version: int, flags: int) -> Iterator[tuple[str, bytes]]:
    """Frames as (name, body), unsynchronisation undone; compressed and encrypted ones are left out."""
    if flags & 0x80 and version < 4:
        body = body.replace(b"\xff\x00", b"\xff")
    at = _extended_header(body, version) if flags & 0x40 and version > 2 else 0
    head = 6 if version == 2 else 10
    while at + head <= len(body) and body[at] != 0:
        name, size, frame_flags = _frame_head(body[at : at + head], version)
        frame = body[at + head : at + head + size]
        at += head + size
        if version == 4:
            if frame_flags & 0x0C:
                continue
            skipped = (1 if frame_flags & 0x40 else 0) + (4 if frame_flags & 0x01 else 0)
            frame = frame[skipped:]
            if frame_flags & 0x02 or flags & 0x80:
                frame = frame.replace(b"\xff\x00", b"\xff")
        elif version == 3:
            if frame_flags & 0xC0:
                continue
            frame = frame[1:] if frame_flags & 0x20 else frame
        yield name, frame


def _extended_header(body: bytes, version: int) -> int:
    size = _unsynchsafe(body[:4]) if version == 4 else 4 + int.from_bytes(body[:4])
    return max(size, 4)


def _frame_head(head: bytes, version: int) -> tuple[str, int, int]:
    """Name in the words of version 2.3, size, and the flags of the format."""
    if version == 2:
        name = head[:3].decode("latin-1")
        return _OLD_NAMES.get(name, name), int.from_bytes(head[3:6]), 0
    # Some writers of 2.4 give plain sizes: a set high bit cannot be synchsafe.
    is_synchsafe = version == 4 and not any(byte & 0x80 for byte in head[4:8])
    size = _unsynchsafe(head[4:8]) if is_synchsafe else int.from_bytes(head[4:8])
    return head[:4].decode("latin-1"), size, head[9]


def _take(found: _Found, name: str, frame: bytes) -> None:
    """Add what a frame says."""
    if name in _KEYS:
        if not (name == "TBPM" and "BPM" in found.pairs):
            found.pairs.setdefault(_KEYS[name], _text(frame[1:], frame[0]))
    elif name == "TRCK":
        found.pairs["TRACKNUMBER"] = _text(frame[1:], frame[0])
    elif name == "TXXX":
        key, value = _split(frame[1:], frame[0])
        found.pairs[key.upper()] = _text(value, frame[0])
    elif name in ("COMM", "USLT"):
        description, value = _split(frame[4:], frame[0])
        key = "COMMENT" if name == "COMM" else "LYRICS"
        if not description or key not in found.pairs:
            found.pairs[key] = _text(value, frame[0])
        language = frame[1:4].decode("latin-1").lower()
        if name == "USLT" and language not in ("xxx", "und"):
            found.pairs.setdefault("LANGUAGE", language)
    elif name == "SYLT" and frame[4] == 2:
        found.lines += _timed(frame)
    elif name in ("APIC", "PIC") and found.cover is None:
        at = frame.index(b"\x00", 1) + 2 if name == "APIC" and b"\x00" in frame[1:] else 5
        _, picture = _split(frame[at:], frame[0])
        found.cover = cover_from_bytes(picture)


def _timed(frame: bytes) -> Iterator[TimedLine]:
    encoding = frame[0]
    at = _terminator(frame, encoding, 6)[1]
    while at < len(frame):
        end, after = _terminator(frame, encoding, at)
        if after + 4 > len(frame):
            return
        start_s = struct.unpack(">I", frame[after : after + 4])[0] / 1000
        yield TimedLine(min(start_s, LONGEST_S), _text(frame[at:end], encoding))
        at = after + 4


def _split(data: bytes, encoding: int) -> tuple[str, bytes]:
    """The text before the first terminator, and the bytes behind it."""
    end, after = _terminator(data, encoding, 0)
    return _text(data[:end], encoding), data[after:]


def _terminator(data: bytes, encoding: int, start: int) -> tuple[int, int]:
    """Where the text at `start` ends, and where what follows it begins; the end if there is no terminator."""
    width = 2 if encoding in (1, 2) else 1
    at = data.find(bytes(width), start)
    while at >= 0 and (at - start) % width:
        at = data.find(bytes(width), at + 1)
    return (len(data), len(data)) if at < 0 else (at, at + width)


def _text(data: bytes, encoding: int) -> str:
    """Decoded text; several values are joined with "; "."""
    name = _ENCODINGS[encoding] if encoding < len(_ENCODINGS) else "latin-1"
    if name == "utf-16" and data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        name = "utf-16-le"
    return "; ".join(part for part in data.decode(name, "replace").split("\x00") if part)

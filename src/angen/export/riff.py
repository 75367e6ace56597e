"""WAV files: written plainly, tagged with a RIFF INFO list and an `id3 ` chunk.

INFO has few fields and no stated encoding (we write UTF-8, as others do); the ID3 tag holds everything.

Sources: Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0" (1991), RIFF and
INFO; id3.org for the tag itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from mmap import mmap

import numpy as np
from numpy.typing import NDArray

from angen.errors import ExportError
from angen.export.id3 import id3_tag, id3_tags
from angen.export.tags import Tags, from_pairs, to_pairs

LARGEST = 2**32 - 1
INFO_KEYS = {
    "INAM": "TITLE", "IART": "ARTIST", "IPRD": "ALBUM", "IGNR": "GENRE", "ICRD": "DATE", "ICMT": "COMMENT",
    "ICOP": "COPYRIGHT", "ITRK": "TRACKNUMBER", "ILNG": "LANGUAGE",
}  # fmt: skip
AI_SOURCE = "AI_GENERATED=true"  # in ISRF, the form of the source


def wav_bytes(samples: NDArray[np.int32] | NDArray[np.float32], rate_hz: int, bits: int) -> bytes:
    """A WAV file.

    Args:
        samples: Shape (channels, samples): whole numbers for 16 and 24 bits, float32 for 32.
        rate_hz: Samples per second.
        bits: 16, 24 (integers) or 32 (floating point).

    Raises:
        ExportError: If it would exceed the 4 GiB of the format.
    """
    channels, count = samples.shape
    width, is_float = bits // 8, bits == 32
    check_size(channels * count * width + 64)
    interleaved = np.ascontiguousarray(samples.T)
    if is_float:
        sound = interleaved.astype("<f4").tobytes()
    elif bits == 16:
        sound = interleaved.astype("<i2").tobytes()
    else:
        sound = interleaved.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    kind = struct.pack(
        "<HHIIHH", 3 if is_float else 1, channels, rate_hz, rate_hz * channels * width, channels * width, bits
    )
    chunks = [(b"fmt ", kind + (b"\x00\x00" if is_float else b""))]
    chunks += [(b"fact", struct.pack("<I", count))] if is_float else []
    return _riff([*chunks, (b"data", sound)])


def wav_tagged(data: bytes, tags: Tags) -> bytes:
    """The WAV file `data` with these tags and no others; its other chunks are kept.

    Raises:
        ExportError: If it is damaged, or would exceed the 4 GiB of the format.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ExportError("This is no plain WAV file (RF64 cannot be tagged).", remedy="Write it as FLAC.")
    view = memoryview(data)
    kept: list[tuple[bytes, bytes | memoryview]] = [
        (name, view[start : start + size])
        for name, start, size in _chunks(data)
        if name not in (b"id3 ", b"ID3 ", b"LIST") or (name == b"LIST" and data[start : start + 4] != b"INFO")
    ]
    if b"data" not in [name for name, _ in kept]:
        raise ExportError("This WAV file has no sound.", remedy="Export it again.")
    info = _info(tags)
    kept += [(b"LIST", info)] if info else []
    kept.append((b"id3 ", id3_tag(tags)))
    check_size(sum(len(body) + 9 for _, body in kept))
    return _riff(kept)


def wav_tags(data: bytes | mmap) -> tuple[Tags, list[str]]:
    """The tags of a WAV file, and what is damaged in it. The ID3 tag comes before the INFO list."""
    tags, listed, problems = Tags(), Tags(), []
    for name, start, size in _chunks(data):
        if start + size > len(data):
            problems.append(f"the chunk {name.decode('latin-1')!r} is cut off")
        elif name in (b"id3 ", b"ID3 "):
            tags, wrong = id3_tags(data, start)
            problems += wrong
        elif name == b"LIST" and data[start : start + 4] == b"INFO":
            listed = _listed(bytes(data[start + 4 : start + size]))
    return tags.over(listed), problems


def check_size(size: int) -> None:
    """Raise an `ExportError` if so many bytes exceed a RIFF file."""
    if size > LARGEST - 8:
        raise ExportError(f"A WAV file holds 4 GiB, and this needs {size} bytes.", remedy="Write it as FLAC.")


def _riff(chunks: Sequence[tuple[bytes, bytes | memoryview]]) -> bytes:
    parts: list[bytes | memoryview] = []
    for name, body in chunks:
        parts += [name, struct.pack("<I", len(body)), body, bytes(len(body) % 2)]
    size = 4 + sum(len(part) for part in parts)
    return b"".join([b"RIFF", struct.pack("<I", size), b"WAVE", *parts])


def _info(tags: Tags) -> bytes:
    pairs = to_pairs(tags)
    entries = [(name, pairs[key]) for name, key in INFO_KEYS.items() if key in pairs]
    entries += [("ISFT", tags.ai.system)] if tags.ai and tags.ai.system else []
    entries += [("ISRF", AI_SOURCE)] if tags.ai else []
    parts = [b"INFO"]
    for name, text in entries:
        body = text.encode() + b"\x00"
        parts += [name.encode(), struct.pack("<I", len(body)), body, bytes(len(body) % 2)]
    return b"".join(parts) if entries else b""


def _listed(body: bytes) -> Tags:
    """Tags of an INFO list."""
    found: dict[str, str] = {}
    at = 0
    while at + 8 <= len(body):
        name, size = body[at : at + 4].decode("latin-1"), struct.unpack("<I", body[at + 4 : at + 8])[0]
        text = body[at + 8 : at + 8 + size].partition(b"\x00")[0].decode("utf-8", "replace")
        found[name] = text
        at += 8 + size + size % 2
    pairs = {key: found[name] for name, key in INFO_KEYS.items() if name in found}
    if found.get("ISRF") == AI_SOURCE:
        pairs |= {"AI_GENERATED": "true", "AI_SYSTEM": found.get("ISFT", "")}
    return from_pairs(pairs)


def _chunks(data: bytes | mmap) -> Iterator[tuple[bytes, int, int]]:
    """Chunks as (name, start of the body, size of the body)."""
    at = 12
    while at + 8 <= len(data):
        name, size = struct.unpack("<4sI", data[at : at + 8])
        if name == b"data" and size in (0, LARGEST):  # a stream of unknown length
            size = len(data) - at - 8
        yield name, at + 8, size
        at += 8 + size + size % 2

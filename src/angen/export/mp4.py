"""M4A files: the list of tags (`ilst`) replaced, sound untouched.

Sources: ISO/IEC 14496-12 (boxes, chunk offsets); Apple, "QuickTime File Format", metadata, and the atoms that
players agree on: `©nam` and its like, `trkn`, `tmpo`, `covr`, and `----` for any other key.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap

from angen.errors import ExportError
from angen.export.cover import Cover, cover_from_bytes
from angen.export.tags import Tags, from_pairs, to_pairs

TEXT_ATOMS = {
    "TITLE": b"\xa9nam", "ARTIST": b"\xa9ART", "ALBUM": b"\xa9alb", "ALBUMARTIST": b"aART", "GENRE": b"\xa9gen",
    "DATE": b"\xa9day", "COMMENT": b"\xa9cmt", "LYRICS": b"\xa9lyr", "COPYRIGHT": b"cprt",
}  # fmt: skip
_KEYS = {atom: key for key, atom in TEXT_ATOMS.items()}
MEAN = b"com.apple.iTunes"
UTF8, JPEG, PNG, INTEGER, RAW = 1, 13, 14, 21, 0
_PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


@dataclass(frozen=True)
class _Box:
    kind: bytes
    start: int  # of the box
    body: int  # start of what it holds
    end: int


def mp4_tagged(data: bytes, tags: Tags) -> bytes:
    """The M4A file `data` with these tags and no others.

    Raises:
        ExportError: If it is damaged, or in fragments.
    """
    boxes = list(_boxes(data, 0, len(data)))
    moov = next((box for box in boxes if box.kind == b"moov"), None)
    if moov is None or boxes[-1].end != len(data) or any(box.kind == b"moof" for box in boxes):
        raise ExportError("This M4A file is damaged or in fragments.", remedy="Export it again.")
    kept = [data[box.start : box.end] for box in _boxes(data, moov.body, moov.end) if box.kind != b"udta"]
    body = bytearray(b"".join([*kept, _box(b"udta", _meta(tags))]))
    moved = 8 + len(body) - (moov.end - moov.start)
    if moved:
        _shift_offsets(body, 0, len(body), moov.end, moved)
    return b"".join([data[: moov.start], _box(b"moov", bytes(body)), data[moov.end :]])


def mp4_tags(data: bytes | mmap) -> tuple[Tags, list[str]]:
    """The tags of an MP4 file, and what is damaged in it."""
    box = _Box(b"", 0, 0, len(data))
    for kind in (b"moov", b"udta", b"meta", b"ilst"):
        found = next((inner for inner in _boxes(data, box.body, box.end) if inner.kind == kind), None)
        if found is None:
            return Tags(), [] if kind != b"moov" else ["no header, or a damaged one"]
        box = _Box(kind, found.start, found.body + (4 if kind == b"meta" else 0), found.end)
    pairs: dict[str, str] = {}
    cover: Cover | None = None
    for item in _boxes(data, box.body, box.end):
        value = next(
            (bytes(data[b.body + 8 : b.end]) for b in _boxes(data, item.body, item.end) if b.kind == b"data"),
            b"",
        )
        if item.kind == b"covr":
            cover = cover or cover_from_bytes(value)
        else:
            pairs |= _pairs(data, item, value)
    return from_pairs(pairs, cover), []


def _pairs(data: bytes | mmap, item: _Box, value: bytes) -> dict[str, str]:
    """What one item of the list says."""
    if item.kind in _KEYS:
        return {_KEYS[item.kind]: value.decode("utf-8", "replace")}
    if item.kind == b"trkn" and len(value) >= 6:
        track, total = struct.unpack(">HH", value[2:6])
        return {"TRACKNUMBER": str(track), "TRACKTOTAL": str(total)}
    if item.kind == b"tmpo" and value:
        return {"BPM": str(int.from_bytes(value))}
    if item.kind == b"----":
        name = next(
            (bytes(data[b.body + 4 : b.end]) for b in _boxes(data, item.body, item.end) if b.kind == b"name"),
            b"",
        )
        return {name.decode("utf-8", "replace").upper(): value.decode("utf-8", "replace")}
    return {}


def _meta(tags: Tags) -> bytes:
    """The `meta` box with its handler and the list of items."""
    pairs = to_pairs(tags)
    items = [_item(atom, UTF8, pairs.pop(key).encode()) for key, atom in TEXT_ATOMS.items() if key in pairs]
    if tags.track or tags.tracks:
        numbers = struct.pack(">HHHH", 0, tags.track or 0, tags.tracks or 0, 0)
        items.append(_item(b"trkn", RAW, numbers))
    if tags.bpm is not None:
        items.append(_item(b"tmpo", INTEGER, struct.pack(">H", max(1, round(tags.bpm)))))
        if tags.bpm == round(tags.bpm):
            del pairs["BPM"]
    for key, value in pairs.items():
        if key not in ("TRACKNUMBER", "TRACKTOTAL"):
            parts = [_box(b"mean", bytes(4) + MEAN), _box(b"name", bytes(4) + key.encode())]
            items.append(_box(b"----", b"".join([*parts, _data(UTF8, value.encode())])))
    if tags.cover:
        items.append(_item(b"covr", PNG if tags.cover.mime == "image/png" else JPEG, tags.cover.data))
    handler = _box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    return _box(b"meta", bytes(4) + handler + _box(b"ilst", b"".join(items)))


def _item(kind: bytes, type_code: int, value: bytes) -> bytes:
    return _box(kind, _data(type_code, value))


def _data(type_code: int, value: bytes) -> bytes:
    return _box(b"data", struct.pack(">II", type_code, 0) + value)


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def _boxes(data: bytes | bytearray | mmap, start: int, end: int) -> Iterator[_Box]:
    """Boxes one after another, until one does not fit."""
    at = start
    while at + 8 <= end:
        size, kind, head = int.from_bytes(data[at : at + 4]), bytes(data[at + 4 : at + 8]), 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16]), 16
        elif size == 0:
            size = end - at
        if size < head or at + size > end:
            return
        yield _Box(kind, at, at + head, at + size)
        at += size


def _shift_offsets(moov: bytearray, start: int, end: int, behind: int, moved: int) -> None:
    """Move the chunk offsets that point `behind` the header."""
    for box in list(_boxes(moov, start, end)):
        if box.kind in _PARENTS:
            _shift_offsets(moov, box.body, box.end, behind, moved)
        elif box.kind in (b"stco", b"co64"):
            width = 4 if box.kind == b"stco" else 8
            count = int.from_bytes(moov[box.body + 4 : box.body + 8])
            for at in range(box.body + 8, min(box.body + 8 + count * width, box.end), width):
                offset = int.from_bytes(moov[at : at + width])
                if offset >= behind:
                    moov[at : at + width] = (offset + moved).to_bytes(width)

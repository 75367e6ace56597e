"""Vorbis comments and FLAC picture blocks, which FLAC, Ogg Vorbis and Opus share.

Sources: xiph.org, "Ogg Vorbis I: comment field and header specification"; RFC 9639 (FLAC), 8.6 and 8.8.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Mapping

from angen.export.cover import Cover, cover_from_bytes
from angen.export.tags import Tags, from_pairs

FRONT_COVER = 3


def comment_block(pairs: Mapping[str, str], vendor: bytes) -> bytes:
    """KEY=value pairs as a comment block, without any framing."""
    entries = [f"{key}={value}".encode() for key, value in pairs.items()]
    parts = [struct.pack("<I", len(vendor)), vendor, struct.pack("<I", len(entries))]
    for entry in entries:
        parts += [struct.pack("<I", len(entry)), entry]
    return b"".join(parts)


def parse_comments(block: bytes) -> tuple[bytes, dict[str, str], list[str]]:
    """The vendor, the pairs and what is damaged in a comment block. A key given twice is joined with "; "."""
    pairs: dict[str, str] = {}
    size = struct.unpack("<I", block[:4])[0] if len(block) >= 4 else len(block)
    vendor, at = block[4 : 4 + size], 4 + size
    if at + 4 > len(block):
        return b"", pairs, ["the comment block is cut off"]
    count, at = struct.unpack("<I", block[at : at + 4])[0], at + 4
    for _ in range(count):
        if at + 4 > len(block):
            return vendor, pairs, ["the comment block is cut off"]
        size, at = struct.unpack("<I", block[at : at + 4])[0], at + 4
        if at + size > len(block):
            return vendor, pairs, ["a comment is longer than its block"]
        key, equals, value = block[at : at + size].decode("utf-8", "replace").partition("=")
        key, at = key.upper(), at + size
        if equals and key == "METADATA_BLOCK_PICTURE":
            pairs.setdefault(key, value)
        elif equals:
            pairs[key] = f"{pairs[key]}; {value}" if key in pairs else value
    return vendor, pairs, []


def tags_of_comments(pairs: Mapping[str, str], cover: Cover | None = None) -> Tags:
    """Tags of parsed comments, with the cover that is among them if none is given."""
    if cover is None and "METADATA_BLOCK_PICTURE" in pairs:
        try:
            block = base64.b64decode(
                pairs["METADATA_BLOCK_PICTURE"].encode("ascii", "replace"), validate=True
            )
            cover = parse_picture(block)
        except binascii.Error:
            cover = None
    return from_pairs(pairs, cover)


def picture_block(cover: Cover) -> bytes:
    """A cover as the body of a FLAC picture block."""
    mime = cover.mime.encode("ascii")
    return b"".join(
        (
            struct.pack(">II", FRONT_COVER, len(mime)),
            mime,
            struct.pack(">IIIII", 0, cover.width, cover.height, 24, 0),  # no description, 24 bits, no palette
            struct.pack(">I", len(cover.data)),
            cover.data,
        )
    )


def picture_text(cover: Cover) -> str:
    """A cover as the value of a METADATA_BLOCK_PICTURE comment."""
    return base64.b64encode(picture_block(cover)).decode("ascii")


def parse_picture(block: bytes) -> Cover | None:
    """The cover in a picture block; None if it is damaged or neither PNG nor JPEG."""
    at = 4
    for _ in range(2):  # the MIME type and the description, both skipped: the bytes tell what they are
        if at + 4 > len(block):
            return None
        at += 4 + int(struct.unpack(">I", block[at : at + 4])[0])
    at += 16
    if at + 4 > len(block):
        return None
    size = struct.unpack(">I", block[at : at + 4])[0]
    data = block[at + 4 : at + 4 + size]
    return cover_from_bytes(data) if len(data) == size else None

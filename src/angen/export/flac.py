"""FLAC files: metadata blocks replaced, sound untouched. Source: RFC 9639, 8."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from mmap import mmap

from angen.errors import ExportError
from angen.export.id3 import tag_size
from angen.export.tags import Tags, to_pairs
from angen.export.vorbis import comment_block, parse_comments, parse_picture, picture_block, tags_of_comments

STREAMINFO, PADDING, COMMENTS, PICTURE = 0, 1, 4, 6
LARGEST_BLOCK = 2**24 - 1
PADDING_BYTES = 4096


def flac_tagged(data: bytes, tags: Tags) -> bytes:
    """The FLAC file `data` with these tags and no others.

    Raises:
        ExportError: If it is no FLAC file, or the tags exceed a block's 16 MiB.
    """
    blocks, start, problems = _blocks(data)
    if problems or not blocks or blocks[0][0] != STREAMINFO:
        raise ExportError(
            f"This FLAC file is damaged ({', '.join(problems) or 'no stream info'}).", remedy="Make it again."
        )
    vendor = next((parse_comments(body)[0] for kind, body in blocks if kind == COMMENTS), b"")
    kept = [(kind, body) for kind, body in blocks if kind not in (PADDING, COMMENTS, PICTURE)]
    kept.append((COMMENTS, comment_block(to_pairs(tags), vendor)))
    if tags.cover:
        kept.append((PICTURE, picture_block(tags.cover)))
    kept.append((PADDING, bytes(PADDING_BYTES)))
    parts = [b"fLaC"]
    for index, (kind, body) in enumerate(kept):
        if len(body) > LARGEST_BLOCK:
            raise ExportError(
                f"A FLAC block holds 16 MiB, and this needs {len(body)} bytes.",
                remedy="Shorten the lyrics or shrink the cover.",
            )
        is_last = index == len(kept) - 1
        parts += [struct.pack(">I", (is_last << 31) | (kind << 24) | len(body)), body]
    return b"".join([*parts, memoryview(data)[start:]])


def flac_tags(data: bytes | mmap) -> tuple[Tags, list[str]]:
    """The tags of a FLAC file, and what is damaged in it."""
    blocks, _, problems = _blocks(data)
    pairs: dict[str, str] = {}
    cover = None
    for kind, body in blocks:
        if kind == COMMENTS:
            _, found, wrong = parse_comments(body)
            pairs, problems = pairs | found, problems + wrong
        if kind == PICTURE and cover is None:
            cover = parse_picture(body)
    return tags_of_comments(pairs, cover), problems


def _blocks(data: bytes | mmap) -> tuple[list[tuple[int, bytes]], int, list[str]]:
    """Metadata blocks as (kind, body), where the sound starts, and what is damaged."""
    at = tag_size(data) + 4  # behind an ID3 tag, where C2PA keeps its statement
    if data[at - 4 : at] != b"fLaC":
        return [], 0, ["no FLAC stream"]
    blocks: list[tuple[int, bytes]] = []
    for kind, start, size, is_last in _headers(data, at):
        if start + size > len(data):
            return blocks, len(data), ["a metadata block is cut off"]
        blocks.append((kind, bytes(data[start : start + size])))
        at = start + size
        if is_last:
            return blocks, at, []
    return blocks, at, ["the metadata has no last block"]


def _headers(data: bytes | mmap, at: int) -> Iterator[tuple[int, int, int, bool]]:
    """Block headers as (kind, start of the body, its size, whether it is the last)."""
    while at + 4 <= len(data):
        word = int.from_bytes(data[at : at + 4])
        kind, size = (word >> 24) & 0x7F, word & LARGEST_BLOCK
        yield kind, at + 4, size, bool(word >> 31)
        at += 4 + size

"""Ogg files of Vorbis or Opus: the comment packet replaced, sound untouched.

A new comment packet may take more pages or fewer, so every later page gets a new number and checksum. The
stream's serial number, which encoders draw by chance, becomes the checksum of its packets: the same music
with the same tags is the same file.

Sources: RFC 3533 (Ogg), RFC 7845 (Opus), xiph.org "Vorbis I specification", 4.2 and A.
"""

from __future__ import annotations

import dataclasses
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from mmap import mmap

from angen.errors import ExportError
from angen.export.tags import Tags, to_pairs
from angen.export.vorbis import comment_block, parse_comments, picture_text, tags_of_comments

CONTINUED, FIRST, LAST = 1, 2, 4
NO_PACKET_ENDS = 2**64 - 1
LONGEST_HEADERS = 64 * 2**20  # bytes of header packets that are read; a longer comment is damage or malice
_HEAD = struct.Struct("<4sBBQIIIB")
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True)
class Page:
    """One page of an Ogg stream: `lacing` holds the sizes of its segments, `body` the segments."""

    flags: int
    granule: int
    serial: int
    number: int
    lacing: bytes
    body: bytes

    def encoded(self) -> bytes:
        """The page as bytes, with its checksum."""
        head = _HEAD.pack(b"OggS", 0, self.flags, self.granule, self.serial, self.number, 0, len(self.lacing))
        page = b"".join((head, self.lacing, self.body))
        return page[:22] + struct.pack("<I", ogg_checksum(page)) + page[26:]


def ogg_checksum(data: bytes) -> int:
    """The CRC of Ogg: polynomial 0x04c11db7 from the high bit, nothing inverted (RFC 3533, 6).

    zlib's is the same polynomial from the low bit, inverted before and after; so bits are turned round.

    Example:
        >>> hex(ogg_checksum(b"123456789"))
        '0x89a1897f'
    """
    mirrored = zlib.crc32(data.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


def ogg_tagged(data: bytes, tags: Tags) -> bytes:
    """The Ogg file `data` with these tags and no others.

    Raises:
        ExportError: If it is damaged, neither Vorbis nor Opus, or holds several streams.
    """
    every = list(_pages(data))
    packets, count = _header_packets(every)
    problem = _problem(data, every, packets)
    if problem:
        raise ExportError(
            f"The tags of this Ogg file cannot be changed: {problem}.", remedy="Export it again."
        )
    is_opus = packets[0].startswith(b"OpusHead")
    vendor = parse_comments(packets[1][8 if is_opus else 7 :])[0]
    pairs = to_pairs(tags, is_opus=is_opus)
    if tags.cover:
        pairs["METADATA_BLOCK_PICTURE"] = picture_text(tags.cover)
    block = comment_block(pairs, vendor)
    packets[1] = b"OpusTags" + block if is_opus else b"\x03vorbis" + block + b"\x01"
    sound = every[count:]
    serial = 0
    for packet in [*packets, *(page.body for page in sound)]:
        serial = zlib.crc32(packet, serial)
    opening = [Page(FIRST, 0, serial, 0, _lacing(packets[0]), packets[0])]
    opening += _paginated(packets[1:], serial, 1)
    renumbered = [
        dataclasses.replace(page, serial=serial, number=number)
        for number, page in enumerate(sound, len(opening))
    ]
    return b"".join(page.encoded() for page in [*opening, *renumbered])


def ogg_tags(data: bytes | mmap) -> tuple[str, Tags, list[str]]:
    """The coding ("vorbis", "opus" or ""), the tags of its first stream, and what is damaged."""
    packets, _ = _header_packets(_pages(data))
    if not packets or _packets_in_head(packets[0]) == 0:
        return "", Tags(), ["neither Vorbis nor Opus"]
    coding = "opus" if packets[0].startswith(b"OpusHead") else "vorbis"
    if len(packets) < 2:
        return coding, Tags(), ["the comment packet is cut off"]
    _, pairs, problems = parse_comments(packets[1][8 if coding == "opus" else 7 :])
    return coding, tags_of_comments(pairs), problems


def _pages(data: bytes | mmap) -> Iterator[Page]:
    """Pages one after another, until the data is no page any more."""
    at = 0
    while at + 27 <= len(data):
        magic, version, flags, granule, serial, number, _, segments = _HEAD.unpack(data[at : at + 27])
        lacing = bytes(data[at + 27 : at + 27 + segments])
        start, end = at + 27 + segments, at + 27 + segments + sum(lacing)
        if magic != b"OggS" or version != 0 or len(lacing) < segments or end > len(data):
            return
        yield Page(flags, granule, serial, number, lacing, bytes(data[start:end]))
        at = end


def _packets_in_head(first: bytes) -> int:
    """How many packets come before the sound, by the first of them; 0 for codings that are not ours."""
    return 2 if first.startswith(b"OpusHead") else 3 if first.startswith(b"\x01vorbis") else 0


def _header_packets(pages: Sequence[Page] | Iterator[Page]) -> tuple[list[bytes], int]:
    """The whole header packets of the first stream, and how many pages hold them."""
    packets: list[bytes] = []
    parts: list[bytes] = []
    serial: int | None = None
    size = 0
    for count, page in enumerate(pages, 1):
        serial = page.serial if serial is None else serial
        if page.serial != serial:
            continue
        at = 0
        for length in page.lacing:
            parts.append(page.body[at : at + length])
            at, size = at + length, size + length
            if length < 255:
                packets.append(b"".join(parts))
                parts = []
        if size > LONGEST_HEADERS or (packets and len(packets) >= _packets_in_head(packets[0])):
            return packets, count
    return packets, 0


def _problem(data: bytes, pages: list[Page], packets: list[bytes]) -> str:
    """Why its tags cannot be changed; empty if they can."""
    if not packets or _packets_in_head(packets[0]) == 0:
        return "it is neither Vorbis nor Opus"
    if len(packets) != _packets_in_head(packets[0]):
        return "its headers are damaged"
    if len({page.serial for page in pages}) > 1 or sum(bool(page.flags & FIRST) for page in pages) > 1:
        return "it holds several streams"
    if sum(27 + len(page.lacing) + len(page.body) for page in pages) != len(data):
        return "it is damaged after its headers"
    return ""


def _lacing(packet: bytes) -> bytes:
    """Sizes of a packet's segments; the last is below 255, which ends it."""
    return b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255])


def _paginated(packets: Sequence[bytes], serial: int, number: int) -> list[Page]:
    """Header packets on pages of at most 255 segments."""
    lacing, body = b"".join(map(_lacing, packets)), b"".join(packets)
    pages: list[Page] = []
    at, is_open = 0, False
    for first in range(0, len(lacing), 255):
        sizes = lacing[first : first + 255]
        granule = 0 if min(sizes) < 255 else NO_PACKET_ENDS
        pages.append(
            Page(
                CONTINUED if is_open else 0,
                granule,
                serial,
                number + len(pages),
                sizes,
                body[at : at + sum(sizes)],
            )
        )
        at, is_open = at + sum(sizes), sizes[-1] == 255
    return pages

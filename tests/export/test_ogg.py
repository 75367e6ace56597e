import struct
from itertools import pairwise

import numpy as np
import pytest

from angen.errors import ExportError
from angen.export import Tags, parse_formats
from angen.export.encoding import encode
from angen.export.ogg import _pages, ogg_checksum, ogg_tagged, ogg_tags

from .conftest import decoded, full_tags, noise


def slow_checksum(data):
    """RFC 3533, 6, bit by bit."""
    value = 0
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = ((value << 1) ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
    return value


def test_the_checksum_is_that_of_the_standard():
    for size in (0, 1, 27, 300):
        data = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8).tobytes()
        assert ogg_checksum(data) == slow_checksum(data)


@pytest.mark.parametrize("spec", ["ogg", "opus"])
@pytest.mark.parametrize("size", [0, 200, 254, 255, 256, 509, 510, 65024, 65025, 65026, 130_000, 300_000])
def test_any_length_of_comment_makes_sound_pages(spec, size, bare):
    data = ogg_tagged(bare(spec), Tags(lyrics="x" * size))
    pages = list(_pages(data))
    assert b"".join(page.encoded() for page in pages) == data  # with it every checksum
    assert [page.number for page in pages] == list(range(len(pages)))
    assert len({page.serial for page in pages}) == 1
    assert [page.flags & 2 for page in pages] == [2] + [0] * (len(pages) - 1)
    assert pages[-1].flags & 4
    for before, after in pairwise(pages):  # a packet goes on exactly where it was left open
        assert bool(after.flags & 1) == (before.lacing[-1] == 255)
        if set(before.lacing) == {255}:
            assert before.granule == 2**64 - 1
    assert ogg_tags(data)[1].lyrics == "x" * size
    assert np.array_equal(decoded(data), decoded(bare(spec)))


def test_some_checksums_by_hand(bare):
    data = ogg_tagged(bare("opus"), full_tags())
    for page in list(_pages(data))[:3]:
        encoded = page.encoded()
        assert struct.unpack("<I", encoded[22:26])[0] == slow_checksum(encoded[:22] + bytes(4) + encoded[26:])


@pytest.mark.parametrize("spec", ["ogg", "opus"])
def test_the_same_music_and_tags_are_the_same_file(spec):
    kind = parse_formats(spec)[0]
    first, again = (ogg_tagged(encode(noise(), kind), full_tags()) for _ in range(2))
    assert first == again
    assert first != ogg_tagged(encode(noise(), kind), full_tags("other"))


def test_what_we_cannot_tag_safely_is_refused(bare):
    data = bare("ogg")
    for wrong, said in (
        (data + bare("opus"), "several streams"),
        (data[:-10], "damaged after its headers"),
        (data[:200], "damaged"),
        (data.replace(b"\x01vorbis", b"\x7fFLAC\1\0"), "neither Vorbis nor Opus"),
    ):
        with pytest.raises(ExportError, match=said):
            ogg_tagged(wrong, Tags(title="x"))

"""The readers meet damage with what is whole of the tags, or a typed error: never another error, never a hang."""

import contextlib
import struct
import time

import numpy as np
import pytest

from angen.errors import ExportError
from angen.export import Tags, draw_cover
from angen.export.id3 import id3_tag
from angen.export.tagging import tagged, tags_of

from .conftest import full_tags

CONTAINERS = ("wav16", "flac", "mp3", "ogg", "opus", "m4a")


def small(data):
    """A file with all tags and a small cover."""
    return tagged(data, full_tags(cover=draw_cover("x", size=16)))


def read_or_refuse(data):
    with contextlib.suppress(ExportError):
        found = tags_of(data)
        assert isinstance(found.tags, Tags)
        found.as_dict()
        return found
    return None


@pytest.mark.parametrize("spec", CONTAINERS)
def test_flipped_and_cut_and_repeated_bytes(spec, bare):
    data = small(bare(spec))
    interesting = [at for at in range(len(data)) if at < 6000 or at > len(data) - 6000]
    random = np.random.default_rng(0)
    start = time.perf_counter()
    for _ in range(150):
        broken = bytearray(data)
        for at in random.choice(interesting, random.integers(1, 12)):
            broken[at] = random.choice([0, 1, 0x7F, 0x80, 0xFF, int(random.integers(0, 256))])
        if random.random() < 0.3:
            del broken[int(random.choice(interesting)) :]
        if random.random() < 0.2:
            at = int(random.choice(interesting))
            broken[at:at] = broken[at : at + 40] * 3
        read_or_refuse(bytes(broken))
        with contextlib.suppress(ExportError):
            tagged(bytes(broken), Tags(title="x"))
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize("spec", CONTAINERS)
def test_every_short_beginning(spec, bare):
    data = small(bare(spec))
    for size in [*range(0, 400), *range(400, min(len(data), 8000), 97)]:
        read_or_refuse(data[:size])


@pytest.mark.parametrize("spec", ["wav16", "flac", "mp3", "ogg", "opus"])
def test_sizes_that_lie_about_everything(spec, bare):
    data = small(bare(spec))
    for word in (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x00", b"\xff\xff\xff\x7f"):
        for at in range(0, min(len(data), 1800), 7):
            read_or_refuse(data[:at] + word + data[at + 4 : 20_000])


def test_a_cut_file_gives_what_is_whole_and_says_so(bare):
    whole = Tags(title="whole", lyrics="x" * 5000)
    flac = tagged(bare("flac"), whole)
    cut = read_or_refuse(flac[: flac.index(b"LYRICS") + 20])
    assert cut.problems
    mp3 = tagged(bare("mp3"), whole)
    found = read_or_refuse(mp3[:2000])
    assert found.tags.title == "whole"
    assert found.problems == ("the ID3 tag is cut off",)
    wav = tagged(bare("wav16"), whole)
    found = read_or_refuse(wav[: wav.index(b"id3 ") + 100])
    assert found.tags.title == "whole"  # from the INFO list before it
    assert "cut off" in found.problems[0]


def test_a_million_empty_things_take_no_time():
    start = time.perf_counter()
    frames = (b"TXXX" + bytes(6)) * 60_000
    size = bytes((len(frames) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    read_or_refuse(b"ID3\x04\x00\x00" + size + frames)
    read_or_refuse(b"RIFF\0\0\0\0WAVE" + (b"JUNK" + bytes(4)) * 60_000)
    read_or_refuse(b"\0\0\0\x10ftypM4A \0\0\0\0" + (b"\0\0\0\x08moov") * 60_000)
    page = struct.pack("<4sBBQIIIB", b"OggS", 0, 0, 0, 1, 0, 0, 0)
    read_or_refuse(page * 60_000)
    read_or_refuse(b"fLaC" + bytes([1, 0, 0, 0]) * 60_000)
    comments = struct.pack("<II", 0, 2**32 - 1) + bytes(4) * 60_000
    read_or_refuse(b"fLaC" + bytes([0x84]) + len(comments).to_bytes(3) + comments)
    lines = b"\x00eng\x02\x01\x00" + b"\x00\x00\x00\x00\x01" * 40_000
    sylt = b"SYLT" + struct.pack(">I", len(lines)) + b"\0\0" + lines
    size = bytes((len(sylt) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    read_or_refuse(b"ID3\x03\x00\x00" + size + sylt)
    assert time.perf_counter() - start < 15


def test_noise_behind_every_magic():
    random = np.random.default_rng(1)
    for magic in (
        b"RIFF\0\0\0\0WAVE",
        b"fLaC",
        b"OggS\0\2",
        b"\0\0\0\x08ftyp",
        b"ID3\4\0\0\0\0\x40\0",
        b"\xff\xfb",
    ):
        for size in (0, 1, 5, 30, 500, 5000):
            for _ in range(10):
                read_or_refuse(magic + random.integers(0, 256, size, dtype=np.uint8).tobytes())
    assert read_or_refuse(id3_tag(Tags(title="still"))).tags.title == "still"

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angen.errors import ExportError
from angen.export import Tags, TimedLine
from angen.export.cover import Cover, cover_from_bytes, draw_cover
from angen.export.id3 import _MUST_BREAK, LARGEST_TAG, id3_tag, id3_tags, mp3_tagged, tag_size

from .conftest import full_tags

spiky = st.lists(st.sampled_from([0x00, 0xFF, 0xE0, 0xDF, 0x41])).map(bytes)


def frame(name, body, version=3, flags=b"\0\0"):
    size = len(body) if version == 3 else sum(((len(body) >> 7 * i) & 0x7F) << 8 * i for i in range(4))
    return name + struct.pack(">I", size) + flags + body


def tag(frames, version=3, flags=0):
    size = bytes((len(frames) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3" + bytes([version, 0, flags]) + size + frames


def test_the_header_and_sizes_are_synchsafe():
    data = id3_tag(full_tags(lyrics="x" * 100_000))
    assert data[:6] == b"ID3\x04\x00\x00"
    assert max(data[6:10]) < 0x80
    assert tag_size(data) == len(data)
    at = data.index(b"USLT")
    assert data[at + 4 : at + 8] == bytes(
        [0, 6, 13, 0x20 + 5]
    )  # 100,000 + 1 + 3 + 1 bytes, seven bits a byte


@given(spiky)
def test_unsynchronisation_hides_every_sync_and_can_be_undone(data):
    hidden = _MUST_BREAK.sub(b"\xff\x00", data)
    assert not any(hidden[i] == 0xFF and hidden[i + 1] >= 0xE0 for i in range(len(hidden) - 1))
    assert not hidden.endswith(b"\xff")
    assert hidden.replace(b"\xff\x00", b"\xff") == data


def test_a_tag_can_be_written_without_any_sync():
    cover = Cover(draw_cover("x", size=16).data + bytes([0xFF, 0xFB, 0xFF, 0x00, 0xFF]), "image/png", 16, 16)
    tags = full_tags(cover=cover)
    data = id3_tag(tags, unsynchronise=True)
    assert not any(data[i] == 0xFF and data[i + 1] >= 0xE0 for i in range(10, len(data) - 1))
    assert id3_tags(data) == (tags, [])


def test_mutagen_undoes_our_unsynchronisation(tmp_path):
    id3 = pytest.importorskip("mutagen.id3", reason="mutagen, an optional second opinion, is not installed")
    tags = full_tags(
        cover=Cover(draw_cover("x", size=16).data + b"\xff\xfb\xff\x00\xff", "image/png", 16, 16)
    )
    (tmp_path / "a.mp3").write_bytes(id3_tag(tags, unsynchronise=True))
    found = id3.ID3(tmp_path / "a.mp3")
    assert found["APIC:"].data == tags.cover.data
    assert found["TIT2"].text == [tags.title]


def test_older_versions_and_encodings_are_read():
    frames = (
        frame(b"TIT2", b"\x01" + "Заголовок".encode("utf-16"))
        + frame(b"TPE1", b"\x00caf\xe9\x00b")
        + frame(b"TYER", b"\x001999")
        + frame(b"TRCK", b"\x004/9")
        + frame(b"COMM", b"\x01eng" + "d".encode("utf-16") + b"\0\0" + "a comment".encode("utf-16"))
        + frame(b"TXXX", b"\x02" + "mood".encode("utf-16-be") + b"\0\0" + "sad".encode("utf-16-be"))
        + frame(b"USLT", b"\x00eng\x00words")
        + frame(b"SYLT", b"\x00eng\x02\x01\x00one\x00\x00\x00\x03\xe8")
        + frame(b"PRIV", b"x\x00y")
        + frame(b"TALB", b"\x00packed", flags=b"\x00\x80")
    )
    found, problems = id3_tags(tag(frames))
    assert problems == []
    assert found == Tags(
        title="Заголовок", artist="café; b", date="1999", track=4, tracks=9, comment="a comment", lyrics="words",
        language="eng", timed_lyrics=(TimedLine(1, "one"),), extra={"MOOD": "sad"},
    )  # fmt: skip


def test_version_2_2_is_read():
    cover = draw_cover("x", size=16)
    picture = b"PIC" + (6 + len(cover.data)).to_bytes(3) + b"\x00PNG\x03\x00" + cover.data
    data = b"TT2" + (6).to_bytes(3) + b"\x00title" + picture
    assert id3_tags(tag(data, 2)) == (Tags(title="title", cover=cover), [])


def test_an_extended_header_and_whole_tag_unsynchronisation_are_skipped():
    data = frame(b"TIT2", b"\x00title")
    assert id3_tags(tag(struct.pack(">IHI", 6, 0, 0) + data, 3, 0x40))[0].title == "title"
    assert (
        id3_tags(tag(bytes([0, 0, 0, 6, 1, 0]) + frame(b"TIT2", b"\x00title", 4), 4, 0x40))[0].title
        == "title"
    )
    hidden = frame(b"TIT2", b"\x00\xff\xe9").replace(b"\xff", b"\xff\x00")
    assert id3_tags(tag(hidden, 3, 0x80))[0].title == "ÿé"


def test_plain_sizes_of_careless_writers_are_understood():
    lyrics = "x" * 200
    data = (
        b"USLT"
        + struct.pack(">I", 205)
        + b"\0\0"
        + b"\x03XXX\x00"
        + lyrics.encode()
        + frame(b"TIT2", b"\x03t", 4)
    )
    assert id3_tags(tag(data, 4))[0] == Tags(lyrics=lyrics, title="t")


def test_the_old_tags_at_both_ends_are_replaced():
    sound = b"\xff\xfb\x90\x64" * 50
    data = id3_tag(Tags(title="a")) + id3_tag(Tags(title="b")) + sound + b"TAG" + bytes(125)
    assert mp3_tagged(data, Tags(title="c")) == id3_tag(Tags(title="c")) + sound


def test_a_tag_beyond_its_format_is_refused(monkeypatch):
    monkeypatch.setattr("angen.export.id3.LARGEST_TAG", 5000)
    assert LARGEST_TAG == 2**28 - 1
    with pytest.raises(ExportError, match="beyond its format"):
        id3_tag(Tags(lyrics="x" * 5000))


def test_a_long_key_goes_where_the_standard_allows_it():
    data = id3_tag(Tags(key="Phrygian"))
    assert b"TKEY" not in data
    assert id3_tags(data)[0].key == "Phrygian"
    assert cover_from_bytes(b"") is None

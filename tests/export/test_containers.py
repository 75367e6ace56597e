"""Every container, by laws that hold for all: the tags come back, by us and by others, and the sound stays."""

import dataclasses
import io
import json
import subprocess

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings

from angen.audio import Audio
from angen.errors import ExportError
from angen.export import ReplayGain, Tags, draw_cover, parse_formats, read_tags, write_tags
from angen.export.encoding import encode
from angen.export.id3 import id3_tag
from angen.export.tagging import container_of, tagged, tags_of
from angen.export.tags import to_pairs

from .conftest import SCRIPTS, SPECS, decoded, decoded_by_ffmpeg, full_tags, needs, noise, probed
from .test_tags import tags_of_any_text

CONTAINERS = ("wav16", "flac", "mp3", "ogg", "opus", "m4a")
LONG_LYRICS = "\n".join(f"{number} строка 歌詞 🎵" for number in range(4500))  # over 100 kB
assert len(LONG_LYRICS.encode()) > 100_000


def suffixed(spec):
    return parse_formats(spec)[0].suffix


def same_in(spec, tags):
    """Tags as a container keeps them: Opus has levels in 256ths and no peaks."""
    if spec != "opus" or tags.replay_gain is None:
        return tags
    return dataclasses.replace(tags, replay_gain=ReplayGain.from_pairs(tags.replay_gain.r128_pairs()))


@pytest.mark.parametrize("spec", SPECS)
def test_the_tags_come_back_and_the_sound_stays_bit_for_bit(spec, bare, tmp_path):
    path = tmp_path / f"a{suffixed(spec)}"
    path.write_bytes(bare(spec))
    before = None if spec == "m4a" else decoded(path.read_bytes())
    other_before = decoded_by_ffmpeg(path) if spec == "m4a" else None
    write_tags(path, full_tags(), overwrite=True)
    found = read_tags(path)
    assert found.tags == same_in(spec, full_tags())
    assert found.problems == ()
    if before is None:
        assert decoded_by_ffmpeg(path) == other_before
    else:
        assert np.array_equal(decoded(path.read_bytes()), before)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("spec", ["wav24", "flac", "mp3", "ogg", "opus"])
def test_another_decoder_hears_no_difference_either(spec, bare, tmp_path):
    paths = [tmp_path / f"{name}{suffixed(spec)}" for name in ("bare", "tagged")]
    paths[0].write_bytes(bare(spec))
    paths[1].write_bytes(tagged(bare(spec), full_tags(lyrics=LONG_LYRICS)))
    assert decoded_by_ffmpeg(paths[0]) == decoded_by_ffmpeg(paths[1])


@pytest.mark.parametrize("spec", CONTAINERS)
def test_tagging_again_leaves_nothing_of_the_old_tags(spec, bare):
    data = bare(spec)
    first = tagged(data, full_tags())
    other = Tags(title="x", comment="y")
    assert tagged(first, other) == tagged(data, other)
    assert tagged(first, full_tags()) == first
    assert tags_of(tagged(first, Tags())).tags == Tags()


@pytest.mark.parametrize("spec", CONTAINERS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tags=tags_of_any_text())
def test_any_text_comes_back(spec, bare, tags):
    found = tags_of(tagged(bare(spec), tags))
    assert found.tags == tags
    assert found.problems == ()


PROBED_NAMES = {
    "flac": {"ALBUMARTIST": "ALBUM_ARTIST", "TRACKNUMBER": "TRACK"},
    "mp3": {
        "ALBUMARTIST": "ALBUM_ARTIST",
        "TRACKNUMBER": "TRACK",
        "INITIALKEY": "TKEY",
        "LYRICS": "LYRICS-RUS",
    },
    "m4a": {"ALBUMARTIST": "ALBUM_ARTIST", "TRACKNUMBER": "TRACK"},
}
INFO_ONLY = {"TITLE", "ARTIST", "ALBUM", "GENRE", "DATE", "COMMENT", "COPYRIGHT", "TRACKNUMBER", "LANGUAGE"}


def expected_by_ffprobe(spec, tags):
    pairs = to_pairs(tags, is_opus=spec == "opus")
    if spec in ("mp3", "m4a"):
        pairs["TRACKNUMBER"] = f"{pairs['TRACKNUMBER']}/{pairs.pop('TRACKTOTAL')}"
    if spec == "mp3":
        del pairs["SYNCEDLYRICS"]  # a frame that ffprobe does not show; mutagen does, below
    if spec == "wav16":
        pairs = {key: value for key, value in pairs.items() if key in INFO_ONLY} | {
            "ISRF": "AI_GENERATED=true"
        }
    if spec == "m4a":
        del pairs["LANGUAGE"]  # ffprobe shows that of the track in its place
    names = PROBED_NAMES.get(spec, PROBED_NAMES["flac"])
    return {names.get(key, key): value for key, value in pairs.items()}


@pytest.mark.parametrize("spec", CONTAINERS)
@pytest.mark.parametrize("script", SCRIPTS)
def test_ffprobe_reads_every_script(spec, script, bare, tmp_path):
    needs("ffprobe")
    tags = full_tags(SCRIPTS[script])
    path = tmp_path / f"a{suffixed(spec)}"
    path.write_bytes(tagged(bare(spec), tags))
    found, streams = probed_quietly(path)
    expected = expected_by_ffprobe(spec, tags)
    assert {key: found.get(key) for key in expected} == expected
    pictures = [stream for stream in streams if stream["codec_type"] == "video"]
    assert [(one["codec_name"], one["width"], one["height"]) for one in pictures] == [("png", 64, 64)]


def probed_quietly(path):
    """As `probed`, but without its remark on WAV files that have two kinds of tags."""
    words = [needs("ffprobe"), "-v", "fatal", "-show_format", "-show_streams", "-of", "json", str(path)]
    found = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    sound = next(stream for stream in found["streams"] if stream["codec_type"] == "audio")
    tags = {**found["format"].get("tags", {}), **sound.get("tags", {})}
    return {key.upper(): value for key, value in tags.items()}, found["streams"]


@pytest.mark.parametrize("spec", CONTAINERS)
def test_ffprobe_reads_very_long_lyrics_whole(spec, bare, tmp_path):
    tags = Tags(title="long", lyrics=LONG_LYRICS)
    path = tmp_path / f"a{suffixed(spec)}"
    path.write_bytes(tagged(bare(spec), tags))
    assert read_tags(path).tags == tags
    found, _ = probed(path)
    if spec != "wav16":  # the INFO list has no lyrics; those of its ID3 chunk are tested below
        assert next(value for key, value in found.items() if key.startswith("LYRICS")) == LONG_LYRICS


@pytest.mark.parametrize("spec", CONTAINERS)
def test_ffprobe_sees_nothing_where_nothing_is_said(spec, bare, tmp_path):
    path = tmp_path / f"a{suffixed(spec)}"
    path.write_bytes(tagged(bare(spec), Tags()))
    found, streams = probed(path)
    ours = {"TITLE", "ARTIST", "COMMENT", "LYRICS", "AI_GENERATED", "BPM", "TRACK", "GENRE"}
    assert not ours & set(found)
    assert len(streams) == 1


def test_the_id3_chunk_of_a_wav_is_the_tag_of_an_mp3(bare):
    """So what ffprobe reads of MP3 files holds for it too, although ffprobe prefers the INFO list."""
    data = tagged(bare("wav16"), full_tags())
    at = data.index(b"id3 ")
    size = int.from_bytes(data[at + 4 : at + 8], "little")
    assert data[at + 8 : at + 8 + size] == id3_tag(full_tags())
    assert tagged(bare("mp3"), full_tags()).startswith(id3_tag(full_tags()))


def test_other_chunks_and_blocks_survive(bare):
    cue = b"cue " + (4).to_bytes(4, "little") + bytes(4)
    wav = bare("wav16")
    assert cue in tagged(wav[:12] + cue + wav[12:], full_tags())
    flac = bare("flac")
    application = bytes([2]) + (7).to_bytes(3) + b"testabc"
    assert b"testabc" in tagged(flac[:42] + application + flac[42:], full_tags())  # after the stream info
    assert decoded(tagged(flac[:42] + application + flac[42:], full_tags())).shape == decoded(flac).shape


def test_a_flac_block_too_large_is_refused(bare):
    with pytest.raises(ExportError, match="16 MiB"):
        tagged(bare("flac"), Tags(lyrics="x" * 2**24))


def test_m4a_offsets_follow_when_the_header_comes_first(bare, tmp_path):
    program = needs("ffmpeg")
    (tmp_path / "a.m4a").write_bytes(bare("m4a"))
    words = [program, "-v", "error", "-i", str(tmp_path / "a.m4a"), "-c", "copy", "-movflags", "+faststart"]
    subprocess.run([*words, str(tmp_path / "b.m4a")], check=True)
    before = decoded_by_ffmpeg(tmp_path / "b.m4a")
    data = (tmp_path / "b.m4a").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    write_tags(tmp_path / "b.m4a", full_tags(lyrics=LONG_LYRICS), overwrite=True)
    assert decoded_by_ffmpeg(tmp_path / "b.m4a") == before


@pytest.mark.parametrize("spec", CONTAINERS)
def test_mutagen_agrees(spec, bare, tmp_path):
    mutagen = pytest.importorskip("mutagen", reason="mutagen, an optional second opinion, is not installed")
    tags = full_tags(lyrics=LONG_LYRICS)
    path = tmp_path / f"a{suffixed(spec)}"
    path.write_bytes(tagged(bare(spec), tags))
    found = mutagen.File(path).tags
    if spec in ("flac", "ogg", "opus"):
        seen = {key.upper(): values for key, values in found.as_dict().items()}
        pictures = seen.pop("METADATA_BLOCK_PICTURE", None)
        assert {key: values[0] for key, values in seen.items()} == to_pairs(tags, is_opus=spec == "opus")
        if spec == "flac":
            assert mutagen.File(path).pictures[0].data == tags.cover.data
        else:
            import base64

            from mutagen.flac import Picture

            assert Picture(base64.b64decode(pictures[0])).data == tags.cover.data
    elif spec == "m4a":
        assert found["\xa9nam"] == [tags.title]
        assert found["\xa9lyr"] == [LONG_LYRICS]
        assert (found["trkn"], found["tmpo"]) == ([(3, 12)], [112])
        assert bytes(found["covr"][0]) == tags.cover.data
        assert bytes(found["----:com.apple.iTunes:AI_GENERATED"][0]) == b"true"
    else:
        assert found["TIT2"].text == [tags.title]
        assert found["TDRC"].text[0].text == "2026-11-22"
        assert found["TKEY"].text == ["F#m"]
        assert found["COMM::rus"].text == [tags.comment]
        assert found["USLT::rus"].text == LONG_LYRICS
        sung = [(line.text, round(1000 * line.start_s)) for line in tags.timed_lyrics]
        assert found["SYLT::rus"].text == sung
        assert found["APIC:"].data == tags.cover.data
        assert found["TXXX:AI_GENERATED"].text == ["true"]
        assert found["TXXX:BPM"].text == ["112.5"]


def test_what_is_no_sound_file_is_refused(tmp_path):
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.mp3").write_text("these are words")
    (tmp_path / "folder.wav").mkdir()
    for name in ("empty.wav", "text.mp3", "folder.wav", "gone.wav", "nul\0.wav"):
        with pytest.raises(ExportError, match=r"cannot be read|no sound file"):
            read_tags(tmp_path / name)
    with pytest.raises(ExportError, match="no sound file"):
        write_tags(tmp_path / "text.mp3", Tags(title="x"), overwrite=True)
    assert (tmp_path / "text.mp3").read_text() == "these are words"


def test_tags_go_to_another_place_or_nowhere_unasked(bare, tmp_path):
    path = tmp_path / "a.flac"
    path.write_bytes(bare("flac"))
    with pytest.raises(ExportError, match="exists already"):
        write_tags(path, Tags(title="x"))
    write_tags(path, Tags(title="x"), out=tmp_path / "b.flac")
    assert path.read_bytes() == bare("flac")
    assert read_tags(tmp_path / "b.flac").tags.title == "x"
    assert container_of(bare("flac")) == "flac"


def test_a_jpeg_cover_is_shown_as_one(bare, tmp_path):
    from PIL import Image

    from angen.export import read_cover

    Image.new("RGB", (40, 30), "blue").save(tmp_path / "c.jpg")
    cover = read_cover(tmp_path / "c.jpg")
    for spec in CONTAINERS:
        path = tmp_path / f"{spec}{suffixed(spec)}"
        path.write_bytes(tagged(bare(spec), Tags(title="t", cover=cover)))
        assert read_tags(path).tags.cover == cover
        _, streams = probed_quietly(path)
        assert [one["codec_name"] for one in streams if one["codec_type"] == "video"] == ["mjpeg"]
    assert draw_cover("t", size=16).mime == "image/png"


def test_libsndfile_reads_the_words_we_write(bare):
    """A third reader, where it has the word; its MP3 reader takes UTF-8, its WAV reader the INFO list."""
    for spec in ("wav16", "flac", "ogg", "mp3"):
        with soundfile.SoundFile(io.BytesIO(tagged(bare(spec), full_tags()))) as file:
            assert file.copy_metadata()["title"] == "Ночная песня", spec


def test_chunks_of_odd_length_are_padded(tmp_path):
    audio = Audio(noise(0.1, 1).samples[:, :4001], 44100)  # 12,003 bytes
    data = tagged(encode(audio, parse_formats("wav24")[0]), full_tags())
    assert tags_of(data).tags == full_tags()
    assert len(data) % 2 == 0
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    assert decoded(data).shape == (4001, 1)
    (tmp_path / "a.wav").write_bytes(data)
    found, _ = probed_quietly(tmp_path / "a.wav")
    assert found["TITLE"] == full_tags().title

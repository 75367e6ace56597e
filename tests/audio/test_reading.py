import os
import re
import socket
import struct

import numpy as np
import pytest
import soundfile

from angen.audio import check_audio, read_facts, write_audio
from angen.audio import read_audio as read
from angen.errors import (
    AudioError,
    EmptyFileError,
    MissingFileError,
    NotAFileError,
    SilentAudioError,
    TooLongError,
    TooShortError,
    TruncatedAudioError,
    UnreadableAudioError,
)
from angen.export.ogg import ogg_checksum

HOSTILE_NAMES = [
    "two words.wav",
    'it\'s "quoted".wav',
    "naïve 音楽 🎵.wav",
    "line\nbreak.wav",
    "-rf.wav",
    "$(touch x);`ls`.wav",
    "100% {braces}.wav",
    "no suffix",
    "wrong.mp3",
    "headerless.raw",
    ".hidden",
    "x" * 240 + ".wav",
]


def read_audio(path, **how):
    """Read, and see that checking without keeping comes to the same, whatever it is."""
    try:
        audio = read(path, **how)
    except TooShortError:
        raise
    except AudioError as error:
        with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
            check_audio(path)
        raise
    facts = check_audio(path)
    assert (facts.duration_s, facts.rate_hz, facts.channels) == (
        audio.duration_s, audio.rate_hz, audio.channels,
    )  # fmt: skip
    return audio


def written(path, audio, subtype=None, format_name=None):
    soundfile.write(path, audio.samples.T, audio.rate_hz, subtype=subtype, format=format_name)
    return path


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


@pytest.mark.parametrize(
    ("format_name", "subtype", "tolerance"),
    [
        ("WAV", "PCM_U8", 0.01),
        ("WAV", "PCM_16", 1e-4),
        ("WAV", "PCM_24", 1e-6),
        ("WAV", "PCM_32", 1e-6),
        ("WAV", "FLOAT", 0),
        ("WAV", "DOUBLE", 0),
        ("WAV", "ULAW", 0.05),
        ("WAVEX", "PCM_24", 1e-6),
        ("RF64", "PCM_16", 1e-4),
        ("W64", "PCM_16", 1e-4),
        ("FLAC", "PCM_16", 1e-4),
        ("FLAC", "PCM_24", 1e-6),
        ("AIFF", "PCM_16", 1e-4),
        ("AIFF", "FLOAT", 0),
        ("CAF", "PCM_16", 1e-4),
        ("AU", "PCM_16", 1e-4),
        ("OGG", "VORBIS", 0.5),
        ("MP3", "MPEG_LAYER_III", 0.5),
    ],
)
def test_containers_and_codings_are_read_by_content(tmp_path, make_audio, format_name, subtype, tolerance):
    audio = make_audio()
    back = read_audio(written(tmp_path / "song.wav", audio, subtype, format_name))
    assert (back.rate_hz, back.samples.shape) == (44100, audio.samples.shape)
    assert np.abs(back.samples - audio.samples).max() <= tolerance


def test_opus_is_read(tmp_path, make_audio):
    audio = make_audio(rate_hz=48000)
    assert read_audio(written(tmp_path / "a.opus", audio, "OPUS", "OGG")).duration_s == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("rate_hz", "channels"), [(8000, 1), (22050, 2), (96000, 2), (192000, 1), (44100, 6)]
)
def test_any_rate_and_any_number_of_channels_are_read(tmp_path, make_audio, rate_hz, channels):
    audio = make_audio(rate_hz=rate_hz, channels=channels)
    write_audio(tmp_path / "a.wav", audio, bit_depth=32)
    back = read_audio(tmp_path / "a.wav")
    assert back.rate_hz == rate_hz
    assert np.array_equal(back.samples, audio.samples)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_are_only_names(tmp_path, make_audio, name):
    audio = make_audio(seconds=0.2)
    path = written(tmp_path / name, audio, "PCM_16", "WAV")
    assert read_audio(path).samples.shape == audio.samples.shape
    assert read_audio(str(path)).samples.shape == audio.samples.shape
    (tmp_path / name).write_bytes(b"no sound")
    with pytest.raises(UnreadableAudioError) as caught:
        read_audio(path)
    assert repr(str(path)) in str(caught.value)


def test_names_that_are_not_utf_8_work(tmp_path, make_audio):
    path = tmp_path / os.fsdecode(b"latin-\xe9.wav")
    write_audio(path, make_audio())
    assert read_audio(path).channels == 2


@pytest.mark.parametrize("name", ["missing.wav", "no/such/folder.wav", "x" * 300 + ".wav", "nul\0byte.wav"])
def test_missing_files_are_named(tmp_path, name):
    with pytest.raises(MissingFileError, match="there is no such file"):
        read_audio(tmp_path / name)


def test_a_dangling_link_and_a_ring_of_links_are_missing(tmp_path):
    (tmp_path / "a.wav").symlink_to(tmp_path / "gone.wav")
    (tmp_path / "b.wav").symlink_to(tmp_path / "b.wav")
    for name in ("a.wav", "b.wav"):
        with pytest.raises(MissingFileError):
            read_audio(tmp_path / name)


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(NotAFileError, match="a folder"):
        read_audio(tmp_path)


def test_pipes_and_sockets_do_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(tmp_path / "s.wav"))
        for name in ("pipe.wav", "s.wav"):
            with pytest.raises(NotAFileError, match="device, pipe or socket"):
                read_audio(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_says_so(tmp_path, make_audio):
    path = written(tmp_path / "a.wav", make_audio())
    path.chmod(0)
    with pytest.raises(UnreadableAudioError, match="permissions"):
        read_audio(path)


def test_zero_bytes_are_empty(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"")
    with pytest.raises(EmptyFileError, match="0 bytes"):
        read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize("format_name", ["WAV", "AIFF", "CAF"])
def test_a_header_without_samples_is_empty(tmp_path, format_name):
    soundfile.write(tmp_path / "a.wav", np.zeros((0, 2)), 44100, format=format_name, subtype="PCM_16")
    with pytest.raises(EmptyFileError, match="without a single sample"):
        read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("content", "looks_like"),
    [
        (b"Hello, this is a list of songs.\n" * 50, "text"),
        ("Größe: 3 µm".encode(), "text"),
        (b"<!DOCTYPE html><html><body>404 Not Found</body></html>", "a web page"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8, "a PNG image"),
        (b"\xff\xd8\xff\xe0" + bytes(range(256)), "a JPEG image"),
        (b"\x00\x00\x00\x20ftypM4A " + bytes(500), r"M4A \(AAC or ALAC\) sound"),
        (b"\x00\x00\x00\x20ftypisom" + bytes(500), "an MP4 file"),
        (b"PK\x03\x04" + bytes(range(256)), "a ZIP archive"),
        (b"%PDF-1.7 " + bytes(range(256)), "a PDF document"),
        (b"MThd\x00\x00\x00\x06" + bytes(20), "a MIDI file"),
        (bytes(5000), "nothing but zero bytes"),
        (bytes(range(128, 256)) * 40, "no sound format"),
        (b"RIFF\x10\x00\x00\x00WAVEfmt ", "a damaged WAV file"),
        (b"fLaC", "a damaged FLAC file"),
    ],
)
def test_what_is_not_sound_is_named(tmp_path, content, looks_like):
    (tmp_path / "song.wav").write_bytes(content)
    with pytest.raises(UnreadableAudioError, match=f"looks like {looks_like}.* Convert it"):
        read_audio(tmp_path / "song.wav")


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
@pytest.mark.parametrize("format_name", ["WAV", "RF64", "AIFF", "CAF", "FLAC", "OGG"])
def test_a_file_that_ends_early_is_truncated(tmp_path, make_audio, format_name, share):
    whole = written(tmp_path / "a", make_audio(seconds=4.0), None, format_name)
    with pytest.raises(TruncatedAudioError, match=r"(promises|no last page).* again"):
        read_audio(cut(whole, share))


def promising(path, more_samples):
    """An Ogg file whose last page counts more samples than there are, as some encoders write it."""
    data = bytearray(path.read_bytes())
    at = data.rindex(b"OggS")
    granule = struct.unpack_from("<Q", data, at + 6)[0] + more_samples
    struct.pack_into("<Q", data, at + 6, granule)
    struct.pack_into("<I", data, at + 22, 0)
    struct.pack_into("<I", data, at + 22, ogg_checksum(bytes(data[at:])))
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("more_samples", [500, 2000, 4410])
def test_an_ogg_file_whose_last_page_is_rounded_up_is_read_as_far_as_it_goes(
    tmp_path, make_audio, more_samples
):
    audio = make_audio(seconds=4.0)
    path = written(tmp_path / "a.ogg", audio)
    whole = read_audio(path)
    assert soundfile.info(promising(path, more_samples)).frames == 4 * 44100 + more_samples
    back = read_audio(path).samples
    assert back.shape[1] < 4 * 44100 + more_samples  # the rest of the last packet, and no more
    assert np.array_equal(back[:, : 4 * 44100], whole.samples)


@pytest.mark.parametrize("more_samples", [4700, 44100, 10**6])
def test_an_ogg_file_that_promises_more_than_a_tenth_of_a_second_is_truncated(
    tmp_path, make_audio, more_samples
):
    path = promising(written(tmp_path / "a.ogg", make_audio(seconds=4.0)), more_samples)
    with pytest.raises(TruncatedAudioError, match=r"promises \d+\.\d s of sound, 4\.0 s"):
        read_audio(path)


def test_an_opus_file_that_ends_early_is_truncated(tmp_path, make_audio):
    whole = written(tmp_path / "a", make_audio(seconds=4.0, rate_hz=48000), "OPUS", "OGG")
    with pytest.raises(TruncatedAudioError):
        read_audio(cut(whole, 0.5))


def test_an_mp3_with_far_fewer_frames_than_promised_is_truncated(tmp_path, make_audio):
    path = written(tmp_path / "a.mp3", make_audio(seconds=8.0), None, "MP3")
    data = path.read_bytes()
    assert b"Xing" in data[:200] or b"Info" in data[:200]
    assert read_audio(path).duration_s == pytest.approx(8.0, abs=0.1)
    with pytest.raises(TruncatedAudioError, match=r"promises 8\.0 s"):
        read_audio(cut(path, 0.6))


def test_a_flac_damaged_in_its_midst_is_unreadable_not_truncated(tmp_path, make_audio):
    path = written(tmp_path / "a.flac", make_audio(seconds=4.0))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = np.random.default_rng(0).bytes(2000)
    path.write_bytes(data)
    with pytest.raises(UnreadableAudioError, match="damaged"):
        read_audio(path)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000])
def test_a_wav_written_to_a_pipe_is_read_to_its_end(tmp_path, make_audio, size):
    audio = make_audio()
    path = written(tmp_path / "a.wav", audio, "PCM_16")
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", size)
    path.write_bytes(data)
    assert read_audio(path).samples.shape == audio.samples.shape


def test_a_wav_with_tags_after_an_empty_sound_is_empty(tmp_path):
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 44100, 88200, 2, 16)
    body = b"WAVE" + fmt + struct.pack("<4sI", b"data", 0) + struct.pack("<4sI", b"LIST", 4) + b"INFO"
    (tmp_path / "a.wav").write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    with pytest.raises(EmptyFileError):
        read_audio(tmp_path / "a.wav")


def test_chunks_before_and_after_the_sound_are_passed_over(tmp_path, make_audio):
    audio = make_audio()
    path = written(tmp_path / "a.wav", audio, "PCM_16")
    data = path.read_bytes()
    odd = struct.pack("<4sI", b"note", 3) + b"abc\0"
    tagged = data[:12] + odd + data[12:] + odd
    path.write_bytes(tagged[:4] + struct.pack("<I", len(tagged) - 8) + tagged[8:])
    assert read_audio(path).samples.shape == audio.samples.shape


@pytest.mark.parametrize(("peak", "level"), [(0.0, "every sample is 0"), (0.0009, "-61 dBFS")])
def test_silence_is_refused_with_its_level(tmp_path, make_audio, peak, level):
    audio = make_audio()
    soundfile.write(tmp_path / "a.wav", audio.samples.T * (peak / 0.5), 44100, subtype="FLOAT")
    with pytest.raises(SilentAudioError, match=level):
        read_audio(tmp_path / "a.wav")


def test_a_constant_is_silence(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(4000, 0.25), 8000)
    with pytest.raises(SilentAudioError):
        read_audio(tmp_path / "a.wav")


def test_one_loud_click_in_silence_is_heard(tmp_path):
    samples = np.zeros(44100)
    samples[20000] = 0.5
    soundfile.write(tmp_path / "a.wav", samples, 44100)
    assert read_audio(tmp_path / "a.wav").duration_s == 1.0


@pytest.mark.parametrize(
    ("bad", "words"), [(np.nan, "not numbers"), (np.inf, "not numbers"), (3e4, "full scale")]
)
def test_numbers_that_are_no_sound_are_refused(tmp_path, make_audio, bad, words):
    samples = make_audio().samples.copy()
    samples[0, 100] = bad
    soundfile.write(tmp_path / "a.wav", samples.T, 44100, subtype="FLOAT")
    with pytest.raises(UnreadableAudioError, match=words):
        read_audio(tmp_path / "a.wav")


def test_a_recording_below_the_least_length_is_too_short(tmp_path, make_audio):
    path = written(tmp_path / "a.wav", make_audio(seconds=0.2))
    assert read_audio(path).duration_s == pytest.approx(0.2)
    assert read_audio(path, min_duration_s=0.2).duration_s == pytest.approx(0.2)
    with pytest.raises(TooShortError, match=r"0\.20 s; at least 1 s"):
        read_audio(path, min_duration_s=1.0)


def test_a_flac_of_unknown_length_asks_for_another_copy(tmp_path, make_audio):
    path = written(tmp_path / "a.flac", make_audio())
    data = bytearray(path.read_bytes())
    fields = int.from_bytes(data[18:26]) & ~((1 << 36) - 1)
    data[18:26] = fields.to_bytes(8)
    path.write_bytes(data)
    with pytest.raises(UnreadableAudioError, match="no length"):
        read_audio(path)


def test_a_header_that_promises_more_than_memory_is_not_believed(tmp_path, make_audio):
    path = written(tmp_path / "a.flac", make_audio())
    data = bytearray(path.read_bytes())
    fields = int.from_bytes(data[18:26]) | ((1 << 36) - 1)
    data[18:26] = fields.to_bytes(8)
    path.write_bytes(data)
    with pytest.raises(AudioError, match="does not fit into memory"):
        read_audio(path)


def test_every_refusal_names_the_file_and_a_remedy(tmp_path, make_audio):
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("words")
    written(tmp_path / "silent.wav", make_audio(peak=1e-6), "FLOAT")
    cut(written(tmp_path / "cut.wav", make_audio()), 0.5)
    for name in ("missing.wav", "empty.wav", "text.wav", "silent.wav", "cut.wav", "."):
        with pytest.raises(AudioError) as caught:
            read_audio(tmp_path / name)
        assert caught.value.path == str(tmp_path / name)
        assert caught.value.remedy.endswith(".")
        assert str(tmp_path / name) in caught.value.message


def test_what_lasts_too_long_is_refused_before_it_is_decoded(tmp_path, write_song):
    path = write_song(tmp_path / "a.wav", 3.0)
    assert check_audio(path, max_duration_s=3.0).duration_s == 3.0
    with pytest.raises(TooLongError, match=r"a\.wav.*3 s; at most 2 s"):
        check_audio(path, max_duration_s=2.0)


def test_facts_are_what_the_header_says(tmp_path, write_song):
    facts = read_facts(write_song(tmp_path / "a.flac", 3.0))
    assert (facts.duration_s, facts.rate_hz, facts.channels, facts.format) == (3.0, 22050, 1, "FLAC")
    (tmp_path / "b.wav").write_text("no sound")
    assert read_facts(tmp_path / "b.wav") is None
    assert read_facts(tmp_path / "none.wav") is None

import hashlib
import io
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from angen.audio import Audio, read_audio
from angen.errors import ExportError
from angen.export import Tags, export_audio, parse_formats, read_tags, samples_sha256
from angen.export import piece as piece_room
from angen.export.encoding import encode, stored
from angen.export.writing import file_stem, staged_folder

from .conftest import decoded_by_ffmpeg, full_tags, needs, noise


def format_of(spec):
    return parse_formats(spec)[0]


@pytest.mark.parametrize("spec", ["wav16", "flac16", "wav24", "flac"])
@settings(max_examples=20)
@given(data=st.data())
def test_whole_numbers_come_back_exactly_with_tags_and_all(tmp_path_factory, spec, data):
    bits = format_of(spec).bits
    high = 2 ** (bits - 1)
    grid = data.draw(arrays(np.int64, (2, 40), elements=st.integers(-high, high - 1)))
    grid[0, :2] = high // 2, -high
    audio = Audio((grid / high).astype(np.float32), 44100)
    path = tmp_path_factory.mktemp("grid") / f"a{format_of(spec).suffix}"
    export_audio(path, audio, format_of(spec), Tags(title="x"))
    assert np.array_equal(read_audio(path).samples, audio.samples)


def test_floating_point_comes_back_exactly_beyond_full_scale(tmp_path):
    audio = Audio(noise().samples * np.float32(4.3), 44100)
    export_audio(tmp_path / "a.wav", audio, format_of("wav32f"), full_tags())
    assert np.array_equal(read_audio(tmp_path / "a.wav").samples, audio.samples)


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
@pytest.mark.parametrize("spec", ["wav16", "wav24", "wav32f", "flac"])
def test_other_decoders_find_the_same_samples(tmp_path, spec, channels):
    needs("ffmpeg")
    audio = noise(0.3, channels, seed=channels)
    path = tmp_path / f"a{format_of(spec).suffix}"
    export_audio(path, audio, format_of(spec), full_tags())
    assert np.array_equal(
        np.frombuffer(decoded_by_ffmpeg(path), "<f4").reshape(-1, channels), read_audio(path).samples.T
    )


class TestDither:
    def test_the_error_of_16_bits_is_triangular_and_independent_of_the_sound(self):
        tone = (0.25 * np.sin(np.arange(400_000) * 0.01)).astype(np.float32)
        error = stored(Audio(tone[None], 44100), 16)[0] - tone.astype(np.float64) * 32768
        assert error.std() == pytest.approx(0.5, rel=0.02)  # TPDF and rounding: 1/6 + 1/12 of a step squared
        assert abs(error.mean()) < 0.005
        assert np.abs(error).max() <= 1.5
        assert abs(np.corrcoef(error, tone)[0, 1]) < 0.01

    def test_a_tone_below_one_step_is_kept_in_the_noise(self):
        tone = (0.3 / 32768 * np.sin(2 * np.pi * 0.01 * np.arange(200_000))).astype(np.float32)
        whole = stored(Audio(tone[None], 44100), 16)[0]
        assert np.dot(whole, tone) / np.dot(tone, tone) == pytest.approx(32768, rel=0.1)
        assert not np.rint(tone * 32768).any()  # plain rounding would have silenced it

    def test_the_seed_decides(self):
        first, again, other = (stored(noise(), 16, dither_seed=seed) for seed in (1, 1, 2))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)

    def test_sixteen_bit_sound_is_not_dithered_twice(self):
        once = stored(noise(), 16)
        audio = Audio((once / 32768).astype(np.float32), 44100)
        assert np.array_equal(stored(audio, 16, dither_seed=9), once)


@pytest.mark.parametrize(
    "spec", ["wav16", "wav24", "wav32f", "flac", "flac16", "mp3", "mp3:v4", "ogg", "opus", "m4a"]
)
def test_the_same_sound_and_tags_are_the_same_bytes(tmp_path, spec):
    if spec == "m4a":
        needs("ffmpeg")
    made = []
    for name in "ab":
        path = tmp_path / f"{name}{format_of(spec).suffix}"
        made.append(export_audio(path, noise(0.5), format_of(spec), full_tags(), dither_seed=3))
        assert made[-1].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert made[0].sha256 == made[1].sha256


@pytest.mark.parametrize(
    ("small", "large"),
    [("mp3:96", "mp3:320"), ("mp3:v7", "mp3:v0"), ("ogg:1", "ogg:9"), ("opus:48", "opus:256")],
)
def test_the_knob_turns_size_and_quality_together(small, large):
    audio = noise(2.5)
    sizes, errors = [], []
    for spec in (small, large):
        data = encode(audio, format_of(spec))
        sizes.append(len(data))
        samples, rate_hz = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
        back = Audio(samples.T.copy(), rate_hz).resampled(44100).samples[:, : audio.samples.shape[1]]
        errors.append(np.abs(back - audio.samples[:, : back.shape[1]])[:, 4000:-4000].mean())
    assert sizes[1] > 1.8 * sizes[0]
    assert errors[1] < errors[0]


@pytest.mark.parametrize(
    ("spec", "kbps"), [("mp3:128", 128), ("mp3:256", 256), ("opus:96", 96), ("m4a:128", 128)]
)
def test_a_bit_rate_is_what_it_says(spec, kbps):
    if spec.startswith("m4a"):
        needs("ffmpeg")
    data = encode(noise(5), format_of(spec))
    assert len(data) * 8 / 5 / 1000 == pytest.approx(kbps, rel=0.15)


@pytest.mark.parametrize(
    ("spec", "rate_hz", "channels"),
    [("opus", 44100, 2), ("opus", 24000, 1), ("mp3", 96000, 2), ("ogg", 24000, 1), ("mp3", 24000, 1)],
)
def test_lossy_files_keep_length_place_and_pitch(tmp_path, spec, rate_hz, channels):
    audio = noise(2, channels, rate_hz)
    path = tmp_path / f"a{format_of(spec).suffix}"
    made = export_audio(path, audio, format_of(spec), full_tags())
    back = read_audio(path)
    assert back.rate_hz == made.rate_hz == format_of(spec).rate_for(rate_hz)
    assert back.duration_s == pytest.approx(audio.duration_s, abs=0.05)
    back = back.resampled(rate_hz)
    count = min(back.samples.shape[1], audio.samples.shape[1])
    assert np.corrcoef(back.samples[0, :count], audio.samples[0, :count])[0, 1] > 0.95


class TestPlaces:
    def test_nothing_is_replaced_unasked(self, tmp_path):
        path = tmp_path / "a.flac"
        export_audio(path, noise(), format_of("flac"), Tags(title="one"))
        before = path.read_bytes()
        with pytest.raises(ExportError, match="exists already"):
            export_audio(path, noise(), format_of("flac"), Tags(title="two"))
        assert path.read_bytes() == before
        export_audio(path, noise(), format_of("flac"), Tags(title="two"), overwrite=True)
        assert read_tags(path).tags.title == "two"

    def test_the_suffix_must_be_that_of_the_format(self, tmp_path):
        with pytest.raises(ExportError, match=r"End it in \.mp3"):
            export_audio(tmp_path / "a.wav", noise(), format_of("mp3"), Tags())

    def test_a_place_that_cannot_be_is_a_typed_error(self, tmp_path):
        (tmp_path / "file").write_text("x")
        for path in (tmp_path / "file" / "a.flac", tmp_path / ("x" * 300 + ".flac"), tmp_path / "a\0.flac"):
            with pytest.raises(ExportError, match=r"cannot be written|exists"):
                export_audio(path, noise(), format_of("flac"), Tags())
        (tmp_path / "folder.flac").mkdir()
        with pytest.raises(ExportError, match="is a folder"):
            export_audio(tmp_path / "folder.flac", noise(), format_of("flac"), Tags(), overwrite=True)
        assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder.flac"]

    @pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write anywhere")
    def test_a_folder_that_may_only_be_read(self, tmp_path):
        tmp_path.chmod(0o500)
        with pytest.raises(ExportError, match="Permission denied"):
            export_audio(tmp_path / "a.wav", noise(), format_of("wav16"), Tags())
        tmp_path.chmod(0o700)

    @pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are a matter of POSIX")
    def test_a_full_disk_leaves_the_old_file_and_no_scraps(self, tmp_path):
        """A process that may write no file beyond 20 kB meets the error a full disk gives, in mid-write."""
        specs = ("wav24", "flac", "mp3", "ogg", "opus")
        for spec in specs:
            (tmp_path / f"a{format_of(spec).suffix}").write_bytes(b"old")
        code = f"""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
import numpy as np
from angen.audio import Audio
from angen.errors import ExportError
from angen.export import Tags, export_audio, parse_formats
audio = Audio(np.random.default_rng(0).uniform(-0.5, 0.5, (2, 200_000)).astype(np.float32), 44100)
for kind in parse_formats("{",".join(specs)}"):
    try:
        export_audio({str(tmp_path)!r} + "/a" + kind.suffix, audio, kind, Tags(title="x"), overwrite=True)
    except ExportError as error:
        print(error)
"""
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        assert done.stdout.count("cannot be written: File too large") == len(specs)
        assert done.stderr == ""
        assert [entry.read_bytes() for entry in tmp_path.iterdir()] == [b"old"] * len(specs)

    def test_a_staged_folder_appears_whole_or_not_at_all(self, tmp_path):
        def half(folder):
            (folder / "a").write_text("half")
            raise RuntimeError("in mid-work")

        with pytest.raises(RuntimeError), staged_folder(tmp_path / "album") as staging:
            half(staging)
        assert list(tmp_path.iterdir()) == []
        (tmp_path / "album").mkdir()
        (tmp_path / "album" / "mine").write_text("stays")
        with staged_folder(tmp_path / "album", overwrite=True) as staging:
            (staging / "a").write_text("new")
        assert sorted(entry.name for entry in (tmp_path / "album").iterdir()) == ["a", "mine"]
        with pytest.raises(ExportError, match="exists already"), staged_folder(tmp_path / "album"):
            pytest.fail("it may not begin")

    def test_names_leave_room_in_any_script(self):
        for text in ("🎵" * 90, "𠀀" * 90, "歌" * 90, "../..", ""):
            assert 0 < len(f"01-{file_stem(text)}.angen.json".encode()) <= 255
        assert file_stem("../My song: «été»") == "My-song-été"


class TestRefusals:
    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_samples_that_are_no_numbers(self, bad):
        samples = noise().samples.copy()
        samples[0, 5] = bad
        with pytest.raises(ExportError, match="not numbers"):
            encode(Audio(samples, 44100), format_of("mp3"))

    @pytest.mark.parametrize(("spec", "channels"), [("mp3", 3), ("opus", 6), ("flac", 9)])
    def test_too_many_channels(self, spec, channels):
        with pytest.raises(ExportError, match=f"and this has {channels}"):
            encode(noise(0.5, channels), format_of(spec))

    def test_a_wav_beyond_4_gib(self):
        huge = np.broadcast_to(np.float32(0), (64, 2**25))
        with pytest.raises(ExportError, match="4 GiB"):
            encode(Audio(huge, 44100), format_of("wav32f"))

    def test_m4a_without_ffmpeg_says_what_to_do(self, monkeypatch):
        monkeypatch.setenv("PATH", "")
        with pytest.raises(ExportError, match="Install ffmpeg"):
            encode(noise(), format_of("m4a"))

    def test_m4a_when_ffmpeg_fails(self, monkeypatch, tmp_path):
        (tmp_path / "ffmpeg").write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
        (tmp_path / "ffmpeg").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
        with pytest.raises(ExportError, match="could not encode the sound: broken"):
            encode(noise(), format_of("m4a"))

    def test_a_file_that_does_not_hold_its_sound_is_never_written(self, tmp_path, monkeypatch):
        other = encode(noise(seed=8), format_of("flac"))
        monkeypatch.setattr(piece_room, "encode", lambda *args, **words: other)
        with pytest.raises(ExportError, match="does not hold the sound"):
            export_audio(tmp_path / "a.flac", noise(seed=7), format_of("flac"), Tags())
        assert not list(tmp_path.iterdir())


def test_the_hash_of_the_sound_is_that_of_samples_rate_and_channels():
    audio = noise()
    assert samples_sha256(audio) == samples_sha256(Audio(audio.samples.copy(), 44100))
    assert samples_sha256(audio) != samples_sha256(Audio(audio.samples, 48000))
    assert samples_sha256(audio) != samples_sha256(Audio(audio.samples.reshape(1, -1), 44100))

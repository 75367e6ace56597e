import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.conftest import wav_chunks

from angen.audio import Audio, read_audio, write_audio
from angen.errors import AngenError, AudioError


@pytest.mark.parametrize(("suffix", "bits"), [(".wav", 16), (".wav", 24), (".flac", 16), (".flac", 24)])
@settings(max_examples=25)
@given(data=st.data())
def test_samples_on_the_integer_grid_come_back_exactly(tmp_path_factory, suffix, bits, data):
    full_scale = 2 ** (bits - 1)
    grid = data.draw(arrays(np.int64, (2, 40), elements=st.integers(-full_scale, full_scale - 1)))
    grid[0, 0] = full_scale // 2  # something to hear
    audio = Audio((grid / full_scale).astype(np.float32), 44100)
    path = tmp_path_factory.mktemp("grid") / f"a{suffix}"
    write_audio(path, audio, bit_depth=bits)
    assert np.array_equal(read_audio(path).samples, audio.samples)


def test_floating_point_wav_is_exact_even_beyond_full_scale(tmp_path, make_audio):
    audio = make_audio(peak=1.7)
    write_audio(tmp_path / "a.wav", audio, bit_depth=32)
    assert np.array_equal(read_audio(tmp_path / "a.wav").samples, audio.samples)


def test_floating_point_wav_has_no_time_of_the_clock(tmp_path, make_audio):
    write_audio(tmp_path / "a.wav", make_audio(), bit_depth=32)
    names = wav_chunks((tmp_path / "a.wav").read_bytes())
    assert {b"fmt ", b"data"} < set(names)
    assert b"PEAK" not in names  # libsndfile's own, with the second of its writing


@pytest.mark.parametrize("bits", [16, 24])
def test_integer_formats_clamp_and_round_to_half_a_step(tmp_path, make_audio, bits):
    audio = make_audio(peak=1.5)
    write_audio(tmp_path / "a.wav", audio, bit_depth=bits)
    expected = np.clip(audio.samples, -1, 1 - 2.0 ** (1 - bits))
    assert np.abs(read_audio(tmp_path / "a.wav").samples - expected).max() <= 2.0**-bits * 1.001


@pytest.mark.parametrize("suffix", [".ogg", ".mp3"])
def test_lossy_formats_keep_length_and_sound(tmp_path, make_audio, suffix):
    audio = make_audio(seconds=4.0)
    write_audio(tmp_path / f"a{suffix}", audio)
    back = read_audio(tmp_path / f"a{suffix}")
    assert back.samples.shape == audio.samples.shape
    correlation = np.corrcoef(back.samples[0], audio.samples[0])[0, 1]
    assert correlation > 0.95


def test_a_long_ogg_is_written_in_blocks(tmp_path):
    count = 3_000_000  # enough to overflow the encoder's stack when written at once
    wave = 0.3 * np.sin(np.arange(count, dtype=np.float32) * 0.01)
    write_audio(tmp_path / "a.ogg", Audio(wave[None], 44100))
    assert soundfile.info(tmp_path / "a.ogg").frames == count


@pytest.mark.parametrize(
    ("name", "bits"), [("a.flac", 32), ("a.wav", 8), ("a.txt", 16), ("a", 16), ("a.aiff", 16)]
)
def test_a_format_it_cannot_write_is_refused_with_a_remedy(tmp_path, make_audio, name, bits):
    with pytest.raises(AudioError, match=r"cannot write .* Use \.wav"):
        write_audio(tmp_path / name, make_audio(), bit_depth=bits)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_leave_the_old_file(tmp_path, make_audio, bad):
    audio = make_audio()
    write_audio(tmp_path / "a.wav", audio)
    before = (tmp_path / "a.wav").read_bytes()
    broken = audio.samples.copy()
    broken[1, -1] = bad
    with pytest.raises(AudioError, match="not numbers"):
        write_audio(tmp_path / "a.wav", Audio(broken, audio.rate_hz))
    assert (tmp_path / "a.wav").read_bytes() == before


def test_a_write_that_breaks_off_leaves_the_old_file(tmp_path, make_audio, monkeypatch):
    path = tmp_path / "a.wav"
    write_audio(path, make_audio())
    before = path.read_bytes()
    blocks = []

    def fail_at_the_second_block(sound, data):
        blocks.append(len(data))
        if len(blocks) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(soundfile.SoundFile, "write", fail_at_the_second_block)
    with pytest.raises(AudioError, match=r"No space left on device.* Check the folder"):
        write_audio(path, make_audio(seconds=4.0))
    assert len(blocks) == 2
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.wav"]


def test_a_rate_the_format_cannot_hold_leaves_the_old_file(tmp_path, make_audio):
    path = tmp_path / "a.mp3"
    write_audio(path, make_audio())
    before = path.read_bytes()
    with pytest.raises(AudioError, match="MP3 cannot hold 6 channels at 44100 Hz"):
        write_audio(path, make_audio(channels=6))
    assert path.read_bytes() == before


def test_missing_folders_are_made_and_hostile_names_are_only_names(tmp_path, make_audio):
    path = tmp_path / "new" / 'it\'s "héllo"\n; rm -rf $HOME.wav'
    write_audio(path, make_audio())
    assert read_audio(path).channels == 2


def test_a_file_in_the_way_of_a_folder_is_a_typed_error(tmp_path, make_audio):
    (tmp_path / "file").write_text("x")
    with pytest.raises(AngenError, match="cannot be written"):
        write_audio(tmp_path / "file" / "a.wav", make_audio())

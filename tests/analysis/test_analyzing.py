import json

import numpy as np
import pytest

from angen.analysis import analyze, analyze_audio
from angen.audio import Audio, write_audio
from angen.errors import AudioError


@pytest.fixture
def song(make_drums, make_chords):
    """Drums at 120 BPM over a cadence in A minor, 16 s."""
    chords = make_chords(9, "minor", bar_s=2.0)
    drums = make_drums(120, seconds=chords.duration_s)
    start = round(0.25 * chords.rate_hz)
    samples = drums.samples.copy()
    samples[:, start:] += chords.samples[:, :-start]
    return Audio(samples, chords.rate_hz)


def same_music(a, b, *, beat_s=0.005):
    assert a.tempo_bpm == pytest.approx(b.tempo_bpm, rel=1e-3)
    assert (a.key, a.camelot) == (b.key, b.camelot)
    clear = {"drums", "bass"}  # what the tagger names beside them may lie at its threshold
    assert clear & set(a.instruments) == clear & set(b.instruments)
    assert len(a.beats_s) == len(b.beats_s)
    assert np.allclose(a.beats_s, b.beats_s, atol=beat_s)
    assert np.allclose(a.downbeats_s, b.downbeats_s, atol=beat_s)
    assert a.brightness_hz == pytest.approx(b.brightness_hz, rel=0.05)


def test_what_is_heard_in_a_song(song):
    heard = analyze_audio(song)
    assert heard.tempo_bpm == pytest.approx(120, rel=1e-3)
    assert (heard.key, heard.camelot) == ("A minor", "8A")
    assert heard.beats_s[0] == pytest.approx(0.25, abs=0.005)
    assert heard.downbeats_s[:2] == pytest.approx([0.25, 2.25], abs=0.005)
    assert heard.duration_s == pytest.approx(16)


def test_the_description_says_what_is_known_and_nothing_else(song, make_noise):
    heard = analyze_audio(song)
    assert "120 BPM" in heard.description
    assert "A minor" in heard.description
    assert "0:16" in heard.description
    noise = analyze_audio(make_noise(61)).description
    assert not any(word in noise for word in ("BPM", "major", "minor", "drums", "bass", "None"))
    assert noise.endswith("1:01 long.")


def test_energy_is_that_of_the_channels_mean(make_noise):
    left, right = (make_noise(4, seed=seed).samples[0] for seed in (1, 2))
    alone, twice, wide, inverted = (
        analyze_audio(Audio(np.stack(channels), 44_100)).energy
        for channels in ([left], [left, left], [left, right], [left, -left])
    )
    assert alone == pytest.approx(np.sqrt(np.mean(left**2)), rel=1e-4)
    assert twice == pytest.approx(alone, rel=1e-5)
    assert wide == pytest.approx(alone / 2**0.5, rel=0.02)
    assert inverted == pytest.approx(alone, rel=1e-5)  # channels that cancel are heard as the first alone


@pytest.mark.parametrize("gain_db", [-40, -6, 5])
def test_gain_changes_levels_only(song, gain_db):
    gain = 10 ** (gain_db / 20)
    quiet, loud = analyze_audio(song), analyze_audio(Audio(song.samples * np.float32(gain), song.rate_hz))
    same_music(quiet, loud, beat_s=0.001)
    assert loud.energy == pytest.approx(quiet.energy * gain, rel=1e-3)
    assert loud.loudness_lufs == pytest.approx(quiet.loudness_lufs + gain_db, abs=0.3)


@pytest.mark.parametrize("rate_hz", [24000, 44100, 48000, 96000])
def test_the_rate_of_a_recording_hardly_matters(song, rate_hz):
    resampled = analyze_audio(song.resampled(rate_hz))
    assert resampled.rate_hz == rate_hz
    same_music(analyze_audio(song), resampled)


def test_stereo_and_mono_sound_alike(song):
    stereo = Audio(np.repeat(song.samples, 2, axis=0), song.rate_hz)
    heard = analyze_audio(stereo)
    same_music(analyze_audio(song), heard)
    assert heard.channels == 2


def test_an_inverted_channel_does_not_cancel_the_music(song):
    inverted = Audio(np.concatenate([song.samples, -song.samples]), song.rate_hz)
    same_music(analyze_audio(song), analyze_audio(inverted))


def test_a_file_is_heard_as_its_audio(tmp_path, song):
    write_audio(tmp_path / "song.wav", song, bit_depth=32)
    assert analyze(tmp_path / "song.wav") == analyze_audio(song)


def test_a_file_that_cannot_be_heard_is_a_typed_error(tmp_path):
    with pytest.raises(AudioError):
        analyze(tmp_path / "missing.wav")


def test_the_record_is_plain_json(song, make_noise):
    for audio in (song, make_noise(5)):
        record = analyze_audio(audio).as_dict()
        assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_values_stay_in_their_ranges(song, make_noise, make_clicks):
    for audio in (song, make_noise(10, channels=6, rate_hz=96000), make_clicks(90)):
        heard = analyze_audio(audio)
        confidences = (heard.tempo_confidence, heard.key_confidence, heard.downbeat_confidence)
        assert all(0 <= value <= 1 for value in confidences)
        assert 0 <= heard.energy <= 1
        assert 0 < heard.brightness_hz < 8000
        assert heard.beats_s == sorted(heard.beats_s)
        assert all(0 <= beat < heard.duration_s for beat in heard.beats_s)


@pytest.mark.parametrize("seconds", [1 / 22050, 0.01, 0.2, 1.0, 4.0])
def test_very_short_sound_is_heard_without_a_tempo_made_up(make_noise, seconds):
    heard = analyze_audio(make_noise(seconds))
    assert heard.tempo_bpm is None
    assert heard.duration_s == pytest.approx(seconds, rel=0.01)


def test_one_sample_at_a_high_rate_is_no_trouble():
    heard = analyze_audio(Audio(np.full((2, 1), 0.5, np.float32), 192000))
    assert heard.loudness_lufs is None


@pytest.mark.parametrize(("hz", "heard"), [(60, True), (600, False)])
def test_bass_is_tonal_sound_below_120_hz(hz, heard):
    time_s = np.arange(5 * 22050) / 22050
    tones = np.sin(2 * np.pi * hz * time_s) + 0.3 * np.sin(2 * np.pi * 3 * hz * time_s)
    found = analyze_audio(Audio((0.3 * tones).astype(np.float32)[None], 22050)).instruments
    assert ("bass" in found) == heard


def test_brightness_of_a_sine_is_near_its_frequency():
    time_s = np.arange(3 * 22050) / 22050
    sine = Audio((0.3 * np.sin(2 * np.pi * 2000 * time_s)).astype(np.float32)[None], 22050)
    assert analyze_audio(sine).brightness_hz == pytest.approx(2000, rel=0.05)

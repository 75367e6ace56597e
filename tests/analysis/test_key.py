import numpy as np
import pytest

from angen.analysis import analyze_audio
from angen.analysis.key import PITCH_CLASSES, Key, cadences, key_scores, triad_odds
from angen.audio import Audio


@pytest.mark.parametrize("mode", ["major", "minor"])
@pytest.mark.parametrize("tonic", range(12))
def test_a_cadence_is_heard_in_its_key(make_chords, tonic, mode):
    heard = analyze_audio(make_chords(tonic, mode))
    assert heard.key == f"{PITCH_CLASSES[tonic]} {mode}"
    assert heard.key_confidence > 0.4


@pytest.mark.parametrize("tuning", [-0.4, -0.2, 0.2, 0.4])
def test_a_detuned_recording_keeps_its_key(make_chords, tuning):
    assert analyze_audio(make_chords(2, "minor", tuning=tuning)).key == "D minor"


def test_drums_hardly_change_the_key(make_chords, make_drums):
    chords = make_chords(7, "major")
    drums = make_drums(110, seconds=chords.duration_s)
    count = min(chords.samples.shape[1], drums.samples.shape[1])
    mixed = Audio(chords.samples[:, :count] + 0.5 * drums.samples[:, :count], chords.rate_hz)
    assert analyze_audio(mixed).key == "G major"


def test_noise_drums_and_single_notes_have_no_key(make_noise, make_drums):
    time_s = np.arange(5 * 22050) / 22050
    note = sum(np.sin(2 * np.pi * 220 * h * time_s) / h for h in range(1, 7))
    for audio in (make_noise(10), make_drums(120), Audio((0.2 * note).astype(np.float32)[None], 22050)):
        heard = analyze_audio(audio)
        assert heard.key is None
        assert heard.camelot is None


def test_a_moment_of_sound_has_no_key(make_chords):
    chords = make_chords(0, "major")
    assert analyze_audio(chords.span(0, 1.5)).key is None


@pytest.mark.parametrize(
    ("name", "camelot"),
    [
        ("C major", "8B"),
        ("A minor", "8A"),
        ("G major", "9B"),
        ("E minor", "9A"),
        ("F# major", "2B"),
        ("B major", "1B"),
        ("G# minor", "1A"),
        ("E major", "12B"),
        ("C# minor", "12A"),
        ("F minor", "4A"),
    ],
)
def test_camelot_numbers_follow_the_published_wheel(name, camelot):
    tonic, mode = name.split()
    key = Key(PITCH_CLASSES.index(tonic), mode, 1.0)
    assert (key.name, key.camelot) == (name, camelot)


def test_the_wheel_has_24_places():
    assert len({Key(tonic, mode, 1.0).camelot for tonic in range(12) for mode in ("major", "minor")}) == 24


def test_scores_turn_with_the_profile():
    random = np.random.default_rng(0)
    profile, bass = random.random(12), random.random(12)
    turned = key_scores(np.roll(profile, 5), np.roll(bass, 5))
    assert np.allclose(turned, np.roll(key_scores(profile, bass), 5, axis=1))


def test_triads_are_told_by_their_roots():
    chroma = np.full((40, 12), 0.01)
    chroma[:, [9, 0, 4]] = 1.0  # A minor
    odds = triad_odds(chroma)
    assert odds.shape == (40, 2, 12)
    assert odds.sum(axis=(1, 2)) == pytest.approx(1)
    assert odds[:, 1, 9].min() > 0.9


@pytest.mark.parametrize("semitones", range(12))
def test_triads_and_cadences_turn_with_the_music(semitones):
    chroma = np.random.default_rng(0).uniform(size=(60, 12))
    odds, turned = triad_odds(chroma), triad_odds(np.roll(chroma, semitones, axis=1))
    assert np.allclose(turned, np.roll(odds, semitones, axis=2))
    assert np.allclose(cadences(turned), np.roll(cadences(odds), semitones, axis=1))


@pytest.mark.parametrize("mode", [0, 1])
def test_a_major_triad_going_to_the_fifth_below_is_a_cadence_there(mode):
    odds = np.zeros((40, 2, 12))
    odds[:20, 0, 4] = 1  # E major
    odds[20:, mode, 9] = 1  # then A
    found = cadences(odds)
    assert np.unravel_index(found.argmax(), found.shape) == (mode, 9)
    assert np.count_nonzero(found > 1e-9) == 1
    assert np.allclose(cadences(odds[:3]), 0)

import numpy as np
import pytest

from angen.analysis import hear
from angen.analysis.analyzing import with_tags
from angen.analysis.tagger import GENRES, INSTRUMENTS, Tags, hear_tags, tag_features, weights
from angen.audio import Audio


def tags(genre=0.9, plays=(), genre_threshold=0.4):
    genres = np.full(len(GENRES), (1 - genre) / (len(GENRES) - 1))
    genres[1] = genre
    present = np.array([0.9 - 0.1 * plays.index(name) if name in plays else 0.1 for name in INSTRUMENTS])
    return Tags(genres, present, genre_threshold, np.full(len(INSTRUMENTS), 0.5))


def test_below_its_threshold_a_tag_is_not_said():
    assert tags(genre=0.5).genre == GENRES[1]
    assert tags(genre=0.39).genre is None
    assert list(tags(plays=("organ", "drums")).named_instruments()) == ["organ", "drums"]
    assert tags().named_instruments() == {}


def test_the_weights_fit_the_features(make_noise):
    heard = hear(make_noise(6))
    features = tag_features(heard.spectrum, heard.harmony)
    assert np.isfinite(features).all()
    stored = weights()
    assert len(features) == len(stored["fast_mean"])
    assert len(features) + 500 == len(stored["deep_mean"])
    assert len(stored["fast_thresholds"]) == 1 + len(INSTRUMENTS)


def test_probabilities_are_probabilities(make_drums, make_chords):
    for audio in (make_drums(120), make_chords(0, "major")):
        heard = hear(audio)
        found = hear_tags(heard.spectrum, heard.harmony)
        assert found.genres.sum() == pytest.approx(1)
        assert np.all((found.instruments >= 0) & (found.instruments <= 1))


def test_loops_of_drums_have_drums_and_chords_alone_have_none(make_drums, make_chords):
    assert "drums" in hear(make_drums(110)).analysis.instruments
    assert "drums" not in hear(make_chords(2, "minor")).analysis.instruments


def test_too_little_sound_is_not_tagged(make_noise):
    heard = hear(make_noise(3.9))
    assert hear_tags(heard.spectrum, heard.harmony) is None
    assert heard.analysis.genre is None


def test_tags_are_told_with_their_source_and_confidence(make_chords):
    bare = hear(make_chords(0, "major")).analysis
    known = with_tags(bare, tags(genre=0.8, plays=("organ", "choir")), source="tagged")
    assert (known.genre, known.sources["genre"], known.confidence["genre"]) == (GENRES[1], "tagged", 0.8)
    assert known.instruments[:2] == ["organ", "choir"]
    assert "organ" in known.description
    assert GENRES[1] in known.description
    assert with_tags(bare, None, source="tagged") == bare


def test_silence_with_a_click_is_no_music():
    sound = np.zeros(10 * 22050, np.float32)
    sound[1000:1100] = 0.5
    analysis = hear(Audio(sound[None], 22050)).analysis
    assert analysis.genre is None

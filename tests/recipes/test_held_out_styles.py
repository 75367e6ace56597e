"""What makes the styles kept from training what they are, and that nothing leads to them from the others."""

import re

import numpy as np
import pytest
from recipes.angen_tiny.captions import MOOD_WORDS
from recipes.angen_tiny.compose import compose
from recipes.angen_tiny.instruments import DRUM_KEYS, INSTRUMENTS
from recipes.angen_tiny.phrases import NAMES, SCENES, TRAITS
from recipes.angen_tiny.piece import BASS, CHORDS, DRUMS, Note, Piece
from recipes.angen_tiny.styles import BASE_STYLES, HELD_OUT, STYLES

CLIP_S = 15.36
OWN_WORDS = {
    "calypso": {"steel drums", "marimba"},
    "tango": {"bandoneon"},
    "polka": {"tuba"},
}


def _pieces(style: str, count: int = 24) -> list[Piece]:
    return [compose(np.random.default_rng([seed, 31]), style, CLIP_S) for seed in range(count)]


def _eighths(piece: Piece, notes: list[Note]) -> np.ndarray:
    """Where notes fall in the bar, in eighths (0..7), between the labelled downbeats; endings are left out."""
    bars = np.array(piece.labels.downbeats_s)
    ends = [span.start_s for span in piece.labels.sections if span.name == "ending"]
    last = min([bars[-1], *ends])
    starts = np.array([note.start_s + 0.02 for note in notes if bars[0] <= note.start_s + 0.02 < last])
    places = np.interp(starts, bars, np.arange(len(bars))) % 1.0
    return np.floor(places * 8).astype(int)


def _share(style: str, channel: int, eighths: set[int], drum: str | None = None) -> float:
    """Share of a part's strokes that begin on the given eighths of the bar."""
    found = []
    for piece in _pieces(style):
        notes = [note for note in piece.notes if note.channel == channel]
        found.extend(
            _eighths(piece, [note for note in notes if drum is None or note.pitch == DRUM_KEYS[drum]])
        )
    assert len(found) > 100
    return float(np.mean([place in eighths for place in found]))


@pytest.mark.parametrize("style", HELD_OUT)
def test_a_held_out_style_has_phrases_as_many_as_the_others_and_none_of_theirs(style: str) -> None:
    tables = (NAMES, SCENES, TRAITS)
    for table, least in zip(tables, (36, 22, 10), strict=True):
        assert len(set(table[style])) == len(table[style]) >= least
    mine = {phrase.lower() for table in tables for phrase in table[style]}
    for other in {*BASE_STYLES, *HELD_OUT} - {style}:
        assert not mine & {phrase.lower() for table in tables for phrase in table[other]}


@pytest.mark.parametrize("style", ["tango", "polka"])
def test_their_phrases_claim_no_mood(style: str) -> None:
    moods = "|".join(re.escape(word) for words in MOOD_WORDS.values() for word in words)
    for phrase in (*NAMES[style], *SCENES[style], *TRAITS[style]):
        assert not re.search(rf"(?<![\w-])({moods})(?![\w-])", phrase.lower()), phrase


@pytest.mark.parametrize("style", HELD_OUT)
def test_a_held_out_style_has_a_sound_no_base_style_has(style: str) -> None:
    words = {word for part in STYLES[style].parts.values() for word in part}
    assert OWN_WORDS[style] <= words
    own_programs = {program for word in OWN_WORDS[style] for program in INSTRUMENTS[word].programs}
    for other in {*BASE_STYLES, *HELD_OUT} - {style}:
        named = {word for part in STYLES[other].parts.values() for word in part}
        assert not own_programs & {program for word in named for program in INSTRUMENTS[word].programs}


@pytest.mark.parametrize("style", HELD_OUT)
def test_its_own_sounds_are_heard_in_most_pieces(style: str) -> None:
    heard = [bool(OWN_WORDS[style] & set(piece.labels.instruments)) for piece in _pieces(style)]
    assert np.mean(heard) > 0.5


def test_tango_is_minor_without_drums_and_within_its_tempi() -> None:
    for piece in _pieces("tango"):
        assert piece.labels.key.endswith("minor")
        assert not any(note.channel == DRUMS for note in piece.notes)
        assert 110 <= piece.labels.tempo_bpm <= 132


def test_the_bass_of_tango_falls_on_the_beats_or_on_three_three_two() -> None:
    assert _share("tango", BASS, {0, 2, 3, 4, 6}) > 0.9


def test_tango_has_marcato_pieces_and_three_three_two_pieces() -> None:
    """The second beat is struck in the one, its eighth after in the other; few do both."""
    marcato, tresillo = [], []
    for piece in _pieces("tango", 40):
        places = list(_eighths(piece, [note for note in piece.notes if note.channel == BASS]))
        marcato.append(places.count(2) > 2 > places.count(3))
        tresillo.append(places.count(3) > 2 > places.count(2))
    assert np.mean(marcato) > 0.2
    assert np.mean(tresillo) > 0.2


def test_polka_is_major_and_within_its_tempi() -> None:
    for piece in _pieces("polka"):
        assert piece.labels.key.endswith("major")
        assert 105 <= piece.labels.tempo_bpm <= 140


def test_polka_goes_oom_pah() -> None:
    """Tuba and kick on the beats; chords and snare after them."""
    assert _share("polka", BASS, {0, 2, 4, 6}) > 0.9
    assert _share("polka", DRUMS, {0, 2, 4, 6}, "kick") > 0.85
    assert _share("polka", CHORDS, {1, 3, 5, 7}) > 0.75
    assert _share("polka", DRUMS, {1, 3, 5, 7}, "snare") > 0.6

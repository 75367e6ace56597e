"""How pieces end; the laws of whole pieces are in `test_compose`."""

from dataclasses import replace

import numpy as np
import pytest
from recipes.angen_tiny.compose import compose, with_bars
from recipes.angen_tiny.endings import ENDING, last_chord, resolved
from recipes.angen_tiny.forms import FORMS
from recipes.angen_tiny.idiom import MOODS
from recipes.angen_tiny.instruments import DRUM_KEYS
from recipes.angen_tiny.piece import BASS, CHORDS, DRUMS, LEAD, METRES, PAD
from recipes.angen_tiny.score import Score
from recipes.angen_tiny.styles import STYLES
from recipes.angen_tiny.theory import MINOR_MODES, parse_chord

KINDS = [
    ("folk", "major"),
    ("rock", "minor"),
    ("jazz", "dorian"),
    ("classical", "minor"),
    ("ambient", "major"),
]


def _score(style_name: str, mode: str, tonic: int = 2) -> Score:
    """A score of four bars of the form and the ending bar, played by everyone the style may have."""
    style = STYLES[style_name]
    if mode not in style.modes:
        mode = next(iter(style.modes))
    feel = style.feels[0]
    score = Score(
        style=style,
        mood_name=style.moods[0],
        mood=MOODS[style.moods[0]],
        feel=feel,
        metre=METRES[feel.metre],
        tempo_bpm=120.0,
        swing=0.5,
        tonic=tonic,
        mode=mode,
        parts={part: words[0] for part, words in style.parts.items()},
        kit=0,
        bars=(),
    )
    window = [(FORMS[style.form][0], position) for position in range(4)] + [(ENDING, 0)]
    return with_bars(score, window, np.random.default_rng(0))


@pytest.mark.parametrize(("style", "mode"), KINDS)
def test_the_last_two_bars_are_a_dominant_and_the_tonic(style: str, mode: str) -> None:
    score = _score(style, mode)
    ended = resolved(score)
    tonic = parse_chord("i" if score.mode in MINOR_MODES else "I")
    *rest, before, last = ended.bars
    assert rest == list(score.bars[:-2])
    assert before.chords[0] == score.bars[-2].chords[0]
    assert before.chords[-1] == parse_chord("V7")
    assert before.following == tonic
    assert (last.chords, last.following) == ((tonic,), tonic)
    assert replace(ended, bars=()) == replace(score, bars=())


@pytest.mark.parametrize("steps", [4, 8, 16])
@pytest.mark.parametrize("tonic", range(12))
@pytest.mark.parametrize(("style", "mode"), KINDS)
def test_all_land_on_the_tonic_chord_at_the_last_bar(style: str, mode: str, tonic: int, steps: int) -> None:
    score = _score(style, mode, tonic)
    strokes = list(last_chord(score, steps))
    third = 3 if score.mode in MINOR_MODES else 4
    start = 4 * score.metre.bar_steps
    assert strokes
    for stroke in strokes:
        assert stroke.step == start
        assert 0 < stroke.length <= steps
        if stroke.channel in (CHORDS, PAD):
            assert (stroke.pitch - tonic) % 12 in (0, third, 7)
        elif stroke.channel != DRUMS:
            assert stroke.pitch % 12 == tonic
    channels = [stroke.channel for stroke in strokes]
    for channel, part in ((LEAD, "lead"), (BASS, "bass"), (CHORDS, "chords")):
        assert (channel in channels) == (part in score.parts)
    chord = {stroke.pitch % 12 for stroke in strokes if stroke.channel in (CHORDS, PAD)}
    if {"chords", "pad"} & score.parts.keys():
        assert chord == {tonic, (tonic + third) % 12, (tonic + 7) % 12}
    drums = {stroke.pitch for stroke in strokes if stroke.channel == DRUMS}
    assert drums == ({DRUM_KEYS["kick"], DRUM_KEYS["crash"]} if any(score.feel.drums) else set())
    lead = [stroke.pitch for stroke in strokes if stroke.channel == LEAD]
    if lead:
        assert score.instrument("lead").low - 12 <= lead[0] <= score.instrument("lead").high


@pytest.mark.parametrize("style", ["folk", "rock", "techno"])
def test_an_ended_piece_rings_out_on_its_last_chord(style: str) -> None:
    ended = [
        piece
        for seed in range(60)
        if (piece := compose(np.random.default_rng([seed, 5]), style, 15.36)).labels.ends_s
    ]
    assert ended
    for piece in ended:
        end_s = piece.labels.ends_s
        assert end_s is not None
        held = [note for note in piece.notes if note.start_s + note.duration_s > end_s - 0.15]
        assert held  # somebody holds until the end
        landing_s = piece.labels.sections[-1].start_s
        late = [note for note in piece.notes if note.start_s > landing_s + 0.12]
        assert late == []  # and nobody begins anything after the landing

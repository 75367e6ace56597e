"""Rendering through real soundfonts, hence slow; event order and balance need none."""

from dataclasses import replace

import numpy as np
import pytest
from recipes.angen_tiny.compose import compose
from recipes.angen_tiny.instruments import alternatives
from recipes.angen_tiny.piece import DRUMS, Piece
from recipes.angen_tiny.render import _events, draw_mix, render, synthesise
from recipes.angen_tiny.soundfonts import find_soundfonts
from recipes.angen_tiny.styles import STYLES

CLIP_S = 15.36


def _piece(style: str, seed: int = 0) -> Piece:
    return compose(np.random.default_rng([seed, 5]), style, CLIP_S)


def test_a_note_ends_before_the_same_pitch_starts_again() -> None:
    for style in STYLES:
        events = _events(_piece(style), 24_000)
        assert events == sorted(events)
        assert sum(is_on for _, is_on, *_ in events) * 2 == len(events)


@pytest.mark.parametrize("style", STYLES)
def test_a_mix_has_a_level_for_every_channel_and_programs_of_the_same_word(style: str) -> None:
    piece, rng = _piece(style), np.random.default_rng(0)
    for _ in range(10):
        mix = draw_mix(piece, rng)
        assert set(mix.levels_db) >= {note.channel for note in piece.notes}
        assert abs(mix.tuning) <= 0.3
        for channel, program in mix.programs.items():
            assert program in alternatives(piece.programs[channel])


@pytest.mark.soundfonts
@pytest.mark.parametrize("style", STYLES)
def test_a_clip_has_its_length_level_and_headroom(style: str) -> None:
    audio = render(_piece(style), np.random.default_rng(1), find_soundfonts(), duration_s=CLIP_S)
    assert audio.shape == (368_640,)
    assert audio.dtype == np.float32
    assert np.abs(audio).max() < 0.98
    assert -20.6 < 20 * np.log10(np.sqrt(np.mean(audio**2))) < -15.9


@pytest.mark.soundfonts
def test_rendering_does_not_depend_on_what_was_rendered_before() -> None:
    fonts, piece = find_soundfonts(), _piece("metal")
    first = render(piece, np.random.default_rng(2), fonts, duration_s=CLIP_S)
    render(_piece("ambient"), np.random.default_rng(3), fonts, duration_s=CLIP_S)
    assert np.array_equal(first, render(piece, np.random.default_rng(2), fonts, duration_s=CLIP_S))


@pytest.mark.soundfonts
def test_kicks_are_heard_where_beats_are_labelled() -> None:
    piece = _piece("house", 3)
    kicks = replace(
        piece, notes=tuple(note for note in piece.notes if (note.channel, note.pitch) == (DRUMS, 36))
    )
    mix = draw_mix(kicks, np.random.default_rng(0))
    audio = synthesise(kicks, mix, find_soundfonts()[0], 24_000, CLIP_S).mean(axis=0)
    for note in kicks.notes[:20]:
        onset = int(note.start_s * 24_000)
        before, after = audio[max(0, onset - 480) : onset], audio[onset : onset + 960]
        assert np.abs(after).max() > 3 * (np.abs(before).max() if len(before) else 0.0)


@pytest.mark.soundfonts
def test_parts_are_balanced_whatever_the_soundfont() -> None:
    """A lead of any instrument is within a few decibels of a lead of any other."""
    levels = []
    for seed in range(8):
        piece = _piece("jazz", seed)
        lead = replace(piece, notes=tuple(note for note in piece.notes if note.channel == 0))
        if len(lead.notes) < 5 or piece.programs.get(0) in (0, 1):  # one soundfont has no usable piano
            continue
        mix = replace(draw_mix(lead, np.random.default_rng(0)), levels_db=piece.levels_db)
        for font in find_soundfonts():
            audio = synthesise(lead, mix, font, 24_000, CLIP_S)
            levels.append(20 * np.log10(np.percentile(np.abs(audio), 95)))
    assert np.ptp(levels) < 14

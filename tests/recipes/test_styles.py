"""The tables: whatever a style names must exist, and every pattern must fit its metre."""

import pytest
from recipes.angen_tiny.forms import FILLS, FORMS
from recipes.angen_tiny.idiom import MOODS
from recipes.angen_tiny.instruments import DRUM_KEYS, HELD_OUT_PROGRAMS, INSTRUMENTS, alternatives
from recipes.angen_tiny.piece import METRES
from recipes.angen_tiny.styles import BASE_STYLES, HELD_OUT, STYLES


def test_there_are_eighteen_base_styles_and_three_are_held_out() -> None:
    assert len(BASE_STYLES) == 18
    assert HELD_OUT == ("calypso", "tango", "polka")
    assert not set(HELD_OUT) & set(BASE_STYLES)
    assert set(STYLES) == {*BASE_STYLES, *HELD_OUT}


@pytest.mark.parametrize("name", STYLES)
def test_what_a_style_names_exists(name: str) -> None:
    style = STYLES[name]
    assert style.form in FORMS
    assert not style.fills or style.fills in FILLS
    assert set(style.moods) <= set(MOODS)
    assert set(style.parts) == {"lead", "bass", "chords", "pad", "arp"}
    assert all(word in INSTRUMENTS for words in style.parts.values() for word in words)
    assert style.tempo_bpm[0] < style.tempo_bpm[1]


@pytest.mark.parametrize("name", STYLES)
def test_every_pattern_fills_whole_bars_with_known_signs(name: str) -> None:
    for feel in STYLES[name].feels:
        steps = METRES[feel.metre].bar_steps
        lines = {"RFLOTSAW": feel.bass, "XxupmB": (*feel.comp, *feel.arp)}
        for signs, patterns in lines.items():
            for pattern in patterns:
                assert len(pattern) % steps == 0, pattern
                assert set(pattern) <= set(signs + signs.lower() + "-.0123456789"), pattern
        for groove in feel.drums:
            for drum, row in groove.items():
                assert drum.rstrip("+") in DRUM_KEYS
                assert len(row) % steps == 0, row
                assert set(row) <= set("Xxo?-"), row


@pytest.mark.parametrize("name", FILLS)
def test_fills_use_known_drums(name: str) -> None:
    for fill in FILLS[name]:
        assert set(fill) <= set(DRUM_KEYS)
        assert all(0 < len(row) <= 24 for row in fill.values())


@pytest.mark.parametrize("name", BASE_STYLES)
def test_a_base_style_has_no_way_to_a_held_out_program(name: str) -> None:
    for words in STYLES[name].parts.values():
        for word in words:
            for program in INSTRUMENTS[word].programs:
                assert not HELD_OUT_PROGRAMS & set(alternatives(program))


@pytest.mark.parametrize("name", FORMS)
def test_every_part_is_heard_somewhere_in_a_form(name: str) -> None:
    parts = set().union(*(plan.parts for plan in FORMS[name]))
    assert parts >= {"bass", "chords", "lead"}
    assert all(plan.bars > 0 and 0 <= plan.intensity <= 1 for plan in FORMS[name])

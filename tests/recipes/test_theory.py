import pytest
from hypothesis import given
from hypothesis import strategies as st
from recipes.angen_tiny.styles import STYLES
from recipes.angen_tiny.theory import (
    QUALITIES,
    SCALES,
    Chord,
    fit,
    key_name,
    lead_voices,
    nearest,
    parse_chord,
    parse_progression,
)

CLASSES = st.lists(st.integers(0, 11), min_size=2, max_size=5, unique=True)


@pytest.mark.parametrize(
    ("text", "root", "tones"),
    [
        ("I", 0, (0, 4, 7)),
        ("vi", 9, (0, 3, 7)),
        ("V7", 7, (0, 4, 7, 10)),
        ("bVImaj7", 8, (0, 4, 7, 11)),
        ("iim7b5", 2, (0, 3, 6, 10)),
        ("#IV", 6, (0, 4, 7)),
        ("i5", 0, (0, 7)),
        ("Vsus4", 7, (0, 5, 7)),
    ],
)
def test_a_roman_numeral_gives_root_and_tones(text: str, root: int, tones: tuple[int, ...]) -> None:
    assert parse_chord(text) == Chord(root, tones)


def test_a_word_that_is_no_numeral_is_refused() -> None:
    with pytest.raises(ValueError, match="not a roman numeral"):
        parse_chord("H7")


@pytest.mark.parametrize("name", STYLES)
def test_every_progression_of_a_style_can_be_read_and_fills_whole_bars(name: str) -> None:
    style = STYLES[name]
    assert set(style.modes) <= set(style.progressions)
    assert set(style.progressions) <= set(SCALES)
    for texts in style.progressions.values():
        for text in texts:
            assert all(len(bar) in (1, 2, 4) for bar in parse_progression(text))


@given(st.integers(0, 127), st.integers(20, 60))
def test_fit_keeps_the_pitch_class_and_finds_the_range(pitch: int, low: int) -> None:
    fitted = fit(pitch, low, low + 11)
    assert fitted % 12 == pitch % 12
    assert low <= fitted <= low + 11


@given(st.floats(30, 90), CLASSES)
def test_nearest_is_in_the_classes_and_no_other_is_nearer(pitch: float, classes: list[int]) -> None:
    found = nearest(pitch, classes)
    assert found % 12 in classes
    others = [other for other in range(20, 101) if other % 12 in classes]
    assert abs(found - pitch) <= min(abs(other - pitch) for other in others) + 1.0


@given(CLASSES, CLASSES, st.booleans())
def test_a_voicing_sounds_every_class_once_ascending_and_in_reach(
    first: list[int], second: list[int], spread: bool
) -> None:
    before = lead_voices(first, (), 50, 76, spread=spread)
    after = lead_voices(second, before, 50, 76, spread=spread)
    assert sorted(pitch % 12 for pitch in after) == sorted(second)
    assert list(after) == sorted(after)
    assert after[0] >= 38
    assert after[-1] <= 76 + 24


def test_voices_move_less_than_in_root_position() -> None:
    c_major = lead_voices((0, 4, 7), (), 50, 76)
    f_major = lead_voices((5, 9, 0), c_major, 50, 76)
    assert sum(abs(a - b) for a, b in zip(c_major, f_major, strict=True)) <= 4


def test_modes_fold_into_major_and_minor_keys() -> None:
    assert key_name(9, "dorian") == "A minor"
    assert key_name(6, "mixolydian") == "F# major"
    assert key_name(12, "minor") == "C minor"


def test_every_quality_has_its_root() -> None:
    assert all(tones[0] == 0 and list(tones) == sorted(tones) for tones in QUALITIES.values())

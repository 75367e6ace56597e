import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from angen.model.form import APPROACH_S, FORM_DIM, SECTIONS, form_features

FLAGS = slice(0, len(SECTIONS))
APPROACH, AFTER = FORM_DIM - 2, FORM_DIM - 1
forms = st.lists(st.tuples(st.sampled_from(SECTIONS), st.floats(0, 30)), max_size=5).map(
    lambda parts: sorted(parts, key=lambda part: part[1])
)


def named(features):
    """The section of each frame, or None."""
    return [SECTIONS[row.argmax()] if row.any() else None for row in features[:, FLAGS]]


def test_a_section_lasts_until_the_next_and_none_precedes_the_first():
    features = form_features([("verse", 1.0), ("chorus", 3.0)], 5, 1.0)
    assert named(features) == [None, "verse", "verse", "chorus", "chorus"]
    assert set(np.unique(features[:, FLAGS])) == {0.0, 1.0}


def test_a_frame_is_what_it_is_in_its_middle():
    features = form_features([("intro", 0.0), ("verse", 0.5)], 2, 1.0, ends_s=1.5)
    assert named(features) == ["verse", "verse"]
    assert features[:, AFTER].tolist() == [0.0, 1.0]
    assert named(form_features([("intro", 0.0), ("verse", 0.51)], 2, 1.0)) == ["intro", "verse"]


def test_the_approach_rises_over_eight_seconds_and_stays_after_the_end():
    features = form_features([], 24, 2.0, ends_s=10.0)
    times = (np.arange(24) + 0.5) / 2
    np.testing.assert_allclose(features[:, APPROACH], np.clip((times - 2.0) / 8.0, 0, 1), atol=1e-6)
    assert features[:, AFTER].tolist() == [0.0] * 20 + [1.0] * 4
    assert APPROACH_S == 8.0
    assert not features[:, FLAGS].any()


def test_an_unknown_form_is_all_zero():
    features = form_features([], 7, 12.5)
    assert features.shape == (7, FORM_DIM) == (7, 10)
    assert features.dtype == np.float32
    assert not features.any()


def test_of_two_sections_at_one_time_the_later_named_holds():
    assert named(form_features([("intro", 0.0), ("verse", 0.0)], 2, 1.0)) == ["verse", "verse"]


@given(forms, st.none() | st.floats(0, 40), st.floats(0, 20))
def test_a_frame_has_one_section_at_most_and_nothing_leaves_0_to_1(sections, ends_s, start_s):
    features = form_features(sections, 50, 12.5, ends_s=ends_s, start_s=start_s)
    assert features.min() >= 0
    assert features.max() <= 1
    assert features[:, FLAGS].sum(axis=1).max() <= 1
    assert (np.diff(features[:, APPROACH]) >= 0).all()
    assert (features[features[:, AFTER] == 1, APPROACH] == 1).all()


@given(forms, st.none() | st.floats(0, 40), st.integers(0, 200))
def test_a_part_of_a_piece_has_the_features_of_that_part(sections, ends_s, first):
    whole = form_features(sections, 250, 12.5, ends_s=ends_s)
    part = form_features(sections, 50, 12.5, ends_s=ends_s, start_s=first / 12.5)
    rounding = np.abs(whole[first : first + 50] - part) > 1e-5
    assert rounding.any(axis=1).sum() <= len(sections) + 1  # a border may fall upon the middle of a frame


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ([("refrain", 0.0)], "'refrain' is no section; known are intro, verse"),
        ([("Verse", 0.0)], "'Verse'"),
        ([("verse", 4.0), ("chorus", 2.0)], "follow one another"),
    ],
)
def test_an_unknown_section_and_a_wrong_order_are_refused(sections, said):
    with pytest.raises(ValueError, match=said):
        form_features(sections, 3, 1.0)

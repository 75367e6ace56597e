from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from angen.analysis.key import transposed
from angen.model.keys import KEY_DIM, key_features
from angen.model.text import stated_key

KEYS = st.sampled_from(
    [f"{note}{sign} {mode}" for note in "CDEFGAB" for sign in ("", "#", "b") for mode in ("major", "minor")]
)


def rolled(features: np.ndarray, semitones: int) -> np.ndarray:
    return np.concatenate([np.roll(features[:12], semitones), np.roll(features[12:], semitones)])


@given(key=KEYS, semitones=st.integers(-12, 12))
def test_a_higher_key_is_the_same_key_higher(key: str, semitones: int) -> None:
    features = key_features(key)
    assert (features.shape, features[:12].sum(), features[12:].sum()) == ((KEY_DIM,), 7, 1)
    assert np.array_equal(key_features(transposed(key, semitones)), rolled(features, semitones))


def test_relatives_share_their_notes_and_parallels_their_tonic() -> None:
    relative = key_features("C major"), key_features("A minor")
    assert np.array_equal(relative[0][:12], relative[1][:12])
    assert not np.array_equal(relative[0][12:], relative[1][12:])
    assert np.array_equal(key_features("C major")[12:], key_features("C minor")[12:])


@pytest.mark.parametrize("key", [None, "", "H minor", "C", "C dorian", "key of C", "  "])
def test_what_names_no_key_is_unknown(key: str | None) -> None:
    assert not key_features(key).any()


@pytest.mark.parametrize(
    ("prompt", "key"),
    [
        ("calypso in Bb minor, 112 bpm", "A# minor"),
        ("happy, key of C", "C major"),
        ("in F#m", "F# minor"),
        ("E-flat major waltz", "D# major"),
        ("sad, in a minor key", None),
        ("", None),
    ],
)
def test_a_prompt_states_a_key_or_none(prompt: str, key: str | None) -> None:
    assert stated_key(prompt) == key

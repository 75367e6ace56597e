from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from angen.audio import Audio
from angen.catalogue.choosing import Choice, choose, choose_songs
from angen.catalogue.licences import consequences, read_licence, strictest
from angen.catalogue.opensinger import song_of_member
from angen.catalogue.phrases import GAP_S, join_plan, joined

from .conftest import opensinger

lengths = st.lists(st.floats(0.5, 29.0), min_size=1, max_size=24)


def _length_s(lengths_s: list[float], part: range) -> float:
    return sum(lengths_s[index] for index in part) + GAP_S * (len(part) - 1)


@given(lengths)
def test_every_phrase_is_in_one_clip_in_order_and_none_is_too_long(lengths_s: list[float]) -> None:
    plan = join_plan(lengths_s, min_s=10, max_s=30)
    assert list(itertools.chain(*plan)) == list(range(len(lengths_s)))
    assert all(_length_s(lengths_s, part) <= 30 + 1e-9 for part in plan)


@given(st.lists(st.floats(0.5, 29.0), min_size=1, max_size=9))
def test_no_plan_leaves_fewer_seconds_missing(lengths_s: list[float]) -> None:
    def missing_s(plan: list[range]) -> float:
        return sum(max(0.0, 10 - _length_s(lengths_s, part)) for part in plan)

    every = []
    for cuts in itertools.product([0, 1], repeat=len(lengths_s) - 1):
        edges = [0, *(place + 1 for place, cut in enumerate(cuts) if cut), len(lengths_s)]
        plan = [range(a, b) for a, b in itertools.pairwise(edges)]
        if all(_length_s(lengths_s, part) <= 30 for part in plan):
            every.append(missing_s(plan))
    ours = missing_s(join_plan(lengths_s, min_s=10, max_s=30))
    assert ours <= min(every) + 0.01 * 4 * len(lengths_s), "evenness may cost no more than a moment"


def test_a_phrase_that_is_too_long_stands_alone() -> None:
    assert join_plan([5, 40, 6], min_s=10, max_s=30) == [range(0, 1), range(1, 2), range(2, 3)]


def test_joining_keeps_every_sample_but_the_faded_edges() -> None:
    first, second = (np.full((1, 1000), level, np.float32) for level in (0.5, -0.25))
    sound = joined([Audio(first, 8000), Audio(second, 8000)], rate_hz=8000, gap_s=0.1)
    assert sound.samples.shape == (1, 2800)
    assert np.all(sound.samples[0, 1000:1800] == 0)
    assert np.all(sound.samples[0, 40:960] == 0.5)
    assert np.all(sound.samples[0, 1840:2760] == -0.25)
    assert abs(sound.samples[0, 0]) < 0.02


def test_a_choice_is_the_same_everywhere_and_takes_singers_in_turn() -> None:
    members = {name: len(data) for name, data in opensinger(0.05).items()}
    everything = choose_songs(members, song_of_member, Choice(), 1e9)
    assert len(everything) == 8
    four = choose_songs(dict(reversed(members.items())), song_of_member, Choice(pieces=4, seed=5), 1e9)
    assert four == choose_songs(members, song_of_member, Choice(pieces=4, seed=5), 1e9)
    assert len({singer for singer, _ in four}) == 4, "a song of each singer before a second one of any"
    one = next(iter(members[name] for name in members if name.endswith(".wav")))
    hours = choose_songs(members, song_of_member, Choice(hours=2.5), 3 * one)  # a song is an hour
    assert len(hours) == 3
    assert choose(["b", "a"], None, 0) == ["a", "b"]
    assert set(choose([str(n) for n in range(9)], 3, 1)) != set(choose([str(n) for n in range(9)], 3, 2))


@pytest.mark.parametrize(
    ("text", "id_", "family"),
    [
        ("http://creativecommons.org/licenses/by-nc-sa/2.5/", "CC-BY-NC-SA-2.5", "by-nc-sa"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0", "pd"),
        ("http://creativecommons.org/licenses/publicdomain/", "Public Domain", "pd"),
        ("CC-BY-ND-4.0", "CC-BY-ND-4.0", "by-nd"),
        ("http://creativecommons.org/licenses/sampling+/1.0/", None, "unknown"),
        ("http://evil.example/licenses/by/3.0/", None, "unknown"),
        ("http://creativecommons.org.evil.example/licenses/by/3.0/", None, "unknown"),
        ("", "none stated", "unknown"),
    ],
)
def test_licences_are_read_from_their_address_and_never_guessed(
    text: str, id_: str | None, family: str
) -> None:
    licence = read_licence(text)
    assert licence.family == family
    if id_ is not None:
        assert licence.id == id_
    if family == "unknown":
        assert (licence.is_known, licence.non_commercial) == (False, True)


def test_together_licences_are_as_strict_as_each() -> None:
    both = strictest([read_licence("CC-BY-SA-3.0"), read_licence("CC-BY-NC-3.0"), read_licence("PD")])
    assert (both.non_commercial, both.share_alike, both.no_derivatives, both.is_known) == (
        True,
        True,
        False,
        True,
    )
    assert any("commercial" in said for said in consequences(both))
    assert not strictest([both, read_licence("mine")]).is_known

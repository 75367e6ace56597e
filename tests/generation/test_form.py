from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from angen.errors import GenerationError
from angen.generation.form import TAIL_S, parse_form, place_form
from angen.model.form import SECTIONS, form_features

forms = st.lists(st.tuples(st.sampled_from(SECTIONS), st.integers(1, 999)), max_size=6)
lengths = st.floats(1.0, 600.0)
tempi = st.none() | st.floats(30.0, 300.0)


def _written(parts: list[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {bars}" for name, bars in parts)


class TestParse:
    @given(forms)
    def test_what_is_written_is_read(self, parts: list[tuple[str, int]]) -> None:
        assert parse_form(_written(parts)) == tuple(parts)

    @pytest.mark.parametrize(
        "text",
        [
            "intro 4, verse 8",
            "[Intro] 4\n[Verse]",
            "INTRO 4; verse",
            " intro4 ,, verse 8,\n",
            "[intro] 04, verse",
        ],
    )
    def test_the_same_form_may_be_written_in_many_ways(self, text: str) -> None:
        assert parse_form(text) == (("intro", 4), ("verse", 8))

    @pytest.mark.parametrize("text", ["", " ", ",", "\n;\n"])
    def test_nothing_is_no_form(self, text: str) -> None:
        assert parse_form(text) == ()

    @pytest.mark.parametrize(
        "part",
        [
            "refrain 8",
            "8",
            "verse 0",
            "verse -1",
            "verse 1.5",
            "verse 8 bars",
            "verse 1000",
            "été 4",
            "verse chorus",
        ],
    )
    def test_what_is_no_section_is_named(self, part: str) -> None:
        with pytest.raises(GenerationError, match=f"^'{part}' is no section.*intro, verse, chorus"):
            parse_form(f"intro 4, {part}")


class TestPlace:
    def test_by_hand_with_a_tempo(self) -> None:
        """At 120 BPM a bar has 2 s; 32 s are 16 bars for 32."""
        sections, ends_s = place_form("intro 4, verse 8, chorus 16, outro 4", False, 32.0, 120.0)
        assert sections == [("intro", 0.0), ("verse", 4.0), ("chorus", 12.0), ("outro", 28.0)]
        assert ends_s is None

    def test_by_hand_without_a_tempo(self) -> None:
        sections, ends_s = place_form("verse 1, chorus 2", False, 30.0, None)
        assert sections == [("verse", 0.0), ("chorus", 10.0)]
        assert ends_s is None

    def test_an_ending_by_hand(self) -> None:
        """The last chord falls on the last bar line that leaves it half a bar and its tail: 28 s, and ends at 29."""
        sections, ends_s = place_form("", True, 32.0, 120.0)
        assert ends_s == 29.0
        assert sections == [("verse", 0.0), ("outro", 20.0)]
        sections, ends_s = place_form("verse 1, outro 1", True, 32.0, 120.0)
        assert (sections, ends_s) == ([("verse", 0.0), ("outro", 14.0)], 29.0)

    def test_nothing_asked_for_is_nothing(self) -> None:
        assert place_form("", False, 30.0, 112.0) == ([], None)

    def test_a_short_piece_that_ends_is_all_outro(self) -> None:
        assert place_form("", True, 6.0, 120.0)[0] == [("outro", 0.0)]

    @given(forms, st.booleans(), lengths, tempi)
    def test_it_is_a_form_the_model_takes(
        self, parts: list[tuple[str, int]], ending: bool, seconds: float, tempo: float | None
    ) -> None:
        sections, ends_s = place_form(_written(parts), ending, seconds, tempo)
        if parts:
            assert [name for name, _ in sections] == [name for name, _ in parts]
            assert sections[0][1] == 0.0
        assert (ends_s is None) == (not ending)
        bar_s = 240.0 / tempo if tempo else 0.0
        assert all(0 <= start <= (ends_s or seconds) + bar_s / 2 + 1e-6 for _, start in sections)
        form_features(sections, 5, 12.5, ends_s=ends_s)  # or it would refuse

    @given(forms, st.booleans(), lengths, st.floats(30.0, 300.0))
    def test_borders_lie_on_bar_lines(
        self, parts: list[tuple[str, int]], ending: bool, seconds: float, tempo: float
    ) -> None:
        for _, start in place_form(_written(parts), ending, seconds, tempo)[0]:
            bars = start * tempo / 240
            assert bars == pytest.approx(round(bars), abs=1e-6)

    @given(lengths, tempi)
    def test_an_end_lies_within_the_piece_and_leaves_a_tail_where_there_is_room(
        self, seconds: float, tempo: float | None
    ) -> None:
        ends_s = place_form("", True, seconds, tempo)[1]
        assert ends_s is not None
        bar_s = 240.0 / tempo if tempo else 1.0
        assert 0 < ends_s <= seconds
        assume(seconds >= TAIL_S + bar_s / 2)
        assert ends_s <= seconds - TAIL_S + 1e-5
        assert ends_s > seconds - TAIL_S - bar_s - 1e-5
        if tempo:  # on a bar line and half a bar
            assert (ends_s / bar_s - 0.5) == pytest.approx(round(ends_s / bar_s - 0.5), abs=1e-5)

    @given(
        st.lists(st.tuples(st.sampled_from(SECTIONS), st.integers(1, 50)), min_size=1, max_size=6), lengths
    )
    def test_lengths_are_in_proportion_without_a_tempo(
        self, parts: list[tuple[str, int]], seconds: float
    ) -> None:
        starts = [start for _, start in place_form(_written(parts), False, seconds, None)[0]]
        total = sum(bars for _, bars in parts)
        for (_, bars), start, end in zip(parts, starts, [*starts[1:], seconds], strict=True):
            assert end - start == pytest.approx(seconds * bars / total)

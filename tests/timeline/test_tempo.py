from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angen.errors import TimelineError
from angen.timeline import MetreChange, TempoChange, TempoMap, parse_place

PLAIN = TempoMap(44_100, [TempoChange(tempo_bpm=120.0)], [MetreChange(beats=4, unit=4)])


@st.composite
def grids(draw):
    bars = sorted(draw(st.sets(st.integers(2, 60), max_size=4)))
    units = st.sampled_from([2, 4, 8, 16])
    metres = [MetreChange(bar=bar, beats=draw(st.integers(1, 9)), unit=draw(units)) for bar in [1, *bars]]
    bars = sorted(draw(st.sets(st.integers(2, 60), max_size=6)))
    tempos = [TempoChange(bar=bar, tempo_bpm=draw(st.floats(10, 1000))) for bar in [1, *bars]]
    return TempoMap(draw(st.sampled_from([8000, 44_100, 48_000, 192_000])), tempos, metres)


samples = st.integers(0, 2**33)


@given(grids(), samples)
def test_samples_to_bars_and_back_is_the_identity(grid, sample):
    place = grid.position(sample)
    assert grid.sample(place.bar, place.beat) == sample
    assert grid.sample_of(grid.quarter_of(sample)) == sample


@given(grids(), st.integers(1, 5000))
def test_bars_to_samples_and_back_is_the_identity_to_half_a_sample(grid, bar):
    sample = grid.sample(bar)
    quarter = grid.quarter(bar)
    assert abs(grid.sample_of(quarter) - sample) <= Fraction(1, 2)
    place = grid.position(sample)
    a_sample = grid.quarter_of(sample + 1) - grid.quarter_of(sample)
    assert abs(grid.quarter(place.bar, place.beat) - quarter) <= a_sample


@given(grids(), samples, samples)
def test_musical_time_never_runs_backwards(grid, one, other):
    if one < other:
        assert grid.quarter_of(one) < grid.quarter_of(other)
        assert (grid.position(one).bar, grid.position(one).beat) < (
            grid.position(other).bar,
            grid.position(other).beat,
        )


@given(grids(), samples)
def test_a_beat_lies_within_its_metre(grid, sample):
    place = grid.position(sample)
    assert 1 <= place.beat < grid.metre_at(place.bar).beats + 1


@given(grids(), samples, st.sampled_from(["bar", "beat", "1/8", "1/16", "1/4t", "1/7"]))
def test_snapping_goes_to_the_nearest_line_and_stays_there(grid, sample, step):
    line = grid.snapped(sample, step)
    assert grid.snapped(line, step) == line
    bar = grid.position(sample).bar
    first, last = grid.sample(bar), grid.sample(bar + 1)
    assert first <= line <= last
    assert abs(line - sample) <= min(abs(first - sample), abs(last - sample))


@given(grids(), st.integers(1, 40))
def test_every_bar_line_is_a_line_of_every_grid(grid, bar):
    line = grid.sample(bar)
    for step in ("bar", "beat", "1/8", "1/16t"):
        assert grid.snapped(line, step) == line


def test_known_answers():
    assert PLAIN.sample(2) == 88_200  # 4 beats of half a second
    assert PLAIN.sample(1, Fraction(3, 2)) == 11_025
    assert str(PLAIN.position(44_100 * 60)) == "31|1.000"
    assert PLAIN.snapped(50_000, "beat") == 44_100
    assert PLAIN.snapped(56_000, "beat") == 66_150
    assert PLAIN.snapped(50_000, "bar") == 88_200
    assert PLAIN.snapped(8_000, "1/8t") == 7350  # a third of a beat of 22 050 samples


def test_tempo_and_metre_changes_by_hand():
    # 2 bars of 4/4 at 120, then 7/8 at 60: a bar is 3.5 quarters of one second.
    grid = TempoMap(
        1000 * 48,
        [TempoChange(tempo_bpm=120.0), TempoChange(bar=3, tempo_bpm=60.0)],
        [MetreChange(beats=4, unit=4), MetreChange(bar=3, beats=7, unit=8)],
    )
    assert [grid.sample(bar) / 48_000 for bar in (1, 2, 3, 4, 5)] == [0, 2, 4, 7.5, 11]
    assert grid.sample(3, 2) / 48_000 == 4.5  # an eighth is half a second
    assert str(grid.position(48_000 * 8)) == "4|2.000"


@pytest.mark.parametrize("step", ["", "1/0", "1/", "quarter", "2/4", "1/8d", "-1/8"])
def test_a_grid_that_is_none_is_refused(step):
    with pytest.raises(TimelineError, match="no grid"):
        PLAIN.snapped(0, step)


@pytest.mark.parametrize(
    ("text", "sample"),
    [("0", 0), ("44100", 44_100), ("1s", 44_100), ("0.5s", 22_050), ("1:00", 2_646_000), ("1:00.5s", 2_668_050),
     ("1|1", 0), ("3|2.5", 176_400 + 33_075), (" 5 ", 5)],
)  # fmt: skip
def test_places_are_read_as_people_write_them(text, sample):
    assert parse_place(text, PLAIN, 44_100) == sample


@pytest.mark.parametrize(
    "text",
    ["", "x", "-1", "1.5", "0|1", "1|0", "1|5", "1|", "9" * 20, "٣", "1e5s", "99999999999999999999s"],
)
def test_places_that_are_none_are_refused(text):
    with pytest.raises(TimelineError, match="no place on the timeline"):
        parse_place(text, PLAIN, 44_100)


@given(grids(), samples)
def test_a_bar_and_beat_is_read_back_to_the_nearest_sample(grid, sample):
    place = grid.position(sample)
    text = f"{place.bar}|{float(place.beat):.9f}"[:30]
    if place.bar < 10**7 and float(text.split("|")[1]) < grid.metre_at(place.bar).beats + 1:
        assert abs(parse_place(text, grid, 44_100) - sample) <= 1

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from angen.timeline import HARD_EDGE, Clip, Fade
from angen.timeline.fades import clip_fades, curve_gain, fade_in_gains, fade_out_gains

CURVES = ["linear", "equal-power", "exponential"]


@st.composite
def fades(draw):
    samples = draw(st.integers(0, 20_000))
    return Fade(samples=samples, curve=draw(st.sampled_from(CURVES)), skipped=draw(st.integers(0, samples)))


def whole(fade: Fade, length: int, *, out: bool = False) -> np.ndarray:
    gains = fade_out_gains(fade, 0, length, length) if out else fade_in_gains(fade, 0, length)
    return np.ones(length) if gains is None else gains


@given(fades(), st.integers(1, 12_000), st.data())
def test_any_part_of_a_fade_is_the_part_of_the_whole_to_the_bit(fade, length, data):
    first = data.draw(st.integers(0, length - 1))
    count = data.draw(st.integers(1, length - first))
    for out in (False, True):
        part = fade_out_gains(fade, first, count, length) if out else fade_in_gains(fade, first, count)
        part = np.ones(count) if part is None else part
        assert np.array_equal(part, whole(fade, length, out=out)[first : first + count])


@given(fades(), st.integers(1, 12_000))
def test_going_out_is_coming_in_backwards(fade, length):
    assert np.array_equal(whole(fade, length, out=True), whole(fade, length)[::-1])


@pytest.mark.parametrize("curve", CURVES)
def test_a_fade_rises_from_nothing_to_all(curve):
    assert curve_gain(curve, np.array([0.0, 1.0])).tolist() == pytest.approx([0.0, 1.0], abs=1e-12)
    gains = whole(Fade(samples=5000, curve=curve), 6000)
    assert np.all(np.diff(gains[:5000]) > 0)
    assert np.all(gains[5000:] == 1)
    assert gains[0] < 2e-4


def test_known_points_of_the_curves():
    middle = np.array([0.5])
    assert curve_gain("linear", middle)[0] == 0.5
    assert curve_gain("equal-power", middle)[0] == pytest.approx(0.5**0.5)
    assert 20 * np.log10(curve_gain("exponential", middle)[0]) == pytest.approx(-30, abs=0.3)
    assert whole(Fade(samples=4), 4).tolist() == [0.125, 0.375, 0.625, 0.875]


@given(st.integers(1, 9000))
def test_an_equal_power_crossfade_keeps_power(samples):
    fade = Fade(samples=samples, curve="equal-power")
    rising, falling = whole(fade, samples), whole(fade, samples, out=True)
    assert rising**2 + falling**2 == pytest.approx(np.ones(samples), abs=1e-12)


def clip(name: str, start: int, length: int, **how) -> Clip:
    return Clip(id=name, name=name, source="0" * 64, start=start, length=length, **how)


def test_overlapping_neighbours_crossfade_over_their_overlap():
    found = clip_fades([clip("b", 70, 100), clip("a", 0, 100)])
    crossing = Fade(samples=30, curve="equal-power")
    assert found == {"a": (HARD_EDGE, crossing), "b": (crossing, HARD_EDGE)}


def test_fades_that_were_set_stay_as_they_are():
    own = Fade(samples=7)
    found = clip_fades([clip("a", 0, 100, fade_out=own), clip("b", 70, 100, fade_in=HARD_EDGE)])
    assert found["a"][1] == own
    assert found["b"][0] == HARD_EDGE


@pytest.mark.parametrize("inner", [(0, 50), (20, 50), (0, 100), (100, 50)])
def test_layers_and_neighbours_without_overlap_do_not_fade(inner):
    found = clip_fades([clip("a", 0, 100), clip("b", *inner)])
    assert found == {"a": (HARD_EDGE, HARD_EDGE), "b": (HARD_EDGE, HARD_EDGE)}


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 60)), max_size=7))
def test_automatic_fades_are_those_of_every_pair(spans):
    clips = [clip(f"c{number}", *span) for number, span in enumerate(spans)]
    found = clip_fades(clips)
    for one in clips:
        ins = [a.end - one.start for a in clips if a.start < one.start < a.end <= one.end]
        outs = [one.end - b.start for b in clips if one.start < b.start < one.end <= b.end]
        assert found[one.id][0].samples == max(ins, default=0)
        assert found[one.id][1].samples == max(outs, default=0)

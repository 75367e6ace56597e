from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angen.errors import LyricsError
from angen.lyrics import (
    FORMS,
    Lyrics,
    Section,
    TimedLine,
    form_named,
    read_lrc,
    singing_time,
    timed,
    write_lrc,
)
from angen.lyrics.timing import RAP

LA = Lyrics(
    (
        Section("verse", ("la la la la la la",) * 4),
        Section("inst"),
        Section("chorus", ("la " * 12 + "la",) * 2),
    )
)


def test_seconds_from_syllables_by_hand() -> None:
    time = singing_time(Lyrics((Section("verse", ("la la la la la la",) * 4),)))
    assert time.syllables == 24
    assert time.usual_s == pytest.approx(4 * (6 / 3.0 + 0.5))
    assert time.shortest_s == pytest.approx(4 * (6 / 4.5 + 0.5))
    assert time.longest_s == pytest.approx(4 * (6 / 1.8 + 0.5))


def test_with_a_tempo_lines_fill_beats_and_sections_bars() -> None:
    verse = singing_time(LA, tempo_bpm=120).sections[0]
    assert (verse.usual_s, verse.bars) == (10.0, 5)  # 2.5 s a line are 5 beats; 20 beats are 5 bars of 2 s
    assert singing_time(LA, tempo_bpm=120).sections[1].usual_s == 16.0  # eight bars are played


@given(st.floats(40, 220))
def test_sections_are_whole_bars_at_any_tempo_and_rates_are_in_order(tempo: float) -> None:
    for part in singing_time(LA, tempo_bpm=tempo).sections:
        assert part.usual_s / (240 / tempo) == pytest.approx(part.bars)
        assert 0 < part.shortest_s <= part.usual_s <= part.longest_s


def test_rap_is_faster() -> None:
    assert singing_time(LA, rate=RAP).usual_s < singing_time(LA).usual_s


def test_what_cannot_fit_is_warned_of_and_what_fits_is_not() -> None:
    time = singing_time(LA, tempo_bpm=100)
    fits = (time.shortest_s + 0.01, time.usual_s + 0.01, time.longest_s, time.longest_s * 3)
    assert "shorten" in singing_time(LA, tempo_bpm=100, seconds=time.shortest_s - 0.1).warnings[0]
    assert "hurriedly" in singing_time(LA, tempo_bpm=100, seconds=fits[0]).warnings[0]
    assert singing_time(LA, tempo_bpm=100, seconds=fits[1]).warnings == ()
    assert singing_time(LA, tempo_bpm=100, seconds=fits[2]).warnings == ()
    assert "Even sung slowly" in singing_time(LA, tempo_bpm=100, seconds=fits[3]).warnings[0]


def test_words_without_a_rule_are_named() -> None:
    song = Lyrics((Section("verse", ("Hello Привет",)),))
    assert "Привет" in singing_time(song).warnings[0]


@pytest.mark.parametrize(
    "values", [{"tempo_bpm": 10}, {"tempo_bpm": 400}, {"seconds": 0}, {"language": "xx"}]
)
def test_values_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(LyricsError):
        singing_time(LA, **values)  # type: ignore[arg-type]


class TestLrc:
    @given(
        st.lists(
            st.tuples(st.integers(0, 99 * 6000), st.sampled_from(["la", "Hello, world", "我爱你", "a [b]"])),
            min_size=1,
        )
    )
    def test_what_is_written_is_read_back(self, given_lines: list[tuple[int, str]]) -> None:
        lines = sorted((TimedLine(at / 100, text) for at, text in given_lines), key=lambda line: line.start_s)
        assert list(read_lrc(write_lrc(lines, title="Song", artist="Me"))) == lines

    def test_forms_of_stamps(self) -> None:
        text = "[offset:+500]\r\n[00:01]one\r\n[1:02:03.250]late\r\n"
        text += "[00:02.5][00:03:25]two <00:02.7>three\r\nnone\r\n[00:04.00]\r\n"
        assert read_lrc(text) == (
            TimedLine(0.5, "one"),
            TimedLine(2.0, "two three"),
            TimedLine(2.75, "two three"),
            TimedLine(3722.75, "late"),
        )

    def test_a_text_without_stamps_is_refused(self) -> None:
        with pytest.raises(LyricsError, match="no time stamp"):
            read_lrc("la la\n[verse]\n")

    @pytest.mark.parametrize(
        "line",
        [
            TimedLine(-1, "la"),
            TimedLine(6000, "la"),
            TimedLine(1, ""),
            TimedLine(1, "a\nb"),
            TimedLine(1, "[00:01]a"),
        ],
    )
    def test_what_lrc_cannot_hold_is_refused(self, line: TimedLine) -> None:
        with pytest.raises(LyricsError, match="cannot be a line of LRC"):
            write_lrc([line])

    def test_estimated_times_agree_with_the_sections(self) -> None:
        lines, parts = timed(LA, tempo_bpm=90), singing_time(LA, tempo_bpm=90).sections
        assert [line.text for line in lines] == list(LA.lines)
        assert lines[0].start_s == 0
        assert lines[4].start_s == pytest.approx(parts[0].usual_s + parts[1].usual_s, abs=1e-3)
        assert [line.start_s for line in lines] == sorted(line.start_s for line in lines)


class TestForms:
    @pytest.mark.parametrize("name", FORMS)
    def test_every_form_is_whole(self, name: str) -> None:
        form = form_named(name)
        assert any(part.scheme for part in form.parts)
        for part in form.parts:
            assert Section(part.tag, ("la",) * len(part.scheme))
            assert all(4 <= count <= 12 for count in part.syllables)
            assert not part.name or {p.scheme for p in form.parts if p.name == part.name} == {part.scheme}
        assert any(part.drop == 0 and part.scheme for part in form.parts)

    def test_a_form_nobody_knows_is_refused_with_those_that_are(self) -> None:
        with pytest.raises(LyricsError, match="polka") as caught:
            form_named("polka")
        assert "verse-chorus" in caught.value.remedy

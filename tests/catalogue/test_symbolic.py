from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path

import mido
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.catalogue.symbolic.excerpts import excerpts
from angen.catalogue.symbolic.instruments import GM_WORDS, instruments_of
from angen.catalogue.symbolic.judging import judge, note_pattern
from angen.catalogue.symbolic.labels import beat_grid, key_of, metre_of, tempo_bpm
from angen.catalogue.symbolic.reading import Score, parse_midi, read_midi
from angen.errors import ScoreError

from .conftest import tune

messages = st.lists(
    st.one_of(
        st.tuples(
            st.just("note"), st.integers(0, 15), st.integers(0, 127), st.integers(1, 127), st.integers(0, 300)
        ),
        st.tuples(
            st.just("program"), st.integers(0, 15), st.integers(0, 127), st.just(0), st.integers(0, 50)
        ),
        st.tuples(st.just("tempo"), st.just(0), st.integers(0, 127), st.just(0), st.integers(0, 100)),
        st.tuples(
            st.just("control"), st.integers(0, 15), st.integers(0, 119), st.integers(0, 127), st.just(3)
        ),
        st.tuples(st.just("sysex"), st.just(0), st.integers(0, 127), st.just(0), st.just(1)),
    ),
    max_size=40,
)


def _song(tracks: list[list[tuple[str, int, int, int, int]]], ticks: int) -> bytes:
    song = mido.MidiFile(ticks_per_beat=ticks)
    for events in tracks:
        track = song.add_track()
        for kind, channel, first, second, time in events:
            if kind == "note":
                track.append(
                    mido.Message("note_on", channel=channel, note=first, velocity=second, time=time // 2)
                )
                track.append(mido.Message("note_off", channel=channel, note=first, time=time))
            elif kind == "program":
                track.append(mido.Message("program_change", channel=channel, program=first, time=time))
            elif kind == "tempo":
                track.append(mido.MetaMessage("set_tempo", tempo=200_000 + 9_000 * first, time=time))
            elif kind == "control":
                track.append(
                    mido.Message("control_change", channel=channel, control=first, value=second, time=time)
                )
            else:
                track.append(mido.Message("sysex", data=(first, 1), time=time))
    handle = io.BytesIO()
    song.save(file=handle)
    return handle.getvalue()


@settings(max_examples=60)
@given(st.lists(messages, min_size=1, max_size=3), st.sampled_from([24, 96, 480]))
def test_reads_what_mido_reads(tracks: list[list[tuple[str, int, int, int, int]]], ticks: int) -> None:
    data = _song(tracks, ticks)
    score, reference = parse_midi(data), mido.MidiFile(file=io.BytesIO(data))
    time_s, sounding, expected = 0.0, {}, []
    for message in reference:  # in seconds, all tracks merged
        time_s += message.time
        if message.type == "note_on" and message.velocity:
            sounding.setdefault((message.channel, message.note), []).append((time_s, message.velocity))
        elif message.type in ("note_on", "note_off") and sounding.get((message.channel, message.note)):
            start_s, velocity = sounding[message.channel, message.note].pop(0)
            if time_s > start_s:
                expected.append((start_s, time_s, message.channel, message.note, velocity))
    ours = [
        (*score.seconds(np.array([start, end])), channel, pitch, velocity)
        for start, end, channel, _, pitch, velocity in score.notes
    ]
    assert np.allclose(sorted(ours), sorted(expected), atol=1e-9) if expected else ours == []
    assert score.ticks_per_quarter == ticks


@settings(max_examples=150)
@given(st.binary(max_size=60), st.integers(0, 400))
def test_damage_is_a_typed_error_or_still_a_score(noise: bytes, at: int) -> None:
    data = tune(bars=2)
    for broken in (data[:at], data[:at] + noise + data[at + len(noise) :], noise):
        assert _refusal_to_read(broken) in (None, "broken")


def _refusal_to_read(data: bytes) -> str | None:
    try:
        parse_midi(data)
    except ScoreError as error:
        return error.reason
    return None


@given(st.lists(st.floats(0, 60), min_size=1, max_size=9))
def test_ticks_undo_seconds(times_s: list[float]) -> None:
    score = parse_midi(
        _song([[("tempo", 0, 90, 0, 480), ("note", 0, 60, 60, 900), ("tempo", 0, 10, 0, 99)]], 480)
    )
    ticks = score.ticks(np.array(times_s))
    assert np.abs(score.seconds(ticks) - times_s).max() < 0.002


def _refusal(data: bytes) -> str | None:
    try:
        judge(parse_midi(data))
    except ScoreError as error:
        return error.reason
    return None


def test_scores_that_teach_nothing_are_told_apart() -> None:
    assert _refusal(tune()) is None
    assert _refusal(tune(bars=4)) == "few-notes"
    assert _refusal(tune(bars=8, bpm=240)) == "too-short"
    assert _refusal(tune(bars=100, bpm=30)) == "too-long"
    assert _refusal(tune(bars=24, drums=True)) == "drums-only"
    assert _refusal(_song([[("note", 0, 60, 80, 96)] * 200], 48)) == "one-pitch"
    assert _refusal(_song([[("note", 0, pitch, 80, 2) for pitch in range(30, 90)] * 30], 96)) == "too-dense"
    assert _refusal(b"<html>") == "broken"


def test_a_pattern_knows_a_piece_in_another_dress_and_only_that() -> None:
    same = note_pattern(parse_midi(tune()))
    for other in (tune(bpm=90), tune(ticks=96), tune(velocity=40), tune(program=50), tune(key=None)):
        assert note_pattern(parse_midi(other)) == same
    later = parse_midi(tune())
    moved = later.notes + np.array([480, 480, 0, 0, 0, 0])
    assert note_pattern(Score(480, moved, later.tempos, later.metres, later.keys, later.controls, 99)) == same
    for other in (tune(seed=1), tune(transpose=1), tune(bars=13)):
        assert note_pattern(parse_midi(other)) != same


@pytest.mark.parametrize(
    ("metre", "bpm", "beats_a_minute", "beats_a_bar"),
    [((4, 4), 120.0, 120.0, 4), ((3, 4), 90.0, 90.0, 3), ((6, 8), 120.0, 80.0, 2), ((2, 2), 120.0, 60.0, 2)],
)
def test_tempo_beats_and_bars_are_exact(
    metre: tuple[int, int], bpm: float, beats_a_minute: float, beats_a_bar: int
) -> None:
    score = parse_midi(tune(metre=metre, bpm=bpm, bars=16))
    grid = beat_grid(score)
    assert tempo_bpm(score) == pytest.approx(beats_a_minute, abs=0.01)
    assert np.diff(grid.beats_s) == pytest.approx(60 / beats_a_minute, abs=1e-4)
    assert np.diff(grid.downbeats_s) == pytest.approx(60 / beats_a_minute * beats_a_bar, abs=1e-3)
    assert metre_of(score, 0, score.end_tick) == f"{metre[0]}/{metre[1]}"


def test_what_a_file_does_not_state_is_not_known() -> None:
    silent = parse_midi(_song([[("note", 0, 60, 80, 96)] * 60], 48))
    assert (tempo_bpm(silent), metre_of(silent, 0, silent.end_tick), key_of(silent, 0, 99)) == (
        None,
        None,
        None,
    )
    assert len(beat_grid(silent).beats_s) == len(beat_grid(silent).downbeats_s) == 0


@pytest.mark.parametrize(
    ("stated", "known"),
    [("G", "G major"), ("Ebm", "D# minor"), ("Bb", "A# major"), ("C", None), (None, None)],
)
def test_a_key_is_taken_as_stated_but_a_lone_c_major_says_nothing(
    stated: str | None, known: str | None
) -> None:
    score = parse_midi(tune(key=stated))
    assert key_of(score, 0, score.end_tick) == known


def test_a_key_that_changes_within_is_none() -> None:
    score = parse_midi(tune())
    changing = Score(
        480,
        score.notes,
        score.tempos,
        score.metres,
        ((0, "C major"), (4000, "G major")),
        score.controls,
        9999,
    )
    assert [key_of(changing, *span) for span in ((0, 3000), (3000, 5000), (5000, 9000))] == [
        "C major",
        None,
        "G major",
    ]


def test_instruments_are_general_midis_by_how_much_they_play() -> None:
    assert len(GM_WORDS) == 128
    assert [GM_WORDS[n] for n in (0, 19, 24, 40, 52, 56, 65, 73, 114)] == [
        "piano", "organ", "acoustic guitar", "violin", "choir", "trumpet", "saxophone", "flute", "steel drums",
    ]  # fmt: skip
    score = parse_midi(tune(program=73))
    assert instruments_of(score) == ["flute", "acoustic bass"]
    assert instruments_of(score, score.end_tick, score.end_tick + 10) == []


@settings(max_examples=30)
@given(
    st.integers(8, 60),
    st.floats(60, 200),
    st.sampled_from([(4, 4), (3, 4), (6, 8)]),
    st.integers(1, 5),
    st.integers(0, 9),
)
def test_excerpts_begin_and_end_at_bars_within_their_lengths(
    bars: int, bpm: float, metre: tuple[int, int], most: int, seed: int
) -> None:
    score = parse_midi(tune(bars=bars, bpm=bpm, metre=metre))
    grid = beat_grid(score)
    found = excerpts(score, grid, min_s=10, max_s=30, most=most, seed=seed)
    assert len(found) <= most
    for part in found:
        assert 10 - 1e-6 <= part.duration_s <= 30 + 1e-6
        assert np.abs(grid.downbeats_s - part.start_s).min() < 1e-6
        is_at_end = abs(part.end_s - score.duration_s) < 60 / bpm * 4
        assert is_at_end or np.abs(grid.downbeats_s - part.end_s).min() < 1e-6
    assert all(a.end_s <= b.start_s + 1e-9 for a, b in pairwise(found))


def test_a_file_that_is_no_file_is_broken(tmp_path: Path) -> None:
    with pytest.raises(ScoreError):
        read_midi(tmp_path / "none.mid")

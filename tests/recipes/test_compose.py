"""Laws every composed piece keeps. No soundfont is needed."""

from itertools import pairwise

import numpy as np
import pytest
from recipes.angen_tiny.compose import beat_grid, compose, cut, swung
from recipes.angen_tiny.forms import SECTION_TAGS
from recipes.angen_tiny.instruments import (
    DRUM_KEYS,
    DRUM_SET_KEYS,
    HELD_OUT_PROGRAMS,
    INSTRUMENTS,
    PERCUSSION_WORDS,
)
from recipes.angen_tiny.piece import BASS, DRUMS, METRES, Note, Piece
from recipes.angen_tiny.styles import BASE_STYLES, STYLES
from recipes.angen_tiny.theory import PITCH_NAMES, SCALES

CLIP_S = 15.36


def _piece(style: str, seed: int, duration_s: float = CLIP_S, tempo_bpm: float | None = None) -> Piece:
    return compose(np.random.default_rng([seed, 77]), style, duration_s, tempo_bpm=tempo_bpm)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("duration_s", [0.5, 4.0, CLIP_S, 130.0])
def test_any_duration_composes_with_notes_in_range_and_inside(style: str, duration_s: float) -> None:
    for seed in range(4):
        piece = _piece(style, seed, duration_s)
        for note in piece.notes:
            assert 0 <= note.start_s < duration_s
            assert note.duration_s > 0
            assert note.start_s + note.duration_s <= duration_s + 1e-9
            assert 21 <= note.pitch <= 108
            assert 1 <= note.velocity <= 127
            assert note.channel == DRUMS or note.channel in piece.programs
        if duration_s >= CLIP_S:
            assert len(piece.notes) > 8


@pytest.mark.parametrize("style", STYLES)
def test_the_same_seed_gives_the_same_piece_and_another_gives_another(style: str) -> None:
    assert _piece(style, 1) == _piece(style, 1)
    assert _piece(style, 1) != _piece(style, 2)


@pytest.mark.parametrize("style", STYLES)
def test_pitches_fit_the_labelled_key(style: str) -> None:
    shares = []
    for seed in range(12):
        labels, weights = _piece(style, seed).labels, np.zeros(12)
        for note in _piece(style, seed).notes:
            if note.channel != DRUMS:
                weights[note.pitch % 12] += note.duration_s
        tonic = PITCH_NAMES.index(labels.key.split()[0])
        scale = [(tonic + pitch) % 12 for pitch in SCALES[labels.mode]]
        shares.append(weights[scale].sum() / weights.sum())
        assert weights[tonic] > 0
    assert min(shares) > 0.6
    assert np.mean(shares) > 0.85


@pytest.mark.parametrize("style", STYLES)
def test_beats_are_spaced_by_the_tempo_and_downbeats_by_the_bar(style: str) -> None:
    for seed in range(6):
        labels = _piece(style, seed).labels
        beat_s, end_s = 60.0 / labels.tempo_bpm, labels.ends_s or CLIP_S
        assert np.diff(labels.beats_s) == pytest.approx(beat_s, rel=0.0155)  # tempo drifts by 1.5 % at most
        assert np.diff(labels.downbeats_s) == pytest.approx(beat_s * METRES[labels.metre].beats, rel=0.0155)
        assert set(labels.downbeats_s) <= set(labels.beats_s)
        assert 0 <= labels.beats_s[0] < 1.02 * beat_s
        assert end_s - 1.1 * beat_s - 0.06 <= labels.beats_s[-1] < end_s


def _sway(style: str, seed: int) -> float:
    """How much the spacing of beats varies, as a share of it."""
    labels = _piece(style, seed).labels
    return float(np.ptp(np.diff(labels.beats_s))) * labels.tempo_bpm / 60


def test_people_let_the_tempo_drift_now_and_then_and_machines_never_do() -> None:
    assert (
        max(_sway("chiptune", seed) for seed in range(30)) < 1e-4
    )  # the one style that is exact to the sample
    people = np.array([_sway("jazz", seed) for seed in range(60)])
    assert 6 <= (people > 1e-3).sum() <= 30
    assert people.max() < 0.031


def test_drift_moves_notes_and_beats_together() -> None:
    swaying = [seed for seed in range(120) if _sway("rock", seed) > 8e-3][:8]
    assert swaying
    for seed in swaying:
        piece = _piece("rock", seed)
        beats = np.array(piece.labels.beats_s)
        grid = np.interp(np.arange(0, len(beats) - 1, 0.25), range(len(beats)), beats)
        kicks = [note.start_s for note in piece.notes if note.channel == DRUMS and note.pitch in (35, 36)]
        late = [float(np.abs(grid - kick).min()) for kick in kicks if grid[0] < kick < grid[-1]]
        assert np.median(late) < 0.015  # human looseness, not a drift of tens of milliseconds


def test_some_excerpts_end_on_the_tonic_and_are_silent_afterwards() -> None:
    ended = [piece for seed in range(150) if (piece := _piece("folk", seed)).labels.ends_s]
    assert 6 <= len(ended) <= 32
    for piece in ended:
        end_s = piece.labels.ends_s
        assert end_s is not None
        assert 0.5 * CLIP_S <= end_s <= 0.95 * CLIP_S
        assert max(note.start_s + note.duration_s for note in piece.notes) < end_s + 0.1
        bass = [note for note in piece.notes if note.channel == BASS]
        if bass:
            last = max(bass, key=lambda note: note.start_s)
            assert PITCH_NAMES[last.pitch % 12] == piece.labels.key.split()[0]
        assert max(piece.labels.beats_s) < end_s
        assert piece.labels.sections[-1].name == "ending"


def test_about_half_of_the_excerpts_begin_within_a_bar() -> None:
    starts = [_piece("house", seed, 4.0).labels.downbeats_s[0] == 0.0 for seed in range(60)]
    assert 15 < sum(starts) < 45


@pytest.mark.parametrize("style", BASE_STYLES)
def test_no_base_piece_uses_a_held_out_program(style: str) -> None:
    for seed in range(20):
        assert not HELD_OUT_PROGRAMS & set(_piece(style, seed).programs.values())


def test_calypso_uses_them() -> None:
    for seed in range(10):
        assert HELD_OUT_PROGRAMS & set(_piece("calypso", seed).programs.values())


@pytest.mark.parametrize("style", STYLES)
def test_instrument_words_are_what_sounds(style: str) -> None:
    for seed in range(8):
        piece = _piece(style, seed)
        channels = {note.channel for note in piece.notes}
        programs = {piece.programs[channel] for channel in channels - {DRUMS}}
        keys = {note.pitch for note in piece.notes if note.channel == DRUMS}
        assert piece.labels.instruments
        for word in piece.labels.instruments:
            if word in PERCUSSION_WORDS:
                assert PERCUSSION_WORDS[word] & keys
            elif word.startswith(("drum", "brushed")):
                assert DRUM_SET_KEYS & keys
            elif word == "synth bass" and style == "chiptune":
                assert INSTRUMENTS["chip bass"].programs[0] in programs
            else:
                assert INSTRUMENTS[word].programs[0] in programs


@pytest.mark.parametrize("style", ["house", "techno"])
def test_the_kick_of_club_music_falls_on_every_beat(style: str) -> None:
    kicks, on_beat = 0, 0
    for seed in range(60):  # one kick in ten lies between beats
        piece = _piece(style, seed)
        beats = np.array(piece.labels.beats_s)
        for note in piece.notes:
            if note.channel == DRUMS and note.pitch == DRUM_KEYS["kick"]:
                kicks += 1
                on_beat += np.abs(beats - note.start_s).min() < 0.012
    assert kicks > 100
    assert on_beat / kicks > 0.9


def test_the_backbeat_of_rock_is_on_two_and_four() -> None:
    numbers = []
    for seed in range(20):
        piece = _piece("rock", seed)
        if piece.labels.metre != "4/4":
            continue
        beat_s = 60.0 / piece.labels.tempo_bpm
        for note in piece.notes:
            if note.channel == DRUMS and note.pitch == DRUM_KEYS["snare"] and note.velocity > 100:
                numbers.append(round((note.start_s - piece.labels.downbeats_s[0]) / beat_s, 1) % 4)
    assert np.mean([number in (1.0, 3.0) for number in numbers]) > 0.8


@pytest.mark.parametrize("style", STYLES)
def test_a_given_tempo_is_kept_and_a_drawn_one_is_near_the_style(style: str) -> None:
    assert _piece(style, 3, tempo_bpm=111.5).labels.tempo_bpm == 111.5
    low, high = STYLES[style].tempo_bpm
    for seed in range(10):
        labels = _piece(style, seed).labels
        factor = 1.5 if labels.metre == "6/8" else 1.0
        assert max(40.0, low / factor) - 1 <= labels.tempo_bpm <= high + 1


def test_sad_music_is_slower_softer_and_more_often_minor_than_happy_music() -> None:
    found: dict[str, list[tuple[float, float, bool]]] = {"sad": [], "happy": []}
    for seed in range(160):
        piece = _piece("folk", seed)
        if piece.labels.mood in found and piece.labels.metre == "4/4":
            velocity = float(np.mean([note.velocity for note in piece.notes]))
            found[piece.labels.mood].append(
                (piece.labels.tempo_bpm, velocity, piece.labels.key.endswith("minor"))
            )
    sad, happy = (np.mean(found[mood], axis=0) for mood in ("sad", "happy"))
    assert sad[0] < happy[0]
    assert sad[1] < happy[1]
    assert sad[2] > happy[2] + 0.3


@pytest.mark.parametrize("style", STYLES)
def test_sections_tile_the_clip(style: str) -> None:
    for seed in range(5, 12):
        labels = _piece(style, seed).labels
        spans = labels.sections
        assert spans[0].start_s == 0.0
        if labels.ends_s is None:
            assert spans[-1].end_s == pytest.approx(CLIP_S)
        for before, after in pairwise(spans):
            assert before.end_s == pytest.approx(after.start_s, abs=2e-6)
        assert {span.name for span in spans} <= SECTION_TAGS.keys()


def test_swing_moves_only_what_lies_within_a_pair() -> None:
    assert [swung(step, 0.5, 2) for step in range(8)] == pytest.approx(range(8))
    assert [swung(step, 2 / 3, 2) for step in (0, 4, 8)] == pytest.approx([0, 4, 8])
    assert swung(6, 2 / 3, 2) == pytest.approx(4 + 8 / 3)
    times = [swung(step / 4, 0.62, 1) for step in range(64)]
    assert times == sorted(times)


def test_beat_grid_counts_from_the_cut() -> None:
    beats, downbeats = beat_grid(120.0, METRES["4/4"], 0.75, 2.0)
    assert beats == pytest.approx((0.25, 0.75, 1.25, 1.75))
    assert downbeats == pytest.approx((1.25,))


def test_cutting_keeps_what_sounds_on_but_not_old_drums() -> None:
    notes = [Note(0.0, 2.0, 60, 90, 0), Note(0.9, 0.5, 38, 90, DRUMS), Note(1.5, 9.0, 62, 90, 0)]
    kept = cut(notes, 1.0, 2.0)
    assert kept == [Note(0.0, 1.0, 60, 90, 0), Note(0.5, 1.5, 62, 90, 0)]

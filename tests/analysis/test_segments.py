from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.analysis import Analysis, analyze_audio, suggest_segments
from angen.analysis.segments import checkerboard
from angen.audio import Audio

UNHEARD = Analysis(
    duration_s=0.0,
    rate_hz=8000,
    channels=1,
    tempo_bpm=None,
    tempo_confidence=0.0,
    tempo_alternatives=[],
    beats_s=[],
    downbeats_s=[],
    downbeat_confidence=0.0,
    key=None,
    key_confidence=0.0,
    camelot=None,
    loudness_lufs=None,
    energy=0.1,
    brightness_hz=1000.0,
    mood=None,
    instruments=[],
    genre=None,
    description="",
)


def noise(seconds, seed=0, rate_hz=2000):
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, (1, round(seconds * rate_hz)))
    return Audio(samples.astype(np.float32), rate_hz)


def on_grid(audio, bpm):
    beats = [float(beat) for beat in np.arange(0.1, audio.duration_s, 60 / bpm)]
    return replace(UNHEARD, duration_s=audio.duration_s, beats_s=beats, downbeats_s=beats[::4])


def check_cover(segments, duration_s):
    assert segments[0].start_s == 0
    assert segments[-1].end_s == duration_s
    assert all(a.end_s == b.start_s for a, b in pairwise(segments))
    assert all(segment.duration_s > 0 for segment in segments)


@settings(max_examples=60)
@given(
    seconds=st.floats(0.5, 150),
    min_s=st.floats(0.5, 20),
    ratio=st.floats(1, 4),
    bpm=st.none() | st.floats(40, 240),
)
def test_segments_cover_the_recording_and_keep_their_lengths(seconds, min_s, ratio, bpm):
    audio, max_s = noise(seconds), min_s * ratio
    heard = on_grid(audio, bpm) if bpm else UNHEARD
    segments = suggest_segments(audio, heard, min_s=min_s, max_s=max_s)
    check_cover(segments, audio.duration_s)
    lengths = [segment.duration_s for segment in segments]
    if any(n * min_s <= audio.duration_s <= n * max_s for n in range(1, 400)):
        assert all(min_s - 1e-5 <= length <= max_s + 1e-5 for length in lengths)
    elif audio.duration_s < min_s:
        assert len(segments) == 1
    else:
        assert max(lengths) <= max_s + 1e-5


def test_a_short_recording_is_one_segment():
    audio = noise(7.5)
    assert [(s.start_s, s.end_s) for s in suggest_segments(audio, UNHEARD)] == [(0.0, 7.5)]


@pytest.mark.parametrize(("min_s", "max_s"), [(0, 10), (-1, 10), (20, 10)])
def test_lengths_that_make_no_sense_are_refused(min_s, max_s):
    with pytest.raises(ValueError, match="clip lengths"):
        suggest_segments(noise(30), UNHEARD, min_s=min_s, max_s=max_s)


def test_cuts_lie_on_bars_when_bars_are_known(make_drums):
    audio = make_drums(120, seconds=100)
    heard = on_grid(audio, 120)
    cuts = [segment.start_s for segment in suggest_segments(audio, heard)[1:]]
    assert len(cuts) >= 3
    assert set(cuts) <= set(heard.downbeats_s)


def test_a_cut_falls_where_the_music_changes(make_drums, make_chords):
    drums, chords = make_drums(120, seconds=64), make_chords(0, "major", bar_s=2.0, bars=32)
    start = round(0.25 * drums.rate_hz)
    change = start + 22 * drums.rate_hz
    samples = 0.3 * drums.samples
    samples[:, change:] = drums.samples[:, change:] + chords.samples[:, change - start : -start]
    audio = Audio(samples, drums.rate_hz)
    cuts = [segment.start_s for segment in suggest_segments(audio, analyze_audio(audio))[1:]]
    assert min(abs(cut - 22.25) for cut in cuts) < 0.1


def test_without_beats_cuts_fall_into_quiet_moments():
    audio = noise(60, rate_hz=8000)
    samples = audio.samples.copy()
    for quiet_s in (14, 29, 44):
        samples[:, quiet_s * 8000 : (quiet_s + 1) * 8000] *= 0.01
    cuts = [s.start_s for s in suggest_segments(Audio(samples, 8000), UNHEARD)[1:]]
    assert all(min(abs(cut - quiet_s - 0.5) for quiet_s in (14, 29, 44)) < 0.8 for cut in cuts)


def test_the_same_recording_is_cut_the_same_way(make_drums):
    audio = make_drums(100, seconds=70)
    heard = analyze_audio(audio)
    assert suggest_segments(audio, heard) == suggest_segments(audio, heard)


def test_the_seams_of_a_medley_are_found(make_drums, make_chords, make_clicks):
    parts = [make_drums(120, seconds=17.3), make_chords(0, "major", bars=8), make_clicks(90, seconds=21.7)]
    parts += [make_drums(98, seconds=18.9), make_chords(4, "minor", bar_s=2.3, bars=8)]
    audio = Audio(np.concatenate([part.samples for part in parts], axis=1), parts[0].rate_hz)
    seams = np.cumsum([part.duration_s for part in parts])[:-1]
    cuts = np.array([segment.start_s for segment in suggest_segments(audio, analyze_audio(audio))[1:]])
    assert all(np.abs(cuts - seam).min() < 0.5 for seam in seams)


def test_the_segments_of_an_analysis_are_those_proposed(make_drums):
    audio = make_drums(110, seconds=75)
    heard = analyze_audio(audio)
    proposed = suggest_segments(audio, heard)
    assert heard.segments == [[round(s.start_s, 4), round(s.end_s, 4)] for s in proposed]


def test_a_cut_falls_into_a_rest_rather_than_a_note(make_chords):
    chords = make_chords(0, "major", bar_s=2.0, bars=22)
    samples = chords.samples.copy()
    for rest_s in (13.4, 29.4):
        samples[:, round(rest_s * 22050) : round((rest_s + 0.6) * 22050)] *= 0.001
    audio = Audio(samples, 22050)
    heard = replace(analyze_audio(audio), beats_s=[], downbeats_s=[])
    cuts = [segment.start_s for segment in suggest_segments(audio, heard)[1:]]
    assert cuts
    assert any(13.3 <= cut <= 14.1 or 29.3 <= cut <= 30.1 for cut in cuts)


class TestCheckerboard:
    @given(steps=st.integers(1, 200), reach=st.integers(1, 40), seed=st.integers(0, 99))
    def test_it_is_the_difference_of_tapered_sums(self, steps, reach, seed):
        features = np.random.default_rng(seed).normal(size=(steps, 3))
        unit = features / np.linalg.norm(features, axis=1, keepdims=True)
        weights = np.exp(-0.5 * ((np.arange(reach) + 0.5) / (0.5 * reach)) ** 2)

        def at(step):
            return unit[np.clip(step, 0, steps - 1)]

        expected = [
            np.square(sum(w * (at(t + i) - at(t - 1 - i)) for i, w in enumerate(weights))).sum()
            for t in range(steps)
        ]
        assert checkerboard(features, reach) == pytest.approx(expected, abs=1e-9)

    def test_what_is_near_counts_more_than_what_is_far(self):
        def change_before_a_blip(distance):
            features = np.tile([1.0, 0.0], (100, 1))
            features[50 + distance] = [0.0, 1.0]
            return checkerboard(features, 20)[50]

        changes = [change_before_a_blip(distance) for distance in range(20)]
        assert all(near > far > 0 for near, far in pairwise(changes))

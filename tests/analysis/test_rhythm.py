import numpy as np
import pytest

from angen.analysis import analyze_audio
from angen.analysis.bars import METRES, STEPS_PER_BEAT, likeliest_bars, rotations, weights
from angen.audio import Audio


def distance_to_grid(times_s, bpm, first_s=0.25, beats=1):
    """Distance in seconds of each time to the nearest true beat."""
    period_s = beats * 60 / bpm
    position = (np.array(times_s) - first_s) / period_s
    return np.abs(position - np.round(position)) * period_s


@pytest.mark.parametrize("bpm", [52, 60, 67, 75, 84, 97.3, 105, 120, 128.5, 140, 161])
def test_the_tempo_of_clicks_is_within_a_tenth_of_a_percent(make_clicks, bpm):
    heard = analyze_audio(make_clicks(bpm))
    assert heard.tempo_bpm == pytest.approx(bpm, rel=1e-3)


@pytest.mark.parametrize("bpm", [84, 90, 97.3, 105, 113, 120, 128.5, 140, 150, 161, 174])
def test_the_tempo_and_beats_of_a_drum_loop_are_exact(make_drums, bpm):
    heard = analyze_audio(make_drums(bpm))
    assert heard.tempo_bpm == pytest.approx(bpm, rel=2e-3)
    assert heard.tempo_confidence > 0.4
    assert np.max(distance_to_grid(heard.beats_s, bpm)) < 0.004
    assert "drums" in heard.instruments


@pytest.mark.parametrize("bpm", [45, 52, 66, 75, 185, 220])
def test_an_extreme_tempo_is_heard_at_some_octave_with_the_true_one_beside_it(make_drums, bpm):
    heard = analyze_audio(make_drums(bpm))
    readings = np.array([heard.tempo_bpm, *heard.tempo_alternatives])
    assert np.min(np.abs(readings / bpm - 1)) < 0.01


def test_beats_cover_the_recording_at_one_spacing(make_drums):
    heard = analyze_audio(make_drums(120, seconds=30))
    beats = np.array(heard.beats_s)
    assert 0 <= beats[0] <= 0.5
    assert 29.5 - 0.01 <= beats[-1] < 30
    assert np.allclose(np.diff(beats), 0.5, atol=0.003)


def test_beats_go_on_through_a_break(make_drums):
    audio = make_drums(120, seconds=30)
    samples = audio.samples.copy()
    samples[:, 12 * audio.rate_hz : 18 * audio.rate_hz] *= 0.001
    heard = analyze_audio(Audio(samples, audio.rate_hz))
    assert np.max(distance_to_grid(heard.beats_s, 120)) < 0.02
    assert len(heard.beats_s) == 60


def test_a_drifting_tempo_is_followed():
    rate_hz, beats = 22050, [0.25]
    while beats[-1] < 38:
        beats.append(beats[-1] + 0.5 - 0.001 * len(beats) / 2)
    sound = 1e-4 * np.random.default_rng(0).standard_normal(40 * rate_hz)
    n = np.arange(600)
    for at_s in beats:
        start = round(at_s * rate_hz)
        sound[start : start + 600] += 0.5 * np.exp(-n / 100) * np.sin(0.4 * n)
    heard = np.array(analyze_audio(Audio(sound.astype(np.float32)[None], rate_hz)).beats_s)
    nearest = np.abs(np.array(beats)[:, None] - heard).min(axis=1)
    assert np.median(nearest) < 0.008
    assert np.percentile(nearest, 95) < 0.02


def with_chords(drums, chords):
    """Chords under drums, the first chord on the first beat."""
    rate_hz = drums.rate_hz
    samples = drums.samples.copy()
    start = round(0.25 * rate_hz)
    count = min(samples.shape[1] - start, chords.samples.shape[1])
    samples[:, start : start + count] += chords.samples[:, :count]
    return Audio(samples, rate_hz)


@pytest.mark.parametrize("bpm", [96, 112, 132])
@pytest.mark.parametrize("beats_per_bar", [3, 4])
def test_bars_start_where_harmony_and_kick_meet(make_drums, make_chords, bpm, beats_per_bar):
    drums = make_drums(bpm, seconds=32, beats_per_bar=beats_per_bar)
    chords = make_chords(9, "minor", bar_s=beats_per_bar * 60 / bpm, bars=20)
    heard = analyze_audio(with_chords(drums, chords))
    assert heard.tempo_bpm == pytest.approx(bpm, rel=2e-3)
    assert heard.downbeat_confidence > 0.5
    assert np.max(distance_to_grid(heard.downbeats_s, bpm, beats=beats_per_bar)) < 0.005
    assert set(heard.downbeats_s) <= set(heard.beats_s)


@pytest.mark.parametrize("seed", range(3))
def test_noise_has_no_tempo(make_noise, seed):
    heard = analyze_audio(make_noise(20, seed=seed))
    assert heard.tempo_bpm is None
    assert heard.beats_s == heard.downbeats_s == heard.tempo_alternatives == []
    assert heard.tempo_confidence < 0.2


def test_irregular_hits_have_no_tempo():
    random = np.random.default_rng(0)
    sound = 1e-3 * random.standard_normal(30 * 22050)
    n = np.arange(3000)
    for at_s in np.cumsum(random.exponential(0.3, 90)):
        if at_s < 29.5:
            start = round(at_s * 22050)
            sound[start : start + 3000] += 0.5 * np.exp(-n / 500) * random.standard_normal(3000)
    assert analyze_audio(Audio(sound.astype(np.float32)[None], 22050)).tempo_bpm is None


def test_silence_before_noise_is_no_pulse(make_noise):
    noise = make_noise(30).samples
    noise[:, : noise.shape[1] // 2] = 0
    assert analyze_audio(Audio(noise, 22050)).tempo_bpm is None


def test_a_held_chord_has_no_tempo():
    time_s = np.arange(20 * 22050) / 22050
    chord = sum(np.sin(2 * np.pi * hz * h * time_s) / h for hz in (220, 277.2, 329.6) for h in (1, 2, 3))
    assert analyze_audio(Audio((0.1 * chord).astype(np.float32)[None], 22050)).tempo_bpm is None


def test_too_little_sound_has_no_tempo(make_drums):
    assert analyze_audio(make_drums(120, seconds=3.9)).tempo_bpm is None
    assert analyze_audio(make_drums(120, seconds=8)).tempo_bpm == pytest.approx(120, rel=0.01)


def test_the_fitted_weights_match_what_they_weigh():
    fitted = weights()
    assert rotations(np.ones((64, 5))).shape == (28, len(fitted["bar"]))
    assert {fitted[name].shape for name in ("level", "level_mean", "level_scale")} == {(71,)}
    assert all(np.isfinite(values).all() for values in fitted.values())


@pytest.mark.parametrize("row", [0, 5, 15, 16, 27])
def test_each_row_of_scores_names_its_bar(row):
    scores = np.zeros(28)
    scores[row] = 20.0
    bars = likeliest_bars(scores)
    start = STEPS_PER_BEAT * bars.first_downbeat + bars.shift_steps
    assert (bars.beats_per_bar, start) == ((4, row) if row < 16 else (3, row - 16))
    assert bars.confidence > 0.99


def test_a_bar_that_starts_later_is_the_same_profile_rotated():
    features = np.random.default_rng(0).standard_normal((16 * 6, 5))
    for metre, first_row in zip(METRES, (0, 16), strict=True):
        steps = metre * STEPS_PER_BEAT
        whole_bars = features[: steps * (len(features) // steps)]
        rows, later = rotations(whole_bars), rotations(np.roll(whole_bars, 3, axis=0))
        assert np.allclose(later[first_row + 3], rows[first_row])

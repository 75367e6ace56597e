from __future__ import annotations

import numpy as np
import pytest

from angen.analysis import Segment
from angen.audio import Audio
from angen.dataset import clip_audio, split_clips


def _noise(channels: int, samples: int, rate_hz: int, level: float = 0.5) -> Audio:
    values = np.random.default_rng(0).uniform(-level, level, (channels, samples))
    return Audio(values.astype(np.float32), rate_hz)


def test_clips_are_the_samples_of_their_segments() -> None:
    song = _noise(2, 1000, 100)
    first, second = split_clips(song, [Segment(0.0, 4.0), Segment(4.0, 10.0)])
    assert np.array_equal(np.concatenate([first.samples, second.samples], axis=1), song.samples)
    assert first.duration_s == 4.0


def test_a_segment_outside_the_song_is_refused() -> None:
    with pytest.raises(ValueError, match="holds nothing"):
        split_clips(_noise(1, 1000, 100), [Segment(11.0, 12.0)])


@pytest.mark.parametrize("channels", [1, 2])
def test_mono_and_stereo_stay_as_they_are(channels: int) -> None:
    song = _noise(channels, 1000, 44100)
    assert clip_audio(song) is song


def test_more_channels_become_their_mean() -> None:
    song = _noise(6, 1000, 44100)
    assert np.allclose(clip_audio(song).samples, song.samples.mean(axis=0, keepdims=True), atol=1e-6)


@pytest.mark.parametrize(
    ("rate_hz", "kept_hz"), [(8000, 8000), (96000, 96000), (100003, 48000), (700000, 48000)]
)
def test_only_a_rate_that_flac_cannot_hold_is_changed(rate_hz: int, kept_hz: int) -> None:
    assert clip_audio(_noise(1, rate_hz // 10, rate_hz)).rate_hz == kept_hz


def test_a_song_beyond_full_scale_is_turned_down_not_clipped() -> None:
    song = _noise(2, 1000, 44100, level=2.0)
    kept = clip_audio(song).samples
    assert np.abs(kept).max() <= 1.0
    assert np.allclose(kept / song.samples, kept[0, 0] / song.samples[0, 0])

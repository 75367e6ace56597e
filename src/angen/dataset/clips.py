"""Cutting a song into clips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from angen.analysis import Segment
from angen.audio import Audio

_FLAC_HIGHEST_HZ = 655_350
_FLAC_ANY_RATE_BELOW_HZ = 65_536
_USUAL_RATE_HZ = 48_000


def split_clips(audio: Audio, segments: Sequence[Segment]) -> list[Audio]:
    """The parts of a recording that segments name, as they are.

    Raises:
        ValueError: If a segment lies outside the recording.
    """
    return [audio.span(segment.start_s, segment.end_s) for segment in segments]


def clip_audio(song: Audio) -> Audio:
    """A song as its clips are stored: its own rate, mono or stereo, within ±1.

    More than two channels become their mean: the order of channels differs between formats, and a mean loses
    none of them. A rate that FLAC cannot hold becomes 48 kHz. A song that goes beyond full scale is turned
    down as a whole, not clipped.
    """
    if song.channels > 2:
        song = song.mono()
    peak = max(float(song.samples.max()), -float(song.samples.min()))
    if peak > 1:
        song = Audio(song.samples / np.float32(peak), song.rate_hz)
    fits_flac = song.rate_hz < _FLAC_ANY_RATE_BELOW_HZ or (
        song.rate_hz % 10 == 0 and song.rate_hz <= _FLAC_HIGHEST_HZ
    )
    return song if fits_flac else song.resampled(_USUAL_RATE_HZ)

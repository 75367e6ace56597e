"""What a master is judged by: one frozen record of a recording's levels."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np

from angen.audio import Audio, loudness, true_peak
from angen.errors import MasteringError
from angen.mastering.filters import Samples

FULL_SCALE = 1 - 2.0**-11  # where 16 bits and a little rounding count as full
CLIP_SAMPLES = 3


@dataclass(frozen=True)
class Measurement:
    """Levels of a recording. A value is None where it does not exist.

    Attributes:
        duration_s: Length.
        rate_hz: Samples per second.
        channels: 1 or 2.
        integrated_lufs: Gated loudness of the whole (BS.1770-4); None if all is below -70 LUFS.
        momentary_max_lufs: Loudest 400 ms; None below 0.4 s.
        short_term_max_lufs: Loudest 3 s; None below 3 s.
        loudness_range_lu: LRA (EBU Tech 3342); None below 3 s.
        true_peak_dbtp: Peak of the sound between its samples; None for digital silence.
        sample_peak_dbfs: Largest sample; None for digital silence.
        plr_db: True peak over integrated loudness.
        correlation: Of left and right, -1 to 1; None for mono, or when a channel is constant.
        clips: Runs of three or more neighbouring samples at full scale, on either channel.
        dc_offset: The larger mean of a channel, as a share of full scale.
    """

    duration_s: float
    rate_hz: int
    channels: int
    integrated_lufs: float | None
    momentary_max_lufs: float | None
    short_term_max_lufs: float | None
    loudness_range_lu: float | None
    true_peak_dbtp: float | None
    sample_peak_dbfs: float | None
    plr_db: float | None
    correlation: float | None
    clips: int
    dc_offset: float

    def as_dict(self) -> dict[str, float | int | None]:
        """For JSON; numbers rounded to what they are worth."""
        return {
            name: round(value, 5 if name == "dc_offset" else 3) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


def measure(audio: Audio) -> Measurement:
    """Measure a mono or stereo recording of finite samples.

    Raises:
        MasteringError: If it has more than two channels.
    """
    if audio.channels > 2:
        raise MasteringError(
            f"The recording has {audio.channels} channels; mastering works on mono and stereo.",
            remedy="Mix it down to stereo first.",
        )
    hops = loudness.hop_power(audio)
    integrated = loudness.integrated_lufs(hops)
    peak = _db(true_peak(audio))
    return Measurement(
        duration_s=audio.duration_s,
        rate_hz=audio.rate_hz,
        channels=audio.channels,
        integrated_lufs=integrated,
        momentary_max_lufs=_loudest(hops, loudness.MOMENTARY_HOPS),
        short_term_max_lufs=_loudest(hops, loudness.SHORT_TERM_HOPS),
        loudness_range_lu=loudness.loudness_range_lu(hops),
        true_peak_dbtp=peak,
        sample_peak_dbfs=_db(float(np.abs(audio.samples).max())),
        plr_db=None if integrated is None or peak is None else peak - integrated,
        correlation=_correlation(audio.samples),
        clips=sum(clipped_runs(channel) for channel in audio.samples),
        dc_offset=float(np.abs(audio.samples.mean(axis=1, dtype=np.float64)).max()),
    )


def _db(magnitude: float) -> float | None:
    return 20 * math.log10(magnitude) if magnitude > 0 else None


def _loudest(hops: loudness.Power, count: int) -> float | None:
    series = loudness.loudness_series(hops, count)
    return float(series.max()) if series.size else None


def _correlation(samples: Samples) -> float | None:
    if samples.shape[0] != 2:
        return None
    means = samples.mean(axis=1, dtype=np.float64)
    count = samples.shape[1]
    left, right = (float(np.dot(x, x)) / count - mean**2 for x, mean in zip(samples, means, strict=True))
    both = float(np.dot(samples[0], samples[1])) / count - means[0] * means[1]
    if min(left, right) < 1e-12:
        return None
    return float(np.clip(both / math.sqrt(left * right), -1.0, 1.0))


def clipped_runs(channel: Samples) -> int:
    """How often at least three neighbouring samples lie at or beyond full scale, on the same side."""
    runs = 0
    for sign in (1, -1):
        full = np.flatnonzero(channel * np.float32(sign) >= FULL_SCALE)
        if full.size >= CLIP_SAMPLES:
            lengths = np.diff(np.flatnonzero(np.diff(full, prepend=-2, append=full[-1] + 2) != 1))
            runs += int((lengths >= CLIP_SAMPLES).sum())
    return runs

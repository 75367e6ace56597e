"""The last part of the chain, repeated with corrected aims until what is measured meets what was asked."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from angen.audio import Audio
from angen.mastering.dither import dithered
from angen.mastering.limiter import limitable, limited, plan_gain
from angen.mastering.measuring import Measurement, measure
from angen.mastering.record import MOST_REDUCTION_DB, MasterSettings

SAFETY_DB = 0.1
"""The measured true peak stays this far under the ceiling: other meters may read so much more."""
CLOSE_LU = 0.03
_ROUNDS = 6


def finished(audio: Audio, settings: MasterSettings) -> tuple[Audio, Measurement, MasterSettings]:
    """Gain, limiter and dither, measured and repeated until they meet what the preset asks."""
    preset = settings.preset
    sound = limitable(audio)
    ceiling = aim = preset.ceiling_dbtp - SAFETY_DB
    target = settings.target_lufs
    for _ in range(_ROUNDS):
        if target is None or not preset.is_limited:
            gain_db, reaches, mean_db = aim - 20 * math.log10(float(sound.peaks.max())), False, 0.0
        else:
            plan = plan_gain(sound, target, aim, MOST_REDUCTION_DB)
            gain_db, reaches, mean_db = plan.gain_db, plan.reaches, plan.mean_reduction_db
        shaped, reduction = limited(sound, gain_db, aim)
        result = dithered(shaped, preset.bit_depth, settings.seed)
        after = measure(result)
        settings = replace(
            settings,
            gain_db=gain_db,
            limiter_reduction_db=float(reduction.max()),
            limiter_mean_reduction_db=mean_db,
        )
        over_db = _known(after.true_peak_dbtp) - ceiling
        missing = 0.0
        if reaches and target is not None and settings.target_lufs is not None:
            missing = settings.target_lufs - _known(after.integrated_lufs)
            target += missing
        if over_db <= 0 and abs(missing) <= CLOSE_LU:
            return result, after, settings
        aim -= over_db + 0.005 if over_db > 0 else 0.0
    return _trimmed(shaped, ceiling, settings)


def _trimmed(
    audio: Audio, ceiling_dbtp: float, settings: MasterSettings
) -> tuple[Audio, Measurement, MasterSettings]:
    """Whatever happened, the peak stays under the ceiling: turn all down by the rest."""
    while True:
        result = dithered(audio, settings.preset.bit_depth, settings.seed)
        after = measure(result)
        over_db = _known(after.true_peak_dbtp) - ceiling_dbtp
        if over_db <= 0:
            return result, after, settings
        down_db = over_db + 0.005
        audio = Audio(audio.samples * np.float32(10 ** (-down_db / 20)), audio.rate_hz)
        settings = replace(settings, gain_db=settings.gain_db - down_db)


def _known(level: float | None) -> float:
    """A level, far down where there is none."""
    return -200.0 if level is None else level

"""Mastering: a chain to a loudness target under a true-peak ceiling."""

from angen.mastering.chain import master
from angen.mastering.limiter import limit
from angen.mastering.measuring import Measurement, measure
from angen.mastering.presets import PRESETS, STYLES, MasterPreset, PresetName, StyleName
from angen.mastering.record import Mastered, MasterSettings

__all__ = [
    "PRESETS",
    "STYLES",
    "MasterPreset",
    "MasterSettings",
    "Mastered",
    "Measurement",
    "PresetName",
    "StyleName",
    "limit",
    "master",
    "measure",
]

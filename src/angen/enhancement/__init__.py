"""Enhancement: chains of processors for stems, and upscaling that says what it did.

A processor is a frozen record of knobs with `apply(audio) -> Audio`; with amount 0 it returns the very record it was
given. Nothing is moved in time, silence stays silence, and what has no fault is left as it is.
"""

from angen.enhancement.bandwidth import Bandwidth, measure_bandwidth
from angen.enhancement.chains import (
    DEFAULT_STRENGTH,
    STEMS,
    Chain,
    Processor,
    Stem,
    apply_chain,
    chain_as_list,
    chain_for,
)
from angen.enhancement.deess import DeEss
from angen.enhancement.denoise import DeNoise
from angen.enhancement.dereverb import DeReverb, measure_reverb_s
from angen.enhancement.dynamics import Compress, Gate, Transient
from angen.enhancement.equalizer import EqBand, Equalize
from angen.enhancement.extension import extend_bandwidth
from angen.enhancement.measures import log_spectral_distance_db, sdr_db, si_sdr_db
from angen.enhancement.noise_floor import NoiseFloor, measure_noise, noise_level_db
from angen.enhancement.plugin import (
    PluginError,
    PluginOutputError,
    PluginTimeoutError,
    PluginUpscaler,
)
from angen.enhancement.stopping import StoppedError
from angen.enhancement.upscaling import Upscaled, Upscaler, upscale

__all__ = [
    "DEFAULT_STRENGTH",
    "STEMS",
    "Bandwidth",
    "Chain",
    "Compress",
    "DeEss",
    "DeNoise",
    "DeReverb",
    "EqBand",
    "Equalize",
    "Gate",
    "NoiseFloor",
    "PluginError",
    "PluginOutputError",
    "PluginTimeoutError",
    "PluginUpscaler",
    "Processor",
    "Stem",
    "StoppedError",
    "Transient",
    "Upscaled",
    "Upscaler",
    "apply_chain",
    "chain_as_list",
    "chain_for",
    "extend_bandwidth",
    "log_spectral_distance_db",
    "measure_bandwidth",
    "measure_noise",
    "measure_reverb_s",
    "noise_level_db",
    "sdr_db",
    "si_sdr_db",
    "upscale",
]

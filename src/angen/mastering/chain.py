"""The whole chain: high-pass, equaliser, de-esser, glue, saturation, width, gain, limiter, dither.

Every stage is a function of the sound; what each was told and what it did is kept in `MasterSettings`. The last
part, gain to dither, is repeated with corrected aims until the measured result meets loudness and ceiling.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from angen.audio import Audio, loudness_lufs
from angen.errors import MasteringError
from angen.mastering.colour import MOST_DRIVE, saturate, widen
from angen.mastering.dynamics import Compressor, compress, de_ess
from angen.mastering.equalizer import (
    Curve,
    corrective_curve,
    equalize,
    grid_hz,
    long_term_spectrum,
    matching_curves,
)
from angen.mastering.filters import Phase, Samples, filtered, high_pass, high_shelf, response_db
from angen.mastering.finishing import finished
from angen.mastering.measuring import Measurement, measure
from angen.mastering.presets import MasterPreset, Style, preset_named, style_named
from angen.mastering.record import Mastered, MasterSettings, warnings_about
from angen.progress import Progress, ProgressCallback, no_progress

SHORTEST_S = 0.4
RATES_HZ = (8_000, 192_000)
_STAGES = ("measuring", "equalising", "compressing", "saturating", "limiting", "done")


def master(
    audio: Audio,
    preset: MasterPreset | str = "streaming",
    *,
    style: str = "balanced",
    intensity: float = 0.5,
    reference: Audio | None = None,
    phase: Phase = "minimum",
    seed: int = 0,
    on_progress: ProgressCallback = no_progress,
) -> Mastered:
    """Master a recording. It is left as it is; the same input and settings give the same samples.

    Args:
        audio: Mono or stereo, 8 to 192 kHz, at least 0.4 s, not silent.
        preset: What it must meet, or the name of one of `PRESETS`.
        style: "warm", "balanced" or "open".
        intensity: How much is done, 0 to 1. At 0 there is no equalisation (but towards a reference),
            compression or saturation.
        reference: A recording whose balance (and with the preset "match", loudness) is to be met.
        phase: Of the equaliser: "minimum" or "linear".
        seed: Of the dither, at least 0.
        on_progress: Told of each stage.

    Returns:
        The master. Its true peak is under the ceiling, always; its loudness is within 0.1 LU of the target, or a
        warning says which was reached.

    Raises:
        MasteringError: If the recording, the reference or a setting cannot be used.
    """
    chosen, manner = preset_named(preset), style_named(style)
    _check_choices(chosen, intensity, reference, seed)
    stage = _stages(on_progress)
    stage("measuring")
    before = _measured(audio, "The recording")
    heard = None if reference is None else _measured(reference, "The reference")
    target = chosen.target_lufs if heard is None or not chosen.needs_reference else heard.integrated_lufs
    sound = audio if chosen.rate_hz is None else audio.resampled(chosen.rate_hz, quality="VHQ")
    settings = MasterSettings(chosen, style, intensity, seed, phase, target, sound.rate_hz)
    if heard is not None:
        settings = replace(settings, reference_lufs=heard.integrated_lufs)
    stage("equalising")
    sound, settings = _equalized(_without_rumble(sound, chosen), settings, manner, reference)
    stage("compressing")
    sound, settings = _compressed(sound, settings, manner)
    stage("saturating")
    settings = replace(
        settings,
        drive=min(MOST_DRIVE, 0.15 * intensity * chosen.density * manner.drive),
        width=1 + (manner.width - 1) * intensity,
    )
    sound = widen(saturate(sound, settings.drive), settings.width, mono_below_hz=chosen.mono_below_hz)
    stage("limiting")
    result, after, settings = finished(sound, settings)
    stage("done")
    return Mastered(result, before, after, settings, tuple(warnings_about(before, after, settings)))


def _stages(on_progress: ProgressCallback) -> Callable[[str], None]:
    def stage(name: str) -> None:
        on_progress(Progress("mastering", _STAGES.index(name), len(_STAGES) - 1, name))

    return stage


def _check_choices(preset: MasterPreset, intensity: float, reference: Audio | None, seed: int) -> None:
    if not 0 <= intensity <= 1:
        raise MasteringError(f"The intensity is {intensity:g}.", remedy="Use 0 (least) to 1 (most).")
    if seed < 0:
        raise MasteringError(f"The seed of the dither is {seed}.", remedy="Use 0 or more.")
    if preset.needs_reference and reference is None:
        raise MasteringError(
            f"The preset {preset.name!r} needs a reference.", remedy="Give a recording to match."
        )


def _measured(audio: Audio, name: str) -> Measurement:
    """Levels of a recording that can be used.

    Raises:
        MasteringError: If it cannot.
    """
    if not RATES_HZ[0] <= audio.rate_hz <= RATES_HZ[1]:
        raise MasteringError(
            f"{name} has {audio.rate_hz} samples a second; 8000 to 192000 are expected.",
            remedy="Resample it.",
        )
    if audio.duration_s < SHORTEST_S:
        raise MasteringError(
            f"{name} lasts {audio.duration_s:.2f} s; loudness needs at least {SHORTEST_S} s.",
            remedy="Give a longer one.",
        )
    if not np.isfinite(audio.samples).all():
        raise MasteringError(
            f"{name} holds samples that are not numbers (NaN or infinite).", remedy="Export it again."
        )
    if audio.channels > 2:
        raise MasteringError(
            f"{name} has {audio.channels} channels; mastering works on mono and stereo.",
            remedy="Mix it down to stereo first.",
        )
    measured = measure(audio)
    heard = measured.integrated_lufs
    if measured.dc_offset > 1e-3:  # where an offset begins there is a thump that is no sound
        heard = loudness_lufs(Audio(_centred(audio.samples), audio.rate_hz))
    if heard is None:
        raise MasteringError(
            f"{name} is silent: nothing in it is louder than -70 LUFS.", remedy="Check its level."
        )
    return measured


def _without_rumble(audio: Audio, preset: MasterPreset) -> Audio:
    """Without its constant part, and what is below the high pass."""
    sections = high_pass(preset.high_pass_hz, audio.rate_hz)
    return Audio(filtered(sections, _centred(audio.samples)), audio.rate_hz)


def _centred(samples: Samples) -> Samples:
    return np.asarray(samples - samples.mean(axis=1, dtype=np.float64, keepdims=True).astype(np.float32))


def _equalized(
    audio: Audio, settings: MasterSettings, style: Style, reference: Audio | None
) -> tuple[Audio, MasterSettings]:
    grid, rate_hz = grid_hz(audio.rate_hz), audio.rate_hz
    side: Curve | None = None
    if reference is None:
        mid = corrective_curve(long_term_spectrum(audio), 0.5 * settings.intensity)
        mid = mid + style.curve_db(grid, rate_hz, settings.intensity)
    else:
        there = reference if reference.rate_hz <= rate_hz else reference.resampled(rate_hz)
        mid, side = matching_curves(long_term_spectrum(audio), long_term_spectrum(there))
    shelf_db = settings.preset.high_shelf_db
    if shelf_db and rate_hz > 26_000:
        shelf = response_db(high_shelf(12_000.0, rate_hz, shelf_db), grid, rate_hz)
        mid, side = mid + shelf, None if side is None else side + shelf
    settings = replace(
        settings,
        equalizer_hz=tuple(grid[::4].tolist()),
        equalizer_db=tuple(mid[::4].tolist()),
        side_equalizer_db=None if side is None else tuple(side[::4].tolist()),
    )
    if not mid.any() and (side is None or not side.any()):
        return audio, settings
    return equalize(audio, grid, mid, side, phase=settings.phase), settings


def _compressed(audio: Audio, settings: MasterSettings, style: Style) -> tuple[Audio, MasterSettings]:
    audio, sibilance_db = de_ess(audio, settings.preset.de_ess)
    settings = replace(settings, de_ess_reduction_db=sibilance_db)
    amount = settings.intensity * settings.preset.density * style.glue
    level_lufs = loudness_lufs(audio)
    if level_lufs is None:
        raise MasteringError(
            "Nothing is left of the recording above the high pass.", remedy="Check what it holds: rumble?"
        )
    if not amount:
        return audio, settings
    glue = Compressor(threshold_db=level_lufs - 2.0 * settings.intensity, ratio=1 + amount)
    audio, reduction_db = compress(audio, glue)
    return audio, replace(settings, glue=glue, glue_reduction_db=reduction_db)

"""What a master was made with, what it became, and what its maker should know."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from angen.audio import Audio
from angen.mastering.dynamics import Compressor
from angen.mastering.filters import Phase
from angen.mastering.measuring import Measurement
from angen.mastering.presets import MasterPreset

MOST_REDUCTION_DB = 9.0
"""The limiter's mean reduction is not driven beyond this; the loudness is missed instead, with a warning."""


@dataclass(frozen=True)
class MasterSettings:
    """Everything a master was made with, decided or found; enough to make it again.

    Attributes:
        preset: The preset, whole.
        style: Name of the style.
        intensity: 0 to 1.
        seed: Of the dither.
        phase: Of the equaliser.
        target_lufs: Loudness aimed at; None without one.
        rate_hz: Of the result.
        equalizer_hz: Points of the curve, thirds of an octave.
        equalizer_db: Gain there, of all or of the mid.
        side_equalizer_db: Gain there of the side, when it differs.
        glue: The compressor, or None.
        glue_reduction_db: Its largest reduction.
        de_ess_reduction_db: That of the de-esser.
        drive: Of the saturation.
        width: Gain of the side.
        gain_db: Before the limiter.
        limiter_reduction_db: Largest reduction of the limiter.
        limiter_mean_reduction_db: Its mean over the parts that are heard.
        reference_lufs: Loudness of the reference, if there was one.
    """

    preset: MasterPreset
    style: str
    intensity: float
    seed: int
    phase: Phase
    target_lufs: float | None
    rate_hz: int
    equalizer_hz: tuple[float, ...] = ()
    equalizer_db: tuple[float, ...] = ()
    side_equalizer_db: tuple[float, ...] | None = None
    glue: Compressor | None = None
    glue_reduction_db: float = 0.0
    de_ess_reduction_db: float = 0.0
    drive: float = 0.0
    width: float = 1.0
    gain_db: float = 0.0
    limiter_reduction_db: float = 0.0
    limiter_mean_reduction_db: float = 0.0
    reference_lufs: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON; numbers rounded to what they are worth."""
        return {name: _rounded(value) for name, value in asdict(self).items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return value


@dataclass(frozen=True)
class Mastered:
    """A master and what is to be known of it.

    Attributes:
        audio: The sound, on the steps of the preset's bit depth.
        before: Levels of the recording, at its own rate.
        after: Levels of the master.
        settings: What it was made with.
        warnings: What its maker should know, one sentence or two each.
    """

    audio: Audio
    before: Measurement
    after: Measurement
    settings: MasterSettings
    warnings: tuple[str, ...] = field(default=())


def warnings_about(before: Measurement, after: Measurement, settings: MasterSettings) -> list[str]:
    """What is to be told: a target missed, hard limiting, faults of the recording."""
    preset, target, reached = settings.preset, settings.target_lufs, after.integrated_lufs
    said = [preset.warning] if preset.warning else []
    if target is not None and (reached is None or abs(reached - target) > 0.1):
        level = "no measurable loudness" if reached is None else f"{reached:.1f} LUFS"
        said.append(
            f"The target of {target:.1f} LUFS cannot be met under {preset.ceiling_dbtp:g} dBTP: {level} was "
            f"reached. More would need over {MOST_REDUCTION_DB:g} dB of limiting on average; use a higher "
            "intensity, or a mix with fewer peaks."
        )
    elif settings.limiter_mean_reduction_db > 3:
        said.append(
            f"The limiter turns down by {settings.limiter_mean_reduction_db:.1f} dB on average: listen for "
            "lost punch."
        )
    if before.clips:
        said.append(
            f"The recording was clipped in {before.clips} places before mastering; that distortion stays. "
            "Export the mix with its peaks below 0 dBFS."
        )
    if before.dc_offset > 0.005:
        said.append(f"A constant offset of {before.dc_offset:.1%} of full scale was taken out.")
    if settings.gain_db > 24:
        said.append(f"The recording was raised by {settings.gain_db:.0f} dB, and its noise with it.")
    if before.correlation is not None and before.correlation < -0.2:
        said.append(
            f"Left and right work against each other (correlation {before.correlation:.2f}): much is lost "
            "in mono. Is one channel's polarity inverted?"
        )
    return said

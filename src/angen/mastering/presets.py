"""What a master is for (presets) and how it should sound (styles)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from angen.errors import MasteringError
from angen.mastering.filters import HIGHEST_SHARE, high_shelf, low_shelf, peaking, response_db

PresetName = Literal["streaming", "apple", "club", "cd", "vinyl", "r128", "match"]
StyleName = Literal["warm", "balanced", "open"]


@dataclass(frozen=True)
class MasterPreset:
    """What a master must meet.

    Attributes:
        name: A word for it.
        about: What it is for, in a sentence.
        target_lufs: Integrated loudness; None takes that of the reference, or none at all without a limiter.
        ceiling_dbtp: The true peak stays at or under this.
        bit_depth: Of the file: 16 or 24, dithered.
        rate_hz: Of the file; None keeps that of the recording.
        mono_below_hz: The side is taken out of the bass below this; None leaves it.
        high_pass_hz: What is below is not heard, and is taken out.
        is_limited: False: only gain, until the peak meets the ceiling.
        needs_reference: Whether it makes sense only with a reference.
        de_ess: 0 to 1.
        high_shelf_db: Gain above 12 kHz.
        density: Factor on compression and saturation.
        warning: What its user should know.
    """

    name: str
    about: str
    target_lufs: float | None
    ceiling_dbtp: float
    bit_depth: Literal[16, 24] = 24
    rate_hz: int | None = None
    mono_below_hz: float | None = 120.0
    high_pass_hz: float = 25.0
    is_limited: bool = True
    needs_reference: bool = False
    de_ess: float = 0.0
    high_shelf_db: float = 0.0
    density: float = 1.0
    warning: str = ""

    def __post_init__(self) -> None:
        if self.bit_depth not in (16, 24):
            raise MasteringError(f"Preset {self.name!r} has {self.bit_depth} bits.", remedy="Use 16 or 24.")
        if not -60 <= self.ceiling_dbtp <= 0:
            raise MasteringError(
                f"Preset {self.name!r} has a ceiling of {self.ceiling_dbtp:g} dBTP.", remedy="Use -60 to 0."
            )
        if self.target_lufs is not None and not -60 <= self.target_lufs <= 0:
            raise MasteringError(
                f"Preset {self.name!r} aims at {self.target_lufs:g} LUFS.", remedy="Use -60 to 0."
            )


_ALL = (
    MasterPreset("streaming", "Spotify, YouTube, Tidal: -14 LUFS, -1 dBTP.", -14.0, -1.0),
    MasterPreset("apple", "Apple Music with Sound Check: -16 LUFS, -1 dBTP.", -16.0, -1.0, density=0.8),
    MasterPreset(
        "club",
        "Loud, for clubs and downloads: -9 LUFS, -1 dBTP.",
        -9.0,
        -1.0,
        density=1.6,
        warning="Streaming services turn a master of -9 LUFS down by about 5 dB; there it keeps only the "
        "squashed peaks, not the level. Use the preset streaming for them.",
    ),
    MasterPreset(
        "cd", "Compact disc: -10 LUFS, -0.3 dBTP, 44.1 kHz, 16 bit.", -10.0, -0.3, 16, 44_100, density=1.4
    ),
    MasterPreset(
        "vinyl",
        "For the cutting engineer: no limiter, peak -3 dBFS, mono below 150 Hz, tamed highs.",
        None,
        -3.0,
        mono_below_hz=150.0,
        high_pass_hz=30.0,
        is_limited=False,
        de_ess=0.5,
        high_shelf_db=-1.5,
        density=0.5,
    ),
    MasterPreset("r128", "Broadcast after EBU R 128: -23 LUFS, -1 dBTP.", -23.0, -1.0, density=0.5),
    MasterPreset(
        "match", "The loudness and balance of a reference, -1 dBTP.", None, -1.0, needs_reference=True
    ),
)

PRESETS: dict[str, MasterPreset] = {preset.name: preset for preset in _ALL}
"""Every preset by its name, in the order they are shown."""


@dataclass(frozen=True)
class Style:
    """How a master should sound at full intensity.

    Attributes:
        low_shelf_db: Gain below 150 Hz.
        presence_db: Gain around 3.2 kHz.
        air_db: Gain above 9 kHz.
        glue: Factor on compression.
        drive: Factor on saturation.
        width: Gain of the side.
    """

    low_shelf_db: float = 0.0
    presence_db: float = 0.0
    air_db: float = 0.0
    glue: float = 1.0
    drive: float = 1.0
    width: float = 1.0

    def curve_db(
        self, frequencies_hz: NDArray[np.float64], rate_hz: int, amount: float
    ) -> NDArray[np.float64]:
        """Gain at frequencies, in dB, for an amount of 0 to 1."""
        curve = np.zeros_like(frequencies_hz)
        parts = ((low_shelf, 150.0, self.low_shelf_db), (high_shelf, 9000.0, self.air_db))
        for shelf, hz, gain_db in parts:
            if gain_db and hz < HIGHEST_SHARE * rate_hz:
                curve += response_db(shelf(hz, rate_hz, gain_db * amount), frequencies_hz, rate_hz)
        if self.presence_db and HIGHEST_SHARE * rate_hz > 3200:
            section = peaking(3200.0, rate_hz, self.presence_db * amount, 0.7)
            curve += response_db(section, frequencies_hz, rate_hz)
        return curve


STYLES: dict[str, Style] = {
    "warm": Style(low_shelf_db=2.5, presence_db=-1.2, air_db=-2.0, glue=1.2, drive=1.5),
    "balanced": Style(width=1.1),
    "open": Style(low_shelf_db=-0.8, presence_db=1.0, air_db=2.5, glue=0.8, drive=0.6, width=1.25),
}
"""Every style by its name."""


def preset_named(preset: MasterPreset | str) -> MasterPreset:
    """A preset by its name, or itself.

    Raises:
        MasteringError: If there is none of that name.
    """
    if isinstance(preset, MasterPreset):
        return preset
    if preset not in PRESETS:
        raise MasteringError(f"There is no preset {preset!r}.", remedy=f"Use one of {', '.join(PRESETS)}.")
    return PRESETS[preset]


def style_named(name: str) -> Style:
    """A style by its name.

    Raises:
        MasteringError: If there is none of that name.
    """
    if name not in STYLES:
        raise MasteringError(f"There is no style {name!r}.", remedy=f"Use one of {', '.join(STYLES)}.")
    return STYLES[name]

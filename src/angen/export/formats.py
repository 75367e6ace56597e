"""The formats we export: their names, suffixes, limits and the one knob of each."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from angen.errors import ExportError

Knob = Literal["", "kbps", "quality"]


@dataclass(frozen=True)
class Format:
    """A format as it is written.

    Attributes:
        name: As `--format` says it: "wav24".
        suffix: Of its files, with the dot.
        bits: 16, 24 or 32 (floating point) for lossless formats; 0 for lossy ones.
        knob: What its number means: kilobits a second for all channels, or quality 0 to 10.
        lowest: Least value of the knob.
        highest: Greatest value.
        value: The knob's value; 0 where there is none.
        rates_hz: Sampling rates it holds; empty for all.
        most_channels: Channels it holds.
        is_variable: MP3 only: `value` is LAME's V0 (best) to V9, and the bit rate varies.
    """

    name: str
    suffix: str
    bits: int = 0
    knob: Knob = ""
    lowest: float = 0
    highest: float = 0
    value: float = 0
    rates_hz: tuple[int, ...] = ()
    most_channels: int = 8
    is_variable: bool = False

    @property
    def is_lossless(self) -> bool:
        """Whether samples come back as they were."""
        return self.bits > 0

    @property
    def spec(self) -> str:
        """Text from which `parse_formats` makes this format again."""
        if not self.knob:
            return self.name
        return f"{self.name}:{'v' if self.is_variable else ''}{self.value:g}"

    def rate_for(self, rate_hz: int) -> int:
        """The rate at which sound of `rate_hz` is written: the same, or the least that loses nothing."""
        if not self.rates_hz or rate_hz in self.rates_hz:
            return rate_hz
        above = [rate for rate in self.rates_hz if rate > rate_hz]
        if above:
            return min(above)
        related = [rate for rate in self.rates_hz if rate_hz % rate == 0]
        return max(related or self.rates_hz)


MP3_RATES_HZ = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
FORMATS = {
    kind.name: kind
    for kind in (
        Format("wav16", ".wav", 16, most_channels=64),
        Format("wav24", ".wav", 24, most_channels=64),
        Format("wav32f", ".wav", 32, most_channels=64),
        Format("flac16", ".flac", 16),
        Format("flac", ".flac", 24),
        Format("mp3", ".mp3", 0, "kbps", 32, 320, 256, MP3_RATES_HZ, 2),
        Format("ogg", ".ogg", 0, "quality", 0, 10, 6),
        Format("opus", ".opus", 0, "kbps", 12, 510, 160, (48_000,), 2),
        Format("m4a", ".m4a", 0, "kbps", 32, 400, 256, (22_050, 24_000, 32_000, 44_100, 48_000), 2),
    )
}
ALIASES = {"wav": "wav24", "wav32": "wav32f", "flac24": "flac", "vorbis": "ogg", "aac": "m4a"}


def parse_formats(text: str) -> tuple[Format, ...]:
    """Formats from a list such as "wav24,flac,mp3:320,ogg:7,opus:128"; "mp3:v0" varies the bit rate.

    Raises:
        ExportError: If a name or a number is not one of these, or two formats would write the same file.

    Example:
        >>> [kind.spec for kind in parse_formats("wav, mp3:v2, opus:96")]
        ['wav24', 'mp3:v2', 'opus:96']
    """
    found = [_parsed(part.strip().lower()) for part in text.split(",") if part.strip()]
    if not found:
        raise ExportError("No format is given.", remedy=_remedy())
    suffixes = [kind.suffix for kind in found]
    for suffix in suffixes:
        if suffixes.count(suffix) > 1:
            names = ", ".join(kind.spec for kind in found if kind.suffix == suffix)
            raise ExportError(
                f"{names} would write the same file.", remedy="Export them to different folders."
            )
    return tuple(found)


def _parsed(text: str) -> Format:
    name, colon, number = text.partition(":")
    kind = FORMATS.get(ALIASES.get(name, name))
    if kind is None:
        raise ExportError(f"{name!r} is no format we write.", remedy=_remedy())
    if not colon:
        return kind
    value = re.fullmatch(r"(v?)(\d{1,4}(?:\.\d{1,2})?)", number)
    is_variable = bool(value and value[1])
    low, high = (0, 9) if is_variable else (kind.lowest, kind.highest)
    if not value or not kind.knob or (is_variable and name != "mp3") or not low <= float(value[2]) <= high:
        raise ExportError(f"{text!r} is no setting of {kind.name}.", remedy=_remedy())
    return replace(kind, value=float(value[2]), is_variable=is_variable)


def _remedy() -> str:
    return (
        "Use wav16, wav24, wav32f, flac, flac16, mp3:32-320 or mp3:v0-v9, ogg:0-10, opus:12-510 and "
        "m4a:32-400, with commas between."
    )

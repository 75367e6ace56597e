"""ReplayGain 2.0: how far a player should turn a track or an album, so that all sound equally loud.

Gain brings the integrated loudness (ITU-R BS.1770-4) to -18 LUFS; the peak is the true peak. Opus has its own
tags, relative to -23 LUFS, in 256ths of a decibel (RFC 7845, 5.2.1).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from angen.audio import Audio, true_peak
from angen.audio.loudness import Power, hop_power, integrated_lufs

REFERENCE_LUFS = -18.0
R128_REFERENCE_LUFS = -23.0


@dataclass(frozen=True)
class ReplayGain:
    """Levels for players.

    Attributes:
        track_gain_db: Gain that brings the track to -18 LUFS.
        track_peak: Its true peak, 1 being full scale; None where the file does not say.
        album_gain_db: Gain for all tracks of the album alike; None outside of albums.
        album_peak: The highest peak of the album.
    """

    track_gain_db: float
    track_peak: float | None = None
    album_gain_db: float | None = None
    album_peak: float | None = None

    def pairs(self) -> dict[str, str]:
        """As REPLAYGAIN tags."""
        gains = {"TRACK": self.track_gain_db, "ALBUM": self.album_gain_db}
        peaks = {"TRACK": self.track_peak, "ALBUM": self.album_peak}
        return (
            {f"REPLAYGAIN_{kind}_GAIN": f"{gain:.2f} dB" for kind, gain in gains.items() if gain is not None}
            | {f"REPLAYGAIN_{kind}_PEAK": f"{peak:.6f}" for kind, peak in peaks.items() if peak is not None}
            | {"REPLAYGAIN_REFERENCE_LOUDNESS": f"{REFERENCE_LUFS:.2f} LUFS"}
        )

    def r128_pairs(self) -> dict[str, str]:
        """As the tags of Opus: whole numbers in Q7.8, relative to -23 LUFS."""
        gains = {"TRACK": self.track_gain_db, "ALBUM": self.album_gain_db}
        shift_db = R128_REFERENCE_LUFS - REFERENCE_LUFS
        return {
            f"R128_{kind}_GAIN": str(min(max(round(256 * (gain + shift_db)), -32768), 32767))
            for kind, gain in gains.items()
            if gain is not None
        }

    @classmethod
    def from_pairs(cls, pairs: Mapping[str, str]) -> ReplayGain | None:
        """From tags with upper-case keys; None if no track gain is among them."""
        shift_db = REFERENCE_LUFS - R128_REFERENCE_LUFS
        values: dict[str, float | None] = {}
        for kind in ("TRACK", "ALBUM"):
            gain = _leading_number(pairs.get(f"REPLAYGAIN_{kind}_GAIN"))
            q78 = _leading_number(pairs.get(f"R128_{kind}_GAIN"))
            values[kind] = q78 / 256 + shift_db if gain is None and q78 is not None else gain
        track = values["TRACK"]
        if track is None:
            return None
        peaks = [_leading_number(pairs.get(f"REPLAYGAIN_{kind}_PEAK")) for kind in ("TRACK", "ALBUM")]
        return cls(track, peaks[0], values["ALBUM"], peaks[1])


@dataclass(frozen=True, eq=False)
class Loudness:
    """What was measured of one recording.

    Attributes:
        lufs: Integrated loudness; None if it is shorter than 0.4 s or too quiet.
        true_peak: 1 is full scale.
        hops: K-weighted power of its stretches of 100 ms, from which the loudness of an album follows.
    """

    lufs: float | None
    true_peak: float
    hops: Power

    @property
    def true_peak_dbtp(self) -> float | None:
        """True peak in dBTP; None for silence."""
        return 20 * math.log10(self.true_peak) if self.true_peak > 0 else None


def measure_loudness(audio: Audio) -> Loudness:
    """Measure integrated loudness and true peak."""
    hops = hop_power(audio)
    return Loudness(integrated_lufs(hops), true_peak(audio), hops)


def replay_gain(loudness: Loudness, album: Sequence[Loudness] = ()) -> ReplayGain | None:
    """ReplayGain of a track, and of its album if that is given; None if the track has no loudness.

    The album is gated as one long recording: its blocks are those of all its tracks.
    """
    if loudness.lufs is None:
        return None
    album_lufs = integrated_lufs(*(one.hops for one in album)) if album else None
    return ReplayGain(
        round(REFERENCE_LUFS - loudness.lufs, 2),
        round(loudness.true_peak, 6),
        None if album_lufs is None else round(REFERENCE_LUFS - album_lufs, 2),
        None if album_lufs is None else round(max(one.true_peak for one in album), 6),
    )


def _leading_number(text: str | None) -> float | None:
    found = re.match(r"\s*([+-]?\d{1,9}(?:\.\d{0,9})?)", text or "")
    return float(found[1]) if found else None

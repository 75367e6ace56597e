"""Playing a score through a soundfont, with tinysoundfont (MIT), an extra: `pip install 'angen[symbolic]'`.

The synthesiser knows no sustain pedal and no modulators. Notes are therefore held while the pedal is down, and an
instrument that is all but silent in a soundfont is played by another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from angen.audio import Audio
from angen.catalogue.symbolic.reading import BEND, DRUMS, PROGRAM, Score
from angen.errors import DatasetError, ScoreError

__all__ = ["can_play", "render", "require_synthesiser", "soundfont_names", "soundfonts_for"]

RATE_HZ = 44_100
LEVEL_DB = -20.0
HIGHEST_PEAK = 0.97

_SUSTAIN = 64
_HEARD = {1, 5, 6, 7, 10, 11, 38, 98, 99, 100, 101}  # controllers that the synthesiser or the mix follows
_BLOCK = 32  # events are played at multiples of this many samples: 0.7 ms
_TOO_QUIET_DB = -60.0
_VOICES = 192

Use = tuple[bool, int]  # whether drums, and the program


def require_synthesiser() -> None:
    """Make sure that tinysoundfont is there.

    Raises:
        DatasetError: If it is not; says how to get it.
    """
    try:
        import tinysoundfont  # noqa: F401
    except ImportError as error:
        raise DatasetError(
            f"Scores are played by tinysoundfont, which cannot be loaded: {error}.",
            remedy="Install it: pip install 'angen[symbolic]'. Where its live playback cannot be built: "
            "pip install --no-deps tinysoundfont.",
        ) from error


def render(score: Score, *soundfonts: Path, until_s: float, rate_hz: int = RATE_HZ) -> Audio:
    """Play a score from its start.

    Args:
        score: What to play.
        soundfonts: sf2 or sf3 files; they stay loaded in this process. Each instrument is played by the first in
            which it can be heard, by the first of all if it can in none.
        until_s: Where to stop.
        rate_hz: Samples a second.

    Returns:
        Stereo at -20 dB (root mean square) where the peaks allow it, peak at most 0.97.

    Raises:
        ScoreError: "silent" if nothing is to be heard.
    """
    total = max(1, round(until_s * rate_hz))
    parts = _parts(score, soundfonts, rate_hz)
    sounds = [_played(_of_uses(score, uses), path, total, rate_hz) for path, uses in parts.items()]
    return Audio(_levelled(np.sum(sounds, axis=0, dtype=np.float32)), rate_hz)


def _of_uses(score: Score, uses: set[Use]) -> Score:
    """A score with the notes of some of its instruments only."""
    kept = [(int(channel) == DRUMS, int(program)) in uses for channel, program in score.notes[:, 2:4]]
    return replace(score, notes=score.notes[np.array(kept, bool)])


def _played(score: Score, soundfont: Path, total: int, rate_hz: int) -> NDArray[np.float32]:
    """The first `total` samples of a score through one soundfont, (2, total)."""
    synth, font = _loaded(soundfont, rate_hz)
    _reset(synth, font)
    buffer = bytearray(total * 8)
    view, position = memoryview(buffer), 0
    for sample, _, channel, kind, value in _events(score, rate_hz):
        sample = min(sample, total)
        if sample > position:
            synth.generate_simple(sample - position, view[position * 8 : sample * 8])
            position = sample
        if sample >= total:
            break
        _play(synth, font, channel, kind, value)
    if position < total:
        synth.generate_simple(total - position, view[position * 8 :])
    return np.frombuffer(buffer, np.float32).reshape(-1, 2).T


def can_play(score: Score, soundfont: Path, *, rate_hz: int = RATE_HZ) -> bool:
    """Whether a soundfont has a sound that can be heard for every instrument of a score."""
    return all(_is_heard(soundfont, rate_hz, *use) for use in _used(score))


def soundfonts_for(score: Score, soundfonts: Sequence[Path], *, rate_hz: int = RATE_HZ) -> list[Path]:
    """Those soundfonts that suit a score: they can play all of it, or else the most of its instruments."""
    heard = {path: sum(_is_heard(path, rate_hz, *use) for use in _used(score)) for path in soundfonts}
    return [path for path in soundfonts if heard[path] == max(heard.values())]


def soundfont_names(score: Score, *soundfonts: Path, rate_hz: int = RATE_HZ) -> list[str]:
    """Names of the soundfonts by which `render` plays a score."""
    return sorted(path.name for path in _parts(score, soundfonts, rate_hz))


def _used(score: Score) -> set[Use]:
    return {(int(channel) == DRUMS, int(program)) for channel, program in score.notes[:, 2:4]}


def _parts(score: Score, soundfonts: Sequence[Path], rate_hz: int) -> dict[Path, set[Use]]:
    """Which soundfont plays which instruments."""
    parts: dict[Path, set[Use]] = {}
    for use in _used(score):
        path = next((path for path in soundfonts if _is_heard(path, rate_hz, *use)), soundfonts[0])
        parts.setdefault(path, set()).add(use)
    return parts


def _events(score: Score, rate_hz: int) -> list[tuple[int, int, int, int, int]]:
    """(sample, order, channel, kind, value): kind below 128 a controller, above `PROGRAM` a key.

    Keys are `_KEY + pitch`, with their velocity as value, 0 for the end. At one moment ends come before controls
    and controls before starts.
    """
    ends = _held_by_pedal(score)
    starts_at = _samples(score, score.notes[:, 0], rate_hz)
    ends_at = np.maximum(_samples(score, ends, rate_hz), starts_at + _BLOCK)
    events = []
    for (_, _, channel, _, pitch, velocity), start, end in zip(
        score.notes.tolist(), starts_at.tolist(), ends_at.tolist(), strict=True
    ):
        events.append((start, 2, channel, _KEY + pitch, velocity))
        events.append((end, 0, channel, _KEY + pitch, 0))
    controls_at = _samples(score, score.controls[:, 0], rate_hz).tolist()
    for (_, channel, kind, value), at in zip(score.controls.tolist(), controls_at, strict=True):
        if kind in _HEARD or kind in (BEND, PROGRAM):
            events.append((at, 1, channel, kind, value))
    return sorted(events, key=lambda event: event[:2])


_KEY = 256


def _samples(score: Score, ticks: NDArray[np.int64], rate_hz: int) -> NDArray[np.int64]:
    return np.round(score.seconds(ticks) * rate_hz / _BLOCK).astype(np.int64) * _BLOCK


def _held_by_pedal(score: Score) -> NDArray[np.int64]:
    """When each note ends, in ticks: with the pedal down, where it is let go."""
    ends = score.notes[:, 1].copy()
    for channel in range(16):
        moves = score.controls[(score.controls[:, 1] == channel) & (score.controls[:, 2] == _SUSTAIN)]
        if channel == DRUMS or not len(moves):
            continue
        mine = np.flatnonzero(score.notes[:, 2] == channel)
        last = np.searchsorted(moves[:, 0], ends[mine], side="right") - 1
        is_down = (last >= 0) & (moves[np.maximum(last, 0), 3] >= 64)
        ups = moves[moves[:, 3] < 64, 0]
        release = np.append(ups, score.end_tick)[np.searchsorted(ups, ends[mine], side="right")]
        ends[mine] = np.where(is_down, np.maximum(release, ends[mine]), ends[mine])
    return ends


def _play(synth: Any, font: int, channel: int, kind: int, value: int) -> None:
    if kind >= _KEY and value:
        synth.noteon(channel, kind - _KEY, value)
    elif kind >= _KEY:
        synth.noteoff(channel, kind - _KEY)
    elif kind == BEND:
        synth.pitchbend(channel, value)
    elif kind == PROGRAM:
        _select(synth, font, channel, value)
    else:
        synth.control_change(channel, kind, value)


@cache
def _loaded(soundfont: Path, rate_hz: int) -> tuple[Any, int]:
    """A synthesiser with a soundfont, kept for the life of the process."""
    import tinysoundfont

    synth = tinysoundfont.Synth(gain=-8.0, samplerate=rate_hz)
    try:
        return synth, synth.sfload(str(soundfont), max_voices=_VOICES)
    except Exception as error:  # it raises its own type, which its package does not name
        raise DatasetError(
            f"{str(soundfont)!r} is no soundfont that can be loaded: {error}.",
            remedy="Fetch one: angen assets fetch, or give another sf2 or sf3 file.",
        ) from error


def _reset(synth: Any, font: int) -> None:
    """Silence what sounded before and set up every channel as General MIDI does."""
    for channel in range(16):
        _select(synth, font, channel, 0)
        synth.sounds_off(channel)
        synth.control_change(channel, 121, 0)
        synth.control_change(channel, 7, 100)
        synth.control_change(channel, 10, 64)
        synth.control_change(channel, 11, 127)
        synth.pitchbend(channel, 8192)
        synth.pitchbend_range(channel, 2.0)
    synth.generate_simple(4096)


def _select(synth: Any, font: int, channel: int, program: int) -> None:
    """Choose a program; a drum kit that the soundfont lacks becomes its standard one."""
    is_drums = channel == DRUMS
    for each in (program, 0):
        try:
            synth.program_select(channel, font, 128 if is_drums else 0, each, is_drums)
            return
        except RuntimeError:
            continue


@cache
def _is_heard(soundfont: Path, rate_hz: int, is_drums: bool, program: int) -> bool:
    """Whether an instrument can be heard: the level of three of its notes at a middling velocity."""
    synth, font = _loaded(soundfont, rate_hz)
    channel = DRUMS if is_drums else 0
    powers = []
    for pitch in (36, 38, 42) if is_drums else (48, 60, 72):
        _reset(synth, font)
        _select(synth, font, channel, program)
        synth.noteon(channel, pitch, 80)
        sound = np.frombuffer(synth.generate_simple(rate_hz // 2), np.float32)
        powers.append(float(np.mean(sound.astype(np.float64) ** 2)))
    return bool(10 * np.log10(np.median(powers) + 1e-12) > _TOO_QUIET_DB)


def _levelled(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    rms = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))
    peak = float(np.abs(samples).max())
    if rms < 1e-5:
        raise ScoreError("silent", "Nothing of it is to be heard through the soundfont.")
    gain = min(10 ** (LEVEL_DB / 20) / rms, HIGHEST_PEAK / peak)
    return np.ascontiguousarray(samples * np.float32(gain))

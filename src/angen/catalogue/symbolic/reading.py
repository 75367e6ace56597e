"""A MIDI file as arrays: notes, tempi, metres, keys and controls.

Only what is played is kept. The reader goes over the bytes once, with nothing made for an event that is not
needed, which is several times as fast as a library that makes an object of each (docs/datasets.md has figures).

Source:
    The Standard MIDI File format, MMA 1996; RIFF-wrapped files (RMID) are opened too.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from angen.errors import ScoreError

__all__ = ["BEND", "DRUMS", "PROGRAM", "Score", "parse_midi", "read_midi"]

DRUMS = 9
"""The channel of drums."""

BEND, PROGRAM = 128, 129
"""What stands in `Score.controls` for pitch bend and program change, above the 128 controllers."""

_LONGEST_BYTES = 8 << 20
_DEFAULT_TEMPO_US = 500_000
_MAJOR = ("C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#", "F")
_MINOR = ("A", "E", "B", "F#", "C#", "G#", "D#", "A#", "F", "C", "G", "D")

Event = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Score:
    """What a MIDI file plays.

    Attributes:
        ticks_per_quarter: Of the file's clock.
        notes: (notes, 6) whole numbers, by start: start tick, end tick, channel, program, pitch, velocity.
        tempos: (changes, 2): tick, microseconds a quarter note; empty if the file states none.
        metres: Tick, beats in a bar, and the note that is a beat, as the file states them.
        keys: Tick and name ("F# minor"), as the file states them.
        controls: (changes, 4), by tick: tick, channel, controller (or `BEND`, `PROGRAM`), value.
        end_tick: Of the last event.
    """

    ticks_per_quarter: int
    notes: NDArray[np.int64]
    tempos: NDArray[np.int64]
    metres: tuple[tuple[int, int, int], ...]
    keys: tuple[tuple[int, str], ...]
    controls: NDArray[np.int64]
    end_tick: int

    @cached_property
    def _tempo_map(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Ticks where the tempo changes, the seconds there, and the seconds a tick from there on."""
        changes = {0: _DEFAULT_TEMPO_US} | {int(tick): int(tempo) for tick, tempo in self.tempos}
        ticks = np.array(sorted(changes), np.float64)
        tick_s = np.array([changes[int(tick)] for tick in ticks]) / 1e6 / self.ticks_per_quarter
        starts_s = np.concatenate([[0.0], np.cumsum(np.diff(ticks) * tick_s[:-1])])
        return ticks, starts_s, tick_s

    def seconds(self, ticks: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.float64]:
        """When ticks sound, in seconds from the start."""
        changes, starts_s, tick_s = self._tempo_map
        place = np.searchsorted(changes, ticks, side="right") - 1
        result: NDArray[np.float64] = starts_s[place] + (ticks - changes[place]) * tick_s[place]
        return result

    def ticks(self, times_s: NDArray[np.float64]) -> NDArray[np.int64]:
        """The ticks nearest to some times, the inverse of `seconds`."""
        changes, starts_s, tick_s = self._tempo_map
        place = np.maximum(np.searchsorted(starts_s, times_s, side="right") - 1, 0)
        exact = changes[place] + (times_s - starts_s[place]) / tick_s[place]
        return np.round(exact).astype(np.int64)

    @cached_property
    def duration_s(self) -> float:
        """From the start to the end of the last note."""
        return float(self.seconds(self.notes[:, 1]).max()) if len(self.notes) else 0.0


def read_midi(path: Path) -> Score:
    """Read a MIDI file.

    Raises:
        ScoreError: "broken" if it is none, or damaged.
    """
    try:
        if path.stat().st_size > _LONGEST_BYTES:
            raise _broken(f"it has more than {_LONGEST_BYTES} bytes, more than a score needs")
        return parse_midi(path.read_bytes())
    except OSError as error:
        raise _broken(str(error)) from error


def parse_midi(data: bytes) -> Score:
    """Read the bytes of a MIDI file.

    Raises:
        ScoreError: "broken" if they are none, or damaged.
    """
    if data[:4] == b"RIFF" and data[8:12] == b"RMID":
        data = data[max(0, data.find(b"MThd")) :]
    if data[:4] != b"MThd" or len(data) < 14:
        raise _broken("it does not begin as a MIDI file")
    kind, division = int.from_bytes(data[8:10]), int.from_bytes(data[12:14])
    if kind > 1 or division == 0 or division & 0x8000:
        raise _broken(f"format {kind} with division {division} is not one that has bars and beats")
    reader = _Reader()
    at, tracks = 8 + int.from_bytes(data[4:8]), 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8])
        if data[at : at + 4] == b"MTrk":
            try:
                reader.read_track(data[at + 8 : at + 8 + size])
            except (IndexError, ValueError) as error:
                raise _broken(f"track {tracks + 1} is damaged: {error}") from error
            tracks += 1
        at += 8 + size
    if tracks == 0:
        raise _broken("it has no track")
    return reader.score(division)


def _broken(why: str) -> ScoreError:
    return ScoreError("broken", f"The MIDI file cannot be read: {why}.")


class _Reader:
    """The events of all tracks, gathered and then put in order of time."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.tempos: dict[int, int] = {}
        self.metres: dict[int, tuple[int, int]] = {}
        self.keys: dict[int, str] = {}
        self.end_tick = 0

    def read_track(self, data: bytes) -> None:
        """Gather a track's events, each (tick, status, first, second)."""
        at, tick, status, end = 0, 0, 0, len(data)
        events = self.events
        while at < end:
            value = data[at]
            at += 1
            delta = value & 0x7F
            while value & 0x80:
                value = data[at]
                at += 1
                delta = delta << 7 | value & 0x7F
            tick += delta
            value = data[at]
            if value & 0x80:
                at += 1
                if value < 0xF0:
                    status = value
            elif status:
                value = status
            else:
                raise ValueError("an event has no status")
            if value < 0xC0 or 0xE0 <= value < 0xF0:
                events.append((tick, value, data[at], data[at + 1]))
                at += 2
            elif value < 0xE0:
                if value < 0xD0:
                    events.append((tick, value, data[at], 0))
                at += 1
            else:
                at = self._read_other(data, at, tick, value)
        self.end_tick = max(self.end_tick, tick)

    def _read_other(self, data: bytes, at: int, tick: int, status: int) -> int:
        """A meta event or a system message; where the next event starts."""
        kind = -1
        if status == 0xFF:
            kind = data[at]
            at += 1
        elif status not in (0xF0, 0xF7):
            raise ValueError(f"a message {status:#x} has no place in a file")
        size, value = 0, 0x80
        while value & 0x80:
            value = data[at]
            at += 1
            size = size << 7 | value & 0x7F
        body = data[at : at + size]
        if len(body) < size:
            raise ValueError("it ends within an event")
        if kind == 0x51 and size == 3 and any(body):
            self.tempos[tick] = int.from_bytes(body)
        elif kind == 0x58 and size >= 2 and body[0] and body[1] <= 6:
            self.metres[tick] = (body[0], 1 << body[1])
        elif kind == 0x59 and size == 2:
            sharps = body[0] - 256 if body[0] > 127 else body[0]
            if -7 <= sharps <= 7 and body[1] <= 1:
                names, mode = (_MINOR, "minor") if body[1] else (_MAJOR, "major")
                self.keys[tick] = f"{names[sharps % 12]} {mode}"
        return at + size

    def score(self, division: int) -> Score:
        """All tracks together, notes paired."""
        self.events.sort(key=lambda event: event[0])  # stable: within a tick the order of the file stays
        notes: list[tuple[int, int, int, int, int, int]] = []
        controls: list[Event] = []
        sounding: dict[int, deque[tuple[int, int, int]]] = defaultdict(deque)
        programs = [0] * 16
        for tick, status, first, second in self.events:
            kind, channel = status & 0xF0, status & 0x0F
            if kind == 0x90 and second:
                sounding[channel << 7 | first].append((tick, programs[channel], second))
            elif kind <= 0x90:
                if waiting := sounding[channel << 7 | first]:
                    start, program, velocity = waiting.popleft()
                    if tick > start:
                        notes.append((start, tick, channel, program, first, velocity))
            elif kind == 0xC0:
                programs[channel] = first
                controls.append((tick, channel, PROGRAM, first))
            elif kind == 0xB0:
                controls.append((tick, channel, first, second))
            elif kind == 0xE0:
                controls.append((tick, channel, BEND, second << 7 | first))
        return Score(
            division,
            _table(sorted(notes), 6),
            _table(sorted(self.tempos.items()), 2),
            tuple((tick, *metre) for tick, metre in sorted(self.metres.items())),
            tuple(sorted(self.keys.items())),
            _table(controls, 4),
            self.end_tick,
        )


def _table(rows: Sequence[tuple[int, ...]], columns: int) -> NDArray[np.int64]:
    return np.array(rows, np.int64).reshape(len(rows), columns)

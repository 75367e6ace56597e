"""Files that no musician would make: whatever is in a file, analysis gives a result or a typed error.

    python -m recipes.analysis.fuzz --count 10000 --seed 0 [--processes 2] [--keep FOLDER]

Each file is a sound of a drawn kind (music, noise, silence, DC, clipped, not a number, ...), rate (8 to 192 kHz),
number of channels (1 to 6) and length, in a drawn container and coding; most are then damaged: bytes flipped, cut,
doubled, zeroed or inserted, header fields set to extremes. One in 2,500 lasts three hours, one in 500 about twenty
minutes. Listener processes hear them, so that a crash is seen as one. Prints the counts by outcome, the slowest files
and the peak memory of the listeners, in JSON; exit code 1 if there was a fault.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import resource
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import soundfile

from angen.workflows.listener import Listener

Random = np.random.Generator
CODINGS = (
    ("WAV", "PCM_16"), ("WAV", "PCM_U8"), ("WAV", "PCM_24"), ("WAV", "PCM_32"), ("WAV", "FLOAT"), ("WAV", "DOUBLE"),
    ("WAV", "ULAW"), ("WAV", "IMA_ADPCM"), ("WAVEX", "PCM_16"), ("RF64", "PCM_16"), ("W64", "PCM_16"),
    ("AIFF", "PCM_16"), ("AIFF", "FLOAT"), ("AU", "PCM_16"), ("CAF", "PCM_24"), ("FLAC", "PCM_16"),
    ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"),
)  # fmt: skip
RATES_HZ = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 176400, 192000)
EXTREMES = (0, 1, 2, 3, 6, 255, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FFFF000)
MOST_MEMORY_MB = 1500
"""What a listener process may need, whatever the file; `docs/analysis.md` says what it is made of."""

MOST_SECONDS = 300.0


@dataclass(frozen=True)
class Case:
    """A file to be heard.

    Args:
        name: What was done to make it.
        content: Its bytes.
    """

    name: str
    content: bytes


def cases(seed: int, count: int, *, long_ones: bool = False) -> Iterator[Case]:
    """Files of a seed: the same ones in every run with the same libraries.

    Args:
        seed: Of the draws; file n depends on it and n alone.
        count: How many.
        long_ones: Whether a few last twenty minutes or three hours.
    """
    for number in range(count):
        if long_ones and number % 500 == 250:
            random = np.random.default_rng([seed, number])
            yield _long_case(random, seconds=10_800.0 if number % 2500 == 250 else random.uniform(920, 1300))
        else:
            yield case_of(seed, number)


def case_of(seed: int, number: int) -> Case:
    """File `number` of a seed, one of seconds."""
    random = np.random.default_rng([seed, number])
    kind, samples, rate_hz = sound(random)
    coding, content = written(random, samples, rate_hz)
    damage = "whole"
    if random.random() < 0.6:
        damage, content = damaged(random, content)
    return Case(f"{number} {kind} {coding} {rate_hz} {samples.shape[1]}ch {damage}", content)


def sound(random: Random) -> tuple[str, np.ndarray, int]:
    """A sound: its kind, samples of shape (samples, channels), and its rate."""
    rate_hz, channels = int(random.choice(RATES_HZ)), int(random.choice((1, 1, 2, 2, 3, 4, 5, 6)))
    seconds = float(random.choice((0.01, 0.3, 1.0, 4.0, 4.5, 6.0), p=(0.1, 0.2, 0.3, 0.2, 0.1, 0.1)))
    count = max(1, round(seconds * min(1.0, 48_000 / rate_hz) * rate_hz))
    kind = str(random.choice(list(_KINDS)))
    mono = _KINDS[kind](random, np.arange(count) / rate_hz)
    samples = np.repeat(mono[:, None], channels, axis=1).astype(np.float64)
    if channels > 1 and random.random() < 0.3:
        samples[:, 1] *= -1
    return kind, samples, rate_hz


def _music(random: Random, time_s: np.ndarray) -> np.ndarray:
    beat = 60 / random.uniform(50, 200)
    notes = sum(np.sin(2 * np.pi * 110 * 2 ** (random.integers(30) / 12) * time_s) for _ in range(4))
    return np.asarray(0.2 * notes * np.exp(-((time_s % beat) / beat) * 4))


def _noise(random: Random, time_s: np.ndarray) -> np.ndarray:
    return np.asarray(0.2 * random.standard_normal(len(time_s)))


def _spoilt(value: float) -> Callable[[Random, np.ndarray], np.ndarray]:
    def make(random: Random, time_s: np.ndarray) -> np.ndarray:
        wave = _music(random, time_s)
        wave[random.integers(len(wave), size=1 + len(wave) // 1000)] = value
        return wave

    return make


_KINDS: dict[str, Callable[[Random, np.ndarray], np.ndarray]] = {
    "music": _music,
    "noise": _noise,
    "silence": lambda random, time_s: np.zeros(len(time_s)),
    "dc": lambda random, time_s: np.full(len(time_s), random.uniform(-1, 1)),
    "music and dc": lambda random, time_s: _music(random, time_s) + 0.6,
    "clipped": lambda random, time_s: np.clip(20 * _music(random, time_s), -1, 1),
    "faint": lambda random, time_s: 10 ** random.uniform(-7, -3) * _music(random, time_s),
    "loud": lambda random, time_s: 10 ** random.uniform(0, 3) * _music(random, time_s),
    "impulse": lambda random, time_s: (np.arange(len(time_s)) == len(time_s) // 2) * 1.0,
    "rumble": lambda random, time_s: np.sin(2 * np.pi * random.uniform(0.1, 20) * time_s),
    "square at the top": lambda random, time_s: 0.5 * (-1.0) ** np.arange(len(time_s)),
    "late": lambda random, time_s: _noise(random, time_s) * (time_s > 0.9 * time_s[-1]),
    "nan": _spoilt(math.nan),
    "infinite": _spoilt(math.inf),
    "subnormal": lambda random, time_s: np.full(len(time_s), 1e-40) + (np.arange(len(time_s)) == 0),
}


def written(random: Random, samples: np.ndarray, rate_hz: int) -> tuple[str, bytes]:
    """A sound file of a drawn coding: its name, and bytes. What a coding cannot hold becomes floating-point WAV."""
    container, subtype = CODINGS[int(random.integers(len(CODINGS)))]
    for form, kind in ((container, subtype), ("WAV", "FLOAT")):
        handle = io.BytesIO()
        held = samples if kind in ("FLOAT", "DOUBLE") else np.nan_to_num(np.clip(samples, -1, 1))
        with suppress(soundfile.LibsndfileError, ValueError, RuntimeError):
            soundfile.write(handle, held, rate_hz, format=form, subtype=kind)
            return f"{form}/{kind}", handle.getvalue()
    raise AssertionError("a floating-point WAV can hold anything")


def damaged(random: Random, content: bytes) -> tuple[str, bytes]:
    """A file after one to three accidents: what happened, and the bytes."""
    names = []
    for _ in range(int(random.integers(1, 4))):
        name = str(random.choice(list(_ACCIDENTS)))
        content = bytes(_ACCIDENTS[name](random, bytearray(content or b"\0")))
        names.append(name)
    return "+".join(names), content


def _place(random: Random, content: bytearray, *, head: int = 0) -> int:
    return int(random.integers(max(1, min(len(content), head or len(content)))))


def _flip(head: int) -> Callable[[Random, bytearray], bytearray]:
    def accident(random: Random, content: bytearray) -> bytearray:
        for _ in range(int(random.integers(1, 9))):
            content[_place(random, content, head=head)] ^= 1 << int(random.integers(8))
        return content

    return accident


def _extreme(random: Random, content: bytearray) -> bytearray:
    at, size = _place(random, content, head=80), int(random.choice((2, 4)))
    value = int(random.choice(EXTREMES)) & (2 ** (8 * size) - 1)
    content[at : at + size] = value.to_bytes(size, "little" if random.random() < 0.7 else "big")
    return content


def _wav_field(random: Random, content: bytearray) -> bytearray:
    """One field of a plain WAV header set to an extreme: coding, channels, rate, bytes, bits, size of the sound."""
    at, form = (
        (20, "<H"),
        (22, "<H"),
        (24, "<I"),
        (28, "<I"),
        (32, "<H"),
        (34, "<H"),
        (40, "<I"),
        (4, "<I"),
    )[int(random.integers(8))]
    value = int(random.choice(EXTREMES)) & (2 ** (8 * struct.calcsize(form)) - 1)
    content[at : at + struct.calcsize(form)] = struct.pack(form, value)
    return content


def _cut(random: Random, content: bytearray) -> bytearray:
    return content[: _place(random, content)]


def _doubled(random: Random, content: bytearray) -> bytearray:
    at, size = _place(random, content), int(random.integers(1, 5000))
    return content[: at + size] + content[at:]


def _zeroed(random: Random, content: bytearray) -> bytearray:
    at = _place(random, content)
    part = content[at : at + int(random.integers(1, 5000))]
    content[at : at + len(part)] = bytes([int(random.choice((0, 255)))]) * len(part)
    return content


def _inserted(random: Random, content: bytearray) -> bytearray:
    at = _place(random, content, head=int(random.choice((100, 0))))
    return content[:at] + random.bytes(int(random.integers(1, 300))) + content[at:]


def _removed(random: Random, content: bytearray) -> bytearray:
    at = _place(random, content, head=int(random.choice((100, 0))))
    return content[:at] + content[at + int(random.integers(1, 300)) :]


def _noised(random: Random, content: bytearray) -> bytearray:
    at = _place(random, content, head=len(content) // 2)
    content[at:] = random.bytes(len(content) - at)
    return content


_ACCIDENTS: dict[str, Callable[[Random, bytearray], bytearray]] = {
    "flipped": _flip(0),
    "header flipped": _flip(100),
    "extreme": _extreme,
    "wav field": _wav_field,
    "cut": _cut,
    "cut in the header": lambda random, content: content[: _place(random, content, head=120)],
    "doubled": _doubled,
    "zeroed": _zeroed,
    "inserted": _inserted,
    "removed": _removed,
    "noise from here": _noised,
    "twice": lambda random, content: content + content,
    "other suffix": lambda random, content: content + random.bytes(200),
}


def _long_case(random: Random, seconds: float) -> Case:
    """Minutes or hours of music with silences in it, 8 bits at 8 to 16 kHz."""
    rate_hz = int(random.choice((8000, 11025, 16000)))
    loop = _music(random, np.arange(30 * rate_hz) / rate_hz)
    loop[: 5 * rate_hz] *= random.random() < 0.5
    wave = np.resize((127 * np.clip(loop, -1, 1) + 128).astype(np.uint8), round(seconds * rate_hz))
    if random.random() < 0.3:
        wave[: len(wave) // 2] = 128
    head = b"RIFF" + struct.pack("<I", 36 + len(wave)) + b"WAVEfmt "
    head += struct.pack("<IHHIIHH", 16, 1, 1, rate_hz, rate_hz, 1, 8) + b"data" + struct.pack("<I", len(wave))
    content = head + wave.tobytes() + b"\0" * (len(wave) % 2)
    is_cut = random.random() < 0.2
    return Case(
        f"long {seconds:.0f} s {rate_hz}{' cut' if is_cut else ''}", content[:-1000] if is_cut else content
    )


def outcome(record: dict[str, Any]) -> str:
    """What became of a file: "heard", the type of its error, "invalid: ..." or "internal: ..." for a fault of ours."""
    if "error" in record:
        error = record["error"]
        untyped = error["type"] == "internal" or not all(error.values())
        return f"internal: {error['message']}" if untyped else str(error["type"])
    wrong = _wrong(record)
    return f"invalid: {wrong}" if wrong else "heard"


def _wrong(record: dict[str, Any]) -> str | None:
    """What cannot be right in a record, if anything."""
    try:
        json.dumps(record, allow_nan=False)
    except ValueError:
        return "not plain JSON"
    duration_s, cuts = record["duration_s"], record["segments"]
    laws = {
        "duration": duration_s > 0,
        "energy": 0 < record["energy"] < 101,
        "tempo": record["tempo_bpm"] is None or 39 < record["tempo_bpm"] < 241,
        "confidence": all(0 <= sure <= 1 for sure in record["confidence"].values()),
        "beats": all(a < b for a, b in pairwise(record["beats_s"])),
        "beats within": all(0 <= beat < duration_s for beat in record["beats_s"]),
        "downbeats": set(record["downbeats_s"]) <= set(record["beats_s"]),
        "cover": cuts[0][0] == 0 and abs(cuts[-1][1] - duration_s) < 1e-3,
        "gaps": all(a[1] == b[0] for a, b in pairwise(cuts)),
        "lengths": duration_s < 10 or all(end - start < 30.01 for start, end in cuts),
        "description": bool(record["description"]),
    }
    return next((name for name, holds in laws.items() if not holds), None)


@dataclass
class Tally:
    """What became of the files."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: list[tuple[float, str]] = field(default_factory=list)

    def add(self, case: str, result: str, seconds: float) -> None:
        """Count a file."""
        self.outcomes[result.split(":")[0]] += 1
        is_fault = result.startswith(("internal", "invalid")) or seconds > MOST_SECONDS
        if is_fault:
            self.faults.append(f"{case}: {result} ({seconds:.1f} s)")
        self.slowest = sorted([*self.slowest, (round(seconds, 2), case)], reverse=True)[:5]


def run(found: Iterator[Case], processes: int, keep: Path | None = None) -> Tally:
    """Have listener processes hear the files; those that reveal a fault are kept in a folder."""
    tally, idle = Tally(), SimpleQueue[Listener]()
    listeners = [Listener() for _ in range(processes)]
    for listener in listeners:
        idle.put(listener)

    def hear(case: Case) -> None:
        listener = idle.get()
        with tempfile.NamedTemporaryFile(suffix=".bin") as file:
            file.write(case.content)
            file.flush()
            start = time.monotonic()
            result = outcome(listener.record(file.name))
        idle.put(listener)
        before = len(tally.faults)
        tally.add(case.name, result, time.monotonic() - start)
        if keep is not None and len(tally.faults) > before:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{case.name.split()[0]}.bin").write_bytes(case.content)

    with ThreadPoolExecutor(processes) as threads:
        waiting = [threads.submit(hear, case) for _, case in zip(range(2 * processes), found, strict=False)]
        while waiting:
            waiting.pop(0).result()
            following = next(found, None)
            if following is not None:
                waiting.append(threads.submit(hear, following))
    for listener in listeners:
        listener.close()
    return tally


def main() -> int:
    """Run from the command line; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    start = time.monotonic()
    tally = run(cases(options.seed, options.count, long_ones=True), options.processes, options.keep)
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    report = {
        "files": sum(tally.outcomes.values()),
        "outcomes": dict(tally.outcomes.most_common()),
        "seconds": round(time.monotonic() - start, 1),
        "slowest": tally.slowest,
        "peak memory of a listener, MB": round(peak_mb),
        "faults": tally.faults,
    }
    print(json.dumps(report, indent=1))
    return 1 if tally.faults or peak_mb > MOST_MEMORY_MB else 0


if __name__ == "__main__":
    sys.exit(main())

"""Speed and memory of a render: eight stereo tracks with crossfades, one minute and ten minutes long.

Each length is rendered in a process of its own, whose peak memory is taken from the system.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

RATE_HZ = 44_100
TRACKS = 8
SHORT_MIN, LONG_MIN = 1, 10


def timeline() -> None:
    """Times real time, and peak memory of ten minutes against one."""
    with tempfile.TemporaryDirectory() as name:
        short, long = (_in_a_process(Path(name), minutes) for minutes in (SHORT_MIN, LONG_MIN))
        save_s, load_s = _saving(Path(name))
    for made, minutes in ((short, SHORT_MIN), (long, LONG_MIN)):
        print(
            f"timeline: {TRACKS} stereo tracks x {minutes} min: {made['speed']:.0f}x real time "
            f"({made['speed'] * TRACKS:.0f}x a track), peak memory {made['peak_mib']:.0f} MiB, "
            f"{made['render_mib']:.0f} MiB of it for the render"
        )
    print(
        f"timeline: ten times the length takes {long['peak_mib'] / short['peak_mib']:.2f}x the memory; "
        f"recordings of 48 kHz are decoded once, at {long['decoding']:.0f}x real time a recording"
    )
    print(
        f"timeline: 200 clips with 100 edits to undo: saved in {1000 * save_s:.0f} ms, "
        f"loaded in {1000 * load_s:.0f} ms of processor"
    )


def _saving(folder: Path) -> tuple[float, float]:
    """Seconds of processor to save and to load 200 clips with 100 edits to undo."""
    from angen.timeline import History, Project, Source, clip_edits, edits, load_project, save_project

    project = edits.add_track(Project(name="bench"), "a")
    source = Source(sha256="0" * 64, path="a.wav", rate_hz=RATE_HZ, channels=2, samples=RATE_HZ)
    for number in range(200):
        project = clip_edits.place_clip(project, "t1", source, number * RATE_HZ, name="a clip")
    history = History.of(project)
    for number in range(100):
        history = history.done(clip_edits.set_clip_gain(history.project, f"c{number + 1}", -1.0), "gain")
    save_project(folder / "project", history)
    start_s = time.process_time()
    save_project(folder / "project", history)
    saved_s = time.process_time()
    load_project(folder / "project")
    return saved_s - start_s, time.process_time() - saved_s


def _in_a_process(folder: Path, minutes: int) -> dict[str, float]:
    words = [sys.executable, "-m", "bench.timeline", str(folder), str(minutes)]
    run = subprocess.run(words, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(run.stdout)
    return result


def _measure(folder: Path, minutes: int) -> dict[str, float]:
    from angen.timeline import OpenSources, Project, clip_edits, edits, scan_source
    from angen.timeline.waves import write_mix

    project = Project(name="bench", rate_hz=RATE_HZ)
    piece = minutes * 60 * RATE_HZ // 5
    for number in range(TRACKS):
        path = _recording(folder / f"{minutes}-{number}.wav", minutes, number, RATE_HZ)
        source = scan_source(path)
        project = edits.add_track(project, f"track {number}")
        track = project.tracks[-1].id
        for part in range(4):  # each begins half a second before the one before it ends
            start = part * piece
            project = clip_edits.place_clip(
                project, track, source, start, name="a", offset=start, length=piece + RATE_HZ // 2
            )
        project = edits.set_track_gain(project, track, -9.0)
    before_mib, start_s = _peak_mib(), time.perf_counter()
    with OpenSources(project, folder, folder / "cache") as read:
        made = write_mix(project, read, folder / "mix.wav")
    took_s, after_mib = time.perf_counter() - start_s, _peak_mib()
    return {
        "speed": made.samples / RATE_HZ / took_s,
        "peak_mib": after_mib,
        "render_mib": after_mib - before_mib,
        "decoding": _decoding_speed(folder, minutes),
    }


def _decoding_speed(folder: Path, minutes: int) -> float:
    """Times real time at which a recording of another rate is made ready."""
    from angen.timeline import OpenSources, Project, clip_edits, edits, scan_source

    source = scan_source(_recording(folder / f"{minutes}-48k.wav", minutes, 99, 48_000))
    project = edits.add_track(Project(name="bench", rate_hz=RATE_HZ), "a")
    project = clip_edits.place_clip(project, "t1", source, 0, name="a")
    start_s = time.perf_counter()
    OpenSources(project, folder, folder / "cache").close()
    return minutes * 60 / (time.perf_counter() - start_s)


def _recording(path: Path, minutes: int, seed: int, rate_hz: int) -> Path:
    second = np.random.default_rng(seed).uniform(-0.3, 0.3, (rate_hz, 2)).astype(np.float32)
    with soundfile.SoundFile(path, "w", rate_hz, 2, "PCM_16") as sound:
        for _ in range(minutes * 60):
            sound.write(second)
    return path


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(_measure(Path(sys.argv[1]), int(sys.argv[2]))))
    else:
        timeline()

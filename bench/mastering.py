"""Speed of mastering: processor time of one core against the length of the music, for each preset."""

from __future__ import annotations

import time
from pathlib import Path

GOAL = 20.0


def mastering() -> None:
    """A song of the examples, stereo at 44.1 kHz, through every preset; measuring before and after included."""
    from angen.audio import Audio, find_audio, read_audio
    from angen.mastering import PRESETS, master

    songs = [read_audio(path) for path in find_audio([Path("examples/calypso")])[:2]]
    audio = songs[0]
    reference: Audio = songs[1]
    master(audio.span(0, 2), "streaming")
    for name, preset in PRESETS.items():
        start = time.process_time()
        master(audio, name, reference=reference if preset.needs_reference else None)
        speed = audio.duration_s / (time.process_time() - start)
        print(f"mastering, {name}: {speed:.0f}x real time on one core (goal {GOAL:.0f}x)")


if __name__ == "__main__":
    mastering()

"""Sound by formula, tags in every script, files of every format, and ffprobe as the other reader."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from angen.audio import Audio
from angen.export import AiMark, ReplayGain, Tags, TimedLine, draw_cover, parse_formats
from angen.export.encoding import encode

SPECS = ("wav16", "wav24", "wav32f", "flac16", "flac", "mp3", "mp3:v2", "ogg", "opus", "m4a")
SCRIPTS = {
    "cyrillic": "Ночная песня",
    "chinese": "夜曲 與月亮",
    "arabic": "أغنية الليل",
    "hebrew": "שיר לילה",
    "emoji": "🎵🎹 e\u0301 👩‍🎤",
    "quotes": "a=b; \"c\" & <d> 'e' \\ /f",
}


def noise(seconds: float = 1.2, channels: int = 2, rate_hz: int = 44100, seed: int = 0) -> Audio:
    """A tone in noise, within ±0.5."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    hiss = np.random.default_rng(seed).uniform(-0.1, 0.1, (channels, len(time_s)))
    return Audio((0.4 * np.sin(2 * np.pi * 330 * time_s) + hiss).astype(np.float32), rate_hz)


def full_tags(text: str = "Ночная песня", **changes: Any) -> Tags:
    """Tags with every field set."""
    values: dict[str, Any] = {
        "title": text, "artist": f"{text} 2", "album": f"{text} 3", "album_artist": f"{text} 4",
        "genre": "calypso", "date": "2026-11-22", "key": "F# minor", "comment": f"{text}\nsecond line",
        "copyright": "© 2026", "licence": "CC-BY-NC-SA-4.0", "language": "rus", "lyrics": f"{text}\n\n{text}",
        "timed_lyrics": (TimedLine(0.5, text), TimedLine(1.25, ""), TimedLine(3723.004, f"{text} 2")),
        "bpm": 112.5, "track": 3, "tracks": 12, "non_commercial": True, "share_alike": True,
        "cover": draw_cover(text, size=64), "replay_gain": ReplayGain(-6.25, 0.987654, -7.5, 1.011),
        "ai": AiMark("Angen 0.1.0", "angen-tiny"), "extra": {"SEED": "7", "MOOD": f"{text}!"},
    }  # fmt: skip
    return Tags(**values | changes)


@pytest.fixture(scope="session")
def bare() -> Callable[[str], bytes]:
    """The bytes of a short untagged file: `bare("mp3")`. M4A is skipped where there is no ffmpeg."""
    made: dict[str, bytes] = {}

    def make(spec: str) -> bytes:
        if spec.startswith("m4a"):
            needs("ffmpeg")
        if spec not in made:
            made[spec] = encode(noise(), parse_formats(spec)[0])
        return made[spec]

    return make


def needs(program: str) -> str:
    """Skip where a program is not installed."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


def decoded(data: bytes) -> NDArray[np.int32]:
    """The sound of a file as libsndfile decodes it."""
    return soundfile.read(io.BytesIO(data), dtype="int32", always_2d=True)[0]


def decoded_by_ffmpeg(path: Path) -> bytes:
    """The sound of a file as ffmpeg decodes it."""
    words = [needs("ffmpeg"), "-v", "error", "-i", str(path), "-map", "0:a", "-f", "f32le", "-"]
    return subprocess.run(words, check=True, capture_output=True).stdout


def probed(path: Path) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """What ffprobe says of a file: its tags with upper-case keys, and its streams."""
    words = [needs("ffprobe"), "-v", "error", "-show_format", "-show_streams", "-of", "json", str(path)]
    done = subprocess.run(words, check=True, capture_output=True)
    assert done.stderr == b"", done.stderr
    found = json.loads(done.stdout)
    sound = next(stream for stream in found["streams"] if stream["codec_type"] == "audio")
    tags = {**found["format"].get("tags", {}), **sound.get("tags", {})}
    return {key.upper(): value for key, value in tags.items()}, found["streams"]

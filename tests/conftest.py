"""What every room's tests may ask for: sounds made by formula, a second meter, a workspace of their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray

from angen.audio import Audio, write_audio

SongWriter = Callable[..., Path]

# A busy machine is no fault: no property fails for having taken long. CI draws the same examples each time.
settings.register_profile(
    "angen",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
settings.load_profile("angen")


def composed(
    seconds: float, *, seed: int = 0, bpm: float = 112.0, rate_hz: int = 22050, channels: int = 1
) -> NDArray[np.float64]:
    """Chords of C major on every beat, a kick and a snare; shape (samples, channels), within ±0.8."""
    generator = np.random.default_rng(seed)
    total = int(seconds * rate_hz)
    sound = np.zeros(total + rate_hz)
    time_s = np.arange(rate_hz // 4) / rate_hz
    decay = np.exp(-12 * time_s)
    for beat in range(int(seconds * bpm / 60)):
        at = int(beat * 60 / bpm * rate_hz)
        for step in generator.choice([0, 2, 4, 5, 7, 9, 11], 3, replace=False):
            sound[at : at + len(decay)] += 0.1 * decay * np.sin(2 * np.pi * 261.6 * 2 ** (step / 12) * time_s)
        if beat % 2:
            sound[at : at + len(decay)] += 0.1 * decay * generator.standard_normal(len(decay))
        else:
            sound[at : at + len(decay)] += 0.3 * decay * np.sin(2 * np.pi * 60 * time_s)
    sound = sound[:total] + 1e-4 * generator.standard_normal(total)
    return np.stack([sound / np.abs(sound).max() * 0.8] * channels, axis=1)


def tone(hz: float, peak: float, seconds: float = 2.0, *, channels: int = 2, rate_hz: int = 48_000) -> Audio:
    """A sine, the same on every channel."""
    wave = peak * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)
    return Audio(np.tile(wave, (channels, 1)).astype(np.float32), rate_hz)


def wav_chunks(data: bytes) -> list[bytes]:
    """Names of a WAV file's chunks, in order."""
    names, at = [], 12
    while at < len(data):
        names.append(data[at : at + 4])
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
    return names


def music(seconds: float = 6.0, *, channels: int = 2, rate_hz: int = 44_100, seed: int = 0) -> Audio:
    """Noise of falling spectrum with beats, different on each channel; peak 0.5."""
    generator = np.random.default_rng(seed)
    count = round(seconds * rate_hz)
    white = np.fft.rfft(generator.standard_normal((channels + 1, count)), axis=1)
    hz = np.fft.rfftfreq(count, 1 / rate_hz)
    sound = np.fft.irfft(white / np.sqrt(np.maximum(hz, 40)) * (hz > 30), count, axis=1)
    sound = sound[:1] + 0.5 * sound[1:]
    beat = np.exp(-6 * ((np.arange(count) / rate_hz * 2) % 1))
    sound *= 0.15 + beat
    return Audio((0.5 * sound / np.abs(sound).max()).astype(np.float32), rate_hz)


def joined(*parts: Audio) -> Audio:
    return Audio(np.concatenate([part.samples for part in parts], axis=1), parts[0].rate_hz)


@pytest.fixture
def write_song() -> SongWriter:
    """Write a composed song: `write_song(path, seconds, subtype=None, **how)`."""

    def write(path: Path, seconds: float = 24.0, *, subtype: str | None = None, **how: float) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        rate_hz = int(how.get("rate_hz", 22050))
        soundfile.write(path, composed(seconds, **how), rate_hz, subtype=subtype)  # type: ignore[arg-type]
        return path

    return write


@pytest.fixture(scope="session")
def odd_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str | None]]:
    """Every kind of file that people give, by name: its path, and the type of error it meets, if any."""
    folder = tmp_path_factory.mktemp("odd files")
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (22050, 1))
    files: dict[str, tuple[Path, str | None]] = {}

    def add(name: str, sound: NDArray[np.float64], rate_hz: int = 22050, error: str | None = None) -> Path:
        subtype = "PCM_U8" if name == "eight bits.wav" else "PCM_16"
        soundfile.write(folder / name, sound, rate_hz, subtype, format="WAV")
        files[name] = (folder / name, error)
        return folder / name

    for name in ("plain.wav", "eight bits.wav", "wrong suffix.mp3", "été 歌 🎵.wav", "--json.wav"):
        add(name, noise)
    add('it\'s "quoted" & [red]odd[bold].wav', noise)
    add("high rate.wav", np.tile(noise, (5, 1)), 96000)
    add("six channels.wav", np.tile(noise, (1, 6)))
    add("short.wav", noise[:4410])
    add("silence.wav", np.zeros((22050, 2)), error="audio-silent")
    cut = add("cut.wav", noise, error="audio-truncated")
    cut.write_bytes(cut.read_bytes()[:9000])
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("these are words, not sound\n" * 40)
    (folder / "a folder.wav").mkdir()
    return files | {
        "empty.wav": (folder / "empty.wav", "audio-empty"),
        "text.wav": (folder / "text.wav", "audio-unreadable"),
        "a folder.wav": (folder / "a folder.wav", "audio-not-a-file"),
        "nowhere": (folder / ".." / "nowhere.wav", "audio-missing"),
    }


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The workspace of this test, not yet made."""
    home = tmp_path / "workspace"
    monkeypatch.setenv("ANGEN_HOME", str(home))
    return home


@pytest.fixture
def ffmpeg_levels(tmp_path: Path) -> Callable[..., dict[str, float]]:
    """`ffmpeg_levels(audio, bit_depth=24)`: what ffmpeg's ebur128 says of its file."""
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("ffmpeg is not installed: it is the second opinion here")

    def levels(audio: Audio, bit_depth: int = 32) -> dict[str, float]:
        path = tmp_path / "sound.wav"
        write_audio(path, audio, bit_depth=bit_depth)
        words = [program, "-hide_banner", "-nostats", "-i", str(path), "-af"]
        words += ["ebur128=peak=true:metadata=1,ametadata=print:file=-", "-f", "null", "-"]
        told = subprocess.run(words, capture_output=True, text=True, check=True)

        def series(key: str) -> list[float]:
            values = re.findall(rf"r128\.{key}=(\S+)", told.stdout)
            return [float(value) for value in values if value != "nan"]

        peak = re.findall(r"Peak:\s+(\S+) dBFS", told.stderr)[-1]
        return {
            "integrated": series("I")[-1],
            "momentary": max(series("M")),
            "short_term": max(series("S")),
            "range": series("LRA")[-1],
            "true_peak": float(peak),
        }

    return levels

"""Sound to the bytes of a file without tags: the same sound, format and seed give the same bytes.

Whole numbers hold ±1 as ±2^(bits - 1), as `read_audio` reads them. Sixteen bits get TPDF dither (Lipshitz,
Wannamaker and Vanderkooy, "Quantization and dither", JAES 40(5), 1992) unless the samples are sixteen-bit
numbers already. MP3, Vorbis and Opus come from libsndfile's encoders, AAC from ffmpeg.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from angen.audio import Audio
from angen.errors import ExportError
from angen.export.formats import Format
from angen.export.riff import check_size, wav_bytes

BLOCK_SAMPLES = 65536  # libsndfile's Vorbis encoder overflows its stack on long writes
FFMPEG_TIMEOUT_S = 3600
_KINDS = {
    ".flac": ("FLAC", ""),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
}


def encode(audio: Audio, kind: Format, *, dither_seed: int = 0) -> bytes:
    """A file of this sound.

    Args:
        audio: Beyond ±1 it is clamped, except in `wav32f`. Resampled where the format needs another rate.
        kind: Format and its knob.
        dither_seed: Of the dither of 16-bit formats.

    Raises:
        ExportError: If a sample is NaN or infinite, the format cannot hold so many channels or this rate, or
            ffmpeg is needed and missing.
    """
    if audio.channels > kind.most_channels:
        raise ExportError(
            f"{kind.name} holds {kind.most_channels} channels, and this has {audio.channels}.",
            remedy="Mix it down to stereo, or write wav24.",
        )
    if kind.suffix == ".wav":
        check_size(audio.samples.size * kind.bits // 8 + 2**20)
    if not np.isfinite(audio.samples).all():
        raise ExportError("Some samples are not numbers (NaN or infinite).", remedy="Make the sound again.")
    rate_hz = kind.rate_for(audio.rate_hz)
    audio = audio.resampled(rate_hz, quality="VHQ")
    if kind.suffix == ".wav":
        return wav_bytes(stored(audio, kind.bits, dither_seed=dither_seed), rate_hz, kind.bits)
    if kind.suffix == ".m4a":
        return _aac(audio, kind)
    return _by_libsndfile(audio, kind, dither_seed)


def stored(audio: Audio, bits: int, *, dither_seed: int = 0) -> NDArray[np.int32] | NDArray[np.float32]:
    """Samples as a file of so many bits holds them: whole numbers, or for 32 bits the samples themselves."""
    if bits == 32:
        return audio.samples
    full_scale = 2 ** (bits - 1)
    whole = np.empty(audio.samples.shape, np.int32)
    is_exact = bits != 16 or _on_grid(audio.samples, full_scale)
    random = np.random.default_rng(dither_seed)
    for first in range(0, audio.samples.shape[1], BLOCK_SAMPLES):
        part = audio.samples[:, first : first + BLOCK_SAMPLES].astype(np.float64) * full_scale
        if not is_exact:
            part += random.random(part.shape) - random.random(part.shape)
        whole[:, first : first + BLOCK_SAMPLES] = np.clip(np.rint(part), -full_scale, full_scale - 1)
    return whole


def _on_grid(samples: NDArray[np.float32], full_scale: int) -> bool:
    scaled = samples * np.float32(full_scale)
    return bool(np.array_equal(scaled, np.rint(scaled)))


def _by_libsndfile(audio: Audio, kind: Format, dither_seed: int) -> bytes:
    format_name, subtype = _KINDS[kind.suffix]
    sound: NDArray[np.int32] | NDArray[np.float32] = np.clip(audio.samples, -1, 1)
    if kind.is_lossless:
        subtype = f"PCM_{kind.bits}"
        sound = stored(audio, kind.bits, dither_seed=dither_seed).astype(np.int32) << (32 - kind.bits)
    level, mode = _compression(kind, audio)
    memory = io.BytesIO()
    try:
        with soundfile.SoundFile(
            memory, "w", audio.rate_hz, audio.channels, subtype, None, format_name,
            compression_level=level, bitrate_mode=mode,
        ) as file:  # fmt: skip
            for first in range(0, sound.shape[1], BLOCK_SAMPLES):
                file.write(np.ascontiguousarray(sound[:, first : first + BLOCK_SAMPLES].T))
    except soundfile.LibsndfileError as error:
        raise ExportError(
            f"{kind.name} cannot hold {audio.channels} channels at {audio.rate_hz} Hz ({error.error_string.strip()}).",
            remedy="Write wav24, or resample to 44100 or 48000 Hz and mix down to stereo.",
        ) from error
    return memory.getvalue()


def _compression(kind: Format, audio: Audio) -> tuple[float | None, str | None]:
    """Libsndfile's one scale for all encoders, 0 (largest file) to 1, and its bit rate mode."""
    if kind.suffix == ".ogg":
        return 1 - kind.value / 10, None
    if kind.suffix == ".opus":  # it maps 1 to 6 and 0 to 256 kbps a channel
        return 1 - min(max((kind.value / audio.channels - 6) / 250, 0.0), 1.0), None
    if kind.suffix == ".mp3":
        if kind.is_variable:
            return kind.value / 10, "VARIABLE"
        low, high = (32, 320) if audio.rate_hz >= 32_000 else (8, 160)  # MPEG-1, MPEG-2
        return (high - min(kind.value, high)) / (high - low), "CONSTANT"
    return 0.6, None  # FLAC: smaller files cost time out of proportion


def _aac(audio: Audio, kind: Format) -> bytes:
    """AAC in an M4A file, by ffmpeg."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise ExportError(
            "M4A is encoded by ffmpeg, which is not installed.",
            remedy="Install ffmpeg, or export to opus or mp3.",
        )
    sound = np.ascontiguousarray(np.clip(audio.samples, -1, 1).T, "<f4").tobytes()
    source = ["-f", "f32le", "-ar", str(audio.rate_hz), "-ac", str(audio.channels), "-i", "pipe:0"]
    coder = [
        "-c:a",
        "aac",
        "-b:a",
        f"{kind.value:g}k",
        "-map_metadata",
        "-1",
        "-fflags",
        "+bitexact",
        "-flags:a",
        "+bitexact",
    ]
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "sound.m4a"
        try:
            done = subprocess.run(
                [program, "-nostdin", "-v", "error", *source, *coder, "-f", "ipod", str(made)],
                input=sound, capture_output=True, timeout=FFMPEG_TIMEOUT_S, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ExportError(
                f"ffmpeg did not encode the sound: {error}.", remedy="Export to opus or mp3."
            ) from error
        if done.returncode != 0 or not made.is_file():
            reason = done.stderr.decode("utf-8", "replace").strip()[-300:] or f"code {done.returncode}"
            raise ExportError(
                f"ffmpeg could not encode the sound: {reason}.", remedy="Export to opus or mp3."
            )
        return made.read_bytes()

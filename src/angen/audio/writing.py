"""Recordings to files, atomically: a reader sees the old file or the whole new one.

Integer formats hold ±1 as ±2^(bits - 1), so that what was read from such a file is written back bit for bit.
There is no dither. Samples beyond ±1 are clamped there and in the lossy formats; 32-bit WAV is floating point
and keeps them. The same sound is the same bytes, except in Ogg, whose streams have random numbers.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from angen.audio.record import Audio
from angen.errors import AudioError
from angen.files import atomic_path

BLOCK_SAMPLES = 65536  # libsndfile's Vorbis encoder overflows its stack on long writes
_ADD_PEAK_CHUNK = 0x1050  # SFC_SET_ADD_PEAK_CHUNK of libsndfile's sf_command

_SUBTYPES = {
    (".wav", 16): ("WAV", "PCM_16"),
    (".wav", 24): ("WAV", "PCM_24"),
    (".wav", 32): ("WAV", "FLOAT"),
    (".flac", 16): ("FLAC", "PCM_16"),
    (".flac", 24): ("FLAC", "PCM_24"),
    **{(".ogg", bits): ("OGG", "VORBIS") for bits in (16, 24, 32)},
    **{(".mp3", bits): ("MP3", "MPEG_LAYER_III") for bits in (16, 24, 32)},
}


def write_audio(path: str | Path, audio: Audio, *, bit_depth: int = 16) -> None:
    """Write a recording; its suffix chooses the format.

    Args:
        path: Name ending in `.wav`, `.flac`, `.ogg` (Vorbis) or `.mp3`. Missing folders are made.
        audio: The recording. Beyond ±1 it is clamped, except in a 32-bit WAV.
        bit_depth: 16 or 24 (integers), or 32 (floating point, WAV only). Lossy formats have no bit depth.

    Raises:
        AudioError: If the suffix or the bit depth is not one of these, a sample is NaN or infinite, or the
            format cannot hold this rate or number of channels, or the disk refuses. What stood at `path` is
            untouched then.
    """
    path = Path(path)
    kind = _SUBTYPES.get((path.suffix.lower(), bit_depth))
    if kind is None:
        raise AudioError(
            path,
            f"cannot write the suffix {path.suffix!r} with {bit_depth} bits.",
            remedy="Use .wav (16, 24, 32 bits), .flac (16, 24), .ogg or .mp3.",
        )
    if not np.isfinite(audio.samples).all():
        raise AudioError(
            path,
            "some samples are not numbers (NaN or infinite).",
            remedy="Look for a fault in the making of the sound.",
        )
    try:
        # The file is opened here, not by libsndfile: any name will do, and the system tells what it refuses.
        with (
            atomic_path(path) as temporary,
            temporary.open("w+b") as handle,
            _opened(path, handle, audio, *kind) as sound,
        ):
            leave_time_out(sound)
            for first in range(0, audio.samples.shape[1], BLOCK_SAMPLES):
                sound.write(_stored(audio.samples[:, first : first + BLOCK_SAMPLES].T, kind[1]))
    except (OSError, soundfile.LibsndfileError) as error:
        raise AudioError(
            path,
            f"it cannot be written: {getattr(error, 'strerror', None) or error}.",
            remedy="Check the folder's permissions and the space on the disk.",
        ) from error


def leave_time_out(sound: soundfile.SoundFile) -> None:
    """Keep the clock out of a floating-point WAV: libsndfile notes the loudest sample there, and when.

    Args:
        sound: Open for writing, nothing written yet. soundfile has no function of its own for this.
    """
    soundfile._snd.sf_command(sound._file, _ADD_PEAK_CHUNK, soundfile._ffi.NULL, 0)


def _opened(
    path: Path, handle: BinaryIO, audio: Audio, format_name: str, subtype: str
) -> soundfile.SoundFile:
    try:
        return soundfile.SoundFile(handle, "w", audio.rate_hz, audio.channels, subtype, None, format_name)
    except soundfile.LibsndfileError as error:
        raise AudioError(
            path,
            f"{format_name} cannot hold {audio.channels} channels at {audio.rate_hz} Hz.",
            remedy="Write .wav, or resample to 44100 or 48000 Hz and mix down to stereo.",
        ) from error


def _stored(samples: NDArray[np.float32], subtype: str) -> NDArray[np.generic]:
    """Samples as libsndfile should store them, in its order (samples, channels).

    The scale is applied here because libsndfile writes with 2^15 - 1 and reads with 2^15.
    """
    if subtype == "FLOAT":
        return np.ascontiguousarray(samples)
    if subtype == "PCM_16":
        return _integers(samples, 16).astype(np.int16)
    if subtype == "PCM_24":
        return _integers(samples, 24) << 8
    return np.asarray(np.clip(samples, -1.0, 1.0))


def _integers(samples: NDArray[np.float32], bits: int) -> NDArray[np.int32]:
    full_scale = 2 ** (bits - 1)
    scaled = np.rint(np.clip(samples, -1.0, 1.0) * np.float32(full_scale))
    return np.asarray(np.minimum(scaled, full_scale - 1).astype(np.int32))

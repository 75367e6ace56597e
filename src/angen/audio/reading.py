"""Recordings from files: any container and coding libsndfile knows, read whole, refused with a reason.

A file is recognised by its content, never by its name, and headerless data is never guessed at.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from angen.audio.containers import check_complete, first_bytes_kind, with_streamed_size
from angen.audio.record import Audio
from angen.errors import (
    AudioError,
    EmptyFileError,
    MissingFileError,
    NotAFileError,
    SilentAudioError,
    TooShortError,
    TruncatedAudioError,
    UnreadableAudioError,
)

SILENCE_PEAK = 1e-3  # -60 dBFS
IMPLAUSIBLE_PEAK = 100.0  # +40 dBFS: not sound in ±1, but integers stored as floats
MOST_VALUES = 2**32  # 16 GiB of float32; a header that claims more is not believed
BLOCK_SAMPLES = 65536
CONVERT = "Convert it to WAV or FLAC, for example with `ffmpeg -i INPUT OUTPUT.wav`."


def read_audio(path: str | Path, *, min_duration_s: float = 0.0) -> Audio:
    """Read a whole recording.

    Args:
        path: WAV (8 to 32 bits, float), FLAC, MP3, Ogg Vorbis, Opus, AIFF, CAF and whatever else libsndfile
            reads; any rate, any number of channels, any suffix.
        min_duration_s: The least length that is of use.

    Returns:
        The recording at its own rate. Floating point files may go beyond ±1.

    Raises:
        MissingFileError: If there is nothing at `path`.
        NotAFileError: If it is a folder or a device.
        EmptyFileError: If it has no bytes, or no samples.
        UnreadableAudioError: If it is not sound, damaged, or holds numbers that are no sound (NaN, infinity,
            or a hundred times full scale).
        TruncatedAudioError: If it ends before its own header says so.
        SilentAudioError: If nothing in it exceeds -60 dBFS, or all of it is one constant.
        TooShortError: If it is shorter than `min_duration_s`.
    """
    path = Path(path)
    size = _file_size(path)
    try:
        with path.open("rb", buffering=0) as handle:
            check_complete(path, handle, size)
            audio = _decoded(path, handle, size)
    except OSError as error:
        raise UnreadableAudioError(
            path,
            f"it cannot be read: {error.strerror or error}.",
            remedy="Check its permissions and the disk.",
        ) from error
    _check_heard(path, audio)
    if audio.duration_s < min_duration_s:
        raise TooShortError(
            path,
            f"it lasts {audio.duration_s:.2f} s; at least {min_duration_s:g} s are needed.",
            remedy="Leave it out or give a longer recording.",
        )
    return audio


def _file_size(path: Path) -> int:
    """Bytes of a regular file that has some."""
    try:
        status = path.stat()
    except PermissionError as error:
        raise UnreadableAudioError(
            path, "its folder may not be opened.", remedy="Check the permissions of the folder."
        ) from error
    except (
        OSError,
        ValueError,
    ) as error:  # not there, a name too long, a zero byte in the name, links in a ring
        raise MissingFileError(
            path, "there is no such file.", remedy="Check the name and the folder."
        ) from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a device, pipe or socket"
        raise NotAFileError(path, f"this is {kind}, not a sound file.", remedy="Give a file.")
    if status.st_size == 0:
        raise EmptyFileError(path, "the file has 0 bytes.", remedy="Export or download it again.")
    return status.st_size


def _decoded(path: Path, handle: BinaryIO, size: int) -> Audio:
    try:
        return _decoded_from(path, handle)
    except EmptyFileError:
        streamed = with_streamed_size(handle, size)
        if streamed is None:
            raise
        return _decoded_from(path, streamed)


def _decoded_from(path: Path, handle: BinaryIO) -> Audio:
    try:
        sound = _opened(handle)
    except soundfile.LibsndfileError as error:
        handle.seek(0)
        kind = first_bytes_kind(handle.read(512))
        raise UnreadableAudioError(
            path, f"not readable as sound; it looks like {kind}.", remedy=CONVERT
        ) from error
    with sound:
        samples, problem = _samples_of(path, sound)
        frames, format_name, rate_hz = sound.frames, sound.format, sound.samplerate
    got = samples.shape[1]
    if problem and _end_decodes(handle, frames):
        raise UnreadableAudioError(
            path,
            f"it is damaged {got / rate_hz:.1f} s after its start ({problem}).",
            remedy="Copy or export it again.",
        )
    # An MP3 header counts the encoder's padding, and some Ogg encoders round the last page up to a whole packet.
    tolerance = {"MP3": max(0.5 * rate_hz, 0.02 * frames), "OGG": 0.1 * rate_hz}.get(format_name, 0)
    if problem or frames - got > tolerance:
        raise TruncatedAudioError(
            path,
            f"its header promises {frames / rate_hz:.1f} s of sound, {got / rate_hz:.1f} s can be decoded.",
            remedy="Copy or download it again.",
        )
    if got == 0:
        raise EmptyFileError(path, "it is a sound file without a single sample.", remedy="Export it again.")
    return Audio(samples, rate_hz)


def _opened(handle: BinaryIO) -> soundfile.SoundFile:
    """Open by file descriptor: no name that could suggest a headerless format or trouble an encoding."""
    handle.seek(0)
    try:
        descriptor = handle.fileno()
    except OSError:  # a copy in memory
        return soundfile.SoundFile(handle)
    return soundfile.SoundFile(descriptor, closefd=False)


def _samples_of(path: Path, sound: soundfile.SoundFile) -> tuple[NDArray[np.float32], str]:
    """All samples that can be decoded, shape (channels, samples), and what stopped the decoder, if any."""
    if sound.frames * sound.channels > MOST_VALUES:
        raise UnreadableAudioError(
            path,
            "its header gives no length, or one that does not fit into memory.",
            remedy="Convert it to WAV, or cut it into shorter files.",
        )
    samples = np.empty((sound.channels, sound.frames), np.float32)
    block = np.empty((BLOCK_SAMPLES, sound.channels), np.float32)
    done, problem = 0, ""
    while done < sound.frames:
        try:
            part = sound.read(BLOCK_SAMPLES, dtype="float32", always_2d=True, out=block)
        except soundfile.LibsndfileError as error:
            problem = error.error_string.strip().rstrip(".").removeprefix("Error : ")
            break
        if not len(part):
            break
        samples[:, done : done + len(part)] = part.T
        done += len(part)
    return samples[:, :done], problem


def _end_decodes(handle: BinaryIO, frames: int) -> bool:
    """Whether the last sample can be decoded: a file damaged in its midst still ends, a cut one does not."""
    try:
        with _opened(handle) as sound:
            sound.seek(frames - 1)
            return len(sound.read(1, dtype="float32")) == 1
    except soundfile.LibsndfileError:
        return False


def _check_heard(path: Path, audio: Audio) -> None:
    """Refuse what is not sound or holds none."""
    high, low = float(audio.samples.max()), float(audio.samples.min())
    peak = max(high, -low)
    problem: AudioError | None = None
    if not np.isfinite(peak):
        problem = UnreadableAudioError(
            path, "some of its samples are not numbers (NaN or infinite).", remedy="Export it again."
        )
    elif peak > IMPLAUSIBLE_PEAK:
        problem = UnreadableAudioError(
            path,
            f"its samples reach {peak:.0f} where full scale is 1: integers stored as floating point?",
            remedy="Export it again, scaled to ±1.",
        )
    elif peak < SILENCE_PEAK or high - low < SILENCE_PEAK:
        level = f"its peak is {20 * np.log10(peak):.0f} dBFS" if peak else "every sample is 0"
        problem = SilentAudioError(
            path,
            f"nothing is to be heard: {level}, expected above -60.",
            remedy="Check the recording's level.",
        )
    if problem:
        raise problem

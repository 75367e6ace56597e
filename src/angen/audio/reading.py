"""Recordings from files: any container and coding libsndfile knows, read whole, refused with a reason.

A file is recognised by its content, never by its name, and headerless data is never guessed at.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

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
    TooLongError,
    TooShortError,
    TruncatedAudioError,
    UnreadableAudioError,
)

SILENCE_PEAK = 1e-3  # -60 dBFS
IMPLAUSIBLE_PEAK = 100.0  # +40 dBFS: not sound in ±1, but integers stored as floats
MOST_VALUES = 2**32  # 16 GiB of float32; a header that claims more is not believed
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 1000, 1_000_000
BLOCK_SAMPLES, BLOCK_VALUES = 65536, 2**22  # decoded at a time
T = TypeVar("T")
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
            samples, facts = _decoded(path, handle, size, _samples_of)
    except OSError as error:
        raise _not_to_be_read(path, error) from error
    audio = Audio(samples, facts.rate_hz)
    _check_heard(path, float(samples.min()), float(samples.max()))
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


@dataclass(frozen=True)
class SoundFacts:
    """What a sound file says of itself.

    Attributes:
        duration_s: Seconds.
        rate_hz: Samples a second.
        channels: How many.
        format: Of the file, as libsndfile calls it: "WAV", "FLAC", "MP3", "OGG".
    """

    duration_s: float
    rate_hz: int
    channels: int
    format: str


def read_facts(path: str | Path) -> SoundFacts | None:
    """What the header of a sound file says, nothing decoded; None where it cannot be read as sound."""
    try:
        _file_size(Path(path))  # a pipe would be waited for
        with Path(path).open("rb", buffering=0) as handle, _opened(handle) as sound:
            duration_s = sound.frames / sound.samplerate
            return SoundFacts(duration_s, sound.samplerate, sound.channels, sound.format)
    except (OSError, AudioError, soundfile.LibsndfileError):
        return None


def check_audio(
    path: str | Path,
    *,
    max_duration_s: float = float("inf"),
    take: Callable[[NDArray[np.float32], int], None] | None = None,
) -> SoundFacts:
    """Read a recording to its end without keeping it, and refuse what `read_audio` would refuse.

    Memory does not grow with its length.

    Args:
        path: As for `read_audio`.
        max_duration_s: A header that promises more is refused before anything is decoded.
        take: Given each block of samples, (samples, channels), and the rate, in order; a block is not kept after.
            It may have been given much when an error is raised.

    Raises:
        TooLongError: If it lasts longer than `max_duration_s`.
        AudioError: As `read_audio`.
    """
    path = Path(path)
    size = _file_size(path)
    heard = _Range()

    def hand_on(rate_hz: int, start: int, part: NDArray[np.float32]) -> None:
        heard.add(start, part)
        if take is not None and np.isfinite(heard.high) and np.isfinite(heard.low):
            take(part, rate_hz)

    def keep(sound: soundfile.SoundFile) -> tuple[None, int, str]:
        if sound.frames > max_duration_s * sound.samplerate:
            raise TooLongError(
                path,
                f"it lasts {sound.frames / sound.samplerate:.0f} s; at most {max_duration_s:g} s are taken.",
                remedy="Cut it into shorter files.",
            )
        return None, *_each_block(sound, partial(hand_on, sound.samplerate))

    try:
        with path.open("rb", buffering=0) as handle:
            check_complete(path, handle, size)
            _, facts = _decoded(path, handle, size, keep)
    except OSError as error:
        raise _not_to_be_read(path, error) from error
    _check_heard(path, heard.low, heard.high)
    return facts


class _Range:
    """The least and the greatest sample; NaN once there was one."""

    def __init__(self) -> None:
        self.low, self.high = float("inf"), float("-inf")

    def add(self, start: int, part: NDArray[np.float32]) -> None:
        # np.minimum keeps a NaN, as the built-in min would not
        self.low = float(np.minimum(self.low, part.min()))
        self.high = float(np.maximum(self.high, part.max()))


def _not_to_be_read(path: Path, error: OSError) -> UnreadableAudioError:
    return UnreadableAudioError(
        path,
        f"it cannot be read: {error.strerror or error}.",
        remedy="Check its permissions and the disk.",
    )


def _decoded(
    path: Path, handle: BinaryIO, size: int, decode: Callable[[soundfile.SoundFile], tuple[T, int, str]]
) -> tuple[T, SoundFacts]:
    try:
        return _decoded_from(path, handle, decode)
    except EmptyFileError:
        streamed = with_streamed_size(handle, size)
        if streamed is None:
            raise
        return _decoded_from(path, streamed, decode)


def _decoded_from(
    path: Path, handle: BinaryIO, decode: Callable[[soundfile.SoundFile], tuple[T, int, str]]
) -> tuple[T, SoundFacts]:
    """What `decode` makes of a sound file, if it could be decoded to its end."""
    try:
        sound = _opened(handle)
    except soundfile.LibsndfileError as error:
        handle.seek(0)
        kind = first_bytes_kind(handle.read(512))
        raise UnreadableAudioError(
            path, f"not readable as sound; it looks like {kind}.", remedy=CONVERT
        ) from error
    with sound:
        if not 0 <= sound.frames * sound.channels <= MOST_VALUES:
            raise UnreadableAudioError(
                path,
                "its header gives no length, or one that does not fit into memory.",
                remedy="Convert it to WAV, or cut it into shorter files.",
            )
        if not LOWEST_RATE_HZ <= sound.samplerate <= HIGHEST_RATE_HZ:
            raise UnreadableAudioError(
                path,
                f"its header says {sound.samplerate} samples a second, expected {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}.",
                remedy="Export it again.",
            )
        made, got, problem = decode(sound)
        frames, format_name, rate_hz, channels = sound.frames, sound.format, sound.samplerate, sound.channels
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
    return made, SoundFacts(got / rate_hz, rate_hz, channels, format_name)


def _opened(handle: BinaryIO) -> soundfile.SoundFile:
    """Open by file descriptor: no name that could suggest a headerless format or trouble an encoding."""
    handle.seek(0)
    try:
        descriptor = handle.fileno()
    except OSError:  # a copy in memory
        return soundfile.SoundFile(handle)
    return soundfile.SoundFile(descriptor, closefd=False)


def _samples_of(sound: soundfile.SoundFile) -> tuple[NDArray[np.float32], int, str]:
    """All samples that can be decoded, shape (channels, samples), how many, and what stopped the decoder, if any."""
    samples = np.empty((sound.channels, sound.frames), np.float32)

    def keep(start: int, part: NDArray[np.float32]) -> None:
        samples[:, start : start + len(part)] = part.T

    done, problem = _each_block(sound, keep)
    return samples[:, :done], done, problem


def _each_block(
    sound: soundfile.SoundFile, take: Callable[[int, NDArray[np.float32]], None]
) -> tuple[int, str]:
    """Decode block by block, (samples, channels) each; how many samples came, and what stopped the decoder, if any."""
    size = min(BLOCK_SAMPLES, max(1, BLOCK_VALUES // sound.channels))
    block = np.empty((size, sound.channels), np.float32)
    done = 0
    while done < sound.frames:
        try:
            part = sound.read(size, dtype="float32", always_2d=True, out=block)
        except soundfile.LibsndfileError as error:
            return done, error.error_string.strip().rstrip(".").removeprefix("Error : ")
        if not len(part):
            break
        take(done, part)
        done += len(part)
    return done, ""


def _end_decodes(handle: BinaryIO, frames: int) -> bool:
    """Whether the last sample can be decoded: a file damaged in its midst still ends, a cut one does not."""
    try:
        with _opened(handle) as sound:
            sound.seek(frames - 1)
            return len(sound.read(1, dtype="float32")) == 1
    except (soundfile.LibsndfileError, ValueError):  # ValueError: a damaged MP3 may stand behind its own end
        return False


def _check_heard(path: Path, low: float, high: float) -> None:
    """Refuse what is not sound or holds none, by its least and its greatest sample."""
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

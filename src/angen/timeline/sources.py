"""The recordings behind a project: looked at once, watched for change, and read in any part at the project's rate.

A lossless file that has the project's rate is read where it is. Any other is decoded and resampled once, from its
beginning to its end, into a file of the cache named by its content and the rate; so what a clip plays never
depends on how a render is cut into blocks, and a second render costs nothing more. Both ways only the samples asked
for are in memory.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from angen.audio.containers import check_complete, first_bytes_kind
from angen.errors import (
    AngenError,
    EmptyFileError,
    MissingFileError,
    NotAFileError,
    TimelineError,
    TruncatedAudioError,
    UnreadableAudioError,
)
from angen.files import atomic_path, content_hash, free_bytes
from angen.progress import Progress, ProgressCallback, no_progress
from angen.timeline.records import Project, Source

BLOCK = 65_536
MOST_OPEN = 64  # files open at once
EXACT_SEEK = {"WAV", "WAVEX", "W64", "RF64", "AIFF", "CAF", "AU", "FLAC"}
EXACT_SUBTYPES = ("PCM_", "FLOAT", "DOUBLE")
CONVERT = "Convert it to a mono or stereo WAV or FLAC."


def scan_source(path: Path, *, relative_to: Path | None = None) -> Source:
    """Look a recording through: that it is whole, how long it is to the sample, and its hash.

    Args:
        path: The file; one or two channels.
        relative_to: The project's folder: a file in it is named relative to it, so the folder can be moved.

    Raises:
        AudioError: If it is missing, no sound, damaged, empty, or has more than two channels.
    """
    path = path.expanduser().absolute()
    if not path.exists():
        raise MissingFileError(path, "there is no such file.", remedy="Check the name and the folder.")
    if not path.is_file():
        raise NotAFileError(path, "this is no file.", remedy="Give a sound file.")
    size = path.stat().st_size
    if size == 0:
        raise EmptyFileError(path, "the file has 0 bytes.", remedy="Export or download it again.")
    with path.open("rb") as handle:
        check_complete(path, handle, size)
    with _opened(path) as sound:
        if sound.channels > 2:
            raise UnreadableAudioError(path, f"it has {sound.channels} channels.", remedy=CONVERT)
        samples = sum(len(block) for block in _blocks(path, sound))
        if sound.format != "MP3" and samples < sound.frames:
            raise TruncatedAudioError(
                path, f"{samples} of {sound.frames} samples can be read.", remedy="Copy or download it again."
            )
        rate_hz, channels = sound.samplerate, sound.channels
    if any("\ud800" <= letter <= "\udfff" for letter in str(path)):
        raise UnreadableAudioError(path, "its name is no text.", remedy="Rename it.")
    if samples == 0:
        raise EmptyFileError(path, "it holds no samples.", remedy="Export it again.")
    named = path
    if relative_to is not None and path.is_relative_to(relative_to.absolute()):
        named = path.relative_to(relative_to.absolute())
    return Source(
        sha256=content_hash(path), path=named.as_posix(), rate_hz=rate_hz, channels=channels, samples=samples
    )


@contextmanager
def _opened(path: Path) -> Iterator[soundfile.SoundFile]:
    """A sound file, recognised by its content; a typed error if it is none."""
    with path.open("rb", buffering=0) as handle:
        try:
            sound = soundfile.SoundFile(handle.fileno(), closefd=False)
        except soundfile.LibsndfileError as error:
            handle.seek(0)
            kind = first_bytes_kind(handle.read(512))
            raise UnreadableAudioError(
                path, f"not readable as sound; it looks like {kind}.", remedy=CONVERT
            ) from error
        with sound:
            yield sound


def _blocks(path: Path, sound: soundfile.SoundFile) -> Iterator[NDArray[np.float32]]:
    """All of a recording from its beginning, in blocks of shape (samples, channels), checked to be numbers."""
    while True:
        try:
            block = sound.read(BLOCK, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise UnreadableAudioError(
                path, f"it is damaged ({error.error_string.strip()}).", remedy="Copy or export it again."
            ) from error
        if not len(block):
            return
        if not np.isfinite(block).all():
            raise UnreadableAudioError(
                path, "some of its samples are not numbers (NaN or infinite).", remedy="Export it again."
            )
        yield block


@dataclass(frozen=True)
class SourceProblem:
    """A recording that is not where, or not what, the project says.

    Attributes:
        source: The recording.
        path: Where it should be.
        kind: "missing", or "changed": there is a file, with another content.
        clips: The clips that play it.
    """

    source: Source
    path: Path
    kind: Literal["missing", "changed"]
    clips: tuple[str, ...]

    def __str__(self) -> str:
        return f"{str(self.path)!r} is {self.kind} (clips {', '.join(self.clips)})"


def source_path(source: Source, folder: Path) -> Path:
    """Where a source's file is, given the project's folder."""
    return folder / source.path  # an absolute path stays what it is


def source_problems(project: Project, folder: Path) -> tuple[SourceProblem, ...]:
    """Recordings that are missing or changed. Every file is read through, about a gigabyte a second."""
    found = []
    for source in project.sources:
        path = source_path(source, folder)
        kind: Literal["missing", "changed"] | None = None
        try:
            if content_hash(path) != source.sha256:
                kind = "changed"
        except (OSError, ValueError):
            kind = "missing"
        if kind is not None:
            clips = tuple(clip.id for clip in project.clips() if clip.source == source.sha256)
            found.append(SourceProblem(source, path, kind, clips))
    return tuple(found)


def check_sources(project: Project, folder: Path) -> None:
    """Make sure that every recording is there and unchanged.

    Raises:
        TimelineError: If not; it names the files and the clips.
    """
    problems = source_problems(project, folder)
    if problems:
        raise TimelineError(
            f"Recordings of this project are not as they were: {'; '.join(map(str, problems))}.",
            remedy="Put them back, or name the files to use instead: "
            + "; ".join(
                f"angen timeline relink NAME {problem.source.sha256[:8]} FILE" for problem in problems
            ),
        )


def cached_path(source: Source, rate_hz: int, cache: Path) -> Path:
    """Where the decoded samples of a source are kept: little-endian float32, channels interleaved."""
    return cache / f"{source.sha256}-{rate_hz}.f32"


class OpenSources:
    """The recordings of a project, open for reading. Call it as `ReadSamples`; close it, or use it in a `with`.

    Args:
        project: Whose recordings; they are checked first.
        folder: The project's folder.
        cache: Folder for decoded recordings; anything in it can be made again.
        on_progress: Told of the decoding.

    Raises:
        TimelineError: If a recording is missing or changed, or the disk is too full for the cache.
        AudioError: If one is damaged.
    """

    def __init__(
        self, project: Project, folder: Path, cache: Path, *, on_progress: ProgressCallback = no_progress
    ) -> None:
        check_sources(project, folder)
        self._rate_hz = project.rate_hz
        self._sources = {source.sha256: source for source in project.sources}
        self._paths = {source.sha256: source_path(source, folder) for source in project.sources}
        self._open: OrderedDict[str, _Reader] = OrderedDict()
        self._cache = cache
        for number, source in enumerate(project.sources):
            on_progress(Progress("decoding", number, len(project.sources), Path(source.path).name))
            self._prepare(source)
        on_progress(Progress("decoding", len(project.sources), len(project.sources)))

    def __enter__(self) -> OpenSources:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __call__(self, sha256: str, first: int, count: int) -> NDArray[np.float32]:
        """Samples `first` to `first + count` of a source at the project's rate, shape (channels, count)."""
        reader = self._open.pop(sha256, None) or self._opened(sha256)
        self._open[sha256] = reader
        while len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)[1].close()
        return reader.read(first, count)

    def close(self) -> None:
        """Close all files."""
        for reader in self._open.values():
            reader.close()
        self._open.clear()

    def _prepare(self, source: Source) -> None:
        path = self._paths[source.sha256]
        if _is_direct(path, source, self._rate_hz):
            return
        target = cached_path(source, self._rate_hz, self._cache)
        size = source.length_at(self._rate_hz) * source.channels * 4
        if target.is_file() and target.stat().st_size == size:
            return
        if free_bytes(self._cache) < size + 2**20:
            raise TimelineError(
                f"The cache {str(self._cache)!r} needs {size / 2**20:.0f} MiB for {path.name!r} and has less.",
                remedy="Make space on that disk.",
            )
        with atomic_path(target) as temporary:
            _decode(path, source, self._rate_hz, temporary)

    def _opened(self, sha256: str) -> _Reader:
        source, path = self._sources[sha256], self._paths[sha256]
        if _is_direct(path, source, self._rate_hz):
            return _SoundReader(path)
        return _RawReader(cached_path(source, self._rate_hz, self._cache), source.channels)


def _is_direct(path: Path, source: Source, rate_hz: int) -> bool:
    """Whether a file can be read where it is: the project's rate, and a format whose places are exact."""
    if source.rate_hz != rate_hz:
        return False
    with _opened(path) as sound:
        return sound.format in EXACT_SEEK and sound.subtype.startswith(EXACT_SUBTYPES)


def _decode(path: Path, source: Source, rate_hz: int, target: Path) -> None:
    """Write a recording at another rate as bare samples, of exactly the length the project counts on."""
    left = source.length_at(rate_hz)
    with _opened(path) as sound, target.open("wb") as out:
        for block in _resampled(_blocks(path, sound), source, rate_hz):
            kept = block[:left]
            out.write(np.ascontiguousarray(kept, dtype="<f4").tobytes())
            left -= len(kept)
        if left > BLOCK:
            raise TruncatedAudioError(path, "it is shorter than it was.", remedy="Copy it again.")
        out.write(bytes(left * source.channels * 4))


def _resampled(
    blocks: Iterator[NDArray[np.float32]], source: Source, rate_hz: int
) -> Iterator[NDArray[np.float32]]:
    if source.rate_hz == rate_hz:
        yield from blocks
        return
    stream = soxr.ResampleStream(source.rate_hz, rate_hz, source.channels, dtype="float32", quality="VHQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros((0, source.channels), np.float32), last=True)


class _Reader(Protocol):
    """Something that gives any part of one recording."""

    def read(self, first: int, count: int) -> NDArray[np.float32]: ...

    def close(self) -> None: ...


class _SoundReader:
    """A lossless sound file of the right rate."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = path.open("rb", buffering=0)
        self._sound = soundfile.SoundFile(self._handle.fileno(), closefd=False)

    def read(self, first: int, count: int) -> NDArray[np.float32]:
        try:
            if self._sound.tell() != first:
                self._sound.seek(first)
            samples = self._sound.read(count, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise _unreadable(self._path, first) from error
        if len(samples) != count:
            raise _unreadable(self._path, first)
        return np.asarray(samples.T)

    def close(self) -> None:
        self._sound.close()
        self._handle.close()


class _RawReader:
    """Bare samples of the cache."""

    def __init__(self, path: Path, channels: int) -> None:
        self._path, self._channels = path, channels
        self._handle = path.open("rb", buffering=0)

    def read(self, first: int, count: int) -> NDArray[np.float32]:
        self._handle.seek(first * self._channels * 4)
        samples = np.fromfile(self._handle, "<f4", count * self._channels)
        if len(samples) != count * self._channels:
            raise _unreadable(self._path, first)
        return np.asarray(samples.reshape(count, self._channels).T)

    def close(self) -> None:
        self._handle.close()


def _unreadable(path: Path, first: int) -> AngenError:
    return UnreadableAudioError(
        path, f"it cannot be read at sample {first}.", remedy="Was it changed meanwhile? Try again."
    )

"""Rendered sound to WAV files, block by block: one file for the mix, or one for each track."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
from numpy.typing import NDArray

from angen.audio.writing import leave_time_out
from angen.errors import TimelineError
from angen.files import atomic_path, free_bytes, safe_name
from angen.progress import Progress, ProgressCallback, no_progress
from angen.timeline.records import Project
from angen.timeline.rendering import BLOCK, CHANNELS, ReadSamples, render, render_stems

SUBTYPES = {16: "PCM_16", 24: "PCM_24", 32: "FLOAT"}
ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the same project gives the same bytes

ShouldStop = Callable[[], bool]


def never() -> bool:
    """Do not stop."""
    return False


@dataclass(frozen=True)
class Rendered:
    """What was written.

    Attributes:
        path: The file.
        samples: Its length.
        rate_hz: Samples per second.
        peak: The largest sample before any clamping; full scale is 1.
        clipped: Samples beyond full scale, which 16 and 24 bits cannot hold and were clamped.
    """

    path: Path
    samples: int
    rate_hz: int
    peak: float
    clipped: int


class WaveWriter:
    """A WAV file that grows block by block. RF64 where the sound needs more than 4 GiB."""

    def __init__(self, path: Path, rate_hz: int, samples: int, bit_depth: int) -> None:
        if bit_depth not in SUBTYPES:
            raise TimelineError(f"A WAV of {bit_depth} bits is not made here.", remedy="Use 16, 24 or 32.")
        self._bit_depth = bit_depth
        kind = "RF64" if samples * CHANNELS * bit_depth // 8 > 2**32 - 2**16 else "WAV"
        self._sound = soundfile.SoundFile(path, "w", rate_hz, CHANNELS, SUBTYPES[bit_depth], format=kind)
        leave_time_out(self._sound)
        self.peak, self.clipped = 0.0, 0

    def write(self, block: NDArray[np.float32]) -> None:
        """Add samples of shape (2, count)."""
        size = np.abs(block)
        self.peak = max(self.peak, float(size.max(initial=0.0)))
        if self._bit_depth == 32:
            self._sound.write(np.ascontiguousarray(block.T))
            return
        self.clipped += int(np.count_nonzero(size > 1.0))
        full_scale = 2 ** (self._bit_depth - 1)  # libsndfile itself writes with one less than it reads with
        scaled = np.rint(np.clip(block, -1.0, 1.0).T * np.float64(full_scale))
        whole = np.minimum(scaled, full_scale - 1).astype(np.int32)
        self._sound.write(whole << (32 - self._bit_depth))

    def close(self) -> None:
        """Finish the file."""
        self._sound.close()


def write_mix(
    project: Project,
    read: ReadSamples,
    path: Path,
    *,
    start: int = 0,
    stop: int | None = None,
    bit_depth: int = 24,
    block: int = BLOCK,
    on_progress: ProgressCallback = no_progress,
    should_stop: ShouldStop = never,
) -> Rendered:
    """Render the mix to a stereo WAV file, whole or not at all.

    Args:
        project: What to render.
        read: Where samples of sources come from.
        path: The file, ending in `.wav`.
        start: First sample.
        stop: The sample after the last; None is the end of the project.
        bit_depth: 16, 24, or 32 (floating point, never clamped).
        block: Samples at once.
        on_progress: Told of every block.
        should_stop: Asked before every block.

    Raises:
        TimelineError: If there is nothing to render, the name is no `.wav`, or it was stopped.
    """
    stop = project.length if stop is None else stop
    _check_target(path, ".wav", stop - start, bit_depth, files=1)
    with atomic_path(path) as temporary:
        writer = WaveWriter(temporary, project.rate_hz, stop - start, bit_depth)
        try:
            done = 0
            for mix in render(project, read, start=start, stop=stop, block=block):
                _go_on(should_stop)
                writer.write(mix)
                done += mix.shape[1]
                on_progress(Progress("rendering", done, stop - start))
        finally:
            writer.close()
    return Rendered(path, stop - start, project.rate_hz, writer.peak, writer.clipped)


def write_stems(
    project: Project,
    read: ReadSamples,
    path: Path,
    *,
    bit_depth: int = 32,
    block: int = BLOCK,
    on_progress: ProgressCallback = no_progress,
    should_stop: ShouldStop = never,
) -> tuple[Rendered, ...]:
    """Render every track to its own WAV, all of the project's length, in one zip.

    A track that is muted, or not among the soloed, is silent, so that the stems always add up to the mix.

    Args:
        project: What to render.
        read: Where samples of sources come from.
        path: The archive, ending in `.zip`.
        bit_depth: 16, 24, or 32 (floating point: the sum of the stems is then exactly the mix).
        block: Samples at once.
        on_progress: Told of every block.
        should_stop: Asked before every block.

    Returns:
        One record a track, with its name in the archive as path.

    Raises:
        TimelineError: If there is nothing to render, the name is no `.zip`, or it was stopped.
    """
    length, names = project.length, stem_names(project)
    _check_target(path, ".zip", length, bit_depth, files=2 * len(names))
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=".stems-") as folder, ExitStack() as opened:
        writers = [WaveWriter(Path(folder) / name, project.rate_hz, length, bit_depth) for name in names]
        for writer in writers:
            opened.callback(writer.close)
        done = 0
        for stems in render_stems(project, read, block=block):
            _go_on(should_stop)
            for writer, stem in zip(writers, stems, strict=True):
                writer.write(stem)
            done += stems.shape[2]
            on_progress(Progress("rendering", done, length))
        opened.close()
        with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            add_files(archive, [(Path(folder) / name, name) for name in names])
    return tuple(
        Rendered(Path(name), length, project.rate_hz, writer.peak, writer.clipped)
        for name, writer in zip(names, writers, strict=True)
    )


def stem_names(project: Project) -> list[str]:
    """File names of the stems: number and name of each track, safe on every system."""
    digits = len(str(len(project.tracks)))
    return [
        f"{number:0{max(2, digits)}d}-{safe_name(track.name, fallback=track.id)}.wav"
        for number, track in enumerate(project.tracks, 1)
    ]


def add_files(archive: zipfile.ZipFile, files: Sequence[tuple[Path, str]]) -> None:
    """Store files in an archive, uncompressed, without their times."""
    for file, name in files:
        entry = zipfile.ZipInfo(name, ZIP_TIME)
        with archive.open(entry, "w", force_zip64=True) as stored, file.open("rb") as source:
            while part := source.read(2**20):
                stored.write(part)


def add_text(archive: zipfile.ZipFile, name: str, text: str) -> None:
    """Store a text in an archive, in UTF-8, without a time."""
    archive.writestr(zipfile.ZipInfo(name, ZIP_TIME), text.encode())


def _check_target(path: Path, suffix: str, samples: int, bit_depth: int, *, files: int) -> None:
    if path.suffix.lower() != suffix:
        raise TimelineError(f"{str(path)!r} is no {suffix} file.", remedy=f"End its name in {suffix}.")
    if samples <= 0:
        raise TimelineError("There is nothing to render.", remedy="Add clips, or ask for a longer stretch.")
    needed = samples * CHANNELS * bit_depth // 8 * files
    if free_bytes(path.parent) < needed + 2**20:
        raise TimelineError(
            f"{str(path)!r} needs {needed / 2**20:.0f} MiB, and its disk has less.",
            remedy="Make space, or write to another disk.",
        )


def _go_on(should_stop: ShouldStop) -> None:
    if should_stop():
        raise TimelineError("The render was stopped.", remedy="Nothing was written; start it again.")

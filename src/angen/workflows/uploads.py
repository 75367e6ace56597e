"""Recordings that are handed in: sets of them, each a folder of the workspace a person can look into.

A set is made, recordings are put into it, and its metadata, datasets and adapters follow. What comes in is not
believed: its name, its length and its size are checked, and it is decoded to its end before it is there.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from angen.audio import AUDIO_SUFFIXES, SoundFacts, check_audio, find_audio, read_facts
from angen.errors import ConflictError, TooLargeError, UploadError
from angen.files import atomic_path, content_hash, free_bytes, locked, remove_folder, safe_name
from angen.settings import Settings

SPARE_BYTES = 200_000_000
"""Of disk that stay free whatever is handed in."""


@dataclass(frozen=True)
class UploadLimits:
    """What a recording and a set may be at most.

    Attributes:
        file_bytes: Of one recording.
        duration_s: Of one recording, in seconds.
        channels: Of one recording.
        set_bytes: Of all recordings of a set.
        files: Recordings in a set.
    """

    file_bytes: int = 2_000_000_000
    duration_s: float = 3 * 3600.0
    channels: int = 8
    set_bytes: int = 50_000_000_000
    files: int = 10_000


@dataclass(frozen=True)
class Recording:
    """A recording of a set.

    Attributes:
        file: Its name in the folder of the set.
        size_bytes: Of the file.
        folder: Of the set.
    """

    file: str
    size_bytes: int
    folder: Path

    @cached_property
    def facts(self) -> SoundFacts | None:
        """What its header says, read when it is first asked for; None where it cannot be read."""
        return read_facts(self.folder / self.file)

    @property
    def duration_s(self) -> float | None:
        """Its length in seconds, as its header says."""
        return self.facts.duration_s if self.facts else None


@dataclass(frozen=True)
class RecordingSet:
    """Recordings that belong together.

    Attributes:
        name: Of the set.
        folder: Where they are.
        files: The recordings, by name.
    """

    name: str
    folder: Path
    files: list[Recording]


def create_set(settings: Settings, name: str) -> RecordingSet:
    """Make an empty set; the name is made safe for a folder.

    Raises:
        ConflictError: If there is one of that name.
        UploadError: If nothing of the name is left that could be a folder's.
    """
    safe = safe_name(name, fallback="")
    if not safe:
        raise UploadError(f"{name!r} cannot be the name of a set.", remedy="Use letters and digits.")
    folder = settings.recordings / safe
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise ConflictError(
            f"There is already a set of recordings {safe!r}.", remedy="Add to it, or choose another name."
        ) from error
    return RecordingSet(safe, folder, [])


def list_sets(settings: Settings) -> list[RecordingSet]:
    """The sets there are, by name."""
    if not settings.recordings.is_dir():
        return []
    folders = sorted(path for path in settings.recordings.iterdir() if path.is_dir())
    return [_set_in(folder) for folder in folders if not folder.name.startswith(".")]


def open_set(settings: Settings, name: str) -> RecordingSet:
    """The set of a name.

    Raises:
        UploadError: If there is none.
    """
    return _set_in(_folder(settings, name))


def add_recording(
    settings: Settings, name: str, source: Path, file_name: str, limits: UploadLimits | None = None
) -> Recording:
    """Copy a recording into a set, checked to its end.

    Args:
        settings: The workspace.
        name: Of the set.
        source: The file that was handed in; it stays.
        file_name: How its owner calls it; the folders in it are left out. Where another recording has this name
            already, a number is added; the same recording again is taken for what it is.
        limits: How large it may be.

    Raises:
        UploadError: If there is no such set, or no room on the disk.
        TooLargeError: If it is too large, too long, or the set is full.
        AudioError: If it is no sound, damaged, or silent.
    """
    limits = limits or UploadLimits()
    folder = _folder(settings, name)
    size = _size(source)
    _refuse_size(file_name, size, limits)
    facts = check_audio(source, max_duration_s=limits.duration_s)
    if facts.channels > limits.channels:
        raise TooLargeError(
            f"{file_name!r} has {facts.channels} channels; at most {limits.channels} are taken.",
            remedy="Mix it down to stereo.",
        )
    if free_bytes(folder) < size + SPARE_BYTES:
        raise UploadError(f"There is no room on the disk for {file_name!r}.", remedy="Make some.")
    digest = content_hash(source)
    with locked(folder):
        _refuse_full(name, folder, size, limits)
        target, is_there = _free_place(folder, _plain_name(file_name, facts.format), size, digest)
        if not is_there:
            with atomic_path(target) as temporary:
                shutil.copyfile(source, temporary)
    return Recording(target.name, size, folder)


def recording_path(settings: Settings, name: str, file: str) -> Path:
    """Where a recording of a set is.

    Raises:
        UploadError: If there is no such set, or no such recording in it.
    """
    opened = open_set(settings, name)
    if file not in [recording.file for recording in opened.files]:
        raise UploadError(f"There is no recording {file!r} in {name!r}.", remedy="Look at the set again.")
    return opened.folder / file


def remove_recording(settings: Settings, name: str, file: str) -> None:
    """Take a recording out of a set. Datasets that were made with it keep their own copy."""
    path = recording_path(settings, name, file)
    with locked(path.parent):
        path.unlink(missing_ok=True)


def delete_set(settings: Settings, name: str) -> None:
    """Delete a set with its recordings and their metadata; datasets that were made of it stay."""
    remove_folder(_folder(settings, name))


def _folder(settings: Settings, name: str) -> Path:
    folder = settings.recordings / name
    if not name or safe_name(name, fallback="") != name or not folder.is_dir():
        names = ", ".join(one.name for one in list_sets(settings)) or "none"
        raise UploadError(f"There is no set of recordings {name!r}.", remedy=f"There are: {names}.")
    return folder


def _set_in(folder: Path) -> RecordingSet:
    files = []
    for path in find_audio([folder]):
        try:
            size = path.stat().st_size
        except OSError:
            continue  # removed meanwhile
        files.append(Recording(path.relative_to(folder).as_posix(), size, folder))
    return RecordingSet(folder.name, folder, files)


def _size(source: Path) -> int:
    try:
        return source.stat().st_size
    except OSError as error:
        raise UploadError(f"{source.name!r} did not arrive.", remedy="Hand it in again.") from error


def _refuse_size(file_name: str, size: int, limits: UploadLimits) -> None:
    if size > limits.file_bytes:
        raise TooLargeError(
            f"{file_name!r} has {size / 1e6:.0f} MB; at most {limits.file_bytes / 1e6:.0f} MB are taken.",
            remedy="Convert it to FLAC, or cut it.",
        )


def _refuse_full(name: str, folder: Path, size: int, limits: UploadLimits) -> None:
    files = _set_in(folder).files
    if len(files) >= limits.files or sum(file.size_bytes for file in files) + size > limits.set_bytes:
        raise TooLargeError(
            f"The set {name!r} is full: {len(files)} recordings.", remedy="Put the others into another set."
        )


def _plain_name(file_name: str, sound_format: str) -> str:
    """A name of one file, as its owner has it: no folder, nothing hidden, a suffix that says sound."""
    base = Path(file_name.replace("\\", "/").rsplit("/", 1)[-1])
    suffix = base.suffix.lower()
    if suffix in AUDIO_SUFFIXES:
        return safe_name(base.stem, fallback="recording") + suffix
    return f"{safe_name(base.name, fallback='recording')}.{sound_format.lower()}"


def _free_place(folder: Path, name: str, size: int, digest: str) -> tuple[Path, bool]:
    """A path that is free, or that of the same recording; and whether it is there already."""
    stem, suffix = Path(name).stem, Path(name).suffix
    number = 1
    while True:
        path = folder / (name if number == 1 else f"{stem}-{number}{suffix}")
        if not path.exists():
            return path, False
        if path.stat().st_size == size and content_hash(path) == digest:
            return path, True
        number += 1

"""Tags of any file we write: reading them, and writing them without touching the sound."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from angen.errors import ExportError
from angen.export.flac import flac_tagged, flac_tags
from angen.export.id3 import id3_tags, mp3_tagged, tag_size
from angen.export.mp4 import mp4_tagged, mp4_tags
from angen.export.ogg import ogg_tagged, ogg_tags
from angen.export.riff import wav_tagged, wav_tags
from angen.export.tags import Tags
from angen.export.writing import write_bytes

_TAGGERS = {"wav": wav_tagged, "flac": flac_tagged, "mp3": mp3_tagged, "ogg": ogg_tagged, "mp4": mp4_tagged}


@dataclass(frozen=True)
class FoundTags:
    """The tags of a file.

    Attributes:
        container: "wav", "flac", "mp3", "ogg" or "mp4".
        tags: What could be read.
        problems: What is damaged; the tags may be incomplete then.
    """

    container: str
    tags: Tags
    problems: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {"container": self.container, "tags": self.tags.as_dict(), "problems": list(self.problems)}


def read_tags(path: str | Path) -> FoundTags:
    """Read the tags of a WAV, FLAC, MP3, Ogg Vorbis, Opus or M4A file, whatever its name.

    A damaged tag gives what is whole of it, and says so.

    Raises:
        ExportError: If the file is missing, empty or of another kind.
    """
    path = Path(path)
    try:
        with path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return tags_of(data)
    except (OSError, ValueError) as error:  # missing, a folder, empty, a zero byte in the name
        raise ExportError(
            f"The tags of {str(path)!r} cannot be read: {error}.", remedy="Give a sound file."
        ) from error
    except ExportError as error:
        raise ExportError(f"{str(path)!r}: {error.message}", remedy=error.remedy) from error


def tags_of(data: bytes | mmap.mmap) -> FoundTags:
    """The tags in the bytes of a sound file.

    Raises:
        ExportError: If it is none of the containers.
    """
    container = container_of(data)
    if container == "ogg":
        coding, tags, problems = ogg_tags(data)
        return FoundTags(coding or "ogg", tags, tuple(problems))
    readers = {"wav": wav_tags, "flac": flac_tags, "mp3": id3_tags, "mp4": mp4_tags}
    tags, problems = readers[container](data)
    return FoundTags(container, tags, tuple(problems))


def tagged(data: bytes, tags: Tags) -> bytes:
    """The file `data` with these tags and no others; its sound stays bit for bit.

    Raises:
        ExportError: If it is damaged, none of the containers, or cannot hold so much.
    """
    return _TAGGERS[container_of(data)](data, tags)


def write_tags(
    path: str | Path, tags: Tags, *, out: str | Path | None = None, overwrite: bool = False
) -> None:
    """Give a file these tags and no others, atomically; its sound stays bit for bit.

    Args:
        path: The file.
        tags: What it shall say.
        out: Where to write; None for the same place, which must be asked for by `overwrite`.
        overwrite: Whether a file that stands there may be replaced.

    Raises:
        ExportError: If it cannot be read, tagged or written.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise ExportError(f"{str(path)!r} cannot be read: {error}.", remedy="Check its name.") from error
    write_bytes(Path(out) if out else path, tagged(data, tags), overwrite=overwrite)


def container_of(data: bytes | mmap.mmap) -> str:
    """The container, by its first bytes.

    Raises:
        ExportError: If it is none we know.
    """
    head = bytes(data[:12])
    if head[:4] in (b"RIFF", b"RF64") and head[8:] == b"WAVE":
        return "wav"
    if head[:4] == b"fLaC":
        return "flac"
    if head[:4] == b"OggS":
        return "ogg"
    if head[4:8] == b"ftyp":
        return "mp4"
    if head[:3] == b"ID3":
        start = tag_size(data)
        return "flac" if data[start : start + 4] == b"fLaC" else "mp3"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06:
        return "mp3"
    raise ExportError(
        "It is no sound file whose tags we know.", remedy="Give WAV, FLAC, MP3, Ogg, Opus or M4A."
    )

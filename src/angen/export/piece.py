"""One piece to files: encoded, tagged, signed where asked, checked, and only then written."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from angen.audio import Audio
from angen.errors import ExportError
from angen.export.encoding import encode, stored
from angen.export.formats import Format
from angen.export.tagging import tagged, tags_of
from angen.export.tags import Tags
from angen.export.writing import check_free, write_bytes

Signer = Callable[[bytes, Format, Tags], tuple[bytes, str]]


@dataclasses.dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes:
        path: Where it is.
        format: Its format, as `parse_formats` reads it.
        bytes: Its size.
        sha256: Of the whole file.
        rate_hz: Of its sound.
        channels: Of its sound.
        samples: For each channel, before the padding of a lossy encoder.
        provenance: What is signed and by whom; empty if nothing is.
    """

    path: Path
    format: str
    bytes: int
    sha256: str
    rate_hz: int
    channels: int
    samples: int
    provenance: str = ""


def export_audio(
    path: str | Path,
    audio: Audio,
    kind: Format,
    tags: Tags,
    *,
    dither_seed: int = 0,
    overwrite: bool = False,
    sign: Signer | None = None,
) -> Exported:
    """Write a piece in one format with its tags.

    Args:
        path: Where to; its suffix must be the format's.
        audio: The sound.
        kind: The format.
        tags: What the file says of itself.
        dither_seed: Of the dither of 16-bit formats.
        overwrite: Whether a file that stands there may be replaced.
        sign: Adds a signed statement to the finished bytes; the last step, for it covers all others.

    Raises:
        ExportError: If the place is taken, the format cannot hold the sound, the disk refuses, or what was
            written is not what was meant. What stood at `path` is untouched then.
    """
    path = Path(path)
    if path.suffix.lower() != kind.suffix:
        raise ExportError(f"{str(path)!r} is no name for {kind.name}.", remedy=f"End it in {kind.suffix}.")
    check_free(path, overwrite=overwrite)
    data, provenance = made_file(audio, kind, tags, dither_seed=dither_seed, sign=sign)
    write_bytes(path, data, overwrite=overwrite)
    rate_hz = kind.rate_for(audio.rate_hz)
    samples = audio.samples.shape[1] if rate_hz == audio.rate_hz else round(audio.duration_s * rate_hz)
    digest = hashlib.sha256(data).hexdigest()
    return Exported(path, kind.spec, len(data), digest, rate_hz, audio.channels, samples, provenance)


def made_file(
    audio: Audio, kind: Format, tags: Tags, *, dither_seed: int = 0, sign: Signer | None = None
) -> tuple[bytes, str]:
    """The bytes of a whole file, checked, and what is signed in it."""
    data = tagged(encode(audio, kind, dither_seed=dither_seed), tags)
    provenance = ""
    if sign:
        unsigned = tags_of(data).tags
        data, provenance = sign(data, kind, tags)
        if tags_of(data).tags != unsigned:
            raise ExportError(
                f"Signing would damage the tags of the {kind.name} file.", remedy="Leave out --sign."
            )
    _check_sound(data, audio, kind, dither_seed)
    return data, provenance


def samples_sha256(audio: Audio) -> str:
    """The sha256 of the sound itself: its rate, its channels, then float32 samples, channels interleaved."""
    digest = hashlib.sha256(f"{audio.rate_hz} {audio.channels}\n".encode())
    digest.update(np.ascontiguousarray(audio.samples.T, "<f4").tobytes())
    return digest.hexdigest()


def _check_sound(data: bytes, audio: Audio, kind: Format, dither_seed: int) -> None:
    """Lossless files must decode to what was meant, lossy ones open and last as long."""
    if kind.suffix == ".m4a":
        return  # libsndfile reads none; ffmpeg reported no error
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        if kind.is_lossless:
            meant = stored(audio, kind.bits, dither_seed=dither_seed)
            if kind.bits == 32:
                same = np.array_equal(file.read(dtype="float32", always_2d=True).T, meant)
            else:
                same = np.array_equal(file.read(dtype="int32", always_2d=True).T >> (32 - kind.bits), meant)
        else:
            same = file.frames >= round(audio.duration_s * file.samplerate) - 1
    if not same:
        raise ExportError(
            f"The {kind.name} file does not hold the sound it should.", remedy="Please report this."
        )

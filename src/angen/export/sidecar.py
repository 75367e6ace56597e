"""The side-car: a JSON file beside exported music with everything needed to make it again."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from angen import __version__
from angen.errors import ExportError
from angen.export.piece import Exported
from angen.export.writing import check_free, export_errors
from angen.files import write_text

SUFFIX = ".angen.json"
LARGEST_BYTES = 64 * 2**20
LIBRARIES = ("numpy", "scipy", "soundfile", "soxr", "torch")


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SideCarFile(_Record):
    """One exported file, as `Exported` says it; `name` is relative to the side-car."""

    name: str
    format: str
    bytes: int
    sha256: str
    rate_hz: int
    channels: int
    samples: int
    provenance: str = ""


class SideCarSource(_Record):
    """The sound that was exported.

    Attributes:
        name: Its file's name.
        sha256: Of its file.
        samples_sha256: Of the sound itself, whatever its container.
        rate_hz: Samples per second.
        channels: Number of channels.
        samples: Samples of each.
    """

    name: str
    sha256: str
    samples_sha256: str
    rate_hz: int
    channels: int
    samples: int


class SideCarAdapter(_Record):
    """An adapter that acted.

    Attributes:
        name: In the workspace.
        strength: As it acted.
        sha256: Of its weights, as they were when the piece was exported; None if they were not there.
        licence: Of the recordings it learnt from.
    """

    name: str
    strength: float
    sha256: str | None = None
    licence: str | None = None


class SideCar(_Record):
    """Everything needed to make an export again.

    Attributes:
        format_version: Of this record.
        created: ISO time of the export.
        source: The sound that was exported.
        files: What was written.
        loudness_lufs: Integrated loudness; None where it has none.
        true_peak_dbtp: True peak; None for silence.
        dither_seed: Of 16-bit formats.
        tags: As written; the cover is described.
        lyrics: Plain.
        prompt: What was asked of the model.
        seed: Of the generation.
        model: Id of the base model.
        base_hash: Its sha256.
        adapters: Those that acted.
        generation: The whole request.
        mastering: Settings and measurements of mastering.
        enhancement: Settings of enhancement.
        origin: The JSON that lay beside the source, whole.
        licence: Of the music.
        non_commercial: Whether it forbids commercial use.
        share_alike: Whether it binds what is made of it.
        ai_marked: Whether the files carry the mark of machine-made sound.
        versions: Of this program, Python and the libraries that matter.
    """

    format_version: int = 1
    created: str
    source: SideCarSource
    files: list[SideCarFile]
    loudness_lufs: float | None = None
    true_peak_dbtp: float | None = None
    dither_seed: int = 0
    tags: dict[str, JsonValue] = Field(default_factory=dict)
    lyrics: str = ""
    prompt: str = ""
    seed: int | None = None
    model: str = ""
    base_hash: str = ""
    adapters: list[SideCarAdapter] = Field(default_factory=list)
    generation: dict[str, JsonValue] | None = None
    mastering: dict[str, JsonValue] | None = None
    enhancement: dict[str, JsonValue] | None = None
    origin: dict[str, JsonValue] | None = None
    licence: str = ""
    non_commercial: bool = False
    share_alike: bool = False
    ai_marked: bool = False
    versions: dict[str, str] = Field(default_factory=dict)


def write_sidecar(path: Path, sidecar: SideCar, *, overwrite: bool = False) -> None:
    """Write a side-car atomically.

    Raises:
        ExportError: If the place is taken and `overwrite` is not set, or the system refuses.
    """
    check_free(path, overwrite=overwrite)
    with export_errors(path):
        write_text(path, sidecar.model_dump_json(indent=2) + "\n")


def read_sidecar(path: str | Path) -> SideCar:
    """Read a side-car.

    Raises:
        ExportError: If it is missing, damaged, or of a newer format.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ValueError("it is larger than 64 MB")
        sidecar = SideCar.model_validate_json(path.read_bytes())
    except (OSError, ValueError, ValidationError) as error:
        raise ExportError(
            f"The side-car {str(path)!r} cannot be read: {error}.", remedy="Export the piece again."
        ) from error
    if sidecar.format_version != 1:
        raise ExportError(
            f"The side-car {str(path)!r} is of format {sidecar.format_version}, and this program reads 1.",
            remedy="Update this program.",
        )
    return sidecar


def sidecar_files(files: Sequence[Exported]) -> list[SideCarFile]:
    """Exported files as the side-car lists them."""
    return [
        SideCarFile(
            name=file.path.name, format=file.format, bytes=file.bytes, sha256=file.sha256, rate_hz=file.rate_hz,
            channels=file.channels, samples=file.samples, provenance=file.provenance,
        )
        for file in files
    ]  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of this program, Python and the libraries that matter."""
    import soundfile

    found = {
        "angen": __version__,
        "python": platform.python_version(),
        "libsndfile": soundfile.__libsndfile_version__,
    }
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

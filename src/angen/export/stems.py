"""Stems: the parts of one piece as files of equal length that line up in any studio program."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from angen.audio import Audio
from angen.errors import ExportError
from angen.export.formats import Format
from angen.export.piece import Exported, export_audio
from angen.export.tags import Tags
from angen.export.writing import check_free, export_errors, file_stem, staged_folder
from angen.files import atomic_path
from angen.progress import Progress, ProgressCallback, no_progress

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can say: the same stems are the same file


def export_stems(
    target: str | Path,
    stems: Mapping[str, Audio],
    kind: Format,
    tags: Tags,
    *,
    dither_seed: int = 0,
    overwrite: bool = False,
    on_progress: ProgressCallback = no_progress,
) -> list[Exported]:
    """Write stems into a folder or, if `target` ends in `.zip`, into an archive.

    All get the highest rate among them and, with silence at their ends, the longest length.

    Args:
        target: The folder or archive.
        stems: Sound by name: "drums".
        kind: A lossless format.
        tags: Of the piece; each stem's title says which it is.
        dither_seed: Of 16-bit formats; every stem draws its own dither from it.
        overwrite: Whether what stands at `target` may be replaced.
        on_progress: Told of every stem.

    Returns:
        The files; those of an archive with their names inside it.

    Raises:
        ExportError: If there are none, the format is lossy (it would shift them), or the place is taken or
            refused. Nothing is left then.
    """
    target = Path(target)
    if not stems or not kind.is_lossless:
        problem = "There are no stems." if not stems else f"Stems in {kind.name} would not line up."
        raise ExportError(problem, remedy="Give stems, and wav16, wav24, wav32f, flac or flac16.")
    aligned = aligned_stems(stems)

    def write_into(folder: Path) -> list[Exported]:
        made = []
        for number, (name, audio) in enumerate(aligned.items(), 1):
            on_progress(Progress("exporting stems", number - 1, len(aligned), name))
            title = f"{tags.title} – {name}" if tags.title else name
            path = folder / f"{number:02d}-{file_stem(name)}{kind.suffix}"
            own = dataclasses.replace(tags, title=title, track=number, tracks=len(aligned))
            made.append(export_audio(path, audio, kind, own, dither_seed=dither_seed + number))
        on_progress(Progress("exporting stems", len(aligned), len(aligned)))
        return made

    if target.suffix.lower() == ".zip":
        made = _zipped(target, write_into, overwrite=overwrite)
    else:
        with staged_folder(target, overwrite=overwrite) as staging:
            made = write_into(staging)
    return [dataclasses.replace(one, path=target / one.path.name) for one in made]


def _zipped(target: Path, write_into: Callable[[Path], list[Exported]], *, overwrite: bool) -> list[Exported]:
    """An archive of the files that `write_into` makes; they are sound already, so they are only stored."""
    check_free(target, overwrite=overwrite)
    with (
        export_errors(target),
        atomic_path(target) as temporary,
        tempfile.TemporaryDirectory(dir=target.parent, prefix=".stems-") as folder,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
    ):
        made = write_into(Path(folder))
        for one in made:
            with (
                archive.open(zipfile.ZipInfo(one.path.name, _ZIP_TIME), "w") as entry,
                one.path.open("rb") as file,
            ):
                shutil.copyfileobj(file, entry)
    return made


def aligned_stems(stems: Mapping[str, Audio]) -> dict[str, Audio]:
    """Stems at the highest rate among them, filled up with silence to the longest."""
    rate_hz = max(audio.rate_hz for audio in stems.values())
    same_rate = {name: audio.resampled(rate_hz, quality="VHQ") for name, audio in stems.items()}
    longest = max(audio.samples.shape[1] for audio in same_rate.values())
    return {
        name: Audio(np.pad(audio.samples, ((0, 0), (0, longest - audio.samples.shape[1]))), rate_hz)
        for name, audio in same_rate.items()
    }

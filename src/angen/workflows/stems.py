"""Stems of recordings: each file taken apart, the results beside each other; and a song's part for a dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from angen.audio import Audio, find_audio, read_audio, write_audio
from angen.dataset import Part
from angen.errors import EnhancementError
from angen.files import safe_name, write_json
from angen.progress import Progress, ProgressCallback, no_progress
from angen.workflows.stem_weights import MODELS, Model, fetch_weights, has_weights, require_model

if TYPE_CHECKING:
    from angen.enhancement.separation import Separated, Separator

__all__ = [
    "MODELS", "Model", "Part", "Separations", "fetch_weights", "has_weights", "open_separator", "part_of",
    "require_model", "separate_files", "vocals_for",
]  # fmt: skip


REPORT = "report.json"


def open_separator(
    model: Model = "spleeter",
    *,
    on_progress: ProgressCallback = no_progress,
    should_stop: Callable[[], bool] = lambda: False,
) -> Separator:
    """A separator, its weights fetched where they are not there yet.

    Raises:
        DownloadError: If they cannot be fetched.
        EnhancementError: If a package is missing, or the weights do not fit.
    """
    require_model(model)
    return _opened(model, fetch_weights(model, on_progress=on_progress, should_stop=should_stop))


@cache
def _opened(model: Model, path: Path) -> Separator:
    if model == "htdemucs":
        from angen.enhancement.demucs import Demucs

        return Demucs(path)
    from angen.enhancement.spleeter import Spleeter

    return Spleeter.from_file(path)


@dataclass(frozen=True)
class Separations:
    """What became of the files.

    Attributes:
        folder: Where the stems are: one folder for each recording.
        records: One for each recording, ready for JSON: `path`, `stems` (name to file), `model`, the residuals and
            seconds per second; or `path` and `error`.
    """

    folder: Path
    records: list[dict[str, Any]]

    @property
    def failed(self) -> bool:
        """Whether not one recording could be used."""
        return all("error" in record for record in self.records)


def separate_files(
    paths: Iterable[Path],
    out: Path,
    *,
    model: Model = "spleeter",
    separator: Separator | None = None,
    on_progress: ProgressCallback = no_progress,
    should_stop: Callable[[], bool] = lambda: False,
) -> Separations:
    """Take recordings apart, into `out/<recording>/<stem>.wav` (32 bit float, so that stems add up to the mix).

    A file that cannot be used is reported and does not stop the others. `report.json` tells it all.

    Args:
        paths: Recordings, and folders of them.
        out: Folder for the results; what it holds of the same names is replaced.
        model: "spleeter" (vocals, accompaniment) or "htdemucs" (drums, bass, other, vocals).
        separator: A network that is open already; it counts before `model`.
        on_progress: Told of seconds of music.
        should_stop: Asked now and then.

    Raises:
        EnhancementError: If nothing was given.
        DownloadError: If the weights cannot be fetched.
        StoppedError: If it was asked to stop. What is finished stays.
    """
    files = find_audio(paths)
    if not files:
        raise EnhancementError(
            "No recordings were found.", remedy="Give sound files, or a folder that holds some."
        )
    separator = separator or open_separator(model, on_progress=on_progress, should_stop=should_stop)
    records: list[dict[str, Any]] = []
    names: set[str] = set()
    for done, path in enumerate(files):
        name = _folder_name(path, names)

        def told(progress: Progress, done: int = done, path: Path = path) -> None:
            on_progress(Progress(progress.stage, done + progress.fraction, len(files), path.name))

        records.append(_separate_file(path, out / name, separator, told, should_stop))
    on_progress(Progress("separating", len(files), len(files)))
    write_json(out / REPORT, {"format_version": 1, "model": separator.model_id, "files": records})
    return Separations(out, records)


def _folder_name(path: Path, taken: set[str]) -> str:
    base = name = safe_name(path.stem)
    number = 1
    while name.casefold() in taken:
        number += 1
        name = f"{base}-{number}"
    taken.add(name.casefold())
    return name


def _separate_file(
    path: Path,
    folder: Path,
    separator: Separator,
    on_progress: ProgressCallback,
    should_stop: Callable[[], bool],
) -> dict[str, Any]:
    from angen.enhancement.separation import separate_stems
    from angen.enhancement.stopping import StoppedError
    from angen.workflows.analyze import error_record

    try:
        audio = read_audio(path)
        apart = separate_stems(audio, separator, on_progress=on_progress, should_stop=should_stop)
        files = {}
        for name, stem in apart.stems.items():
            files[name] = str(folder / f"{name}.wav")
            write_audio(folder / f"{name}.wav", stem, bit_depth=32)
    except StoppedError:
        raise
    except Exception as error:  # noqa: BLE001 - a fault with one file must not stop the others
        return {"path": str(path), "error": error_record(error)}
    return {"path": str(path), "stems": files, **_measured(apart, audio)}


def _measured(apart: Separated, audio: Audio) -> dict[str, Any]:
    return {
        "model": apart.model_id,
        "duration_s": audio.duration_s,
        "seconds_per_second": apart.seconds / audio.duration_s,
        "residual_db": apart.residual_db,
        "own_residual_db": apart.own_residual_db,
    }


def part_of(mix: Audio, vocals: Audio, part: Part) -> Audio:
    """The part of a recording: itself, its vocals, or all but those."""
    if part == "mix":
        return mix
    if part == "vocals":
        return vocals
    return Audio(mix.samples - vocals.samples, mix.rate_hz)


def vocals_for(mix: Audio, kept_in: Path, model: Model, digest: str) -> Audio:
    """The vocals of a recording, kept in a folder so that it is taken apart once.

    Args:
        mix: Its sound, mono or stereo and within ±1, as it will be cut.
        kept_in: The folder of the workspace's cache.
        model: The separator, whose weights are there or can be fetched.
        digest: The hash of the recording's bytes.

    Returns:
        Vocals of the rate, channels and length of `mix`, in 24 bit.
    """
    from angen.enhancement.separation import separate_stems

    place = kept_in / f"{model}-{MODELS[model].file_sha256[:8]}" / digest[:2] / f"{digest}.flac"
    with suppress(OSError, EnhancementError):
        kept = _read_kept(place, mix)
        if kept is not None:
            return kept
    apart = separate_stems(mix, open_separator(model))
    write_audio(place, apart.stems["vocals"], bit_depth=24)
    kept = _read_kept(place, mix)
    return kept if kept is not None else apart.stems["vocals"]


def _read_kept(place: Path, mix: Audio) -> Audio | None:
    """What is kept of a recording's vocals; None if that is nothing, or of another recording. Silence is allowed."""
    import numpy as np
    import soundfile

    try:
        samples, rate_hz = soundfile.read(place, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError):
        return None
    vocals = np.ascontiguousarray(samples.T)
    fits = rate_hz == mix.rate_hz and vocals.shape == mix.samples.shape
    return Audio(vocals, rate_hz) if fits else None

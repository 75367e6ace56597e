"""Master files: the sound, a JSON file that says how, and a page to see and hear the difference."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from angen import __version__
from angen.audio import AUDIO_SUFFIXES, Audio, read_audio, write_audio
from angen.errors import AngenError, MasteringError
from angen.files import content_hash, safe_name, write_json
from angen.mastering import Mastered, MasterPreset, master
from angen.mastering.presets import preset_named
from angen.progress import Progress, ProgressCallback, no_progress
from angen.settings import Settings

SUFFIXES = (".wav", ".flac")


@dataclass(frozen=True)
class MasterChoices:
    """How files are to be mastered.

    Attributes:
        preset: A preset, or the name of one.
        style: Name of a style.
        intensity: 0 to 1.
        reference: File to match, or None.
        phase: Of the equaliser: "minimum" or "linear".
        seed: Of the dither.
    """

    preset: MasterPreset | str = "streaming"
    style: str = "balanced"
    intensity: float = 0.5
    reference: Path | None = None
    phase: str = "minimum"
    seed: int = 0


@dataclass(frozen=True)
class MasteredFile:
    """A master and its files."""

    source: Path
    path: Path
    record_path: Path
    report_path: Path
    mastered: Mastered

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "source": str(self.source),
            "path": str(self.path),
            "record": str(self.record_path),
            "report": str(self.report_path),
            "before": self.mastered.before.as_dict(),
            "after": self.mastered.after.as_dict(),
            "warnings": list(self.mastered.warnings),
        }


@dataclass(frozen=True)
class Unmastered:
    """A file that could not be mastered, and why."""

    source: Path
    error: AngenError


def master_files(
    settings: Settings,
    paths: Sequence[Path],
    choices: MasterChoices,
    *,
    out: Path | None = None,
    on_progress: ProgressCallback = no_progress,
) -> Iterator[MasteredFile | Unmastered]:
    """Master files one after another; one that cannot be mastered does not stop the others.

    Args:
        settings: The workspace, for `outputs/`.
        paths: The recordings. They are only read.
        choices: How.
        out: A name ending in .wav or .flac for one recording, or a folder; None for a new name each in
            `outputs/<date>/`.
        on_progress: Told of each stage.

    Yields:
        For each path, in order, the master and its files, or the reason why there is none.

    Raises:
        MasteringError: Before anything is made, if a choice is impossible or `out` is one file for several.
        AudioError: Before anything is made, if the reference cannot be read.
    """
    preset = preset_named(choices.preset)
    is_file = out is not None and out.suffix.lower() in AUDIO_SUFFIXES and not out.is_dir()
    if is_file and out is not None and out.suffix.lower() not in SUFFIXES:
        raise MasteringError(f"{str(out)!r} is no name for a master.", remedy="End it in .wav or .flac.")
    if is_file and len(paths) > 1:
        raise MasteringError(
            f"{len(paths)} recordings cannot be written to one file, {str(out)!r}.", remedy="Name a folder."
        )
    if preset.needs_reference and choices.reference is None:
        raise MasteringError(
            f"The preset {preset.name!r} needs a reference.", remedy="Give a recording to match."
        )
    reference = None if choices.reference is None else read_audio(choices.reference)
    return _each(settings, paths, replace(choices, preset=preset), reference, out, is_file, on_progress)


def _each(
    settings: Settings,
    paths: Sequence[Path],
    choices: MasterChoices,
    reference: Audio | None,
    out: Path | None,
    is_file: bool,
    on_progress: ProgressCallback,
) -> Iterator[MasteredFile | Unmastered]:
    for index, source in enumerate(paths):

        def report(progress: Progress, index: int = index, source: Path = source) -> None:
            note = f"{source.name}: {progress.note}"
            on_progress(Progress("mastering", index + progress.fraction, len(paths), note))

        try:
            target = out if is_file and out is not None else _new_target(settings, source, choices, out)
            yield master_file(source, target, choices, reference=reference, on_progress=report)
        except AngenError as error:
            yield Unmastered(source, error)
        except OSError as error:
            remedy = "Check the folder's permissions and the space on the disk."
            yield Unmastered(source, MasteringError(f"{error}.", remedy=remedy))


def _new_target(settings: Settings, source: Path, choices: MasterChoices, folder: Path | None) -> Path:
    """A name that is not yet taken, made of the recording's and the preset's."""
    folder = folder or settings.outputs / f"{datetime.now(UTC):%Y-%m-%d}"
    stem = f"{safe_name(source.stem)}-{preset_named(choices.preset).name}"
    names = [f"{stem}.wav", *(f"{stem}-{number}.wav" for number in range(2, 1000))]
    free = (folder / name for name in names if not (folder / name).exists())
    return next(free, folder / f"{stem}-{secrets.token_hex(4)}.wav")


def master_file(
    source: Path,
    target: Path,
    choices: MasterChoices,
    *,
    reference: Audio | None = None,
    on_progress: ProgressCallback = no_progress,
) -> MasteredFile:
    """Master one file to `target`, with `<target>.json` and `<target>.html` beside it.

    Args:
        source: The recording; never written to.
        target: Name ending in .wav or .flac; what stands there is replaced.
        choices: How.
        reference: The sound of `choices.reference`, where it was read already.
        on_progress: Told of each stage.

    Raises:
        AudioError: If a recording cannot be read, or the master not be written.
        MasteringError: If it cannot be mastered so, or `target` is the recording itself.
    """
    from angen.report.mastering import write_mastering_report

    if target.suffix.lower() not in SUFFIXES:
        raise MasteringError(f"{str(target)!r} is no name for a master.", remedy="End it in .wav or .flac.")
    for original in (source, choices.reference):
        if original is not None and target.exists() and original.exists() and target.samefile(original):
            raise MasteringError(
                f"{str(target)!r} would replace its own source.", remedy="Name another file."
            )
    audio = read_audio(source)
    if reference is None and choices.reference is not None:
        reference = read_audio(choices.reference)
    mastered = master(
        audio,
        choices.preset,
        style=choices.style,
        intensity=choices.intensity,
        reference=reference,
        phase="linear" if choices.phase == "linear" else "minimum",
        seed=choices.seed,
        on_progress=on_progress,
    )
    record, page = (target.with_name(target.name + suffix) for suffix in (".json", ".html"))
    write_audio(target, mastered.audio, bit_depth=mastered.settings.preset.bit_depth)
    write_json(record, _record(source, target, choices, mastered))
    write_mastering_report(page, f"{source.name}, mastered", audio, mastered)
    return MasteredFile(source, target, record, page, mastered)


def _record(source: Path, target: Path, choices: MasterChoices, mastered: Mastered) -> dict[str, Any]:
    """Everything needed to make the master again, and to see that it is the same."""
    reference = choices.reference
    return {
        "angen": __version__,
        "source": source.name,
        "source_sha256": content_hash(source),
        "reference": None if reference is None else reference.name,
        "reference_sha256": None if reference is None else content_hash(reference),
        "sha256": content_hash(target),
        "settings": mastered.settings.as_dict(),
        "before": mastered.before.as_dict(),
        "after": mastered.after.as_dict(),
        "warnings": list(mastered.warnings),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }

"""Export music: files in several formats with tags, levels, marks of their origin and a side-car each.

What is not said comes from the recording's own tags, then from the JSON beside it (prompt, tempo, seed, model,
adapters); levels are always measured.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import soundfile

from angen import __version__
from angen.audio import Audio, read_audio
from angen.errors import AngenError, ExportError, SilentAudioError
from angen.export import (
    AiMark,
    AlbumTrack,
    Exported,
    Format,
    Loudness,
    SideCar,
    Tags,
    draw_cover,
    export_album,
    export_audio,
    export_stems,
    measure_loudness,
    parse_formats,
    replay_gain,
    samples_sha256,
    write_sidecar,
)
from angen.export.piece import Signer
from angen.export.sidecar import SUFFIX, SideCarSource, sidecar_files, versions
from angen.export.writing import check_free, file_stem
from angen.files import content_hash
from angen.progress import Progress, ProgressCallback, no_progress
from angen.settings import Settings
from angen.workflows.origin import Origin, known_origin, piece_tags

UNMARKED = (
    "The JSON beside it says that it was generated, and it carries no mark of that. The law may ask for one."
)


@dataclass(frozen=True)
class ExportOptions:
    """How pieces are exported.

    Attributes:
        formats: Each piece is written in all of them.
        tags: What is said by hand; it comes before everything found.
        ai_mark: Whether files say that a machine made them.
        draws_cover: Whether a piece without a picture gets a drawn one.
        dither_seed: Of 16-bit formats.
        overwrite: Whether files may be replaced; never the recording itself.
        signer: Adds a signed statement; see `angen.export.provenance`.
    """

    formats: tuple[Format, ...] = field(default_factory=lambda: parse_formats("wav24"))
    tags: Tags = field(default_factory=Tags)
    ai_mark: bool = True
    draws_cover: bool = True
    dither_seed: int = 0
    overwrite: bool = False
    signer: Signer | None = None


@dataclass(frozen=True)
class ExportedPiece:
    """A piece that was exported.

    Attributes:
        source: The recording.
        files: What was written, in the order of the formats.
        sidecar: The JSON beside them; None for stems.
        tags: As written.
        loudness_lufs: Integrated loudness; None where it has none.
        true_peak_dbtp: True peak; None for silence.
        warnings: What its owner should know.
    """

    source: Path
    files: list[Exported]
    sidecar: Path | None
    tags: Tags
    loudness_lufs: float | None = None
    true_peak_dbtp: float | None = None
    warnings: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "source": str(self.source),
            "files": [dataclasses.asdict(file) | {"path": str(file.path)} for file in self.files],
            "sidecar": str(self.sidecar) if self.sidecar else None,
            "tags": self.tags.as_dict(),
            "loudness_lufs": self.loudness_lufs,
            "true_peak_dbtp": self.true_peak_dbtp,
            "warnings": list(self.warnings),
        }


def export_piece(
    settings: Settings,
    path: Path,
    folder: Path,
    options: ExportOptions,
    *,
    name: str = "",
    on_progress: ProgressCallback = no_progress,
    should_stop: Callable[[], bool] = lambda: False,
) -> ExportedPiece:
    """Export one recording: `folder/<name>.<suffix>` for each format, and `.angen.json` beside them.

    Without `name`, files are named as the recording.

    Raises:
        AudioError: If the recording cannot be read.
        ExportError: If a place is taken or refused, or the recording itself stands there. Files already
            written stay.
    """
    stem = file_stem(name or path.stem)
    targets = {kind: folder / f"{stem}{kind.suffix}" for kind in options.formats}
    sidecar_path = folder / f"{stem}{SUFFIX}"
    for target in (*targets.values(), sidecar_path):
        check_free(target, overwrite=options.overwrite)
        if target.exists() and path.exists() and target.samefile(path):
            raise ExportError(
                f"{str(path)!r} would replace itself.", remedy="Choose another folder with --out."
            )
    on_progress(Progress("exporting", 0, len(targets) + 1, f"measuring {path.name}"))
    audio, origin = read_audio(path), known_origin(settings, path)
    level = measure_loudness(audio)
    tags = dataclasses.replace(_tags(path, origin, options), replay_gain=replay_gain(level))
    files = []
    for done, (kind, target) in enumerate(targets.items(), 1):
        if should_stop():
            break
        on_progress(Progress("exporting", done, len(targets) + 1, target.name))
        files.append(
            export_audio(
                target, audio, kind, tags,
                dither_seed=options.dither_seed, overwrite=options.overwrite, sign=options.signer,
            )
        )  # fmt: skip
    sidecar = _sidecar(path, audio, level, tags, files, origin, options.dither_seed)
    write_sidecar(sidecar_path, sidecar, overwrite=options.overwrite)
    on_progress(Progress("exporting", len(targets) + 1, len(targets) + 1))
    return ExportedPiece(
        path, files, sidecar_path, tags, level.lufs, level.true_peak_dbtp, _warnings(origin, options)
    )


def export_pieces(
    settings: Settings,
    paths: Sequence[Path],
    folder: Path | None,
    options: ExportOptions,
    *,
    on_progress: ProgressCallback = no_progress,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[ExportedPiece | tuple[Path, AngenError]]:
    """Export recordings one by one; one that fails does not stop the others.

    Args:
        settings: The workspace, where adapters are looked up.
        paths: The recordings.
        folder: Where to; None for a folder `export` beside each.
        options: How.
        on_progress: Told of every file.
        should_stop: Asked before every file.

    Returns:
        For each recording what was written, or its error.

    Raises:
        ExportError: If two recordings would be written to the same names.
    """
    targets = [(folder or path.parent / "export") / file_stem(path.stem) for path in paths]
    for path, target in zip(paths, targets, strict=True):
        if targets.count(target) > 1:
            raise ExportError(
                f"Several recordings would become {str(target)!r}.",
                remedy=f"Rename {path.name!r} or export it apart.",
            )
    results: list[ExportedPiece | tuple[Path, AngenError]] = []
    for path, target in zip(paths, targets, strict=True):
        if should_stop():
            break
        try:
            results.append(
                export_piece(
                    settings, path, target.parent, options, on_progress=on_progress, should_stop=should_stop
                )
            )
        except AngenError as error:
            results.append((path, error))
    return results


def export_album_folder(
    settings: Settings,
    paths: Sequence[Path],
    folder: Path,
    options: ExportOptions,
    *,
    on_progress: ProgressCallback = no_progress,
) -> list[ExportedPiece]:
    """Export recordings, in their order, as the tracks of an album; see `angen.export.export_album`.

    Raises:
        AudioError: If a recording cannot be read.
        ExportError: If the place is taken or refused. Nothing is left there then.
    """
    if options.tags.title and len(paths) > 1:
        raise ExportError(
            "One title cannot name several tracks.", remedy="Give --album; titles come from the files."
        )
    said = dataclasses.replace(options.tags, album=options.tags.album or folder.name)
    said = dataclasses.replace(said, album_artist=said.album_artist or said.artist)
    options = dataclasses.replace(options, tags=said, draws_cover=False)
    cover = said.cover or draw_cover(f"{said.album_artist} {said.album}")
    origins = [known_origin(settings, path) for path in paths]
    tracks = [
        AlbumTrack(lambda path=path: read_audio(path), _tags(path, origin, options))  # type: ignore[misc]
        for path, origin in zip(paths, origins, strict=True)
    ]
    notes: list[tuple[Tags, Loudness, Path]] = []

    def on_track(staging: Path, number: int, level: Loudness, tags: Tags, files: list[Exported]) -> None:
        path, origin = paths[number - 1], origins[number - 1]
        name = f"{files[0].path.stem}{SUFFIX}"
        seed = options.dither_seed + number
        write_sidecar(
            staging / name, _sidecar(path, tracks[number - 1].load(), level, tags, files, origin, seed)
        )
        notes.append((tags, level, folder / name))

    made = export_album(
        folder, tracks, options.formats, cover=cover, dither_seed=options.dither_seed,
        overwrite=options.overwrite, sign=options.signer, on_track=on_track, on_progress=on_progress,
    )  # fmt: skip
    return [
        ExportedPiece(
            path, files, sidecar, tags, level.lufs, level.true_peak_dbtp, _warnings(origin, options)
        )
        for path, files, (tags, level, sidecar), origin in zip(paths, made, notes, origins, strict=True)
    ]


def export_stem_files(
    paths: Sequence[Path],
    target: Path,
    options: ExportOptions,
    *,
    on_progress: ProgressCallback = no_progress,
) -> ExportedPiece:
    """Export recordings as the stems of one piece, named as their files; see `angen.export.export_stems`.

    Raises:
        AudioError: If a recording cannot be read. A silent one is a stem too.
        ExportError: If two share a name, there is not exactly one lossless format, or the place is taken.
    """
    names = [file_stem(path.stem) for path in paths]
    if len(options.formats) != 1 or len(set(names)) < len(names):
        problem = "Stems take one format." if len(options.formats) != 1 else "Two stems have the same name."
        raise ExportError(
            problem, remedy="Choose one of wav24, wav16, wav32f, flac; rename stems that are alike."
        )
    stems = {name: _read_stem(path) for name, path in zip(names, paths, strict=True)}
    ai = AiMark(f"Angen {__version__}") if options.ai_mark else None
    tags = dataclasses.replace(options.tags, ai=ai)
    files = export_stems(
        target, stems, options.formats[0], tags,
        dither_seed=options.dither_seed, overwrite=options.overwrite, on_progress=on_progress,
    )  # fmt: skip
    return ExportedPiece(target, files, None, tags)


def _tags(path: Path, origin: Origin | None, options: ExportOptions) -> Tags:
    return piece_tags(path, origin, options.tags, ai_mark=options.ai_mark, draws_cover=options.draws_cover)


def _sidecar(
    path: Path, audio: Audio, level: Loudness, tags: Tags, files: list[Exported], origin: Origin | None,
    dither_seed: int,
) -> SideCar:  # fmt: skip
    origin = origin or Origin()
    source = SideCarSource(
        name=path.name, sha256=content_hash(path), samples_sha256=samples_sha256(audio), rate_hz=audio.rate_hz,
        channels=audio.channels, samples=audio.samples.shape[1],
    )  # fmt: skip
    return SideCar(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        source=source,
        files=sidecar_files(files),
        loudness_lufs=level.lufs,
        true_peak_dbtp=level.true_peak_dbtp,
        dither_seed=dither_seed,
        tags=tags.as_dict(),
        lyrics=tags.lyrics,
        prompt=origin.prompt,
        seed=origin.seed,
        model=origin.model,
        base_hash=origin.base_hash,
        adapters=origin.adapters,
        generation=origin.request,
        mastering=origin.mastering,
        enhancement=origin.enhancement,
        origin=origin.whole,
        licence=tags.licence,
        non_commercial=tags.non_commercial,
        share_alike=tags.share_alike,
        ai_marked=tags.ai is not None,
        versions=versions(),
    )


def _warnings(origin: Origin | None, options: ExportOptions) -> tuple[str, ...]:
    was_generated = origin is not None and bool(origin.model)
    return (UNMARKED,) if was_generated and not options.ai_mark else ()


def _read_stem(path: Path) -> Audio:
    try:
        return read_audio(path)
    except SilentAudioError:
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        return Audio(samples.T.copy(), rate_hz)

"""Enhance and upscale files: the same names in a new folder, and beside each a JSON file that says what was done."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from angen.audio import Audio, find_audio, loudness_lufs, peak_db, read_audio, rms_db, write_audio
from angen.enhancement import (
    DEFAULT_STRENGTH,
    Stem,
    StoppedError,
    Upscaler,
    apply_chain,
    chain_as_list,
    chain_for,
    measure_bandwidth,
    noise_level_db,
    sdr_db,
    upscale,
)
from angen.errors import AngenError, EnhancementError, SilentAudioError
from angen.files import write_json
from angen.progress import Progress, ProgressCallback, no_progress
from angen.settings import Settings

REPORT = "report.json"
_WRITTEN = (".wav", ".flac", ".ogg", ".mp3")
_STEM_WORDS: tuple[tuple[Stem, str], ...] = (
    ("vocals", r"vocals?|voices?|vox|singing|choir"),
    ("drums", r"drums?|percussion|beats?|kit"),
    ("bass", r"bass"),
    ("other", r"other|accompaniment|instrumental|keys|piano|guitars?|synths?|strings"),
    ("mix", r"mix|mixture|master|song|full"),
)


@dataclass(frozen=True)
class Enhanced:
    """What became of the files.

    Attributes:
        folder: Where they are.
        records: One for each file, in the order given, ready for JSON: `path`, `out` and what was done, or `path`
            and `error`.
        residuals: For each folder with a mix and its stems, mix minus the sum of the stems, before and after.
    """

    folder: Path
    records: list[dict[str, Any]]
    residuals: list[dict[str, Any]]

    @property
    def failed(self) -> bool:
        """Whether not one file could be used."""
        return all("error" in record for record in self.records)


def stem_of(path: Path) -> Stem:
    """The kind of stem that a file's name tells; "mix" where it tells none.

    Example:
        >>> stem_of(Path("song_Vocals.wav")), stem_of(Path("Bass drum.wav")), stem_of(Path("Untitled.flac"))
        ('vocals', 'drums', 'mix')
    """
    words = re.split(r"[\W_\d]+", path.stem.lower())
    for stem, pattern in _STEM_WORDS:
        if any(re.fullmatch(pattern, word) for word in words):
            return stem
    return "mix"


def new_folder(settings: Settings, verb: str) -> Path:
    """A name for a folder that does not exist yet: `outputs/<date>/<time>-<verb>-<random>`."""
    now = datetime.now(UTC)
    return settings.outputs / f"{now:%Y-%m-%d}" / f"{now:%H%M%S}-{verb}-{secrets.token_hex(2)}"


def enhance_files(
    paths: Iterable[Path],
    out: Path,
    *,
    stem: Stem | None = None,
    strength: float = DEFAULT_STRENGTH,
    shape: bool = True,
    on_progress: ProgressCallback = no_progress,
    should_stop: Callable[[], bool] = lambda: False,
) -> Enhanced:
    """Run each file through the chain of its stem.

    A file that cannot be used is reported and does not stop the others; a silent stem is copied as it is.

    Args:
        paths: Recordings and folders of them.
        out: Folder for the results, which keep their names (and their format, where we can write it: otherwise
            WAV), for `NAME.json` beside each, and for `report.json` over all.
        stem: The chain; None to tell it from each file's name.
        strength: 0 to 1.
        shape: Whether equaliser, transients and compression take part (`chain_for`).
        on_progress: Told of each step.
        should_stop: Asked before each step.

    Raises:
        EnhancementError: If there is nothing to do, two results would have one name, or a result would take the
            place of a recording; before anything is written.
        StoppedError: If it was asked to stop. What is finished stays.
    """
    jobs = _jobs(paths, out, _enhanced_suffix)
    kinds = [stem or stem_of(source) for source, _ in jobs]
    chains = {kind: chain_for(kind, strength, shape=shape) for kind in kinds}
    sums = {source.parent: _Sum() for source, _ in jobs}

    def work(source: Path, target: Path, kind: Stem, report: ProgressCallback) -> dict[str, Any]:
        try:
            audio = read_audio(source)
        except SilentAudioError:
            shutil.copyfile(source, _made(target.with_suffix(source.suffix)))
            record = {
                "out": str(target.with_suffix(source.suffix)),
                "stem": kind,
                "silent": True,
                "chain": [],
            }
            write_json(target.with_name(target.name + ".json"), {"path": str(source), **record})
            return record
        made = apply_chain(audio, chains[kind], on_progress=report, should_stop=should_stop)
        written, gain_db = _write(target, made, source)
        sums[source.parent].add(kind, audio, written)
        record = {
            "out": str(target),
            "stem": kind,
            "strength": strength,
            "chain": chain_as_list(chains[kind]),
            "gain_db": gain_db,
            "before": measures(audio),
            "after": measures(written),
            "residual_db": _residual_db(audio, made),
        }
        write_json(target.with_name(target.name + ".json"), {"path": str(source), **record})
        return record

    records = []
    for index, ((source, target), kind) in enumerate(zip(jobs, kinds, strict=True)):

        def report(progress: Progress, source: Path = source, index: int = index) -> None:
            note = f"{source.name}: {progress.note}" if progress.note else source.name
            on_progress(Progress("enhancing", index + progress.fraction, len(jobs), note))

        records.append(_record(source, partial(work, source, target, kind, report)))
    on_progress(Progress("enhancing", len(jobs), len(jobs)))
    found = [(folder, total.residuals()) for folder, total in sums.items()]
    residuals = [{"folder": str(folder), **residual} for folder, residual in found if residual]
    write_json(out / REPORT, {"files": records, "residuals": residuals})
    return Enhanced(out, records, residuals)


def upscale_files(
    paths: Iterable[Path],
    out: Path,
    *,
    rate_hz: int = 48_000,
    extend: bool = True,
    upscaler: Upscaler | None = None,
    on_progress: ProgressCallback = no_progress,
    should_stop: Callable[[], bool] = lambda: False,
) -> Enhanced:
    """Bring files to a rate, with new sound above their band limit where they have one (`upscale`).

    Results are FLAC where the recording was, otherwise WAV. A file that cannot be used is reported and does not
    stop the others.

    Args:
        paths: Recordings and folders of them.
        out: Folder for the results, `NAME.json` beside each, and `report.json` over all.
        rate_hz: The new rate.
        extend: Whether to add sound above a band limit.
        upscaler: A model that does it instead.
        on_progress: Told of each file.
        should_stop: Asked before each file, and by the model.

    Raises:
        EnhancementError: As `enhance_files`.
        StoppedError: If it was asked to stop. What is finished stays.
    """
    jobs = _jobs(paths, out, lambda source: ".flac" if source.suffix.lower() == ".flac" else ".wav")

    def work(source: Path, target: Path) -> dict[str, Any]:
        if should_stop():
            raise StoppedError("Upscaling")
        audio = read_audio(source)
        made = upscale(audio, rate_hz, extend=extend, upscaler=upscaler, should_stop=should_stop)
        _, gain_db = _write(target, made.audio, source)
        record = {
            "out": str(target),
            "method": made.method,
            "source_rate_hz": made.source_rate_hz,
            "rate_hz": made.audio.rate_hz,
            "limit_hz": round(made.bandwidth.hz),
            "limit_confidence": round(made.bandwidth.confidence, 3),
            "extended_above_hz": made.extended_above_hz and round(made.extended_above_hz),
            "gain_db": gain_db,
        }
        write_json(target.with_name(target.name + ".json"), {"path": str(source), **record})
        return record

    records = []
    for index, (source, target) in enumerate(jobs):
        on_progress(Progress("upscaling", index, len(jobs), source.name))
        records.append(_record(source, partial(work, source, target)))
    on_progress(Progress("upscaling", len(jobs), len(jobs)))
    write_json(out / REPORT, {"files": records})
    return Enhanced(out, records, [])


def measures(audio: Audio) -> dict[str, float | None]:
    """Levels, noise and band limit of a recording, ready for JSON; None where there is none."""
    bandwidth = measure_bandwidth(audio)
    return {
        "peak_db": _rounded(peak_db(audio)),
        "rms_db": _rounded(rms_db(audio)),
        "loudness_lufs": _rounded(loudness_lufs(audio)),
        "noise_db": _rounded(noise_level_db(audio)),
        "limit_hz": round(bandwidth.hz) if bandwidth.is_limited else None,
    }


class _Sum:
    """Mix and stems of one folder, to see whether they still belong together."""

    def __init__(self) -> None:
        self._before: dict[str, Audio] = {}
        self._after: dict[str, Audio] = {}
        self._fits = True

    def add(self, kind: Stem, before: Audio, after: Audio) -> None:
        """Take a file in."""
        role = "mix" if kind == "mix" else "stems"
        if role == "mix" and "mix" in self._before:
            self._fits = False
        for sums, audio in ((self._before, before), (self._after, after)):
            known = next(iter(sums.values()), audio)
            if (known.samples.shape, known.rate_hz) != (audio.samples.shape, audio.rate_hz):
                self._fits = False
            elif role in sums:
                sums[role] = Audio(sums[role].samples + audio.samples, audio.rate_hz)
            else:
                sums[role] = audio

    def residuals(self) -> dict[str, Any] | None:
        """Mix minus stems relative to the mix, before and after; None without a mix and its stems."""
        if not self._fits or len(self._before) < 2:
            return None
        pairs = {"before_db": self._before, "after_db": self._after}
        return {name: _residual_db(sums["mix"], sums["stems"]) for name, sums in pairs.items()}


def _jobs(paths: Iterable[Path], out: Path, suffix_of: Callable[[Path], str]) -> list[tuple[Path, Path]]:
    """Each recording and where its result goes."""
    sources = find_audio(paths)
    if not sources:
        raise EnhancementError("There are no recordings.", remedy="Give sound files, or a folder with some.")
    targets = [out / (source.stem + suffix_of(source)) for source in sources]
    names = [target.name.lower() for target in targets]
    for source, target in zip(sources, targets, strict=True):
        if names.count(target.name.lower()) > 1:
            raise EnhancementError(
                f"Two results would be called {target.name!r}.", remedy="Do them one after the other."
            )
        if target.resolve() in {other.resolve() for other in sources}:
            raise EnhancementError(
                f"The result would take the place of {str(source)!r}.", remedy="Choose another folder."
            )
    return list(zip(sources, targets, strict=True))


def _enhanced_suffix(source: Path) -> str:
    return source.suffix if source.suffix.lower() in _WRITTEN else ".wav"


def _record(source: Path, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return {"path": str(source), **work()}
    except StoppedError:
        raise
    except AngenError as error:
        return {"path": str(source), "error": error.as_dict()}


def _write(target: Path, audio: Audio, source: Path) -> tuple[Audio, float]:
    """Write a result; what was written, and by how many dB it was turned to fit its format."""
    peak, gain_db = float(np.abs(audio.samples).max()), 0.0
    bits = 24 if target.suffix.lower() in (".wav", ".flac") else 16
    if target.suffix.lower() == ".wav" and (peak > 1 or _is_float(source)):
        bits = 32
    elif peak > 1:
        gain_db = float(-20 * np.log10(peak))
        audio = Audio(audio.samples / np.float32(peak), audio.rate_hz)
    write_audio(target, audio, bit_depth=bits)
    return audio, round(gain_db, 2)


def _is_float(source: Path) -> bool:
    return str(soundfile.info(source).subtype) in ("FLOAT", "DOUBLE", "PCM_32")


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _residual_db(before: Audio, after: Audio) -> float | None:
    """Level of the difference relative to `before`, in dB; None where there is no difference."""
    return _rounded(-sdr_db(before, after))


def _rounded(value: float | None) -> float | None:
    return round(value, 2) if value is not None and np.isfinite(value) else None

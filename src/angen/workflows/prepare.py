"""Turn recordings into a dataset: listen, propose clips, compare, split by song, cut, write.

Songs are heard and cut in several processes, and what becomes of each lies on disk, so that memory hardly grows with
their number. A preparation that was broken off goes on where it was; one that is done again does again only what has
changed. How one song is done is in `prepare_songs`, what the user says of it in `prepare_records`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from angen.analysis import Segment
from angen.audio import find_audio
from angen.dataset import (
    DatasetInfo,
    Part,
    SkippedFile,
    Split,
    new_name,
    resumed_dataset,
    split_by_time,
    split_songs,
)
from angen.dataset.duplicates import grouped
from angen.dataset.split import GAP_S
from angen.dataset.store import METADATA, refuse_taken_name, write_info
from angen.dataset.writing import Written, write_metadata
from angen.errors import DatasetError
from angen.files import free_bytes, safe_name
from angen.progress import Progress, ProgressCallback, no_progress
from angen.settings import Settings
from angen.workflows.analyze import process_count
from angen.workflows.duplicates import Alike, alike_among, keep_duplicates, told_of
from angen.workflows.prepare_records import Tables, carried_edits, final_records, keep_latents, tidy
from angen.workflows.prepare_songs import (
    CutSong,
    CutTask,
    Cutting,
    HeardSong,
    HearTask,
    cut_song,
    hear_song,
    heard_words,
    proposed_cuts,
)
from angen.workflows.spread import Run, Spread, spread_from, spreading

if TYPE_CHECKING:
    from angen.workflows.stems import Model

__all__ = ["LOUDNESS", "PreparedDataset", "Work", "prepare_dataset"]

LOUDNESS = (
    "As recorded: no clip was made louder or softer, and a song beyond full scale was turned down as a whole. "
    "Training brings each song to the level of its model with one gain."
)

_DISK_MARGIN = 1.1
_LONGEST_SONG_NAME = 40


@dataclass(frozen=True)
class Work:
    """How many songs something had to be done for, and for how many all was there already."""

    heard: int = 0
    heard_before: int = 0
    cut: int = 0
    cut_before: int = 0


@dataclass(frozen=True)
class PreparedDataset:
    """What became of a preparation.

    Attributes:
        info: The dataset.
        folder: Where it is.
        skipped: Files that were given and are not in it, each with the reason.
        notes: What its owner should know.
        work: What had to be done.
        alike: Songs that are nearly the same.
    """

    info: DatasetInfo
    folder: Path
    skipped: list[SkippedFile]
    notes: list[str]
    work: Work = Work()
    alike: list[Alike] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Song:
    """What is kept in memory of a song."""

    name: str
    path: Path
    heard: HeardSong


@dataclass
class _Plan:
    """Where each song goes."""

    sides: dict[str, Split]
    cuts: list[tuple[Segment, Split]] | None
    notes: list[str]


def prepare_dataset(
    settings: Settings,
    name: str,
    paths: Iterable[str | Path],
    *,
    style: str = "",
    min_s: float = 10.0,
    max_s: float = 30.0,
    seed: int = 0,
    replace: bool = False,
    part: Part = "mix",
    stems: bool = False,
    separator: Model = "spleeter",
    spread: Spread | None = None,
    on_progress: ProgressCallback = no_progress,
) -> PreparedDataset:
    """Make a dataset of recordings.

    A recording that cannot be used is skipped with its reason; one that was given twice counts once; songs that
    are nearly the same are said, and kept on one side of the split. A preparation that fails or is interrupted is
    never listed; the next one of that name goes on from it. One that replaces a dataset takes over what has not
    changed, corrections of its clips included.

    Args:
        settings: The workspace; the dataset goes into its `training_data`.
        name: What to call it; made safe for a file name.
        paths: Recordings, and folders that are searched for them.
        style: Words for all of it, which lead the prompt of every clip; without any, the trigger of the songs'
            own table (`angen metadata`), whose corrections count before what is heard.
        min_s: Clips are at least this long, where the song is.
        max_s: Clips are at most this long.
        seed: Decides which songs validate, where several choices are equally good.
        replace: Whether to take the place of a dataset of that name.
        part: What of each song the clips are: the mix, its vocals, or all but those.
        stems: Whether vocals and accompaniment of each clip are kept beside it.
        separator: The network that takes songs apart, where one is needed.
        spread: How the work is spread; as the environment says without.
        on_progress: Told of each song that was heard ("analysing"), compared ("comparing") and cut ("cutting").

    Raises:
        DatasetError: If the name is taken or impossible, the dataset is in use, the lengths of clips make no sense,
            there is no usable recording (with the reason for each), or too little space on the disk.
        DownloadError: If a separator's weights cannot be fetched.
    """
    safe = new_name(name)
    refuse_taken_name(settings.training_data, safe, replace=replace)
    if not (1 <= min_s <= max_s < math.inf):
        raise DatasetError(
            f"Clips of {min_s:g} to {max_s:g} s are not possible.",
            remedy="Give a shortest length of at least 1 s and a longest that is not below it.",
        )
    how = Cutting(min_s, max_s, part, stems, separator)
    files = _files_of(paths)
    if how.separates and files:
        from angen.workflows.stems import open_separator

        open_separator(separator, on_progress=on_progress)  # once, before many processes need it
    workers = process_count([str(file) for file in files])
    with spreading(spread or spread_from(), workers) as run:
        songs, skipped = _listen(settings, files, how, run, on_progress)
        if not songs:
            raise _nothing_usable(skipped)
        _check_space(settings.training_data, songs)
        alike = _alike(settings, songs, on_progress)
        plan = _plan(settings, songs, how, alike, seed)
        with resumed_dataset(settings.training_data, safe, replace=replace) as folder:
            old = (
                settings.training_data / safe
                if replace and (settings.training_data / safe).is_dir()
                else None
            )
            cut, done = _cut(settings, folder, old, songs, plan, how, run, on_progress)
            keep_latents(folder, old)
            made = _Made(safe, folder, old, songs, cut, plan, skipped, alike)
            info = _write(made, how, style)
    heard_before = sum(song.heard.was_kept for song in songs)
    work = Work(len(songs) - heard_before, heard_before, len(cut) - done, done)
    return PreparedDataset(info, settings.training_data / safe, skipped, plan.notes, work, alike)


def _files_of(paths: Iterable[str | Path]) -> list[Path]:
    """The recordings among files and folders; what cannot be looked at stays, to be refused with a reason."""
    files: list[Path] = []
    for path in map(Path, paths):
        try:
            files += find_audio([path])
        except OSError:
            files.append(path)
    return list(dict.fromkeys(files))


def _listen(
    settings: Settings, files: Sequence[Path], how: Cutting, run: Run, on_progress: ProgressCallback
) -> tuple[list[_Song], list[SkippedFile]]:
    """What is heard in each file that can be used, and why the others cannot."""
    songs: list[_Song] = []
    skipped: list[SkippedFile] = []
    first_of: dict[str, Path] = {}
    taken: set[str] = set()
    numbers: dict[str, Iterator[int]] = {}
    on_progress(Progress("analysing", 0, len(files), files[0].name if files else ""))
    outcomes = run(hear_song, lambda number: HearTask(files[number], settings.cache, how), len(files))
    for done, (path, outcome) in enumerate(zip(files, outcomes, strict=True), start=1):
        heard, error = outcome.value, outcome.error
        if heard is not None and first_of.setdefault(heard.sound, path) != path:
            error = _same_recording(path, first_of[heard.sound])
        if heard is None or error is not None:
            skipped.append(SkippedFile(path=_printable(path), error=error or {}))
        else:
            songs.append(_Song(_free_name(path, taken, numbers), path, heard))
        on_progress(Progress("analysing", done, len(files), path.name))
    return songs, skipped


def _same_recording(path: Path, first: Path) -> dict[str, str]:
    """One song under two names could cross the split. Compared by samples, so WAV and FLAC are alike."""
    message = f"{str(path)!r}: it is the same recording as {str(first)!r}."
    return {
        "type": "audio",
        "message": message,
        "remedy": "Nothing is lost: the recording is in the dataset once.",
    }


def _free_name(path: Path, taken: set[str], numbers: dict[str, Iterator[int]]) -> str:
    """A song's name from its file's, with a number if another song has it (compared without case)."""
    base = safe_name(path.stem)[:_LONGEST_SONG_NAME].rstrip("-._")
    further = numbers.setdefault(base.casefold(), count(2))
    names = chain([base], (f"{base}-{number}" for number in further))
    name = next(name for name in names if name.casefold() not in taken)
    taken.add(name.casefold())
    return name


def _printable(path: Path) -> str:
    """A path as text that can be stored: bytes that are no text are spelled out."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _nothing_usable(skipped: Sequence[SkippedFile]) -> DatasetError:
    if not skipped:
        return DatasetError(
            "No recordings were found.", remedy="Give sound files, or a folder that holds some."
        )
    reasons = "\n".join(f"  {file.error['message']}" for file in skipped)
    return DatasetError(
        f"None of {len(skipped)} recordings can be used:\n{reasons}\n",
        remedy="Give at least one recording that plays.",
    )


def _check_space(root: Path, songs: Sequence[_Song]) -> None:
    needed = _DISK_MARGIN * sum(song.heard.clip_bytes for song in songs)
    free = free_bytes(root)
    if free < needed:
        raise DatasetError(
            f"The clips need up to {needed / 1e9:.2f} GB, {free / 1e9:.2f} GB are free for {str(root)!r}.",
            remedy="Make space, or set ANGEN_HOME to a folder on a larger disk.",
        )


def _alike(settings: Settings, songs: Sequence[_Song], on_progress: ProgressCallback) -> list[Alike]:
    return alike_among(
        [song.name for song in songs],
        lambda number: heard_words(settings.cache, songs[number].heard.digest),
        settings.cache,
        on_progress=on_progress,
    )


def _plan(
    settings: Settings, songs: Sequence[_Song], how: Cutting, alike: Sequence[Alike], seed: int
) -> _Plan:
    """Each song's side of the split, and what is to be said about it."""
    notes: list[str] = []
    cuts = None
    if len(songs) == 1:
        cuts = split_by_time(proposed_cuts(settings.cache, songs[0].heard.digest, how))
        sides: dict[str, Split] = {songs[0].name: "train"}
        notes.append(
            "There is only one song, so the split is by time: its end is held back for validation, after a "
            f"gap of up to {GAP_S:g} s. That flatters validation; add songs for an honest one."
        )
    else:
        sides = _sides(songs, alike, seed)
    notes += told_of(alike, sides)
    whole_s = sum(song.heard.duration_s for song in songs)
    kept_s = sum(song.heard.clip_s for song in songs)
    if cuts is not None:
        kept_s = sum(segment.duration_s for segment, _ in cuts)
    if whole_s - kept_s >= 0.5:
        notes.append(f"{whole_s - kept_s:.1f} s of {whole_s:.1f} s are in no clip: silence, rests and gaps.")
    return _Plan(sides, cuts, notes)


def _sides(songs: Sequence[_Song], alike: Sequence[Alike], seed: int) -> dict[str, Split]:
    """The split by song; songs that are nearly the same are on one side, unless that would leave one side empty."""
    numbers = {song.name: number for number, song in enumerate(songs)}
    pairs = [(numbers[pair.first], numbers[pair.second]) for pair in alike]
    groups = grouped(len(songs), pairs)
    if len(set(groups)) == 1:
        groups = list(range(len(songs)))
    seconds: dict[str, float] = {}
    for song, group in zip(songs, groups, strict=True):
        name = songs[group].name
        seconds[name] = seconds.get(name, 0.0) + song.heard.clip_s
    sides = split_songs(seconds, seed=seed)
    return {song.name: sides[songs[group].name] for song, group in zip(songs, groups, strict=True)}


def _cut(
    settings: Settings,
    folder: Path,
    old: Path | None,
    songs: Sequence[_Song],
    plan: _Plan,
    how: Cutting,
    run: Run,
    on_progress: ProgressCallback,
) -> tuple[list[str], int]:
    """Write the clips of every song; the keys of their records, and how many songs' clips were there already."""
    cuts = None if plan.cuts is None else tuple(segment for segment, _ in plan.cuts)

    def task(number: int) -> CutTask:
        song = songs[number]
        return CutTask(song.path, song.heard.digest, song.name, settings.cache, folder, old, how, cuts)

    keys, done = [], 0
    on_progress(Progress("cutting", 0, len(songs), songs[0].name))
    outcomes = run(cut_song, task, len(songs))
    for number, (song, outcome) in enumerate(zip(songs, outcomes, strict=True), start=1):
        if outcome.value is None:
            error = outcome.error or {}
            raise DatasetError(error.get("message", ""), remedy=error.get("remedy", ""))
        cut: CutSong = outcome.value
        keys.append(cut.key)
        done += cut.was_kept
        on_progress(Progress("cutting", number, len(songs), song.name))
    return keys, done


@dataclass(frozen=True)
class _Made:
    """All that the records are written from."""

    name: str
    folder: Path
    old: Path | None
    songs: list[_Song]
    keys: list[str]
    plan: _Plan
    skipped: list[SkippedFile]
    alike: list[Alike]


def _write(made: _Made, how: Cutting, style: str) -> DatasetInfo:
    """Write the records, and the description last."""
    tables = Tables()
    told = [tables.of(song.path) for song in made.songs]
    triggers = {trigger for trigger, _ in told}
    prefix = " ".join((style or (triggers.pop() if len(triggers) == 1 else "")).split())
    carried = carried_edits(made.old)
    written: Written = write_metadata(
        made.folder / METADATA,
        final_records(
            made.folder,
            [
                (song.name, key, edits)
                for song, key, (_, edits) in zip(made.songs, made.keys, told, strict=True)
            ],
            lambda song, number: made.plan.cuts[number][1] if made.plan.cuts else made.plan.sides[song],
            carried,
        ),
        prefix,
    )
    keep_duplicates(made.folder, made.alike, made.plan.sides)
    tidy(made.folder, set(made.keys))
    info = DatasetInfo(
        name=made.name,
        created=datetime.now(UTC),
        source="the user's recordings",
        prompt_prefix=prefix,
        songs=len(made.songs),
        clips=written.clips,
        seconds=written.seconds,
        splits=written.splits,
        sha256=written.sha256,
        skipped=made.skipped,
        notes=made.plan.notes,
        part=how.part,
        separator=how.separator,
        loudness=LOUDNESS,
    )
    write_info(made.folder, info)
    return info

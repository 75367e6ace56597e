"""Turn recordings into a dataset: listen, propose clips, split by song, cut, write.

Each recording is read twice, once to listen and once to cut, so that no more than one song is in memory at a
time and nothing is written before the whole plan is known.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as with_fields
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np

from angen.analysis import Analysis, Segment, analyze_audio, suggest_segments
from angen.audio import Audio, find_audio, loudness_lufs, peak_db, read_audio
from angen.dataset import (
    ClipRecord,
    DatasetInfo,
    SkippedFile,
    Split,
    clip_audio,
    new_dataset,
    new_name,
    split_by_time,
    split_clips,
    split_songs,
    write_clip,
    write_dataset,
)
from angen.dataset.records import content_sha256
from angen.dataset.split import GAP_S
from angen.dataset.store import count_splits, refuse_taken_name
from angen.errors import AudioError, DatasetError, SilentAudioError
from angen.files import free_bytes, safe_name
from angen.progress import Progress, ProgressCallback, no_progress
from angen.settings import Settings
from angen.workflows.analyze import error_record
from angen.workflows.metadata import record_of

SHORTEST_SONG_S = 1.0
SILENCE_DB = -60.0

_BYTES_PER_VALUE = 2
_DISK_MARGIN = 1.1
_LONGEST_SONG_NAME = 40
_SAME_TEMPO = 0.04
_UNKNOWN: dict[str, Any] = {"instruments": [], "description": ""}


@dataclass(frozen=True)
class PreparedDataset:
    """What became of a preparation.

    Attributes:
        info: The dataset.
        folder: Where it is.
        skipped: Files that were given and are not in it, each with the reason.
        notes: What its owner should know.
    """

    info: DatasetInfo
    folder: Path
    skipped: list[SkippedFile]
    notes: list[str]


@dataclass(frozen=True)
class _Song:
    """What is kept of a recording between listening and cutting."""

    name: str
    path: Path
    shape: tuple[int, ...]
    rate_hz: int
    analysis: Analysis
    segments: list[Segment]
    edits: Mapping[str, Any]
    trigger: str

    @property
    def clip_s(self) -> float:
        return sum(segment.end_s - segment.start_s for segment in self.segments)

    @property
    def clip_bytes(self) -> float:
        return self.clip_s * self.rate_hz * min(self.shape[0], 2) * _BYTES_PER_VALUE


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
    on_progress: ProgressCallback = no_progress,
) -> PreparedDataset:
    """Make a dataset of recordings.

    A recording that cannot be used is skipped with its reason; one that was given twice counts once. A
    preparation that fails or is interrupted leaves nothing behind.

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
        on_progress: Told of each song that was heard ("analysing") and cut ("cutting").

    Raises:
        DatasetError: If the name is taken or impossible, the lengths of clips make no sense, there is no
            usable recording (with the reason for each), or too little space on the disk.
    """
    safe = new_name(name)
    refuse_taken_name(settings.training_data, safe, replace=replace)
    if not (1 <= min_s <= max_s < math.inf):
        raise DatasetError(
            f"Clips of {min_s:g} to {max_s:g} s are not possible.",
            remedy="Give a shortest length of at least 1 s and a longest that is not below it.",
        )
    songs, skipped = _listen(_files_of(paths), min_s, max_s, on_progress)
    if not songs:
        raise _nothing_usable(skipped)
    _check_space(settings.training_data, songs)
    cuts, notes = _plan(songs, seed)
    prefix = " ".join((style or _trigger(songs)).split())
    with new_dataset(settings.training_data, safe, replace=replace) as folder:
        clips = _cut(folder, songs, cuts, on_progress)
        info = DatasetInfo(
            name=safe,
            created=datetime.now(UTC),
            source="the user's recordings",
            prompt_prefix=prefix,
            songs=len(songs),
            clips=len(clips),
            seconds=sum(clip.duration_s for clip in clips),
            splits=count_splits(clips),
            sha256=content_sha256(clips, prefix),
            skipped=skipped,
            notes=notes,
        )
        write_dataset(folder, info, clips)
    return PreparedDataset(info, settings.training_data / safe, skipped, notes)


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
    files: Sequence[Path], min_s: float, max_s: float, on_progress: ProgressCallback
) -> tuple[list[_Song], list[SkippedFile]]:
    """What is heard in each file that can be used, and why the others cannot."""
    songs: list[_Song] = []
    skipped: list[SkippedFile] = []
    heard: dict[str, Path] = {}
    for done, path in enumerate(files):
        on_progress(Progress("analysing", done, len(files), path.name))
        try:
            song = _hear(path, min_s, max_s, heard)
        except Exception as error:  # noqa: BLE001 - a fault with one file must not stop the others
            skipped.append(SkippedFile(path=_printable(path), error=error_record(error)))
        else:
            songs.append(with_fields(song, name=_free_name(path, (other.name for other in songs))))
    on_progress(Progress("analysing", len(files), len(files)))
    return songs, skipped


def _hear(path: Path, min_s: float, max_s: float, heard: dict[str, Path]) -> _Song:
    """One song, still without a name. `heard` knows the recordings before it by their samples."""
    audio = read_audio(path, min_duration_s=SHORTEST_SONG_S)
    _refuse_duplicate(path, audio, heard)
    analysis = analyze_audio(audio)
    proposed = suggest_segments(audio, analysis, min_s=min_s, max_s=max_s)
    clips = split_clips(audio, proposed)
    audible = [part for part, clip in zip(proposed, clips, strict=True) if peak_db(clip) > SILENCE_DB]
    if not audible:
        raise SilentAudioError(path, "no part of it is loud enough.", remedy="Check the recording's level.")
    trigger, told = record_of(path) or ("", None)
    edits = {**told.edits} if told else {}
    if len(audible) > 1:
        edits.pop("lyrics", None)  # nobody said which words are in which clip
    return _Song("", path, audio.samples.shape, audio.rate_hz, analysis, audible, edits, trigger)


def _refuse_duplicate(path: Path, audio: Audio, heard: dict[str, Path]) -> None:
    """One song under two names could cross the split. Compared by samples, so WAV and FLAC are alike."""
    digest = hashlib.sha256(f"{audio.rate_hz} {audio.samples.shape} ".encode())
    for channel in audio.samples:
        digest.update(np.ascontiguousarray(channel).data)
    first = heard.setdefault(digest.hexdigest(), path)
    if first != path:
        raise AudioError(
            path,
            f"it is the same recording as {str(first)!r}.",
            remedy="Nothing is lost: the recording is in the dataset once.",
        )


def _free_name(path: Path, taken: Iterable[str]) -> str:
    """A song's name from its file's, with a number if another song has it (compared without case)."""
    unavailable = {name.casefold() for name in taken}
    base = safe_name(path.stem)[:_LONGEST_SONG_NAME].rstrip("-._")
    names = chain([base], (f"{base}-{number}" for number in count(2)))
    return next(name for name in names if name.casefold() not in unavailable)


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
    needed = _DISK_MARGIN * sum(song.clip_bytes for song in songs)
    free = free_bytes(root)
    if free < needed:
        raise DatasetError(
            f"The clips need up to {needed / 1e9:.2f} GB, {free / 1e9:.2f} GB are free for {str(root)!r}.",
            remedy="Make space, or set ANGEN_HOME to a folder on a larger disk.",
        )


def _plan(songs: Sequence[_Song], seed: int) -> tuple[list[list[tuple[Segment, Split]]], list[str]]:
    """For each song its clips with their side of the split, and what is to be said about it."""
    notes = []
    if len(songs) == 1:
        cuts = [split_by_time(songs[0].segments)]
        notes.append(
            "There is only one song, so the split is by time: its end is held back for validation, after a "
            f"gap of up to {GAP_S:g} s. That flatters validation; add songs for an honest one."
        )
    else:
        sides = split_songs({song.name: song.clip_s for song in songs}, seed=seed)
        cuts = [[(segment, sides[song.name]) for segment in song.segments] for song in songs]
    whole_s = sum(song.analysis.duration_s for song in songs)
    kept_s = sum(segment.end_s - segment.start_s for cut in cuts for segment, _ in cut)
    if whole_s - kept_s >= 0.5:
        notes.append(f"{whole_s - kept_s:.1f} s of {whole_s:.1f} s are in no clip: silence, rests and gaps.")
    return cuts, notes


def _cut(
    folder: Path,
    songs: Sequence[_Song],
    cuts: Sequence[Sequence[tuple[Segment, Split]]],
    on_progress: ProgressCallback,
) -> list[ClipRecord]:
    """Write the clips of every song; their records."""
    records: list[ClipRecord] = []
    for done, (song, cut) in enumerate(zip(songs, cuts, strict=True)):
        on_progress(Progress("cutting", done, len(songs), song.name))
        records += _cut_song(folder, song, cut)
    on_progress(Progress("cutting", len(songs), len(songs)))
    return records


def _cut_song(folder: Path, song: _Song, cut: Sequence[tuple[Segment, Split]]) -> list[ClipRecord]:
    audio = read_audio(song.path)
    if (audio.samples.shape, audio.rate_hz) != (song.shape, song.rate_hz):
        raise AudioError(song.path, "it changed while it was prepared.", remedy="Prepare the dataset again.")
    clips = split_clips(clip_audio(audio), [segment for segment, _ in cut])
    return [
        _write_clip(folder, song, number, segment, side, clip)
        for number, ((segment, side), clip) in enumerate(zip(cut, clips, strict=True), start=1)
    ]


def _write_clip(
    folder: Path, song: _Song, number: int, segment: Segment, side: Split, clip: Audio
) -> ClipRecord:
    clip_id = f"{song.name}-{number:03d}"
    file_name, sha256 = write_clip(folder, clip_id, clip)
    heard, loudness = song.analysis, loudness_lufs(clip)
    known = {
        "tempo_bpm": heard.tempo_bpm,
        "key": heard.key,
        "genre": heard.genre,
        "mood": heard.mood,
        "instruments": list(heard.instruments),
        "energy": heard.energy,
        "loudness_lufs": None if loudness is None else round(loudness, 2),
        "description": heard.description,
        "beats_s": _within(heard.beats_s, segment),
        "downbeats_s": _within(heard.downbeats_s, segment),
    }
    confidence = {
        "tempo_bpm": heard.tempo_confidence,
        "key": heard.key_confidence,
        "downbeats_s": heard.downbeat_confidence,
    }
    known |= _corrected(song.edits, heard.tempo_bpm)
    told = [field for field, value in known.items() if value not in (None, "", [])]
    sources = {field: "edited" if field in song.edits else "measured" for field in told}
    return ClipRecord.model_validate(
        {
            "file_name": file_name,
            "clip_id": clip_id,
            "song": song.name,
            "split": side,
            "start_s": round(segment.start_s, 4),
            "end_s": round(segment.end_s, 4),
            "duration_s": clip.duration_s,
            "sha256": sha256,
            **known,
            "sources": sources,
            "confidence": {
                field: value for field, value in confidence.items() if sources.get(field) == "measured"
            },
        }
    )


def _corrected(edits: Mapping[str, Any], heard_bpm: float | None) -> dict[str, Any]:
    """What the user says of a song; beats that do not fit his tempo are left out."""
    known = {field: value if value is not None else _UNKNOWN.get(field) for field, value in edits.items()}
    tempo = known.get("tempo_bpm")
    if tempo is not None and (heard_bpm is None or abs(tempo / heard_bpm - 1) > _SAME_TEMPO):
        known |= {"beats_s": [], "downbeats_s": []}
    return known


def _trigger(songs: Sequence[_Song]) -> str:
    """The trigger of the songs' tables, where all agree."""
    found = {song.trigger for song in songs}
    return found.pop() if len(found) == 1 else ""


def _within(times_s: Iterable[float], segment: Segment) -> list[float]:
    """The times that fall into a segment, from its start."""
    inside = (
        float(time_s) - segment.start_s for time_s in times_s if segment.start_s <= time_s < segment.end_s
    )
    return [round(time_s, 4) for time_s in inside]

"""Datasets on disk: written whole or not at all, found by name, verified when loaded.

A dataset is built in a hidden folder beside its place and renamed when it is complete, so one that was
interrupted is never seen. Names come from users: they are made safe before they meet a path.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pydantic import ValidationError

from angen.audio import Audio, write_audio
from angen.dataset.records import ClipRecord, DatasetInfo, Split, content_sha256
from angen.errors import DatasetError
from angen.files import content_hash, safe_name, write_text

MARKER = "dataset_info.json"
METADATA = "metadata.jsonl"
CLIPS = "clips"

_LONGEST_NAME_BYTES = 200


@dataclass(frozen=True)
class Dataset:
    """A whole dataset that has been verified.

    Attributes:
        info: What it is. Its hash and counts are those of the clips as they are now.
        clips: Its clips, in the order of `metadata.jsonl`.
        folder: Where it is.
        is_edited: Whether `metadata.jsonl` was changed since the dataset was prepared.
    """

    info: DatasetInfo
    clips: list[ClipRecord]
    folder: Path
    is_edited: bool = False

    def prompt(self, clip: ClipRecord) -> str:
        """The exact text a model is given for a clip."""
        return clip.prompt(self.info.prompt_prefix)

    def audio_path(self, clip: ClipRecord) -> Path:
        """The file of a clip."""
        return self.folder / clip.file_name

    def side(self, split: Split) -> list[ClipRecord]:
        """The clips on one side of the split."""
        return [clip for clip in self.clips if clip.split == split]


def clip_files(dataset: Dataset, clip_id: str | None = None, stem: str | None = None) -> dict[str, Path]:
    """The sound files of a dataset's clips, by the clips' ids.

    Args:
        dataset: Which.
        clip_id: Of one clip; all without.
        stem: The stem in place of the clip.

    Raises:
        DatasetError: If there is no such clip, or the stem was not kept.
    """
    chosen = [clip for clip in dataset.clips if clip_id in (None, clip.clip_id)]
    if not chosen:
        raise DatasetError(
            f"There is no clip {clip_id!r} in {dataset.info.name!r}.",
            remedy=f"See them: angen dataset show {dataset.info.name}.",
        )
    if stem is None:
        return {clip.clip_id: dataset.audio_path(clip) for clip in chosen}
    if any(stem not in (clip.stems or {}) for clip in chosen):
        raise DatasetError(
            f"The dataset {dataset.info.name!r} keeps no {stem}.",
            remedy="Prepare it again with --stems --replace.",
        )
    return {clip.clip_id: dataset.folder / (clip.stems or {})[stem] for clip in chosen}


def new_name(name: str) -> str:
    """The folder name for a dataset that a user calls `name`.

    Raises:
        DatasetError: If it has no letter or digit, or is too long for a file name.
    """
    safe = safe_name(name, fallback="")
    if not safe or len(safe.encode()) > _LONGEST_NAME_BYTES:
        raise DatasetError(
            f"{name!r} cannot be the name of a dataset.",
            remedy="Choose a name of a few letters or digits, such as 'calypso'.",
        )
    return safe


def dataset_folder(root: Path, name: str) -> Path:
    """The folder of an existing dataset.

    Args:
        root: The folder of all datasets (`Settings.training_data`).
        name: Its name, as the user gave it when it was prepared or as it is listed.

    Raises:
        DatasetError: If there is none of that name. A name that is a path is never one.
    """
    is_path = "/" in name or "\\" in name or name.startswith(".")
    folder = root / safe_name(name, fallback="")
    if is_path or folder == root or not (folder / MARKER).is_file():
        there = ", ".join(repr(info.name) for info in list_datasets(root)) or "none yet"
        raise DatasetError(
            f"There is no dataset {name!r} in {str(root)!r}.",
            remedy=f"Choose one that is there ({there}), or prepare it with 'angen dataset prepare'.",
        )
    return folder


def list_datasets(root: Path) -> list[DatasetInfo]:
    """Every whole dataset, sorted by name. Damaged ones are left to `damaged_datasets`."""
    found = []
    for folder in _marked_folders(root):
        with suppress(DatasetError):
            found.append(read_info(folder))
    return found


def damaged_datasets(root: Path) -> list[DatasetError]:
    """What is wrong with each dataset that cannot be listed."""
    errors = []
    for folder in _marked_folders(root):
        try:
            read_info(folder)
        except DatasetError as error:
            errors.append(error)
    return errors


def load_dataset(folder: Path, *, verify_audio: bool = True) -> Dataset:
    """Open a dataset and make sure that it is whole.

    Fields of `metadata.jsonl` may have been edited by hand: hash and counts are taken anew. Clips that are
    missing, added or changed, and a song on both sides of the split, are errors.

    Args:
        folder: The dataset's folder.
        verify_audio: Compare each clip's bytes with its hash; otherwise only see that the file is there.

    Raises:
        DatasetError: If it is not whole; names the file at fault.
    """
    info = read_info(folder)
    clips = _read_clips(folder / METADATA)
    if len(clips) != info.clips:
        raise _damaged(folder / METADATA, f"{len(clips)} clips, where {MARKER} counts {info.clips}")
    _check_split(folder, clips)
    for clip in clips:
        path = folder / clip.file_name
        if not path.is_file():
            raise _damaged(path, "the clip is missing")
        if verify_audio and content_hash(path) != clip.sha256:
            raise _damaged(path, "the clip is not the one that was prepared")
    sha256 = content_sha256(clips, info.prompt_prefix)
    now = info.model_copy(update={"sha256": sha256, "splits": count_splits(clips)})
    return Dataset(now, clips, folder, is_edited=sha256 != info.sha256)


def refuse_taken_name(root: Path, name: str, *, replace: bool = False) -> None:
    """Make sure that a new dataset may be called `name`.

    Raises:
        DatasetError: If a dataset of that name is there and may not be replaced, or something else is there.
    """
    target = root / name
    if not os.path.lexists(target):
        return
    if not (target / MARKER).is_file():
        raise DatasetError(
            f"{str(target)!r} is in the way: it is not a dataset.",
            remedy="Move it away, or choose another name.",
        )
    if not replace:
        raise DatasetError(
            f"There is a dataset {name!r} already.",
            remedy="Choose another name, or replace it (--replace on the command line).",
        )


def write_clip(folder: Path, clip_id: str, audio: Audio) -> tuple[str, str]:
    """Write a clip into an unfinished dataset, as FLAC of 16 bit.

    Returns:
        Its `file_name` and `sha256`.
    """
    file_name = f"{CLIPS}/{clip_id}.flac"
    path = folder / file_name
    write_audio(path, audio, bit_depth=16)
    return file_name, content_hash(path)


def write_dataset(folder: Path, info: DatasetInfo, clips: Sequence[ClipRecord]) -> None:
    """Write the records of an unfinished dataset; the marker last."""
    write_text(folder / METADATA, "".join(f"{clip.model_dump_json()}\n" for clip in clips))
    write_info(folder, info)


def write_info(folder: Path, info: DatasetInfo) -> None:
    """Write the marker of a dataset whose other files are there."""
    write_text(folder / MARKER, info.model_dump_json(indent=2) + "\n")


def count_splits(clips: Sequence[ClipRecord]) -> dict[Split, int]:
    """The number of clips on each side of the split."""
    held_back = sum(clip.split == "validation" for clip in clips)
    return {"train": len(clips) - held_back, "validation": held_back}


def _marked_folders(root: Path) -> list[Path]:
    return sorted(path.parent for path in root.glob(f"[!.]*/{MARKER}") if path.is_file())


def read_info(folder: Path) -> DatasetInfo:
    """The marker of a dataset, under the name its folder has now.

    Raises:
        DatasetError: If it is damaged.
    """
    path = folder / MARKER
    try:
        info = DatasetInfo.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise _damaged(path, _first_fault(error)) from error
    return info.model_copy(update={"name": folder.name})


def _read_clips(path: Path) -> list[ClipRecord]:
    clips = []
    try:
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            try:
                clips.append(ClipRecord.model_validate_json(line))
            except ValidationError as error:
                raise _damaged(path, f"line {number}: {_first_fault(error)}") from error
    except OSError as error:
        raise _damaged(path, str(error)) from error
    return clips


def _check_split(folder: Path, clips: Sequence[ClipRecord]) -> None:
    """Each clip is there once, and no second of a song is on both sides; songs cross only if there is one."""
    path = folder / METADATA
    if len({clip.clip_id for clip in clips}) < len(clips) or len({clip.file_name for clip in clips}) < len(
        clips
    ):
        raise _damaged(path, "a clip is in it twice")
    training = {clip.song for clip in clips if clip.split == "train"}
    crossing = training & {clip.song for clip in clips if clip.split == "validation"}
    if not crossing:
        return
    if len({clip.song for clip in clips}) > 1:
        raise _damaged(path, f"the song {min(crossing)!r} is on both sides of the split")
    ordered = sorted(clips, key=lambda clip: clip.start_s)
    for earlier, later in pairwise(ordered):
        if earlier.split != later.split and earlier.end_s > later.start_s:
            raise _damaged(path, f"{earlier.clip_id!r} and {later.clip_id!r} overlap across the split")


def _first_fault(error: OSError | ValidationError) -> str:
    if isinstance(error, OSError):
        return str(error)
    fault = error.errors(include_url=False)[0]
    return f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}".strip(": ")


def _damaged(path: Path, fault: str) -> DatasetError:
    return DatasetError(
        f"The dataset is damaged: {str(path)!r}: {fault}.",
        remedy="Undo the last change to its files, or prepare it again with --replace.",
    )

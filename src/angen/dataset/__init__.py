"""Datasets: clips of the user's songs with what is known of each, split by song, on disk.

training_data/<name>/dataset_info.json   what it is, counts, hashes; written last, it marks a whole one
                     metadata.jsonl      one `ClipRecord` a line, in Hugging Face's audio-folder layout
                     clips/*.flac        16 bit, at the songs' own rates
                     stems/*.flac        vocals and accompaniment of each clip, where they were kept
                     songs/*.json        what each song was cut from, so that it is not cut again
                     duplicates.json     songs that are nearly the same, where there are some

Everything is found by its name under one root, `Settings.training_data`.
"""

from angen.dataset.clips import clip_audio, split_clips
from angen.dataset.manage import (
    delete_dataset,
    drop_unfinished,
    new_dataset,
    rename_dataset,
    resumed_dataset,
    unfinished_preparations,
)
from angen.dataset.records import FORMAT_VERSION, ClipRecord, DatasetInfo, Part, SkippedFile, Split
from angen.dataset.split import split_by_time, split_songs
from angen.dataset.store import (
    Dataset,
    clip_files,
    damaged_datasets,
    dataset_folder,
    list_datasets,
    load_dataset,
    new_name,
    write_clip,
    write_dataset,
)
from angen.dataset.use import held_dataset

__all__ = [
    "FORMAT_VERSION",
    "ClipRecord",
    "Dataset",
    "DatasetInfo",
    "Part",
    "SkippedFile",
    "Split",
    "clip_audio",
    "clip_files",
    "damaged_datasets",
    "dataset_folder",
    "delete_dataset",
    "drop_unfinished",
    "held_dataset",
    "list_datasets",
    "load_dataset",
    "new_dataset",
    "new_name",
    "rename_dataset",
    "resumed_dataset",
    "split_by_time",
    "split_clips",
    "split_songs",
    "unfinished_preparations",
    "write_clip",
    "write_dataset",
]

"""Datasets: clips of the user's songs with what is known of each, split by song, on disk.

training_data/<name>/dataset_info.json   what it is, counts, hashes; written last, it marks a whole one
                     metadata.jsonl      one `ClipRecord` a line, in Hugging Face's audio-folder layout
                     clips/*.flac        16 bit, at the songs' own rates

Everything is found by its name under one root, `Settings.training_data`.
"""

from angen.dataset.clips import clip_audio, split_clips
from angen.dataset.records import FORMAT_VERSION, ClipRecord, DatasetInfo, SkippedFile, Split
from angen.dataset.split import split_by_time, split_songs
from angen.dataset.store import (
    Dataset,
    damaged_datasets,
    dataset_folder,
    delete_dataset,
    list_datasets,
    load_dataset,
    new_dataset,
    new_name,
    write_clip,
    write_dataset,
)

__all__ = [
    "FORMAT_VERSION",
    "ClipRecord",
    "Dataset",
    "DatasetInfo",
    "SkippedFile",
    "Split",
    "clip_audio",
    "damaged_datasets",
    "dataset_folder",
    "delete_dataset",
    "list_datasets",
    "load_dataset",
    "new_dataset",
    "new_name",
    "split_by_time",
    "split_clips",
    "split_songs",
    "write_clip",
    "write_dataset",
]

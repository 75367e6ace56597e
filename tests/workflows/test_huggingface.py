"""A prepared dataset is an audio folder to Hugging Face `datasets`: by its documented layout, and to the library."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.tunes import tune

from angen.audio import write_audio
from angen.dataset import Dataset, DatasetInfo, load_dataset
from angen.settings import Settings
from angen.workflows.prepare import prepare_dataset
from angen.workflows.spread import Spread


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    room = tmp_path_factory.mktemp("huggingface")
    for number in range(4):
        write_audio(room / "songs" / f"song {number}.wav", tune(12.0, seed=number))
    made = prepare_dataset(
        Settings(room / "home"), "calypso", [room / "songs"], style="attic", spread=Spread(workers=1)
    )
    return load_dataset(made.folder)


def test_the_layout_is_the_documented_one(prepared: Dataset) -> None:
    """`metadata.jsonl` at the root, a line for each sound file, `file_name` relative to it and first of all."""
    lines = (prepared.folder / "metadata.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert all(next(iter(record)) == "file_name" for record in records)
    named = {record["file_name"] for record in records}
    there = {path.relative_to(prepared.folder).as_posix() for path in prepared.folder.rglob("*.flac")}
    assert named == there
    assert len({tuple(record) for record in records}) == 1  # the same columns in every line
    info = DatasetInfo.model_validate_json((prepared.folder / "dataset_info.json").read_bytes())
    assert (info.clips, sum(info.splits.values())) == (len(records), len(records))


@pytest.mark.slow
def test_the_library_reads_clips_splits_and_words(prepared: Dataset, tmp_path: Path) -> None:
    pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")
    script = """
import sys
from datasets import Audio, load_dataset
rows = load_dataset("audiofolder", data_dir=sys.argv[1], split="train", streaming=True)
rows = rows.cast_column("audio", Audio(decode=False))
for row in sorted(rows, key=lambda row: row["clip_id"]):
    print(row["clip_id"], row["split"], row["song"], row["duration_s"], row["audio"]["path"].rpartition("/")[2])
"""
    words = [sys.executable, "-W", "ignore", "-c", script, str(prepared.folder)]
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    told = subprocess.run(words, capture_output=True, text=True, env=offline, timeout=240)
    if "install 'torchcodec'" in told.stderr:
        pytest.skip("datasets from version 4 on reads sound with torchcodec, which is not usable here")
    assert told.returncode == 0, told.stderr[-2000:]
    expected = [
        f"{clip.clip_id} {clip.split} {clip.song} {clip.duration_s} {clip.clip_id}.flac"
        for clip in sorted(prepared.clips, key=lambda clip: clip.clip_id)
    ]
    assert told.stdout.splitlines() == expected

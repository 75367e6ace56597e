"""Records written one by one make the same file, counts and hash as all at once; locks keep a dataset in place."""

from __future__ import annotations

import multiprocessing
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.audio import Audio
from angen.dataset import (
    ClipRecord,
    DatasetInfo,
    clip_files,
    delete_dataset,
    held_dataset,
    load_dataset,
    new_dataset,
    rename_dataset,
    resumed_dataset,
    unfinished_preparations,
    write_clip,
    write_dataset,
)
from angen.dataset.records import content_sha256
from angen.dataset.store import count_splits
from angen.dataset.writing import write_metadata
from angen.errors import DatasetError


def _clip(clip_id: str, split: str = "train", **fields: object) -> ClipRecord:
    known = {"file_name": f"clips/{clip_id}.flac", "clip_id": clip_id, "song": clip_id, "split": split}
    times = {"start_s": 0.0, "end_s": 2.0, "duration_s": 2.0, "sha256": "0" * 64}
    return ClipRecord.model_validate({**known, **times, **fields})


@settings(max_examples=20)
@given(
    st.lists(st.from_regex(r"[a-zé0-9][a-z.-]{0,4}", fullmatch=True), min_size=1, unique=True),
    st.text(max_size=5),
)
def test_the_hash_is_that_of_all_records_at_once(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str], words: str
) -> None:
    clips = [
        _clip(name, "validation" if number % 3 else "train", tempo_bpm=100.0 + number)
        for number, name in enumerate(ids)
    ]
    path = tmp_path_factory.mktemp("records") / "metadata.jsonl"
    written = write_metadata(path, iter(clips), words)
    assert written.sha256 == content_sha256(clips, words)
    assert (written.clips, written.seconds) == (len(clips), 2.0 * len(clips))
    assert written.splits == count_splits(clips)
    assert [ClipRecord.model_validate_json(line) for line in path.read_bytes().splitlines()] == clips


def test_stems_beside_a_clip_do_not_change_what_a_model_learns() -> None:
    bare, with_stems = _clip("a"), _clip("a", stems={"vocals": "stems/a.vocals.flac"})
    assert content_sha256([bare], "") == content_sha256([with_stems], "")
    assert content_sha256([bare], "") != content_sha256([_clip("a", genre="ska")], "")


def _dataset(root: Path) -> Path:
    clips = []
    with new_dataset(root, "noise") as folder:
        for number, side in enumerate(("train", "validation")):
            sound = np.random.default_rng(number).uniform(-0.5, 0.5, (1, 4000)).astype(np.float32)
            name, sha256 = write_clip(folder, f"s{number}-001", Audio(sound, 8000))
            clips.append(_clip(f"s{number}-001", side, file_name=name, sha256=sha256))
        info = DatasetInfo(
            name="noise", created=datetime.now(UTC), songs=2, clips=2, seconds=1.0, splits=count_splits(clips),
            sha256=content_sha256(clips, ""),
        )  # fmt: skip
        write_dataset(folder, info, clips)
    return root


def _broken_off(root: Path) -> None:
    with resumed_dataset(root, "x") as folder:
        (folder / "clips" / "done").write_text("a song")
        raise KeyboardInterrupt


def _hold(root: Path, ready: Any) -> None:
    with held_dataset(root, "noise", "training"):
        ready.set()
        time.sleep(600)


def test_a_dataset_is_renamed_whole_and_its_clips_are_found(tmp_path: Path) -> None:
    root = _dataset(tmp_path)
    before = load_dataset(root / "noise")
    folder = rename_dataset(root, "noise", "My noise!")
    after = load_dataset(folder)
    assert (folder.name, after.info.name, after.info.sha256) == ("My-noise", "My-noise", before.info.sha256)
    assert [path.name for path in root.iterdir()] == ["My-noise"]
    assert clip_files(after) == {clip.clip_id: folder / clip.file_name for clip in after.clips}
    assert list(clip_files(after, "s1-001")) == ["s1-001"]
    with pytest.raises(DatasetError, match="no clip 'x'"):
        clip_files(after, "x")
    with pytest.raises(DatasetError, match="keeps no vocals"):
        clip_files(after, stem="vocals")
    _dataset(root)
    with pytest.raises(DatasetError, match="already"):
        rename_dataset(root, "noise", "My noise")
    assert load_dataset(root / "noise").info.name == "noise"


class TestInUse:
    def test_a_dataset_that_is_read_is_neither_deleted_nor_renamed_nor_replaced(self, tmp_path: Path) -> None:
        root = _dataset(tmp_path)
        with held_dataset(root, "noise", "training calypso"):
            for refused in (
                lambda: delete_dataset(root, "noise"),
                lambda: rename_dataset(root, "noise", "other"),
                lambda: resumed_dataset(root, "noise", replace=True).__enter__(),
            ):
                with pytest.raises(DatasetError, match="training calypso"):
                    refused()
            with held_dataset(root, "noise", "generating"):
                pass  # readers do not disturb each other
        assert delete_dataset(root, "noise") == root / "noise"
        assert list(root.iterdir()) == []

    def test_a_lock_ends_with_its_process(self, tmp_path: Path) -> None:
        root = _dataset(tmp_path)
        context = multiprocessing.get_context("spawn")
        ready = context.Event()
        process = context.Process(target=_hold, args=(root, ready))
        process.start()
        assert ready.wait(60)
        with pytest.raises(DatasetError, match="in use"):
            delete_dataset(root, "noise")
        process.kill()
        process.join()
        delete_dataset(root, "noise")

    def test_one_preparation_of_a_name_at_a_time(self, tmp_path: Path) -> None:
        with resumed_dataset(tmp_path, "x") as folder:
            (folder / "song").write_text("half")
            assert unfinished_preparations(tmp_path) == ["x"]
            with pytest.raises(DatasetError, match="preparing"):
                resumed_dataset(tmp_path, "x").__enter__()

    def test_what_a_broken_preparation_left_is_there_for_the_next(self, tmp_path: Path) -> None:
        with pytest.raises(KeyboardInterrupt):
            _broken_off(tmp_path)
        with resumed_dataset(tmp_path, "x") as folder:
            assert (folder / "clips" / "done").read_text() == "a song"
        assert (tmp_path / "x" / "clips" / "done").exists()
        assert unfinished_preparations(tmp_path) == []

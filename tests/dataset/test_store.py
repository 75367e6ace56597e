from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from angen.audio import Audio, read_audio
from angen.dataset import (
    ClipRecord,
    Dataset,
    DatasetInfo,
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
from angen.dataset.records import content_sha256
from angen.dataset.store import count_splits
from angen.errors import DatasetError


def _fill(folder: Path, name: str, *, songs: int = 3, genre: str | None = None) -> None:
    """Write a dataset of short noises, the last song held back."""
    clips = []
    for number in range(songs):
        noise = np.random.default_rng(number).uniform(-0.5, 0.5, (1, 4000)).astype(np.float32)
        file_name, sha256 = write_clip(folder, f"song{number}-001", Audio(noise, 8000))
        clips.append(
            ClipRecord(
                file_name=file_name,
                clip_id=f"song{number}-001",
                song=f"song{number}",
                split="validation" if number == songs - 1 else "train",
                start_s=0.0,
                end_s=0.5,
                duration_s=0.5,
                sha256=sha256,
                genre=genre,
            )
        )
    info = DatasetInfo(
        name=name,
        created=datetime.now(UTC),
        prompt_prefix="noise of mine",
        songs=songs,
        clips=songs,
        seconds=0.5 * songs,
        splits=count_splits(clips),
        sha256=content_sha256(clips, "noise of mine"),
    )
    write_dataset(folder, info, clips)


def _make(root: Path, name: str = "noise", **how: Any) -> Dataset:
    with new_dataset(root, name, replace=how.pop("replace", False)) as folder:
        _fill(folder, name, **how)
    return load_dataset(root / name)


def _interrupted(root: Path) -> None:
    with new_dataset(root, "noise", replace=True) as folder:
        _fill(folder, "noise", songs=2)
        raise KeyboardInterrupt


def _edit(root: Path, **fields: Any) -> None:
    """Change the first line of the metadata, as a person with an editor would."""
    path = root / "noise" / "metadata.jsonl"
    first, *others = path.read_text().splitlines()
    path.write_text("\n".join([json.dumps({**json.loads(first), **fields}), *others]) + "\n")


def test_what_was_written_is_loaded(tmp_path: Path) -> None:
    dataset = _make(tmp_path, genre="zouk")
    assert [info.name for info in list_datasets(tmp_path)] == ["noise"]
    assert [clip.song for clip in dataset.side("validation")] == ["song2"]
    assert dataset.prompt(dataset.clips[0]) == "noise of mine, zouk"
    assert read_audio(dataset.audio_path(dataset.clips[0])).duration_s == 0.5
    assert not dataset.is_edited


def test_metadata_are_in_the_audio_folder_layout(tmp_path: Path) -> None:
    folder = _make(tmp_path).folder
    for line in (folder / "metadata.jsonl").read_text().splitlines():
        assert (folder / json.loads(line)["file_name"]).is_file()


def test_a_failed_preparation_leaves_nothing(tmp_path: Path) -> None:
    root = tmp_path / "data"
    with pytest.raises(KeyboardInterrupt):
        _interrupted(root)
    assert list(root.iterdir()) == []


def test_a_killed_preparation_is_never_listed_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, sys\n"
        "from angen.dataset import new_dataset\n"
        "with new_dataset(pathlib.Path(sys.argv[1]), 'noise') as folder:\n"
        "    (folder / 'dataset_info.json').write_text('{}')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    assert list_datasets(tmp_path) == []
    assert damaged_datasets(tmp_path) == []
    _make(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["noise"]


def test_a_preparation_beside_ours_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / f".unfinished-{os.getppid()}-abcd"
    other.mkdir()
    _make(tmp_path)
    assert other.is_dir()


def test_a_name_that_is_taken_is_refused_and_may_be_replaced(tmp_path: Path) -> None:
    _make(tmp_path, songs=3)
    with pytest.raises(DatasetError, match="already") as caught:
        _make(tmp_path, songs=2)
    assert "--replace" in caught.value.remedy
    assert load_dataset(tmp_path / "noise").info.clips == 3
    assert _make(tmp_path, songs=2, replace=True).info.clips == 2
    assert [path.name for path in tmp_path.iterdir()] == ["noise"]


def test_a_failed_replacement_keeps_the_old_one(tmp_path: Path) -> None:
    _make(tmp_path, songs=3)
    with pytest.raises(KeyboardInterrupt):
        _interrupted(tmp_path)
    assert load_dataset(tmp_path / "noise").info.clips == 3


def test_of_two_preparations_of_one_name_the_slower_is_refused(tmp_path: Path) -> None:
    def slower() -> None:
        with new_dataset(tmp_path, "noise") as folder:
            _fill(folder, "noise", songs=2)
            _make(tmp_path, songs=3)

    with pytest.raises(DatasetError, match="already"):
        slower()
    assert load_dataset(tmp_path / "noise").info.clips == 3
    assert [path.name for path in tmp_path.iterdir()] == ["noise"]


def test_something_else_in_the_way_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "noise").mkdir()
    (tmp_path / "noise" / "precious.txt").write_text("keep me")
    with pytest.raises(DatasetError, match="not a dataset"):
        _make(tmp_path, replace=True)
    assert (tmp_path / "noise" / "precious.txt").read_text() == "keep me"


def test_a_disk_that_refuses_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="cannot be written"):
        _make(tmp_path / "file" / "data")


@pytest.mark.parametrize(
    ("given", "name"),
    [("My songs!", "My-songs"), ("../../etc", "etc"), ("Été 2024", "Été-2024"), ("a/b", "a-b"), ("歌", "歌")],
)
def test_new_names_are_made_safe(given: str, name: str) -> None:
    assert new_name(given) == name


@pytest.mark.parametrize("given", ["", "..", "/", "!!!", "歌" * 80])
def test_impossible_names_are_refused(given: str) -> None:
    with pytest.raises(DatasetError, match="cannot be the name"):
        new_name(given)


@pytest.mark.parametrize("given", ["../noise", "noise/", ".noise", "..", "", "other", "a\\noise", "/noise"])
def test_a_path_or_an_unknown_name_finds_no_dataset(tmp_path: Path, given: str) -> None:
    _make(tmp_path)
    with pytest.raises(DatasetError, match="no dataset") as caught:
        dataset_folder(tmp_path, given)
    assert "'noise'" in caught.value.remedy
    with pytest.raises(DatasetError, match="no dataset"):
        delete_dataset(tmp_path, given)
    assert load_dataset(tmp_path / "noise").info.clips == 3


def test_a_dataset_is_found_by_the_name_its_owner_gave(tmp_path: Path) -> None:
    _make(tmp_path, new_name("My songs!"))
    assert dataset_folder(tmp_path, "My songs!") == tmp_path / "My-songs"


def test_deleting_removes_one_dataset_and_not_its_neighbour(tmp_path: Path) -> None:
    _make(tmp_path, "one")
    _make(tmp_path, "two")
    assert delete_dataset(tmp_path, "one") == tmp_path / "one"
    assert [path.name for path in tmp_path.iterdir()] == ["two"]


def test_deleting_a_link_keeps_what_it_leads_to(tmp_path: Path) -> None:
    _make(tmp_path / "elsewhere")
    root = tmp_path / "data"
    root.mkdir()
    (root / "noise").symlink_to(tmp_path / "elsewhere" / "noise")
    delete_dataset(root, "noise")
    assert list(root.iterdir()) == []
    assert load_dataset(tmp_path / "elsewhere" / "noise").info.clips == 3


def test_an_edited_field_is_welcome_and_changes_the_hash(tmp_path: Path) -> None:
    before = _make(tmp_path)
    _edit(tmp_path, genre="zouk")
    after = load_dataset(before.folder)
    assert after.is_edited
    assert after.info.sha256 != before.info.sha256
    assert after.clips[0].genre == "zouk"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tempo": 112.0}, "line 1: tempo"),
        ({"tempo_bpm": "fast"}, "line 1: tempo_bpm"),
        ({"file_name": "clips/../../../x.flac"}, "line 1: file_name"),
        ({"file_name": "clips/other.flac"}, "the clip is missing"),
        ({"file_name": "clips/song1-001.flac"}, "twice"),
        ({"sha256": "1" * 64}, "not the one that was prepared"),
        ({"song": "song2"}, "both sides of the split"),
    ],
)
def test_an_edit_that_breaks_the_dataset_is_told(
    tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    folder = _make(tmp_path).folder
    _edit(tmp_path, **fields)
    with pytest.raises(DatasetError, match=message) as caught:
        load_dataset(folder)
    assert "--replace" in caught.value.remedy


def test_a_missing_or_changed_file_is_told_by_name(tmp_path: Path) -> None:
    dataset = _make(tmp_path)
    clip = dataset.audio_path(dataset.clips[1])
    clip.write_bytes(clip.read_bytes()[:-1] + b"x")
    with pytest.raises(DatasetError, match=clip.name):
        load_dataset(dataset.folder)
    load_dataset(dataset.folder, verify_audio=False)
    clip.unlink()
    with pytest.raises(DatasetError, match="missing"):
        load_dataset(dataset.folder, verify_audio=False)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("dataset_info.json", b"{"),
        ("dataset_info.json", b'{"format_version": 2}'),
        ("metadata.jsonl", b""),
        ("metadata.jsonl", b"\xff\xfe\n"),
        ("metadata.jsonl", None),
    ],
)
def test_damaged_records_are_told(tmp_path: Path, name: str, content: bytes | None) -> None:
    folder = _make(tmp_path).folder
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(DatasetError, match=name):
        load_dataset(folder)


def test_one_damaged_dataset_does_not_hide_the_others(tmp_path: Path) -> None:
    _make(tmp_path, "good")
    _make(tmp_path, "bad")
    (tmp_path / "bad" / "dataset_info.json").write_text("{}")
    (tmp_path / "not a dataset").mkdir()
    assert [info.name for info in list_datasets(tmp_path)] == ["good"]
    (error,) = damaged_datasets(tmp_path)
    assert "bad" in error.message


def test_a_workspace_without_datasets_lists_none(tmp_path: Path) -> None:
    assert list_datasets(tmp_path / "nowhere") == []


def test_one_song_may_be_on_both_sides_if_no_second_is(tmp_path: Path) -> None:
    with new_dataset(tmp_path, "noise") as folder:
        _fill(folder, "noise", songs=2)
    path = tmp_path / "noise" / "metadata.jsonl"
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    second |= {"song": first["song"], "start_s": 1.0, "end_s": 1.5}
    path.write_text(f"{json.dumps(first)}\n{json.dumps(second)}\n")
    assert load_dataset(tmp_path / "noise").clips[1].split == "validation"
    second |= {"start_s": 0.4, "end_s": 0.9}
    path.write_text(f"{json.dumps(first)}\n{json.dumps(second)}\n")
    with pytest.raises(DatasetError, match="overlap across the split"):
        load_dataset(tmp_path / "noise")

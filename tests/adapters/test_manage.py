import shutil
import subprocess
import sys

import pytest

from angen.adapters import (
    AdapterInfo,
    clean_up,
    delete_adapter,
    duplicate_adapter,
    held,
    list_adapters,
    manage,
    read_info,
    rename_adapter,
    write_info,
)
from angen.adapters.catalogue import adapter_folder
from angen.adapters.manage import new_adapter
from angen.errors import AdapterError

FILES = ("best/adapter_model.safetensors", "final/adapter_model.safetensors", "samples/one.wav", "report.html",
         "checkpoints/step_000100/state.json", "log.jsonl")  # fmt: skip


@pytest.fixture
def add(tmp_path):
    def put(name="calypso"):
        folder = adapter_folder(tmp_path, name)
        for file in FILES:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(f"{name} {file}")
        info = {"name": name, "state": "finished", "created": "2026-01-02T03:04:05", "base": "angen-tiny",
                "base_hash": "a" * 64, "dataset": "songs", "dataset_hash": "b" * 64, "style": "", "config": {},
                "versions": {}, "steps": 1, "best_step": 1, "seconds": 1.0}  # fmt: skip
        write_info(folder, AdapterInfo(**info))
        return folder

    return put


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "metadata.json"
    }


def test_renaming_moves_everything_and_the_name_with_it(tmp_path, add):
    before = contents(add("one"))
    assert rename_adapter(tmp_path, "one", "two").name == "two"
    assert [info.name for info in list_adapters(tmp_path)] == ["two"]
    assert contents(tmp_path / "two") == before
    assert '"name": "two"' in (tmp_path / "two" / "metadata.json").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["two"]


def test_a_renaming_that_is_killed_in_the_middle_is_a_whole_one(tmp_path, add, monkeypatch):
    add("one")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(manage, "write_info", killed)
    with pytest.raises(KeyboardInterrupt):
        rename_adapter(tmp_path, "one", "two")
    assert [info.name for info in list_adapters(tmp_path)] == ["two"]
    assert read_info(tmp_path / "two").name == "two"


def test_a_copy_has_everything_but_the_checkpoints_and_the_first_stays(tmp_path, add):
    before = contents(add("one"))
    duplicate_adapter(tmp_path, "one", "two")
    assert contents(tmp_path / "one") == before
    assert contents(tmp_path / "two") == {
        name: data for name, data in before.items() if not name.startswith("checkpoints")
    }
    assert read_info(tmp_path / "two").name == "two"
    (tmp_path / "two" / "log.jsonl").write_text("changed")
    assert contents(tmp_path / "one") == before


@pytest.mark.parametrize("act", [rename_adapter, duplicate_adapter])
@pytest.mark.parametrize("taken", ["an adapter", "an empty folder", "a file", "itself"])
def test_a_taken_name_is_refused_and_both_stay_as_they_are(tmp_path, add, act, taken):
    before = contents(add("one"))
    other = "one" if taken == "itself" else "two"
    if taken == "an adapter":
        add("two")
    elif taken == "an empty folder":
        (tmp_path / "two").mkdir()
    elif taken == "a file":
        (tmp_path / "two").touch()
    there = sorted(tmp_path.iterdir())
    with pytest.raises(AdapterError, match="already"):
        act(tmp_path, "one", other)
    assert sorted(tmp_path.iterdir()) == there
    assert contents(tmp_path / "one") == before


@pytest.mark.parametrize("act", [rename_adapter, duplicate_adapter])
@pytest.mark.parametrize("name", ["", "..", "../two", "a/b", ".hidden", "two\n"])
def test_impossible_names_are_refused(tmp_path, add, act, name):
    add("one")
    with pytest.raises(AdapterError, match="cannot name"):
        act(tmp_path, "one", name)
    with pytest.raises(AdapterError, match="cannot name"):
        act(tmp_path, name, "two")
    with pytest.raises(AdapterError, match="no adapter"):
        act(tmp_path, "nobody", "two")
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_what_is_in_use_is_neither_renamed_nor_deleted(tmp_path, add):
    before = contents(add("one"))
    with held(tmp_path, "one", "generation"):
        with pytest.raises(AdapterError, match="in use"):
            rename_adapter(tmp_path, "one", "two")
        with pytest.raises(AdapterError, match="in use"):
            delete_adapter(tmp_path, "one")
        duplicate_adapter(tmp_path, "one", "copy")  # reading disturbs nobody
    assert contents(tmp_path / "one") == before
    delete_adapter(tmp_path, "one")
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_a_link_is_deleted_and_what_it_shows_stays(tmp_path, add):
    folder = add("one")
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    delete_adapter(tmp_path, "one")
    assert not folder.is_symlink()
    assert contents(elsewhere)


def test_a_deletion_that_fails_in_the_middle_leaves_no_half_adapter(tmp_path, add, monkeypatch):
    add("one")

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            delete_adapter(tmp_path, "one")
    assert list_adapters(tmp_path) == []
    assert clean_up(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_operation_that_fails_leaves_nothing(tmp_path):
    def fail():
        with new_adapter(tmp_path, "one", "importing") as folder:
            (folder / "best").mkdir()
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half"):
        fail()
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from angen.adapters.manage import new_adapter
with new_adapter(Path(sys.argv[1]), "two", "importing") as folder:
    (folder / "best").mkdir()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_cleaned_up_and_nothing_else(tmp_path, add):
    before = contents(add("one"))
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert [info.name for info in list_adapters(tmp_path)] == ["one"]
    (tmp_path / ".three.former" / "best").mkdir(parents=True)
    (tmp_path / "one" / ".best.999999999.0a0b0c0d.part").mkdir()
    (tmp_path / ".keep-me").mkdir()
    with held(tmp_path, "one", "training"):
        assert len(clean_up(tmp_path)) == 2
        assert (tmp_path / "one" / ".best.999999999.0a0b0c0d.part").exists()
    assert clean_up(tmp_path) == ["one/.best.999999999.0a0b0c0d.part"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".keep-me", "one"]
    assert contents(tmp_path / "one") == before
    assert clean_up(tmp_path) == []


def test_what_is_being_made_is_not_cleaned_up(tmp_path):
    with new_adapter(tmp_path, "two", "importing") as folder:
        (folder / "best").mkdir()
        assert clean_up(tmp_path) == []
        assert (folder / "best").is_dir()
    assert (tmp_path / "two" / "best").is_dir()


def test_cleaning_up_nothing_is_fine(tmp_path):
    assert clean_up(tmp_path / "nowhere") == []

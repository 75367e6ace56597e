import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angen.adapters import AdapterInfo, adapter_folder, delete_adapter, list_adapters, read_info, write_info
from angen.errors import AdapterError
from angen.files import safe_name


def info(name="calypso", **changes):
    known = {
        "name": name,
        "state": "finished",
        "created": "2026-01-02T03:04:05",
        "base": "angen-tiny",
        "base_hash": "a" * 64,
        "dataset": "songs",
        "dataset_hash": "b" * 64,
        "style": "calypso with steel drums — été",
        "config": {"rank": 8, "learning_rate": 1e-3},
        "versions": {"python": "3.11"},
        "steps": 100,
        "best_step": 80,
        "validation_loss_base": 1.5,
        "validation_loss_best": 1.25,
        "validation_loss_final": 1.3,
        "seconds": 12.5,
    }
    return AdapterInfo(**(known | changes))


@pytest.fixture
def add(tmp_path):
    """Put an adapter into the catalogue at `tmp_path`."""

    def put(name="calypso", **changes):
        folder = adapter_folder(tmp_path, name)
        write_info(folder, info(name, **changes))
        return folder

    return put


def test_what_is_written_is_read(add):
    folder = add(licence="CC0", tempo_bpm=112.5, noise_scale=0.9, guidance=2.5)
    assert read_info(folder) == info(licence="CC0", tempo_bpm=112.5, noise_scale=0.9, guidance=2.5)


def test_an_older_adapter_leaves_guidance_to_the_model(add):
    folder = add(guidance=2.5)
    stored = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    assert stored.pop("guidance") == 2.5
    (folder / "metadata.json").write_text(json.dumps(stored), encoding="utf-8")
    assert read_info(folder).guidance is None
    (folder / "metadata.json").write_text(json.dumps(stored | {"guidance": -1.0}), encoding="utf-8")
    with pytest.raises(AdapterError, match="guidance"):
        read_info(folder)


def test_the_metadata_is_readable_json(add):
    stored = json.loads((add() / "metadata.json").read_text(encoding="utf-8"))
    assert stored["style"] == "calypso with steel drums — été"
    assert stored["format_version"] == 2


def test_writing_again_replaces_the_metadata_and_nothing_else(add):
    folder = add(state="training")
    (folder / "best").mkdir()
    add(state="finished")
    assert read_info(folder).state == "finished"
    assert sorted(path.name for path in folder.iterdir()) == ["best", "metadata.json"]


def test_adapters_are_listed_oldest_first(tmp_path, add):
    add("one", created="2026-03-01T00:00:00")
    add("two", created="2026-01-01T00:00:00")
    add("also-two", created="2026-01-01T00:00:00")
    assert [found.name for found in list_adapters(tmp_path)] == ["also-two", "two", "one"]


@pytest.mark.parametrize("root", ["empty", "nowhere"])
def test_without_adapters_the_list_is_empty(tmp_path, root):
    (tmp_path / "empty").mkdir()
    assert list_adapters(tmp_path / root) == []


DAMAGE = {
    "empty": b"",
    "cut": b'{"format_version": 1, "name": "x"',
    "not text": bytes(range(256)),
    "another record": b'{"name": "x"}',
    "a list": b"[]",
}


@pytest.mark.parametrize("damage", [*DAMAGE, "unknown field", "no noise"])
def test_damaged_metadata_is_reported_and_hides_no_other_adapter(tmp_path, add, damage):
    add("sound")
    folder = add("broken")
    path = folder / "metadata.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    changed = {"unknown field": {"surprise": 1}, "no noise": {"noise_scale": 0}}.get(damage, {})
    path.write_bytes(DAMAGE.get(damage, json.dumps(stored | changed).encode()))
    with pytest.raises(AdapterError, match="broken") as refusal:
        read_info(folder)
    assert refusal.value.remedy
    assert [found.name for found in list_adapters(tmp_path)] == ["sound"]


def test_other_files_and_folders_beside_adapters_do_not_matter(tmp_path, add):
    add()
    (tmp_path / ".DS_Store").touch()
    (tmp_path / "half-made" / "best").mkdir(parents=True)
    (tmp_path / "folder-for-metadata" / "metadata.json").mkdir(parents=True)
    assert [found.name for found in list_adapters(tmp_path)] == ["calypso"]


def test_a_missing_adapter_is_named(tmp_path):
    with pytest.raises(AdapterError, match="no adapter 'nowhere'"):
        read_info(tmp_path / "nowhere")


HOSTILE = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "/etc",
    "a\\b",
    "a b",
    "-x",
    ".hidden",
    "x\0y",
    "x\n",
    "a" * 81,
    "C:x",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_are_no_plain_names_are_refused(tmp_path, name):
    with pytest.raises(AdapterError, match="cannot name an adapter"):
        adapter_folder(tmp_path, name)
    bystander = tmp_path.parent / "x"
    bystander.mkdir(exist_ok=True)
    with pytest.raises(AdapterError, match="cannot name an adapter"):
        delete_adapter(tmp_path / "loras", name)
    assert bystander.is_dir()


@given(st.text(max_size=20))
def test_a_name_is_refused_or_is_a_folder_right_inside(tmp_path_factory, name):
    root = tmp_path_factory.getbasetemp()
    try:
        folder = adapter_folder(root, name)
    except AdapterError:
        assert safe_name(name) != name or not name
    else:
        assert folder.parent == root
        assert folder.name == name


def test_a_refused_name_comes_with_one_that_works(tmp_path):
    with pytest.raises(AdapterError) as refusal:
        adapter_folder(tmp_path, "../my calypso")
    assert "'my-calypso'" in refusal.value.remedy
    assert adapter_folder(tmp_path, "my-calypso") == tmp_path / "my-calypso"


def test_deleting_removes_everything_of_that_adapter_and_nothing_else(tmp_path, add):
    folder, other = add("one"), add("two")
    for part in ("best", "checkpoints/step_000100"):
        (folder / part).mkdir(parents=True)
        (folder / part / "adapter_model.safetensors").touch()
    delete_adapter(tmp_path, "one")
    assert list(tmp_path.iterdir()) == [other]
    assert read_info(other).name == "two"


def test_an_adapter_without_metadata_can_be_deleted(tmp_path, add):
    folder = add()
    (folder / "metadata.json").unlink()
    delete_adapter(tmp_path, "calypso")
    assert not folder.exists()


def test_deleting_what_is_not_there_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for name in ("nowhere", "file"):
        with pytest.raises(AdapterError, match=f"no adapter '{name}'"):
            delete_adapter(tmp_path, name)
    assert (tmp_path / "file").exists()

import json
import multiprocessing
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.errors import TimelineError
from angen.files import locked
from angen.timeline import History, Project, edits, load_project, recover_project, save_project
from angen.timeline.storage import HISTORY, PREVIOUS, PROJECT, list_projects, project_folder


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "song"


@pytest.fixture
def saved(folder, two_clips):
    """A project with three states, saved after each."""
    history = History.of(two_clips)
    save_project(folder, history)
    for gain_db in (-3.0, -6.0):
        history = history.done(edits.set_track_gain(history.project, "t1", gain_db), f"gain {gain_db}")
        save_project(folder, history)
    return history


@settings(max_examples=25)
@given(data=st.data())
def test_a_saved_history_comes_back_whole(projects, edit_at_random, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("saved")
    history = History.of(data.draw(projects))
    for _ in range(data.draw(st.integers(0, 6))):
        try:
            history = history.done(edit_at_random(history.project, data.draw), "edit")
        except TimelineError:
            continue
    for _ in range(data.draw(st.integers(0, history.at))):
        history = history.undone()
    save_project(folder, history)
    assert load_project(folder).history == history


def test_the_history_holds_each_clip_once(saved, folder):
    held = json.loads((folder / HISTORY).read_text())
    assert len(held["states"]) == 3
    assert len(held["clips"]) == 2


def test_the_last_save_but_one_is_kept(saved, folder):
    previous = Project.model_validate_json((folder / PREVIOUS).read_text())
    assert previous == saved.undone().project


@pytest.mark.parametrize(
    ("damage", "where"),
    [
        (lambda text: text.replace('"length": 2500', '"length": "long"'), r"tracks\[0\]\.clips\[0\]\.length"),
        (lambda text: text.replace('"length": 2500', '"length": 2501'), "clip c1 plays samples 0 to 2501"),
        (lambda text: text.replace('"pan": 0.0', '"pan": 3.0'), r"tracks\[0\]\.pan"),
        (lambda text: text.replace('"muted"', '"mutd"'), r"tracks\[0\]\.mut"),
        (lambda text: text.replace("120.0", "NaN"), r"tempos\[0\]\.tempo_bpm"),
        (lambda text: text[:200], "no JSON object"),
        (lambda text: "", "no JSON object"),
        (lambda text: "[]", "no JSON object"),
        (lambda text: "[" * 100_000, "no JSON object"),
    ],
)
def test_a_damaged_project_is_named_to_the_field_and_recovered(saved, folder, damage, where):
    path = folder / PROJECT
    broken = damage(path.read_text())
    assert broken != path.read_text()
    path.write_text(broken)
    with pytest.raises(TimelineError, match=where) as caught:
        load_project(folder)
    assert "recover song" in caught.value.remedy
    assert path.read_text() == broken
    found = recover_project(folder)
    assert found.project == saved.undone().project
    assert (folder / "project.damaged-1.json").read_text() == broken
    assert load_project(folder).project == found.project


def test_bytes_that_are_no_text_and_a_missing_project_file_are_recovered(saved, folder):
    (folder / PROJECT).write_bytes(b"\xff\xfe\x00{")
    assert recover_project(folder).project == saved.undone().project
    (folder / PROJECT).unlink()
    with pytest.raises(TimelineError, match="it is missing"):
        load_project(folder)
    assert recover_project(folder).project == saved.undone().project


def test_saving_over_a_damaged_project_keeps_the_good_copy(saved, folder):
    (folder / PROJECT).write_text("{")
    good = (folder / PREVIOUS).read_text()
    save_project(folder, saved)
    assert (folder / PREVIOUS).read_text() == good


def test_a_project_that_is_not_damaged_is_not_recovered(saved, folder):
    with pytest.raises(TimelineError, match="is not damaged"):
        recover_project(folder)


def test_a_project_of_a_newer_format_is_left_alone(saved, folder):
    path = folder / PROJECT
    path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 2'))
    with pytest.raises(TimelineError, match=r"format 2.* newer Angen"):
        load_project(folder)


@pytest.mark.parametrize("text", ["", "{", "{}", '{"at": 9, "labels": [], "clips": [], "states": []}', "\0"])
def test_a_damaged_history_costs_only_the_history(saved, folder, text):
    (folder / HISTORY).write_text(text)
    loaded = load_project(folder)
    assert loaded.project == saved.project
    assert "history" in loaded.notes[0]
    assert not loaded.history.can_undo


def test_a_crash_between_project_and_history_loses_no_state(saved, folder):
    old = (folder / HISTORY).read_bytes()
    after = saved.done(edits.set_master_gain(saved.project, -1.0), "master")
    save_project(folder, after)
    (folder / HISTORY).write_bytes(old)  # as if the history had not been written any more
    loaded = load_project(folder)
    assert loaded.project == after.project
    assert loaded.history.undone().project == saved.project


@pytest.mark.parametrize("failing", [PROJECT, HISTORY, PREVIOUS])
def test_a_save_that_breaks_off_leaves_a_project_that_loads(saved, folder, monkeypatch, failing):
    after = saved.done(edits.set_master_gain(saved.project, -1.0), "master")
    replace = Path.replace

    def fail(self, target):
        if Path(target).name == failing:
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        save_project(folder, after)
    monkeypatch.undo()
    assert load_project(folder).project in (saved.project, after.project)
    assert not [entry for entry in folder.iterdir() if ".part" in entry.name]


def _add_tracks(folder, count):
    for _ in range(count):
        with locked(folder):
            history = load_project(folder).history
            save_project(folder, history.done(edits.add_track(history.project, "one more"), "add"))


def test_two_processes_that_edit_at_once_lose_no_edit(folder):
    save_project(folder, History.of(Project(name="a")))
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_add_tracks, args=(folder, 8)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(load_project(folder).project.tracks) == 16


def test_projects_are_listed_by_name_and_others_are_named_in_the_error(tmp_path):
    for name in ("b", "a"):
        save_project(tmp_path / name, History.of(Project(name=name)))
    (tmp_path / "no project").mkdir()
    assert list_projects(tmp_path) == ["a", "b"]
    assert list_projects(tmp_path / "nowhere") == []
    with pytest.raises(TimelineError, match="no project 'c'"):
        load_project(project_folder(tmp_path, "c"))


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc", "a\0b", ".hidden", "x" * 300, os.sep])
def test_names_cannot_leave_the_folder(tmp_path, name):
    with pytest.raises(TimelineError, match="cannot be the name"):
        project_folder(tmp_path, name)

import json
import zipfile

import numpy as np
import pytest
import soundfile

from angen.errors import AudioError, TimelineError
from angen.timeline import clip_edits, edits
from angen.workflows.timeline import (
    SUFFIXES,
    Placement,
    add_recording,
    create_project,
    edit_project,
    export_project,
    open_project,
    project_names,
    project_problems,
    project_record,
    recover,
    redo_edit,
    relink_recording,
    render_project,
    track_of,
    undo_edit,
)


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "take one.wav"
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (44_100, 2))
    soundfile.write(path, noise, 44_100, "PCM_16")
    return path


@pytest.fixture
def started(settings, song):
    create_project(settings, "demo", tempo_bpm=60.0)
    add_recording(settings, "demo", song, Placement(track="Lead", at="2|1"))
    return settings


def test_a_project_is_made_once_and_listed(settings):
    create_project(settings, "demo", rate_hz=48_000, tempo_bpm=90.0, beats=6, unit=8)
    project = open_project(settings, "demo").project
    assert (project.rate_hz, project.tempos[0].tempo_bpm, project.metres[0].beats) == (48_000, 90.0, 6)
    assert project_names(settings) == ["demo"]
    with pytest.raises(TimelineError, match=r"something at .* already"):
        create_project(settings, "demo")
    for wrong in ({"rate_hz": 1}, {"tempo_bpm": 0.0}, {"unit": 3}):
        with pytest.raises(TimelineError):
            create_project(settings, "other", **wrong)
    assert project_names(settings) == ["demo"]


def test_recordings_go_to_tracks_by_id_name_or_a_new_one(started, song):
    add_recording(started, "demo", song, Placement(track="t1", at="5s", offset="0.5s", length="100"))
    loaded = add_recording(started, "demo", song)
    assert [(track.name, len(track.clips)) for track in loaded.project.tracks] == [
        ("Lead", 2),
        ("take one", 1),
    ]
    first, second, third = loaded.project.clips()
    assert (first.start, first.offset, first.length) == (4 * 44_100, 0, 44_100)
    assert (second.start, second.offset, second.length) == (5 * 44_100, 22_050, 100)
    assert third.start == 0
    assert open_project(started, "demo").project == loaded.project


def test_a_recording_that_cannot_be_used_changes_nothing(started, tmp_path):
    before = open_project(started, "demo").project
    with pytest.raises(AudioError, match="no such file"):
        add_recording(started, "demo", tmp_path / "nowhere.wav")
    with pytest.raises(TimelineError, match="begin at sample 88200"):
        add_recording(started, "demo", tmp_path / "take one.wav", Placement(offset="2s"))
    assert open_project(started, "demo").project == before


def test_every_edit_is_on_disk_and_can_be_taken_back(started):
    before = open_project(started, "demo").project
    edited = edit_project(started, "demo", lambda project: edits.set_master_gain(project, -3.0), "quieter")
    assert open_project(started, "demo").project == edited.project != before
    assert project_record(edited)["undo"] == "quieter"
    assert undo_edit(started, "demo").project == before == open_project(started, "demo").project
    assert redo_edit(started, "demo").project == edited.project
    with pytest.raises(TimelineError, match="nothing to redo"):
        redo_edit(started, "demo")
    with pytest.raises(TimelineError, match="no clip"):
        edit_project(started, "demo", lambda project: clip_edits.remove_clip(project, "c9"), "x")
    assert open_project(started, "demo").project == edited.project


def test_a_project_that_is_not_there_leaves_no_folder(settings):
    for act in (open_project, undo_edit, redo_edit, recover):
        with pytest.raises(TimelineError, match="no project 'none'"):
            act(settings, "none")
    assert not settings.home.exists()


def test_a_render_is_the_recording_at_its_place(started, song):
    made = render_project(started, "demo", bit_depth=16)
    assert made.path == started.projects / "demo" / "renders" / "demo.wav"
    sound = soundfile.read(made.path, dtype="int16")[0]
    assert not sound[: 4 * 44_100].any()
    assert np.array_equal(sound[4 * 44_100 :], soundfile.read(song, dtype="int16")[0])
    part = render_project(started, "demo", song.with_name("part.wav"), start="2|1", stop="4.5s", bit_depth=16)
    assert np.array_equal(soundfile.read(part.path, dtype="int16")[0], sound[4 * 44_100 : 198_450])


def test_a_render_never_overwrites_a_recording(started, song):
    before = song.read_bytes()
    with pytest.raises(TimelineError, match="is a recording of this project"):
        render_project(started, "demo", song)
    assert song.read_bytes() == before


def test_a_stopped_render_leaves_no_file(started):
    with pytest.raises(TimelineError, match="was stopped"):
        render_project(started, "demo", should_stop=lambda: True)
    assert list((started.projects / "demo" / "renders").iterdir()) == []


@pytest.mark.parametrize("kind", list(SUFFIXES))
def test_every_format_is_written_where_it_belongs(started, kind):
    edit_project(started, "demo", lambda project: edits.add_marker(project, "here", 100), "marker")
    path = export_project(started, "demo", kind)
    assert path == started.projects / "demo" / "exports" / f"demo{SUFFIXES[kind]}"
    assert path.stat().st_size > 0
    if kind in ("stems", "dawproject"):
        assert zipfile.ZipFile(path).testzip() is None


def test_a_lost_recording_is_named_the_project_opens_and_it_can_be_relinked(started, song):
    expected = soundfile.read(render_project(started, "demo", bit_depth=32).path)[0]
    moved = song.rename(song.with_name("moved.wav"))
    loaded = open_project(started, "demo")
    (problem,) = project_problems(loaded)
    assert (problem.kind, problem.path, problem.clips) == ("missing", song, ("c1",))
    for act in (render_project, lambda settings, name: export_project(settings, name, "dawproject")):
        with pytest.raises(TimelineError, match=r"take one\.wav' is missing"):
            act(started, "demo")
    loaded = relink_recording(started, "demo", problem.source.sha256[:8], moved)
    assert project_problems(loaded) == ()
    assert np.array_equal(soundfile.read(render_project(started, "demo", bit_depth=32).path)[0], expected)


def test_a_copied_recording_makes_the_project_independent_of_the_file(settings, song):
    create_project(settings, "demo")
    loaded = add_recording(settings, "demo", song, Placement(copy=True))
    assert loaded.project.sources[0].path.startswith("audio/")
    song.unlink()
    (settings.projects / "demo").rename(settings.projects / "renamed")
    assert project_problems(open_project(settings, "renamed")) == ()
    assert render_project(settings, "renamed").samples == 44_100


def test_a_damaged_project_is_recovered(started):
    before = open_project(started, "demo").project
    edit_project(started, "demo", lambda project: edits.set_master_gain(project, -3.0), "quieter")
    path = started.projects / "demo" / "project.json"
    damaged = json.loads(path.read_text())
    damaged["tracks"][0]["clips"][0]["start"] = "soon"
    path.write_text(json.dumps(damaged))
    with pytest.raises(TimelineError, match=r"tracks\[0\]\.clips\[0\]\.start"):
        open_project(started, "demo")
    assert recover(started, "demo").project == before


def test_a_track_is_found_by_name_only_where_one_has_it(started):
    project = open_project(started, "demo").project
    assert track_of(project, "Lead").id == "t1"
    twice = edits.add_track(project, "Lead")
    with pytest.raises(TimelineError, match="no track 'Lead'"):
        track_of(twice, "Lead")

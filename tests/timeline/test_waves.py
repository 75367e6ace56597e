import zipfile

import numpy as np
import pytest
import soundfile
from tests.conftest import wav_chunks

from angen.errors import TimelineError
from angen.timeline import edits, render
from angen.timeline.waves import stem_names, write_mix, write_stems


@pytest.fixture
def loud(two_clips):
    """Two tracks, together far beyond full scale."""
    project = edits.add_track(edits.set_track_gain(two_clips, "t1", 12.0), "Bass/été")
    return edits.set_muted(edits.add_track(project, "muted"), "t3")


def whole(project, recordings):
    return np.concatenate(list(render(project, recordings)), axis=1)


def test_floating_point_holds_the_mix_exactly_beyond_full_scale(tmp_path, loud, recordings):
    made = write_mix(loud, recordings, tmp_path / "a.wav", bit_depth=32, block=999)
    sound, rate_hz = soundfile.read(tmp_path / "a.wav", dtype="float32")
    assert rate_hz == 8000
    assert np.array_equal(sound.T, whole(loud, recordings))
    assert made.peak == np.abs(sound).max() > 1
    assert made.clipped == 0


@pytest.mark.parametrize("bits", [16, 24])
def test_integers_are_right_to_half_a_step_and_clamping_is_counted(tmp_path, loud, recordings, bits):
    made = write_mix(loud, recordings, tmp_path / "a.wav", bit_depth=bits)
    sound = soundfile.read(tmp_path / "a.wav", dtype="float64")[0].T
    expected = whole(loud, recordings).astype(float)
    assert np.abs(sound - np.clip(expected, -1, 1 - 2.0 ** (1 - bits))).max() <= 2.0**-bits * 1.001
    assert made.clipped == np.count_nonzero(np.abs(expected) > 1) > 0


def test_a_stretch_is_written_as_asked(tmp_path, loud, recordings):
    made = write_mix(loud, recordings, tmp_path / "a.wav", start=500, stop=700, bit_depth=32)
    assert made.samples == 200
    assert np.array_equal(
        soundfile.read(tmp_path / "a.wav", dtype="float32")[0].T, whole(loud, recordings)[:, 500:700]
    )


def test_stems_are_one_file_a_track_of_one_length_and_add_up_to_the_mix(tmp_path, loud, recordings):
    made = write_stems(loud, recordings, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
        names = archive.namelist()
    assert names == ["01-one.wav", "02-Bass-été.wav", "03-muted.wav"] == [str(stem.path) for stem in made]
    stems = [soundfile.read(tmp_path / name, dtype="float32")[0].T for name in names]
    assert {stem.shape for stem in stems} == {(2, loud.length)}
    total = np.sum([stem.astype(float) for stem in stems], axis=0).astype(np.float32)
    assert np.array_equal(total, whole(loud, recordings))
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []


def test_the_same_project_gives_the_same_archive(tmp_path, loud, recordings):
    for name in ("a.zip", "b.zip"):
        write_stems(loud, recordings, tmp_path / name, block=1234 if name == "a.zip" else 50_000)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(
        tmp_path / "a.zip"
    ) as archive:  # not by luck within one second: no stem holds the time
        assert all(b"PEAK" not in wav_chunks(archive.read(name)) for name in archive.namelist())


def test_tracks_of_one_name_have_files_of_their_own(two_clips):
    project = edits.add_track(edits.add_track(two_clips, "one"), "../..")
    assert stem_names(project) == ["01-one.wav", "02-one.wav", "03-t3.wav"]


@pytest.mark.parametrize("write", [write_mix, write_stems])
def test_a_stopped_render_leaves_what_was_there(tmp_path, loud, recordings, write):
    path = tmp_path / ("a.wav" if write is write_mix else "a.zip")
    path.write_text("old")
    asked = iter([False, False, True])
    with pytest.raises(TimelineError, match="was stopped"):
        write(loud, recordings, path, block=1000, should_stop=lambda: next(asked))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_progress_ends_with_all_done(tmp_path, loud, recordings):
    told = []
    write_mix(loud, recordings, tmp_path / "a.wav", block=1000, on_progress=told.append)
    assert [step.done for step in told] == [*range(1000, loud.length, 1000), loud.length]
    assert told[-1].fraction == 1


@pytest.mark.parametrize(
    ("name", "how", "message"),
    [
        ("a.mp3", {}, "End its name in .wav"),
        ("a.wav", {"bit_depth": 8}, "Use 16, 24 or 32"),
        ("a.wav", {"start": 10**6}, "nothing to render"),
        ("a.wav", {"stop": 0}, "nothing to render"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, loud, recordings, name, how, message):
    with pytest.raises(TimelineError, match=message):
        write_mix(loud, recordings, tmp_path / name, **how)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_before_the_work(tmp_path, loud, recordings, monkeypatch):
    monkeypatch.setattr("angen.timeline.waves.free_bytes", lambda folder: 1000)
    with pytest.raises(TimelineError, match="Make space"):
        write_stems(loud, recordings, tmp_path / "a.zip")

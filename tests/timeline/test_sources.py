import os
import shutil

import numpy as np
import pytest
import soundfile
import soxr

from angen.errors import AudioError, TimelineError
from angen.timeline import OpenSources, Project, clip_edits, edits, render, scan_source, source_problems
from angen.timeline.sources import cached_path

RATE_HZ = 16_000


def write(path, seconds=1.0, rate_hz=RATE_HZ, channels=2, seed=0, **how):
    noise = np.random.default_rng(seed).uniform(-0.4, 0.4, (int(seconds * rate_hz), channels))
    soundfile.write(path, noise.astype(np.float32), rate_hz, **how)
    return path


def project_of(*paths, folder=None):
    project = edits.add_track(Project(name="a", rate_hz=RATE_HZ), "one")
    for path in paths:
        source = scan_source(path, relative_to=folder)
        project = clip_edits.place_clip(project, "t1", source, project.length, name=path.name)
    return project


def mix(project, folder, cache, **how):
    with OpenSources(project, folder, cache) as read:
        return np.concatenate(list(render(project, read, **how)), axis=1)


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.mark.parametrize(
    ("name", "rate_hz", "how"),
    [
        ("a.wav", RATE_HZ, {"subtype": "PCM_16"}),
        ("a.flac", RATE_HZ, {"subtype": "PCM_24"}),
        ("a.aiff", RATE_HZ, {}),
        ("a.wav", 44_100, {"subtype": "FLOAT"}),
        ("a.flac", 11_025, {}),
        ("a.ogg", RATE_HZ, {}),
        ("a.mp3", 44_100, {}),
    ],
)
def test_every_format_and_rate_gives_the_same_bits_at_any_block_size(tmp_path, cache, name, rate_hz, how):
    path = write(tmp_path / name, rate_hz=rate_hz, **how)
    project = project_of(path)
    project = clip_edits.split_clip(project, "c1", 5000)
    project = clip_edits.move_clip(project, "c2", 4000)  # two places of one file at once
    whole = mix(project, tmp_path, cache)
    assert np.abs(whole).max() > 0.1
    for block in (333, 4096, 100_000):
        assert np.array_equal(mix(project, tmp_path, cache, block=block), whole)


def test_a_lossless_file_of_the_projects_rate_is_read_where_it_is(tmp_path, cache):
    path = write(tmp_path / "a.wav", subtype="PCM_24")
    assert np.array_equal(mix(project_of(path), tmp_path, cache), soundfile.read(path, dtype="float32")[0].T)
    assert not cache.exists()


def test_another_rate_is_resampled_once_and_as_the_resampler_does_it_whole(tmp_path, cache):
    path = write(tmp_path / "a.wav", seconds=9.0, rate_hz=44_100, subtype="FLOAT")
    project = project_of(path)
    first = mix(project, tmp_path, cache)
    sound = soundfile.read(path, dtype="float32")[0]
    whole = soxr.resample(sound, 44_100, RATE_HZ, quality="VHQ").T
    assert first.shape[1] == project.sources[0].length_at(RATE_HZ)
    assert abs(first.shape[1] - whole.shape[1]) <= 1
    count = min(first.shape[1], whole.shape[1])
    assert first[:, :count] == pytest.approx(whole[:, :count], abs=1e-6)
    (cached,) = cache.iterdir()
    before = cached.stat().st_mtime_ns
    assert np.array_equal(mix(project, tmp_path, cache), first)
    assert cached.stat().st_mtime_ns == before


def test_a_damaged_cache_file_is_made_again(tmp_path, cache):
    project = project_of(write(tmp_path / "a.wav", rate_hz=44_100))
    first = mix(project, tmp_path, cache)
    cached_path(project.sources[0], RATE_HZ, cache).write_bytes(b"half")
    assert np.array_equal(mix(project, tmp_path, cache), first)


def test_a_scan_says_what_the_file_is(tmp_path):
    path = write(tmp_path / "a.wav", seconds=0.5, rate_hz=22_050, channels=1)
    source = scan_source(path, relative_to=tmp_path)
    assert (source.path, source.rate_hz, source.channels, source.samples) == ("a.wav", 22_050, 1, 11_025)
    assert scan_source(path).path == str(path)
    assert scan_source(path, relative_to=tmp_path / "elsewhere").path == str(path)


def test_silence_is_a_recording_too(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((100, 1)), RATE_HZ)
    assert scan_source(tmp_path / "a.wav").samples == 100


def test_odd_files_are_refused_with_their_kind_of_error(odd_files):
    for name, (path, error) in odd_files.items():
        expected = {"six channels.wav": "audio-unreadable", "silence.wav": None}.get(name, error)
        if expected is None:
            assert scan_source(path).samples > 0
            continue
        with pytest.raises(AudioError) as caught:
            scan_source(path)
        assert (name, caught.value.code) == (name, expected)
        assert caught.value.remedy


def test_numbers_that_are_no_sound_are_refused(tmp_path):
    sound = np.zeros((100, 1), np.float32)
    sound[50] = np.nan
    soundfile.write(tmp_path / "a.wav", sound, RATE_HZ, "FLOAT")
    with pytest.raises(AudioError, match="not numbers"):
        scan_source(tmp_path / "a.wav")


def test_a_name_that_is_no_text_is_refused(tmp_path):
    path = write(tmp_path / "a.wav")
    odd = tmp_path / os.fsdecode(b"\xff.wav")
    shutil.copy(path, odd)
    with pytest.raises(AudioError, match="no text"):
        scan_source(odd)


def test_missing_and_changed_recordings_are_named_and_can_be_relinked(tmp_path, cache):
    kept, lost, changed = (write(tmp_path / f"{name}.wav", seed=seed) for seed, name in enumerate("klc"))
    project = project_of(kept, lost, changed, folder=tmp_path)
    assert source_problems(project, tmp_path) == ()
    before = mix(project, tmp_path, cache)
    lost.rename(tmp_path / "elsewhere.wav")
    write(changed, seed=9)
    problems = {problem.source.path: problem for problem in source_problems(project, tmp_path)}
    assert {path: (problem.kind, problem.clips) for path, problem in problems.items()} == {
        "l.wav": ("missing", ("c2",)),
        "c.wav": ("changed", ("c3",)),
    }
    with pytest.raises(TimelineError, match=r"l\.wav' is missing \(clips c2\)") as caught:
        OpenSources(project, tmp_path, cache)
    assert "c.wav' is changed (clips c3)" in caught.value.message
    assert f"relink NAME {problems['l.wav'].source.sha256[:8]} FILE" in caught.value.remedy
    for path, file in (("l.wav", "elsewhere.wav"), ("c.wav", "c.wav")):
        new = scan_source(tmp_path / file, relative_to=tmp_path)
        project = clip_edits.relink_source(project, problems[path].source.sha256[:10], new)
    after = mix(project, tmp_path, cache)
    assert np.array_equal(after[:, : 2 * RATE_HZ], before[:, : 2 * RATE_HZ])
    assert not np.array_equal(after[:, 2 * RATE_HZ :], before[:, 2 * RATE_HZ :])


def test_a_full_disk_is_told_before_anything_is_decoded(tmp_path, cache, monkeypatch):
    project = project_of(write(tmp_path / "a.wav", rate_hz=44_100))
    monkeypatch.setattr("angen.timeline.sources.free_bytes", lambda folder: 1000)
    with pytest.raises(TimelineError, match="Make space"):
        OpenSources(project, tmp_path, cache)


def test_more_files_than_may_be_open_are_read_in_turns(tmp_path, cache, monkeypatch):
    monkeypatch.setattr("angen.timeline.sources.MOST_OPEN", 2)
    project = project_of(*(write(tmp_path / f"{seed}.wav", seconds=0.1, seed=seed) for seed in range(5)))
    expected = np.concatenate([soundfile.read(tmp_path / f"{n}.wav", dtype="float32")[0] for n in range(5)]).T
    assert np.array_equal(mix(project, tmp_path, cache, block=700), expected)

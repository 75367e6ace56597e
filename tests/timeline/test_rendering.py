import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from angen.timeline import Fade, Project, clip_edits, edits, render, render_stems
from angen.timeline.edits import changed
from angen.timeline.fades import clip_fades

RANDOM = settings(max_examples=40)


def mix(project, recordings, **how):
    """A whole render at once."""
    blocks = list(render(project, recordings, **how))
    return np.concatenate(blocks, axis=1) if blocks else np.zeros((2, 0), np.float32)


def by_hand(project, recordings):
    """The mix sample by sample, from the definitions in the docstrings and nothing else."""

    def gain(fade, place):
        share = min(1.0, (place + fade.skipped + 0.5) / fade.samples) if fade.samples else 1.0
        if share == 1.0 or fade.curve == "linear":
            return share
        if fade.curve == "equal-power":
            return math.sin(math.pi / 2 * share)
        return (1000**share - 1) / 999

    total = np.zeros((2, project.length))
    soloed = any(track.soloed for track in project.tracks)
    for track in project.tracks:
        if track.muted or (soloed and not track.soloed):
            continue
        fades = clip_fades(track.clips)
        sides = (min(1, 1 - track.pan), min(1, 1 + track.pan))
        for clip in track.clips:
            sound = recordings.sounds[clip.source]
            level = 10 ** ((clip.gain_db + track.gain_db + project.gain_db) / 20)
            for place in range(clip.length):
                here = gain(fades[clip.id][0], place) * gain(fades[clip.id][1], clip.length - 1 - place)
                for side in (0, 1):
                    value = sound[min(side, len(sound) - 1), clip.offset + place]
                    total[side, clip.start + place] += level * sides[side] * here * value
    return total


@settings(max_examples=12)
@given(data=st.data())
def test_a_render_is_what_the_definitions_say(projects, recordings, data):
    project = data.draw(projects)
    assert mix(project, recordings) == pytest.approx(by_hand(project, recordings), abs=2e-6)


@RANDOM
@given(data=st.data())
def test_any_block_size_gives_the_same_bits(projects, recordings, data):
    project = data.draw(projects)
    whole = mix(project, recordings)
    least = max(1, project.length // 400)  # a smaller one on a short project only: it takes its time
    block = data.draw(st.integers(least, least + 300) | st.integers(least, 20_000))
    assert np.array_equal(mix(project, recordings, block=block), whole)


@RANDOM
@given(data=st.data())
def test_any_stretch_is_the_stretch_of_the_whole(projects, recordings, data):
    project = data.draw(projects)
    whole = mix(project, recordings)
    start = data.draw(st.integers(0, project.length))
    stop = data.draw(st.integers(start, project.length + 2000))
    part = mix(project, recordings, start=start, stop=stop, block=777)
    assert np.array_equal(part[:, : project.length - start], whole[:, start:stop])
    assert not part[:, project.length - start :].any()
    assert part.shape == (2, stop - start)


@RANDOM
@given(data=st.data())
def test_the_stems_add_up_to_the_mix_exactly(projects, recordings, data):
    project = changed(data.draw(projects), gain_db=0.0)
    stems = np.concatenate(
        [*render_stems(project, recordings, block=1000), np.zeros((len(project.tracks), 2, 0))], 2
    )
    total = np.zeros(stems.shape[1:])
    for stem in stems:
        total += stem
    assert np.array_equal(total.astype(np.float32), mix(project, recordings))


@RANDOM
@given(data=st.data())
def test_a_muted_track_is_a_removed_track(projects, recordings, data):
    project = data.draw(projects)
    assume(len(project.tracks) >= 2)
    track = data.draw(st.sampled_from(project.tracks))
    project = edits.set_soloed(project, track.id, False)
    muted = mix(edits.set_muted(project, track.id), recordings)
    removed = mix(edits.remove_track(project, track.id), recordings)
    assert np.array_equal(muted[:, : removed.shape[1]], removed)
    assert not muted[:, removed.shape[1] :].any()


@RANDOM
@given(data=st.data())
def test_solo_is_muting_all_others_and_mute_is_stronger(projects, recordings, data):
    project = data.draw(projects)
    assume(project.tracks)
    for track in project.tracks:
        project = edits.set_soloed(edits.set_muted(project, track.id, False), track.id, False)
    chosen = data.draw(st.sampled_from(project.tracks)).id
    others = project
    for track in project.tracks:
        if track.id != chosen:
            others = edits.set_muted(others, track.id)
    soloed = edits.set_soloed(project, chosen)
    assert np.array_equal(mix(soloed, recordings), mix(others, recordings))
    assert not mix(edits.set_muted(soloed, chosen), recordings).any()
    assert np.array_equal(mix(edits.set_soloed(soloed, chosen, False), recordings), mix(project, recordings))


@RANDOM
@given(data=st.data())
def test_splitting_changes_no_bit(projects, recordings, data):
    project = data.draw(projects)
    assume(any(clip.length > 1 for clip in project.clips()))
    before = mix(project, recordings)
    for _ in range(data.draw(st.integers(1, 4))):
        clip = data.draw(st.sampled_from([clip for clip in project.clips() if clip.length > 1]))
        at = data.draw(st.integers(clip.start + 1, clip.end - 1))
        count = len(list(project.clips()))
        project = clip_edits.split_clip(project, clip.id, at)
        assert len(list(project.clips())) == count + 1
        assume(any(clip.length > 1 for clip in project.clips()))
    assert np.array_equal(mix(project, recordings, block=901), before)


@settings(max_examples=40)
@given(data=st.data())
def test_splitting_within_a_crossfade_changes_no_bit(two_clips, recordings, data):
    before = mix(two_clips, recordings)
    project = two_clips
    for name in data.draw(st.permutations(["c1", "c2"])):
        project = clip_edits.split_clip(project, name, data.draw(st.integers(1901, 2599)))
    assert np.array_equal(mix(project, recordings), before)


@settings(max_examples=40)
@given(st.data())
def test_moving_a_clip_by_n_samples_moves_what_is_heard_by_n(recordings, data):
    project = edits.add_track(Project(name="a", rate_hz=8000), "one")
    source = data.draw(st.sampled_from(recordings.sources))
    start, target = data.draw(st.integers(0, 5000)), data.draw(st.integers(0, 5000))
    project = clip_edits.place_clip(
        project, "t1", source, start, name="a", offset=data.draw(st.integers(0, 800))
    )
    project = clip_edits.fade_clip(project, "c1", "in", Fade(samples=90, curve="exponential"))
    before, after = mix(project, recordings), mix(clip_edits.move_clip(project, "c1", target), recordings)
    assert np.array_equal(after[:, target:], before[:, start:])
    assert not after[:, :target].any()


@RANDOM
@given(data=st.data(), shift=st.integers(0, 3000))
def test_moving_everything_by_n_samples_moves_the_mix_by_n(projects, recordings, data, shift):
    project = data.draw(projects)
    moved = changed(
        project,
        tracks=tuple(
            changed(track, clips=tuple(changed(clip, start=clip.start + shift) for clip in track.clips))
            for track in project.tracks
        ),
    )
    assert np.array_equal(mix(moved, recordings, block=600)[:, shift:], mix(project, recordings))


@RANDOM
@given(data=st.data())
def test_the_order_of_clips_and_ids_in_the_file_does_not_matter(projects, recordings, data):
    project = data.draw(projects)
    tracks = tuple(changed(track, clips=tuple(reversed(track.clips))) for track in project.tracks)
    assert np.array_equal(mix(changed(project, tracks=tracks), recordings), mix(project, recordings))


def test_a_clip_left_alone_is_the_recording_itself(recordings):
    source = recordings.sources[1]
    project = edits.add_track(Project(name="a", rate_hz=8000), "one")
    project = clip_edits.place_clip(project, "t1", source, 0, name="a")
    assert np.array_equal(mix(project, recordings), recordings.sounds[source.sha256])


def test_a_mono_recording_is_heard_on_both_sides_and_pan_moves_it(recordings):
    source = recordings.sources[0]
    sound = recordings.sounds[source.sha256][0]
    project = edits.add_track(Project(name="a", rate_hz=8000), "one")
    project = clip_edits.place_clip(project, "t1", source, 0, name="a")
    assert np.array_equal(mix(project, recordings), [sound, sound])
    left, right = mix(edits.set_pan(project, "t1", -1.0), recordings)
    assert np.array_equal(left, sound)
    assert not right.any()
    left, right = mix(edits.set_pan(project, "t1", 0.5), recordings)
    assert np.array_equal(right, sound)
    assert np.array_equal(left, sound * np.float32(0.5))


def test_gains_of_clip_track_and_master_add_in_decibels(two_clips, recordings):
    plain = mix(two_clips, recordings)
    louder = two_clips
    for name in ("c1", "c2"):
        louder = clip_edits.set_clip_gain(louder, name, 4.0)
    louder = edits.set_master_gain(edits.set_track_gain(louder, "t1", -7.0), 3.0)
    assert mix(louder, recordings) == pytest.approx(plain, abs=1e-6)
    assert mix(edits.set_master_gain(two_clips, -20.0), recordings) == pytest.approx(plain / 10, abs=1e-6)


def test_a_crossfade_of_unrelated_sounds_keeps_their_power(two_clips, recordings):
    sound = mix(two_clips, recordings).astype(float)
    power = [np.mean(sound[:, first : first + 700] ** 2) for first in (1000, 1900, 2700)]
    assert power[1] == pytest.approx(power[0], rel=0.12)  # noise of 1400 samples: 4 % a standard deviation
    layered = clip_edits.fade_clip(two_clips, "c1", "out", Fade(samples=0))
    layered = clip_edits.fade_clip(layered, "c2", "in", Fade(samples=0))
    both = np.mean(mix(layered, recordings)[:, 1900:2600].astype(float) ** 2)
    assert both == pytest.approx(2 * power[0], rel=0.15)


@pytest.mark.parametrize(("start", "block"), [(-1, 10), (0, 0)])
def test_a_render_that_cannot_be_is_refused(two_clips, recordings, start, block):
    with pytest.raises(ValueError, match="a render starts at 0"):
        next(render(two_clips, recordings, start=start, block=block))


def test_an_empty_project_renders_to_nothing_or_silence(recordings):
    project = Project(name="a", rate_hz=8000)
    assert mix(project, recordings).shape == (2, 0)
    assert mix(project, recordings, stop=50).shape == (2, 50)

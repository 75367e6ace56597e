import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.errors import TimelineError
from angen.timeline import HARD_EDGE, Fade, Project, TempoMap, clip_edits, edits, render
from angen.timeline.fades import clip_fades


def clip_of(project, clip_id):
    return clip_edits.find_clip(project, clip_id)[1]


@settings(max_examples=50)
@given(data=st.data())
def test_random_edits_give_valid_projects_or_typed_errors_and_change_nothing_else(
    projects, edit_at_random, data
):
    project, refused = data.draw(projects), []
    for _ in range(data.draw(st.integers(1, 12))):
        before = project.model_dump_json()
        kept = project
        try:
            project = edit_at_random(project, data.draw)
        except TimelineError as error:
            refused.append(error)
            continue
        assert kept.model_dump_json() == before
        assert Project.model_validate_json(project.model_dump_json()) == project
        assert {source.sha256 for source in project.sources} == {clip.source for clip in project.clips()}
    assert all(error.message and error.remedy for error in refused)


class TestTracks:
    def test_they_are_added_reordered_renamed_and_removed(self):
        project = Project(name="a")
        for name in ("one", "two", "three"):
            project = edits.add_track(project, name)
        project = edits.add_track(project, "zero", index=0)
        assert [track.name for track in project.tracks] == ["zero", "one", "two", "three"]
        project = edits.reorder_track(project, "t1", 3)
        project = edits.rename_track(project, "t2", "zwei")
        assert [track.name for track in project.tracks] == ["zero", "zwei", "three", "one"]
        project = edits.remove_track(project, "t4")
        assert [track.id for track in project.tracks] == ["t2", "t3", "t1"]

    @pytest.mark.parametrize(
        "edit",
        [
            lambda project: edits.remove_track(project, "t9"),
            lambda project: edits.reorder_track(project, "t1", 1),
            lambda project: edits.reorder_track(project, "t1", -1),
            lambda project: edits.add_track(project, "a\nb"),
            lambda project: edits.set_track_gain(project, "t1", 25.0),
            lambda project: edits.set_track_gain(project, "t1", float("nan")),
            lambda project: edits.set_pan(project, "t1", 1.01),
            lambda project: edits.set_tempo(project, 0.0),
            lambda project: edits.set_tempo(project, 120.0, bar=2, beat=9),
            lambda project: edits.set_metre(project, 4, 3),
            lambda project: edits.remove_tempo(project, bar=1),
            lambda project: edits.remove_metre(project, bar=7),
            lambda project: edits.add_marker(project, "a", -1),
            lambda project: edits.remove_marker(project, "a"),
            lambda project: edits.add_section(project, "a", 5, 4),
            lambda project: edits.remove_section(project, "a"),
        ],
    )
    def test_the_impossible_is_refused_with_a_remedy(self, edit):
        project = edits.add_track(Project(name="a"), "one")
        with pytest.raises(TimelineError) as caught:
            edit(project)
        assert caught.value.remedy


class TestTempoAndMarkers:
    def test_a_tempo_change_moves_the_grid_and_leaves_the_clips(self, two_clips):
        slower = edits.set_tempo(two_clips, 60.0)
        assert [clip.start for clip in slower.clips()] == [clip.start for clip in two_clips.clips()]
        assert TempoMap.of(slower).sample(2) == 2 * TempoMap.of(two_clips).sample(2)

    def test_changes_are_set_replaced_and_removed(self):
        project = edits.set_metre(edits.set_tempo(Project(name="a"), 90.0, bar=5, beat=3), 3, 4, bar=9)
        project = edits.set_tempo(project, 91.0, bar=5, beat=3)
        assert [(tempo.bar, tempo.beat, tempo.tempo_bpm) for tempo in project.tempos] == [
            (1, 1, 120.0),
            (5, 3, 91.0),
        ]
        with pytest.raises(TimelineError, match="beat 3 of 2"):
            edits.set_metre(project, 2, 4, bar=4)
        project = edits.remove_metre(edits.remove_tempo(project, bar=5, beat=3), bar=9)
        assert project == Project(name="a")

    def test_markers_and_sections_are_kept_in_order(self):
        project = edits.add_marker(edits.add_marker(Project(name="a"), "late", 90), "early", 10)
        project = edits.add_section(edits.add_section(project, "b", 50, 60), "a", 0, 50)
        assert [marker.name for marker in project.markers] == ["early", "late"]
        assert [section.name for section in project.sections] == ["a", "b"]
        project = edits.remove_section(edits.remove_marker(project, "late"), "a")
        assert ([marker.at for marker in project.markers], len(project.sections)) == ([10], 1)


class TestClips:
    def test_trimming_leaves_what_is_heard_between_where_it_is(self, two_clips, recordings):
        before = next(render(two_clips, recordings))
        project = clip_edits.trim_clip(two_clips, "c1", start=300)
        assert clip_of(project, "c1").offset == 200
        after = next(render(project, recordings))
        assert np.array_equal(after[:, 300:], before[:, 300:])
        assert not after[:, :300].any()
        assert clip_edits.trim_clip(project, "c1", start=100) == two_clips

    @pytest.mark.parametrize(
        ("start", "end"), [(99, None), (2600, None), (None, 100), (None, 2601), (-1, None)]
    )
    def test_trimming_beyond_the_recording_or_to_nothing_is_refused(self, two_clips, start, end):
        with pytest.raises(TimelineError):
            clip_edits.trim_clip(two_clips, "c1", start=start, end=end)

    def test_a_fade_goes_with_its_edge(self, two_clips):
        project = clip_edits.fade_clip(two_clips, "c1", "in", Fade(samples=500))
        assert clip_of(clip_edits.trim_clip(project, "c1", end=400), "c1").fade_in == Fade(samples=500)
        assert clip_of(clip_edits.trim_clip(project, "c1", start=2500), "c1").fade_in == Fade(samples=100)

    def test_a_fade_longer_than_its_clip_is_refused(self, two_clips):
        with pytest.raises(TimelineError, match="longer than clip c1 with 2500"):
            clip_edits.fade_clip(two_clips, "c1", "out", Fade(samples=2501))

    @pytest.mark.parametrize("at", [100, 2600, 0, 99, 5000])
    def test_a_cut_outside_or_at_an_end_is_refused(self, two_clips, at):
        with pytest.raises(TimelineError, match="cannot be cut"):
            clip_edits.split_clip(two_clips, "c1", at)

    def test_parts_of_a_cut_that_are_pushed_together_crossfade(self, two_clips):
        project = clip_edits.split_clip(two_clips, "c1", 1000)
        assert clip_of(project, "c3").fade_in == HARD_EDGE
        project = clip_edits.move_clip(project, "c3", 900)
        project = clip_edits.fade_clip(project, "c1", "out", None)
        assert clip_fades(project.tracks[0].clips)["c3"][0] == Fade(samples=100, curve="equal-power")

    @given(samples=st.integers(1, 900))
    @settings(max_examples=40)
    def test_a_crossfade_has_the_length_that_was_asked(self, two_clips, samples):
        apart = clip_edits.split_clip(two_clips, "c1", 1300)
        project = clip_edits.crossfade_clips(apart, "c1", "c3", samples)
        left, right = clip_of(project, "c1"), clip_of(project, "c3")
        assert left.end - right.start == samples
        assert clip_fades(project.tracks[0].clips)["c1"][1] == Fade(samples=samples, curve="equal-power")
        assert clip_fades(project.tracks[0].clips)["c3"][0] == Fade(samples=samples, curve="equal-power")

    def test_a_crossfade_takes_what_the_recordings_have(self, two_clips, recordings):
        # c1 plays its recording to the end, c2 from its beginning: nothing is left to overlap more.
        with pytest.raises(TimelineError, match="700 are possible"):
            clip_edits.crossfade_clips(two_clips, "c1", "c2", 701)
        shorter = clip_edits.trim_clip(two_clips, "c2", start=2000)
        project = clip_edits.crossfade_clips(shorter, "c1", "c2", 700, curve="linear")
        assert (clip_of(project, "c2").start, clip_of(project, "c2").offset) == (1900, 0)
        assert clip_of(project, "c1").fade_out == Fade(samples=700, curve="linear")
        for names in (("c2", "c1"), ("c1", "c1")):
            with pytest.raises(TimelineError, match="cannot be crossfaded"):
                clip_edits.crossfade_clips(two_clips, *names, 100)

    def test_a_copy_follows_its_clip_or_goes_where_it_is_told(self, two_clips):
        project = clip_edits.duplicate_clip(two_clips, "c1")
        assert clip_of(project, "c3") == clip_of(two_clips, "c1").model_copy(
            update={"id": "c3", "start": 2600}
        )
        assert clip_of(clip_edits.duplicate_clip(two_clips, "c1", start=9), "c3").start == 9

    def test_a_clip_moves_to_another_track_with_its_source(self, two_clips):
        project = edits.add_track(two_clips, "two")
        project = clip_edits.move_clip(project, "c1", 40, track_id="t2")
        assert [[clip.id for clip in track.clips] for track in project.tracks] == [["c2"], ["c1"]]
        with pytest.raises(TimelineError, match="no track 't7'"):
            clip_edits.move_clip(project, "c1", 40, track_id="t7")

    def test_snapping_moves_to_the_nearest_bar(self, two_clips):
        assert (
            clip_of(clip_edits.snap_clip(two_clips, "c2", "bar"), "c2").start == 0
        )  # bars of 16 000 samples
        assert clip_of(clip_edits.snap_clip(two_clips, "c2", "1/8"), "c2").start == 2000
        assert clip_of(clip_edits.snap_clip(two_clips, "c2", "1/8"), "c2").offset == 0

    def test_a_removed_clip_takes_its_recording_out_of_the_project(self, two_clips, recordings):
        project = clip_edits.remove_clip(two_clips, "c1")
        assert [source.sha256 for source in project.sources] == [recordings.sources[2].sha256]
        with pytest.raises(TimelineError, match="no clip 'c1'"):
            clip_edits.remove_clip(project, "c1")

    def test_relinking_changes_the_recording_of_all_its_clips(self, two_clips, recordings):
        old, new = recordings.sources[1], recordings.sources[2]
        project = clip_edits.relink_source(two_clips, old.sha256[:8], new)
        assert {clip.source for clip in project.clips()} == {new.sha256}
        elsewhere = new.model_copy(update={"path": "elsewhere/x.wav"})
        moved = clip_edits.relink_source(two_clips, new.sha256, elsewhere)
        assert elsewhere in moved.sources
        assert len(moved.sources) == 2
        with pytest.raises(TimelineError, match="of a source that has 900"):
            clip_edits.relink_source(two_clips, old.sha256, recordings.sources[0])
        with pytest.raises(TimelineError, match="names 0 recordings"):
            clip_edits.relink_source(two_clips, "ffff0000", new)

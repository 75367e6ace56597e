import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from angen.timeline import Clip, Fade, Marker, MetreChange, Project, Section, Source, TempoChange, Track
from angen.timeline.records import MOST_SAMPLES

SHA = "a" * 64
SOURCE = Source(sha256=SHA, path="a.wav", rate_hz=44_100, channels=2, samples=1000)
CLIP = Clip(id="c1", name="a", source=SHA, start=0, length=1000)


@settings(max_examples=30)
@given(data=st.data())
def test_json_comes_back_as_the_same_project(projects, data):
    project = data.draw(projects)
    assert Project.model_validate_json(project.model_dump_json()) == project


def test_a_record_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        CLIP.start = 5


@pytest.mark.parametrize(
    ("json", "where"),
    [
        ('{"name": "x", "colour": 1}', "colour"),
        ('{"name": "x", "rate_hz": 44100.5}', "rate_hz"),
        ('{"name": "x", "rate_hz": "44100"}', "rate_hz"),
        ('{"name": "x", "gain_db": NaN}', "gain_db"),
        ('{"name": "x", "format_version": 2}', "format_version"),
        ('{"name": "x", "markers": [{"at": -1, "name": "m"}]}', "at"),
        ('{"name": "x", "tempos": []}', "tempos"),
    ],
)
def test_a_file_with_a_wrong_field_is_refused_by_its_name(json, where):
    with pytest.raises(ValidationError, match=where):
        Project.model_validate_json(json)


@pytest.mark.parametrize("name", ["", "two\nlines", "nul\0", "\ud800", "\u2028", "\uffff", "x" * 201])
def test_names_that_no_other_format_could_hold_are_refused(name):
    with pytest.raises((ValidationError, UnicodeEncodeError)):
        Marker(at=0, name=name)


@pytest.mark.parametrize("name", ["Strophe 1 – été", "副歌 🎵", "<&\"'>"])
def test_names_of_any_script_are_kept(name):
    assert Marker(at=0, name=name).name == name


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tracks": (Track(id="t1", name="a"), Track(id="t1", name="b"))}, "track t1 is there 2 times"),
        ({"tracks": (Track(id="t1", name="a", clips=(CLIP,)),)}, "not in sources"),
        (
            {
                "sources": (SOURCE,),
                "tracks": (Track(id="t1", name="a", clips=(CLIP.model_copy(update={"offset": 1}),)),),
            },
            "samples 1 to 1001 of a source that has 1000",
        ),
        ({"tempos": (TempoChange(bar=2, tempo_bpm=90.0),)}, "bar 1, beat 1"),
        ({"tempos": (TempoChange(tempo_bpm=90.0), TempoChange(tempo_bpm=91.0))}, "not in order"),
        (
            {"tempos": (TempoChange(tempo_bpm=90.0), TempoChange(bar=2, beat=5, tempo_bpm=91.0))},
            "beat 5 of 4",
        ),
        ({"metres": (MetreChange(bar=2, beats=3, unit=4),)}, "metres is at bar 1"),
        ({"markers": (Marker(at=5, name="b"), Marker(at=4, name="a"))}, "markers are not in order"),
    ],
)
def test_a_project_that_contradicts_itself_is_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        Project(name="x", **values)


def test_a_section_a_fade_and_a_clip_that_cannot_be_are_refused():
    with pytest.raises(ValidationError, match="ends after it starts"):
        Section(start=5, end=5, name="a")
    with pytest.raises(ValidationError, match="goes beyond"):
        Fade(samples=5, skipped=6)
    with pytest.raises(ValidationError, match="longest timeline"):
        Clip(id="c1", name="a", source=SHA, start=MOST_SAMPLES, length=1)


@given(st.integers(1, 10**9), st.integers(1000, 768_000), st.integers(8000, 384_000))
def test_a_source_at_another_rate_lasts_as_long_to_less_than_a_sample(samples, own_hz, rate_hz):
    source = Source(sha256=SHA, path="a", rate_hz=own_hz, channels=1, samples=samples)
    assert 0 <= source.length_at(rate_hz) - samples * rate_hz / own_hz < 1 + 1e-6

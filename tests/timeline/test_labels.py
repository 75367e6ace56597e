import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.errors import TimelineError
from angen.timeline import MetreChange, TempoChange, TempoMap, edits
from angen.timeline.labels import TICKS_PER_QUARTER, labels_text, midi_file, write_labels, write_midi


def test_labels_are_start_end_and_name_by_time(arranged, tmp_path):
    project, _ = arranged
    text = write_labels(project, tmp_path / "a.txt").read_text("utf-8")
    rows = [line.split("\t") for line in text.splitlines()]
    assert [(round(float(start) * 44_100), round(float(end) * 44_100), name) for start, end, name in rows] == [
        (12_345, 12_345, "Einsatz"), (44_100, 132_300, "副歌"), (200_000, 200_000, "Ende\u00a0!"),
    ]  # fmt: skip


@settings(max_examples=40)
@given(data=st.data())
def test_labels_come_back_to_the_sample(projects, data):
    project = data.draw(projects)
    rows = [line.split("\t") for line in labels_text(project).splitlines()]
    found = sorted(round(float(row[0]) * project.rate_hz) for row in rows)
    assert found == sorted([mark.at for mark in project.markers] + [part.start for part in project.sections])


def events_of(path):
    """All meta events with their place in ticks, as another program reads them."""
    file = mido.MidiFile(path, charset="utf-8")
    assert file.ticks_per_beat == TICKS_PER_QUARTER
    now, found = 0, []
    for message in file.tracks[0]:
        now += message.time
        found.append((now, message))
    return found


@settings(max_examples=40)
@given(data=st.data())
def test_the_midi_grid_comes_back_as_the_same_grid(projects, tmp_path_factory, data):
    project = data.draw(projects)
    path = write_midi(project, tmp_path_factory.mktemp("midi") / "a.mid")
    events = events_of(path)
    metres, bar, last = [], 1, 0
    for ticks, message in events:
        if message.type == "time_signature":
            if metres:
                length = TICKS_PER_QUARTER * 4 * metres[-1].beats // metres[-1].unit
                bar += (ticks - last) // length
                assert (ticks - last) % length == 0
            metres.append(MetreChange(bar=bar, beats=message.numerator, unit=message.denominator))
            last = ticks
    assert tuple(metres) == project.metres
    grid = TempoMap.of(project)
    tempos = [
        (ticks, mido.tempo2bpm(message.tempo)) for ticks, message in events if message.type == "set_tempo"
    ]
    assert [ticks for ticks, _ in tempos] == [
        grid.quarter(tempo.bar, tempo.beat) * TICKS_PER_QUARTER for tempo in project.tempos
    ]
    assert [tempo for _, tempo in tempos] == pytest.approx([t.tempo_bpm for t in project.tempos], rel=1e-5)
    markers = sorted(ticks for ticks, message in events if message.type == "marker")
    places = sorted([mark.at for mark in project.markers] + [part.start for part in project.sections])
    half_tick = (
        max(60 * project.rate_hz / tempo.tempo_bpm for tempo in project.tempos) / TICKS_PER_QUARTER / 2
    )
    for ticks, at in zip(markers, places, strict=True):
        assert abs(float(grid.sample_of(ticks / TICKS_PER_QUARTER)) - at) <= half_tick + 1


def test_names_of_any_script_and_the_length_survive(arranged, tmp_path):
    project, _ = arranged
    events = events_of(write_midi(project, tmp_path / "a.mid"))
    assert [message.text for _, message in events if message.type == "marker"] == [
        "Einsatz",
        "副歌",
        "Ende\u00a0!",
    ]
    assert events[0][1].name == project.name
    plain = edits.remove_tempo(project, bar=5, beat=3)  # what stands after the last clip would make it longer
    plain = edits.remove_metre(edits.remove_metre(plain, bar=9), bar=3)
    write_midi(plain, tmp_path / "a.mid")
    assert mido.MidiFile(tmp_path / "a.mid").length == pytest.approx(
        project.length / project.rate_hz, abs=1e-3
    )


def test_what_cannot_be_said_is_refused(arranged, tmp_path):
    project, _ = arranged
    for write, name in ((write_labels, "a.csv"), (write_midi, "a.wav")):
        with pytest.raises(TimelineError, match="End its name in"):
            write(project, tmp_path / name)
    with pytest.raises(TimelineError, match="later than a MIDI file can say"):
        midi_file(edits.add_marker(project, "far", 2**36))
    late = project.model_copy(update={"tempos": (*project.tempos, TempoChange(bar=10**6, tempo_bpm=90.0))})
    with pytest.raises(TimelineError, match="later than a MIDI file can say"):
        write_midi(late, tmp_path / "a.mid")
    assert not (tmp_path / "a.mid").exists()

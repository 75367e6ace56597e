"""The training side's handlers as functions, on real recordings, tables, logs and adapters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angen.errors import (
    AdapterError,
    AngenError,
    ConflictError,
    DownloadError,
    JobError,
    LicenceNotAcceptedError,
    MetadataError,
    TrainingError,
    UploadError,
)
from angen.settings import Settings
from angen.training import TrainConfig, append_event
from angen.ui import adapter_shelf, curated, knobs, recordings, runs
from angen.ui.cuts import cuts_html, outline
from angen.ui.knobs import ADVANCED, MAIN, read_config, shown_values
from angen.ui.table import COLUMNS, Desk, Sheet, open_sheet, read_desk, rows_of, save_sheet, with_rows
from angen.workflows.annotate import annotate_folder
from angen.workflows.metadata import Metadata, open_metadata
from angen.workflows.uploads import UploadLimits, create_set, open_set

from ..conftest import SongWriter

KNOBS = (*MAIN, *ADVANCED)


@pytest.fixture
def table(settings: Settings, write_song: SongWriter) -> Metadata:
    """A heard set of two recordings."""
    folder = settings.recordings / "mine"
    write_song(folder / "one.wav", 12.0, seed=1)
    write_song(folder / "two.wav", 12.0, seed=2)
    annotate_folder(settings, folder)
    return open_metadata(settings, folder)


def typed(sheet: Sheet, file: str, column: str, text: str) -> Sheet:
    rows = rows_of(sheet)
    next(row for row in rows if row[0] == file)[1 + list(COLUMNS).index(column)] = text
    return with_rows(sheet, rows)


def again(settings: Settings) -> Metadata:
    return open_metadata(settings, settings.recordings / "mine")


def test_uploads_are_taken_and_what_cannot_be_is_told(
    settings: Settings, odd_files: dict[str, tuple[Path, str | None]], page: Any
) -> None:
    names = ["plain.wav", "text.wav", "silence.wav", "été 歌 🎵.wav"]
    name, told = recordings.add_files(settings, "", [odd_files[one][0] for one in names])
    assert name == recordings.FIRST_SET
    assert told.words == "2 recordings added to my-music."
    assert [str(error).startswith(("'text.wav'", "'silence.wav'")) for error in told.problems] == [True, True]
    assert all(str(odd_files["text.wav"][0].parent) not in str(error) for error in told.problems)
    assert len(open_set(settings, name).files) == 2


def test_an_upload_that_lasts_too_long_is_refused(
    settings: Settings, write_song: SongWriter, tmp_path: Path
) -> None:
    song = write_song(tmp_path / "long.wav", 3.0)
    _, told = recordings.add_files(settings, "", [song], UploadLimits(duration_s=2.0))
    assert len(told.problems) == 1
    assert open_set(settings, recordings.FIRST_SET).files == []


def test_nothing_uploaded_says_what_to_do(settings: Settings) -> None:
    with pytest.raises(UploadError, match="Nothing was uploaded"):
        recordings.add_files(settings, "", [])


def test_the_sample_songs_come_from_the_repository_or_are_generated(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, jobs = recordings.add_sample(settings)
    assert len(open_set(settings, name).files) == 12
    assert jobs == []
    assert recordings.add_sample(settings) == (name, [])
    monkeypatch.setattr(recordings, "sample_songs", list)
    other = Settings(settings.home / "elsewhere")
    name, jobs = recordings.add_sample(other)
    assert len(jobs) == 3
    from angen.jobs.studio import KINDS

    for params in jobs:  # each could be submitted as it is, and its song lands in the set
        KINDS["generate"].check(other, KINDS["generate"].read(params))
        assert Path(params["out"]).parent == other.recordings / name


def test_the_state_of_a_set_says_what_is_next(
    settings: Settings, table: Metadata, write_song: SongWriter
) -> None:
    assert "no recordings yet" in recordings.state_words(settings, "")
    create_set(settings, "bare")
    assert "empty" in recordings.state_words(settings, "bare")
    assert "All are analysed" in recordings.state_words(settings, "mine")
    write_song(table.place / "three.wav", 4.0, seed=3)
    assert "2 analysed. Next: Analyze" in recordings.state_words(settings, "mine")


def test_a_saved_cell_is_an_edit_and_an_unsaved_one_is_nothing(settings: Settings, table: Metadata) -> None:
    sheet = typed(typed(open_sheet(table), "one.wav", "Genre", "calypso"), "two.wav", "BPM", "123.5")
    assert again(settings).draft == table.draft
    save_sheet(table, sheet)
    records = {record.file: record for record in again(settings).draft.records}
    assert records["one.wav"].edits == {"genre": "calypso"}
    assert records["two.wav"].edits == {"tempo_bpm": 123.5}
    assert open_sheet(again(settings), sheet).unsaved == 0


def test_an_emptied_cell_is_not_known_and_the_estimate_typed_again_is_no_edit(
    settings: Settings, table: Metadata
) -> None:
    heard = rows_of(open_sheet(table))[0][2]
    assert heard
    save_sheet(table, typed(open_sheet(table), "one.wav", "BPM", ""))
    assert again(settings).draft.records[0].value("tempo_bpm") is None
    save_sheet(again(settings), typed(open_sheet(again(settings)), "one.wav", "BPM", heard))
    assert again(settings).draft.records[0].edits == {}


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("BPM", "abc"),
        ("BPM", "-3"),
        ("BPM", "nan"),
        ("Key", "H major"),
        ("Description", "x" * 2001),
        ("BPM", "1e9"),
    ],
)
def test_a_cell_that_is_not_possible_is_named_and_nothing_is_saved(
    settings: Settings, table: Metadata, column: str, text: str
) -> None:
    sheet = typed(typed(open_sheet(table), "one.wav", "Genre", "fine"), "two.wav", column, text)
    with pytest.raises(MetadataError, match=f"two.wav, {column}"):
        save_sheet(table, sheet)
    assert again(settings).draft == table.draft


def test_all_impossible_cells_are_named_at_once(table: Metadata) -> None:
    sheet = typed(typed(open_sheet(table), "one.wav", "BPM", "abc"), "two.wav", "Key", "loud")
    with pytest.raises(MetadataError, match=r"(?s)one.wav, BPM.*two.wav, Key"):
        save_sheet(table, sheet)


def test_two_people_may_save_different_cells_and_are_told_of_the_same(
    settings: Settings, table: Metadata
) -> None:
    mine, yours = open_sheet(table), open_sheet(table)
    save_sheet(table, typed(mine, "one.wav", "Genre", "calypso"))
    save_sheet(again(settings), typed(yours, "one.wav", "Mood", "sad"))
    with pytest.raises(ConflictError, match="'calypso' now, you typed 'soca'"):
        save_sheet(again(settings), typed(yours, "one.wav", "Genre", "soca"))
    assert again(settings).draft.records[0].edits == {"genre": "calypso", "mood": "sad"}
    kept = open_sheet(again(settings), typed(yours, "one.wav", "Genre", "soca"))
    save_sheet(again(settings), kept)  # loaded again, it knows what it types over
    assert again(settings).draft.records[0].edits["genre"] == "soca"


def test_estimates_made_anew_are_no_conflict_for_other_cells(settings: Settings, table: Metadata) -> None:
    sheet = typed(open_sheet(table), "one.wav", "Genre", "calypso")
    annotate_folder(settings, table.place)
    save_sheet(again(settings), sheet)
    assert again(settings).draft.records[0].edits == {"genre": "calypso"}


def test_the_order_of_the_rows_does_not_matter(table: Metadata) -> None:
    sheet = open_sheet(table)
    rows = rows_of(typed(sheet, "two.wav", "Genre", "calypso"))
    assert with_rows(sheet, rows[::-1]).edits == {"two.wav": {"Genre": "calypso"}}


def test_rows_that_were_filtered_away_keep_what_was_typed(table: Metadata) -> None:
    sheet = typed(open_sheet(table), "two.wav", "Genre", "mento")
    others = [row for row in rows_of(sheet) if row[0] != "two.wav"]
    assert others
    assert with_rows(sheet, others).edits == {"two.wav": {"Genre": "mento"}}
    assert with_rows(sheet, rows_of(open_sheet(table))).edits == {}  # shown as it is stored: taken back


@pytest.mark.parametrize(
    "row", [["other.wav", *[""] * 6], ["one.wav"], ["../one.wav", *[""] * 6], [None] * 7]
)
def test_a_row_of_no_recording_is_refused(table: Metadata, row: list[Any]) -> None:
    with pytest.raises(MetadataError, match="no recording"):
        with_rows(open_sheet(table), [row])


def test_style_words_are_saved_with_the_table_and_can_conflict(settings: Settings, table: Metadata) -> None:
    sheet = with_rows(open_sheet(table), rows_of(open_sheet(table)), " steel   band ")
    assert sheet.unsaved == 1
    save_sheet(table, sheet)
    assert again(settings).draft.trigger == "steel band"
    with pytest.raises(ConflictError, match="style words"):
        save_sheet(again(settings), sheet.model_copy(update={"typed_trigger": "brass band"}))


def test_a_desk_keeps_what_is_unsaved_and_only_that(table: Metadata) -> None:
    sheet = typed(open_sheet(table), "one.wav", "Genre", "calypso")
    desk = read_desk(Desk().holding("mine", sheet))
    assert desk.set == "mine"
    assert desk.sheets["mine"].edits == sheet.edits
    assert read_desk(desk.holding("mine", open_sheet(table))).sheets == {}


@given(st.one_of(st.none(), st.text(), st.builds(json.dumps, st.dictionaries(st.text(), st.integers()))))
def test_a_desk_that_is_no_desk_is_an_empty_one(value: Any) -> None:
    desk = read_desk(value)
    assert desk.sheets == {}


def test_a_recording_is_drawn_with_its_cuts(settings: Settings, table: Metadata) -> None:
    path, drawing = recordings.cuts_of(settings, "mine", "one.wav")
    assert path == table.place / "one.wav"
    assert "1 clips: 0:00.0 to 0:12.0." in drawing
    peaks, duration_s = outline(str(path), path.stat().st_mtime_ns)
    assert duration_s == pytest.approx(12.0, abs=0.01)
    assert max(peaks) == 1.0
    assert cuts_html(path, [[0.0, 3.0], [3.0, 12.0]]).count("<line") == 1
    with pytest.raises(UploadError):
        recordings.cuts_of(settings, "mine", "../../angen.db")


def test_a_preparation_is_checked_before_it_is_a_job(settings: Settings, table: Metadata) -> None:
    wishes = recordings.PrepareWishes
    params = recordings.prepare_params(settings, "mine", wishes("tin"))
    assert (params["name"], params["min_s"], params["max_s"]) == ("tin", 10.0, 30.0)
    assert params["stems"] is False
    assert recordings.prepare_params(settings, "mine", wishes("tin", splits=False))["max_s"] > 600
    from angen.jobs.studio import KINDS

    KINDS["prepare"].read(recordings.prepare_params(settings, "mine", wishes("tin", stems=True)))
    for refused in (
        wishes(""),
        wishes("a", min_s=20, max_s=10),
        wishes("a", min_s=0),
        wishes("a", max_s="x"),
    ):  # type: ignore[arg-type]
        with pytest.raises(JobError):
            recordings.prepare_params(settings, "mine", refused)
    with pytest.raises(UploadError):
        recordings.prepare_params(settings, "", wishes("a"))


def test_the_knobs_begin_as_the_issue_says_and_are_those_of_training() -> None:
    config = read_config(KNOBS, [knob.value for knob in KNOBS])
    assert (config.batch_size, config.learning_rate, config.epochs, config.rank, config.alpha) == (
        4,
        3e-4,
        10,
        16,
        32.0,
    )
    assert config == TrainConfig(learning_rate=3e-4, epochs=10)
    assert read_config(KNOBS, shown_values(KNOBS, config)) == config


def test_the_models_own_rate_is_what_the_page_says_it_is() -> None:
    from angen.model import AngenTiny

    assert AngenTiny().facts.learning_rate == 1e-3
    assert "1e-3" in next(knob.info for knob in MAIN if knob.name == "learning_rate")
    assert read_config(KNOBS, [knob.value for knob in KNOBS], own_rate=True).learning_rate is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 0), ("batch_size", 2.5), ("batch_size", "4; rm"), ("batch_size", True), ("rank", 10_000),
        ("learning_rate", float("nan")), ("learning_rate", 5.0), ("alpha", float("inf")), ("epochs", float("inf")),
        ("dropout", 1.0), ("optimiser", "sgd"), ("targets", "everything"), ("seed", -1),
    ],
)  # fmt: skip
def test_a_knob_out_of_range_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(TrainingError):
        read_config(KNOBS, [value if knob.name == name else knob.value for knob in KNOBS])


def test_steps_take_the_place_of_epochs() -> None:
    values = [20 if knob.name == "max_steps" else knob.value for knob in KNOBS]
    config = read_config(KNOBS, values)
    assert (config.max_steps, config.epochs) == (20, None)


def test_every_knob_is_a_setting() -> None:
    known = TrainConfig().as_dict()
    assert {knob.name for knob in KNOBS} <= set(known)
    assert all(knobs.component(knob).label for knob in KNOBS)


def test_a_run_without_name_or_dataset_is_refused() -> None:
    with pytest.raises(TrainingError, match="no name"):
        runs.train_params(" ", "mine", "angen-tiny", TrainConfig(), replace=False, report=True)
    with pytest.raises(AngenError, match="No dataset"):
        runs.train_params("a", None, "angen-tiny", TrainConfig(), replace=False, report=True)


def test_curves_grow_with_the_log_and_forget_what_is_done_again(tmp_path: Path) -> None:
    curve = runs.Curve(str(tmp_path))
    assert not curve.read_on()
    append_event(tmp_path, {"kind": "validation", "step": 0, "loss": 1.0})
    for step in (1, 2, 3):
        append_event(tmp_path, {"kind": "step", "step": step, "mean_loss": 1.0 / step})
    assert curve.read_on()
    assert not curve.read_on()
    assert [step for step, _ in curve.train] == [1, 2, 3]
    with (tmp_path / "log.jsonl").open("a") as handle:
        handle.write('{"kind": "step", "step": 4, "mean')  # a line that is being written
    assert not curve.read_on()
    with (tmp_path / "log.jsonl").open("a") as handle:
        handle.write('_loss": 0.1}\n{"kind": "resumed", "step": 2}\nno json\n[]\n')
    assert curve.read_on()
    assert [step for step, _ in curve.train] == [1, 2]
    (tmp_path / "log.jsonl").write_text('{"kind": "step", "step": 1, "mean_loss": 5.0}\n')  # trained anew
    curve.read_on()
    assert (curve.train, curve.held_out) == ([(1, 5.0)], [])


@given(st.integers(0, 3000), st.integers(2, 500))
def test_a_thinned_curve_keeps_its_ends_and_its_order(count: int, most: int) -> None:
    points = [(step, 0.0) for step in range(count)]
    thin = runs.thinned(points, most)
    assert len(thin) == min(count, most)
    assert thin == sorted(set(thin))
    assert not points or (thin[0], thin[-1]) == (points[0], points[-1])


def test_the_losses_are_told_in_words_too() -> None:
    curve = runs.Curve("x", train=[(1, 0.5), (2, 0.25)], held_out=[(0, 1.0), (2, 0.75)])
    told = runs.losses_html(curve)
    assert "Best on held-out songs: 0.7500 at step 2." in told
    assert {row["of"] for row in runs.plot_rows(curve)} == {"training", "held-out songs"}


def test_the_table_of_adapters_and_what_is_known_of_one(settings: Settings) -> None:
    from .studio_side import write_adapter

    assert adapter_shelf.rows(settings) == []
    write_adapter(settings, "old", created="2025-01-01T00:00:00+00:00")
    write_adapter(settings, "steel", weights=True, style="<b>", trigger_words=("<b>",), steps=12,
                  validation_loss_base=1.0, validation_loss_best=0.9)  # fmt: skip
    rows = adapter_shelf.rows(settings)
    assert [row[0] for row in rows] == ["steel", "old"]
    assert rows[0][2:6] == ["12", "own recordings", "angen-tiny", "10.0%"]
    assert rows[1][5] == "not measured"
    facts = adapter_shelf.facts_html(settings, "steel")
    assert "&lt;b&gt;" in facts
    assert "<b>" not in facts
    assert "no report yet" in adapter_shelf.report_html(settings, "steel")
    assert adapter_shelf.report_page(settings, "steel") is None
    assert adapter_shelf.pairs_of(settings, "steel") == []
    with pytest.raises(AdapterError):
        adapter_shelf.facts_html(settings, "../old")


def test_an_adapter_goes_out_and_comes_in_again_and_merges(settings: Settings, tmp_path: Path) -> None:
    from .studio_side import write_adapter

    write_adapter(settings, "steel", weights=True)
    with pytest.raises(AdapterError):
        adapter_shelf.send_adapter(settings, "steel", "zip", "best", "", tmp_path)
    file = adapter_shelf.send_adapter(settings, "steel", "peft", "best", "me", tmp_path)
    with pytest.raises(AdapterError, match="already"):
        adapter_shelf.bring_adapter(settings, file, "", assume_base=False)
    assert adapter_shelf.bring_adapter(settings, file, "tin", assume_base=False).name == "tin"
    with pytest.raises(AdapterError, match="no name"):
        adapter_shelf.merge_adapter(settings, "steel", 1.0, "..")
    adapter_shelf.merge_adapter(settings, "steel", 1.0, "steel base")
    assert [path.name for path in adapter_shelf.merged_models(settings)] == ["steel-base"]


def test_every_collection_is_shown_with_its_licence_and_size(settings: Settings) -> None:
    overview = curated.overview_html(settings)
    for name in ("OpenSinger", "M4Singer", "CC Mixter", "Lakh MIDI", "Mutopia"):
        assert name in overview
    assert "CC-BY-NC-SA-4.0" in overview
    assert "14.0 GB" in overview
    for _, id_ in curated.choices():
        facts = curated.facts_html(settings, id_)
        assert "Licence" in facts
        assert "Disk" in facts


def test_nothing_is_fetched_before_its_licence_is_accepted(settings: Settings) -> None:
    with pytest.raises(LicenceNotAcceptedError):
        curated.collect_params(settings, curated.Wish("opensinger"))
    params = curated.collect_params(settings, curated.Wish("opensinger", True, hours=1, pieces=0, singers=2))
    assert (params["hours"], params["pieces"], params["singers"], params["dataset"]) == (
        1.0,
        None,
        2,
        "opensinger",
    )
    from angen.jobs.studio import KINDS

    KINDS["collect"].check(settings, KINDS["collect"].read(params))


@pytest.mark.parametrize(
    "wish",
    [
        curated.Wish("opensinger", True, hours="x"), curated.Wish("opensinger", True, hours=-1),
        curated.Wish("opensinger", True, pieces=1.5), curated.Wish("", True),
        curated.Wish("mutopia", True, licences=("x",)),
    ],
)  # fmt: skip
def test_a_wish_that_is_no_number_is_refused(settings: Settings, wish: curated.Wish) -> None:
    with pytest.raises(DownloadError):
        curated.collect_params(settings, wish)


def test_a_collection_that_is_not_there_is_refused(settings: Settings) -> None:
    with pytest.raises(AngenError):
        curated.collect_params(settings, curated.Wish("nothing", True))

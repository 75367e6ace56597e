from __future__ import annotations

import csv
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from angen.audio import Audio
from angen.dataset import ClipRecord, DatasetInfo, load_dataset, new_dataset, write_clip, write_dataset
from angen.dataset.records import content_sha256
from angen.dataset.store import count_splits
from angen.errors import ConflictError, DatasetError, MetadataError
from angen.settings import Settings
from angen.workflows.metadata import (
    EDITABLE,
    FILE_NAME,
    Metadata,
    open_metadata,
    save_metadata,
    set_trigger,
    set_values,
    store_estimates,
    unset_values,
)
from angen.workflows.metadata_exchange import ace_step_record, export_metadata, import_metadata
from angen.workflows.prepare_records import Tables

HEARD = {
    "tempo_bpm": 112.0,
    "key": "F major",
    "genre": "latin",
    "instruments": ["mallets", "drums"],
    "description": "A latin piece.",
    "metre": "4/4",
    "confidence": {"tempo_bpm": 0.8, "key": 0.9},
    "sources": {"genre": "tagged", "tempo_bpm": "measured"},
}


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "home")


@pytest.fixture
def folder(tmp_path: Path, write_song: Callable[..., Path]) -> Path:
    for name in ("b.wav", "a.wav", "sub/c.wav"):
        write_song(tmp_path / "music" / name, 1.0)
    return tmp_path / "music"


def hear(home: Settings, folder: Path, **changed: Any) -> None:
    records = open_metadata(home, folder).draft.records
    store_estimates(home, folder, [{"path": str(folder / r.file), **HEARD, **changed} for r in records])


@pytest.fixture
def heard(home: Settings, folder: Path) -> Metadata:
    hear(home, folder)
    return open_metadata(home, folder)


def test_a_folder_has_a_record_for_each_recording(home: Settings, folder: Path) -> None:
    assert [r.file for r in open_metadata(home, folder).draft.records] == ["a.wav", "b.wav", "sub/c.wav"]
    assert not (folder / FILE_NAME).exists()


def test_a_correction_outlives_hearing_again(home: Settings, folder: Path, heard: Metadata) -> None:
    edited = set_values(heard, ["a.wav"], {"genre": "calypso", "mood": None, "tempo_bpm": "56"})
    save_metadata(edited)
    hear(home, folder, genre="rock", tempo_bpm=90.0, mood="dark")
    first, second, _ = open_metadata(home, folder).draft.records
    assert (first.value("genre"), first.value("tempo_bpm"), first.value("mood")) == ("calypso", 56.0, None)
    assert (second.value("genre"), second.value("tempo_bpm"), second.value("mood")) == ("rock", 90.0, "dark")
    assert first.estimates.genre == "rock"
    assert (first.source("genre"), second.source("genre")) == ("edited", "tagged")
    back = unset_values(open_metadata(home, folder), ["a.wav"], ["genre", "mood"])
    assert back.draft.records[0].value("genre") == "rock"
    assert back.draft.records[0].value("tempo_bpm") == 56.0


def test_a_file_that_cannot_be_heard_keeps_its_estimates(
    home: Settings, folder: Path, heard: Metadata
) -> None:
    error = {"type": "audio", "message": "m", "remedy": "r"}
    store_estimates(
        home,
        folder,
        [{"path": str(folder / "a.wav"), "genre": "folk"}, {"path": str(folder / "b.wav"), "error": error}],
    )
    again = open_metadata(home, folder)
    assert [record.value("genre") for record in again.draft.records] == ["folk", "latin", "latin"]


def test_of_two_who_edit_one_table_the_second_is_told_and_nothing_is_lost(
    home: Settings, folder: Path, heard: Metadata
) -> None:
    mine, theirs = open_metadata(home, folder), open_metadata(home, folder)
    assert mine.revision == theirs.revision != ""
    edited = set_values(theirs, ["a.wav"], {"genre": "calypso"})
    revision = save_metadata(edited, expected_revision=theirs.revision)
    assert revision == open_metadata(home, folder).revision != theirs.revision
    with pytest.raises(ConflictError, match="music"):
        save_metadata(set_values(mine, ["a.wav"], {"genre": "polka"}), expected_revision=mine.revision)
    assert open_metadata(home, folder).draft.records[0].value("genre") == "calypso"


def test_many_writers_at_once_keep_every_one_of_their_words(home: Settings, folder: Path) -> None:
    hear(home, folder)

    def write(number: int) -> None:
        while True:
            table = open_metadata(home, folder)
            words = f"{table.draft.trigger} w{number}"
            with suppress(ConflictError):
                save_metadata(set_trigger(table, words), expected_revision=table.revision)
                return

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(12)))
    assert sorted(open_metadata(home, folder).draft.trigger.split()) == sorted(f"w{n}" for n in range(12))


def test_bulk_edits_reach_all_or_those_named(heard: Metadata) -> None:
    everywhere = set_values(heard, [], {"instruments": " steel  drums , bass,"})
    assert {tuple(r.value("instruments")) for r in everywhere.draft.records} == {("steel drums", "bass")}
    some = set_values(heard, ["b.wav", "sub/c.wav"], {"key": "f# MINOR"})
    assert [r.value("key") for r in some.draft.records] == ["F major", "F# minor", "F# minor"]


@pytest.mark.parametrize(
    "wrong",
    [{"bpm": 1}, {"tempo_bpm": "fast"}, {"tempo_bpm": -1}, {"key": "H dur"}, {"metre": "4"}, {"language": "?"},
     {"tempo_bpm": float("nan")}, {"sha256": "x"}],
)  # fmt: skip
def test_what_is_not_possible_is_refused_whole(heard: Metadata, wrong: dict[str, Any]) -> None:
    with pytest.raises(MetadataError) as caught:
        set_values(heard, [], {"genre": "folk", **wrong})
    assert caught.value.remedy
    assert not any(record.edits for record in heard.draft.records)


def test_a_recording_that_is_not_there_is_named(heard: Metadata) -> None:
    with pytest.raises(MetadataError, match=r"z\.wav"):
        set_values(heard, ["z.wav"], {"genre": "folk"})


def test_the_prompt_is_what_training_reads(heard: Metadata) -> None:
    metadata = set_values(
        set_trigger(heard, " zyx   style "), ["a.wav"], {"mood": "happy", "genre": "calypso"}
    )
    clip = ClipRecord(
        file_name="clips/x.flac", clip_id="x", song="x", split="train", sha256="0" * 64, start_s=0.0, end_s=9.0,
        duration_s=9.0, tempo_bpm=112.0, key="F major", genre="calypso", mood="happy",
        instruments=["mallets", "drums"], description="A latin piece.", sources={"description": "measured"},
    )  # fmt: skip
    assert metadata.prompt(metadata.draft.records[0]) == clip.prompt("zyx style")
    assert metadata.prompt(metadata.draft.records[0]).startswith("zyx style, happy calypso")
    told = set_values(metadata, ["a.wav"], {"description": "Steel drums on a beach."})
    assert "Steel drums on a beach" in told.prompt(told.draft.records[0])


TEXT = st.text(max_size=20)
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "genre": st.none() | TEXT,
        "mood": st.none() | TEXT,
        "description": st.none() | TEXT,
        "lyrics": st.none() | TEXT,
        "tempo_bpm": st.none() | st.floats(20, 400),
        "key": st.sampled_from(["C major", "A# minor", None]),
        "instruments": st.lists(st.text("abc =+@", min_size=1, max_size=6), max_size=3),
        "language": st.sampled_from(["en", "cmn", None]),
        "metre": st.sampled_from(["3/4", "6/8", None]),
    },
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=VALUES, form=st.sampled_from(["csv", "jsonl"]))
@example(values={"lyrics": "one\rtwo\r\nthree\nfour"}, form="csv")
def test_what_is_exported_and_imported_is_the_same(
    heard: Metadata, tmp_path: Path, values: dict[str, Any], form: Any
) -> None:
    edited = set_values(heard, ["b.wav"], values)
    export_metadata(edited, tmp_path / "table", form)
    unchanged, count = import_metadata(edited, tmp_path / "table", form)
    assert count == 0
    assert unchanged.draft == edited.draft
    taken, _ = import_metadata(heard, tmp_path / "table", form)
    for before, after in zip(edited.draft.records, taken.draft.records, strict=True):
        assert {f: before.value(f) or None for f in EDITABLE} == {f: after.value(f) or None for f in EDITABLE}


def test_a_cell_is_never_a_formula(heard: Metadata, tmp_path: Path) -> None:
    edited = set_values(heard, [], {"description": '=HYPERLINK("x")'})
    export_metadata(edited, tmp_path / "t.csv", "csv")
    rows = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
    assert all(row["description"].startswith("'=") for row in rows)


@pytest.mark.parametrize(
    ("text", "says"),
    [("name,genre\na.wav,x\n", "unknown columns"), ("genre\nx\n", "no column file"),
     ("file,tempo_bpm\na.wav,quick\n", "row 1"), ("file,genre\nz.wav,x\n", "z.wav"),
     ("file,genre\na.wav,x,y\n", "line 2")],
)  # fmt: skip
def test_a_faulty_table_changes_nothing_and_says_where(
    heard: Metadata, tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(MetadataError, match=says):
        import_metadata(heard, tmp_path / "t.csv", "csv")


def test_ace_step_gets_what_is_known_and_no_default(heard: Metadata, tmp_path: Path) -> None:
    unknown = dict.fromkeys(EDITABLE)
    metadata = set_values(
        set_values(heard, ["b.wav"], unknown), ["a.wav"], {"lyrics": "la\nla", "language": "ja"}
    )
    export_metadata(metadata, tmp_path / "ace", "ace-step")
    first = json.loads((tmp_path / "ace/a.json").read_text())
    assert first == {
        "caption": "latin with mallets and drums", "bpm": 112, "keyscale": "F major", "timesignature": "4",
        "language": "ja",
    }  # fmt: skip
    assert json.loads((tmp_path / "ace/b.json").read_text()) == {}
    assert (tmp_path / "ace/a.lyrics.txt").read_text() == "la\nla\n"
    assert not (tmp_path / "ace/b.lyrics.txt").exists()
    again, count = import_metadata(metadata, tmp_path / "ace", "ace-step")
    assert (count, again.draft) == (0, metadata.draft)


def test_ace_steps_words_are_taken_over(heard: Metadata, tmp_path: Path) -> None:
    words = {
        "caption": "A J-pop track",
        "bpm": 190,
        "keyscale": "D major",
        "timesignature": "3",
        "language": "ja",
    }
    (tmp_path / "ace").mkdir()
    (tmp_path / "ace/sub__c.json").write_text(json.dumps(words))
    taken, count = import_metadata(heard, tmp_path / "ace", "ace-step")
    record = taken.draft.records[2]
    assert count == 5
    assert (record.value("description"), record.value("tempo_bpm"), record.value("metre")) == (
        "A J-pop track", 190.0, "3/4",
    )  # fmt: skip
    assert ace_step_record(taken, record) == {**words, "caption": ace_step_record(taken, record)["caption"]}


def test_a_recording_finds_what_its_user_said(heard: Metadata, folder: Path, tmp_path: Path) -> None:
    save_metadata(set_trigger(set_values(heard, ["sub/c.wav"], {"genre": "calypso"}), "zyx"))
    tables = Tables()
    assert tables.of(folder / "sub/c.wav") == ("zyx", {"genre": "calypso"})
    assert tables.of(folder / "sub/new.wav") == ("", {})
    assert tables.of(tmp_path / "elsewhere.wav") == ("", {})


def test_damaged_metadata_is_told_and_kept(home: Settings, folder: Path) -> None:
    (folder / FILE_NAME).write_text('{"format_version": 1, "records": [{"file": 3}]}')
    with pytest.raises(MetadataError, match=FILE_NAME):
        open_metadata(home, folder)
    assert (folder / FILE_NAME).exists()


def test_a_place_that_is_neither_is_told(home: Settings, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(MetadataError, match="no recordings"):
        open_metadata(home, tmp_path / "empty")
    with pytest.raises(DatasetError):
        open_metadata(home, "nothing")


@pytest.fixture
def dataset(home: Settings) -> Path:
    clips = []
    with new_dataset(home.training_data, "songs") as place:
        for number, split in enumerate(("train", "validation")):
            sound = np.random.default_rng(number).uniform(-0.3, 0.3, (1, 24_000)).astype(np.float32)
            name, sha256 = write_clip(place, f"s{number}-001", Audio(sound, 24_000))
            clips.append(
                ClipRecord.model_validate(
                    {"file_name": name, "clip_id": f"s{number}-001", "song": f"s{number}", "split": split,
                     "start_s": 0.0, "end_s": 1.0, "duration_s": 1.0, "sha256": sha256, "tempo_bpm": 112.0,
                     "genre": "latin", "sources": {"tempo_bpm": "measured", "genre": "tagged"},
                     "confidence": {"tempo_bpm": 0.8}, "beats_s": [0.1, 0.6]}
                )
            )  # fmt: skip
        info = DatasetInfo(
            name="songs", created=datetime.now(UTC), songs=2, clips=2, seconds=2.0, splits=count_splits(clips),
            sha256=content_sha256(clips, ""),
        )  # fmt: skip
        write_dataset(place, info, clips)
    return home.training_data / "songs"


def test_a_dataset_is_corrected_and_set_back(home: Settings, dataset: Path) -> None:
    before = load_dataset(dataset).clips
    edited = set_values(open_metadata(home, "songs"), ["s0-001"], {"genre": "calypso", "tempo_bpm": None})
    save_metadata(set_trigger(edited, "zyx"))
    now = load_dataset(dataset)
    assert now.is_edited is False or now.info.prompt_prefix == "zyx"
    assert (now.clips[0].genre, now.clips[0].tempo_bpm) == ("calypso", None)
    assert now.clips[0].sources["genre"] == "edited"
    assert now.clips[0].beats_s == [0.1, 0.6]
    assert now.prompt(now.clips[0]) == "zyx, calypso"
    reopened = open_metadata(home, "songs")
    assert reopened.prompt(reopened.draft.records[0]) == now.prompt(now.clips[0])
    assert reopened.draft.records[0].estimates.genre == "latin"
    save_metadata(set_trigger(unset_values(reopened, [], ["genre", "tempo_bpm"]), ""))
    assert load_dataset(dataset).clips == before


def test_a_dataset_is_not_heard_again_and_has_revisions_too(home: Settings, dataset: Path) -> None:
    table = open_metadata(home, "songs")
    with pytest.raises(MetadataError, match="prepared"):
        store_estimates(home, dataset, [])
    save_metadata(set_trigger(table, "zyx"), expected_revision=table.revision)
    with pytest.raises(ConflictError):
        save_metadata(set_trigger(table, "abc"), expected_revision=table.revision)
    assert load_dataset(dataset).info.prompt_prefix == "zyx"

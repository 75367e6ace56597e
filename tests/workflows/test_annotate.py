from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from angen.errors import MetadataError
from angen.progress import Progress
from angen.settings import Settings
from angen.workflows import annotate
from angen.workflows.annotate import annotate_folder
from angen.workflows.metadata import open_metadata, save_metadata, set_values


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "home")


@pytest.fixture
def folder(tmp_path: Path, write_song: Callable[..., Path]) -> Path:
    for name, seconds in (("a.wav", 8.0), ("b.wav", 6.0), ("c.wav", 7.0)):
        write_song(tmp_path / "music" / name, seconds)
    (tmp_path / "music" / "bad.wav").write_text("no sound")
    return tmp_path / "music"


def test_every_recording_is_heard_and_a_bad_one_is_told(home: Settings, folder: Path) -> None:
    seen: list[str] = []
    steps: list[Progress] = []
    done = annotate_folder(
        home, folder, on_heard=lambda record: seen.append(Path(record["path"]).name), on_progress=steps.append
    )
    assert seen == ["a.wav", "b.wav", "bad.wav", "c.wav"]
    assert (done.heard, [Path(record["path"]).name for record in done.failed]) == (3, ["bad.wav"])
    assert (steps[-1].done, steps[-1].total) == (4, 4)
    table = {record.file: record for record in open_metadata(home, folder).draft.records}
    assert table["a.wav"].value("description")
    assert table["bad.wav"].sha256 is None


def test_a_correction_made_while_it_listens_stays(
    home: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotate, "STORE_EVERY_S", 0.0)

    def correct(record: Mapping[str, Any]) -> None:
        table = open_metadata(home, folder)
        save_metadata(
            set_values(table, [Path(record["path"]).name], {"genre": "mine"}), expected_revision=None
        )

    annotate_folder(home, folder, on_heard=correct)
    records = open_metadata(home, folder).draft.records
    assert [record.value("genre") for record in records] == ["mine"] * 4
    assert all(record.estimates.description for record in records if record.file != "bad.wav")


def test_what_was_heard_before_a_stop_is_kept(home: Settings, folder: Path) -> None:
    def stop(record: Mapping[str, Any]) -> None:
        if record["path"].endswith("b.wav"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        annotate_folder(home, folder, on_heard=stop)
    heard = [record.sha256 is not None for record in open_metadata(home, folder).draft.records]
    assert heard == [True, True, False, False]


def test_a_folder_without_recordings_is_told(home: Settings, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(MetadataError, match="no recordings"):
        annotate_folder(home, tmp_path / "empty")

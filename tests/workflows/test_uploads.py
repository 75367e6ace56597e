from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from angen.errors import AngenError, AudioError, ConflictError, TooLargeError, TooLongError, UploadError
from angen.settings import Settings
from angen.workflows.metadata import open_metadata, save_metadata, set_values
from angen.workflows.uploads import (
    UploadLimits,
    add_recording,
    create_set,
    delete_set,
    list_sets,
    open_set,
    recording_path,
    remove_recording,
)

WriteSong = Callable[..., Path]


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "home")


@pytest.fixture
def song(tmp_path: Path, write_song: WriteSong) -> Path:
    return write_song(tmp_path / "in" / "song.wav", 1.0)


def test_a_set_is_made_filled_listed_and_deleted(home: Settings, song: Path) -> None:
    assert list_sets(home) == []
    made = create_set(home, "My attic tapes")
    assert (made.name, made.files, made.folder.is_dir()) == ("My-attic-tapes", [], True)
    kept = add_recording(home, made.name, song, "C:\\Music\\First Song.WAV")
    assert kept.file == "First-Song.wav"
    assert kept.duration_s == pytest.approx(1.0)
    assert (made.folder / kept.file).read_bytes() == song.read_bytes()
    assert open_set(home, made.name).files == [kept]
    assert recording_path(home, made.name, kept.file) == made.folder / kept.file
    assert [one.name for one in list_sets(home)] == [made.name]
    remove_recording(home, made.name, kept.file)
    assert open_set(home, made.name).files == []
    delete_set(home, made.name)
    assert list_sets(home) == []
    assert song.exists()


def test_another_recording_of_the_same_name_gets_a_number_and_the_same_one_is_taken_once(
    home: Settings, tmp_path: Path, song: Path, write_song: WriteSong
) -> None:
    create_set(home, "tapes")
    other = write_song(tmp_path / "other.wav", 1.5)
    names = [add_recording(home, "tapes", path, "a.wav").file for path in (song, other, song, other)]
    assert names == ["a.wav", "a-2.wav", "a.wav", "a-2.wav"]
    assert len(open_set(home, "tapes").files) == 2


def test_many_at_once_lose_none(home: Settings, tmp_path: Path, write_song: WriteSong) -> None:
    create_set(home, "tapes")
    paths = [write_song(tmp_path / f"{n}.wav", 0.5 + n / 10) for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda path: add_recording(home, "tapes", path, "same.wav").file, paths))
    assert len(set(names)) == 8
    folder = open_set(home, "tapes").folder
    assert sorted((folder / name).read_bytes() for name in names) == sorted(p.read_bytes() for p in paths)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(max_size=300))
@example("../../../etc/passwd")
@example("..\\..\\x.wav")
@example(".hidden.wav")
@example("/")
@example("a\0b.wav")
@example("angen_metadata.json")
def test_no_name_leaves_the_set_or_hides_in_it(home: Settings, song: Path, name: str) -> None:
    if not list_sets(home):
        create_set(home, "tapes")
    kept = add_recording(home, "tapes", song, name)
    folder = open_set(home, "tapes").folder
    assert (folder / kept.file).resolve().parent == folder.resolve()
    assert kept.file in [one.file for one in open_set(home, "tapes").files]
    remove_recording(home, "tapes", kept.file)


@pytest.mark.parametrize("name", ["", ".", "..", "../tapes", "nothing", "tapes/..", "a\0b"])
def test_a_set_that_is_not_there_is_told_with_those_that_are(home: Settings, song: Path, name: str) -> None:
    create_set(home, "tapes")
    for act in (open_set, delete_set):
        with pytest.raises(UploadError, match="tapes"):
            act(home, name)
    with pytest.raises(UploadError):
        add_recording(home, name, song, "a.wav")
    assert list_sets(home)


def test_a_name_can_be_taken_once_and_must_be_one(home: Settings) -> None:
    create_set(home, "tapes")
    with pytest.raises(ConflictError, match="tapes"):
        create_set(home, "tapes")
    with pytest.raises(UploadError):
        create_set(home, "../..")


def test_what_is_no_sound_or_too_much_is_refused_and_nothing_is_left(
    home: Settings, tmp_path: Path, song: Path
) -> None:
    create_set(home, "tapes")
    bad = tmp_path / "bad.wav"
    bad.write_bytes(song.read_bytes()[:2000])
    wide = tmp_path / "wide.wav"
    soundfile.write(wide, np.random.default_rng(0).uniform(-0.5, 0.5, (8000, 6)), 8000)
    cases: list[tuple[Path, UploadLimits, type[AngenError]]] = [
        (bad, UploadLimits(), AudioError),
        (tmp_path / "gone.wav", UploadLimits(), UploadError),
        (song, UploadLimits(file_bytes=1000), TooLargeError),
        (song, UploadLimits(duration_s=0.5), TooLongError),
        (wide, UploadLimits(channels=2), TooLargeError),
        (song, UploadLimits(set_bytes=1000), TooLargeError),
        (song, UploadLimits(files=0), TooLargeError),
    ]
    for path, limits, error in cases:
        with pytest.raises(error):
            add_recording(home, "tapes", path, "a.wav", limits)
    folder = open_set(home, "tapes").folder
    assert [path.name for path in folder.iterdir() if path.name != ".lock"] == []


def test_a_set_is_a_folder_with_a_table(home: Settings, song: Path) -> None:
    folder = create_set(home, "tapes").folder
    add_recording(home, "tapes", song, "a.wav")
    table = open_metadata(home, folder)
    save_metadata(set_values(table, ["a.wav"], {"genre": "calypso"}))
    add_recording(home, "tapes", song, "b.wav")
    records = open_metadata(home, folder).draft.records
    assert [(record.file, record.value("genre")) for record in records] == [
        ("a.wav", "calypso"),
        ("b.wav", None),
    ]

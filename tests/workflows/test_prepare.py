from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from angen.audio import Audio, read_audio
from angen.dataset import Dataset, drop_unfinished, list_datasets, load_dataset, unfinished_preparations
from angen.errors import DatasetError
from angen.progress import Progress
from angen.settings import Settings
from angen.workflows import prepare, prepare_songs
from angen.workflows.metadata import open_metadata, save_metadata, set_trigger, set_values
from angen.workflows.prepare import prepare_dataset

WriteSong = Callable[..., Path]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "workspace")


@pytest.fixture
def songs(tmp_path: Path, write_song: WriteSong) -> list[Path]:
    """Three songs of different length."""
    return [
        write_song(tmp_path / "songs" / f"song {number}.wav", seconds, seed=number, bpm=100.0 + 8 * number)
        for number, seconds in enumerate([40.0, 26.0, 12.0])
    ]


def _prepared(settings: Settings, paths: list[Path], **how: Any) -> Dataset:
    return load_dataset(prepare_dataset(settings, "mine", paths, **how).folder)


def test_songs_become_a_dataset_that_covers_them(settings: Settings, songs: list[Path]) -> None:
    dataset = _prepared(settings, songs, style="calypso with steel drums")
    assert dataset.info.songs == 3
    assert dataset.info.seconds == pytest.approx(78, abs=0.1)
    assert dataset.info.notes == []
    assert all(10 <= clip.duration_s <= 30 for clip in dataset.clips)
    for song in {clip.song for clip in dataset.clips}:
        clips = [clip for clip in dataset.clips if clip.song == song]
        assert clips[0].start_s == 0
        assert all(later.start_s == earlier.end_s for earlier, later in pairwise(clips))


def test_the_split_is_by_song_and_the_same_each_time(settings: Settings, songs: list[Path]) -> None:
    first = _prepared(settings, songs)
    again = _prepared(settings, songs, replace=True)
    assert first.info.sha256 == again.info.sha256
    for dataset in (first, *(_prepared(settings, songs, seed=seed, replace=True) for seed in range(1, 4))):
        held_back = {clip.song for clip in dataset.side("validation")}
        assert held_back == {"song-2"}  # 12 of 78 s are the closest to a tenth
        assert not held_back & {clip.song for clip in dataset.side("train")}


def test_records_say_what_was_heard_and_how_it_is_known(settings: Settings, songs: list[Path]) -> None:
    dataset = _prepared(settings, songs, style="calypso with steel drums")
    clip = dataset.side("validation")[0]
    assert clip.tempo_bpm == pytest.approx(116, rel=0.02)
    assert clip.key == "C major"
    assert clip.sources["tempo_bpm"] == "measured"
    assert "genre" not in clip.sources
    assert set(clip.confidence) <= set(clip.sources)
    prompt = dataset.prompt(clip)
    assert prompt.startswith("calypso with steel drums, ")
    assert prompt.endswith("116 bpm, C major")
    assert clip.description not in prompt


def test_beats_are_counted_from_the_start_of_the_clip(settings: Settings, songs: list[Path]) -> None:
    for clip in _prepared(settings, songs).clips:
        assert clip.beats_s
        assert clip.tempo_bpm is not None
        assert all(0 <= beat <= clip.duration_s for beat in [*clip.beats_s, *clip.downbeats_s])
        assert np.median(np.diff(clip.beats_s)) == pytest.approx(60 / clip.tempo_bpm, rel=0.02)
        beat_in_song_s = clip.beats_s[0] + clip.start_s
        nearest_s = round(beat_in_song_s * clip.tempo_bpm / 60) * 60 / clip.tempo_bpm
        assert beat_in_song_s == pytest.approx(nearest_s, abs=0.08)  # songs start on a beat


@pytest.mark.parametrize(("channels", "kept"), [(1, 1), (2, 2), (6, 1)])
def test_clips_keep_rate_and_channels(
    settings: Settings, tmp_path: Path, write_song: WriteSong, channels: int, kept: int
) -> None:
    path = write_song(tmp_path / "song.wav", 12.0, rate_hz=32000, channels=channels)
    clip = _prepared(settings, [path]).clips[0]
    audio = read_audio(settings.training_data / "mine" / clip.file_name)
    assert (audio.rate_hz, audio.channels) == (32000, kept)
    original = read_audio(path).mono().span(clip.start_s, clip.end_s)
    assert np.allclose(audio.mono().samples, original.samples, atol=2e-4)


def test_bad_files_are_skipped_with_their_reason(
    settings: Settings, songs: list[Path], tmp_path: Path, write_song: WriteSong
) -> None:
    empty = tmp_path / "empty.wav"
    empty.touch()
    short = write_song(tmp_path / "short.wav", 0.2)
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(22050 * 3), 22050)
    missing = tmp_path / "missing.wav"
    impossible = tmp_path / f"{'long ' * 60}.wav"
    prepared = prepare_dataset(settings, "mine", [empty, *songs, short, silent, missing, impossible])
    assert {Path(file.path).name: file.error["type"] for file in prepared.skipped} == {
        "empty.wav": "audio-empty",
        "short.wav": "audio-too-short",
        "silent.wav": "audio-silent",
        "missing.wav": "audio-missing",
        impossible.name: "audio-missing",
    }
    assert prepared.info.songs == 3
    assert load_dataset(prepared.folder).info.skipped == prepared.skipped


def test_an_unforeseen_fault_with_one_file_skips_that_file(
    settings: Settings, songs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fragile(path: Path, **how: float) -> Audio:
        if path == songs[1]:
            raise ZeroDivisionError
        return read_audio(path, **how)

    monkeypatch.setattr(prepare_songs, "read_audio", fragile)
    prepared = prepare_dataset(settings, "mine", songs)
    assert [file.error["type"] for file in prepared.skipped] == ["internal"]
    assert prepared.info.songs == 2


def test_one_recording_under_two_names_counts_once(
    settings: Settings, songs: list[Path], tmp_path: Path
) -> None:
    copy = tmp_path / "copy.wav"
    copy.write_bytes(songs[0].read_bytes())
    flac = tmp_path / "same sound.flac"
    samples, rate_hz = soundfile.read(songs[0], dtype="int16")
    soundfile.write(flac, samples, rate_hz)
    prepared = prepare_dataset(settings, "mine", [*songs, copy, flac, songs[0]])
    assert prepared.info.songs == 3
    assert [Path(file.path).name for file in prepared.skipped] == ["copy.wav", "same sound.flac"]
    assert all("same recording" in file.error["message"] for file in prepared.skipped)


def test_songs_of_one_name_stay_apart(settings: Settings, tmp_path: Path, write_song: WriteSong) -> None:
    paths = [
        write_song(tmp_path / folder / name, 12.0, seed=seed)
        for seed, (folder, name) in enumerate(
            [("a", "01.wav"), ("b", "01.wav"), ("c", "01-2.wav"), ("d", "歌" * 70 + ".wav")]
        )
    ]
    dataset = _prepared(settings, paths)
    assert [clip.song for clip in dataset.clips] == ["01", "01-2", "01-2-2", "歌" * 40]


def test_a_single_song_is_split_by_time_with_a_gap(
    settings: Settings, tmp_path: Path, write_song: WriteSong
) -> None:
    prepared = prepare_dataset(settings, "mine", [write_song(tmp_path / "only.wav", 40.0)])
    dataset = load_dataset(prepared.folder)
    training, validation = dataset.side("train"), dataset.side("validation")
    assert validation[0].start_s - training[-1].end_s == pytest.approx(2.0, abs=0.001)
    assert any("only one song" in note for note in prepared.notes)
    assert any("in no clip" in note for note in dataset.info.notes)


def test_the_shortest_song_makes_a_dataset_with_both_sides(
    settings: Settings, tmp_path: Path, write_song: WriteSong
) -> None:
    dataset = _prepared(settings, [write_song(tmp_path / "only.wav", 1.5)])
    assert dataset.info.splits == {"train": 1, "validation": 1}


def test_silence_inside_a_song_is_in_no_clip(
    settings: Settings, tmp_path: Path, write_song: WriteSong
) -> None:
    path = write_song(tmp_path / "song.wav", 60.0)
    samples, rate_hz = soundfile.read(path)
    samples[10 * rate_hz : 50 * rate_hz] = 0
    soundfile.write(path, samples, rate_hz)
    dataset = _prepared(settings, [path], min_s=5.0, max_s=10.0)
    assert dataset.info.seconds < 35
    assert any("silence" in note for note in dataset.info.notes)


def test_folders_are_searched(settings: Settings, songs: list[Path]) -> None:
    assert _prepared(settings, [songs[0].parent]).info.songs == 3


def test_nothing_usable_lists_every_reason(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    with pytest.raises(DatasetError, match=r"(?s)None of 2 .*empty\.wav.*missing\.wav"):
        prepare_dataset(settings, "mine", [tmp_path / "empty.wav", tmp_path / "missing.wav"])
    (tmp_path / "folder").mkdir()
    with pytest.raises(DatasetError, match="No recordings were found"):
        prepare_dataset(settings, "mine", [tmp_path / "folder"])
    assert list_datasets(settings.training_data) == []


def test_a_taken_name_is_refused_before_anything_is_read(settings: Settings, songs: list[Path]) -> None:
    prepare_dataset(settings, "mine", songs)
    with pytest.raises(DatasetError, match="already"):
        prepare_dataset(settings, "mine", [Path("nowhere.wav")])


@pytest.mark.parametrize(
    ("min_s", "max_s"), [(0.0, 30.0), (20.0, 10.0), (10.0, float("inf")), (float("nan"), 30.0)]
)
def test_impossible_lengths_are_refused(
    settings: Settings, songs: list[Path], min_s: float, max_s: float
) -> None:
    with pytest.raises(DatasetError, match="not possible"):
        prepare_dataset(settings, "mine", songs, min_s=min_s, max_s=max_s)


def test_a_full_disk_is_noticed_before_anything_is_written(
    settings: Settings, songs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "free_bytes", lambda folder: 1_000_000)
    with pytest.raises(DatasetError, match="GB are free"):
        prepare_dataset(settings, "mine", songs)
    assert not settings.training_data.exists()


def test_an_interrupted_preparation_is_not_listed_and_can_be_dropped(
    settings: Settings, songs: list[Path]
) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.stage == "cutting" and progress.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_dataset(settings, "mine", songs, on_progress=interrupt)
    assert list_datasets(settings.training_data) == []
    assert unfinished_preparations(settings.training_data) == ["mine"]
    drop_unfinished(settings.training_data, "mine")
    assert not settings.training_data.exists() or list(settings.training_data.iterdir()) == []


def test_progress_names_its_stages_and_ends(settings: Settings, songs: list[Path]) -> None:
    seen: list[Progress] = []
    prepare_dataset(settings, "mine", songs, on_progress=seen.append)
    assert list(dict.fromkeys(step.stage for step in seen)) == ["analysing", "comparing", "cutting"]
    assert seen[-1].fraction == 1


def test_one_song_is_in_memory_at_a_time(
    settings: Settings, songs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[weakref.ref[Audio]] = []
    most = 0

    def counting(path: Path, **how: float) -> Audio:
        nonlocal most
        gc.collect()
        most = max(most, sum(reference() is not None for reference in alive))
        audio = read_audio(path, **how)
        alive.append(weakref.ref(audio))
        return audio

    monkeypatch.setattr(prepare_songs, "read_audio", counting)
    prepare_dataset(settings, "mine", songs)
    assert len(alive) == 6
    assert most == 0


class TestTheUsersOwnTable:
    def test_what_is_corrected_counts_before_what_is_heard(
        self, settings: Settings, songs: list[Path]
    ) -> None:
        table = open_metadata(settings, str(songs[0].parent))
        table = set_values(table, ["song 0.wav"], {"genre": "zydeco", "mood": None, "tempo_bpm": 61.0})
        save_metadata(set_trigger(table, "attic tapes"))
        made = prepare_dataset(settings, "mine", songs)
        dataset = load_dataset(made.folder)
        assert dataset.info.prompt_prefix == "attic tapes"
        corrected = [clip for clip in dataset.clips if clip.start_s == 0 and clip.sources.get("genre")]
        own = [clip for clip in dataset.clips if clip.song == corrected[0].song]
        assert {(clip.genre, clip.tempo_bpm, clip.mood) for clip in own} == {("zydeco", 61.0, None)}
        assert all(clip.sources["tempo_bpm"] == "edited" and not clip.beats_s for clip in own)
        others = [clip for clip in dataset.clips if clip.song != corrected[0].song]
        assert others
        assert all("edited" not in clip.sources.values() and clip.genre != "zydeco" for clip in others)

    def test_words_given_here_lead_before_the_tables(self, settings: Settings, songs: list[Path]) -> None:
        save_metadata(set_trigger(open_metadata(settings, str(songs[0].parent)), "attic tapes"))
        made = prepare_dataset(settings, "mine", songs[1:], style="cellar tapes")
        assert made.info.prompt_prefix == "cellar tapes"

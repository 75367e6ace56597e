"""Preparing again does again only what has changed; what is nearly the same is said; parts and stems fit the mix."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from tests.tunes import tune

from angen.audio import Audio, read_audio, write_audio
from angen.dataset import Dataset, clip_files, list_datasets, load_dataset, unfinished_preparations
from angen.errors import DatasetError
from angen.settings import Settings
from angen.workflows import stems
from angen.workflows.duplicates import dataset_duplicates
from angen.workflows.metadata import open_metadata, save_metadata, set_values
from angen.workflows.prepare import PreparedDataset, Work, prepare_dataset
from angen.workflows.spread import Spread

HERE = Spread(workers=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "workspace")


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    folder = tmp_path / "songs"
    for number in range(4):
        write_audio(folder / f"song {number}.wav", tune(14.0, seed=number, rate_hz=16_000))
    return folder


def _prepare(settings: Settings, folder: Path, **how: Any) -> PreparedDataset:
    return prepare_dataset(settings, "mine", [folder], spread=HERE, replace=True, **how)


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """Each clip's inode and time of change."""
    stats = {path.name: path.stat() for path in (folder / "clips").iterdir()}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in stats.items()}


class TestAgain:
    def test_nothing_changed_nothing_done(self, settings: Settings, songs: Path) -> None:
        first = _prepare(settings, songs)
        before = _files(first.folder)
        again = _prepare(settings, songs)
        assert (first.work, again.work) == (Work(4, 0, 4, 0), Work(0, 4, 0, 4))
        assert again.info.sha256 == first.info.sha256
        assert _files(again.folder) == before
        assert load_dataset(again.folder).clips == load_dataset(first.folder).clips

    def test_a_correction_of_the_table_hears_and_cuts_nothing(self, settings: Settings, songs: Path) -> None:
        before = _files(_prepare(settings, songs).folder)
        save_metadata(set_values(open_metadata(settings, str(songs)), ["song 2.wav"], {"genre": "zydeco"}))
        again = _prepare(settings, songs)
        assert again.work == Work(0, 4, 0, 4)
        assert _files(again.folder) == before
        genres = {clip.song: clip.genre for clip in load_dataset(again.folder).clips}
        assert genres["song-2"] == "zydeco"
        assert "zydeco" not in (genres[song] for song in genres if song != "song-2")

    def test_another_recording_under_a_name_is_the_one_that_is_done(
        self, settings: Settings, songs: Path
    ) -> None:
        before = _files(_prepare(settings, songs).folder)
        write_audio(songs / "song 1.wav", tune(14.0, seed=77, rate_hz=16_000))
        again = _prepare(settings, songs)
        assert again.work == Work(1, 3, 1, 3)
        changed = {name for name, state in _files(again.folder).items() if state != before[name]}
        assert changed == {"song-1-001.flac"}

    def test_songs_come_go_and_change_their_names(self, settings: Settings, songs: Path) -> None:
        _prepare(settings, songs)
        (songs / "song 0.wav").unlink()
        (songs / "song 1.wav").rename(songs / "another.wav")
        (songs / "song 2.wav").rename(songs / "song 1.wav")  # a name that was another's
        write_audio(songs / "new.wav", tune(14.0, seed=9, rate_hz=16_000))
        again = _prepare(settings, songs)
        assert again.work == Work(1, 3, 1, 3)
        dataset = load_dataset(again.folder)  # every clip is the one its record says
        assert {clip.song for clip in dataset.clips} == {"another", "new", "song-1", "song-3"}
        for clip, source in (("another-001", 1), ("song-1-001", 2)):
            sound = read_audio(clip_files(dataset, clip)[clip])
            assert np.allclose(sound.samples, tune(14.0, seed=source, rate_hz=16_000).samples, atol=1e-4)

    def test_other_lengths_cut_anew_but_hear_nothing(self, settings: Settings, songs: Path) -> None:
        _prepare(settings, songs)
        again = _prepare(settings, songs, min_s=4.0, max_s=8.0)
        assert again.work == Work(0, 4, 4, 0)
        assert again.info.clips > 4

    def test_latents_of_clips_that_stay_are_kept(self, settings: Settings, songs: Path) -> None:
        first = _prepare(settings, songs)
        place = first.folder / "latents" / "angen-tiny" / "abc.safetensors"
        place.parent.mkdir(parents=True)
        place.write_bytes(b"latents")
        again = _prepare(settings, songs)
        assert (again.folder / "latents" / "angen-tiny" / "abc.safetensors").read_bytes() == b"latents"

    def test_corrections_of_single_clips_live_on_where_their_sound_does(
        self, settings: Settings, songs: Path
    ) -> None:
        _prepare(settings, songs)
        save_metadata(set_values(open_metadata(settings, str(songs)), ["song 3.wav"], {"genre": "ska"}))
        _prepare(settings, songs)
        table = open_metadata(settings, "mine")
        save_metadata(set_values(table, ["song-0-001", "song-1-001"], {"mood": "solemn"}))
        save_metadata(set_values(open_metadata(settings, str(songs)), ["song 3.wav"], {"genre": "dub"}))
        write_audio(songs / "song 1.wav", tune(14.0, seed=77, rate_hz=16_000))
        clips = {clip.song: clip for clip in load_dataset(_prepare(settings, songs).folder).clips}
        assert clips["song-0"].mood == "solemn"
        assert clips["song-0"].sources["mood"] == "edited"
        assert clips["song-1"].mood != "solemn"  # it is another recording now
        assert clips["song-3"].genre == "dub"
        estimate = open_metadata(settings, "mine").chosen(["song-0-001"])[0].estimates.mood
        assert estimate != "solemn"

    def test_a_damaged_clip_is_cut_again_not_taken_over(self, settings: Settings, songs: Path) -> None:
        first = _prepare(settings, songs)
        (first.folder / "clips" / "song-3-001.flac").write_bytes(b"rust")
        again = _prepare(settings, songs)
        assert again.work == Work(0, 4, 1, 3)
        load_dataset(again.folder)

    def test_what_a_damaged_cache_has_forgotten_is_heard_again(self, settings: Settings, songs: Path) -> None:
        _prepare(settings, songs)
        for path in settings.cache.glob("heard/*/*/*.words"):
            path.write_bytes(b"")
        assert _prepare(settings, songs).work == Work(4, 0, 0, 4)


class TestNearDuplicates:
    @pytest.fixture
    def copied(self, songs: Path) -> Path:
        samples, rate_hz = soundfile.read(songs / "song 3.wav", dtype="float32")
        soundfile.write(songs / "the same, later.ogg", 0.4 * samples[17_000:], rate_hz)
        return songs

    def test_a_copy_encoded_again_later_and_softer_is_said_and_kept_on_one_side(
        self, settings: Settings, copied: Path
    ) -> None:
        for seed in range(4):
            prepared = _prepare(settings, copied, seed=seed)
            sides = {clip.song: clip.split for clip in load_dataset(prepared.folder).clips}
            assert sides["song-3"] == sides["the-same-later"]
        assert [(pair.first, pair.second) for pair in prepared.alike] == [("song-3", "the-same-later")]
        assert any("nearly the same" in note for note in prepared.info.notes)
        assert not any("leak" in note for note in prepared.info.notes)
        kept = json.loads((prepared.folder / "duplicates.json").read_bytes())["pairs"]
        assert kept[0]["shift_s"] == pytest.approx(-17_000 / 16_000, abs=0.1)
        assert kept[0]["crosses_the_split"] is False

    def test_across_the_split_it_is_a_leak_and_said_loudly(self, settings: Settings, copied: Path) -> None:
        for number in range(3):
            (copied / f"song {number}.wav").unlink()
        prepared = _prepare(settings, copied)
        assert any(note.startswith("WARNING, a leak: 1 pairs of songs") for note in prepared.info.notes)
        alike, notes = dataset_duplicates(settings, load_dataset(prepared.folder))
        assert [(pair.first, pair.second) for pair in alike] == [("song-3-001", "the-same-later-001")]
        assert "a leak" in notes[0]

    def test_clips_of_any_dataset_are_compared_too(self, settings: Settings, copied: Path) -> None:
        dataset = load_dataset(_prepare(settings, copied).folder)
        alike, _ = dataset_duplicates(settings, dataset)
        again, _ = dataset_duplicates(settings, dataset)
        assert alike == again
        assert [(pair.first, pair.second) for pair in alike] == [("song-3-001", "the-same-later-001")]


class _LowAndHigh:
    """Calls everything below 500 Hz the vocals."""

    model_id, rate_hz, rest = "spleeter", 16_000, "accompaniment"

    def __init__(self) -> None:
        self.asked = 0

    def separate(self, samples: NDArray[np.float32], **how: Any) -> Mapping[str, NDArray[np.float32]]:
        self.asked += 1
        spectra = np.fft.rfft(samples)
        spectra[:, np.fft.rfftfreq(samples.shape[1], 1 / 16_000) > 500] = 0
        low = np.fft.irfft(spectra, samples.shape[1]).astype(np.float32)
        return {"vocals": low, "accompaniment": samples - low}


class TestParts:
    @pytest.fixture
    def separator(self, monkeypatch: pytest.MonkeyPatch) -> _LowAndHigh:
        """A separator by formula; the true one is tested in its room, and below with its weights."""
        separator = _LowAndHigh()
        monkeypatch.setattr(stems, "open_separator", lambda *how, **more: separator)
        return separator

    def _sounds(self, dataset: Dataset, stem: str | None = None) -> dict[str, NDArray[np.float32]]:
        return {clip: read_audio(path).samples for clip, path in clip_files(dataset, stem=stem).items()}

    def test_vocals_and_accompaniment_add_up_to_the_mix_and_each_song_is_taken_apart_once(
        self, settings: Settings, songs: Path, separator: _LowAndHigh
    ) -> None:
        made = {
            part: self._sounds(load_dataset(_prepare(settings, songs, part=part).folder))
            for part in ("mix", "vocals", "accompaniment")
        }
        assert separator.asked == 4
        for clip, mix in made["mix"].items():
            assert np.abs(made["vocals"][clip] + made["accompaniment"][clip] - mix).max() < 1e-4
            assert made["vocals"][clip].std() > 0.01
        info = list_datasets(settings.training_data)[0]
        assert (info.part, (info.separator or "").split()[0]) == ("accompaniment", "spleeter")
        assert "no clip was made louder" in info.loudness

    def test_the_level_of_a_part_is_its_own(
        self, settings: Settings, songs: Path, separator: _LowAndHigh
    ) -> None:
        clips = load_dataset(_prepare(settings, songs, part="vocals").folder).clips
        for clip in clips:
            sound = read_audio(settings.training_data / "mine" / clip.file_name)
            assert clip.energy == pytest.approx(np.sqrt(np.mean(sound.mono().samples ** 2)), rel=0.02)
            assert clip.instruments == ["vocals"]

    def test_stems_are_kept_sample_for_sample_beside_the_clips(
        self, settings: Settings, songs: Path, separator: _LowAndHigh
    ) -> None:
        dataset = load_dataset(_prepare(settings, songs, stems=True).folder)
        mix, vocals, rest = (self._sounds(dataset, stem) for stem in (None, "vocals", "accompaniment"))
        for clip, sound in mix.items():
            assert vocals[clip].shape == sound.shape
            assert np.abs(vocals[clip] + rest[clip] - sound).max() < 1e-4
        again = _prepare(settings, songs, stems=True)
        assert again.work == Work(0, 4, 0, 4)
        assert load_dataset(again.folder).clips == dataset.clips
        bare = _prepare(settings, songs)
        assert not (bare.folder / "stems").exists()
        assert bare.info.sha256 == dataset.info.sha256

    def test_a_song_without_the_part_is_skipped_with_its_reason(
        self, settings: Settings, songs: Path, separator: _LowAndHigh
    ) -> None:
        time_s = np.arange(14 * 16_000) / 16_000
        beep = 0.5 * np.sin(2 * np.pi * 3000 * time_s)[None].astype(np.float32)
        write_audio(songs / "beep.wav", Audio(beep, 16_000))
        prepared = _prepare(settings, songs, part="vocals")
        assert [Path(file.path).name for file in prepared.skipped] == ["beep.wav"]
        assert "nothing of its vocals" in prepared.skipped[0].error["message"]


class TestBrokenOff:
    SCRIPT = """
import sys
from pathlib import Path
from angen.settings import Settings
from angen.workflows.prepare import prepare_dataset
from angen.workflows.spread import Spread

def told(progress):
    print(progress.stage, progress.done, flush=True)

prepare_dataset(Settings(Path(sys.argv[1])), "mine", [sys.argv[2]], spread=Spread(workers=1), on_progress=told)
"""

    @pytest.mark.parametrize(
        ("stage", "at", "left"), [("analysing", 2, Work(2, 2, 4, 0)), ("cutting", 3, Work(0, 4, 1, 3))]
    )
    def test_a_killed_preparation_goes_on_where_it_was(
        self, settings: Settings, songs: Path, stage: str, at: int, left: Work
    ) -> None:
        words = [sys.executable, "-c", self.SCRIPT, str(settings.home), str(songs)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.split() == [stage, str(at)]:
                    process.send_signal(signal.SIGSTOP)  # it may be one step further, never two
                    process.kill()
                    break
        assert list_datasets(settings.training_data) == []
        whole = _prepare(settings, songs)
        done, expected = whole.work, left
        assert 0 <= (expected.heard - done.heard) + (expected.cut - done.cut) <= 1
        assert (done.heard + done.heard_before, done.cut + done.cut_before) == (4, 4)
        assert unfinished_preparations(settings.training_data) == []
        fresh = prepare_dataset(Settings(settings.home.parent / "fresh"), "mine", [songs], spread=HERE)
        assert fresh.info.sha256 == whole.info.sha256

    def test_what_a_broken_off_preparation_left_and_nobody_wants_is_removed(
        self, settings: Settings, songs: Path
    ) -> None:
        def stop(progress: Any) -> None:
            if progress.stage == "cutting" and progress.done == 4:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            prepare_dataset(settings, "mine", [songs], spread=HERE, on_progress=stop)
        for number in range(2):
            (songs / f"song {number}.wav").unlink()
        prepared = prepare_dataset(settings, "mine", [songs], spread=HERE)
        assert prepared.work == Work(0, 2, 0, 2)
        assert {path.name for path in (prepared.folder / "clips").iterdir()} == {
            "song-2-001.flac", "song-3-001.flac",
        }  # fmt: skip
        assert len(list((prepared.folder / "songs").iterdir())) == 2

    def test_a_recording_that_changes_between_hearing_and_cutting_is_noticed(
        self, settings: Settings, songs: Path
    ) -> None:
        def swap(progress: Any) -> None:
            if progress.stage == "comparing":
                write_audio(songs / "song 0.wav", tune(14.0, seed=77, rate_hz=16_000))

        with pytest.raises(DatasetError, match="changed while"):
            prepare_dataset(settings, "mine", [songs], spread=HERE, on_progress=swap)


def test_a_run_holds_its_dataset_and_lets_go(
    small: Any, make_dataset: Callable[..., Dataset], settings: Settings
) -> None:
    from angen.dataset import delete_dataset
    from angen.training import TrainConfig
    from angen.workflows.train import train_adapter

    make_dataset("mine", songs=3)
    refusals: list[str] = []

    def try_to_delete(event: dict[str, Any]) -> None:
        with pytest.raises(DatasetError) as told:
            delete_dataset(settings.training_data, "mine")
        refusals.append(told.value.message)

    config = TrainConfig(epochs=1, batch_size=2)
    train_adapter(settings, "calypso", "mine", config, small, on_event=try_to_delete)
    assert refusals
    assert all("training calypso" in message for message in refusals)
    delete_dataset(settings.training_data, "mine")

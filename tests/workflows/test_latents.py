from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from angen.analysis.key import PITCH_CLASSES
from angen.audio import read_audio
from angen.dataset import ClipRecord, Dataset, load_dataset
from angen.progress import Progress
from angen.settings import Settings
from angen.training import TrainingClip
from angen.workflows.latents import at_speed, levelled_clip, prompts_of, song_gain_db, training_clips
from angen.workflows.prepare import prepare_dataset

from ..conftest import composed

MakeDataset = Callable[..., Dataset]


def _record(**fields: Any) -> ClipRecord:
    known: dict[str, Any] = {
        "file_name": "clips/a-001.flac",
        "clip_id": "a-001",
        "song": "a",
        "split": "train",
        "start_s": 0.0,
        "end_s": 20.0,
        "duration_s": 20.0,
        "sha256": "0" * 64,
    }
    return ClipRecord(**{**known, **fields})


def _edit(dataset: Dataset, number: int, **fields: Any) -> Dataset:
    """The dataset after a line of its metadata was edited by hand."""
    path = dataset.folder / "metadata.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[number] |= fields
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return load_dataset(dataset.folder)


def _latents(clips: list[TrainingClip]) -> list[torch.Tensor]:
    return [version.latents for clip in clips for version in (clip.original, *clip.shifted)]


def _equal(one: list[TrainingClip], other: list[TrainingClip]) -> bool:
    pairs = zip(_latents(one), _latents(other), strict=True)
    return all(torch.equal(first, second) for first, second in pairs)


def _cached(dataset: Dataset) -> list[Path]:
    return sorted((dataset.folder / "latents").rglob("*.safetensors"))


class TestCache:
    def test_a_second_call_encodes_nothing(self, small: Any, make_dataset: MakeDataset) -> None:
        dataset = make_dataset()
        first = training_clips(small, dataset, "train", (-2, 3))
        assert len(small.encoded) == 2 * 3
        again = training_clips(small, dataset, "train", (-2, 3))
        assert len(small.encoded) == 2 * 3
        assert _equal(first, again)
        assert [clip.clip_id for clip in first] == ["song0-001", "song1-001"]
        assert [clip.song for clip in training_clips(small, dataset, "validation")] == ["song2"]
        assert len(small.encoded) == 2 * 3 + 1

    def test_what_is_cached_is_what_the_model_makes(self, small: Any, make_dataset: MakeDataset) -> None:
        clips = training_clips(small, make_dataset(), "train")
        for clip, audio in zip(clips, list(small.encoded), strict=True):
            assert torch.equal(clip.original.latents, small.encode(audio))

    def test_editing_a_caption_encodes_no_audio_and_changes_one_condition(
        self, small: Any, make_dataset: MakeDataset
    ) -> None:
        dataset = make_dataset(prefix="steel drums")
        before = training_clips(small, dataset, "train", (2,))
        small.encoded.clear()
        after = training_clips(small, _edit(dataset, 1, genre="zydeco"), "train", (2,))
        assert small.encoded == []
        assert _equal(before, after)
        texts = [[words.text for words in clip.original.conditions] for clip in after]
        assert texts == [
            ["steel drums, 120 bpm", "steel drums"],
            ["steel drums, zydeco, 120 bpm", "steel drums"],
        ]
        assert after[1].shifted[0].conditions[0].text.startswith("steel drums, zydeco, 135 bpm")
        first, second = before[1].original.conditions[0], after[1].original.conditions[0]
        assert not torch.equal(first.style, second.style)

    def test_a_tempo_corrected_by_hand_moves_the_condition_and_a_grid_the_beats(
        self, small: Any, make_dataset: MakeDataset
    ) -> None:
        dataset = make_dataset()
        before = training_clips(small, dataset, "train")
        edited = _edit(dataset, 0, tempo_bpm=60.0, beats_s=[0.0, 1.0, 2.0])
        after = training_clips(small, edited, "train")
        assert len(small.encoded) == 2
        assert after[0].original.conditions[0].tempo_bpm == 60.0
        assert not torch.equal(before[0].original.beats, after[0].original.beats)
        assert torch.equal(before[1].original.beats, after[1].original.beats)

    def test_another_codec_encodes_anew(self, small: Any, make_dataset: MakeDataset) -> None:
        dataset = make_dataset()
        training_clips(small, dataset, "train")
        small.facts = dataclasses.replace(small.facts, codec_hash="f" * 64)
        training_clips(small, dataset, "train")
        assert len(small.encoded) == 4
        small.facts = dataclasses.replace(small.facts, base_hash="f" * 64)  # the codec is what matters
        training_clips(small, dataset, "train")
        assert len(small.encoded) == 4

    @pytest.mark.parametrize("damage", ["cut", "empty", "other tensors"])
    def test_a_damaged_file_is_made_anew(self, small: Any, make_dataset: MakeDataset, damage: str) -> None:
        dataset = make_dataset()
        before = training_clips(small, dataset, "train")
        file = _cached(dataset)[0]
        whole = file.read_bytes()
        if damage == "other tensors":
            from safetensors.torch import save_file

            save_file({"something": torch.zeros(3)}, file)
        else:
            file.write_bytes(whole[:100] if damage == "cut" else b"")
        after = training_clips(small, dataset, "train")
        assert len(small.encoded) == 3
        assert _equal(before, after)
        assert file.read_bytes() == whole

    def test_an_interrupted_encoding_leaves_no_file(
        self, small: Any, make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dataset = make_dataset()

        def half(_: Any, path: str) -> None:
            Path(path).write_bytes(b"half")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("angen.workflows.latents.save_file", half)
        with pytest.raises(OSError, match="No space"):
            training_clips(small, dataset, "train")
        assert [path for path in (dataset.folder / "latents").rglob("*") if path.is_file()] == []

    def test_a_dataset_with_a_cache_is_still_whole(self, small: Any, make_dataset: MakeDataset) -> None:
        dataset = make_dataset()
        training_clips(small, dataset, "train")
        again = load_dataset(dataset.folder)
        assert (again.info.sha256, again.is_edited) == (dataset.info.sha256, False)

    def test_every_clip_is_told(self, small: Any, make_dataset: MakeDataset) -> None:
        told: list[Progress] = []
        training_clips(small, make_dataset(), "train", on_progress=told.append)
        assert [(step.stage, step.done, step.total) for step in told] == [
            ("encoding", 0, 2),
            ("encoding", 1, 2),
            ("encoding", 2, 2),
        ]


class TestLevel:
    @pytest.mark.parametrize(
        ("energy", "level", "gain_db"),
        [
            (0.12, 0.12, 0.0),
            (0.06, 0.12, 6.0),
            (0.24, 0.12, -6.0),
            (0.012, 0.12, 20.0),
            (1e-6, 0.12, 24.0),
            (1e6, 0.12, -24.0),
            (None, 0.12, 0.0),
            (0.0, 0.12, 0.0),
            (0.06, None, 0.0),
        ],
    )
    def test_a_song_is_brought_to_the_level_of_the_model(
        self, energy: float | None, level: float | None, gain_db: float
    ) -> None:
        assert song_gain_db(_record(energy=energy), level) == gain_db

    @given(energy=st.floats(0.04, 0.8), level=st.floats(0.06, 0.5))
    def test_what_has_the_gain_has_the_level(self, energy: float, level: float) -> None:
        reached = energy * 10 ** (song_gain_db(_record(energy=energy), level) / 20)
        assert reached == pytest.approx(level, rel=0.006)  # a tenth of a dB

    def test_a_clip_is_its_song_louder_and_in_mono(self, small: Any, make_dataset: MakeDataset) -> None:
        dataset = make_dataset(energy=0.06)
        record = dataset.clips[0]
        plain = read_audio(dataset.audio_path(record)).mono().samples
        levelled = levelled_clip(dataset, record, small.facts)
        assert small.facts.level == 0.12
        np.testing.assert_allclose(levelled.samples, plain * 10**0.3, rtol=1e-5)
        untouched = levelled_clip(dataset, record, dataclasses.replace(small.facts, level=None))
        assert np.array_equal(untouched.samples, plain)

    def test_that_is_what_is_encoded_at_every_speed(self, small: Any, make_dataset: MakeDataset) -> None:
        dataset = make_dataset(energy=0.06)
        training_clips(small, dataset, "train", (3,))
        first, faster = small.encoded[:2]
        expected = levelled_clip(dataset, dataset.clips[0], small.facts).samples
        assert np.array_equal(first.samples, expected)
        assert np.array_equal(faster.samples, expected)
        assert faster.rate_hz == round(first.rate_hz * 2**0.25)

    def test_another_level_encodes_anew_and_the_former_is_kept(
        self, small: Any, make_dataset: MakeDataset
    ) -> None:
        dataset = make_dataset(energy=0.06)
        before = training_clips(small, dataset, "train")
        edited = _edit(dataset, 0, energy=0.03)
        training_clips(small, edited, "train")
        assert len(small.encoded) == 3  # one clip of two has another gain
        assert len(_cached(dataset)) == 3
        again = training_clips(small, _edit(edited, 0, energy=0.06), "train")
        assert len(small.encoded) == 3
        assert _equal(before, again)

    @pytest.mark.parametrize("width", ["mono", "wide", "inverted"])
    def test_a_recording_has_the_level_however_wide_it_is(
        self, small: Any, tmp_path: Path, width: str
    ) -> None:
        for number in range(2):
            left, right = (
                composed(24.0, seed=2 * number + side, bpm=100.0 + 20 * side)[:, 0] for side in (0, 1)
            )
            channels = {"mono": [left], "wide": [left, right], "inverted": [left, -left]}[width]
            soundfile.write(tmp_path / f"song {number}.wav", np.stack(channels, axis=1), 22_050)
        settings = Settings(tmp_path / "workspace")
        made = prepare_dataset(settings, "made", [tmp_path / f"song {number}.wav" for number in range(2)])
        dataset = load_dataset(made.folder)
        for song in {clip.song for clip in dataset.clips}:
            clips = [levelled_clip(dataset, clip, small.facts) for clip in dataset.clips if clip.song == song]
            sound = np.concatenate([clip.samples[0] for clip in clips])
            assert 20 * np.log10(np.sqrt(np.mean(sound**2)) / small.facts.level) == pytest.approx(0, abs=0.5)


class TestSpeed:
    @pytest.mark.parametrize("shift", [-12, -2, 3, 12])
    def test_a_faster_copy_is_shorter_and_higher(
        self, small: Any, make_dataset: MakeDataset, shift: int
    ) -> None:
        factor = 2 ** (shift / 12)
        clip = training_clips(small, make_dataset(), "train", (shift,))[0]
        assert len(clip.shifted[0].latents) == pytest.approx(clip.frames / factor, abs=1)
        heard = small.encoded[1].resampled(24_000).samples[0]
        peak_hz = np.argmax(np.abs(np.fft.rfft(heard))) * 24_000 / len(heard)
        assert peak_hz == pytest.approx(440 * factor, rel=2e-3)
        assert len(heard) == pytest.approx(4 * 24_000 / factor, rel=1e-3)

    def test_its_words_and_beats_are_of_its_speed(self, small: Any, make_dataset: MakeDataset) -> None:
        dataset = make_dataset(key="A minor", tempo_bpm=100.0, downbeats_s=[0.0, 2.0])
        clip = training_clips(small, dataset, "train", (12, 3))[0]
        assert clip.original.conditions[0].text == "100 bpm, A minor"
        octave, third = clip.shifted
        assert octave.conditions[0].text == "200 bpm, A minor"
        assert octave.conditions[0].tempo_bpm == 200.0
        assert third.conditions[0].text == "119 bpm, C minor"
        expected = small.beats([0.25 * n for n in range(8)], [0.0, 1.0], len(octave.latents))
        assert torch.equal(octave.beats, expected)

    @given(
        shift=st.integers(-12, 12),
        tempo=st.floats(40, 250),
        key=st.sampled_from([f"{note} {mode}" for note in PITCH_CLASSES for mode in ("major", "minor")]),
        beats=st.lists(st.floats(0, 30), max_size=5),
    )
    def test_tempo_beats_and_key_change_together(
        self, shift: int, tempo: float, key: str, beats: list[float]
    ) -> None:
        record = _record(tempo_bpm=tempo, key=key, beats_s=beats, downbeats_s=beats[:2], genre="calypso")
        fast = at_speed(record, shift)
        factor = 2 ** (shift / 12)
        assert fast.tempo_bpm == pytest.approx(tempo * factor)
        assert fast.beats_s == pytest.approx([time / factor for time in beats])
        assert fast.downbeats_s == fast.beats_s[:2]
        number, mode = PITCH_CLASSES.index(key.split()[0]), key.split()[1]
        assert fast.key == f"{PITCH_CLASSES[(number + shift) % 12]} {mode}"
        changed = {"tempo_bpm", "key", "beats_s", "downbeats_s"}
        assert fast.model_dump(exclude=changed) == record.model_dump(exclude=changed)
        back = at_speed(fast, -shift)
        assert back.tempo_bpm == pytest.approx(tempo)
        assert back.key == key

    def test_what_is_not_known_stays_unknown(self) -> None:
        fast = at_speed(_record(), 2)
        assert (fast.tempo_bpm, fast.key, fast.beats_s) == (None, None, [])
        assert at_speed(_record(key="F major"), 0) == _record(key="F major")

    @pytest.mark.parametrize(
        ("written", "expected"),
        [
            ("Bb minor", "C minor"),
            ("Cb major", "C# major"),
            ("g major", "A major"),
            ("D dorian", "E dorian"),
            ("Bb", None),
            ("H-Moll", None),
            ("", None),
            ("in between", None),
        ],
    )
    def test_a_key_written_by_hand_is_understood_or_left_out_of_the_copies(
        self, written: str, expected: str | None
    ) -> None:
        record = _record(key=written)
        assert at_speed(record, 2).key == expected
        assert at_speed(record, 0).key == written


TOLD: dict[str, tuple[Any, str]] = {
    "tempo_bpm": (173.0, "173 bpm"),
    "key": ("F# minor", "F# minor"),
    "genre": ("zydeco", "zydeco"),
    "mood": ("wistful", "wistful"),
    "instruments": (["hurdy-gurdy", "theremin"], "hurdy-gurdy and theremin"),
    "description": ("Recorded in a lighthouse.", "Recorded in a lighthouse"),
}
AS_GRID = {"beats_s", "downbeats_s"}
NOT_TOLD = {
    "file_name", "clip_id", "song", "split", "start_s", "end_s", "duration_s", "sha256", "energy",
    "loudness_lufs", "lyrics", "sources", "confidence", "singer", "language", "metre", "licence", "credit", "stems",
}  # fmt: skip


class TestConditions:
    def test_every_field_of_a_record_is_accounted_for(self) -> None:
        assert ClipRecord.model_fields.keys() == TOLD.keys() | AS_GRID | NOT_TOLD

    @pytest.mark.parametrize("field", TOLD)
    def test_a_rare_value_is_in_the_exact_text_and_in_the_tensors(
        self, small: Any, make_dataset: MakeDataset, field: str
    ) -> None:
        value, words = TOLD[field]
        plain = training_clips(small, make_dataset(tempo_bpm=None), "train")[0].original.conditions[0]
        dataset = make_dataset("rare", **{"tempo_bpm": None, field: value})
        told = training_clips(small, dataset, "train")[0].original.conditions[0]
        assert words in told.text
        assert words not in plain.text
        assert not torch.equal(told.style, plain.style)
        if field == "tempo_bpm":
            assert told.tempo_bpm == value

    def test_all_of_them_together_make_one_text(self, small: Any, make_dataset: MakeDataset) -> None:
        everything = {field: value for field, (value, _) in TOLD.items()}
        dataset = make_dataset(prefix="from my attic", **everything)
        conditions = training_clips(small, dataset, "train")[0].original.conditions
        assert [words.text for words in conditions] == [
            "from my attic, wistful zydeco with hurdy-gurdy and theremin, Recorded in a lighthouse, 173 bpm, "
            "F# minor",
            "from my attic",
        ]
        assert [words.tempo_bpm for words in conditions] == [173.0, 173.0]

    @pytest.mark.parametrize("field", sorted(AS_GRID))
    def test_the_grid_reaches_the_network_as_features(
        self, small: Any, make_dataset: MakeDataset, field: str
    ) -> None:
        plain = training_clips(small, make_dataset(), "train")[0].original.beats
        dataset = make_dataset("rare", **{field: [0.1, 0.83, 1.7]})
        assert not torch.equal(training_clips(small, dataset, "train")[0].original.beats, plain)

    def test_prompts_are_all_that_is_known_and_the_users_own_words(self, make_dataset: MakeDataset) -> None:
        named, bare = make_dataset("named", prefix="my words"), make_dataset("bare")
        only = make_dataset("only", prefix="my words", tempo_bpm=None)
        assert prompts_of(named, named.clips[0]) == ["my words, 120 bpm", "my words"]
        assert prompts_of(bare, bare.clips[0]) == ["120 bpm"]
        assert prompts_of(only, only.clips[0]) == ["my words"]

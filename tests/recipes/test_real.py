"""Real recordings, made by formula here: a few seconds laid out as the packages lay them out."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from recipes.angen_tiny import real
from recipes.angen_tiny.corpus import CAPTIONS, CLIP_S, CLIP_SAMPLES, load_corpus
from recipes.angen_tiny.real import (
    ALBUMS,
    LEVEL,
    Album,
    Work,
    captions,
    read_song,
    song_clips,
    works,
    write,
    write_songs,
)

from angen.audio import read_audio

FREE = {"CC-BY-3.0", "CC-BY-SA-3.0", "CC-BY-SA-3.0 and CC-BY-SA-4.0", "MIT"}
RATE_HZ = 22_050


def _tune(seconds: float, hz: float = 440.0, level: float = 0.2) -> np.ndarray:
    """A tone that comes anew at 120 BPM, every fourth time with a low knock."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    sound = np.sin(2 * np.pi * hz * time_s) * np.exp(-6 * (time_s % 0.5))
    knock = np.sin(2 * np.pi * 70 * time_s) * np.exp(-15 * (time_s % 2.0))
    return level * (0.6 * sound + 0.4 * knock)


def _put(path: Path, samples: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, RATE_HZ, format="OGG", subtype="VORBIS")
    return path


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two packages: one of plain songs of two artists, one of songs in layers."""
    albums = (
        Album(
            "ours",
            "game-data",
            "usr/**/music/*.ogg",
            "Ada",
            "CC-BY-3.0",
            "train",
            ("game music",),
            ("one", "short"),
        ),
        Album("theirs", "game-data", "usr/**/music/*.ogg", "Bo", "MIT", "target", ("other music",), ("two",)),
        Album("layered", "songs", "**/songs/*", "Cy", "CC-BY-SA-3.0", "validation", ("rock",), layers=True),
    )
    monkeypatch.setattr(real, "ALBUMS", albums)
    music = tmp_path / "sources" / "game-data" / "usr" / "share" / "music"
    _put(music / "one.ogg", _tune(36.0))
    _put(music / "two.ogg", _tune(34.0, 330.0))
    _put(music / "short.ogg", _tune(20.0))
    _put(music / "sting.ogg", _tune(2.0))
    (music / "copyright").write_text("CC BY 3.0")
    song = tmp_path / "sources" / "songs" / "usr" / "songs" / "anthem"
    _put(song / "guitar.ogg", _tune(33.0, 220.0))
    _put(song / "drums.ogg", _tune(32.0, 1760.0, 0.1))
    (song / "notes.mid").write_text("not music")
    return tmp_path / "sources"


def _labels(folder: Path) -> list[dict[str, Any]]:
    return list(load_corpus(folder).labels)


class TestAlbums:
    def test_every_licence_allows_adaptation_and_every_album_says_who_made_it(self) -> None:
        assert {album.licence for album in ALBUMS} <= FREE
        assert all(album.artist and album.package and album.tags for album in ALBUMS)
        assert len({album.id for album in ALBUMS}) == len(ALBUMS)

    def test_whole_albums_are_held_back(self) -> None:
        roles = [album.role for album in ALBUMS]
        assert (roles.count("validation"), roles.count("target")) == (1, 3)
        assert set(roles) == {"train", "validation", "target"}

    def test_no_song_has_two_roles(self) -> None:
        for album in ALBUMS:
            for other in ALBUMS:
                if album is not other and (album.package, album.pattern) == (other.package, other.pattern):
                    assert album.names
                    assert not set(album.names) & set(other.names)


class TestWorks:
    def test_they_are_the_named_files_of_the_role(self, sources: Path) -> None:
        assert [(work.album.id, work.title) for work in works(sources, "train")] == [
            ("ours", "one"),
            ("ours", "short"),
        ]
        assert [work.title for work in works(sources, "target")] == ["two"]

    def test_a_song_in_layers_is_its_folder(self, sources: Path) -> None:
        (work,) = works(sources, "validation")
        assert work.title == "anthem"
        assert [path.name for path in work.files] == ["drums.ogg", "guitar.ogg"]

    def test_a_package_that_was_not_fetched_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="fetch the packages first"):
            list(works(tmp_path, "train"))


class TestReading:
    @pytest.mark.parametrize("level", [0.01, 0.2, 0.9])
    def test_a_song_has_the_common_level_whatever_its_own(self, tmp_path: Path, level: float) -> None:
        song = read_song(Work(ALBUMS[0], "a", (_put(tmp_path / "a.ogg", _tune(4.0, level=level)),)))
        assert (song.channels, song.rate_hz) == (1, 24_000)
        assert float(np.sqrt(np.mean(song.samples**2))) == pytest.approx(LEVEL, rel=0.01)
        assert float(np.abs(song.samples).max()) <= 1

    def test_layers_are_summed_and_the_shorter_goes_silent(self, sources: Path) -> None:
        (work,) = works(sources, "validation")
        song = read_song(work)
        assert song.duration_s == pytest.approx(33.0, abs=0.01)
        layers = [read_audio(path).resampled(24_000).samples[0] for path in work.files]
        expected = np.pad(layers[0], (0, len(layers[1]) - len(layers[0]))) + layers[1]
        expected *= LEVEL / np.sqrt(np.mean(expected**2))
        np.testing.assert_allclose(song.samples[0], np.clip(expected, -1, 1), atol=1e-3)


class TestCaptions:
    def test_they_are_of_the_album_or_only_say_that_it_is_a_recording(self) -> None:
        work = Work(ALBUMS[0], "a", ())
        texts = captions(work, np.random.default_rng(0), 400)
        assert len(texts) == 400
        plain = {"real recording of music", "a real recording", "recorded music"}
        tags = set(work.album.tags)
        assert set(texts) == plain | tags | {f"real recording, {tag}" for tag in tags}
        assert sum(text in plain for text in texts) / 400 == pytest.approx(0.4, abs=0.08)


class TestClips:
    def test_each_is_a_whole_stretch_of_the_song_at_its_speed(self, sources: Path) -> None:
        work = next(works(sources, "train"))
        song = read_song(work)
        made = list(song_clips(work, np.random.default_rng(0), (0.0, -12.0)))
        plain, slow = made[:2], made[2:]
        assert [len(plain), len(slow)] == [2, 4]  # 36 s, and 72 s an octave lower
        for number, (clip, _) in enumerate(plain):
            stretch = song.samples[0][number * CLIP_SAMPLES : (number + 1) * CLIP_SAMPLES]
            np.testing.assert_allclose(clip / 32_767, stretch, atol=1e-4)
        for clip, labels in made:
            assert (clip.shape, clip.dtype) == ((CLIP_SAMPLES,), np.int16)
            spectrum = np.abs(np.fft.rfft(clip.astype(np.float64)))
            spectrum[: round(150 * CLIP_S)] = 0
            assert spectrum.argmax() / CLIP_S == pytest.approx(440 * 2 ** (labels["shift"] / 12), rel=0.01)

    def test_tempo_and_beats_are_those_heard_at_its_speed(self, sources: Path) -> None:
        work = next(works(sources, "train"))
        made = [labels for _, labels in song_clips(work, np.random.default_rng(0), (0.0, 2.0))]
        by_shift = {shift: [x for x in made if x["shift"] == shift] for shift in (0.0, 2.0)}
        factor = 2 ** (2 / 12)
        tempo = by_shift[0.0][0]["tempo_bpm"]
        assert tempo in (
            pytest.approx(120, rel=0.02),
            pytest.approx(60, rel=0.02),
            pytest.approx(240, rel=0.02),
        )
        assert by_shift[2.0][0]["tempo_bpm"] == pytest.approx(tempo * factor)
        for labels in made:
            beats = np.array(labels["beats_s"])
            assert set(labels["downbeats_s"]) <= set(labels["beats_s"])
            assert beats.min() >= 0
            assert beats.max() < CLIP_S
            assert np.diff(beats).mean() == pytest.approx(60 / labels["tempo_bpm"], rel=0.03)
        first = np.array(by_shift[0.0][0]["beats_s"])
        faster = np.array(by_shift[2.0][0]["beats_s"])
        np.testing.assert_allclose(faster[: len(first) - 1], first[: len(first) - 1] / factor, atol=1e-9)

    def test_silence_is_left_out(self, tmp_path: Path) -> None:
        samples = np.concatenate([_tune(CLIP_S), np.zeros(round(RATE_HZ * CLIP_S)), _tune(15.5)])
        work = Work(ALBUMS[0], "a", (_put(tmp_path / "a.ogg", samples),))
        made = list(song_clips(work, np.random.default_rng(0), (0.0,)))
        assert len(made) == 2
        assert all(np.abs(clip).max() > 1000 for clip, _ in made)


class TestWriting:
    def test_a_role_becomes_a_corpus_with_its_makers_named(
        self, sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(real, "SHARD_CLIPS", 4)
        monkeypatch.setattr("recipes.angen_tiny.corpus.SHARD_CLIPS", 4)
        write(sources, "train", tmp_path / "out")
        corpus = load_corpus(tmp_path / "out")
        assert [len(shard) for shard in corpus.shards] == [4, 2]  # two clips at each of three speeds
        assert [labels["shift"] for labels in corpus.labels] == [0.0, 0.0, -2.0, -2.0, 2.0, 2.0]
        for number, labels in enumerate(corpus.labels):
            assert (labels["style"], labels["title"], labels["key"]) == ("real/ours", "one", "")
            assert (labels["sections"], labels["ends_s"]) == ([], None)
            assert len(labels["captions"]) == CAPTIONS
            assert float(np.sqrt(np.mean(corpus.audio(number) ** 2))) == pytest.approx(LEVEL, rel=0.1)
        assert json.loads((tmp_path / "out" / "attribution.json").read_text()) == [
            {"title": "one", "artist": "Ada", "licence": "CC-BY-3.0", "package": "game-data", "role": "train"}
        ]  # the short one is in no clip, and not named

    def test_what_is_held_back_has_no_copies_at_other_speeds(self, sources: Path, tmp_path: Path) -> None:
        write(sources, "validation", tmp_path / "out")
        assert {labels["shift"] for labels in _labels(tmp_path / "out")} == {0.0}
        credit = json.loads((tmp_path / "out" / "attribution.json").read_text())[0]
        assert (credit["title"], credit["artist"], credit["role"]) == ("anthem", "Cy", "validation")

    def test_songs_are_written_as_a_musician_has_them(self, sources: Path, tmp_path: Path) -> None:
        write_songs(sources, "target", tmp_path / "albums")
        files = [path for path in (tmp_path / "albums").rglob("*") if path.is_file()]
        assert [str(path.relative_to(tmp_path / "albums")) for path in files] == ["theirs/two.flac"]
        (work,) = works(sources, "target")
        np.testing.assert_allclose(read_audio(files[0]).samples, read_song(work).samples, atol=1e-4)

    def test_one_too_short_is_not_written(self, sources: Path, tmp_path: Path) -> None:
        write_songs(sources, "train", tmp_path / "albums")
        assert [path.name for path in (tmp_path / "albums" / "ours").iterdir()] == ["one.flac"]

import numpy as np
import pytest
import soundfile

from angen.audio import Audio, read_audio
from angen.errors import ExportError
from angen.export import AlbumTrack, Tags, draw_cover, export_album, export_stems, parse_formats, read_tags
from angen.progress import Progress

from .conftest import noise

TITLES = ("Первая", "二曲目", "../third: one?")


def names_in(folder):
    return sorted(entry.name for entry in folder.iterdir())


def tracks():
    return [
        AlbumTrack(lambda seed=seed: noise(1 + seed / 2, seed=seed), Tags(title=title, artist="A", album="B"))
        for seed, title in enumerate(TITLES)
    ]


def test_an_album_is_numbered_tagged_levelled_and_listed(tmp_path):
    told: list[Progress] = []
    cover = draw_cover("B", size=32)
    made = export_album(
        tmp_path / "B", tracks(), parse_formats("flac,mp3"), cover=cover, on_progress=told.append
    )
    assert sorted(entry.name for entry in (tmp_path / "B").iterdir()) == sorted(
        [
            f"{stem}{suffix}"
            for stem in ("01-Первая", "02-二曲目", "03-third-one")
            for suffix in (".flac", ".mp3")
        ]
        + ["B.flac.m3u8", "B.mp3.m3u8", "cover.png"]
    )
    for number, files in enumerate(made, 1):
        for file in files:
            tags = read_tags(file.path).tags
            assert (tags.track, tags.tracks, tags.title) == (number, 3, TITLES[number - 1])
            assert tags.cover == cover
    gains = [read_tags(files[0].path).tags.replay_gain for files in made]
    assert len({(gain.album_gain_db, gain.album_peak) for gain in gains}) == 1
    assert gains[0].album_gain_db is not None
    playlist = (tmp_path / "B" / "B.flac.m3u8").read_text("utf-8").splitlines()
    assert playlist[0] == "#EXTM3U"
    assert playlist[1:3] == ["#EXTINF:1,A - Первая", "01-Первая.flac"]
    assert [line for line in playlist if line[0] != "#"] == [files[0].path.name for files in made]
    assert told[-1].fraction == 1
    assert np.array_equal(
        read_audio(made[1][0].path).samples, np.rint(tracks()[1].load().samples * 2**23) / np.float32(2**23)
    )


def test_an_album_that_fails_leaves_nothing(tmp_path):
    def fail():
        raise ExportError("gone")

    with pytest.raises(ExportError, match="gone"):
        export_album(tmp_path / "B", [*tracks(), AlbumTrack(fail, Tags(title="x"))], parse_formats("flac"))
    calls = iter([noise(), noise(), noise()])
    once = AlbumTrack(lambda: next(calls), Tags(title="x"))
    with pytest.raises(StopIteration):  # the second track breaks while it is written
        export_album(tmp_path / "B", [once, once], parse_formats("flac"))
    assert names_in(tmp_path) == []
    with pytest.raises(ExportError, match="needs tracks"):
        export_album(tmp_path / "B", [], parse_formats("flac"))


def test_the_folder_of_another_is_not_touched(tmp_path):
    (tmp_path / "B").mkdir()
    (tmp_path / "B" / "notes.txt").write_text("mine")
    with pytest.raises(ExportError, match="exists already"):
        export_album(tmp_path / "B", tracks(), parse_formats("flac"))
    assert names_in(tmp_path / "B") == ["notes.txt"]
    export_album(tmp_path / "B", tracks(), parse_formats("flac"), overwrite=True)
    assert (tmp_path / "B" / "notes.txt").read_text() == "mine"
    assert len(names_in(tmp_path / "B")) == 5


STEMS = {
    "drums": noise(1.0, seed=1),
    "бас": noise(0.7, 1, 22050, seed=2),
    "silence": Audio(np.zeros((2, 99), np.float32), 44100),
}


def test_stems_are_equally_long_at_one_rate_and_add_up(tmp_path):
    made = export_stems(tmp_path / "stems", STEMS, parse_formats("wav32f")[0], Tags(title="Song"))
    assert [file.path.name for file in made] == ["01-drums.wav", "02-бас.wav", "03-silence.wav"]
    parts = [soundfile.read(file.path, dtype="float32", always_2d=True) for file in made]
    assert {(len(samples), rate_hz) for samples, rate_hz in parts} == {(44100, 44100)}
    assert np.array_equal(parts[0][0].T, STEMS["drums"].samples)
    assert not parts[1][0][round(0.71 * 44100) :].any()
    assert [read_tags(file.path).tags.title for file in made] == [
        "Song – drums",
        "Song – бас",
        "Song – silence",
    ]


def test_a_zip_of_stems_holds_the_same_files_each_time(tmp_path):
    import zipfile

    folder = export_stems(
        tmp_path / "stems", STEMS, parse_formats("flac16")[0], Tags(title="Song"), dither_seed=4
    )
    for name in ("a.zip", "b.zip"):
        made = export_stems(
            tmp_path / name, STEMS, parse_formats("flac16")[0], Tags(title="Song"), dither_seed=4
        )
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [file.path.name for file in folder] == [file.path.name for file in made]
        for file in folder:
            assert archive.read(file.path.name) == file.path.read_bytes()
    assert names_in(tmp_path) == ["a.zip", "b.zip", "stems"]


def test_stems_that_would_not_line_up_are_refused(tmp_path):
    with pytest.raises(ExportError, match="would not line up"):
        export_stems(tmp_path / "s.zip", STEMS, parse_formats("mp3")[0], Tags())
    with pytest.raises(ExportError, match="no stems"):
        export_stems(tmp_path / "s.zip", {}, parse_formats("flac")[0], Tags())
    (tmp_path / "s.zip").write_text("old")
    with pytest.raises(ExportError, match="exists already"):
        export_stems(tmp_path / "s.zip", STEMS, parse_formats("flac")[0], Tags())
    broken = STEMS | {"bad": Audio(np.full((1, 9), np.nan, np.float32), 44100)}
    with pytest.raises(ExportError, match="not numbers"):
        export_stems(tmp_path / "s.zip", broken, parse_formats("flac")[0], Tags(), overwrite=True)
    assert (tmp_path / "s.zip").read_text() == "old"
    assert names_in(tmp_path) == ["s.zip"]

from pathlib import Path

from angen.audio import find_audio


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_folders_are_searched_through_and_sorted(tmp_path):
    touch(tmp_path / "b.WAV", tmp_path / "a" / "z.flac", tmp_path / "a" / "y.mp3", tmp_path / "notes.txt")
    touch(tmp_path / ".hidden.wav", tmp_path / ".cache" / "x.wav", tmp_path / "cover.png")
    found = find_audio([tmp_path])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["a/y.mp3", "a/z.flac", "b.WAV"]


def test_files_are_kept_as_given_even_when_they_are_missing(tmp_path):
    odd, missing = tmp_path / "take one.data", tmp_path / "missing.wav"
    touch(odd)
    assert find_audio([missing, odd]) == [missing, odd]


def test_a_file_met_again_is_left_out(tmp_path, monkeypatch):
    song = tmp_path / "songs" / "a.wav"
    touch(song)
    monkeypatch.chdir(tmp_path)
    assert find_audio([song, Path("songs/a.wav"), Path("songs/../songs/a.wav"), tmp_path]) == [song]


def test_a_ring_of_links_ends(tmp_path):
    touch(tmp_path / "a.wav")
    (tmp_path / "ring").symlink_to(tmp_path, target_is_directory=True)
    assert find_audio([tmp_path]) == [tmp_path / "a.wav"]


def test_sound_that_must_be_converted_is_found_rather_than_lost(tmp_path):
    touch(tmp_path / "phone.m4a")
    assert find_audio([tmp_path]) == [tmp_path / "phone.m4a"]

from pathlib import Path

import pytest
import soundfile
from recipes.angen_tiny.examples import SONGS, compose_song, write_songs
from recipes.angen_tiny.instruments import HELD_OUT_PROGRAMS
from recipes.angen_tiny.piece import DRUMS
from recipes.angen_tiny.theory import PITCH_NAMES

FOLDER = Path(__file__).parents[2] / "examples" / "calypso"


@pytest.mark.parametrize("number", range(1, len(SONGS) + 1))
def test_a_song_is_whole(number: int) -> None:
    song = SONGS[number - 1]
    piece, duration_s = compose_song(song, number)
    names = [span.name for span in piece.labels.sections]
    assert 40 <= duration_s <= 50
    assert names[0] == "intro"
    assert names[-1] == "ending"
    assert piece.labels.tempo_bpm == song.tempo_bpm
    assert piece.labels.beats_s[0] == 0.0
    assert set(piece.programs.values()) >= HELD_OUT_PROGRAMS


@pytest.mark.parametrize("number", range(1, len(SONGS) + 1))
def test_a_song_ends_on_its_tonic_together(number: int) -> None:
    piece, _ = compose_song(SONGS[number - 1], number)
    ending_s = piece.labels.sections[-1].start_s
    last = [note for note in piece.notes if note.start_s > ending_s - 0.05]
    tonic = PITCH_NAMES.index(SONGS[number - 1].tonic)
    classes = {(note.pitch - tonic) % 12 for note in last if note.channel != DRUMS}
    assert classes == {0, 4, 7}
    assert max(note.start_s for note in last) < ending_s + 0.1


def test_the_songs_differ() -> None:
    assert len({song.title for song in SONGS}) == len(SONGS) == 12
    assert len({song.tonic for song in SONGS}) >= 8
    assert min(song.tempo_bpm for song in SONGS) == 96
    assert max(song.tempo_bpm for song in SONGS) == 128


def test_the_shipped_recordings_are_there_and_small() -> None:
    files = sorted(FOLDER.glob("*.ogg"))
    assert [file.stem for file in files] == [
        f"{number:02d} {song.title}" for number, song in enumerate(SONGS, 1)
    ]
    assert sum(file.stat().st_size for file in files) < 5_000_000
    for file in files:
        info = soundfile.info(file)
        assert (info.samplerate, info.channels) == (44_100, 2)
        assert 40 <= info.duration <= 50


@pytest.mark.soundfonts
def test_songs_are_written_as_ogg(tmp_path: Path) -> None:
    (path,) = write_songs(tmp_path, SONGS[:1])
    audio, rate_hz = soundfile.read(path)
    assert rate_hz == 44_100
    assert audio.shape[1] == 2
    assert 0.3 < abs(audio).max() < 1.0

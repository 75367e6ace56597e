"""Exports from a recording and what lies beside it, to files another program could use to make it again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from angen.adapters import AdapterInfo, write_info
from angen.audio import read_audio
from angen.errors import ExportError
from angen.export import Tags, export_audio, parse_formats, read_sidecar, read_tags, samples_sha256
from angen.progress import Progress
from angen.settings import Settings
from angen.workflows.export import (
    UNMARKED,
    ExportedPiece,
    ExportOptions,
    export_album_folder,
    export_piece,
    export_pieces,
    export_stem_files,
)
from angen.workflows.origin import find_origin, origin_of

GENERATED = {
    "model": "angen-tiny",
    "base_hash": "7aa9",
    "request": {
        "prompt": "calypso in F minor, 110 bpm",
        "seconds": 2.0,
        "seed": 3,
        "tempo_bpm": 110.5,
        "steps": 16,
    },
    "adapters": [{"name": "demo", "strength": 0.8}, {"name": "gone", "strength": 0.3}],
    "created": "2026-11-22T18:36:34+00:00",
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(tmp_path / "workspace")
    folder = settings.loras / "demo"
    (folder / "best").mkdir(parents=True)
    (folder / "best" / "adapter_model.safetensors").write_bytes(b"weights")
    write_info(
        folder,
        AdapterInfo(
            name="demo", state="finished", created="2026", base="angen-tiny", base_hash="7aa9", dataset="d",
            dataset_hash="0", style="calypso", licence="CC-BY-NC-SA-4.0", config={}, versions={}, steps=1,
            best_step=1, validation_loss_base=1, validation_loss_best=1, validation_loss_final=1, seconds=1,
        ),
    )  # fmt: skip
    return settings


@pytest.fixture
def piece(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "my_song.wav"
    path.parent.mkdir()
    sound = np.random.default_rng(0).uniform(-0.3, 0.3, (44100, 2))
    soundfile.write(path, sound, 44100, "PCM_24")
    return path


def options(formats: str = "wav24,flac,mp3,ogg,opus", **how: Any) -> ExportOptions:
    return ExportOptions(parse_formats(formats), **how)


def test_a_generated_piece_carries_its_making_everywhere(
    settings: Settings, piece: Path, tmp_path: Path
) -> None:
    piece.with_name("my_song.wav.json").write_text(json.dumps(GENERATED))
    told: list[Progress] = []
    made = export_piece(
        settings, piece, tmp_path / "out", options(tags=Tags(artist="Ж")), on_progress=told.append
    )
    assert [file.path.name for file in made.files] == [
        f"my_song{s}" for s in (".wav", ".flac", ".mp3", ".ogg", ".opus")
    ]
    for file in made.files:
        tags = read_tags(file.path).tags
        assert (tags.title, tags.artist, tags.bpm, tags.key) == ("my song", "Ж", 110.5, "Fm")
        assert (tags.comment, tags.date) == ("calypso in F minor, 110 bpm", "2026-11-22")
        assert tags.extra == {"SEED": "3", "TRAINING_LICENSE": "CC-BY-NC-SA-4.0"}
        assert tags.non_commercial
        assert tags.share_alike
        assert tags.ai is not None
        assert (tags.ai.system.startswith("Angen "), tags.ai.model) == (True, "angen-tiny")
        assert tags.cover is not None
        assert tags.replay_gain is not None
        assert made.loudness_lufs is not None
        assert tags.replay_gain.track_gain_db == pytest.approx(-18 - made.loudness_lufs, abs=0.01)
    assert told[-1].fraction == 1
    assert made.warnings == ()


def test_the_sidecar_has_what_makes_it_again(settings: Settings, piece: Path, tmp_path: Path) -> None:
    piece.with_name("my_song.wav.json").write_text(
        json.dumps(GENERATED | {"mastering": {"preset": "streaming"}})
    )
    made = export_piece(settings, piece, tmp_path / "out", options("flac16,mp3:128", dither_seed=5))
    assert made.sidecar is not None
    sidecar = read_sidecar(made.sidecar)
    assert (sidecar.prompt, sidecar.seed) == ("calypso in F minor, 110 bpm", 3)
    assert (sidecar.model, sidecar.base_hash) == ("angen-tiny", "7aa9")
    assert sidecar.generation == GENERATED["request"]
    assert sidecar.mastering == {"preset": "streaming"}
    assert sidecar.origin is not None
    assert sidecar.origin["created"] == GENERATED["created"]
    known, gone = sidecar.adapters
    assert (known.name, known.strength, known.licence) == ("demo", 0.8, "CC-BY-NC-SA-4.0")
    assert known.sha256 == hashlib.sha256(b"weights").hexdigest()
    assert (gone.name, gone.sha256, gone.licence) == ("gone", None, None)
    assert sidecar.non_commercial
    assert sidecar.ai_marked
    assert sidecar.source.samples_sha256 == samples_sha256(read_audio(piece))
    assert sidecar.source.sha256 == hashlib.sha256(piece.read_bytes()).hexdigest()
    assert sidecar.loudness_lufs == made.loudness_lufs
    for said in sidecar.files:  # the side-car alone makes the same files again
        target = tmp_path / "again" / said.name
        kind = parse_formats(said.format)[0]
        export_audio(target, read_audio(piece), kind, made.tags, dither_seed=sidecar.dither_seed)
        assert hashlib.sha256(target.read_bytes()).hexdigest() == said.sha256


def test_an_exported_file_remembers_when_it_is_exported_again(
    settings: Settings, piece: Path, tmp_path: Path
) -> None:
    piece.with_name("my_song.wav.json").write_text(json.dumps(GENERATED))
    first = export_piece(
        settings, piece, tmp_path / "a", options("flac", tags=Tags(title="Song", comment="mine"))
    )
    again = export_piece(settings, first.files[0].path, tmp_path / "b", options("ogg"))
    assert (again.tags.title, again.tags.comment) == ("Song", "mine")
    assert again.tags.cover == first.tags.cover
    assert again.sidecar is not None
    sidecar = read_sidecar(again.sidecar)
    assert (sidecar.seed, sidecar.model, sidecar.adapters[0].name) == (3, "angen-tiny", "demo")


def test_the_mark_can_be_left_out_and_is_missed(settings: Settings, piece: Path, tmp_path: Path) -> None:
    piece.with_name("my_song.wav.json").write_text(json.dumps(GENERATED))
    made = export_piece(settings, piece, tmp_path / "out", options("flac", ai_mark=False, draws_cover=False))
    tags = read_tags(made.files[0].path).tags
    assert (tags.ai, tags.cover) == (None, None)
    assert b"AI_GENERATED" not in made.files[0].path.read_bytes()
    assert made.warnings == (UNMARKED,)


def test_a_plain_recording_needs_nothing_beside_it(settings: Settings, piece: Path, tmp_path: Path) -> None:
    made = export_piece(settings, piece, tmp_path / "out", options("wav24", ai_mark=False))
    assert made.warnings == ()
    assert made.tags.title == "my song"
    assert np.array_equal(read_audio(made.files[0].path).samples, read_audio(piece).samples)


def test_a_recording_is_never_replaced_even_when_replacing_is_allowed(
    settings: Settings, piece: Path
) -> None:
    before = piece.read_bytes()
    for how in (options("wav24"), options("wav24", overwrite=True)):
        with pytest.raises(ExportError, match=r"exists already|would replace itself"):
            export_piece(settings, piece, piece.parent, how)
    link = piece.parent / "out"
    link.mkdir()
    (link / "my_song.wav").hardlink_to(piece)
    with pytest.raises(ExportError, match="would replace itself"):
        export_piece(settings, piece, link, options("wav24", overwrite=True))
    assert piece.read_bytes() == before


def test_one_bad_recording_does_not_stop_the_others(settings: Settings, piece: Path, tmp_path: Path) -> None:
    (piece.parent / "bad.wav").write_text("no sound")
    results = export_pieces(settings, [piece.parent / "bad.wav", piece], None, options("flac"))
    assert isinstance(results[0], tuple)
    assert isinstance(results[1], ExportedPiece)
    assert results[1].files[0].path == piece.parent / "export" / "my_song.flac"
    with pytest.raises(ExportError, match="Several recordings would become"):
        export_pieces(settings, [piece, piece], tmp_path / "x", options("flac"))


def test_stopping_leaves_whole_files(settings: Settings, piece: Path, tmp_path: Path) -> None:
    answers = iter([False, True])
    made = export_piece(
        settings, piece, tmp_path / "o", options("flac,mp3"), should_stop=lambda: next(answers)
    )
    assert [file.path.name for file in made.files] == ["my_song.flac"]
    assert sorted(entry.name for entry in (tmp_path / "o").iterdir()) == [
        "my_song.angen.json",
        "my_song.flac",
    ]
    assert export_pieces(settings, [piece], tmp_path / "p", options("flac"), should_stop=lambda: True) == []


def test_an_album_folder_with_side_cars(settings: Settings, piece: Path, tmp_path: Path) -> None:
    second = piece.with_name("other.flac")
    sound, rate_hz = soundfile.read(piece)
    soundfile.write(second, sound * 0.1, rate_hz)
    piece.with_name("my_song.wav.json").write_text(json.dumps(GENERATED))
    made = export_album_folder(
        settings, [piece, second], tmp_path / "LP", options("flac", tags=Tags(artist="A"))
    )
    assert sorted(entry.name for entry in (tmp_path / "LP").iterdir()) == [
        "01-my-song.angen.json", "01-my-song.flac", "02-other.angen.json",
        "02-other.flac", "LP.m3u8", "cover.png",
    ]  # fmt: skip
    tags = [read_tags(one.files[0].path).tags for one in made]
    assert [(one.title, one.track, one.tracks, one.album, one.album_artist) for one in tags] == [
        ("my song", 1, 2, "LP", "A"), ("other", 2, 2, "LP", "A"),
    ]  # fmt: skip
    assert tags[0].cover == tags[1].cover
    assert made[0].sidecar is not None
    assert read_sidecar(made[0].sidecar).seed == 3
    assert read_sidecar(made[0].sidecar).files[0].name == "01-my-song.flac"
    with pytest.raises(ExportError, match="One title"):
        export_album_folder(settings, [piece, second], tmp_path / "x", options(tags=Tags(title="T")))


def test_stems_may_be_silent_but_not_alike(piece: Path, tmp_path: Path) -> None:
    silent = piece.with_name("vocals.wav")
    soundfile.write(silent, np.zeros((500, 1)), 44100)
    made = export_stem_files([piece, silent], tmp_path / "s.zip", options("flac", tags=Tags(title="T")))
    assert [file.samples for file in made.files] == [44100, 44100]
    for how, files in ((options("flac,wav24"), [piece]), (options("flac"), [piece, piece])):
        with pytest.raises(ExportError, match=r"Stems take one format|same name"):
            export_stem_files(files, tmp_path / "t.zip", how)


@pytest.mark.parametrize(
    "record",
    [
        {}, {"request": 3, "adapters": "x", "model": None}, {"adapters": [1, {"name": 2}, {"strength": "x"}]},
        {"request": {"prompt": ["x"], "seed": True, "tempo_bpm": "fast"}}, {"created": 5, "licence": {}},
        {"request": {"tempo_bpm": 1e9, "prompt": "9999 bpm in H major"}},
    ],
)  # fmt: skip
def test_a_strange_record_beside_a_recording_is_read_for_what_it_is(record: dict[str, Any]) -> None:
    origin = origin_of(record)
    assert (origin.seed, origin.adapters, origin.tags.bpm) == (None, [], None)


def test_what_is_no_record_is_passed_over(piece: Path) -> None:
    for text in ("[1]", "no json", '"x"', "[" * 100_000):
        piece.with_name("my_song.wav.json").write_text(text)
        assert find_origin(piece) is None

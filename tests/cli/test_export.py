"""`angen export` and `angen tags` as a person or a script meets them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from angen.cli import app
from angen.export import draw_cover, read_tags


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.3, 0.3, (30000, 2)), 44100)
    return path


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def _records(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_every_option_reaches_the_tags(song: Path, tmp_path: Path, workspace: Path) -> None:
    (tmp_path / "words.lrc").write_text("[00:00.10]привет\n[00:00.30]мир\n", "utf-8")
    (tmp_path / "cover.png").write_bytes(draw_cover("c", size=16).data)
    result = _run(
        "export", song, "--format", "flac,mp3:v3", "--title", "Песня 🎵", "--artist", "A", "--album", "B",
        "--genre", "G", "--bpm", "99.5", "--key", "A minor", "--date", "2026", "--comment", "C", "--copyright", "©",
        "--licence", "CC-BY-NC-4.0", "--language", "rus", "--lyrics", tmp_path / "words.lrc",
        "--cover", tmp_path / "cover.png", "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    (record,) = _records(result)
    assert [Path(file["path"]).name for file in record["files"]] == ["song.flac", "song.mp3"]
    for file in record["files"]:
        tags = read_tags(file["path"]).tags
        assert (tags.title, tags.artist, tags.album, tags.genre, tags.bpm) == (
            "Песня 🎵",
            "A",
            "B",
            "G",
            99.5,
        )
        assert (tags.key, tags.date, tags.comment, tags.copyright) == ("Am", "2026", "C", "©")
        assert (tags.licence, tags.non_commercial, tags.share_alike) == ("CC-BY-NC-4.0", True, False)
        assert (tags.lyrics, [line.start_s for line in tags.timed_lyrics]) == ("привет\nмир", [0.1, 0.3])
        assert tags.cover == draw_cover("c", size=16)
        assert tags.ai is not None
    assert json.loads(Path(record["sidecar"]).read_text("utf-8"))["tags"]["title"] == "Песня 🎵"


def test_text_output_names_the_files_and_progress_goes_aside(song: Path, workspace: Path) -> None:
    result = _run("export", song, "--format", "ogg", "--no-cover", "--no-ai-mark")
    assert result.stdout == f"{song.parent / 'export' / 'song.ogg'}\n"
    assert "exporting" in result.stderr
    tags = read_tags(song.parent / "export" / "song.ogg").tags
    assert (tags.ai, tags.cover) == (None, None)


def test_tags_are_shown_and_damage_is_told(song: Path, workspace: Path, tmp_path: Path) -> None:
    _run("export", song, "--format", "mp3,flac", "--title", "Песня", "--out", tmp_path / "o")
    result = _run("tags", tmp_path / "o" / "song.mp3", tmp_path / "o" / "song.flac", "--json")
    assert result.exit_code == 0
    assert [(one["container"], one["tags"]["title"]) for one in _records(result)] == [
        ("mp3", "Песня"),
        ("flac", "Песня"),
    ]
    text = _run("tags", tmp_path / "o" / "song.flac").stdout
    assert "title: Песня" in text
    assert "ai: system Angen" in text
    cut = tmp_path / "cut.mp3"
    cut.write_bytes((tmp_path / "o" / "song.mp3").read_bytes()[:300])
    assert "Damaged: the ID3 tag is cut off." in _run("tags", cut).stderr
    bad = _run("tags", tmp_path / "nowhere.mp3", tmp_path / "o" / "song.mp3", "--json")
    assert bad.exit_code == 1
    assert [list(one) for one in _records(bad)] == [
        ["source", "error"],
        ["path", "container", "tags", "problems"],
    ]


def test_failures_exit_with_1_and_do_not_hide_what_worked(
    song: Path, workspace: Path, tmp_path: Path
) -> None:
    result = _run("export", tmp_path / "gone.wav", song, "--format", "flac", "--json")
    assert result.exit_code == 1
    first, second = _records(result)
    assert first["error"]["type"] == "audio-missing"
    assert second["files"][0]["format"] == "flac"
    again = _run("export", song, "--format", "flac", "--json")
    assert again.exit_code == 1
    assert _records(again)[0]["error"]["type"] == "export"
    assert _run("export", song, "--format", "flac", "--overwrite").exit_code == 0
    wrong = _run("export", song, "--format", "aiff", "--json")
    assert (wrong.exit_code, json.loads(wrong.stdout)["error"]["type"]) == (1, "export")


def test_stems_and_albums(song: Path, workspace: Path, tmp_path: Path) -> None:
    other = tmp_path / "bass.wav"
    soundfile.write(other, np.random.default_rng(1).uniform(-0.3, 0.3, (20000, 1)), 44100)
    assert (
        _run("export", song, other, "--stems", "--format", "flac", "--out", tmp_path / "s.zip").exit_code == 0
    )
    assert (tmp_path / "s.zip").is_file()
    album = _run(
        "export", song, other, "--album-folder", "--format", "flac", "--out", tmp_path / "LP", "--json"
    )
    assert [one["tags"]["track"] for one in _records(album)] == [1, 2]
    assert (tmp_path / "LP" / "LP.m3u8").is_file()


@pytest.mark.parametrize(
    "words",
    [
        ["export"], ["tags"], ["export", "a.wav", "--stems"], ["export", "a.wav", "--album-folder"],
        ["export", "a.wav", "--stems", "--album-folder", "--out", "x"], ["export", "a.wav", "--bpm", "0"],
        ["export", "a.wav", "b.wav", "--title", "x"], ["export", "a.wav", "--certificate", "c.pem"],
        ["export", "a.wav", "--sign", "--private-key", "k.pem"], ["export", "a.wav", "--stems", "--out", "x", "--sign"],
    ],
)  # fmt: skip
def test_misuse_exits_with_2(words: list[str], workspace: Path) -> None:
    result = _run(*words)
    assert (result.exit_code, result.stdout) == (2, "")


def test_signing_needs_its_extra_or_makes_an_identity(song: Path, workspace: Path) -> None:
    try:
        import c2pa  # type: ignore[import-not-found, unused-ignore]  # noqa: F401
    except ImportError:
        result = _run("export", song, "--sign", "--json")
        assert result.exit_code == 1
        assert "angen[provenance]" in json.loads(result.stdout)["error"]["remedy"]
        return
    result = _run("export", song, "--sign", "--format", "flac", "--json")
    assert "untrusted" in result.stderr
    assert "untrusted" in _records(result)[0]["files"][0]["provenance"]
    assert (workspace / "signing" / "key.pem").is_file()

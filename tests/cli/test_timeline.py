from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from angen.cli import app

COMMANDS = [
    *("new", "list", "show", "add", "relink", "undo", "redo", "recover", "render", "export"),
    *("move", "trim", "split", "fade", "crossfade", "duplicate", "remove", "snap"),
    *("track", "reorder", "gain", "pan", "mute", "solo", "tempo", "metre", "marker", "section"),
]


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["timeline", *(str(word) for word in words)])


def done(*words: object) -> dict[str, Any]:
    """Run with --json in front of `--`; the project after it."""
    result = run(words[0], "--json", *words[1:])
    assert result.exit_code == 0, result.stderr
    record: dict[str, Any] = json.loads(result.stdout)
    return record.get("project", record)


@pytest.fixture
def song(tmp_path: Path, workspace: Path) -> Path:
    path = tmp_path / "take.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.3, 0.3, (88_200, 2)), 44_100, "PCM_16")
    return path


def test_every_command_offers_json_and_says_what_it_does(workspace: Path) -> None:
    listed = run("--help").stdout
    for name in COMMANDS:
        assert f" {name} " in listed
        help_text = run(name, "--help")
        assert help_text.exit_code == 0
        assert "--json" in help_text.stdout


def test_a_song_from_nothing_to_a_render(song: Path, tmp_path: Path) -> None:
    assert done("new", "demo", "--tempo", 120, "--metre", "3/4")["metres"][0]["beats"] == 3
    done("add", "demo", song, "--track", "Lead", "--at", "2|1")  # c1 on t1 at 1.5 s
    done("split", "demo", "c1", "2.5s")  # c1 is 1.5 to 2.5, c2 2.5 to 3.5
    done("crossfade", "demo", "c1", "c2", "0.2s")
    done("fade", "demo", "c1", "--in", "0.1s", "--curve", "exponential")
    done("fade", "demo", "c2", "--out", "441")
    done("gain", "demo", "c1", "--", "-6")
    done("gain", "demo", "Lead", "+2")
    done("gain", "demo", "master", "--", "-1")
    done("pan", "demo", "t1", "--", "-0.25")
    done("duplicate", "demo", "c2", "--at", "10s")  # c3
    done("trim", "demo", "c3", "--end", "10.5s")
    done("move", "demo", "c3", "8.1s")
    done("snap", "demo", "c3", "--grid", "beat")
    done("track", "demo", "Bass")
    done("move", "demo", "c3", "9s", "--track", "Bass")
    done("reorder", "demo", "Bass", 0)
    done("mute", "demo", "Bass")
    done("mute", "demo", "Bass", "--off")
    done("solo", "demo", "t1")
    done("tempo", "demo", 90, "--bar", 3, "--beat", 2)
    done("metre", "demo", "6/8", "--bar", 5)
    done("marker", "demo", "drop", "3|1")
    project = done("section", "demo", "verse", "1|1", "3|1")

    bass, lead = project["tracks"]
    assert (bass["name"], bass["muted"], lead["soloed"], lead["gain_db"], lead["pan"]) == (
        "Bass", False, True, 2.0, -0.25,
    )  # fmt: skip
    first, second = lead["clips"]
    assert (first["start"], first["gain_db"]) == (66_150, -6.0)
    assert first["start"] + first["length"] - second["start"] == 8820
    assert first["fade_in"] == {"samples": 4410, "curve": "exponential", "skipped": 0}
    assert second["fade_out"]["samples"] == 441
    assert (bass["clips"][0]["start"], project["gain_db"]) == (9 * 44_100, -1.0)
    assert [tempo["tempo_bpm"] for tempo in project["tempos"]] == [120.0, 90.0]
    assert (project["markers"][0]["at"], project["sections"][0]["end"]) == (132_300, 132_300)

    made = done("render", "demo", "--out", tmp_path / "mix.wav", "--bits", 16)
    assert made["samples"] == soundfile.info(tmp_path / "mix.wav").frames == 9 * 44_100 + 22_050
    for kind in ("stems", "dawproject", "reaper", "labels", "midi"):
        assert Path(done("export", "demo", kind)["path"]).is_file()

    removed = done("tempo", "demo", "--remove", "--bar", 3, "--beat", 2)
    assert len(removed["tempos"]) == 1
    assert len(done("metre", "demo", "--remove", "--bar", 5)["metres"]) == 1
    assert done("marker", "demo", "drop", "--remove")["markers"] == []
    assert done("section", "demo", "verse", "--remove")["sections"] == []
    assert len(done("remove", "demo", "t2")["tracks"]) == 1
    assert len(done("remove", "demo", "c1")["tracks"][0]["clips"]) == 1
    assert len(done("undo", "demo")["tracks"][0]["clips"]) == 2
    assert len(done("redo", "demo")["tracks"][0]["clips"]) == 1


def test_people_see_tracks_and_clips_in_bars(song: Path) -> None:
    run("new", "demo")
    run("add", "demo", song, "--at", "3|2.5")
    run("marker", "demo", "drop", "5|1")
    text = run("show", "demo").stdout
    assert "demo: 0:07, 120 bpm, 4/4, 44100 Hz" in text
    assert "t1 take (+0.0 dB, pan +0.00)" in text
    assert "3|2.500" in text
    assert "5|1.000 drop" in text
    listed = run("list")
    assert listed.stdout.split()[-4:] == ["demo", "1", "1", "0:07"]


@pytest.mark.parametrize(
    "words",
    [
        ["new"], ["new", "a", "--metre", "waltz"], ["new", "a", "--rate", "5"], ["new", "a", "--tempo", "0"],
        ["export", "a", "mp3"], ["trim", "a", "c1"], ["fade", "a", "c1"], ["gain", "a", "c1", "loud"],
        ["fade", "a", "c1", "--in", "1s", "--curve", "wavy"], ["pan", "a", "t1", "left"], ["tempo", "a"],
        ["tempo", "a", "90", "--remove"], ["metre", "a", "3-4"], ["marker", "a", "x"], ["section", "a", "x", "1s"],
        ["mute", "a"], ["tempo", "a", "90", "--bar", "0"],
    ],
)  # fmt: skip
def test_misuse_exits_with_2_and_leaves_stdout_empty(workspace: Path, words: list[str]) -> None:
    result = run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert not workspace.exists()


def test_the_impossible_exits_with_1_and_says_it_as_json_too(song: Path) -> None:
    done("new", "demo")
    before = done("add", "demo", song)
    for words in (
        ["move", "demo", "c9", "1s"], ["move", "demo", "c1", "soon"], ["split", "demo", "c1", "0"],
        ["add", "demo", "/nowhere.wav"], ["show", "other"], ["snap", "demo", "c1", "--grid", "1/0"],
        ["remove", "demo", "x"], ["undo", "other"], ["recover", "demo"], ["gain", "demo", "t1", "99"],
        ["render", "demo", "--bits", "12"], ["relink", "demo", "ff", "/nowhere.wav"], ["new", "demo"], ["new", "../x"],
    ):  # fmt: skip
        result = run(words[0], "--json", *words[1:])
        assert result.exit_code == 1, words
        error = json.loads(result.stdout)["error"]
        assert error["type"] in ("timeline", "audio-missing")
        assert error["remedy"], words
        assert f"Error: {error['message']}" in result.stderr
    assert done("show", "demo") == before


def test_a_lost_recording_is_shown_and_relinked(song: Path) -> None:
    done("new", "demo")
    done("add", "demo", song)
    moved = song.rename(song.with_name("moved.wav"))
    shown = run("show", "demo", "--json")
    assert shown.exit_code == 0
    (problem,) = json.loads(shown.stdout)["problems"]
    assert (problem["kind"], problem["clips"]) == ("missing", ["c1"])
    assert "is missing" in shown.stderr
    assert run("render", "demo").exit_code == 1
    done("relink", "demo", problem["sha256"][:8], moved)
    assert run("render", "demo").exit_code == 0


def test_a_damaged_project_is_listed_with_its_fault_and_recovered(song: Path, workspace: Path) -> None:
    done("new", "demo")
    done("add", "demo", song)
    path = workspace / "projects" / "demo" / "project.json"
    path.write_text(path.read_text().replace('"rate_hz": 44100', '"rate_hz": 0'))
    listed = run("list", "--json")
    assert listed.exit_code == 0
    assert "rate_hz" in json.loads(listed.stdout)[0]["error"]["message"]
    assert run("show", "demo").exit_code == 1
    assert done("recover", "demo")["tracks"] == []


def test_clamped_samples_are_told(song: Path) -> None:
    done("new", "demo")
    done("add", "demo", song)
    done("gain", "demo", "master", "20")
    result = run("render", "demo", "--json")
    assert json.loads(result.stdout)["clipped"] > 0
    assert "beyond full scale" in result.stderr
    assert "beyond full scale" not in run("render", "demo", "--bits", "32").stderr

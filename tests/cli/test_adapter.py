"""`angen adapter` and `angen generate` as a person or a script meets them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from angen.audio import read_audio
from angen.cli import app
from angen.workflows import calibrate as calibrating
from angen.workflows import train as workflow

WriteSong = Callable[..., Path]
QUICK = ("--epochs", 1, "--batch-size", 1, "--rank", 2)


def _run(*words: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], input=stdin)


def _train(name: str, *words: object) -> Result:
    return _run("adapter", "train", name, "--dataset", "mine", *QUICK, *words)


@pytest.fixture
def dataset(workspace: Path, tmp_path: Path, write_song: WriteSong, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset of two short songs, and a calibration that takes a moment only."""
    monkeypatch.setattr(calibrating, "NOISE_SCALES", (1.0,))
    monkeypatch.setattr(calibrating, "GUIDANCES", (1.0,))
    monkeypatch.setattr(calibrating, "PIECES", 1)
    songs = [write_song(tmp_path / f"song {number}.wav", 3.0, seed=number) for number in range(2)]
    prepared = _run("dataset", "prepare", "mine", *songs, "--style", "calypso", "--json")
    assert prepared.exit_code == 0, prepared.stderr
    return workspace / "training_data" / "mine"


def test_the_life_of_an_adapter(workspace: Path, dataset: Path, tmp_path: Path) -> None:
    trained = _train("steel", "--seed", 3, "--json")
    assert trained.exit_code == 0, trained.stderr
    info = json.loads(trained.stdout)
    folder = workspace / "models" / "loras" / "steel"
    assert info["folder"] == str(folder)
    assert (info["name"], info["state"], info["style"]) == ("steel", "finished", "calypso")
    assert {key: info["config"][key] for key in ("epochs", "batch_size", "rank", "seed")} == {
        "epochs": 1,
        "batch_size": 1,
        "rank": 2,
        "seed": 3,
    }
    assert "encoding" in trained.stderr
    assert "training" in trained.stderr
    assert (folder / "best" / "adapter_model.safetensors").is_file()

    shown = json.loads(_run("adapter", "show", "steel", "--json").stdout)
    assert json.loads(_run("adapter", "list", "--json").stdout) == [shown]
    assert {"folder": str(folder), **shown} == info
    loss = f"{info['validation_loss_base']:.3f} → {info['validation_loss_best']:.3f}"
    for text in (_run("adapter", "list").stdout, _run("adapter", "show", "steel").stdout):
        assert "steel" in text
        assert loss in text

    refused = _train("steel", "--json")
    assert refused.exit_code == 1
    error = json.loads(refused.stdout)["error"]
    assert error["type"] == "adapter"
    assert "--replace" in error["remedy"]
    assert "Traceback" not in refused.stderr
    assert _train("steel", "--resume").exit_code == 1
    assert _train("steel", "--replace").exit_code == 0
    assert json.loads(_run("adapter", "show", "steel", "--json").stdout)["config"]["seed"] == 0

    out = tmp_path / "music" / "song.wav"
    words = (
        "generate",
        "--prompt",
        "happy calypso",
        "--adapter",
        "steel:0.8",
        "--seconds",
        1.5,
        "--steps",
        2,
    )
    form = ("--form", "verse 1, outro 1", "--ending", "--guidance", 0)
    made = _run(*words, "--seed", 5, "--out", out, *form, "--json")
    assert made.exit_code == 0, made.stderr
    told = json.loads(made.stdout)
    assert told["path"] == str(out)
    wanted = {"seed": 5, "form": "verse 1, outro 1", "ending": True, "guidance": 0.0}
    assert {key: told["request"][key] for key in wanted} == wanted
    assert read_audio(out).samples.shape == (1, 36_000)
    assert json.loads((tmp_path / "music" / "song.wav.json").read_text())["adapters"] == [
        {"name": "steel", "strength": 0.8}
    ]
    somewhere = _run(*words)
    assert Path(somewhere.stdout.strip()).is_file()
    assert Path(somewhere.stdout.strip()).is_relative_to(workspace / "outputs")
    assert not np.array_equal(read_audio(somewhere.stdout.strip()).samples, read_audio(out).samples)

    deleted = _run("adapter", "delete", "steel", "--json", stdin="")
    assert json.loads(deleted.stdout) == {"deleted": "steel"}
    assert not folder.exists()
    assert json.loads(_run("adapter", "list", "--json").stdout) == []
    assert (dataset / "dataset_info.json").is_file()


def test_every_option_reaches_the_run(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    class EnoughError(Exception):
        pass

    def fake(_: Any, name: str, dataset_name: str, config: Any, *__: Any, **how: Any) -> None:
        seen.update(config.as_dict(), name=name, dataset=dataset_name, **how)
        raise EnoughError

    monkeypatch.setattr(workflow, "train_adapter", fake)
    options = {
        "epochs": 7,
        "patience": 2,
        "replay_share": 0.25,
        "batch_size": 3,
        "learning_rate": 0.002,
        "rank": 5,
        "alpha": 9.0,
        "dropout": 0.2,
        "seed": 11,
        "accumulation": 6,
        "checkpoint_every": 13,
        "validate_every": 4,
    }
    words = [word for key, value in options.items() for word in (f"--{key.replace('_', '-')}", value)]
    result = _run("adapter", "train", "steel", "--dataset", "mine", *words, "--resume", "--replace")
    assert isinstance(result.exception, EnoughError)
    assert {key: seen[key] for key in options} == options
    assert (seen["name"], seen["dataset"]) == ("steel", "mine")
    assert (seen["resume"], seen["replace_existing"]) == (True, True)


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["adapter", "train", "steel", "--dataset", "nobody"], "angen dataset prepare"),
        (["adapter", "train", "../steel", "--dataset", "mine"], "letters, digits"),
        (["adapter", "train", "steel", "--dataset", "mine", "--resume"], "without --resume"),
        (["adapter", "train", "steel", "--dataset", "mine", "--model", "huge"], "angen-tiny"),
        (["adapter", "train", "steel", "--dataset", "mine", "--dropout", "1"], "Change it"),
        (["adapter", "train", "steel", "--dataset", "mine", "--learning-rate", "-1"], "Change it"),
        (["adapter", "show", "nobody"], "angen adapter list"),
        (["adapter", "show", "../etc"], "letters, digits"),
        (["adapter", "delete", "nobody"], "angen adapter list"),
        (["adapter", "delete", ".."], "letters, digits"),
        (["generate", "--prompt", "calypso", "--adapter", "nobody"], "angen adapter list"),
        (["generate", "--prompt", "calypso", "--adapter", "nobody:9"], "-2 to 2"),
        (["generate", "--prompt", "calypso", "--adapter", ":"], "NAME:STRENGTH"),
        (["generate", "--prompt", " "], "Change it"),
        (["generate", "--prompt", "calypso", "--tempo", "5"], "Change it"),
        (["generate", "--prompt", "calypso", "--form", "refrain 8"], "intro, verse, chorus"),
        (["generate", "--prompt", "calypso", "--out", "song.txt"], ".wav"),
        (["generate", "--prompt", "calypso", "--model", "huge"], "angen-tiny"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_done_exits_with_1_and_a_remedy(
    workspace: Path, words: list[str], remedy: str
) -> None:
    result = _run(*words)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert remedy in result.stderr
    assert "Traceback" not in result.stderr
    if words[0] == "adapter":
        told = _run(*words, "--json")
        assert told.exit_code == 1
        assert remedy in json.loads(told.stdout)["error"]["remedy"]
    assert not workspace.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["adapter"],
        ["adapter", "train", "steel"],
        ["adapter", "train", "--dataset", "mine"],
        ["adapter", "train", "steel", "--dataset", "mine", "--epochs", "0"],
        ["adapter", "train", "steel", "--dataset", "mine", "--rank", "many"],
        ["adapter", "show"],
        ["adapter", "delete"],
        ["generate"],
        ["generate", "--prompt", "calypso", "--seconds", "0"],
        ["generate", "--prompt", "calypso", "--seed", "-1"],
    ],
    ids=" ".join,
)
def test_misuse_exits_with_2(workspace: Path, words: list[str]) -> None:
    result = _run(*words)
    assert result.exit_code == 2
    assert not workspace.exists()


def test_every_command_offers_json() -> None:
    for words in (
        ["generate"],
        ["demo"],
        *(["adapter", verb] for verb in ("train", "list", "show", "delete")),
    ):
        assert "--json" in _run(*words, "--help").stdout, words


def test_an_empty_workspace_says_how_to_begin(workspace: Path) -> None:
    result = _run("adapter", "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "angen adapter train" in result.stderr
    assert not workspace.exists()


@pytest.mark.slow
class TestControlC:
    """A real process and a real signal. It prints every step, so that nothing has to be waited for by the clock."""

    SCRIPT = (
        "import sys\n"
        "from angen.cli import console, main\n"
        "from angen.workflows import calibrate\n"
        "console._LINE_EVERY_S = 0.0\n"
        "calibrate.NOISE_SCALES = calibrate.GUIDANCES = (1.0,)\n"
        "main()\n"
    )
    WORDS = (
        "adapter", "train", "steel", "--dataset", "mine", "--epochs", "6", "--batch-size", "1", "--rank", "2",
    )  # fmt: skip

    def _start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", self.SCRIPT, *self.WORDS, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _read_until(self, process: subprocess.Popen[str], text: str) -> None:
        assert process.stderr is not None
        seen = []
        for line in process.stderr:
            seen.append(line)
            if text in line:
                return
        pytest.fail("".join(seen))

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_it_saves_a_checkpoint_and_resume_finishes(
        self, workspace: Path, dataset: Path, number: signal.Signals
    ) -> None:
        with self._start() as process:
            self._read_until(process, "| Step 2 |")
            process.send_signal(number)
            output, errors = process.communicate(timeout=120)
        assert process.returncode == 130
        assert "Traceback" not in errors
        assert "with a checkpoint" in errors
        assert "--resume" in errors
        folder = workspace / "models" / "loras" / "steel"
        info = json.loads((folder / "metadata.json").read_text())
        assert info["state"] == "training"
        assert 2 <= info["steps"] < 6
        assert (folder / "checkpoints" / f"step_{info['steps']:06d}" / "state.json").is_file()
        assert "Steps" in output

        with self._start("--resume", "--json") as process:
            output, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        assert json.loads(output)["state"] == "finished"
        assert json.loads(output)["steps"] == 6
        assert "| Step 1 |" not in errors
        assert (folder / "final" / "adapter_model.safetensors").is_file()

    def test_twice_stops_at_once_and_resume_still_works(self, workspace: Path, dataset: Path) -> None:
        with self._start("--checkpoint-every", "1") as process:
            self._read_until(process, "| Step 2 |")
            process.send_signal(signal.SIGINT)
            self._read_until(process, "Once more to stop at once")
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=120)
        assert process.returncode == 130
        assert "Traceback" not in errors
        with self._start("--checkpoint-every", "1", "--resume", "--json") as process:
            output, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        assert json.loads(output)["steps"] == 6

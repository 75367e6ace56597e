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
from angen.cli.training_knobs import KNOBS
from angen.settings import Settings
from angen.workflows import calibrate as calibrating
from angen.workflows import train as workflow
from angen.workflows.adapter_report import ReportOptions

WriteSong = Callable[..., Path]
VERBS = (
    "train",
    "list",
    "show",
    "rename",
    "duplicate",
    "delete",
    "cleanup",
    "merge",
    "combine",
    "export",
    "import",
)
QUICK = ("--epochs", 1, "--batch-size", 1, "--rank", 2)
QUICKLY = (*QUICK, "--no-report", "--sample-every", 0)


def _run(*words: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], input=stdin)


def _train(name: str, *words: object) -> Result:
    return _run("adapter", "train", name, "--dataset", "mine", *QUICKLY, *words)


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
    assert info.pop("report") is None
    assert not (folder / "report").exists()
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
    (listed,) = json.loads(_run("adapter", "list", "--json").stdout)
    assert {"folder": str(folder), **listed} == info
    assert {key: shown[key] for key in info} == info
    assert [part["part"] for part in shown["parts"]][:2] == ["best", "final"]
    assert (info["songs"], info["trigger_words"], info["type"]) == (2, ["calypso"], "user")
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

    deleted = _run("adapter", "delete", "steel", "--yes", "--json", stdin="")
    assert json.loads(deleted.stdout) == {"deleted": "steel"}
    assert not folder.exists()
    assert json.loads(_run("adapter", "list", "--json").stdout) == []
    assert (dataset / "dataset_info.json").is_file()


def _untrained(workspace: Path, name: str) -> Path:
    """An adapter of angen-tiny that was never trained, and says it has been."""
    from angen.adapters import AdapterInfo, write_info
    from angen.adapters.lora import LoraSpec, attach, detach, save_adapter
    from angen.model import load_model

    model = load_model()
    folder = workspace / "models" / "loras" / name
    (folder / "best").mkdir(parents=True)
    wrapped = attach(model.network, LoraSpec(1, 2.0, 0.0, ("q_proj",)), seed=0)
    for key, weight in wrapped.named_parameters():
        if "lora_B" in key:
            weight.data += 0.1
    save_adapter(wrapped, folder / "best")
    detach(wrapped)
    known = {"name": name, "state": "finished", "created": "2026-01-02T03:04:05", "base": model.facts.id,
             "base_hash": model.facts.base_hash, "dataset": "mine", "dataset_hash": "", "style": "calypso",
             "config": {}, "versions": {}, "steps": 1, "best_step": 1, "seconds": 1.0}  # fmt: skip
    write_info(folder, AdapterInfo(**known))
    return folder


def test_adapters_are_renamed_combined_merged_sent_and_taken_in(workspace: Path, tmp_path: Path) -> None:
    _untrained(workspace, "one")

    def told(*words: object) -> Any:
        result = _run("adapter", *words, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    assert told("rename", "one", "steel") == {"renamed": "one", "name": "steel"}
    assert told("duplicate", "steel", "copy") == {"duplicated": "steel", "name": "copy"}
    assert told("combine", "steel:0.5", "copy:-0.2", "--name", "both")["rank"] == 2
    assert "exact" in _run("adapter", "combine", "steel", "copy", "--name", "again").stdout
    assert "lost" in _run("adapter", "combine", "steel", "copy", "--name", "less", "--rank", "1").stdout
    file = tmp_path / "sent.safetensors"
    assert told("export", "steel", "--out", file, "--layout", "kohya", "--author", "Me") == {
        "path": str(file)
    }
    assert _run("adapter", "import", file).exit_code == 1
    assert told("import", file, "--rename")["name"] == "steel-2"
    refused = _run("adapter", "import", workspace / "models" / "loras" / "steel" / "best", "--name", "peft")
    assert "--assume-base" in refused.stderr
    merged = told("merge", "steel:0.7", "--out", tmp_path / "my-base")
    assert merged["id"] == "my-base"
    song = _run("generate", "--prompt", "calypso", "--model", merged["folder"], "--seconds", 1, "--steps", 1)
    assert song.exit_code == 0, song.stderr
    wrong = _run("generate", "--prompt", "calypso", "--model", merged["folder"], "--adapter", "steel")
    assert wrong.exit_code == 1
    assert "was trained on angen-tiny" in wrong.stderr
    listed = _run("adapter", "list").stdout
    assert all(name in listed for name in ("steel", "copy", "both", "steel-2", "combined", "imported"))
    shown = _run("adapter", "show", "both").stdout
    assert all(text in shown for text in ("steel:0.5", "q_proj", "trained"))
    assert told("cleanup") == {"removed": []}


def test_deleting_is_asked_about_and_never_done_to_what_is_in_use(workspace: Path) -> None:
    from angen.adapters import held

    folder = _untrained(workspace, "steel")
    unasked = _run("adapter", "delete", "steel", stdin="")
    assert unasked.exit_code == 2
    assert "--yes" in unasked.stderr
    with held(folder.parent, "steel", "generation"):
        for words in (["delete", "steel", "--yes"], ["rename", "steel", "other"]):
            refused = _run("adapter", *words)
            assert refused.exit_code == 1
            assert "in use (generation" in refused.stderr
    assert folder.is_dir()
    assert _run("adapter", "delete", "steel", "--yes").exit_code == 0
    assert not folder.exists()


def test_every_option_reaches_the_run(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    class EnoughError(Exception):
        pass

    def fake(_: Any, name: str, dataset_name: str, config: Any, *__: Any, **how: Any) -> None:
        seen.update(config.as_dict(), name=name, dataset=dataset_name, **how)
        raise EnoughError

    monkeypatch.setattr(workflow, "train_adapter", fake)
    options: dict[str, Any] = {
        "epochs": 7, "patience": 2, "min_gain": 0.01, "replay_share": 0.25, "batch_size": 3, "accumulation": 6,
        "learning_rate": 0.002, "scheduler": "wsd", "warmup_steps": 0, "final_rate_share": 0.0,
        "optimiser": "prodigy", "betas": [0.8, 0.9], "weight_decay": 0.1, "clip_norm": 2.0, "ema": 0.9,
        "precision": "fp32", "gradient_checkpointing": True, "seed": 11, "rank": 5, "alpha": 9.0,
        "dropout": 0.0, "targets": ["mlp", "q_proj"], "rslora": True, "dora": False, "crop_blocks": 2,
        "noisy_blocks": 1,
        "condition_dropout": 0.3, "beat_dropout": 0.0, "context_noise": 0.0,
        "time_distribution": "logit-normal", "speed_shifts": [-3, 5], "speed_share": 0.1, "log_every": 3,
        "checkpoint_every": 13, "keep_checkpoints": 4, "validate_steps": 9,
        "sample_prompts": ["happy, calypso", "sad"], "sample_every": 0,
    }  # fmt: skip
    left_out = {"max_steps", "audio_seconds", "validate_every"}  # these exclude others; see below
    assert options.keys() == {knob.name for knob in KNOBS} - left_out
    words = [word for key, value in options.items() for word in _as_words(key, value)]
    result = _run("adapter", "train", "steel", "--dataset", "mine", *words, "--resume", "--replace")
    assert isinstance(result.exception, EnoughError)
    assert {key: seen[key] for key in options} == options
    assert (seen["name"], seen["dataset"]) == ("steel", "mine")
    assert (seen["resume"], seen["replace_existing"]) == (True, True)
    assert seen["report"] == ReportOptions()
    for budget, value in (("max_steps", 50), ("audio_seconds", 90.5), ("validate_every", 3)):
        seen.clear()
        _run("adapter", "train", "steel", "--dataset", "mine", f"--{budget.replace('_', '-')}", value)
        assert seen[budget] == value
    _run("adapter", "train", "steel", "--dataset", "mine", "--no-report")
    assert seen["report"] is None


def _as_words(key: str, value: Any) -> list[object]:
    flag = f"--{key.replace('_', '-')}"
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag[2:]}"]
    if key == "sample_prompts":
        return [word for prompt in value for word in (flag, prompt)]
    if isinstance(value, list):
        return [f"{flag}={','.join(map(str, value))}"]
    return [flag, value]


def test_every_setting_is_an_option_and_shows_its_default() -> None:
    from angen.training import TrainConfig

    own = TrainConfig().as_dict()
    assert [knob.name for knob in KNOBS] != []
    assert {knob.name for knob in KNOBS} == own.keys()
    del own["epochs"]  # by the size of the dataset
    for knob in KNOBS:
        value = own.get(knob.name)
        if knob.items is not None and value:
            assert knob.read(knob.default) == tuple(value), knob.name
        elif isinstance(value, bool):
            assert knob.default == ("on" if value else "off")
        elif isinstance(value, int | float):
            assert float(knob.default) == value, knob.name
        elif isinstance(value, str):
            assert knob.default == value


def test_who_does_not_say_how_long_gets_what_the_dataset_wants(dataset: Path, workspace: Path) -> None:
    from angen.training import TrainConfig
    from angen.workflows.launched import chosen_config

    settings = Settings(workspace)
    assert chosen_config(settings, "mine", None, {}).epochs == 30
    assert chosen_config(settings, "mine", None, {"rank": 4}) == TrainConfig(epochs=30, rank=4)
    assert chosen_config(settings, "mine", None, {"epochs": 2}) == TrainConfig(epochs=2)
    assert chosen_config(settings, "mine", None, {"max_steps": 7}) == TrainConfig(max_steps=7)
    assert chosen_config(settings, "mine", None, {}).changed(max_steps=7).epochs is None


def test_a_preset_then_a_file_then_options(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def fake(_: Any, name: str, dataset_name: str, config: Any, *__: Any, **how: Any) -> None:
        seen.update(config.as_dict())
        raise KeyboardInterrupt

    monkeypatch.setattr(workflow, "train_adapter", fake)
    (tmp_path / "mine.toml").write_text("rank = 3\nmax_steps = 40\npatience = 9\n")
    words = ("adapter", "train", "steel", "--dataset", "mine", "--preset", "thorough")
    _run(*words, "--config", tmp_path / "mine.toml", "--patience", 0)
    assert (seen["ema"], seen["batch_size"], seen["scheduler"]) == (0.99, 8, "wsd")
    assert (seen["rank"], seen["max_steps"], seen["epochs"], seen["patience"]) == (3, 40, None, 0)
    for text, told in (("rnak = 3", "did you mean rank"), ("rank = true", "rank is True")):
        (tmp_path / "mine.toml").write_text(text)
        refused = _run(*words, "--config", tmp_path / "mine.toml")
        assert refused.exit_code == 1
        assert told in refused.stderr
    assert "no preset 'slow'" in _run(*words[:-1], "slow").stderr


def test_an_estimate_says_what_a_run_will_take_and_then_learns_from_it(
    dataset: Path, workspace: Path
) -> None:
    words = ("adapter", "estimate", "--dataset", "mine", *QUICK)
    first = json.loads(_run(*words, "--json").stdout)
    assert not first["is_measured"]
    assert first["config"]["rank"] == 2
    assert not (workspace / "models").exists()
    trained = _train("steel", "--json")
    assert f"to go of {first['steps']} steps" in trained.stderr
    assert json.loads(trained.stdout)["steps"] == first["steps"]
    second = json.loads(_run(*words, "--json").stdout)
    assert second["is_measured"]
    for key in ("steps", "disk_bytes", "trainable", "audio_seconds"):
        assert second[key] == first[key]
    assert "Trainable weights" in _run(*words).stdout
    assert "GB" in _run(*words, "--batch-size", 64).stdout


def test_an_interrupted_run_is_listed_as_such_and_goes_on_with_its_own_settings(
    workspace: Path, dataset: Path
) -> None:
    from angen.adapters import held_for_training
    from angen.model import load_model
    from angen.settings import Settings
    from angen.training import TrainConfig

    settings = Settings(workspace)
    config = TrainConfig(max_steps=3, batch_size=1, rank=2, seed=5, speed_shifts=(), sample_every=0)
    workflow.train_adapter(settings, "steel", "mine", config, load_model(), should_stop=lambda: True)

    def states() -> set[str]:
        (listed,) = json.loads(_run("adapter", "list", "--json").stdout)
        return {listed["state"], json.loads(_run("adapter", "show", "steel", "--json").stdout)["state"]}

    assert states() == {"interrupted"}
    assert "interrupted" in _run("adapter", "list").stdout
    with held_for_training(settings.loras, "steel", anew=False):
        assert states() == {"training"}
    assert _run("adapter", "train", "other", "--resume").exit_code == 2  # no dataset is known
    other = _run("adapter", "train", "steel", "--resume", "--rank", 3, "--json")
    assert other.exit_code == 1
    assert "config (rank) differ" in json.loads(other.stdout)["error"]["message"]
    resumed = _run("adapter", "train", "steel", "--resume", "--no-report", "--json")
    assert resumed.exit_code == 0, resumed.stderr
    told = json.loads(resumed.stdout)
    assert (told["state"], told["steps"], told["config"]) == ("finished", 3, config.as_dict())
    assert states() == {"finished"}


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["adapter", "train", "steel", "--dataset", "nobody"], "angen dataset prepare"),
        (["adapter", "train", "../steel", "--dataset", "mine"], "letters, digits"),
        (["adapter", "train", "steel", "--dataset", "mine", "--resume"], "without --resume"),
        (["adapter", "train", "steel", "--dataset", "mine", "--model", "huge"], "angen-tiny"),
        (["adapter", "train", "steel", "--dataset", "mine", "--dropout", "1"], "Change it"),
        (["adapter", "train", "steel", "--dataset", "mine", "--targets", "heads"], "Change it"),
        (["adapter", "estimate", "--dataset", "mine", "--optimiser", "sgd"], "Change it"),
        (["adapter", "estimate", "--dataset", "nobody"], "angen dataset prepare"),
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
        ["adapter", "train", "steel", "--dataset", "mine", "--betas", "a,b"],
        ["adapter", "train", "steel", "--dataset", "mine", "--no-such-knob", "1"],
        ["adapter", "show"],
        ["adapter", "export", "steel", "--layout", "pickle"],
        ["adapter", "merge", "steel"],
        ["adapter", "combine", "one", "two"],
        ["adapter", "rename", "one"],
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
        *(["adapter", verb] for verb in VERBS),
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
        "--no-report",
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

"""`accelerate launch -m angen.training`: the whole way, with real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from angen.dataset import load_dataset
from angen.errors import DatasetError, TrainingError
from angen.model import load_model
from angen.settings import Settings
from angen.training import TrainConfig, train
from angen.workflows.latents import training_clips
from angen.workflows.launched import RunFile, interrupted_run, read_run, run_config
from angen.workflows.train import train_adapter

PATCHED = (  # calibrating takes minutes otherwise
    "import sys\n"
    "from angen.training.__main__ import main\n"
    "from angen.workflows import calibrate\n"
    "calibrate.NOISE_SCALES = calibrate.GUIDANCES = (1.0,)\n"
    "calibrate.PIECES = 1\n"
    "sys.exit(main())\n"
)
CONFIG = {
    "max_steps": 2, "batch_size": 2, "rank": 2, "dropout": 0.0, "crop_blocks": 1, "speed_shifts": [],
    "precision": "fp32", "sample_every": 0,
}  # fmt: skip


def _started(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(words, capture_output=True, text=True, timeout=300, check=False, env=environment)


class TestRunFiles:
    def test_toml_and_json_say_the_same(self, tmp_path: Path) -> None:
        (tmp_path / "a.toml").write_text('name = "a"\ndataset = "mine"\n[config]\nrank = 3\n')
        (tmp_path / "a.json").write_text('{"name": "a", "dataset": "mine", "config": {"rank": 3}}')
        runs = [read_run(tmp_path / name) for name in ("a.toml", "a.json")]
        assert runs == [RunFile(name="a", dataset="mine", config={"rank": 3})] * 2
        assert run_config(Settings(tmp_path), runs[0]) == TrainConfig(rank=3)

    @pytest.mark.parametrize(
        "text",
        ['{"name": "a"}', '{"name": "a", "dataset": "b", "resme": true}', '{"name": 1, "dataset": "b"}'],
    )
    def test_what_describes_no_run_is_refused(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(TrainingError, match=r"a\.json' describes no run"):
            read_run(tmp_path / "a.json")

    def test_a_preset_needs_its_dataset(self, settings: Settings, make_dataset: Callable[..., Any]) -> None:
        make_dataset()
        run = RunFile(name="a", dataset="mine", preset="thorough", config={"max_steps": 9})
        config = run_config(settings, run)
        assert (config.ema, config.max_steps, config.epochs) == (0.99, 9, None)
        with pytest.raises(DatasetError):
            run_config(settings, run.model_copy(update={"dataset": "elsewhere"}))
        with pytest.raises(TrainingError, match="did you mean rank"):
            run_config(settings, run.model_copy(update={"config": {"rnak": 3}}))


class TestResuming:
    def test_a_run_goes_on_with_the_settings_it_began_with(
        self, settings: Settings, small: Any, make_dataset: Callable[..., Any]
    ) -> None:
        make_dataset()
        config = TrainConfig.from_dict(CONFIG)
        train_adapter(settings, "a", "mine", config, small, should_stop=lambda: True)
        run = RunFile(name="a", dataset="mine", resume=True)
        assert run_config(settings, run) == config
        assert run_config(settings, run.model_copy(update={"resume": False})) == TrainConfig(epochs=30)
        other = run.model_copy(update={"config": {"rank": 3}})
        with pytest.raises(TrainingError, match=r"config \(rank\) differ"):
            train_adapter(settings, "a", "mine", run_config(settings, other), small, resume=True)
        assert interrupted_run(settings, "nobody") is None


@pytest.mark.slow
class TestLaunching:
    def test_two_make_the_adapter_that_one_makes(
        self, settings: Settings, make_dataset: Callable[..., Any], tmp_path: Path
    ) -> None:
        make_dataset(songs=2, seconds=2.0)
        (tmp_path / "patched.py").write_text(PATCHED)
        run = {"name": "by2", "dataset": "mine", "config": CONFIG, "report": False}
        (tmp_path / "run.json").write_text(json.dumps(run))
        words = [str(tmp_path / "patched.py"), "--home", str(settings.home)]
        start = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
        start += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
        ended = _started(*start, *words, "--run", str(tmp_path / "run.json"))
        assert ended.returncode == 0, ended.stderr[-4000:]
        (told,) = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
        assert (told["name"], told["state"], told["steps"]) == ("by2", "finished", 2)
        folder = tmp_path / "by1"
        model, dataset = load_model(), load_dataset(settings.training_data / "mine")
        clips, held_out = (training_clips(model, dataset, side) for side in ("train", "validation"))
        train(model, clips, held_out, TrainConfig.from_dict(CONFIG), folder)
        one, two = (
            load_file(root / "final" / "adapter_model.safetensors") for root in (folder, Path(told["folder"]))
        )
        assert one.keys() == two.keys()
        for name, value in one.items():
            assert value.allclose(two[name], atol=1e-4), name

    def test_what_is_refused_ends_with_1(self, settings: Settings, tmp_path: Path) -> None:
        (tmp_path / "run.toml").write_text('name = "a"\ndataset = "nobody"\n')
        words = ["--home", str(settings.home), "--run", str(tmp_path / "run.toml")]
        ended = _started(sys.executable, "-m", "angen.training", *words)
        assert ended.returncode == 1
        assert "no dataset 'nobody'" in ended.stderr

"""The whole workflow under faults: killed, run twice at once, fed with damaged caches and clips."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from angen.adapters import read_info
from angen.audio import Audio, read_audio
from angen.cli import app
from angen.dataset import Dataset, load_dataset, write_clip
from angen.errors import AdapterError, AngenError, AudioError, DatasetError, TrainingError
from angen.progress import Progress
from angen.settings import Settings
from angen.training import TrainConfig, read_events
from angen.training.checkpoint import checkpoints
from angen.workflows import calibrate as calibrating
from angen.workflows.latents import training_clips
from angen.workflows.train import TrainedAdapter, train_adapter

MakeDataset = Callable[..., Dataset]
Train = Callable[..., TrainedAdapter]
CONFIG = TrainConfig(
    epochs=4, batch_size=2, rank=2, learning_rate=1e-2, speed_shifts=(2,), warmup_steps=1, checkpoint_every=1,
    log_every=1,
)  # fmt: skip
KILLED: dict[str, Any] = {
    "epochs": 10, "batch_size": 2, "rank": 2, "warmup_steps": 1, "log_every": 1, "checkpoint_every": 2,
    "patience": 0, "keep_checkpoints": 2,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _quick_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrating, "NOISE_SCALES", (1.05,))
    monkeypatch.setattr(calibrating, "GUIDANCES", (0.75,))
    monkeypatch.setattr(calibrating, "PIECES", 2)


@pytest.fixture
def train(settings: Settings, small: Any) -> Train:
    def start(name: str = "mine", config: TrainConfig = CONFIG, **how: Any) -> TrainedAdapter:
        return train_adapter(settings, name, "mine", config, small, **how)

    return start


@pytest.fixture(scope="module")
def lives(_small_weights: Path) -> Iterator[Any]:
    """Trainers of the small model that can be killed: see `tests/training/lives.py`."""
    path = Path(__file__).parents[1] / "training" / "killing.py"
    spec = importlib.util.spec_from_file_location("killing", path)
    assert spec is not None
    assert spec.loader is not None
    sys.modules["killing"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    process = module.Lives(str(_small_weights))
    yield process
    process.close()


def _listed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    monkeypatch.setenv("ANGEN_HOME", str(settings.home))
    told = CliRunner().invoke(app, ["adapter", "list", "--json"])
    assert told.exit_code == 0, told.output
    return list(json.loads(told.stdout))


def _same(one: Path, other: Path) -> bool:
    return (one / "adapter_model.safetensors").read_bytes() == (
        other / "adapter_model.safetensors"
    ).read_bytes()


def test_killed_in_any_stage_it_is_listed_as_unfinished_and_ends_as_if_nobody_had_touched_it(
    lives: Any, settings: Settings, make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = make_dataset(songs=4, seconds=6.0)
    request: dict[str, Any] = {"workspace": str(settings.home), "settings": KILLED}
    folder, source = settings.loras / "killed", random.Random(1)
    for stage, done in (("encoding", 1), ("training", 0), ("training", 3), ("training", 8), ("calib", 0)):
        life = lives.begin(name="killed", resume=folder.exists() and any(folder.iterdir()), **request)
        while not any(
            line.startswith(f"at {stage}") and int(line.split()[-1]) >= done for line in life.lines
        ):
            assert lives.hear(life, 60), (stage, life.lines)
            assert not life.is_dead, life.lines
        time.sleep(source.uniform(0, 0.05))
        lives.kill(life)
        assert not life.ended
        assert list((dataset.folder / "latents").rglob("*.safetensors"))
        if stage != "encoding" and (folder / "best").exists():
            [row] = _listed(settings, monkeypatch)
            assert (row["name"], row["state"]) == ("killed", "interrupted")
            assert row["steps"] <= max(life.steps)
    assert lives.bury(lives.begin(name="killed", resume=True, **request)).ended == "done"
    assert lives.bury(lives.begin(name="whole", resume=False, **request)).ended == "done"
    for part in ("best", "final"):
        assert _same(folder / part, settings.loras / "whole" / part)
    first, second = (read_info(settings.loras / name) for name in ("killed", "whole"))
    alike = {"name": "", "created": "", "seconds": 0.0}
    assert first.model_copy(update=alike) == second.model_copy(update=alike)
    assert first.state == "finished"
    assert [path for root in (settings.loras, dataset.folder / "latents") for path in root.rglob(".*")] == []


def test_a_second_trainer_of_the_same_adapter_is_refused_and_the_first_goes_on(
    train: Train, make_dataset: MakeDataset
) -> None:
    make_dataset()
    refused: list[str] = []

    def second(progress: Progress) -> None:
        if (progress.stage, progress.done) == ("training", 2):
            for how in ({"resume": True}, {"replace_existing": True}):
                with pytest.raises(AdapterError, match=r"in use.*training") as caught:
                    train(**how)
                refused.append(str(caught.value))

    whole = train("whole")
    trained = train(on_progress=second)
    assert len(refused) == 2
    assert trained.result.train_losses == whole.result.train_losses


class TestCachedLatents:
    def _files(self, dataset: Dataset) -> list[Path]:
        return sorted((dataset.folder / "latents").rglob("*.safetensors"))

    @pytest.mark.parametrize(
        "wrong",
        [
            lambda latents: latents[:, :-1],
            lambda latents: latents.flatten(),
            lambda latents: latents[:0],
            lambda latents: latents.double(),
            lambda latents: torch.full_like(latents, torch.nan),
            lambda latents: latents.index_fill(0, torch.tensor([2]), torch.inf),
        ],
        ids=["other channels", "flat", "empty", "doubles", "nan", "one infinite frame"],
    )
    def test_foreign_ones_are_made_anew(
        self, small: Any, make_dataset: MakeDataset, wrong: Callable[[torch.Tensor], torch.Tensor]
    ) -> None:
        dataset = make_dataset()
        training_clips(small, dataset, "train")
        file = self._files(dataset)[0]
        whole = file.read_bytes()
        save_file({"latents": wrong(load_file(file)["latents"]).contiguous()}, file)
        before = len(small.encoded)
        training_clips(small, dataset, "train")
        assert len(small.encoded) == before + 1
        assert file.read_bytes() == whole

    def test_damaged_between_two_attempts_they_change_nothing(
        self, train: Train, make_dataset: MakeDataset
    ) -> None:
        dataset = make_dataset()
        whole = train("whole")
        train(should_stop=lambda: True)
        for file in self._files(dataset):
            file.write_bytes(file.read_bytes()[:50])
        resumed = train(resume=True)
        assert resumed.result.train_losses == whole.result.train_losses
        assert _same(resumed.folder / "final", whole.folder / "final")

    def test_what_a_dead_process_left_of_one_is_removed(self, small: Any, make_dataset: MakeDataset) -> None:
        dataset = make_dataset()
        training_clips(small, dataset, "train")
        half = self._files(dataset)[0].with_name(f".abc.{2**22 - 3}.0123abcd.part.safetensors")
        half.write_bytes(b"half")
        training_clips(small, dataset, "train")
        assert not half.exists()


class TestClips:
    def test_one_that_cannot_be_read_is_named_and_the_checkpoint_stays(
        self, train: Train, make_dataset: MakeDataset
    ) -> None:
        dataset = make_dataset()
        stopped = train(should_stop=lambda: True)
        path = dataset.audio_path(dataset.side("train")[0])
        sound = path.read_bytes()
        path.write_bytes(sound[: len(sound) // 2])
        with pytest.raises(DatasetError, match=path.name):
            train(resume=True)
        _with_hashes(dataset)  # as if it had been so from the first
        with pytest.raises(AudioError, match=path.name):
            train(resume=True)
        path.unlink()
        with pytest.raises(AngenError, match=path.name):
            train(resume=True)
        assert [folder.name for folder in checkpoints(stopped.folder / "checkpoints")] == ["step_000001"]
        path.write_bytes(sound)
        _with_hashes(dataset)
        assert train(resume=True).result.finished

    def test_other_sound_under_the_same_name_and_length_is_not_mixed_in(
        self, train: Train, make_dataset: MakeDataset
    ) -> None:
        dataset = make_dataset()
        train(should_stop=lambda: True)
        record = dataset.side("train")[0]
        before = read_audio(dataset.audio_path(record))
        write_clip(
            dataset.folder,
            record.clip_id,
            Audio(np.ascontiguousarray(before.samples[:, ::-1]), before.rate_hz),
        )
        _with_hashes(dataset)
        with pytest.raises(TrainingError, match=rf"clips \({record.clip_id}\)"):
            train(resume=True)


def _with_hashes(dataset: Dataset) -> Dataset:
    """The dataset on disk with the hashes its clips have now."""
    from angen.files import content_hash

    path = dataset.folder / "metadata.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line["sha256"] = content_hash(dataset.folder / line["file_name"])
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return load_dataset(dataset.folder)


def test_a_disk_that_refuses_the_latents_is_told_with_its_remedy(
    train: Train, make_dataset: MakeDataset, settings: Settings
) -> None:
    """A file stands where the cache would be, which refuses root as well as anybody."""
    dataset = make_dataset()
    (dataset.folder / "latents").write_text("in the way")
    with pytest.raises(TrainingError, match=r"latents.*Check the space"):
        train()


def test_metadata_follows_the_run(train: Train, make_dataset: MakeDataset, settings: Settings) -> None:
    make_dataset()
    seen: list[tuple[str, int, int]] = []

    def look(event: dict[str, Any]) -> None:
        if event["kind"] in ("best", "checkpoint"):
            info = read_info(settings.loras / "mine")
            seen.append((info.state, info.steps, info.best_step))
            first = next(
                line for line in read_events(settings.loras / "mine") if line["kind"] == "validation"
            )
            assert info.validation_loss_base == first["loss"]

    trained = train(config=dataclasses.replace(CONFIG, checkpoint_every=1), on_event=look)
    assert seen[0] == ("training", 0, 0)
    assert {state for state, _, _ in seen} == {"training"}
    assert [steps for _, steps, _ in seen] == sorted(steps for _, steps, _ in seen)
    assert seen[-1][1:] == (trained.result.steps, trained.result.best_step)

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from angen.adapters import AdapterInfo, list_adapters, read_info
from angen.dataset import Dataset
from angen.errors import AdapterError, DatasetError, TrainingError
from angen.model import AngenTiny
from angen.progress import Progress
from angen.report import read_report
from angen.settings import Settings
from angen.training import TrainConfig, read_events
from angen.workflows import calibrate as calibrating
from angen.workflows import estimate as estimating
from angen.workflows.adapter_report import ReportOptions
from angen.workflows.train import TrainedAdapter, train_adapter

MakeDataset = Callable[..., Dataset]
Train = Callable[..., TrainedAdapter]
CONFIG = TrainConfig(epochs=2, batch_size=2, rank=2, learning_rate=1e-2, speed_shifts=(2,), warmup_steps=1)


@pytest.fixture(autouse=True)
def _quick_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrating, "NOISE_SCALES", (1.05,))
    monkeypatch.setattr(calibrating, "GUIDANCES", (0.75,))
    monkeypatch.setattr(calibrating, "PIECES", 2)


@pytest.fixture
def train(settings: Settings, small: Any) -> Train:
    def start(
        name: str = "mine", dataset: str = "mine", config: TrainConfig = CONFIG, **how: Any
    ) -> TrainedAdapter:
        return train_adapter(settings, name, dataset, config, small, **how)

    return start


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


def _same(one: Path, other: Path) -> bool:
    first, second = _weights(one), _weights(other)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def _interrupt(stage: str, done: int) -> Callable[[Progress], None]:
    def on_progress(progress: Progress) -> None:
        if (progress.stage, progress.done) == (stage, done):
            raise KeyboardInterrupt

    return on_progress


class TestMetadata:
    def test_it_says_all_that_made_the_adapter(
        self, train: Train, settings: Settings, small: Any, make_dataset: MakeDataset
    ) -> None:
        dataset = make_dataset(prefix="steel drums", tempo_bpm=113.0)
        trained = train()
        info = trained.info
        assert list_adapters(settings.loras) == [info] == [read_info(settings.loras / "mine")]
        assert (info.name, info.state, info.style, info.tempo_bpm) == (
            "mine",
            "finished",
            "steel drums",
            113.0,
        )
        assert (info.base, info.base_hash) == (small.facts.id, small.facts.base_hash)
        assert (info.dataset, info.dataset_hash) == ("mine", dataset.info.sha256)
        assert info.config == CONFIG.as_dict()
        assert info.versions.keys() == {"python", "angen", "torch", "peft", "safetensors", "numpy"}
        result = trained.result
        assert (info.steps, info.best_step) == (result.steps, result.best_step)
        assert info.validation_loss_base == result.validations[0][1].loss
        assert info.validation_loss_best == min(score.loss for _, score in result.validations)
        assert info.validation_loss_final == result.validations[-1][1].loss
        losses = [loss for _, loss in result.train_losses]
        assert info.train_loss_final == pytest.approx(sum(losses) / len(losses))
        stored = json.loads((trained.folder / "metadata.json").read_text())
        assert stored.keys() == AdapterInfo.model_fields.keys()

    def test_its_noise_level_and_guidance_are_those_that_were_found(
        self, train: Train, make_dataset: MakeDataset
    ) -> None:
        make_dataset()
        trained = train()
        assert trained.result.best_step > 0
        assert (trained.info.noise_scale, trained.info.guidance) == (1.05, 0.75)

    def test_one_that_was_stopped_has_the_models_own(
        self, train: Train, small: Any, make_dataset: MakeDataset
    ) -> None:
        make_dataset()
        info = train(should_stop=lambda: True).info
        assert (info.noise_scale, info.guidance) == (small.facts.noise_scale, None)

    def test_the_models_own_music_is_drawn_only_for_a_share_of_it(
        self, train: Train, settings: Settings, small: Any, make_dataset: MakeDataset
    ) -> None:
        small.facts = dataclasses.replace(small.facts, own_styles=("rock", "jazz"))
        make_dataset()
        plain = train()
        assert not (settings.cache / "replay").exists()
        stages: list[str] = []
        config = dataclasses.replace(CONFIG, replay_share=0.5)
        mixed = train("mixed", config=config, on_progress=lambda progress: stages.append(progress.stage))
        assert "drawing the base's own music" in stages
        assert mixed.info.config["replay_share"] == 0.5
        assert mixed.result.train_losses != plain.result.train_losses
        assert mixed.result.base == plain.result.base  # validated on his songs alone

    def test_the_stages_follow_one_another(self, train: Train, make_dataset: MakeDataset) -> None:
        make_dataset()
        stages: list[str] = []
        train(on_progress=lambda progress: stages.append(progress.stage))
        assert list(dict.fromkeys(stages)) == ["encoding", "training", "calibrating"]

    def test_speed_shifts_become_copies(self, train: Train, small: Any, make_dataset: MakeDataset) -> None:
        make_dataset()
        train()
        assert len(small.encoded) == 2 * 2 + 1  # two clips at two speeds; none of the held-out one


class TestReport:
    OPTIONS = ReportOptions(pieces=1, seconds=2.0)

    def test_a_finished_run_has_its_report(self, train: Train, make_dataset: MakeDataset) -> None:
        make_dataset()
        assert train(should_stop=lambda: True, report=self.OPTIONS).report is None
        trained = train(resume=True, report=self.OPTIONS)
        assert trained.report == trained.folder / "report" / "index.html"
        assert read_report(trained.report.parent).best_step == trained.info.best_step

    def test_where_it_cannot_be_made_the_adapter_is_whole_and_the_reason_told(
        self, train: Train, make_dataset: MakeDataset
    ) -> None:
        make_dataset()
        stages, events = [""], []
        trained = train(
            report=self.OPTIONS,
            on_progress=lambda progress: stages.append(progress.stage),
            on_event=events.append,
            should_stop=lambda: stages[-1] == "generating, base",
        )
        assert (trained.info.state, trained.report) == ("finished", None)
        assert not (trained.folder / "report").exists()
        assert (events[-1]["kind"], events[-1]["type"]) == ("no report", "stopped")
        assert read_events(trained.folder)[-1] == events[-1]


class TestNames:
    def test_a_taken_name_is_refused_and_replaced_only_when_asked(
        self, train: Train, settings: Settings, make_dataset: MakeDataset
    ) -> None:
        make_dataset()
        former = train()
        (former.folder / "stray").write_text("of the former run")
        with pytest.raises(AdapterError, match=r"already an adapter 'mine'.*--replace"):
            train()
        assert read_info(former.folder) == former.info
        config = TrainConfig(**{**CONFIG.as_dict(), "speed_shifts": (2,), "rank": 3})
        replaced = train(config=config, replace_existing=True)
        assert replaced.info.config["rank"] == 3
        assert not (replaced.folder / "stray").exists()
        assert {
            weight.shape[0] for name, weight in _weights(replaced.folder / "best").items() if "lora_A" in name
        } == {3}
        assert [path.name for path in settings.loras.iterdir()] == ["mine"]

    def test_a_finished_run_cannot_be_resumed(self, train: Train, make_dataset: MakeDataset) -> None:
        make_dataset()
        trained = train()
        for how in ({}, {"replace_existing": True}):
            with pytest.raises(AdapterError, match="already an adapter"):
                train(resume=True, **how)
        assert read_info(trained.folder) == trained.info

    def test_what_was_never_begun_cannot_be_resumed(
        self, train: Train, settings: Settings, make_dataset: MakeDataset
    ) -> None:
        make_dataset()
        with pytest.raises(AdapterError, match="no run 'mine' to resume"):
            train(resume=True)
        assert not settings.loras.exists()

    @pytest.mark.parametrize("name", ["", "..", "../outside", "a/b", ".hidden", "two words"])
    def test_a_name_that_is_no_name_is_refused(
        self, train: Train, settings: Settings, make_dataset: MakeDataset, name: str
    ) -> None:
        make_dataset()
        with pytest.raises(AdapterError, match="cannot name an adapter"):
            train(name=name)
        assert not settings.loras.exists()

    def test_an_unknown_dataset_is_refused_and_nothing_begun(self, train: Train, settings: Settings) -> None:
        with pytest.raises(DatasetError, match="no dataset 'elsewhere'"):
            train(dataset="elsewhere")
        assert not settings.home.exists()

    @pytest.mark.parametrize("empty", ["train", "validation"])
    def test_a_dataset_with_an_empty_side_is_refused_and_the_former_adapter_stays(
        self, train: Train, small: Any, make_dataset: MakeDataset, empty: str
    ) -> None:
        make_dataset()
        former = train()
        small.encoded.clear()
        other = "validation" if empty == "train" else "train"
        make_dataset("lopsided", splits=(other, other, other))
        with pytest.raises(TrainingError, match="both need one at least"):
            train(dataset="lopsided", replace_existing=True)
        assert small.encoded == []
        assert read_info(former.folder) == former.info
        assert (former.folder / "best" / "adapter_model.safetensors").is_file()

    def test_a_full_disk_is_told_before_anything(
        self,
        train: Train,
        settings: Settings,
        small: Any,
        make_dataset: MakeDataset,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        make_dataset()
        monkeypatch.setattr(estimating, "free_bytes", lambda _: 10 * 2**20)
        with pytest.raises(TrainingError, match=r"needs \d+ MB of disk.*10 MB are free"):
            train()
        assert small.encoded == []
        assert not settings.loras.exists()

    def test_half_a_removal_of_a_former_run_is_no_adapter(
        self, train: Train, settings: Settings, make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_dataset()
        train()
        remove = shutil.rmtree

        def refuse(folder: Path, ignore_errors: bool = False) -> None:
            if not ignore_errors and folder.name.endswith(".former"):
                raise OSError(16, "Device or resource busy")
            remove(folder, ignore_errors=ignore_errors)

        with monkeypatch.context() as patch:
            patch.setattr(shutil, "rmtree", refuse)
            with pytest.raises(TrainingError, match="busy"):
                train(replace_existing=True)
        assert list_adapters(settings.loras) == []
        train()
        train(replace_existing=True)
        assert [path.name for path in settings.loras.iterdir()] == ["mine"]


class TestStopping:
    def test_a_stopped_run_is_listed_and_goes_on_exactly(
        self, train: Train, settings: Settings, make_dataset: MakeDataset
    ) -> None:
        make_dataset()
        whole = train("whole")
        stopped = train(should_stop=lambda: True)
        assert (stopped.info.state, stopped.info.steps) == ("training", 1)
        assert {info.name: info.state for info in list_adapters(settings.loras)} == {
            "whole": "finished",
            "mine": "training",
        }
        with pytest.raises(AdapterError, match="--resume"):
            train()
        resumed = train(resume=True)
        assert resumed.info.state == "finished"
        assert resumed.info.created == stopped.info.created
        assert resumed.result.train_losses == whole.result.train_losses
        assert (resumed.info.noise_scale, resumed.info.guidance) == (1.05, 0.75)
        for part in ("best", "final"):
            assert _same(resumed.folder / part, whole.folder / part)

    @pytest.mark.parametrize(("stage", "done"), [("training", 2), ("calibrating", 1)])
    def test_a_killed_run_goes_on_exactly(
        self, train: Train, settings: Settings, small: Any, make_dataset: MakeDataset, stage: str, done: int
    ) -> None:
        make_dataset()
        whole = train("whole")
        before = {name: value.clone() for name, value in small.network.state_dict().items()}
        with pytest.raises(KeyboardInterrupt):
            train(on_progress=_interrupt(stage, done))
        after = small.network.state_dict()
        assert before.keys() == after.keys()
        assert all(torch.equal(value, after[name]) for name, value in before.items())
        states = sorted((info.name, info.state) for info in list_adapters(settings.loras))
        assert states == [("mine", "training"), ("whole", "finished")]
        resumed = train(resume=True)
        assert resumed.result.train_losses == whole.result.train_losses
        assert resumed.info.noise_scale == whole.info.noise_scale
        assert _same(resumed.folder / "best", whole.folder / "best")

    def test_other_settings_cannot_resume_it(self, train: Train, make_dataset: MakeDataset) -> None:
        make_dataset()
        train(should_stop=lambda: True)
        with pytest.raises(TrainingError, match="other settings"):
            train(config=TrainConfig(rank=3), resume=True)
        assert train(resume=True).info.state == "finished"


class TestTheModel:
    def test_the_adapter_opens_with_plain_peft_on_the_packaged_model(
        self, settings: Settings, make_dataset: MakeDataset
    ) -> None:
        from peft import PeftModel

        model = AngenTiny()
        make_dataset(songs=2, seconds=2.0)
        config = TrainConfig(epochs=1, batch_size=1, rank=2, speed_shifts=(), crop_blocks=1)
        trained = train_adapter(settings, "mine", "mine", config, model)
        fresh = AngenTiny().network
        wrapped = PeftModel.from_pretrained(fresh, str(trained.folder / "final"))
        stored = _weights(trained.folder / "final")
        own = {
            name.replace(".default", ""): value
            for name, value in wrapped.state_dict().items()
            if "lora" in name
        }
        assert own.keys() == stored.keys()
        assert all(torch.equal(own[name], stored[name]) for name in stored)
        assert any(bool(value.any()) for name, value in stored.items() if "lora_B" in name)

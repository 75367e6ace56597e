from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from angen.dataset import Dataset
from angen.settings import Settings
from angen.training import TrainConfig
from angen.workflows import calibrate as calibrating
from angen.workflows.previews import SHARE, Previewer, preview_requests, read_previews
from angen.workflows.train import train_adapter

MakeDataset = Callable[..., Dataset]
CONFIG = TrainConfig(
    epochs=2, batch_size=2, rank=2, learning_rate=1e-2, warmup_steps=1, speed_shifts=(), speed_share=0.0
)


def _weights(folder: Path) -> dict[str, bytes]:
    return {part: (folder / part / "adapter_model.safetensors").read_bytes() for part in ("best", "final")}


def test_a_run_is_the_same_bit_for_bit_with_and_without_previews(
    settings: Settings, small: Any, make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("GUIDANCES", (1.0,)), ("NOISE_SCALES", (1.0,)), ("PIECES", 1)):
        monkeypatch.setattr(calibrating, name, value)  # what follows the run is not asked about
    make_dataset(prefix="steel drums")
    events: list[dict[str, Any]] = []
    runs = {}
    for name, every in (("heard", 1), ("unheard", 0)):
        config = CONFIG.changed(sample_every=every)
        runs[name] = train_adapter(settings, name, "mine", config, small, on_event=events.append)
    heard, unheard = runs["heard"], runs["unheard"]
    assert _weights(heard.folder) == _weights(unheard.folder)
    assert heard.result.train_losses == unheard.result.train_losses
    assert heard.result.validations == unheard.result.validations
    assert not (unheard.folder / "samples").exists()

    previews = read_previews(heard.folder)
    assert previews[0].step == 0
    assert [x.step for x in previews] == [x["step"] for x in events if x["kind"] == "sample"]
    for preview in previews:
        assert [sample.prompt for sample in preview.samples] == ["steel drums"] * 2
        assert [sample.seed for sample in preview.samples] == [500, 501]
        assert all((preview.folder / sample.file).stat().st_size > 1000 for sample in preview.samples)
    told = [json.loads(line) for line in (heard.folder / "log.jsonl").read_text().splitlines()]
    assert [x for x in told if x["kind"] == "sample"] == [x for x in events if x["kind"] == "sample"]


class Clock:
    """A clock that a run moves on."""

    def __init__(self) -> None:
        self.now = 0.0
        self.each = 0.0

    def __call__(self) -> float:
        self.now += self.each
        return self.now


@pytest.mark.parametrize(("between_s", "expected"), [(1000.0, [0, 1, 2, 3]), (25.0, [0, 2]), (0.1, [0])])
def test_previews_take_a_bounded_share_of_the_run(
    small: Any,
    make_dataset: MakeDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    between_s: float,
    expected: list[int],
) -> None:
    clock = Clock()
    dataset = make_dataset()
    preview = Previewer(small, dataset, CONFIG, tmp_path, clock=clock)
    draw = small.sample

    def slow(*given: Any, **named: Any) -> Any:
        clock.now += 5.0
        return draw(*given, **named)

    monkeypatch.setattr(small, "sample", slow)
    for step in range(4):
        preview(step)
        clock.now += between_s
    assert [x.step for x in read_previews(tmp_path)] == expected
    assert preview.spent_s - 5.0 <= SHARE * clock.now


def test_prompts_and_spacing_are_as_asked(small: Any, make_dataset: MakeDataset, tmp_path: Path) -> None:
    dataset = make_dataset(prefix="steel drums", tempo_bpm=111.0)
    own = preview_requests(small, dataset)
    assert {(x.prompt, x.tempo_bpm, x.seconds) for x in own} == {("steel drums", 111.0, 1.92)}
    assert [x.prompt for x in preview_requests(small, dataset, ("a", "b", "c"))] == ["a", "b", "c"]
    clock = Clock()
    clock.each = 1000.0
    preview = Previewer(small, dataset, CONFIG.changed(sample_every=2), tmp_path, clock=clock)
    preview.longest_s = 0.0
    for step in range(3):
        preview(step)
        clock.now += 1e6
    assert [x.step for x in read_previews(tmp_path)] == [0, 2]


def test_damaged_previews_are_left_out(tmp_path: Path) -> None:
    for name, text in (("step_000001", "{"), ("step_000002", '{"step": 2, "samples": []}')):
        (tmp_path / "samples" / name).mkdir(parents=True)
        (tmp_path / "samples" / name / "samples.json").write_text(text)
    assert [x.step for x in read_previews(tmp_path)] == [2]

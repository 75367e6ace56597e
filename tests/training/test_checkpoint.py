from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from angen.adapters.lora import LoraSpec, attach, detach, trainable
from angen.errors import TrainingError
from angen.training import TrainResult, checkpoint
from angen.training.checkpoint import (
    checkpoints,
    load_checkpoint,
    prune,
    read_state,
    save_checkpoint,
    whole_folder,
)
from angen.training.resume import read_events

Run = Callable[..., TrainResult]
Parts = tuple[Any, torch.optim.Optimizer]


def _attached(model: Any, seed: int) -> Parts:
    wrapped = attach(model.network, LoraSpec(4, 8.0, 0.0, model.facts.lora_targets), seed=seed)
    weights = list(trainable(wrapped).values())
    optimiser = torch.optim.AdamW(weights, lr=1e-2)
    source = torch.Generator().manual_seed(seed)
    for _ in range(2):
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=source)
        optimiser.step()
    return wrapped, optimiser


@pytest.fixture
def parts(model: Any) -> Iterator[Parts]:
    """An adapter that has moved, and its optimiser."""
    wrapped, optimiser = _attached(model, 1)
    yield wrapped, optimiser
    detach(wrapped)


def _contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_weights_and_moments_come_back_exactly(model: Any, parts: Parts, tmp_path: Path) -> None:
    wrapped, optimiser = parts
    save_checkpoint(tmp_path / "step_000002", wrapped, optimiser, {"step": 2})
    saved = {name: weight.detach().clone() for name, weight in trainable(wrapped).items()}
    moments = [{key: value.clone() for key, value in state.items()} for state in optimiser.state.values()]
    detach(wrapped)
    other, empty = _attached(model, 2)
    load_checkpoint(tmp_path / "step_000002", other, empty)
    assert all(torch.equal(weight, saved[name]) for name, weight in trainable(other).items())
    assert len(moments) == len(saved)
    for one, two in zip(moments, (empty.state[weight] for weight in trainable(other).values()), strict=True):
        assert one.keys() == two.keys() == {"step", "exp_avg", "exp_avg_sq"}
        assert all(torch.equal(one[key], two[key]) for key in one)
    assert read_state(tmp_path / "step_000002", ["step"]) == {"step": 2}


def test_a_checkpoint_is_no_pickle(parts: Parts, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "step_000001", *parts, {"step": 1})
    assert sorted(_contents(tmp_path)) == [
        f"step_000001/{name}"
        for name in (
            "adapter_config.json",
            "adapter_model.safetensors",
            "optimiser.safetensors",
            "state.json",
        )
    ]


@pytest.mark.parametrize("place", ["weights", "moments", "state"])
def test_a_crash_while_saving_leaves_the_old_checkpoint_and_nothing_else(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    wrapped, optimiser = parts
    save_checkpoint(tmp_path / "step_000001", wrapped, optimiser, {"step": 1})
    before = _contents(tmp_path)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    if place == "weights":
        monkeypatch.setattr(wrapped, "save_pretrained", full)
    else:
        monkeypatch.setattr(checkpoint, {"moments": "save_file", "state": "write_json"}[place], full)
    for name in ("step_000001", "step_000002"):
        with pytest.raises(OSError, match="No space"):
            save_checkpoint(tmp_path / name, wrapped, optimiser, {"step": 2})
        assert _contents(tmp_path) == before
        assert [path.name for path in tmp_path.iterdir()] == ["step_000001"]
        assert checkpoints(tmp_path) == [tmp_path / "step_000001"]


def test_a_full_disk_in_mid_run_leaves_a_run_that_can_be_resumed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(tmp_path / "whole")
    kept = checkpoint.save_file
    saves = iter(range(100))

    def full(tensors: dict[str, torch.Tensor], path: str, header: dict[str, str]) -> None:
        if next(saves) >= 3:
            Path(path).write_bytes(b"half of it")
            raise OSError(28, "No space left on device")
        kept(tensors, path, header)

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(TrainingError, match=r"No space.*step_000003, is intact.*--resume"):
        run(tmp_path / "full", checkpoint_every=1)
    monkeypatch.undo()
    folder = tmp_path / "full" / "checkpoints"
    assert [path.name for path in sorted(folder.iterdir())] == ["step_000002", "step_000003"]
    resumed = run(tmp_path / "full", checkpoint_every=1, resume=True)
    assert resumed.train_losses == whole.train_losses


def test_what_a_killed_process_left_half_written_is_not_listed(parts: Parts, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "step_000001", *parts, {"step": 1})
    shutil.copytree(tmp_path / "step_000001", tmp_path / ".step_000002.abcd.part")
    (tmp_path / "step_000003").mkdir()  # without its state, which is written last
    assert checkpoints(tmp_path) == [tmp_path / "step_000001"]


def test_a_folder_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "a" / "best"
    with whole_folder(target) as temporary:
        (temporary / "one").write_text("1")
        assert not target.exists()
    assert _contents(tmp_path) == {"a/best/one": b"1"}
    with whole_folder(target) as temporary:
        (temporary / "two").write_text("2")
        assert _contents(target) == {"one": b"1"}
    assert _contents(tmp_path) == {"a/best/two": b"2"}


def test_a_crash_in_the_middle_of_the_exchange_brings_the_old_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "best"
    target.mkdir()
    (target / "one").write_text("1")
    rename = Path.rename
    monkeypatch.setattr("angen.files.whole._exchange", lambda *_: False)  # as on other systems

    def refuse(path: Path, other: Path) -> Path:
        if path.name.endswith(".part"):
            raise OSError(5, "Input/output error")
        return rename(path, other)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="Input/output"), whole_folder(target) as temporary:
        (temporary / "two").write_text("2")
    assert _contents(tmp_path) == {"best/one": b"1"}


@pytest.mark.parametrize("keep", [1, 2, 5])
def test_pruning_keeps_the_last_ones(tmp_path: Path, keep: int) -> None:
    steps = [1, 2, 10, 999_999, 1_000_000]
    for step in steps:
        folder = tmp_path / f"step_{step:06d}"
        folder.mkdir()
        (folder / "state.json").write_text("{}")
    assert [path.name for path in checkpoints(tmp_path)] == [f"step_{step:06d}" for step in steps]
    prune(tmp_path, keep)
    assert [path.name for path in checkpoints(tmp_path)] == [f"step_{step:06d}" for step in steps[-keep:]]


def _rewrite(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        file = folder / "optimiser.safetensors"
        with safe_open(file, framework="pt") as opened:
            header = opened.metadata()
        save_file(change(load_file(file)), file, header)

    return damage


def _shorten(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).write_bytes((folder / name).read_bytes()[:40])

    return damage


def _nonsense(folder: Path) -> None:
    state = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps({**state, "validations": 3}))


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "state cut": _shorten("state.json"),
    "state empty": lambda folder: (folder / "state.json").write_bytes(b""),
    "state a list": lambda folder: (folder / "state.json").write_text("[]"),
    "state of nothing": lambda folder: (folder / "state.json").write_text("{}"),
    "state missing": lambda folder: (folder / "state.json").unlink(),
    "state of nonsense": _nonsense,
    "state no text": lambda folder: (folder / "state.json").write_bytes(b"\xff\xfe\x00"),
    "optimiser cut": _shorten("optimiser.safetensors"),
    "optimiser missing": lambda folder: (folder / "optimiser.safetensors").unlink(),
    "optimiser without a header": lambda folder: save_file({}, folder / "optimiser.safetensors"),
    "optimiser empty": _rewrite(lambda stored: {}),
    "optimiser misshapen": _rewrite(
        lambda stored: {key: value.new_zeros(3) for key, value in stored.items()}
    ),
    "optimiser of other names": _rewrite(lambda stored: {f"{key}x": value for key, value in stored.items()}),
    "optimiser of fewer names": _rewrite(lambda stored: dict(list(stored.items())[3:])),
    "optimiser of fewer kinds": _rewrite(lambda stored: dict(list(stored.items())[1:])),
    "weights cut": _shorten("adapter_model.safetensors"),
    "weights missing": lambda folder: (folder / "adapter_model.safetensors").unlink(),
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test that needs it puts a run stopped at step 3."""
    return tmp_path_factory.mktemp("shared") / "stopped"


@pytest.fixture
def stopped(run: Run, shared: Path, tmp_path: Path) -> Path:
    """A run that was stopped at step 3."""
    if not shared.exists():
        steps = iter(range(1, 10))
        run(shared, checkpoint_every=1, should_stop=lambda: next(steps) >= 3)
    shutil.copytree(shared, tmp_path / "stopped")
    return tmp_path / "stopped"


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_serves(
    run: Run, stopped: Path, damage: str
) -> None:
    folder = stopped / "checkpoints"
    DAMAGES[damage](folder / "step_000003")
    notes: list[str] = []
    how = {"should_stop": lambda: True, "on_progress": lambda progress: notes.append(progress.note)}
    assert run(stopped, checkpoint_every=1, resume=True, **how).steps == 3
    assert "step_000003" in notes[0]
    assert notes[0].endswith("Going on from step 2.")
    [told] = [event for event in read_events(stopped) if event["kind"] == "damaged"]
    assert "step_000003" in told["problem"]
    [aside] = folder.glob(".step_000003.*.damaged")
    assert aside.is_dir()
    assert [path.name for path in checkpoints(folder)] == ["step_000002", "step_000003"]


@pytest.mark.parametrize("damage", ["state of nonsense", "optimiser cut", "weights missing"])
def test_without_any_whole_checkpoint_the_newest_is_named(run: Run, stopped: Path, damage: str) -> None:
    before = _contents(stopped / "best")
    for step in (2, 3):
        DAMAGES[damage](stopped / "checkpoints" / f"step_00000{step}")
    with pytest.raises(TrainingError, match=r"step_000003.*--replace"):
        run(stopped, checkpoint_every=1, resume=True)
    assert [path.name for path in _folders(stopped / "checkpoints")] == ["step_000002", "step_000003"]
    assert _contents(stopped / "best") == before


def _folders(root: Path) -> list[Path]:
    return sorted(root.iterdir())


def test_the_checkpoint_before_a_damaged_one_serves(run: Run, stopped: Path) -> None:
    shutil.rmtree(stopped / "checkpoints" / "step_000003")  # as the remedy says
    assert run(stopped, checkpoint_every=1, resume=True).finished


def test_losses_survive_the_state_exactly(run: Run, tmp_path: Path) -> None:
    result = run(tmp_path)
    state = json.loads((tmp_path / "checkpoints" / "step_000006" / "state.json").read_text())
    read = TrainResult.from_state(state)
    assert (read.train_losses, read.validations) == (result.train_losses, result.validations)
    assert (read.steps, read.best_step) == (result.steps, result.best_step)

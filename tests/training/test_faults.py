"""What goes wrong around a run, and what is left of it: the last checkpoint, and an error that says what to do."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from angen.errors import TrainingError
from angen.files import remove_left_overs, whole_folder
from angen.training import TrainResult
from angen.training.checkpoint import checkpoints
from angen.training.events import LOG
from angen.training.resume import cut_events, read_events, result_so_far

Run = Callable[..., TrainResult]
SETTINGS: dict[str, Any] = {
    "epochs": 10, "batch_size": 2, "rank": 4, "warmup_steps": 2, "log_every": 1, "checkpoint_every": 3,
    "validate_every": 2, "learning_rate": 1e-3, "patience": 0,
}  # fmt: skip


@dataclasses.dataclass
class SmallDisk:
    """A real disk of 2 MiB in memory, mounted where only the trainer's process tree sees it.

    Attributes:
        lives: The process that forks trainers there.
        mounted: Where it is for them.
        seen: The same place for this process.
    """

    lives: Any
    mounted: Path
    seen: Path

    def remount(self, mode: str) -> None:
        """Make it read-only (`ro`) or writable again (`rw`)."""
        process = str(self.lives.process.pid)
        words = ["nsenter", "-t", process, "-U", "-m", "--preserve-credentials"]
        subprocess.run([*words, "mount", "-o", f"remount,{mode}", str(self.mounted)], check=True)

    def fill(self, leave_bytes: int) -> None:
        """Take up all its room but a little."""
        free = shutil.disk_usage(self.seen).free
        (self.seen / "ballast").write_bytes(b"\1" * (free - leave_bytes))


@pytest.fixture(scope="module")
def small_disk(killing: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    folder = tmp_path_factory.mktemp("disk")
    mount = ["unshare", "-Urm", "sh", "-c", 'mount -t tmpfs -o size=2m none "$0" && exec "$@"', str(folder)]
    if shutil.which("unshare") is None or subprocess.run([*mount, "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a disk of their own")
    lives = killing.Lives(within=mount)
    yield SmallDisk(lives, folder, Path(f"/proc/{lives.process.pid}/root{folder}"))
    lives.close()


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


def _same(one: Path, other: Path) -> bool:
    return (one / "adapter_model.safetensors").read_bytes() == (
        other / "adapter_model.safetensors"
    ).read_bytes()


class TestDisk:
    """One run on a disk that fills up, turns read-only, and is well again."""

    def test_full_or_read_only_the_run_stops_whole_and_goes_on_exactly(self, small_disk: SmallDisk) -> None:
        lives, seen = small_disk.lives, small_disk.seen

        def live(name: str) -> str:
            life = lives.begin(folder=str(small_disk.mounted / name), settings=SETTINGS)
            return str(lives.bury(life).ended)

        assert live("whole") == "done"
        (seen / "run").mkdir()
        shutil.copytree(seen / "whole" / "best", seen / "run" / "best")  # of another run: to be replaced
        small_disk.fill(150_000)  # room for a checkpoint or two
        told = live("run")
        assert told.startswith("failed TrainingError")
        assert "No space left on device" in told
        assert "is intact" in told
        assert "--resume" in told
        before = self._whole_ones(seen / "run")
        assert before
        small_disk.remount("ro")
        told = live("run")
        assert told.startswith("failed TrainingError")
        assert "Read-only file system" in told
        assert f"{before[-1]}, is intact" in told
        small_disk.remount("rw")
        assert self._whole_ones(seen / "run") == before
        (seen / "ballast").unlink()
        assert live("run") == "done"
        assert _same(seen / "run" / "final", seen / "whole" / "final")
        assert _same(seen / "run" / "best", seen / "whole" / "best")
        losses = [
            [line["loss"] for line in read_events(seen / name) if line["kind"] == "step"]
            for name in ("run", "whole")
        ]
        assert losses[0] == losses[1]

    def _whole_ones(self, folder: Path) -> list[str]:
        """Names of the checkpoints, each of which loads; nothing half-written is beside them."""
        for place in (folder / "checkpoints").iterdir():
            assert not place.name.startswith("."), place
            load_file(place / "optimiser.safetensors")
            _weights(place)
            json.loads((place / "state.json").read_text())
        _weights(folder / "best")
        return [place.name for place in checkpoints(folder / "checkpoints")]

    def test_a_file_where_a_folder_should_be_is_named(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "checkpoints").write_text("in the way")
        with pytest.raises(TrainingError, match=r"checkpoints.*no checkpoint yet.*space on the disk"):
            run(tmp_path / "run")


class TestNumbers:
    """Planted in the data: what is no number is told, and never becomes a checkpoint."""

    def _broken(self, model: Any, value: float) -> Any:
        clip = model.clip("broken", 16, (-2, 3))
        versions = [
            dataclasses.replace(version, latents=torch.full_like(version.latents, value))
            for version in (clip.original, *clip.shifted)
        ]
        return dataclasses.replace(clip, original=versions[0], shifted=tuple(versions[1:]))

    @pytest.mark.parametrize("value", [math.nan, math.inf, 1e30])
    def test_latents_that_are_no_numbers_end_the_run(
        self, run: Run, model: Any, tmp_path: Path, value: float
    ) -> None:
        good = [model.clip(f"clip{frames}", frames, (-2, 3)) for frames in (16, 20, 24)]
        how: dict[str, Any] = {
            "clips": [*good, self._broken(model, value)],
            "batch_size": 1,
            "accumulation": 1,
        }
        with pytest.raises(
            TrainingError, match=r"(loss|gradient) of step \d+ is (nan|inf).*lower learning rate"
        ):
            run(tmp_path, checkpoint_every=1, keep_checkpoints=100, epochs=10, **how)
        for folder in (tmp_path / "best", *checkpoints(tmp_path / "checkpoints")):
            assert all(bool(value.isfinite().all()) for value in _weights(folder).values())

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_held_out_latents_that_are_no_numbers_end_it_before_the_first_step(
        self, run: Run, model: Any, tmp_path: Path, value: float
    ) -> None:
        with pytest.raises(TrainingError, match="held-out loss of step 0"):
            run(tmp_path, held_out=[self._broken(model, value)])
        assert not (tmp_path / "best").exists()

    def test_weights_that_are_no_numbers_are_never_written(
        self, run: Run, model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Loss and gradient may still be numbers when the step itself leaves them."""
        steps = iter(range(1, 100))
        step = torch.optim.AdamW.step

        def overflow(optimiser: torch.optim.AdamW, *_: Any) -> None:
            step(optimiser)
            if next(steps) == 3:  # not validated, so only saving can notice
                optimiser.param_groups[0]["params"][0].data.fill_(math.inf)

        monkeypatch.setattr(torch.optim.AdamW, "step", overflow)
        with pytest.raises(TrainingError, match="no longer numbers"):
            run(tmp_path, checkpoint_every=1)
        assert checkpoints(tmp_path / "checkpoints")[-1].name == "step_000002"


class TestChangedMusic:
    def test_other_sound_under_the_same_name_words_and_length_is_noticed(
        self, run: Run, model: Any, tmp_path: Path
    ) -> None:
        clips = [model.clip("one", 16, (-2, 3)), model.clip("two", 16, (-2, 3))]
        run(tmp_path, clips=clips, should_stop=lambda: True)
        for where in ("original", "shifted"):
            versions = [clips[1].original, *clips[1].shifted]
            at = 0 if where == "original" else 2
            latents = versions[at].latents.clone()
            latents[3, 1] += 1e-6
            versions[at] = dataclasses.replace(versions[at], latents=latents)
            edited = dataclasses.replace(clips[1], original=versions[0], shifted=tuple(versions[1:]))
            with pytest.raises(TrainingError, match=r"step_000001.*clips \(two\)"):
                run(tmp_path, clips=[clips[0], edited], resume=True)
        assert run(tmp_path, clips=clips, resume=True).finished

    def test_the_knob_that_differs_is_named(self, run: Run, tmp_path: Path) -> None:
        run(tmp_path, should_stop=lambda: True)
        with pytest.raises(TrainingError, match=r"config \(alpha, rank\)"):
            run(tmp_path, rank=8, alpha=4.0, resume=True)


class TestLog:
    def _write(self, folder: Path, *events: dict[str, Any], rest: str = "") -> None:
        (folder / LOG).write_text("".join(json.dumps(event) + "\n" for event in events) + rest)

    def test_what_will_be_told_again_is_taken_out(self, tmp_path: Path) -> None:
        lines = [
            {"kind": "validation", "step": 0, "loss": 1.0},
            {"kind": "step", "step": 1, "loss": 1.0},
            {"kind": "resumed", "step": 1},
            {"kind": "step", "step": 2, "loss": 2.0},
            {"kind": "checkpoint", "step": 2},
            {"kind": "best", "step": 2},
            {"kind": "step", "step": 3, "loss": 3.0},
        ]
        self._write(tmp_path, *lines, rest='{"kind": "step", "ste')
        assert [event["step"] for event in read_events(tmp_path)] == [0, 1, 1, 2, 2, 2, 3]
        assert cut_events(tmp_path, 2) == 1
        assert read_events(tmp_path) == lines[:5]  # the best is written again where a run goes on from it
        assert (tmp_path / LOG).read_text().endswith("}\n")
        assert cut_events(tmp_path, -1) == 2
        assert read_events(tmp_path) == []

    def test_no_log_is_an_empty_one(self, tmp_path: Path) -> None:
        assert read_events(tmp_path) == []
        assert cut_events(tmp_path, 5) == 0

    def test_it_holds_what_the_run_came_to(self, run: Run, tmp_path: Path) -> None:
        result = run(tmp_path, log_every=1)
        told = result_so_far(tmp_path)
        assert (told.steps, told.best_step) == (result.steps, result.best_step)
        assert (told.validations, told.train_losses) == (result.validations, result.train_losses)


class TestLeftOvers:
    DEAD = 2**22 - 3  # beyond what a process is numbered here

    def test_what_a_dead_process_left_is_removed_and_a_living_ones_stays(self, tmp_path: Path) -> None:
        (tmp_path / "best").mkdir()
        (tmp_path / f".best.{self.DEAD}.0123abcd.part").mkdir()
        (tmp_path / f".best.{self.DEAD}.0123abcd.old").mkdir()
        (tmp_path / f".metadata.{self.DEAD}.0123abcd.part.json").write_text("{")
        (tmp_path / ".best.1.0123abcd.part").mkdir()
        (tmp_path / ".somebody's.part").mkdir()
        remove_left_overs(tmp_path)
        left = {path.name for path in tmp_path.iterdir()}
        assert left == {"best", ".best.1.0123abcd.part", ".somebody's.part"}

    def test_what_was_moved_aside_comes_back_if_nothing_took_its_place(self, tmp_path: Path) -> None:
        aside = tmp_path / f".best.{self.DEAD}.0123abcd.old"
        aside.mkdir()
        (aside / "weights").write_text("1")
        remove_left_overs(tmp_path)
        assert (tmp_path / "best" / "weights").read_text() == "1"
        assert [path.name for path in tmp_path.iterdir()] == ["best"]

    def test_a_folder_that_is_replaced_is_there_at_every_moment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target = tmp_path / "best"
        renames: list[Path] = []
        monkeypatch.setattr(Path, "rename", lambda path, _: renames.append(path))
        target.mkdir()
        with whole_folder(target) as temporary:
            (temporary / "two").write_text("2")
        assert [path.name for path in target.iterdir()] == ["two"]
        assert renames == []  # one exchange of the system, not two renames
        assert [path.name for path in tmp_path.iterdir()] == ["best"]

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from angen.errors import TrainingError
from angen.model import precision
from angen.progress import Progress
from angen.training import TrainConfig, TrainResult, Validation, loop, validate
from angen.training.checkpoint import checkpoints
from angen.training.loop import learning_rate

Run = Callable[..., TrainResult]
Weights = dict[str, torch.Tensor]


class KilledError(Exception):
    """What ends a process at any place."""


def _weights(folder: Path) -> Weights:
    return load_file(folder / "adapter_model.safetensors")


def _same(one: Weights, other: Weights) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _base(model: Any) -> Weights:
    return {name: value.clone() for name, value in model.network.state_dict().items()}


def _log(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]


def _stop_after(step: int) -> Callable[[], bool]:
    asked = iter(range(1, 10_000))
    return lambda: next(asked) >= step


def _kill_at(step: int) -> Callable[[Progress], None]:
    def on_progress(progress: Progress) -> None:
        if progress.done == step:
            raise KilledError

    return on_progress


def _assert_equal(resumed: TrainResult, folder: Path, whole: TrainResult, whole_folder: Path) -> None:
    assert resumed.finished
    assert resumed.train_losses == whole.train_losses
    assert resumed.validations == whole.validations
    assert resumed.best_step == whole.best_step
    for part in ("final", "best"):
        assert _same(_weights(folder / part), _weights(whole_folder / part)), part


class TestResume:
    """Six steps of two batches each, with dropout and copies at other speeds; validations at 0, 2, 4 and 6."""

    @pytest.fixture
    def whole(self, run: Run, tmp_path: Path) -> TrainResult:
        return run(tmp_path / "whole")

    @pytest.mark.parametrize("step", [1, 2, 3, 5])
    def test_a_stopped_run_goes_on_as_if_it_had_never_stopped(
        self, run: Run, whole: TrainResult, tmp_path: Path, step: int
    ) -> None:
        folder = tmp_path / "stopped"
        stopped = run(folder, should_stop=_stop_after(step))
        assert (stopped.finished, stopped.steps) == (False, step)
        assert not (folder / "final").exists()
        _assert_equal(run(folder, resume=True), folder, whole, tmp_path / "whole")

    @pytest.mark.parametrize("step", [1, 4, 5])
    def test_a_killed_run_goes_on_from_its_last_checkpoint(
        self, run: Run, whole: TrainResult, tmp_path: Path, step: int
    ) -> None:
        folder, every = tmp_path / "killed", 3
        # the same settings but for the checkpoints, which change nothing of what is learnt
        with pytest.raises(KilledError):
            run(folder, checkpoint_every=every, on_progress=_kill_at(step))
        assert not (folder / "final").exists()
        resumed = run(folder, checkpoint_every=every, resume=True)
        _assert_equal(resumed, folder, whole, tmp_path / "whole")

    def test_a_run_may_be_stopped_again_and_again(self, run: Run, whole: TrainResult, tmp_path: Path) -> None:
        folder = tmp_path / "often"
        for step in range(1, 6):
            assert run(folder, resume=True, should_stop=lambda: True).steps == step
        _assert_equal(run(folder, resume=True), folder, whole, tmp_path / "whole")

    def test_a_run_killed_before_its_last_file_only_writes_that(
        self, run: Run, whole: TrainResult, tmp_path: Path
    ) -> None:
        folder = tmp_path / "whole"
        before = _weights(folder / "final")
        (folder / "final").rename(folder / "lost")
        resumed = run(folder, resume=True)
        assert (resumed.finished, resumed.train_losses) == (True, whole.train_losses)
        assert _same(_weights(folder / "final"), before)

    def test_best_is_of_its_step_even_after_a_kill(self, run: Run, model: Any, tmp_path: Path) -> None:
        with pytest.raises(KilledError):
            run(tmp_path, checkpoint_every=3, epochs=4, on_progress=_kill_at(7))  # step 6 was the best so far
        stopped = run(tmp_path, checkpoint_every=3, epochs=4, resume=True, should_stop=lambda: True)
        whole = run(tmp_path / "whole", epochs=4, checkpoint_every=1, keep_checkpoints=100)
        assert stopped.best_step > 0
        assert _same(
            _weights(tmp_path / "best"),
            _weights(tmp_path / "whole" / "checkpoints" / f"step_{stopped.best_step:06d}"),
        )
        assert whole.validations[: len(stopped.validations)] == stopped.validations

    def test_best_that_was_lost_with_the_process_is_written_again(self, run: Run, tmp_path: Path) -> None:
        stopped = run(tmp_path, should_stop=_stop_after(2))
        assert stopped.best_step == 2
        saved = _weights(tmp_path / "best")
        (tmp_path / "best" / "adapter_model.safetensors").unlink()
        with pytest.raises(KilledError):
            run(tmp_path, resume=True, on_progress=_kill_at(3))
        assert _same(_weights(tmp_path / "best"), saved)

    def test_resume_without_a_checkpoint_is_a_start(
        self, run: Run, whole: TrainResult, tmp_path: Path
    ) -> None:
        folder = tmp_path / "new"
        _assert_equal(run(folder, resume=True), folder, whole, tmp_path / "whole")

    @pytest.mark.parametrize(
        "other",
        [{"rank": 8}, {"alpha": 9.0}, {"seed": 1}, {"epochs": 4}, {"learning_rate": 1e-3}, {"dora": True}],
        ids=str,
    )
    def test_other_settings_are_refused(self, run: Run, tmp_path: Path, other: dict[str, Any]) -> None:
        run(tmp_path, should_stop=_stop_after(3))
        with pytest.raises(TrainingError, match="step_000003"):
            run(tmp_path, resume=True, **other)

    def test_other_clips_are_refused(self, run: Run, model: Any, tmp_path: Path) -> None:
        run(tmp_path, should_stop=_stop_after(3))
        for side in ("clips", "held_out"):
            with pytest.raises(TrainingError, match="other settings or clips"):
                run(tmp_path, resume=True, **{side: [model.clip("another", 16, (-2, 3))]})
        assert run(tmp_path, resume=True).finished  # nothing was lost

    def test_another_caption_is_refused(self, run: Run, model: Any, tmp_path: Path) -> None:
        clips = [model.clip("one", 16, (-2, 3)), model.clip("two", 16, (-2, 3))]
        run(tmp_path, clips=clips, should_stop=_stop_after(1))
        for index in (0, 1):
            words = list(clips[1].original.conditions)
            words[index] = model.conditions("rewritten")
            edited = dataclasses.replace(clips[1].original, conditions=tuple(words))
            with pytest.raises(TrainingError, match="other settings or clips"):
                run(tmp_path, resume=True, clips=[clips[0], dataclasses.replace(clips[1], original=edited)])

    def test_other_replayed_music_is_refused(self, run: Run, model: Any, tmp_path: Path) -> None:
        own = [model.clip("own", 16)]
        run(tmp_path, replay=own, replay_share=0.5, should_stop=_stop_after(1))
        for other in ([], [model.clip("others", 16)], [*own, model.clip("others", 16)]):
            with pytest.raises(TrainingError, match="other settings or clips"):
                run(tmp_path, replay=other, replay_share=0.5, resume=True)
        assert run(tmp_path, replay=own, replay_share=0.5, resume=True).finished

    def test_a_run_with_replay_goes_on_as_if_it_had_never_stopped(
        self, run: Run, whole: TrainResult, model: Any, tmp_path: Path
    ) -> None:
        how: dict[str, Any] = {
            "replay": [model.clip("own", 16), model.clip("others", 20)],
            "replay_share": 0.4,
        }
        uninterrupted = run(tmp_path / "one", **how)
        assert uninterrupted.train_losses != whole.train_losses
        run(tmp_path / "two", should_stop=_stop_after(3), **how)
        resumed = run(tmp_path / "two", resume=True, **how)
        _assert_equal(resumed, tmp_path / "two", uninterrupted, tmp_path / "one")

    def test_the_log_says_where_it_was_resumed(self, run: Run, tmp_path: Path) -> None:
        run(tmp_path, should_stop=_stop_after(3))
        run(tmp_path, resume=True)
        assert [line["step"] for line in _log(tmp_path, "stopped")] == [3]
        assert [line["step"] for line in _log(tmp_path, "resumed")] == [3]


class TestPatience:
    """Two steps an epoch, a scripted score after each: 0.6 at step 4 is the best, and nothing comes after it."""

    SCORES: ClassVar = {0: 1.0, 2: 0.8, 4: 0.6, 6: 0.9, 8: 0.7, 10: 0.65, 12: 0.1}
    HOW: ClassVar[dict[str, Any]] = {"epochs": 6, "checkpoint_every": 100}

    @pytest.fixture(autouse=True)
    def _scripted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Scores by how many steps were done, which a resumed run and an unbroken one agree on."""
        notes = loop._Run._validate

        def validate_at(run: Any) -> None:
            def scripted(*_: Any, **__: Any) -> Validation:
                loss = self.SCORES[run.result.steps]
                return Validation(loss, (loss,) * 5)

            monkeypatch.setattr(loop, "validate", scripted)
            notes(run)

        monkeypatch.setattr(loop._Run, "_validate", validate_at)

    @pytest.mark.parametrize(
        ("patience", "steps", "best"), [(0, 12, 12), (1, 6, 4), (2, 8, 4), (3, 10, 4), (4, 12, 12)]
    )
    def test_a_run_ends_after_as_many_validations_without_a_new_best(
        self, run: Run, tmp_path: Path, patience: int, steps: int, best: int
    ) -> None:
        result = run(tmp_path, patience=patience, **self.HOW)
        assert (result.steps, result.best_step, result.finished) == (steps, best, True)
        assert [step for step, _ in result.validations] == list(range(0, steps + 1, 2))
        assert (tmp_path / "final").is_dir()
        settled = [(line["step"], line["best_step"]) for line in _log(tmp_path, "settled")]
        assert settled == ([(steps, best)] if steps < 12 else [])

    def test_a_settled_run_is_the_beginning_of_a_longer_one(self, run: Run, tmp_path: Path) -> None:
        settled = run(tmp_path / "settled", patience=2, **self.HOW)
        whole = run(tmp_path / "whole", **{**self.HOW, "checkpoint_every": 8, "keep_checkpoints": 10})
        assert settled.train_losses == whole.train_losses[:8]
        at_8 = _weights(tmp_path / "whole" / "checkpoints" / "step_000008")
        assert _same(_weights(tmp_path / "settled" / "final"), at_8)

    @pytest.mark.parametrize("step", [3, 4, 6, 7, 8])
    def test_stopped_anywhere_it_goes_on_to_the_same_end(self, run: Run, tmp_path: Path, step: int) -> None:
        whole = run(tmp_path / "whole", patience=2, **self.HOW)
        folder = tmp_path / "stopped"
        stopped = run(folder, patience=2, should_stop=_stop_after(step), **self.HOW)
        assert stopped.finished == (step == 8)  # asked to stop at its last step, it has finished
        resumed = run(folder, patience=2, resume=True, **self.HOW)
        _assert_equal(resumed, folder, whole, tmp_path / "whole")
        assert resumed.steps == 8

    @pytest.mark.parametrize("step", [5, 8])
    def test_killed_anywhere_it_goes_on_to_the_same_end(self, run: Run, tmp_path: Path, step: int) -> None:
        whole = run(tmp_path / "whole", patience=2, **self.HOW)
        folder = tmp_path / "killed"
        with pytest.raises(KilledError):
            run(folder, patience=2, on_progress=_kill_at(step), **self.HOW)
        resumed = run(folder, patience=2, resume=True, **self.HOW)
        _assert_equal(resumed, folder, whole, tmp_path / "whole")

    def test_a_settled_run_without_its_last_file_only_writes_that(self, run: Run, tmp_path: Path) -> None:
        whole = run(tmp_path, patience=2, **self.HOW)
        before = _weights(tmp_path / "final")
        (tmp_path / "final").rename(tmp_path / "lost")
        again = run(tmp_path, patience=2, resume=True, **self.HOW)
        assert (again.finished, again.train_losses) == (True, whole.train_losses)
        assert _same(_weights(tmp_path / "final"), before)


class TestOnlyTheAdapterMoves:
    def test_the_base_is_the_base_again_bit_for_bit(self, run: Run, model: Any, tmp_path: Path) -> None:
        before = _base(model)
        run(tmp_path)
        assert _same(_base(model), before)
        assert not model.network.training
        assert not any(weight.requires_grad for weight in model.network.parameters())

    @pytest.mark.parametrize("step", [0, 1, 4])
    def test_also_after_an_exception(self, run: Run, model: Any, tmp_path: Path, step: int) -> None:
        before = _base(model)
        with pytest.raises(KilledError):
            run(tmp_path, on_progress=_kill_at(step))
        assert _same(_base(model), before)
        assert not model.network.training
        assert not any(weight.requires_grad for weight in model.network.parameters())

    def test_every_tensor_of_the_adapter_moves_and_no_other_is_saved(self, run: Run, tmp_path: Path) -> None:
        run(tmp_path)
        run(tmp_path / "start", on_progress=lambda _: None, should_stop=_stop_after(1))
        first, last = _weights(tmp_path / "start" / "best"), _weights(tmp_path / "final")
        assert all(".lora_A." in name or ".lora_B." in name for name in last)
        assert [name for name in last if torch.equal(first[name], last[name])] == []

    def test_the_adapter_opens_with_plain_peft_and_scores_as_it_said(
        self, run: Run, model: Any, tmp_path: Path
    ) -> None:
        from peft import PeftModel

        result = run(tmp_path)
        held_out = [model.clip(f"held{frames}", frames) for frames in (16, 11)]
        wrapped = PeftModel.from_pretrained(model.network, str(tmp_path / "final"))
        assert validate(model, held_out, 8) == result.validations[-1][1]
        wrapped.unload()


class TestLoss:
    @pytest.mark.parametrize(("batch_size", "accumulation"), [(2, 2), (1, 4)])
    def test_accumulation_changes_neither_the_reported_loss_nor_what_is_learnt(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_size: int, accumulation: int
    ) -> None:
        monkeypatch.setattr(precision, "fast_bfloat16", lambda: False)
        one = run(tmp_path / "one", batch_size=4, accumulation=1, dropout=0.0)
        parts = run(tmp_path / "parts", batch_size=batch_size, accumulation=accumulation, dropout=0.0)
        assert [loss for _, loss in parts.train_losses] == pytest.approx(
            [loss for _, loss in one.train_losses], rel=1e-4
        )
        first, second = _weights(tmp_path / "one" / "final"), _weights(tmp_path / "parts" / "final")
        assert all(torch.allclose(first[name], second[name], atol=1e-4) for name in first)

    def test_it_learns_songs_it_never_saw(self, run: Run, tmp_path: Path) -> None:
        result = run(tmp_path, epochs=10)
        assert result.best.loss < 0.8 * result.base.loss
        assert result.best_step > 0

    def test_a_loss_that_is_no_number_ends_the_run_and_the_last_checkpoint_stays(
        self, run: Run, model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = run(tmp_path / "whole")
        losses = model.loss
        folder = tmp_path / "broken"
        run(folder, should_stop=_stop_after(3))
        monkeypatch.setattr(model, "loss", lambda batch: losses(batch) * math.nan, raising=False)
        with pytest.raises(TrainingError, match=r"step 4 is nan.*lower learning rate"):
            run(folder, resume=True)
        monkeypatch.undo()
        assert [path.name for path in checkpoints(folder / "checkpoints")] == ["step_000002", "step_000003"]
        _assert_equal(run(folder, resume=True), folder, whole, tmp_path / "whole")

    def test_a_gradient_that_is_no_number_never_reaches_the_weights(
        self, run: Run, model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The loss may still be a number then, and a checkpoint of that step would be worth nothing."""
        losses = model.loss

        def steep(batch: Any) -> torch.Tensor:
            loss = losses(batch)
            return loss + (loss - loss.detach()).abs().sqrt() if loss.requires_grad else loss

        monkeypatch.setattr(model, "loss", steep, raising=False)
        with pytest.raises(TrainingError, match="step 1"):
            run(tmp_path, checkpoint_every=1)
        assert checkpoints(tmp_path / "checkpoints") == []

    def test_a_held_out_loss_that_is_no_number_ends_the_run(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scores = iter([1.0, 0.5, math.nan])

        def broken(*_: Any, **__: Any) -> Validation:
            loss = next(scores)
            return Validation(loss, (loss,) * 5)

        monkeypatch.setattr(loop, "validate", broken)
        with pytest.raises(TrainingError, match="nan"):
            run(tmp_path)
        assert checkpoints(tmp_path / "checkpoints")[-1].name == "step_000002"

    def test_the_schedule_warms_up_and_follows_half_a_cosine(self) -> None:
        config = TrainConfig(warmup_steps=4, final_rate_share=0.1)
        rates = [learning_rate(step, 20, 2.0, config) for step in range(20)]
        assert rates[:5] == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0])
        assert rates[12] == pytest.approx(2.0 * 0.55)
        assert rates[8] == pytest.approx(2.0 * (0.1 + 0.9 * 0.5 * (1 + math.sqrt(0.5))))
        assert all(earlier > later > 0.2 for earlier, later in itertools.pairwise(rates[4:]))
        assert learning_rate(20, 20, 2.0, config) == pytest.approx(0.2)

    def test_the_schedule_holds_for_runs_shorter_than_the_warmup(self) -> None:
        config = TrainConfig(warmup_steps=50)
        assert [learning_rate(step, 2, 1.0, config) for step in range(2)] == [0.5, 1.0]
        assert learning_rate(0, 10, 1.0, TrainConfig(warmup_steps=0)) == 1.0

    def test_the_rate_logged_is_the_schedules(self, run: Run, tmp_path: Path) -> None:
        result = run(tmp_path, log_every=1, learning_rate=3e-3)
        config = TrainConfig(warmup_steps=2)
        assert [line["rate"] for line in _log(tmp_path, "step")] == [
            learning_rate(step, 6, 3e-3, config) for step in range(6)
        ]
        assert [(line["step"], line["loss"]) for line in _log(tmp_path, "step")] == result.train_losses


class TestValidation:
    def test_two_in_a_row_are_equal_bit_for_bit(self, model: Any) -> None:
        clips = [model.clip("one", 30), model.clip("two", 7)]
        torch.manual_seed(1)
        first = validate(model, clips, 8)
        torch.manual_seed(2)
        assert validate(model, clips, 8) == first
        assert validate(model, clips, 8, seed=1) != first

    def test_the_first_is_of_the_base_without_any_adapter(self, run: Run, model: Any, tmp_path: Path) -> None:
        held_out = [model.clip("held", 19)]
        alone = validate(model, held_out, 8)
        result = run(tmp_path, held_out=held_out)
        assert result.validations[0] == (0, alone)
        assert result.base == alone
        assert result.validations[-1][1] != alone

    def test_it_does_not_touch_what_training_draws(self, run: Run, tmp_path: Path) -> None:
        often = run(tmp_path / "often", validate_every=1)
        once = run(tmp_path / "once", validate_every=100)
        assert [step for step, _ in often.validations] == [0, 2, 4, 6]
        assert [step for step, _ in once.validations] == [0, 6]
        assert often.train_losses == once.train_losses
        assert _same(_weights(tmp_path / "often" / "final"), _weights(tmp_path / "once" / "final"))

    def test_training_touches_no_global_randomness(self, run: Run, tmp_path: Path) -> None:
        before = torch.Generator().manual_seed(0).get_state()  # as `run` leaves it to the first run
        states: list[torch.Tensor] = []
        run(tmp_path, on_progress=lambda _: states.append(torch.get_rng_state()))
        assert all(torch.equal(state, before) for state in (*states, torch.get_rng_state()))

    def test_dropout_is_off_in_it_and_on_again_after_it(self, model: Any) -> None:
        model.network.train()
        validate(model, [model.clip("one", 8)], 8)
        assert model.network.training

    def test_dropout_is_on_in_every_step(self, run: Run, model: Any, tmp_path: Path) -> None:
        modes = []
        losses = model.loss

        def watched(batch: Any) -> torch.Tensor:
            modes.append((torch.is_grad_enabled(), model.network.training))
            return losses(batch)

        model.loss = watched
        run(tmp_path)
        assert set(modes) == {(True, True), (False, False)}

    @pytest.mark.parametrize(
        "losses", [[1.0, 0.5, 0.7, 0.4, 0.9], [1.0, 2.0, 3.0, 4.0, 5.0], [3.0, 2.0, 2.0, 2.0, 2.0]]
    )
    def test_best_is_the_smallest_and_the_first_of_equals(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, losses: list[float]
    ) -> None:
        scores: Iterator[float] = iter(losses)

        def scripted(*_: Any, **__: Any) -> Validation:
            loss = next(scores)
            return Validation(loss, (loss,) * 5)

        monkeypatch.setattr(loop, "validate", scripted)
        result = run(tmp_path, epochs=4, checkpoint_every=1, keep_checkpoints=100)
        expected = 2 * losses.index(min(losses))
        assert result.best_step == expected
        assert result.best.loss == min(losses)
        best = _weights(tmp_path / "best")
        if expected == 0:  # an adapter that changes nothing
            assert all(not bool(value.any()) for name, value in best.items() if "lora_B" in name)
        else:
            assert _same(best, _weights(tmp_path / "checkpoints" / f"step_{expected:06d}"))
        assert _same(_weights(tmp_path / "final"), _weights(tmp_path / "checkpoints" / "step_000008"))


class TestWhatIsWritten:
    @pytest.mark.parametrize("empty", ["clips", "held_out"])
    def test_nothing_to_train_or_validate_on_is_refused_before_anything(
        self, run: Run, model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty: str
    ) -> None:
        monkeypatch.setattr(loop, "attach", lambda *_, **__: pytest.fail("the network was touched"))
        with pytest.raises(TrainingError, match="both need one at least"):
            run(tmp_path / "new", **{empty: []})
        assert not (tmp_path / "new").exists()

    def test_tensorboard_has_both_losses(self, run: Run, tmp_path: Path) -> None:
        result = run(tmp_path, log_every=1)
        events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
        train = events.Scalars("train/loss")
        assert [event.step for event in train] == [1, 2, 3, 4, 5, 6]
        assert train[0].value == pytest.approx(result.train_losses[0][1])  # no invented first point
        assert [(event.step, pytest.approx(event.value)) for event in events.Scalars("validation/loss")] == [
            (step, score.loss) for step, score in result.validations
        ]

    def test_tensorboard_has_each_step_once_after_a_kill(self, run: Run, tmp_path: Path) -> None:
        with pytest.raises(KilledError):
            run(tmp_path, log_every=1, checkpoint_every=3, on_progress=_kill_at(5))
        run(tmp_path, log_every=1, checkpoint_every=3, resume=True)
        events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
        assert [event.step for event in events.Scalars("train/loss")] == [1, 2, 3, 4, 5, 6]
        assert [event.step for event in events.Scalars("validation/loss")] == [0, 2, 4, 6]

    def test_progress_counts_every_step_and_shows_a_smoothed_loss(self, run: Run, tmp_path: Path) -> None:
        told: list[Progress] = []
        result = run(tmp_path, on_progress=told.append)
        assert [(progress.done, progress.total) for progress in told] == [(step, 6) for step in range(7)]
        mean = sum(loss for _, loss in result.train_losses) / 6
        assert told[-1].note == f"Epoch 3/3 | Step 6 | Loss: {mean:.3f}"
        assert told[1].note.startswith("Epoch 1/3 | Step 1 | ")
        assert told[3].note.startswith("Epoch 2/3 | Step 3 | ")


CHANGES: dict[str, Any] = {
    "epochs": 1,
    "batch_size": 3,
    "learning_rate": 5e-3,
    "rank": 5,
    "alpha": 9.0,
    "dropout": 0.2,
    "rslora": True,
    "dora": True,
    "seed": 1,
    "crop_blocks": 1,
    "noisy_blocks": 1,
    "accumulation": 1,
    "weight_decay": 0.1,
    "warmup_steps": 4,
    "final_rate_share": 0.5,
    "clip_norm": 0.01,
    "condition_dropout": 0.6,
    "beat_dropout": 0.7,
    "context_noise": 0.3,
    "time_distribution": "logit-normal",
    "speed_shifts": (-5,),
    "speed_share": 0.9,
    "replay_share": 0.5,
    "max_steps": 3,
    "audio_seconds": 5.0,
    "scheduler": "constant",
    "optimiser": "adafactor",
    "betas": (0.8, 0.9),
    "targets": ("attention",),
    "ema": 0.9,
    "precision": "bf16",
    "gradient_checkpointing": True,
    "log_every": 1,
    "checkpoint_every": 100,
    "validate_every": 2,
    "keep_checkpoints": 1,
    "validate_steps": 1,
    "min_gain": 10.0,
}
BUDGETS = {"max_steps", "audio_seconds"}
NOT_THE_LOOPS = {"patience", "sample_prompts", "sample_every"}  # tests of their own, or the workflow's
SHORT = {"epochs": 2, "checkpoint_every": 3, "keep_checkpoints": 2}
ONLY_FILES = {"log_every", "checkpoint_every", "validate_every", "keep_checkpoints", "validate_steps"}
SAME_WEIGHTS = ONLY_FILES | {"gradient_checkpointing"}  # that one: less memory, see test_knobs


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first of these tests puts the run all others are compared with."""
    return tmp_path_factory.mktemp("usual")


class TestEverySetting:
    @pytest.mark.parametrize("name", CHANGES)
    def test_changes_something(self, run: Run, model: Any, usual: Path, tmp_path: Path, name: str) -> None:
        own = [model.clip("own", 16)]
        if not (usual / "final").exists():
            run(usual, replay=own, **SHORT)
        others = {"epochs": None} if name in BUDGETS else {"patience": 1} if name == "min_gain" else {}
        if name == "precision":
            others = {"precision": "bf16" if not precision.fast_bfloat16() else "fp32"}
        run(tmp_path, replay=own, **{**SHORT, name: CHANGES[name], **others})
        is_same = _same(_weights(usual / "final"), _weights(tmp_path / "final"))
        assert is_same == (name in SAME_WEIGHTS)
        if name in ONLY_FILES:
            assert self._files(usual) != self._files(tmp_path)

    def test_none_is_forgotten(self) -> None:
        assert {field.name for field in dataclasses.fields(TrainConfig)} == CHANGES.keys() | NOT_THE_LOOPS

    def _files(self, folder: Path) -> tuple[list[str], list[int], list[int]]:
        return (
            [path.name for path in checkpoints(folder / "checkpoints")],
            [line["step"] for line in _log(folder, "step")],
            [line["step"] for line in _log(folder, "validation")],
        )

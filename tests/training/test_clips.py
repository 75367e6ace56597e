from __future__ import annotations

import functools
import operator
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.model import FlowBatch
from angen.training import ClipVersion, TrainConfig, TrainingClip
from angen.training.clips import Plan, crop_batches, crop_frames_of, window_batch
from angen.training.validation import MAX_WINDOWS, validation_windows

CROP = 8


def _ramp(model: Any, name: str, frames: int, offset: float) -> TrainingClip:
    """A clip whose every frame says which it is."""
    version = model.version(frames, 0, name)
    latents = offset + torch.arange(frames, dtype=torch.float32)[:, None].repeat(1, 8)
    return TrainingClip(name, name, ClipVersion(latents, version.beats, version.conditions))


def _draw(
    model: Any, clips: list[TrainingClip], steps: int, replay: Sequence[TrainingClip] = (), **how: Any
) -> list[FlowBatch]:
    config = TrainConfig(**{"batch_size": 4, "accumulation": 2, **how})
    return [
        batch
        for step in range(steps)
        for batch in crop_batches(
            clips, [i % len(clips) for i in range(8)], model.facts, config, step, replay
        )
    ]


def _plan(model: Any, frames: list[int], **how: Any) -> Plan:
    return Plan.of(
        [model.clip(f"{i}", count) for i, count in enumerate(frames)], CROP, TrainConfig(**how), 12.5
    )


class TestPlan:
    @settings(max_examples=30)
    @given(
        visits=st.lists(st.integers(0, 5), min_size=1, max_size=20),
        per_step=st.integers(1, 9),
        epochs=st.integers(1, 4),
        seed=st.integers(0, 99),
    )
    def test_every_epoch_makes_every_visit(
        self, visits: list[int], per_step: int, epochs: int, seed: int
    ) -> None:
        plan = Plan(tuple(visits), per_step, epochs, seed)
        assert plan.steps == epochs * plan.steps_per_epoch
        for epoch in range(epochs):
            first = epoch * plan.steps_per_epoch
            steps = [plan.clips_of_step(step) for step in range(first, first + plan.steps_per_epoch)]
            drawn = [clip for step in steps for clip in step]
            assert {len(step) for step in steps} == {per_step}
            assert sorted(drawn[: len(visits)]) == sorted(visits)
            assert len(drawn) - len(visits) < per_step

    def test_a_clip_is_visited_in_proportion_to_its_length(self, model: Any) -> None:
        plan = _plan(model, [8, 16, 80, 3, 43])
        assert Counter(plan.visits) == {0: 1, 1: 2, 2: 10, 3: 1, 4: 5}

    def test_the_order_is_new_each_epoch_and_the_same_each_time(self, model: Any) -> None:
        plan, again = (_plan(model, [80, 80, 80], batch_size=5, epochs=3, seed=4) for _ in range(2))
        other = _plan(model, [80, 80, 80], batch_size=5, epochs=3, seed=5)
        orders = [[plan.clips_of_step(6 * epoch + step) for step in range(6)] for epoch in range(3)]
        assert orders[0] != orders[1] != orders[2] != orders[0]
        assert [again.clips_of_step(step) for step in range(18)] == functools.reduce(
            operator.iadd, orders, []
        )
        assert [other.clips_of_step(step) for step in range(6)] != orders[0]

    def test_a_step_takes_the_crops_of_all_its_batches(self, model: Any) -> None:
        plan = _plan(model, [80], batch_size=2, accumulation=3)
        assert len(plan.clips_of_step(0)) == 6
        assert plan.steps_per_epoch == 2


class TestCrops:
    def test_they_are_what_the_clip_holds_there(self, model: Any) -> None:
        clips = [_ramp(model, "a", 30, 0.0), _ramp(model, "b", 9, 1000.0)]
        starts = Counter()
        for batch in _draw(model, clips, 200):
            assert bool(batch.valid.all())
            for row in batch.clean[..., 0]:
                start = int(row[0])
                assert torch.equal(row, start + torch.arange(CROP))
                starts[start] += 1
        assert starts.keys() == {*range(23), 1000, 1001}  # each place a crop fits, and no other
        assert min(starts.values()) > 10

    def test_a_short_clip_is_padded_and_masked(self, model: Any) -> None:
        for batch in _draw(model, [_ramp(model, "short", 5, 1.0)], 3, context_noise=0.0):
            assert batch.valid.tolist() == [[True] * 5 + [False] * 3] * 4
            assert not bool(batch.clean[:, 5:].any())
            assert torch.equal(batch.clean[:, :5, 0], torch.arange(1.0, 6.0).repeat(4, 1))
            assert batch.beats is not None
            assert not bool(batch.beats[:, 5:].any())

    def test_padding_has_no_part_in_the_loss(self, model: Any) -> None:
        batch = _draw(model, [_ramp(model, "short", 5, 1.0)], 1)[0]
        clean = model.loss(batch)
        batch.clean[~batch.valid] = torch.nan
        assert batch.context is not None
        batch.context[~batch.valid] = 1e6
        batch.noise[~batch.valid] = -1e6
        assert torch.equal(model.loss(batch), clean)

    def test_beats_go_with_their_frames(self, model: Any) -> None:
        clip = _ramp(model, "a", 40, 0.0)
        assert clip.original.beats is not None
        for batch in _draw(model, [clip], 20, beat_dropout=0.0):
            assert batch.beats is not None
            for row, beats in zip(batch.clean[..., 0], batch.beats, strict=True):
                assert torch.equal(beats, clip.original.beats[row.long()])

    def test_the_same_step_draws_the_same_and_another_another(self, model: Any) -> None:
        clips = [model.clip("a", 40, (2,))]
        once, twice = _draw(model, clips, 3), _draw(model, clips, 3)
        for name in ("clean", "noise", "times", "context", "first_frame", "beats"):
            drawn = [getattr(batch, name) for batch in once]
            assert all(torch.equal(one, getattr(two, name)) for one, two in zip(drawn, twice, strict=True))
            assert not torch.equal(drawn[0], drawn[2]), name
        assert not torch.equal(once[0].noise, _draw(model, clips, 1, seed=1)[0].noise)

    @pytest.mark.parametrize("distribution", ["uniform", "logit-normal"])
    def test_times_follow_the_distribution_that_was_chosen(self, model: Any, distribution: str) -> None:
        batches = _draw(model, [model.clip("a", 8)], 300, time_distribution=distribution)
        times = np.sort(torch.cat([batch.times.flatten() for batch in batches]).numpy())
        assert len(times) == 4800
        probit = torch.special.ndtr(torch.logit(torch.from_numpy(times).double())).numpy()
        expected = times if distribution == "uniform" else probit
        gap = np.abs(np.arange(1, len(times) + 1) / len(times) - expected).max()
        assert gap < 1.95 / len(times) ** 0.5  # Kolmogorov and Smirnov, one in a thousand
        other = probit if distribution == "uniform" else times
        assert np.abs(np.arange(1, len(times) + 1) / len(times) - other).max() > 0.05

    def test_noise_is_standard_normal(self, model: Any) -> None:
        noise = torch.cat([batch.noise.flatten() for batch in _draw(model, [model.clip("a", 8)], 100)])
        assert abs(float(noise.mean())) < 0.02
        assert float(noise.std()) == pytest.approx(1, abs=0.02)

    @pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
    def test_conditions_beats_and_speeds_are_dropped_and_drawn_in_their_shares(
        self, model: Any, share: float
    ) -> None:
        clip = model.clip("a", 20, (-2, 3))
        shares = {"condition_dropout": share, "beat_dropout": share, "speed_share": share}
        batches = _draw(model, [clip], 250, **shares)
        rows = [
            (not bool(style.any()), not bool(ids.any()), beats is not None and not bool(beats.any()))
            for batch in batches
            for style, ids, beats in zip(
                batch.conditions.style, batch.conditions.text_ids, batch.beats, strict=True
            )
        ]
        assert all(style == ids for style, ids, _ in rows)
        assert np.mean([style for style, _, _ in rows]) == pytest.approx(share, abs=0.03)
        assert np.mean([beats for _, _, beats in rows]) == pytest.approx(share, abs=0.03)
        original = {tuple(frame.tolist()) for frame in clip.original.latents}
        shifted = [tuple(row[0].tolist()) not in original for batch in batches for row in batch.clean]
        assert np.mean(shifted) == pytest.approx(share, abs=0.03)

    def test_a_dropped_condition_leaves_no_words_and_says_so(self, model: Any) -> None:
        batch = _draw(model, [model.clip("a", 20)], 1, condition_dropout=1.0)[0]
        assert not bool(batch.conditions.text_ids.any())
        assert bool(batch.conditions.text_valid.any(1).all())

    def test_every_prompt_of_a_clip_has_its_turn(self, model: Any) -> None:
        clip = model.clip("abc", 20)
        styles = {tuple(words.style.tolist()) for words in clip.original.conditions}
        drawn = {
            tuple(style.tolist())
            for batch in _draw(model, [clip], 10, condition_dropout=0.0)
            for style in batch.conditions.style
        }
        assert len(styles) == 2
        assert drawn == styles

    def test_the_past_is_noised_up_to_its_level_and_the_target_never(self, model: Any) -> None:
        clip = _ramp(model, "a", 30, 0.0)
        levels = []
        for batch in _draw(model, [clip], 100, context_noise=0.5):
            assert batch.context is not None
            levels += (batch.context - batch.clean).flatten(1).std(1).tolist()
        assert max(levels) < 0.65
        assert np.mean(levels) == pytest.approx(0.25, abs=0.03)
        assert all(
            torch.equal(batch.context, batch.clean)  # type: ignore[arg-type]
            for batch in _draw(model, [clip], 3, context_noise=0.0)
        )

    def test_parting_a_step_into_batches_changes_no_crop(self, model: Any) -> None:
        clips = [model.clip("a", 40, (2,)), model.clip("longer name", 5)]
        whole = _draw(model, clips, 1, batch_size=8)[0]
        for size in (4, 2, 1):
            parts = _draw(model, clips, 1, batch_size=size)
            assert len(parts) == 8 // size
            for name in ("clean", "valid", "noise", "times", "context", "first_frame", "beats"):
                assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(whole, name))
            styles = torch.cat([part.conditions.style for part in parts])
            assert torch.equal(styles, whole.conditions.style)

    def test_crop_length_is_the_models_unless_it_is_set(self, model: Any) -> None:
        assert crop_frames_of(model.facts, TrainConfig()) == CROP
        assert crop_frames_of(model.facts, TrainConfig(crop_blocks=5)) == 20

    def test_a_model_without_beats_gets_none(self, model: Any) -> None:
        version = model.version(10, 0, "a")
        clip = TrainingClip("a", "a", ClipVersion(version.latents, None, version.conditions))
        assert _draw(model, [clip], 1)[0].beats is None


class TestReplay:
    """The base's own music is told by its latents, which lie above 1000 here, and has no beat grid."""

    def _own(self, model: Any, count: int = 3) -> list[TrainingClip]:
        clips = [_ramp(model, f"own{number}", 30, 1000.0 * (number + 1)) for number in range(count)]
        return [
            TrainingClip(
                clip.clip_id, clip.song, ClipVersion(clip.original.latents, None, clip.original.conditions)
            )
            for clip in clips
        ]

    @pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
    def test_it_takes_its_share_of_the_crops_and_each_piece_has_its_turn(
        self, model: Any, share: float
    ) -> None:
        batches = _draw(model, [_ramp(model, "a", 30, 0.0)], 250, self._own(model), replay_share=share)
        pieces = Counter(int(row[0, 0]) // 1000 for batch in batches for row in batch.clean)
        crops = sum(pieces.values())
        assert crops == 2000
        assert (crops - pieces[0]) / crops == pytest.approx(share, abs=0.03)
        for number in (1, 2, 3):
            assert pieces[number] / crops == pytest.approx(share / 3, abs=0.04)

    def test_without_pieces_or_without_a_share_nothing_is_drawn_otherwise(self, model: Any) -> None:
        clips = [model.clip("a", 40, (2,))]
        plain = _draw(model, clips, 3)
        for other in (_draw(model, clips, 3, self._own(model)), _draw(model, clips, 3, replay_share=0.5)):
            for name in ("clean", "noise", "times", "context", "first_frame", "beats"):
                pairs = zip(plain, other, strict=True)
                assert all(torch.equal(getattr(one, name), getattr(two, name)) for one, two in pairs)

    def test_a_clip_keeps_its_beats_whoever_comes_before_it(self, model: Any) -> None:
        clip = _ramp(model, "a", 40, 0.0)
        firsts = set()
        for batch in _draw(model, [clip], 40, self._own(model), replay_share=0.3, beat_dropout=0.0):
            assert batch.beats is not None
            firsts.add(bool(batch.clean[0, 0, 0] >= 1000))
            for row, beats in zip(batch.clean[..., 0], batch.beats, strict=True):
                if row[0] >= 1000:
                    assert not bool(beats.any())
                else:
                    assert torch.equal(beats, clip.original.beats[row.long()])  # type: ignore[index]
        assert firsts == {True, False}

    def test_words_go_with_their_piece(self, model: Any) -> None:
        clip, own = _ramp(model, "a", 30, 0.0), self._own(model, 1)
        for batch in _draw(model, [clip], 20, own, replay_share=0.5, condition_dropout=0.0):
            for row, style in zip(batch.clean, batch.conditions.style, strict=True):
                version = own[0].original if row[0, 0] >= 1000 else clip.original
                assert torch.equal(style, version.conditions[0].style)

    def test_parting_a_step_into_batches_changes_no_crop(self, model: Any) -> None:
        clips, own = [model.clip("a", 40)], self._own(model)
        whole = _draw(model, clips, 1, own, replay_share=0.5, batch_size=8)[0]
        parts = _draw(model, clips, 1, own, replay_share=0.5, batch_size=2)
        for name in ("clean", "valid", "noise", "times", "beats"):
            assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(whole, name))


class TestValidationWindows:
    def test_they_lie_side_by_side_and_cover_each_clip(self, model: Any) -> None:
        clips = [model.clip("a", 33), model.clip("b", 3), model.clip("c", 20)]
        assert validation_windows(clips, CROP) == [
            (0, 0), (0, 8), (0, 16), (0, 24), (1, 0), (2, 0), (2, 8),
        ]  # fmt: skip

    def test_many_are_thinned_evenly(self, model: Any) -> None:
        windows = validation_windows([model.clip("a", 8000)], CROP)
        assert len(windows) == MAX_WINDOWS == len(set(windows))
        assert windows[0] == (0, 0)
        steps = np.diff([start for _, start in windows])
        assert steps.max() - steps.min() <= CROP

    def test_the_last_window_may_be_padded(self, model: Any) -> None:
        clip = model.clip("c", 20)
        _, valid, beats, _ = window_batch([(clip.original, 16)], model.facts, CROP)
        assert valid.tolist() == [[True] * 4 + [False] * 4]
        assert beats is not None

"""Learning from some noisy blocks only: each is what it is among all, and the mean over draws is the whole loss."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
import torch

from angen.model import ConditionBatch, FlowBatch
from angen.model.diffrhythm2 import DiffRhythm2
from angen.model.flow import frames_of_blocks, kept_loss, masked_loss
from angen.training.clips import kept_blocks

BLOCKS = 4


@pytest.fixture(scope="module")
def diffrhythm2():
    return DiffRhythm2(Path(__file__).parent / "fixture", dtype=torch.float32)


@pytest.fixture(scope="module", params=["angen-tiny", "diffrhythm2"])
def model(request, small_model, diffrhythm2):
    return small_model if request.param == "angen-tiny" else diffrhythm2


def flow_batch(model, valid_frames=(0, 3), seed=0):
    """Two items of four blocks, the last frames of each padding: (of the first, of the second)."""
    generator = torch.Generator().manual_seed(seed)
    facts = model.facts
    frames = BLOCKS * facts.block_frames
    shape = (2, frames, facts.latent_channels)
    valid = torch.ones(2, frames, dtype=torch.bool)
    for row, missing in enumerate(valid_frames):
        valid[row, frames - missing :] = False
    beats = model.beats([0.5, 1.0], [0.5], frames)
    return FlowBatch(
        clean=torch.randn(shape, generator=generator), valid=valid,
        beats=None if beats is None else beats.expand(2, -1, -1),
        conditions=ConditionBatch.of([model.conditions("pop"), model.conditions("calypso")]),
        times=torch.rand(2, BLOCKS, generator=generator), noise=torch.randn(shape, generator=generator),
        context=torch.randn(shape, generator=generator), first_frame=torch.tensor([0, 2 * facts.block_frames]),
    )  # fmt: skip


def loss_of(model, batch, *blocks):
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        return model.loss(replace(batch, kept=torch.tensor(blocks) if blocks else None))


@pytest.fixture(autouse=True)
def _in_float32(monkeypatch):
    from angen.model import precision

    monkeypatch.setattr(precision, "fast_bfloat16", lambda: False)


def test_every_block_has_the_loss_it_has_among_all(model):
    """Full blocks: the whole loss is the mean of the losses of each block alone, and of each pair."""
    batch = flow_batch(model, (0, 0))
    whole = loss_of(model, batch)
    alone = torch.stack([loss_of(model, batch, [b], [b]) for b in range(BLOCKS)])
    torch.testing.assert_close(alone.mean(0), whole, atol=1e-5, rtol=1e-5)
    for one, other in combinations(range(BLOCKS), 2):
        pair = loss_of(model, batch, [one, other], [one, other])
        torch.testing.assert_close(pair, (alone[one] + alone[other]) / 2, atol=1e-5, rtol=1e-5)


def test_items_may_keep_different_blocks(model):
    batch = flow_batch(model, (0, 0))
    mixed = loss_of(model, batch, [0, 3], [1, 2])
    torch.testing.assert_close(mixed[0], loss_of(model, batch, [0, 3], [0, 3])[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(mixed[1], loss_of(model, batch, [1, 2], [1, 2])[1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_mean_over_all_draws_is_the_whole_loss_with_padding_too(model, count):
    """The second item's last block is partly padding: a plain mean over what is kept would be off."""
    batch = flow_batch(model)
    draws = [list(kept) for kept in combinations(range(BLOCKS), count)]
    mean = torch.stack([loss_of(model, batch, kept, kept) for kept in draws]).mean(0)
    torch.testing.assert_close(mean, loss_of(model, batch), atol=1e-5, rtol=1e-5)


def test_the_gradient_of_all_draws_is_that_of_the_whole():
    torch.manual_seed(0)
    predicted = torch.randn(1, 8, 3, requires_grad=True)
    velocity, valid = torch.randn(1, 8, 3), torch.arange(8)[None] < 7
    masked_loss(predicted, velocity, valid).sum().backward()
    whole, predicted.grad = predicted.grad.clone(), None
    for block in range(4):
        kept = torch.tensor([[block]])
        part = predicted[:, 2 * block : 2 * block + 2]
        (kept_loss(part, velocity, valid, kept, 2).sum() / 4).backward()
    torch.testing.assert_close(predicted.grad, whole)


def test_blocks_of_padding_are_kept_only_where_there_is_no_other():
    valid = torch.ones(2, 12, dtype=torch.bool)
    valid[1, 5:] = False  # blocks 0 and 1 of 4 hold music
    seen = set()
    for seed in range(60):
        kept = kept_blocks(valid, 3, 2, torch.Generator().manual_seed(seed))
        assert kept[1].tolist() == [0, 1]
        seen.add(tuple(kept[0].tolist()))
    assert seen == set(combinations(range(4), 2))
    assert kept_blocks(valid, 3, 4, torch.Generator()) is None
    alone = kept_blocks(torch.arange(12)[None] < 2, 3, 2, torch.Generator().manual_seed(0))
    assert alone[0, 0] == 0  # with one that is padding, which no loss counts


def test_padding_among_what_is_kept_moves_no_loss(model):
    batch = flow_batch(model, (0, 2 * model.facts.block_frames + 1))
    before = loss_of(model, batch, [0, 3], [0, 3])
    batch.clean[1, -(2 * model.facts.block_frames + 1) :] = float("nan")
    torch.testing.assert_close(loss_of(model, batch, [0, 3], [0, 3]), before)


def test_frames_of_blocks():
    assert frames_of_blocks(torch.tensor([[1], [0]]), 3).tolist() == [[3, 4, 5], [0, 1, 2]]

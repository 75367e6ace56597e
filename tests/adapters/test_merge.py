"""Several adapters as one: the exact sum, and the nearest of a given rank."""

from dataclasses import replace

import pytest
import torch

from angen.adapters.lora import AppliedAdapter, LoraSpec, applied, combine
from angen.adapters.weights import read_weights
from angen.errors import AdapterError


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "combined"
    folder.mkdir()
    return folder


def heard(network, answer, adapters):
    with applied(network, adapters):
        return answer(network)


def close(one, other, atol=2e-5):
    torch.testing.assert_close(one, other, rtol=0, atol=atol)


@pytest.mark.parametrize("strengths", [(1.0, 1.0), (0.7, -0.4), (2.0, 0.0)])
@pytest.mark.parametrize("rslora", [False, True])
def test_the_exact_sum_does_what_both_do_together(
    network, make_adapter, answer, spec, out, strengths, rslora
):
    few = LoraSpec(rank=2, alpha=5.0, dropout=0.1, targets=("q_proj", "down_proj"), rslora=rslora)
    acting = [
        AppliedAdapter(make_adapter("one", 1, spec=spec), strengths[0]),
        AppliedAdapter(make_adapter("two", 2, spec=few), strengths[1]),
    ]
    made = combine(network, acting, out)
    assert made.error == 0
    assert made.rank == (5 if strengths[1] else 3)
    close(heard(network, answer, [AppliedAdapter(out)]), heard(network, answer, acting))
    close(heard(network, answer, [AppliedAdapter(out, 0.0)]), answer(network), 0)


def test_an_adapter_and_its_opposite_make_the_base(network, make_adapter, answer, out):
    folder = make_adapter()
    combine(network, [AppliedAdapter(folder), AppliedAdapter(folder, -1.0)], out)
    close(heard(network, answer, [AppliedAdapter(out)]), answer(network))


def test_the_nearest_of_full_rank_is_the_sum_and_of_less_loses_what_it_says(
    network, make_network, make_adapter, answer, out, tmp_path
):
    acting = [AppliedAdapter(make_adapter("one", 1)), AppliedAdapter(make_adapter("two", 2), 0.5)]
    full = combine(network, acting, out, rank=6)
    assert full.error < 1e-6
    close(heard(network, answer, [AppliedAdapter(out)]), heard(network, answer, acting))
    errors = []
    for rank in (4, 2, 1):
        folder = tmp_path / f"rank {rank}"
        folder.mkdir()
        made = combine(network, acting, folder, rank=rank)
        assert made.rank == rank
        lost = whole = 0.0
        for layer, pair in read_weights(folder).pairs.items():
            zero = torch.zeros(pair.up.shape[0], pair.down.shape[1])
            sum_of_both = zero
            for adapter in acting:
                sum_of_both = (
                    read_weights(adapter.folder).pairs[layer].onto(sum_of_both, zero, adapter.strength)
                )
            lost += float((pair.onto(zero, zero) - sum_of_both).square().sum())
            whole += float(sum_of_both.square().sum())
        assert made.error == pytest.approx((lost / whole) ** 0.5, rel=1e-4)
        assert made.worst_error >= made.error
        errors.append(made.error)
    assert 0 < errors[0] < errors[1] < errors[2] < 1


def test_dora_has_no_exact_sum_but_a_nearest_adapter(network, make_adapter, answer, spec, out):
    acting = [
        AppliedAdapter(make_adapter("one", 1, spec=replace(spec, dora=True)), 0.9),
        AppliedAdapter(make_adapter("two", 2)),
    ]
    with pytest.raises(AdapterError, match="no exact sum"):
        combine(network, acting, out)
    assert list(out.iterdir()) == []
    made = combine(network, acting, out, rank=64)  # full rank of every layer
    assert made.error < 1e-6
    close(heard(network, answer, [AppliedAdapter(out)]), heard(network, answer, acting), 1e-4)


@pytest.mark.parametrize("adapters", ["none", "strength 0", "rank 0", "another base"])
def test_what_cannot_be_combined_is_refused(network, make_network, make_adapter, out, adapters):
    acting = [AppliedAdapter(make_adapter(), 0.0 if adapters == "strength 0" else 1.0)]
    if adapters == "another base":
        acting.append(AppliedAdapter(make_adapter("wide", network=make_network(dim=48))))
    with pytest.raises(AdapterError) as refusal:
        combine(network, [] if adapters == "none" else acting, out, rank=0 if adapters == "rank 0" else None)
    assert refusal.value.remedy
    assert list(out.iterdir()) == []

"""Adapters swapped on a loaded network: exact, without a second copy, and without reading anything twice."""

import copy
import gc
import shutil
from dataclasses import replace

import pytest
import torch

from angen.adapters import AdapterInfo, delete_adapter, write_info
from angen.adapters.lora import AdapterStack, AppliedAdapter, applied, attach, merge
from angen.errors import AdapterError


def state(network):
    return {name: weight.clone() for name, weight in network.state_dict().items()}


def places(network):
    """Where each base weight lies in memory, whatever is wrapped around it."""
    return {name.replace(".base_layer", ""): weight.data_ptr()
            for name, weight in network.named_parameters() if ".lora_" not in name}  # fmt: skip


def close(one, other, atol=1e-5):
    torch.testing.assert_close(one, other, rtol=0, atol=atol)


def heard(network, answer, adapters):
    with applied(network, adapters):
        return answer(network)


@pytest.mark.parametrize("kind", [{}, {"rslora": True}, {"dora": True}])
def test_a_stack_sounds_as_its_adapters_applied_afresh(
    network, make_network, make_adapter, answer, spec, kind
):
    spec = replace(spec, **kind)
    one, two = make_adapter("one", 1, spec=spec), make_adapter("two", 2, spec=spec)
    fresh = make_network()
    with AdapterStack(network) as stack:
        first = stack.add(one, 0.7)
        close(answer(network), heard(fresh, answer, [AppliedAdapter(one, 0.7)]), 0)
        second = stack.add(two)
        both = [AppliedAdapter(one, 0.7), AppliedAdapter(two)]
        close(answer(network), heard(fresh, answer, both), 0)
        stack.set_strength(first, -0.4)
        close(answer(network), heard(fresh, answer, [AppliedAdapter(one, -0.4), AppliedAdapter(two)]), 0)
        stack.set_strength(first, 0.7)
        close(answer(network), heard(fresh, answer, both), 0)  # strengths do not drift
        stack.remove(first)
        close(answer(network), heard(fresh, answer, [AppliedAdapter(two)]), 0)
        assert stack.strengths == {second: 1.0}


@pytest.mark.parametrize("dora", [False, True])
def test_strength_0_is_the_base_exactly_and_comes_back(network, make_adapter, answer, spec, dora):
    spec = replace(spec, dora=dora)
    base, folders = answer(network), [make_adapter("one", 1, spec=spec), make_adapter("two", 2, spec=spec)]
    with AdapterStack(network) as stack:
        one, two = stack.add(folders[0]), stack.add(folders[1], 0.5)
        full = answer(network)
        stack.set_strength(one, 0)
        stack.set_strength(two, 0)
        assert torch.equal(answer(network), base)
        stack.set_strength(one, 1)
        stack.set_strength(two, 0.5)
        assert torch.equal(answer(network), full)
        assert not torch.equal(full, base)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_taking_all_off_in_any_order_is_the_base_bit_for_bit(network, make_adapter, answer, order):
    before, said, modules = state(network), answer(network), [type(module) for module in network.modules()]
    folders = [make_adapter(str(number), number) for number in range(3)]
    network.train()
    stack = AdapterStack(network)
    keys = [stack.add(folder) for folder in folders]
    assert not network.training
    for number in order:
        stack.remove(keys[number])
    assert network.training
    network.eval()
    assert [type(module) for module in network.modules()] == modules
    assert state(network).keys() == before.keys()
    assert all(torch.equal(weight, before[name]) for name, weight in state(network).items())
    assert torch.equal(answer(network), said)
    assert not any(weight.requires_grad for weight in network.parameters())


def tensors_alive():
    gc.collect()
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


def test_fifty_swaps_keep_memory_flat_and_the_base_in_its_place(network, make_adapter, answer):
    folders = [make_adapter("one", 1), make_adapter("two", 2)]
    before, at = state(network), places(network)
    stack = AdapterStack(network)

    def swap(number):
        key = stack.add(folders[number % 2])
        assert places(network) == at
        stack.set_strength(key, 0.5)
        answer(network)
        if number % 3 == 0:
            stack.remove(key)
        if number % 3 == 2:
            stack.clear()

    for number in range(3):
        swap(number)
    alive = tensors_alive()
    for number in range(48):
        swap(number)
    assert tensors_alive() == alive
    assert places(network) == at
    assert all(torch.equal(weight, before[name]) for name, weight in state(network).items())


def test_there_is_no_second_copy_of_the_network(network, make_adapter):
    own = sum(weight.numel() for weight in network.parameters())
    with AdapterStack(network) as stack:
        stack.add(make_adapter())
        lora = sum(weight.numel() for name, weight in network.named_parameters() if ".lora_" in name)
        assert sum(weight.numel() for weight in network.parameters()) == own + lora
        assert not any(weight.requires_grad for weight in network.parameters())


def test_changing_a_strength_reads_nothing(network, make_adapter, answer):
    folder = make_adapter()
    half = heard(network, answer, [AppliedAdapter(folder, 0.5)])
    with AdapterStack(network) as stack:
        key = stack.add(folder)
        shutil.rmtree(folder)
        stack.set_strength(key, 0.5)
        assert torch.equal(answer(network), half)


def test_one_that_does_not_fit_leaves_the_others_acting(network, make_network, make_adapter, answer):
    wrong = make_adapter("wrong", network=make_network(dim=48))
    with AdapterStack(network) as stack:
        stack.add(make_adapter("right"))
        before = answer(network)
        with pytest.raises(AdapterError, match="does not fit"):
            stack.add(wrong)
        assert torch.equal(answer(network), before)
        assert len(stack.strengths) == 1


def test_unknown_keys_are_refused(network):
    stack = AdapterStack(network)
    for act in (lambda: stack.remove("x"), lambda: stack.set_strength("x", 1)):
        with pytest.raises(AdapterError, match="no adapter 'x'"):
            act()


def test_a_network_holds_one_stack_or_one_run_at_a_time(network, make_adapter, spec, answer):
    folder = make_adapter()
    with AdapterStack(network) as stack:
        stack.add(folder)
        before = answer(network)
        with pytest.raises(AdapterError, match="already"):
            AdapterStack(network).add(folder)
        with pytest.raises(AdapterError, match="already"):
            attach(network, spec, seed=0)
        assert torch.equal(answer(network), before)


def test_an_adapter_on_a_network_is_in_use(network, make_adapter, tmp_path):
    root = tmp_path / "loras"
    (root / "mine").mkdir(parents=True)
    make_adapter().rename(root / "mine" / "best")
    known = {"name": "mine", "state": "finished", "created": "", "base": "", "base_hash": "", "dataset": "",
             "dataset_hash": "", "style": "", "config": {}, "versions": {}, "steps": 0, "best_step": 0,
             "seconds": 0}  # fmt: skip
    write_info(root / "mine", AdapterInfo(**known))
    stack = AdapterStack(network)
    key = stack.add(root / "mine" / "best")
    with pytest.raises(AdapterError, match="in use"):
        delete_adapter(root, "mine")
    stack.remove(key)
    delete_adapter(root, "mine")
    assert not (root / "mine").exists()


def test_merging_keeps_the_weights_where_they_are(make_network, make_adapter):
    network = make_network()
    at = places(network)
    merge(network, [AppliedAdapter(make_adapter())])
    assert places(network) == at


def test_several_dora_adapters_merge_as_they_are_applied(network, make_network, make_adapter, answer, spec):
    dora = replace(spec, dora=True)
    acting = [AppliedAdapter(make_adapter("one", 1, spec=dora), 0.8),
              AppliedAdapter(make_adapter("two", 2, spec=dora), 0.5),
              AppliedAdapter(make_adapter("three", 3), -0.5)]  # fmt: skip
    merged = merge(copy.deepcopy(make_network()), acting)
    close(answer(merged), heard(network, answer, acting), 5e-5)

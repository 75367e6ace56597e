import copy
import json
import shutil
from dataclasses import replace

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file

from angen.adapters.lora import (
    AppliedAdapter,
    LoraSpec,
    applied,
    attach,
    copy_adapter,
    detach,
    load_weights,
    merge,
    save_adapter,
    trainable,
)
from angen.errors import AdapterError
from angen.model import SamplerSettings, load_model

KEY = "base_model.model.transformer.transformer_blocks.0.self_attn.q_proj.lora_A.weight"
WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"


def traces(network):
    """What of a network could differ: its modules, their types and attributes, its weights and their state."""
    modules = {
        name: (type(module), frozenset(vars(module)), frozenset(module._modules), module.training)
        for name, module in network.named_modules()
    }
    weights = {name: (weight.clone(), weight.requires_grad) for name, weight in network.named_parameters()}
    return modules, weights


def same_traces(one, other):
    return (
        one[0] == other[0]
        and one[1].keys() == other[1].keys()
        and all(
            torch.equal(weight, other[1][name][0]) and frozen == other[1][name][1]
            for name, (weight, frozen) in one[1].items()
        )
    )


def differ(one, other):
    return float((one - other).detach().abs().max()) > 1e-3


def close(ours, theirs, atol=1e-5):
    torch.testing.assert_close(ours, theirs, rtol=0, atol=atol)


# Attaching


@pytest.mark.parametrize(
    "wrong", [{"rank": 0}, {"rank": 513}, {"alpha": 0}, {"dropout": 1.0}, {"dropout": -0.1}, {"targets": ()}]
)
def test_impossible_shapes_are_refused(spec, wrong):
    with pytest.raises(AdapterError, match="cannot be made"):
        replace(spec, **wrong)


@pytest.mark.parametrize("kind", [{}, {"rslora": True}, {"dora": True}, {"dropout": 0.5}])
def test_a_fresh_adapter_changes_nothing(network, answer, spec, kind):
    before = answer(network)
    wrapped = attach(network, replace(spec, **kind), seed=0)
    wrapped.eval()
    if "dora" in kind:  # weights are taken apart and put together again
        close(answer(network), before)
    else:
        assert torch.equal(answer(network), before)


def test_the_start_of_an_adapter_is_that_of_its_seed_alone(make_network, spec):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one, again, other = (trainable(attach(make_network(), spec, seed=seed)) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_only_adapter_weights_get_gradients_and_move(network, answer, spec):
    before = {name: weight.clone() for name, weight in network.named_parameters()}
    wrapped = attach(network, spec, seed=0)
    learning = trainable(wrapped)
    assert len(learning) == 2 * 7 * 2  # two matrices, seven layers, two blocks
    assert all(".lora_A." in name or ".lora_B." in name for name in learning)
    start = {name: weight.detach().clone() for name, weight in learning.items()}
    optimiser = torch.optim.SGD(learning.values(), lr=1.0)
    for _ in range(2):  # the second matrix is zero at first and gives the first no gradient
        optimiser.zero_grad()
        answer(network).square().sum().backward()
        optimiser.step()
    assert all(weight.grad is None for weight in wrapped.parameters() if not weight.requires_grad)
    assert all(not torch.equal(weight, start[name]) for name, weight in learning.items())
    restored = detach(wrapped)
    assert all(torch.equal(weight, before[name]) for name, weight in restored.named_parameters())


def test_detaching_leaves_the_network_as_it_was(network, answer, spec, fill):
    before, said = traces(network), answer(network)
    wrapped = attach(network, spec, seed=0)
    fill(wrapped, 1)
    assert differ(answer(network), said)
    assert detach(wrapped) is network
    assert same_traces(traces(network), before)
    assert torch.equal(answer(network), said)


# Files


def test_saved_keys_are_those_of_adapters_for_the_release(make_adapter):
    folder = make_adapter()
    assert sorted(path.name for path in folder.iterdir()) == [CONFIG, WEIGHTS]
    tensors = load_file(folder / WEIGHTS)
    assert len(tensors) == 28
    assert tensors[KEY].shape == (3, 32)
    assert all(key.startswith("base_model.model.transformer.transformer_blocks.") for key in tensors)


def test_saving_then_loading_is_exact(make_network, answer, spec, fill, tmp_path):
    wrapped, other = (attach(make_network(), spec, seed=seed) for seed in (0, 1))
    fill(wrapped, 7)
    save_adapter(wrapped, tmp_path)
    load_weights(other, tmp_path)
    assert all(torch.equal(weight, trainable(other)[name]) for name, weight in trainable(wrapped).items())
    assert torch.equal(answer(wrapped.base_model.model), answer(other.base_model.model))


def test_a_loaded_adapter_goes_on_learning(make_network, spec, make_adapter):
    wrapped = attach(make_network(), spec, seed=0)
    before = set(trainable(wrapped))
    load_weights(wrapped, make_adapter())
    assert set(trainable(wrapped)) == before


def test_a_copy_is_the_same_adapter(make_adapter, tmp_path):
    source = make_adapter()
    target = tmp_path / "copy"
    target.mkdir()
    copy_adapter(source, target)
    for name in (CONFIG, WEIGHTS):
        assert (target / name).read_bytes() == (source / name).read_bytes()


@pytest.mark.parametrize("kind", [{}, {"rslora": True}, {"dora": True}])
def test_plain_peft_opens_the_folder_and_hears_the_same(
    network, make_network, make_adapter, answer, spec, kind
):
    folder = make_adapter(spec=replace(spec, **kind))
    theirs = PeftModel.from_pretrained(make_network(), str(folder)).eval()
    with applied(network, [AppliedAdapter(folder)]):
        close(answer(network), answer(theirs))


@pytest.mark.parametrize("other", [{"rank": 2}, {"targets": ("q_proj", "v_proj")}, {"dora": True}])
def test_weights_of_another_shape_are_not_loaded(make_network, make_adapter, spec, other):
    wrapped = attach(make_network(), replace(spec, **other), seed=0)
    before = {name: weight.detach().clone() for name, weight in trainable(wrapped).items()}
    with pytest.raises(AdapterError, match="28 tensors"):
        load_weights(wrapped, make_adapter())
    assert all(torch.equal(weight, before[name]) for name, weight in trainable(wrapped).items())


# Applying


@pytest.mark.parametrize("adapters", ["none", "strength 0"])
def test_strength_0_is_the_base_bit_for_bit(network, make_adapter, answer, adapters):
    before = answer(network)
    acting = [] if adapters == "none" else [AppliedAdapter(make_adapter(), 0.0)]
    with applied(network, acting):
        assert torch.equal(answer(network), before)


def test_an_adapter_acts_inside_the_block_only(network, make_adapter, answer):
    before, said = traces(network), answer(network)
    with applied(network, [AppliedAdapter(make_adapter())]):
        assert differ(answer(network), said)
    assert same_traces(traces(network), before)
    assert torch.equal(answer(network), said)


def test_an_exception_inside_leaves_the_network_as_it_was(network, make_adapter, answer):
    before, said = traces(network), answer(network)
    with pytest.raises(KeyboardInterrupt), applied(network, [AppliedAdapter(make_adapter())]):
        raise KeyboardInterrupt
    assert same_traces(traces(network), before)
    assert torch.equal(answer(network), said)


def test_applying_twice_is_applying_once(network, make_adapter, answer):
    folder, heard = make_adapter(), []
    for _ in range(2):
        with applied(network, [AppliedAdapter(folder, 0.7)]):
            heard.append(answer(network))
    assert torch.equal(*heard)


def test_a_network_in_training_is_still_inside_and_in_training_after(network, make_adapter):
    network.train()
    with applied(network, [AppliedAdapter(make_adapter())]):
        assert not any(module.training for module in network.modules())
    assert all(module.training for module in network.modules())


@pytest.mark.parametrize("kind", [{}, {"rslora": True}])
@pytest.mark.parametrize("strengths", [(1.0,), (0.5,), (-1.0,), (2.5,), (0.8, 0.3)])
def test_strengths_scale_the_low_rank_updates_and_add_up(
    network, make_network, make_adapter, answer, spec, kind, strengths
):
    spec = replace(spec, **kind)
    scale = spec.alpha / (spec.rank**0.5 if spec.rslora else spec.rank)
    acting = [
        AppliedAdapter(make_adapter(f"number {seed}", seed, spec=spec), strength)
        for seed, strength in enumerate(strengths)
    ]
    by_hand = make_network()
    for adapter in acting:
        tensors = load_file(adapter.folder / WEIGHTS)
        for key, down in tensors.items():
            if ".lora_A." in key:
                layer = by_hand.get_submodule(key.removeprefix("base_model.model.").split(".lora_A.")[0])
                layer.weight += adapter.strength * scale * tensors[key.replace(".lora_A.", ".lora_B.")] @ down
    with applied(network, acting):
        close(answer(network), answer(by_hand))
    assert differ(answer(network), answer(by_hand))


def test_adapters_of_different_ranks_and_targets_work_together(network, make_adapter, answer, spec):
    one = AppliedAdapter(make_adapter("one", 1), 0.5)
    other = AppliedAdapter(
        make_adapter("other", 2, spec=replace(spec, rank=1, targets=("q_proj", "down_proj")))
    )
    heard = []
    for pair in ([one, other], [other, one]):
        with applied(network, pair):
            heard.append(answer(network))
    close(*heard)
    with applied(network, [one]):
        assert differ(answer(network), heard[0])


@pytest.mark.parametrize(
    ("kind", "strengths"),
    [({}, [1.0]), ({}, [1.0, 0.6]), ({"rslora": True}, [0.5, -0.2]), ({"dora": True}, [1.0])],
)
def test_merged_is_within_rounding_of_applied(
    network, make_network, make_adapter, answer, spec, kind, strengths
):
    acting = [
        AppliedAdapter(make_adapter(f"number {seed}", seed, spec=replace(spec, **kind)), strength)
        for seed, strength in enumerate(strengths)
    ]
    merged = merge(make_network(), acting)
    with applied(network, acting):
        close(answer(merged), answer(network), atol=2e-5)
    assert traces(merged)[0] == traces(network)[0]
    assert not trainable(merged)


def test_merging_strength_0_is_the_base_bit_for_bit(network, make_network, make_adapter):
    merged = merge(make_network(), [AppliedAdapter(make_adapter(), 0.0)])
    assert same_traces(traces(merged), traces(network))


# Adapters that do not fit


def rewritten(path, change):
    path.write_bytes(change(path.read_bytes()))


def with_config(folder, **changes):
    config = json.loads((folder / CONFIG).read_text()) | changes
    (folder / CONFIG).write_text(json.dumps(config))


def without_a_tensor(folder):
    tensors = load_file(folder / WEIGHTS)
    del tensors[KEY]
    save_file(tensors, folder / WEIGHTS)


def as_a_pickle(folder):
    torch.save(load_file(folder / WEIGHTS), folder / "adapter_model.bin")
    (folder / WEIGHTS).unlink()


IA3 = {"peft_type": "IA3", "target_modules": ["q_proj"], "feedforward_modules": []}
OTHER_SHAPES = {"another width": {"dim": 48}, "deeper": {"depth": 3}, "shallower": {"depth": 1}}
UNREADABLE = {
    "no folder": shutil.rmtree,
    "no weights": lambda folder: (folder / WEIGHTS).unlink(),
    "no config": lambda folder: (folder / CONFIG).unlink(),
    "cut weights": lambda folder: rewritten(folder / WEIGHTS, lambda content: content[:-100]),
    "noise for weights": lambda folder: rewritten(folder / WEIGHTS, lambda content: content[::-1]),
    "a pickle": as_a_pickle,
}
MISFIT = {
    "a tensor lost": without_a_tensor,
    "unknown targets": lambda folder: with_config(folder, target_modules=["nowhere_proj"]),
    "unknown type": lambda folder: with_config(folder, peft_type="NEW_KIND"),
    "another type": lambda folder: (folder / CONFIG).write_text(json.dumps(IA3)),
    "trained biases": lambda folder: with_config(folder, bias="all"),
    "cut config": lambda folder: rewritten(folder / CONFIG, lambda content: content[:-40]),
    "a list for config": lambda folder: (folder / CONFIG).write_text("[]"),
}
ALL = [*OTHER_SHAPES, *UNREADABLE, *MISFIT]


@pytest.fixture
def make_wrong(make_adapter, make_network):
    """A folder that is no adapter of the small network: `make_wrong(how)`, which is in its name too."""

    def make(how):
        folder = make_adapter(how, network=make_network(**OTHER_SHAPES.get(how, {})))
        (UNREADABLE | MISFIT).get(how, lambda folder: None)(folder)
        return folder

    return make


def refused(how, acting):
    """That entering or merging is refused, naming the folder and a remedy."""
    with pytest.raises(AdapterError, match=how) as refusal:
        acting()
    assert refusal.value.remedy


def enter(network, adapters):
    with applied(network, adapters):
        pytest.fail("the block must not be entered")


@pytest.mark.parametrize("how", ALL)
def test_an_adapter_that_does_not_fit_is_refused_and_leaves_no_trace(network, make_wrong, answer, how):
    before, said = traces(network), answer(network)
    wrong = AppliedAdapter(make_wrong(how))
    refused(how, lambda: enter(network, [wrong]))
    assert same_traces(traces(network), before)
    assert torch.equal(answer(network), said)


@pytest.mark.parametrize("how", ["another width", "deeper", "cut weights", "unknown targets", "another type"])
def test_the_adapters_before_one_that_does_not_fit_leave_no_trace(network, make_wrong, make_adapter, how):
    before = traces(network)
    adapters = [AppliedAdapter(make_adapter("right")), AppliedAdapter(make_wrong(how))]
    refused(how, lambda: enter(network, adapters))
    assert same_traces(traces(network), before)


@pytest.mark.parametrize("how", ALL)
def test_an_adapter_that_does_not_fit_is_not_merged(network, make_wrong, how):
    before = traces(network)
    wrong = AppliedAdapter(make_wrong(how))
    refused(how, lambda: merge(network, [wrong]))
    assert same_traces(traces(network), before)


@pytest.mark.parametrize("how", UNREADABLE)
def test_weights_that_cannot_be_read_are_not_loaded(network, make_wrong, spec, how):
    folder = make_wrong(how)
    wrapped = attach(network, spec, seed=0)
    refused(how, lambda: load_weights(wrapped, folder))


@pytest.mark.parametrize("how", ["no folder", "no weights", "no config"])
def test_what_is_missing_is_not_sought_on_the_internet(network, make_wrong, monkeypatch, how):
    sought = []
    for place in ("peft.config.hf_hub_download", "peft.utils.save_and_load.hf_hub_download"):
        monkeypatch.setattr(place, lambda *where, **_: sought.append(where))
    wrong = AppliedAdapter(make_wrong(how))
    refused(how, lambda: enter(network, [wrong]))
    refused(how, lambda: merge(network, [wrong]))
    assert sought == []


# On the packaged model


@pytest.fixture(scope="module")
def packaged():
    return load_model()


@pytest.fixture(scope="module")
def packaged_adapter(packaged, fill, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapter")
    spec = LoraSpec(rank=4, alpha=4.0, dropout=0.0, targets=packaged.facts.lora_targets)
    wrapped = attach(copy.deepcopy(packaged.network), spec, seed=0)
    fill(wrapped, 3)
    save_adapter(wrapped, folder)
    return folder


def draw(model):
    settings = SamplerSettings(steps=1, guidance_strength=0)
    return model.sample([model.conditions("calypso, 112 bpm")], 1.0, settings, [1])[0]


def test_an_adapter_of_the_packaged_model_is_heard_and_gone_again(packaged, packaged_adapter):
    before, said = traces(packaged.network), draw(packaged)
    with applied(packaged.network, [AppliedAdapter(packaged_adapter)]):
        full = draw(packaged)
    with applied(packaged.network, [AppliedAdapter(packaged_adapter, 0.0)]):
        assert torch.equal(draw(packaged), said)
    assert differ(full, said)
    assert same_traces(traces(packaged.network), before)
    assert torch.equal(draw(packaged), said)


def test_the_packaged_model_with_a_merged_adapter_is_the_one_it_is_applied_to(packaged, packaged_adapter):
    with applied(packaged.network, [AppliedAdapter(packaged_adapter, 0.5)]):
        heard = draw(packaged)
    base = packaged.network
    packaged.network = merge(copy.deepcopy(base), [AppliedAdapter(packaged_adapter, 0.5)])
    try:
        close(draw(packaged), heard, atol=1e-3)
    finally:
        packaged.network = base

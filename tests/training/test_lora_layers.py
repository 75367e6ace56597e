from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from angen.adapters.lora import LoraSpec, attach, detach, trainable
from angen.training.dropout import QuickDropout
from angen.training.lora_layers import quicken

CPU = "cpu"


class Two(nn.Module):
    """Two linear layers, one with a bias."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(12, 20), nn.Linear(20, 6, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x)))  # type: ignore[no-any-return]


def adapted(dropout: float, *, is_quick: bool, **options: bool) -> tuple[Two, Any]:
    network = Two()
    wrapped = attach(network, LoraSpec(4, 10.0, dropout, ("first", "second"), **options), seed=1)
    quicken(wrapped)
    for layer in wrapped.modules():
        if not is_quick:
            layer.__dict__.pop("forward", None)  # peft's own, with the same dropout
    torch.manual_seed(2)
    for name, weight in trainable(network).items():
        if "lora_B" in name:
            nn.init.normal_(weight)
    network.train()
    return network, wrapped


def outcome(network: Two, x: Tensor, *, is_mixed: bool = False) -> list[Tensor]:
    x = x.detach().clone().requires_grad_()
    torch.manual_seed(7)
    with torch.autocast(CPU, torch.bfloat16, enabled=is_mixed):
        out = network(x)
    out.float().square().sum().backward()
    assert x.grad is not None
    return [out.detach(), x.grad, *(weight.grad for weight in trainable(network).values())]  # type: ignore[list-item]


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("shape", [(5, 12), (2, 3, 12)])
def test_values_and_gradients_are_pefts(dropout: float, shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    ours = outcome(adapted(dropout, is_quick=True)[0], x)
    theirs = outcome(adapted(dropout, is_quick=False)[0], x)
    assert len(ours) == len(theirs) == 6
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5 * float(other.abs().max()))


def test_mixed_precision_is_as_near_to_float32_as_pefts() -> None:
    x = torch.randn(400, 12, generator=torch.Generator().manual_seed(3))
    exact = outcome(adapted(0.2, is_quick=False)[0], x)
    theirs = outcome(adapted(0.2, is_quick=False)[0], x, is_mixed=True)
    ours = outcome(adapted(0.2, is_quick=True)[0], x, is_mixed=True)
    assert ours[0].dtype == theirs[0].dtype == torch.bfloat16
    for one, other, truth in zip(ours, theirs, exact, strict=True):
        assert one.dtype == other.dtype
        own = float((one.float() - truth).norm() / truth.norm())
        assert own < 1.5 * float((other.float() - truth).norm() / truth.norm()) + 1e-3


def test_rank_stabilised_scaling_is_kept() -> None:
    x = torch.randn(5, 12, generator=torch.Generator().manual_seed(3))
    quick = outcome(adapted(0.0, is_quick=True, rslora=True)[0], x)
    usual = outcome(adapted(0.0, is_quick=False, rslora=True)[0], x)
    torch.testing.assert_close(quick, usual, rtol=1e-5, atol=1e-3)
    assert not torch.equal(quick[0], outcome(adapted(0.0, is_quick=True)[0], x)[0])


def test_evaluation_is_pefts_own_to_the_bit() -> None:
    x = torch.randn(5, 12)
    quick, usual = adapted(0.3, is_quick=True)[0].eval(), adapted(0.3, is_quick=False)[0].eval()
    assert torch.equal(quick(x), usual(x))
    with torch.no_grad():
        assert torch.equal(quick.train()(x), quick(x)) is False  # dropout is on without gradients, too


def test_dora_is_left_to_peft_with_quick_dropout() -> None:
    network, _ = adapted(0.25, is_quick=True, dora=True)
    assert "forward" not in vars(network.first)
    found = [module for module in network.modules() if isinstance(module, QuickDropout)]
    assert [module.share for module in found] == [0.25, 0.25]
    assert all(weight.grad is not None for weight in _after_step(network))


def _after_step(network: Two) -> list[nn.Parameter]:
    outcome(network, torch.randn(5, 12))
    return list(trainable(network).values())


def test_after_taking_out_the_base_is_as_it_was() -> None:
    network, wrapped = adapted(0.1, is_quick=True)
    outcome(network, torch.randn(5, 12), is_mixed=True)
    assert all(weight.grad is None for name, weight in network.named_parameters() if "base_layer" in name)
    detach(wrapped)
    fresh, x = Two(), torch.randn(5, 12)
    assert type(network.first) is nn.Linear
    assert torch.equal(network(x), fresh(x))
    assert network.state_dict().keys() == fresh.state_dict().keys()


def test_a_models_layers_are_all_quick(model: Any) -> None:
    wrapped = attach(model.network, LoraSpec(2, 4.0, 0.25, model.facts.lora_targets), seed=0)
    quicken(wrapped)
    found = [module for module in wrapped.modules() if isinstance(module, QuickDropout)]
    assert len(found) == sum("forward" in vars(module) for module in wrapped.modules()) == 14
    assert not any(isinstance(module, torch.nn.Dropout) for module in wrapped.modules())
    detach(wrapped)

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from angen.model import gradients
from angen.model.gradients import attend, norm, turn


def with_gradients(function: Callable[..., Tensor], inputs: Sequence[Tensor], seed: int = 0) -> list[Tensor]:
    leaves = [x.detach().clone().requires_grad_() for x in inputs]
    out = function(*leaves)
    wanted = torch.randn(out.shape, generator=torch.Generator().manual_seed(seed)).to(out.dtype)
    return [out.detach(), *torch.autograd.grad(out, leaves, wanted)]


def plain_norm(x: Tensor, weight: Tensor) -> Tensor:
    return weight * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(1, 9), st.floats(1e-3, 100))
def test_the_norm_is_its_formula_with_both_gradients(shape: list[int], width: int, size: float) -> None:
    torch.manual_seed(0)
    x, weight = size * torch.randn(*shape, width), torch.randn(width)
    ours = with_gradients(lambda x, w: norm(x, w, 1e-6), (x, weight))
    exact = with_gradients(plain_norm, (x.double(), weight.double()))
    steepest = float(weight.abs().max() * torch.rsqrt(x.square().mean(-1) + 1e-6).max())
    rows = x[..., 0].numel()
    for one, other, size_of_terms in zip(ours, exact, (1.0, steepest, rows), strict=True):
        torch.testing.assert_close(one.double(), other, rtol=2e-5, atol=1e-5 * max(1.0, size_of_terms))


def test_a_frozen_norm_weight_has_no_gradient_and_strides_do_not_matter() -> None:
    x, weight = torch.randn(2, 3, 4, 8).transpose(1, 2).requires_grad_(), torch.randn(8)
    norm(x, weight, 1e-6).sum().backward()
    first = x.grad
    again = x.detach().contiguous().requires_grad_()
    plain_norm(again, weight).sum().backward()
    torch.testing.assert_close(first, again.grad)
    assert weight.grad is None


def test_the_turn_has_the_gradient_that_finite_differences_find() -> None:
    angles = torch.randn(5, 3, dtype=torch.float64).repeat(1, 2)
    x = torch.randn(2, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda y: turn(y, angles.cos(), angles.sin()), x)


def test_a_turn_keeps_lengths_and_is_undone_by_the_opposite_one() -> None:
    angles, x = torch.randn(5, 4).repeat(1, 2), torch.randn(3, 5, 8)
    turned = turn(x, angles.cos(), angles.sin())
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    torch.testing.assert_close(turn(turned, angles.cos(), -angles.sin()), x)


def heads(count: int = 3, rows: int = 20, width: int = 16) -> list[Tensor]:
    torch.manual_seed(1)
    return [torch.randn(2, count, rows, width) for _ in range(3)]


def seen(rows: int = 20) -> Tensor:
    mask = torch.rand(2, 1, rows, rows, generator=torch.Generator().manual_seed(2)) > 0.5
    return mask | torch.eye(rows, dtype=torch.bool)


def off(ours: Tensor, exact: Tensor) -> float:
    return float((ours.float() - exact).norm() / exact.norm())


@pytest.mark.parametrize("mask", [None, seen()])
def test_attention_is_as_exact_as_torchs(mask: Tensor | None) -> None:
    def torchs(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)

    halves = [x.bfloat16() for x in heads()]
    exact = with_gradients(torchs, [x.float() for x in halves])
    ours = with_gradients(lambda q, k, v: attend(q, k, v, mask), halves)
    theirs = with_gradients(torchs, halves)
    for one, other, truth in zip(ours, theirs, exact, strict=True):
        assert off(one, truth) < 1.5 * off(other, truth) + 1e-4
        assert off(one, truth) < 0.01


def test_what_is_not_seen_has_no_weight_and_no_gradient() -> None:
    mask = seen()
    mask[..., 7] = False
    mask[..., 7, 3] = True
    query, key, value = (x.bfloat16() for x in heads())
    out, _, of_key, of_value = with_gradients(lambda q, k, v: attend(q, k, v, mask), (query, key, value))
    assert float(of_key[:, :, 7].abs().max()) == float(of_value[:, :, 7].abs().max()) == 0.0
    key[:, :, 7], value[:, :, 7] = 5.0, -5.0
    assert torch.equal(with_gradients(lambda q, k, v: attend(q, k, v, mask), (query, key, value))[0], out)


def test_wide_queries_with_narrow_values_keep_their_formats() -> None:
    query, key, value = heads()
    found = with_gradients(lambda q, k, v: attend(q, k, v, None), (query, key, value.bfloat16()))
    assert [x.dtype for x in found] == [torch.bfloat16, torch.float32, torch.float32, torch.bfloat16]


def test_float32_generation_and_long_sequences_are_torchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def torchs(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v)

    def ours(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return attend(q, k, v, None)

    wide, narrow = heads(), [x.bfloat16() for x in heads()]
    for one, other in zip(with_gradients(ours, wide), with_gradients(torchs, wide), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(ours(*narrow), torchs(*narrow))
    assert with_gradients(ours, narrow)[0].ne(with_gradients(torchs, narrow)[0]).any()
    monkeypatch.setattr(gradients, "KEPT_WEIGHTS", 2 * 3 * 20 * 20 - 1)
    for one, other in zip(with_gradients(ours, narrow), with_gradients(torchs, narrow), strict=True):
        assert torch.equal(one, other)

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from angen.training.dropout import QuickDropout


@pytest.mark.parametrize("share", [0.05, 0.1, 0.5, 0.9])
def test_the_share_that_is_dropped_and_the_mean_that_stays(share: float) -> None:
    torch.manual_seed(0)
    count = 400_000
    out = QuickDropout(share).train()(torch.ones(count // 100, 100))
    dropped = float((out == 0).float().mean())
    assert dropped == pytest.approx(share, abs=4 * (share * (1 - share) / count) ** 0.5)
    assert float(out.max()) == pytest.approx(1 / (1 - share), rel=1e-3)
    assert float(out.mean()) == pytest.approx(1.0, abs=0.02)
    flat = (out == 0).float().flatten()
    for lag in (1, 2, 3, 4, 8, 100):  # no element tells of another, and no row of the next
        product = float((flat[lag:] * flat[:-lag]).mean())
        assert product == pytest.approx(share**2, abs=5 * share / count**0.5)


@given(st.lists(st.integers(0, 7), min_size=0, max_size=4))
def test_any_shape_and_its_gradient(shape: list[int]) -> None:
    x = torch.ones(shape, requires_grad=True)
    out = QuickDropout(0.5).train()(x)
    assert out.shape == x.shape
    out.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, out.detach())


def test_torchs_random_state_decides() -> None:
    layer, x = QuickDropout(0.3).train(), torch.randn(50, 50)
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(layer(x))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert not torch.equal(layer(x), layer(x))


def test_in_evaluation_nothing_is_dropped() -> None:
    x = torch.randn(9)
    assert QuickDropout(0.9).eval()(x) is x
    assert QuickDropout(0.0).train()(x) is x


def test_factors_are_those_of_forward_in_both_formats() -> None:
    layer = QuickDropout(0.25).train()
    for dtype in (torch.float32, torch.bfloat16):
        torch.manual_seed(3)
        kept = layer.kept((30, 7), dtype)
        torch.manual_seed(3)
        assert kept is not None
        assert kept.dtype == dtype
        assert torch.equal(layer(torch.ones(30, 7, dtype=dtype)), kept)
        assert set(kept.unique().tolist()) == {0.0, float(torch.tensor(4 / 3, dtype=dtype))}

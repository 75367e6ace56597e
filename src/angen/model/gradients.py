"""Norm, rotary turn and attention with gradients written by hand: fewer passes over memory than autograd takes.

Values are those of the plain formulas; autograd would only keep and cast more of what lies between. Attention
keeps its weights for the backward pass, which on a processor is quicker than forming them again.

Source: RMSNorm, Zhang and Sennrich 2019 (arXiv:1910.07467); rotary positions, Su et al. 2021 (arXiv:2104.09864);
attention, Vaswani et al. 2017 (arXiv:1706.03762).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

KEPT_WEIGHTS = 2**26  # attention weights of one layer that may be kept for the backward pass: 128 MiB


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        wide = x.float()
        inverse = torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
        ctx.save_for_backward(x, weight, inverse)
        return weight * (wide * inverse).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight, inverse = ctx.saved_tensors
        wide, normed = grads[0].float(), x.float() * inverse
        of_weight = of_x = None
        if ctx.needs_input_grad[1]:
            of_weight = (wide * normed).flatten(0, -2).sum(0).to(weight.dtype)
        if ctx.needs_input_grad[0]:
            wide = wide * weight
            along = (wide * normed).mean(-1, keepdim=True)
            of_x = wide.addcmul_(normed, along, value=-1).mul_(inverse).to(x.dtype)
        return of_x, of_weight, None


def norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Root-mean-square normalisation of `x` (..., d), statistics in float32, times `weight` (d,)."""
    return _Norm.apply(x, weight, eps)  # type: ignore[no-any-return, no-untyped-call]


def _turned(x: Tensor, cos: Tensor, sin: Tensor, sign: float) -> Tensor:
    half = x.shape[-1] // 2
    out = x * cos
    out[..., :half].addcmul_(x[..., half:], sin[..., :half], value=-sign)
    out[..., half:].addcmul_(x[..., :half], sin[..., half:], value=sign)
    return out


class _Turn(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _turned(x, cos, sin, 1.0)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        return _turned(grads[0], cos, sin, -1.0), None, None


def turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn pairs (i, i + d/2) of `x` (..., d) by angles whose cosines and sines are alike in both halves."""
    return _Turn.apply(x, cos, sin)  # type: ignore[no-any-return, no-untyped-call]


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        ctx.scale, dtype = query.shape[-1] ** -0.5, value.dtype
        with torch.autocast("cpu", enabled=False):
            scores = (query.float() * ctx.scale) @ key.float().transpose(-1, -2)
            if mask is not None:
                scores += torch.zeros(mask.shape).masked_fill_(~mask, float("-inf"))
            weights = scores.softmax(-1).to(dtype)
            ctx.save_for_backward(query.to(dtype), key.to(dtype), value, weights)
            ctx.of_query, ctx.of_key = query.dtype, key.dtype
            out: Tensor = weights @ value
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        query, key, value, weights = ctx.saved_tensors
        of_weights = grads[0] @ value.transpose(-1, -2)
        of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype).mul_(ctx.scale)
        of_query = (of_scores @ key).to(ctx.of_query)
        of_key = (of_scores.transpose(-1, -2) @ query).to(ctx.of_key)
        return of_query, of_key, weights.transpose(-1, -2) @ grads[0], None


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Attention of heads (B, H, n, d) to (B, H, m, d) under a mask, True where seen, broadcastable to (B, 1, n, m).

    torch's own, except in mixed-precision training on a processor, where its kernel reaches a twentieth of what
    matrix products do. Scores and their softmax are float32 in both.
    """
    weights = query.shape[:-1].numel() * key.shape[-2]
    is_mixed_training = value.dtype == torch.bfloat16 and value.requires_grad and torch.is_grad_enabled()
    if is_mixed_training and value.device.type == "cpu" and weights <= KEPT_WEIGHTS:
        return _Attention.apply(query, key, value, mask)  # type: ignore[no-any-return, no-untyped-call]
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)

"""LoRA's linear layers as one step of autograd on a processor, with peft's parameters and to peft's values.

peft's own forward goes over memory for every cast, scaling and addition, and autograd keeps what lies between. Here
the frozen matrix is cast once a run, the pair of small matrices adds into the frozen product, and the backward
pass forms what is needed and nothing of the frozen matrix. Names, saving and taking out remain peft's.

Source: Hu et al. 2021, "LoRA" (arXiv:2106.09685).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from angen.training.dropout import QuickDropout


class _Lora(torch.autograd.Function):
    """x Wᵀ + bias + (x ∘ kept) Aᵀ Bᵀ · scale, in the number format of the frozen W."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        frozen: Tensor,
        bias: Tensor | None,
        down: Tensor,
        up: Tensor,
        kept: Tensor | None,
        scale: float,
    ) -> Tensor:
        ctx.scale, ctx.x_dtype, dtype = scale, x.dtype, frozen.dtype
        with torch.autocast("cpu", enabled=False):
            rows = x.to(dtype).flatten(0, -2)
            some = rows if kept is None else rows * kept
            down, up = down.to(dtype), (up * scale).to(dtype)
            inner = some @ down.T
            out: Tensor = F.linear(rows, frozen, bias).addmm_(inner, up.T)
        ctx.save_for_backward(frozen, down, up, some, inner, kept)
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        frozen, down, up, some, inner, kept = ctx.saved_tensors
        grad = grads[0].flatten(0, -2)
        of_inner = grad @ up
        of_down = (of_inner.T @ some).float()
        of_up = (inner.T @ grad).T.float() * ctx.scale
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = grad @ frozen
            if kept is None:
                of_x.addmm_(of_inner, down)
            else:
                of_x.addcmul_(of_inner @ down, kept)
            of_x = of_x.to(ctx.x_dtype).view(*grads[0].shape[:-1], -1)
        return of_x, None, None, of_down, of_up, None, None


class _QuickForward:
    """What a layer's `forward` becomes: quick in training on a processor, else peft's."""

    def __init__(self, layer: Any) -> None:
        self.layer, self.usual = layer, layer.forward
        self.frozen: dict[torch.dtype, Tensor] = {}

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        layer = self.layer
        is_learning = layer.training and torch.is_grad_enabled() and x.device.type == "cpu"
        if not is_learning or layer.merged or layer.disable_adapters or args or kwargs:
            return self.usual(x, *args, **kwargs)  # type: ignore[no-any-return]
        (name,) = layer.active_adapters
        base, dropout = layer.base_layer, layer.lora_dropout[name]
        is_mixed = torch.is_autocast_enabled("cpu")
        dtype = torch.get_autocast_dtype("cpu") if is_mixed else base.weight.dtype
        if dtype not in self.frozen:
            self.frozen[dtype] = base.weight.detach().to(dtype)
        bias = None if base.bias is None else base.bias.detach().to(dtype)
        rows = x.shape[:-1].numel()
        kept = dropout.kept((rows, x.shape[-1]), dtype) if isinstance(dropout, QuickDropout) else None
        down, up = layer.lora_A[name].weight, layer.lora_B[name].weight
        return _Lora.apply(x, self.frozen[dtype], bias, down, up, kept, layer.scaling[name])  # type: ignore[no-any-return, no-untyped-call]


def quicken(wrapped: Any) -> None:
    """Make every LoRA layer of a freshly attached adapter quick in training, until it is detached.

    Layers of another kind (DoRA) only get quicker dropout. Base weights must not change while the adapter is on.
    """
    from peft.tuners.lora import Linear, LoraLayer

    for layer in wrapped.modules():
        if not isinstance(layer, LoraLayer):
            continue
        for name, module in layer.lora_dropout.items():
            if isinstance(module, nn.Dropout):
                layer.lora_dropout[name] = QuickDropout(module.p).train(module.training)
        if isinstance(layer, Linear) and not layer.lora_variant and not any(layer.lora_bias.values()):
            layer.forward = _QuickForward(layer)

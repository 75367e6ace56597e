"""The count of a GPU's memory, compared with what PyTorch keeps of the same operations on a processor."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from angen.adapters.lora import LoraSpec, attach
from angen.model import gradients
from angen.model.music_model import LORA_TARGETS
from angen.model.network import FlowNetwork
from angen.training.gpu_memory import NetworkSize, StepSize, fits, kept_of_block, step_memory
from angen.training.recompute import recomputed
from angen.workflows.gpu_memory import RELEASED


def kept_really(size: NetworkSize, step: StepSize) -> int:
    """Bytes that autograd keeps of a step, as on a GPU: peft's own layers, fused attention, bfloat16 weights."""
    torch.manual_seed(0)
    config = {
        "dim": size.dim, "depth": size.depth, "heads": size.heads, "mel_dim": size.channels,
        "text_num_embeds": 100, "block_size": size.block_frames, "ff_mult": size.hidden // size.dim,
    }  # fmt: skip
    network = FlowNetwork(config).to(torch.bfloat16).requires_grad_(False)
    attach(network, LoraSpec(step.rank, 32.0, 0.0, LORA_TARGETS), seed=0)
    network.train()
    own = {weight.untyped_storage().data_ptr() for weight in network.parameters()}
    kept: dict[int, int] = {}
    alive: list[Any] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        alive.append(storage)
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    blocks = step.noisy_frames // size.block_frames
    shape = (step.batch, step.frames, size.channels)
    with (
        recomputed(network, step.is_recomputed),
        torch.autocast("cpu", torch.bfloat16),
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
    ):
        out = network(
            text_ids=torch.ones(step.batch, step.words, dtype=torch.long),
            text_valid=torch.ones(step.batch, step.words, dtype=torch.bool),
            clean=torch.randn(shape), noisy=torch.randn(shape), times=torch.rand(shape[:2]),
            style=torch.randn(step.batch, 512), frame_valid=torch.ones(shape[:2], dtype=torch.bool),
            kept=None if blocks * size.block_frames == step.frames else torch.arange(blocks).expand(step.batch, -1),
        )  # fmt: skip
        (out.float() - torch.randn(out.shape)).square().mean()
    return sum(kept.values())


SIZE = NetworkSize(192, 3, 4, 768, 16, 0, 10, 5.0)
STEPS = [
    StepSize(30, 60, 60, has_dropout=False),
    StepSize(30, 60, 20, has_dropout=False, batch=2),
    StepSize(80, 40, 40, rank=4, has_dropout=False),
]


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_the_count_is_what_is_kept(step: StepSize, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradients, "KEPT_WEIGHTS", 0)  # attention as on a GPU
    assert step_memory(SIZE, step).kept == pytest.approx(kept_really(SIZE, step), rel=0.06)


def test_blocks_computed_twice_keep_their_inputs_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradients, "KEPT_WEIGHTS", 0)
    step = dataclasses.replace(STEPS[0], is_recomputed=True)
    counted = step_memory(SIZE, step).kept - kept_of_block(
        SIZE, step
    )  # that one is there in the backward pass only
    assert counted == pytest.approx(kept_really(SIZE, step), rel=0.4)
    assert counted < 0.1 * step_memory(SIZE, STEPS[0]).kept


def test_the_released_sizes_are_those_of_the_specification() -> None:
    assert RELEASED.adapter(16) == 12_058_624
    assert RELEASED.weights == 1_136_249_664 - 57_689_856  # without the heads of pre-training


def test_larger_devices_and_smaller_settings_hold_longer_crops() -> None:
    told = {(x.gpu_gb, x.is_recomputed, x.noisy_blocks): x for x in fits(RELEASED)}
    for (gpu_gb, is_recomputed, noisy), fit in told.items():
        assert fit.bytes <= gpu_gb * 1e9 or fit.crop_s == 0
        for other in ((24, is_recomputed, noisy), (gpu_gb, True, noisy), (gpu_gb, is_recomputed, 8)):
            assert told[other].crop_s >= fit.crop_s

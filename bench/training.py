"""Speed of training, as shares of what this machine's matrix products reach, and against a plain loop with peft.

One processor thread is timed by its own processor time, which other programs on the machine do not lengthen; several by
the clock. Whatever is compared is run in turn, and medians of the ratios are taken.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

ROUNDS = 5
CHECKPOINT_EVERY, LOG_EVERY = 500, 10  # the defaults of a run
BLOCK = {"dim": 2048, "heads": 16, "hidden": 8192}  # of DiffRhythm 2
BLOCK_TOKENS = 100 + 2 * 150  # words, then 30 s of clean and of noisy frames
LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def training() -> None:
    """Print all of it."""
    from angen.model.precision import is_mixed, keep_freed_memory

    keep_freed_memory()
    kind = "bfloat16" if is_mixed() else "float32"
    print(f"training: measured with {_threads()} thread(s), {kind}")
    _large_block()
    with tempfile.TemporaryDirectory() as folder:
        tiny = _Tiny(Path(folder))
        _tiny_step(tiny)
        _plain_loop(tiny)
        _around_a_step(tiny)


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def clock() -> float:
    """Seconds of this thread's processor time; of the wall where several threads work."""
    return time.thread_time() if _threads() == 1 else time.perf_counter()


def in_turn(*works: Callable[[], object], rounds: int = ROUNDS) -> list[list[float]]:
    """Seconds of each work in each round, after a warm-up: all of them, then all again."""
    times: list[list[float]] = [[] for _ in works]
    for turn in range(rounds + 1):
        for own, work in zip(times, works, strict=True):
            start = clock()
            work()
            if turn:
                own.append(clock() - start)
    return times


def share(part: Sequence[float], whole: Sequence[float]) -> float:
    """The median over rounds of part / whole."""
    return median(one / other for one, other in zip(part, whole, strict=True))


def _products() -> list[tuple[Callable[[], object], float]]:
    """Large matrix products in the number format of training, and the operations of each."""
    import torch

    from angen.model.precision import is_mixed

    dtype = torch.bfloat16 if is_mixed() else torch.float32
    made = []
    for rows, inner, columns in (
        (1024, 2048, 2048),
        (800, 2048, 8192),
        (2048, 2048, 2048),
        (2048, 1024, 1024),
    ):
        left = torch.randn(rows, inner).to(dtype)
        right = torch.randn(columns, inner).to(dtype)  # as a linear layer holds its weights
        made.append((lambda a=left, b=right: torch.nn.functional.linear(a, b), 2.0 * rows * inner * columns))
    return made


def _ceiling(seconds: Sequence[Sequence[float]], operations: Sequence[float]) -> list[float]:
    """The best product's operations a second in each round."""
    return [
        max(count / own[turn] for own, count in zip(seconds, operations, strict=True))
        for turn in range(len(seconds[0]))
    ]


def operations_of(step: Callable[[], object]) -> float:
    """What a step must compute: its matrix products and attention, forward and backward, as they are run.

    A product of (m, k) by (k, n) counts 2 m k n. Frozen matrices have no gradient of their own and none is counted.
    Attention is counted dense, its backward pass twice its forward one, without what a kernel computes again.
    """
    from torch.utils.flop_counter import FlopCounterMode

    def attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
        batch, heads, rows, width = query
        return int(2 * batch * heads * rows * key[2] * (width + value[3]))

    def backward(_: Any, query: Any, key: Any, value: Any, *__: Any, **___: Any) -> int:
        return 2 * attention(query, key, value)

    def added(_: Any, left: Any, right: Any, *__: Any, **___: Any) -> int:
        return int(2 * left[0] * left[1] * right[1])

    import torch

    ops = torch.ops.aten
    custom: Any = {
        ops.addmm_: added,
        ops._scaled_dot_product_flash_attention_for_cpu: attention,
        ops._scaled_dot_product_flash_attention_for_cpu_backward: backward,
    }
    with FlopCounterMode(display=False, custom_mapping=custom) as counted:
        step()
    return float(counted.get_total_flops())


def products_of(step: Callable[[], object]) -> Callable[[], object]:
    """The step's matrix products alone: the same shapes, layouts and formats, in the same order, of other numbers."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    packets = torch.ops.aten.mm, torch.ops.aten.addmm, torch.ops.aten.addmm_, torch.ops.aten.bmm
    calls: list[tuple[Any, list[Any]]] = []

    class Recorder(TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, _: Any, values: Any = (), options: Any = None) -> Any:
            if function.overloadpacket in packets:
                places = [torch.empty_strided(x.shape, x.stride(), dtype=x.dtype).normal_() for x in values]
                calls.append((function, places))
            return function(*values, **(options or {}))

    with Recorder():
        step()

    def alone() -> None:
        with torch.no_grad():
            for function, values in calls:
                function(*values)

    return alone


@dataclass(frozen=True)
class _Reached:
    """What a step reaches: its seconds, the ceiling in operations a second, and shares of it.

    Args:
        seconds: Of a step.
        ceiling: The best large product's operations a second.
        share: The step's operations a second, as a share of the ceiling.
        products: The same of its products alone: what it could reach if nothing else took time.
    """

    seconds: float
    ceiling: float
    share: float
    products: float


def _against_ceiling(step: Callable[[], object]) -> _Reached:
    operations = operations_of(step)
    products, counts = zip(*_products(), strict=True)
    step_s, alone_s, *product_s = in_turn(step, products_of(step), *products)
    ceiling = _ceiling(product_s, counts)
    shares = [
        median(operations / own / best for own, best in zip(seconds, ceiling, strict=True))
        for seconds in (step_s, alone_s)
    ]
    return _Reached(median(step_s), median(ceiling), *shares)


def _large_block() -> None:
    import torch
    from peft import LoraConfig, inject_adapter_in_model

    from angen.model.dit import Block, rotary_table
    from angen.model.precision import autocast
    from angen.training.lora_layers import quicken

    block = Block(**BLOCK).requires_grad_(False)
    lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules=list(LAYERS))
    block = inject_adapter_in_model(lora, block)
    quicken(block)
    weights = [weight for weight in block.parameters() if weight.requires_grad]
    hidden = torch.randn(
        2, BLOCK_TOKENS, BLOCK["dim"], requires_grad=True
    )  # a block in the middle passes gradients on
    table = rotary_table(torch.arange(BLOCK_TOKENS), BLOCK["dim"] // BLOCK["heads"])
    mask = torch.ones(BLOCK_TOKENS, BLOCK_TOKENS, dtype=torch.bool).tril()[None, None]

    def step() -> None:
        with autocast():
            out, _ = block(hidden, table, mask, None)
        out.float().square().mean().backward()
        for weight in (*weights, hidden):
            weight.grad = None

    reached = _against_ceiling(step)
    tokens = hidden.shape[0] * hidden.shape[1]
    print(
        f"training: a block of DiffRhythm 2's size with LoRA reaches {reached.share:.2f} of the matmul ceiling "
        f"({reached.ceiling / 1e9:.0f} GFLOP/s; its products alone {reached.products:.2f}), "
        f"{tokens / reached.seconds:.0f} tokens/s a block"
    )


class _Tiny:
    """angen-tiny with a fresh adapter, and clips of noise with prompts, encoded."""

    def __init__(self, folder: Path) -> None:
        import torch

        from angen.adapters.lora import LoraSpec, attach, trainable
        from angen.audio import Audio
        from angen.model import AngenTiny
        from angen.training import ClipVersion, TrainConfig, TrainingClip
        from angen.training.clips import Plan, crop_frames_of
        from angen.training.lora_layers import quicken

        self.folder, self.model, self.config = folder, AngenTiny(), TrainConfig(batch_size=4)
        facts = self.model.facts
        source = np.random.default_rng(0)
        self.sounds = [
            Audio(0.1 * source.standard_normal((1, 24_000 * 16)).astype(np.float32), 24_000) for _ in range(8)
        ]
        self.prompts = [f"steel drums, calypso, happy, key of C major, {100 + n} bpm" for n in range(8)]
        self.clips = []
        for number, (sound, prompt) in enumerate(zip(self.sounds, self.prompts, strict=True)):
            latents = self.model.encode(sound)
            beats = self.model.beats(np.arange(0, 16, 0.5), np.arange(0, 16, 2.0), len(latents))
            version = ClipVersion(latents, beats, (self.model.conditions(prompt),))
            self.clips.append(TrainingClip(f"clip{number}", f"song{number}", version))
        self.plan = Plan.of(self.clips, crop_frames_of(facts, self.config), self.config, facts.latent_rate_hz)
        spec = LoraSpec(16, 32.0, 0.05, facts.lora_targets)
        self.wrapped = attach(self.model.network, spec, seed=0)
        quicken(self.wrapped)
        self.model.network.train()
        self.weights = list(trainable(self.wrapped).values())
        self.optimiser = torch.optim.AdamW(self.weights, lr=1e-6, foreach=True)
        self.plain_model = AngenTiny()
        plain = attach(self.plain_model.network, spec, seed=0)  # with torch's dropout
        self.plain_model.network.train()
        self.plain_weights = list(trainable(plain).values())
        self.plain_optimiser = torch.optim.AdamW(self.plain_weights, lr=1e-6, foreach=False)
        self.tokens = 0
        self.steps = 0

    def batches(self) -> list[Any]:
        """The crops of the next step, as the trainer draws them."""
        from angen.training.clips import crop_batches

        self.steps += 1
        clips = self.plan.clips_of_step(self.steps)
        return crop_batches(self.clips, clips, self.model.facts, self.config, self.steps)

    def learn(self, batches: Sequence[Any]) -> None:
        """Forward, backward and one step of the optimiser."""
        import torch

        for batch in batches:
            self.tokens = 2 * batch.clean.shape[0] * batch.clean.shape[1]
            (self.model.loss(batch).mean() / len(batches)).backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)

    def plain(self, *, encodes: bool, precision: str = "fp32") -> None:
        """The same step as one writes it with peft and nothing else: words, and if asked sound, made anew."""
        import torch

        from angen.model import FlowBatch
        from angen.model.flow import draw_times
        from angen.model.precision import chosen_precision
        from angen.training import ClipVersion
        from angen.training.clips import step_generator, window_batch

        self.steps += 1
        facts, frames, windows = self.model.facts, self.config_frames, []
        generator = step_generator(0, self.steps)
        for index in self.plan.clips_of_step(self.steps):
            known = self.clips[index].original
            latents = self.plain_model.encode(self.sounds[index]) if encodes else known.latents
            words = self.plain_model.conditions(self.prompts[index])
            start = int(torch.randint(len(latents) - frames + 1, (), generator=generator))
            windows.append((ClipVersion(latents, known.beats, (words,)), start))
        clean, valid, beats, conditions = window_batch(windows, facts, frames)
        times = draw_times(len(windows), frames // facts.block_frames, generator)
        noise = torch.randn(clean.shape, generator=generator)
        with chosen_precision(precision):
            loss = self.plain_model.loss(FlowBatch(clean, valid, beats, conditions, times, noise)).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.plain_weights, 1.0, foreach=False)
        self.plain_optimiser.step()
        self.plain_optimiser.zero_grad(set_to_none=True)

    @property
    def config_frames(self) -> int:
        """Frames of a crop."""
        from angen.training.clips import crop_frames_of

        return crop_frames_of(self.model.facts, self.config)


def _tiny_step(tiny: _Tiny) -> None:
    batches = tiny.batches()
    reached = _against_ceiling(lambda: tiny.learn(batches))
    print(
        f"training: a step of angen-tiny reaches {reached.share:.2f} of the ceiling (its products alone "
        f"{reached.products:.2f}), {tiny.tokens / reached.seconds:.0f} frames/s (clean and noisy), "
        f"{1000 * reached.seconds:.0f} ms"
    )


def _plain_loop(tiny: _Tiny) -> None:
    ours, alike, cached, plain = in_turn(
        lambda: tiny.learn(tiny.batches()),
        lambda: tiny.plain(encodes=False, precision="auto"),
        lambda: tiny.plain(encodes=False),
        lambda: tiny.plain(encodes=True),
    )
    print(
        f"training: {share(cached, ours):.2f}x a plain float32 loop with peft that has its latents, "
        f"{share(alike, ours):.2f}x one in our precision; {share(plain, ours):.2f}x a float32 one that encodes "
        f"them each step: caching saves {1000 * (median(plain) - median(cached)):.0f} ms beside a step of "
        f"{1000 * median(ours):.0f} ms"
    )


def _around_a_step(tiny: _Tiny) -> None:
    """What is not learning: drawing crops, telling, saving."""
    from torch.utils.tensorboard import SummaryWriter

    from angen.training import EventLog
    from angen.training.checkpoint import save_checkpoint

    batches = tiny.batches()
    log = EventLog(tiny.folder)
    with SummaryWriter(str(tiny.folder / "board")) as board:

        def tell() -> None:
            log.note("step", step=1, loss=1.0, mean_loss=1.0, rate=1e-3)
            board.add_scalar("train/loss", 1.0, 1)
            board.add_scalar("train/learning_rate", 1.0, 1)

        def save() -> None:
            save_checkpoint(tiny.folder / "checkpoint", tiny.wrapped, tiny.optimiser, {"step": 1})

        step, draw, told, saved = in_turn(lambda: tiny.learn(batches), tiny.batches, tell, save)
    print(
        f"training: of a step's time {100 * share(draw, step):.2f} % is drawing its crops; "
        f"log and TensorBoard {100 * share(told, step) / LOG_EVERY:.3f} %, checkpoints every {CHECKPOINT_EVERY} "
        f"steps {100 * share(saved, step) / CHECKPOINT_EVERY:.3f} % ({1000 * median(saved):.0f} ms each)"
    )


if __name__ == "__main__":
    training()

"""Training an encoder from its decoder: steps that depend on their number alone, so that a run resumes exactly."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from angen.errors import ModelError
from angen.files import atomic_path
from angen.model.distilled import DistilledEncoder, augmented
from angen.model.latent_statistics import LatentStatistics
from angen.model.open_decoder import OpenDecoder
from angen.model.sound_loss import SoundLoss, SoundWeights


@dataclass(frozen=True)
class DistilSettings:
    """How an encoder is trained.

    Args:
        steps: In all, 1 or more.
        batch_size: Windows of a step.
        window_s: Seconds of a window.
        learning_rate: Of AdamW; rises for a twentieth of the steps, then falls along a cosine to a twentieth.
        cycle_every: Every so many steps the user's recordings are heard too; 0 for never.
        cycle_windows: Windows of them.
        cycle: Weight of the cycle loss.
        prior: Weight, in it, of the departure from the model's own statistics.
        checkpoint_every: Steps between checkpoints.
        dim: Width of the encoder.
        depth: Its blocks at the latent rate.
        fine_depth: Its blocks at a hundred frames a second.
        seed: Of every random choice.
    """

    steps: int = 4000
    batch_size: int = 8
    window_s: float = 5.0
    learning_rate: float = 1e-3
    cycle_every: int = 4
    cycle_windows: int = 2
    cycle: float = 0.1
    prior: float = 0.05
    checkpoint_every: int = 200
    dim: int = 384
    depth: int = 4
    fine_depth: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the values."""
        least = {"steps": 1, "batch_size": 1, "cycle_windows": 1, "checkpoint_every": 1, "dim": 1}
        for name, value in vars(self).items():
            low = least.get(name, 0)
            is_open = name in ("learning_rate", "window_s")
            if not (math.isfinite(value) and value >= low and not (is_open and value == 0)):
                raise ModelError(
                    f"An encoder cannot be trained with {name} {value!r}.",
                    remedy=f"{name} is {'above 0' if is_open else f'{low} or more'}.",
                )


@dataclass(frozen=True)
class Pair:
    """Latents the model drew, with their sound.

    Attributes:
        latents: (frames, C).
        sound: (frames * hop,), float32 or int16 of full scale.
    """

    latents: Tensor
    sound: Tensor

    def window(self, first: int, frames: int, hop: int) -> tuple[Tensor, Tensor]:
        """Latents (frames, C) and sound (frames * hop,) of a part, float32."""
        sound = self.sound[first * hop : (first + frames) * hop]
        if sound.dtype == torch.int16:
            sound = sound.float() / 32767
        return self.latents[first : first + frames], sound


@dataclass(frozen=True)
class Distilled:
    """What became of a training.

    Attributes:
        steps: Done.
        finished: False if it was stopped.
        error: Mean squared error on held-out samples of the model, in variances of the channels: 1 is no better
            than the mean.
        losses: (step, loss on pairs) at each checkpoint.
    """

    steps: int
    finished: bool
    error: float
    losses: tuple[tuple[int, float], ...]


class Distilling:
    """A training: its encoder, optimiser and step.

    Args:
        decoder: Of the model.
        encoder: To be trained, from `distilled.encoder_for`.
        statistics: Of the model's own latents.
        pairs: To learn from.
        sounds: The user's recordings in mono at the decoder's rate, each (samples,); possibly none.
        settings: Every knob.
    """

    def __init__(
        self,
        decoder: OpenDecoder,
        encoder: DistilledEncoder,
        statistics: LatentStatistics,
        pairs: Sequence[Pair],
        sounds: Sequence[Tensor],
        settings: DistilSettings,
    ) -> None:
        self.decoder, self.encoder, self.statistics = decoder, encoder, statistics
        self.settings = settings
        self.frames = max(2, round(settings.window_s * decoder.latent_rate_hz))
        samples = self.frames * decoder.hop_samples
        self.pairs = [pair for pair in pairs if len(pair.latents) >= self.frames]
        self.sounds = [sound for sound in sounds if len(sound) >= samples]
        if not self.pairs:
            raise ModelError(
                f"None of {len(pairs)} samples of the model is as long as a window of {settings.window_s:g} s.",
                remedy="Draw longer samples, or train on shorter windows.",
            )
        self.optimiser = torch.optim.AdamW(
            encoder.parameters(), lr=settings.learning_rate, betas=(0.9, 0.99), weight_decay=0.01
        )
        self.loss = SoundLoss(decoder.rate_hz, decoder.device)
        self.weights = SoundWeights(wave=0.0)
        self.step = 0
        self.losses: list[tuple[int, float]] = []

    def run(
        self,
        checkpoint: Path,
        *,
        on_step: Callable[[int, int, float], None] = lambda done, total, loss: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Train on from where it is, keeping checkpoints; False if asked to stop (a checkpoint is kept then)."""
        settings, recent = self.settings, float("nan")
        self.encoder.train()
        while self.step < settings.steps:
            recent = self._one()
            self.step += 1
            on_step(self.step, settings.steps, recent)
            is_stopped = should_stop() and self.step < settings.steps
            if self.step % settings.checkpoint_every == 0 or self.step == settings.steps or is_stopped:
                self.losses.append((self.step, recent))
                self.save(checkpoint)
            if is_stopped:
                return False
        return True

    def _one(self) -> float:
        """One step; its loss on pairs."""
        settings = self.settings
        generator = _generator(settings.seed, self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = _rate(self.step, settings)
        latents, sound = self._draw(generator)
        heard = augmented(sound, generator)
        error = (self.encoder(heard) - latents) / self.encoder.deviation
        edge = min(self.encoder.reach_frames, self.frames // 4)
        loss = error[:, edge : self.frames - edge].square().mean()
        total = loss
        if self.sounds and settings.cycle_every and self.step % settings.cycle_every == 0:
            total = loss + settings.cycle * self._cycle(generator)
        self.optimiser.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.encoder.parameters(), 1.0)
        self.optimiser.step()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise ModelError(
                f"The loss of step {self.step + 1} is {value}.",
                remedy="Start again with a lower learning rate; the last checkpoint is intact.",
            )
        return value

    def _draw(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = []
        for _ in range(self.settings.batch_size):
            pair = self.pairs[_below(len(self.pairs), generator)]
            first = _below(len(pair.latents) - self.frames + 1, generator)
            rows.append(pair.window(first, self.frames, self.decoder.hop_samples))
        device = self.decoder.device
        return torch.stack([row[0] for row in rows]).to(device), torch.stack([row[1] for row in rows]).to(
            device
        )

    def _cycle(self, generator: torch.Generator) -> Tensor:
        """How far recordings are from themselves, encoded and decoded; and their latents from the usual."""
        samples = self.frames * self.decoder.hop_samples
        rows = []
        for _ in range(self.settings.cycle_windows):
            sound = self.sounds[_below(len(self.sounds), generator)]
            first = _below(len(sound) - samples + 1, generator)
            rows.append(sound[first : first + samples].float())
        wanted = torch.stack(rows).to(self.decoder.device)
        latents = self.encoder(wanted)
        distances = self.loss.distances(self.decoder.decode(latents), self.loss.hear(wanted))
        place, news = self.statistics.departures(latents)
        return (distances.weighed(self.weights) + self.settings.prior * (place + news)).mean()

    @torch.no_grad()
    def error(self, pairs: Sequence[Pair]) -> float:
        """Mean squared error on whole samples, in variances of the channels."""
        self.encoder.eval()
        hop, total, count = self.decoder.hop_samples, 0.0, 0
        for pair in pairs:
            latents, sound = pair.window(0, len(pair.latents), hop)
            wrong = (self.encoder.encode(sound) - latents) / self.encoder.deviation.cpu()
            total += float(wrong.square().sum())
            count += wrong.numel()
        return total / max(1, count)

    def save(self, path: Path) -> None:
        """Everything that the next step depends on, in one file."""
        tensors = {f"weight.{key}": value for key, value in self.encoder.state_dict().items()}
        for name, weight in self.encoder.named_parameters():
            for key, value in self.optimiser.state.get(weight, {}).items():
                tensors[f"optimiser.{key}.{name}"] = torch.as_tensor(value)
        words = {"step": str(self.step), "settings": self._told(), "losses": json.dumps(self.losses)}
        with atomic_path(path) as temporary:
            save_file(
                {key: value.detach().cpu().contiguous() for key, value in tensors.items()},
                str(temporary),
                metadata=words,
            )

    def load(self, path: Path) -> bool:
        """Go on from a checkpoint; False if there is none, or it is of another training or damaged."""
        try:
            with safe_open(str(path), "pt") as file:
                words = file.metadata() or {}
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no dict
            if words["settings"] != self._told():
                return False
            step, losses = int(words["step"]), [(int(a), float(b)) for a, b in json.loads(words["losses"])]
            weights = {k.removeprefix("weight."): v for k, v in tensors.items() if k.startswith("weight.")}
            self.encoder.load_state_dict(weights)
            self._load_optimiser(tensors)
        except (OSError, SafetensorError, KeyError, ValueError, RuntimeError):
            return False
        self.step, self.losses = step, losses
        return True

    def _load_optimiser(self, tensors: dict[str, Tensor]) -> None:
        state: dict[int, dict[str, Any]] = {}
        for number, (name, _) in enumerate(self.encoder.named_parameters()):
            state[number] = {
                key: tensors[f"optimiser.{key}.{name}"].clone() for key in ("step", "exp_avg", "exp_avg_sq")
            }
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": state, "param_groups": groups})

    def _told(self) -> str:
        """What makes it this training and no other."""
        data = [[len(pair.latents), round(float(pair.latents.double().sum()), 6)] for pair in self.pairs]
        heard = [len(sound) for sound in self.sounds]
        settings = asdict(self.settings) | {"checkpoint_every": 0}
        return json.dumps([self.decoder.decoder_hash, settings, data, heard])


def _generator(seed: int, step: int) -> torch.Generator:
    state = np.random.SeedSequence([seed, 3, step]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> 1))


def _below(limit: int, generator: torch.Generator) -> int:
    return int(torch.randint(limit, (), generator=generator))


def _rate(step: int, settings: DistilSettings) -> float:
    warmup = max(1, settings.steps // 20)
    share = max(0.0, (step - warmup) / max(1, settings.steps - warmup))
    return settings.learning_rate * min((step + 1) / warmup, 0.525 + 0.475 * math.cos(math.pi * share))

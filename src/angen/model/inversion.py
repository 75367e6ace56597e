"""Latents of a recording by inverting a decoder: look for those whose sound is the recording.

Every window of the recording is descended on by itself (Adam on its latents, the decoder frozen), with some frames
beside it that are thrown away afterwards. A window starts from an encoder's latents where there are some, else from
the mean and from draws of the model's own statistics; after a while only the best start goes on. It ends when its
loss no longer falls by what is asked.

Source: Zhu et al. 2016, "Generative Visual Manipulation on the Natural Image Manifold" (arXiv:1609.03552), for
descending on a latent with and without an encoder's start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from angen.errors import ModelError
from angen.model.latent_statistics import LatentStatistics
from angen.model.open_decoder import OpenDecoder
from angen.model.sound_loss import HeardSound, SoundLoss, SoundWeights

SCOUT_SHARE = 0.2  # of the steps, after which only the best start goes on
CHECK_EVERY = 20


@dataclass(frozen=True)
class InversionSettings:
    """How latents are looked for.

    Args:
        steps: Most steps of a window, 1 or more.
        learning_rate: Of Adam, in standard deviations of a channel; falls along a cosine to a tenth.
        restarts: Starts a window without an encoder's, 1 or more: the mean first, then draws.
        window_s: Seconds of a window, context included.
        context_s: Seconds beside each side of what is kept.
        wave: Weight of the samples; 0 where the decoder draws its phases itself.
        spectra: Weight of the spectra.
        mel: Weight of the mel spectrum.
        prior: Weight of the departure from the model's own statistics.
        tether: Weight of the mean squared way from an encoder's start, in standard deviations.
        min_gain: A window ends when its loss falls by less than this share in 20 steps.
        seed: Of the draws.
    """

    steps: int = 300
    learning_rate: float = 0.1
    restarts: int = 2
    window_s: float = 6.0
    context_s: float = 0.6
    wave: float = 0.5
    spectra: float = 1.0
    mel: float = 1.0
    prior: float = 0.03
    tether: float = 0.0
    min_gain: float = 0.003
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the values."""
        checks = {
            "steps": self.steps >= 1,
            "restarts": self.restarts >= 1,
            "learning_rate": 0 < self.learning_rate <= 10,
            "window_s": 0 <= 2 * self.context_s < self.window_s <= 60,
            "context_s": self.context_s >= 0,
            "min_gain": 0 <= self.min_gain < 1,
            "seed": self.seed >= 0,
        }
        checks |= {name: getattr(self, name) >= 0 for name in ("wave", "spectra", "mel", "prior", "tether")}
        for name, holds in checks.items():
            if not holds:
                raise ModelError(
                    f"Inversion with {name} {getattr(self, name)!r} is not possible.",
                    remedy="Steps and restarts are 1 or more, weights 0 or more, the window longer than its context.",
                )

    @property
    def weights(self) -> SoundWeights:
        """Of the sound."""
        return SoundWeights(self.wave, self.spectra, self.mel)


@dataclass(frozen=True)
class Inverted:
    """Latents that were found.

    Attributes:
        latents: (frames, C), float32, on the processor.
        steps: Steps of all windows and starts together.
        loss: Mean loss of the windows at their best.
        start_loss: The same before the first step, of the best start.
    """

    latents: Tensor
    steps: int
    loss: float
    start_loss: float


def invert(
    decoder: OpenDecoder,
    sound: Tensor,
    statistics: LatentStatistics,
    settings: InversionSettings,
    *,
    start: Tensor | None = None,
    on_step: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Inverted | None:
    """Find latents whose sound is near a recording.

    Args:
        decoder: Whose latents.
        sound: The recording in mono at the decoder's rate, (samples,); its end is filled with silence to a frame.
        statistics: Of the model's own latents.
        settings: How.
        start: An encoder's latents (frames, C) to start from, and to keep near to by `settings.tether`.
        on_step: Told of steps done and at most to do.
        should_stop: Asked after every step.

    Returns:
        The latents; None if it was asked to stop.

    Raises:
        ModelError: If the recording is empty or not a number somewhere, or `start` is not of its length.
    """
    frames = _expect_sound(decoder, sound, start)
    padded = torch.nn.functional.pad(sound.float(), (0, frames * decoder.hop_samples - len(sound)))
    spans = window_spans(frames, decoder.latent_rate_hz, settings)
    pieces, steps, losses, starts = [], 0, [], []
    for number, span in enumerate(spans):
        generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + number)
        hop = decoder.hop_samples
        target = padded[span.first * hop : span.last * hop]
        given = None if start is None else start[span.first : span.last]
        search = _Search(decoder, target, statistics, settings, given, generator)

        def told(done: int, before: int = number * settings.steps) -> None:
            on_step(before + done, len(spans) * settings.steps)

        if not search.run(told, should_stop):
            return None
        pieces.append(search.best[span.start - span.first : span.stop - span.first])
        steps += search.steps
        losses.append(search.best_loss)
        starts.append(search.start_loss)
    on_step(len(spans) * settings.steps, len(spans) * settings.steps)
    return Inverted(torch.cat(pieces).cpu(), steps, sum(losses) / len(losses), sum(starts) / len(starts))


@dataclass(frozen=True)
class Span:
    """A window: frames `first` to `last` are looked for, `start` to `stop` of them kept."""

    first: int
    last: int
    start: int
    stop: int


def window_spans(frames: int, latent_rate_hz: float, settings: InversionSettings) -> list[Span]:
    """Windows that overlap by their context and keep every frame once; as equal in length as can be."""
    context = max(1, round(settings.context_s * latent_rate_hz)) if settings.context_s else 0
    kept = max(1, round(settings.window_s * latent_rate_hz) - 2 * context)
    count = -(-frames // kept)
    edges = [frames * number // count for number in range(count + 1)]
    return [
        Span(max(0, start - context), min(frames, stop + context), start, stop)
        for start, stop in pairwise(edges)
    ]


class _Search:
    """The search of one window. Latents are moved in units of each channel's deviation, around the mean."""

    def __init__(
        self,
        decoder: OpenDecoder,
        target: Tensor,
        statistics: LatentStatistics,
        settings: InversionSettings,
        given: Tensor | None,
        generator: torch.Generator,
    ) -> None:
        device = decoder.device
        self.decoder, self.settings, self.statistics = decoder, settings, statistics
        self.mean, self.scale = statistics.mean.to(device), statistics.deviation.to(device)
        self.loss = SoundLoss(decoder.rate_hz, device)
        self.target: HeardSound = self.loss.hear(target.to(device)[None])
        frames = len(target) // decoder.hop_samples
        self.given = None if given is None else (given.to(device) - self.mean) / self.scale
        self.starts = [self._start(number, frames, generator) for number in range(self._count)]
        self.steps = 0
        self.best_loss, self.start_loss = float("inf"), float("inf")
        self.best = self._latents(self.starts[0])

    @property
    def _count(self) -> int:
        return 1 if self.given is not None else self.settings.restarts

    def _start(self, number: int, frames: int, generator: torch.Generator) -> Tensor:
        if self.given is not None:
            return self.given.clone()
        if number == 0:
            return torch.zeros(frames, self.decoder.channels, device=self.mean.device)
        drawn = self.statistics.draw(frames, generator).to(self.mean.device)
        return (drawn - self.mean) / self.scale

    def _latents(self, moved: Tensor) -> Tensor:
        return (moved.detach() * self.scale + self.mean).clone()

    def score(self, moved: Tensor) -> Tensor:
        """The loss of latents in units of their deviation (F, C)."""
        settings, latents = self.settings, (moved * self.scale + self.mean)[None]
        distances = self.loss.distances(self.decoder.decode(latents), self.target)
        total = distances.weighed(settings.weights)[0]
        if settings.prior:
            place, news = self.statistics.departures(latents)
            total = total + settings.prior * (place + news)[0]
        if settings.tether and self.given is not None:
            total = total + settings.tether * (moved - self.given).square().mean()
        return total

    def run(self, on_step: Callable[[int], None], should_stop: Callable[[], bool]) -> bool:
        """Descend from every start for a while, then from the best to the end; False if asked to stop."""
        settings = self.settings
        scout = settings.steps if self._count == 1 else max(1, round(SCOUT_SHARE * settings.steps))
        runs = [_Descent(start, settings) for start in self.starts]
        for run in runs:
            if not self._descend(run, scout, lambda done: on_step(0), should_stop):
                return False
        best = min(runs, key=lambda run: run.lowest)
        return self._descend(best, settings.steps, on_step, should_stop)

    def _descend(
        self, run: _Descent, until: int, on_step: Callable[[int], None], should_stop: Callable[[], bool]
    ) -> bool:
        while run.step < until and not run.is_settled:
            if should_stop():
                return False
            loss = run.move(self.score)
            self.steps += 1
            if run.step == 1:
                self.start_loss = min(self.start_loss, loss)
            if loss < self.best_loss:
                self.best_loss, self.best = loss, self._latents(run.before)
            on_step(run.step)
        return True


class _Descent:
    """Adam from one start, with its lowest loss so far and whether it still falls."""

    def __init__(self, start: Tensor, settings: InversionSettings) -> None:
        self.moved = start.clone().requires_grad_()
        self.before = self.moved.detach().clone()
        self.settings = settings
        self.optimiser = torch.optim.Adam([self.moved], lr=settings.learning_rate, betas=(0.9, 0.99))
        self.step, self.lowest, self.checked = 0, float("inf"), float("inf")
        self.is_settled = False

    def move(self, score: Callable[[Tensor], Tensor]) -> float:
        """One step; the loss before it, of the latents `before`."""
        share = min(1.0, self.step / self.settings.steps)
        rate = self.settings.learning_rate * (0.55 + 0.45 * float(torch.cos(torch.tensor(torch.pi * share))))
        self.optimiser.param_groups[0]["lr"] = rate
        self.before = self.moved.detach().clone()
        loss = score(self.moved)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.step += 1
        value = float(loss.detach())
        self.lowest = min(self.lowest, value)
        if self.step % CHECK_EVERY == 0:
            self.is_settled = self.checked - self.lowest <= self.settings.min_gain * self.lowest
            self.checked = self.lowest
        return value


def _expect_sound(decoder: OpenDecoder, sound: Tensor, start: Tensor | None) -> int:
    """Latent frames of a recording."""
    if sound.dim() != 1 or len(sound) == 0 or not bool(sound.isfinite().all()):
        raise ModelError(
            f"Inversion takes samples (count,) that are numbers, not {tuple(sound.shape)}.",
            remedy="Check the recording.",
        )
    frames = -(-len(sound) // decoder.hop_samples)
    if start is not None and tuple(start.shape) != (frames, decoder.channels):
        raise ModelError(
            f"Latents to start from are {tuple(start.shape)}, where the recording has "
            f"{(frames, decoder.channels)}."
        )
    return frames

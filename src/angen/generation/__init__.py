"""From a request to music: conditions, sampler, sound."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from angen.adapters.lora import AppliedAdapter, applied
from angen.audio import Audio
from angen.errors import GenerationError
from angen.generation.form import parse_form, place_form
from angen.model import Conditions, MusicModel, SamplerSettings, StyleVector
from angen.model.beats import steady_grid
from angen.model.text import stated_key, stated_tempo
from angen.progress import Progress, ProgressCallback, no_progress

LONGEST_S = 600.0

__all__ = ["LONGEST_S", "GenerationRequest", "generate", "request_conditions", "sample_latents"]


@dataclass(frozen=True)
class GenerationRequest:
    """A piece of music that is wanted.

    Args:
        prompt: What it should be, in words; "112 bpm" sets the tempo, "in F major" the key.
        seconds: Its length, 1 to 600.
        seed: Of its noise; the same request with the same seed gives the same music.
        tempo_bpm: Its tempo, before one stated in the prompt; None for neither.
        steps: Euler steps a block.
        guidance: Strength of the prompt beyond its plain condition; 0 for none, None for the model's own.
        noise_scale: Deviation of the starting noise; None for the model's own.
        form: Its sections in proportion, as "intro 4, verse 8, chorus 8"; empty for none.
        ending: Whether it comes to an end within its length, instead of being cut off.
        lyrics: What is sung, in any form that `read_lyrics` takes; empty for nothing.
    """

    prompt: str
    seconds: float = 30.0
    seed: int = 0
    tempo_bpm: float | None = None
    steps: int = 16
    guidance: float | None = None
    noise_scale: float | None = None
    form: str = ""
    ending: bool = False
    lyrics: str = ""

    def __post_init__(self) -> None:
        """Check the values."""
        checks = {
            "prompt": (bool(self.prompt.strip()), "some words"),
            "seconds": (1.0 <= self.seconds <= LONGEST_S, f"1 to {LONGEST_S:g}"),
            "seed": (0 <= self.seed < 2**63, "0 or more"),
            "tempo_bpm": (self.tempo_bpm is None or 30 <= self.tempo_bpm <= 300, "30 to 300"),
            "steps": (1 <= self.steps <= 200, "1 to 200"),
            "guidance": (self.guidance is None or 0 <= self.guidance <= 20, "0 to 20"),
            "noise_scale": (self.noise_scale is None or 0.1 <= self.noise_scale <= 3, "0.1 to 3"),
        }
        for name, (holds, expected) in checks.items():
            if not holds:
                raise GenerationError(
                    f"{name} is {getattr(self, name)!r}; expected {expected}.",
                    remedy="Change it and try again.",
                )
        parse_form(self.form)

    def as_dict(self) -> dict[str, Any]:
        """All values, to be kept beside the music."""
        return dataclasses.asdict(self)


def sample_latents(
    model: MusicModel,
    requests: Sequence[GenerationRequest],
    *,
    conditions: Sequence[Conditions] | None = None,
    may_end: bool = False,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> list[Tensor]:
    """Latents (frames, channels) of requests, with the network as it is; drawn as one batch.

    Length, steps, guidance and noise scale must agree. A tempo, given or stated, becomes a beat grid.

    Args:
        model: The base.
        requests: What is wanted.
        conditions: What the model is told, from `request_conditions`; None to make it of the requests.
        may_end: Whether a model that writes the end of a song may end it before its length.
        on_step: Told of steps done and in all.

    Raises:
        GenerationError: If the requests differ where they must agree, or there are none.
    """
    shared = {(r.seconds, r.steps, r.guidance, r.noise_scale) for r in requests}
    if len(shared) != 1:
        raise GenerationError(
            f"{len(requests)} requests of {len(shared)} kinds cannot be drawn as one batch."
        )
    first, facts = requests[0], model.facts
    tempi = [r.tempo_bpm if r.tempo_bpm is not None else stated_tempo(r.prompt) for r in requests]
    settings = SamplerSettings(
        steps=first.steps,
        guidance_strength=facts.guidance if first.guidance is None else first.guidance,
        guidance_interval=facts.guidance_interval,
        guidance_rescale=facts.guidance_rescale,
        history_blocks=facts.history_blocks,
        noise_scale=facts.noise_scale if first.noise_scale is None else first.noise_scale,
        stop_at_end=may_end and facts.ends_songs,
    )
    return model.sample(
        conditions or [request_conditions(model, request) for request in requests],
        first.seconds,
        settings,
        [r.seed for r in requests],
        beats=_beats(model, requests, tempi),
        on_step=on_step,
    )


def request_conditions(
    model: MusicModel, request: GenerationRequest, style: StyleVector | None = None
) -> Conditions:
    """What a model is told of a request, a style vector beside it.

    Raises:
        GenerationError: If it takes no lyrics, no style vector or no form, and some are given.
    """
    if (request.form or request.ending) and not model.facts.takes_form:
        raise GenerationError(
            f"{model.facts.id} cannot be told a form or where to end.",
            remedy="Leave --form and --ending out. Its sections are the tags of the lyrics, [verse] and the like, "
            "and it ends songs by itself.",
        )
    tempo = request.tempo_bpm if request.tempo_bpm is not None else stated_tempo(request.prompt)
    if not request.lyrics.strip() and style is None:
        return model.conditions(request.prompt, tempo_bpm=tempo)
    return model.conditions(request.prompt, tempo_bpm=tempo, lyrics=request.lyrics, style=style)


def _beats(
    model: MusicModel, requests: Sequence[GenerationRequest], tempi: Sequence[float | None]
) -> Tensor | None:
    """What the model is told of each frame: a steady beat grid and the form, a row a request."""
    facts = model.facts
    rows = []
    frames = max(1, math.ceil(requests[0].seconds * facts.latent_rate_hz - 1e-6))  # all are of one length
    frames += -frames % facts.block_frames
    for request, tempo in zip(requests, tempi, strict=True):
        beats, downbeats = ([], []) if tempo is None else steady_grid(tempo, frames / facts.latent_rate_hz)
        sections, ends_s = place_form(request.form, request.ending, request.seconds, tempo)
        rows.append(
            model.beats(
                beats, downbeats, frames, sections=sections, ends_s=ends_s, key=stated_key(request.prompt)
            )
        )
    known = [row for row in rows if row is not None]
    return torch.stack(known) if known else None


def generate(
    model: MusicModel,
    requests: Sequence[GenerationRequest],
    adapters: Sequence[AppliedAdapter] = (),
    *,
    conditions: Sequence[Conditions] | None = None,
    on_progress: ProgressCallback = no_progress,
    stage: str = "generating",
) -> list[Audio]:
    """Music of requests that can be drawn together, with adapters acting at their strengths.

    Args:
        model: The base; it is the base again afterwards.
        requests: At least one, alike in length, steps, guidance and noise.
        adapters: Adapter folders and strengths; strength 0 is the base exactly.
        conditions: What the model is told, from `request_conditions`; None to make it of the requests.
        on_progress: Told of every step of the sampler.
        stage: What to call it there.

    Returns:
        One sound a request, exactly as long as asked for; shorter where the model ended the song itself.

    Raises:
        GenerationError: If the model ended a song before it began.
    """
    with applied(model.network, adapters):
        latents = sample_latents(
            model,
            requests,
            conditions=conditions,
            may_end=True,
            on_step=lambda done, total: on_progress(Progress(stage, done, total)),
        )
    if not all(len(song) for song in latents):
        raise GenerationError(
            "The model ended the song before it began.", remedy="Try another seed, or more lyrics."
        )
    return [
        model.decode(song).span(0.0, request.seconds) for song, request in zip(latents, requests, strict=True)
    ]

"""How to play an adapter: the guidance and the starting noise that bring its music nearest to what it learnt.

Both act at sampling alone and cost a few short pieces. Guidance is chosen by style distance to the training clips,
then the noise by level: Euler steps and guidance leave samples a little weaker or stronger than the data, and the
deviation of the starting noise makes up for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch

from angen.adapters.lora import AppliedAdapter, applied
from angen.analysis import frechet_distance, style_features
from angen.dataset import Dataset
from angen.generation import GenerationRequest, sample_latents
from angen.model import MusicModel
from angen.progress import Progress, ProgressCallback, no_progress
from angen.training import TrainingClip
from angen.workflows.compare import load_style_space, wanted_prompts
from angen.workflows.latents import levelled_clip

GUIDANCES = (0.0, 1.0, 2.5, 4.0, 6.0, 8.0)
NOISE_SCALES = (0.9, 1.0, 1.1, 1.2, 1.3)
PIECES = 12
MOST_CLIPS = 40


@dataclass(frozen=True)
class Calibration:
    """What was chosen, and the style distance at each guidance that was tried."""

    guidance: float
    noise_scale: float
    distances: tuple[tuple[float, float], ...]


def calibrate(
    model: MusicModel,
    adapter: Path,
    dataset: Dataset,
    clips: Sequence[TrainingClip],
    *,
    on_progress: ProgressCallback = no_progress,
) -> Calibration:
    """Choose guidance and starting noise of an adapter.

    Args:
        model: The base.
        adapter: The adapter's folder.
        dataset: What it was trained on.
        clips: Its training clips, whose level is wanted.
        on_progress: Told of each setting tried.
    """
    facts = model.facts
    seconds = facts.crop_blocks * facts.block_frames / facts.latent_rate_hz
    requests = [
        GenerationRequest(prompt, seconds, seed, tempo_bpm=tempo)
        for seed, (prompt, tempo) in enumerate(islice(cycle(wanted_prompts(dataset)), PIECES))
    ]
    space = load_style_space()
    records = dataset.side("train")[:: max(1, len(clips) // MOST_CLIPS)]
    real = space.project(np.concatenate([style_features(levelled_clip(dataset, x, facts)) for x in records]))
    total = len(GUIDANCES) + len(NOISE_SCALES)
    with applied(model.network, [AppliedAdapter(adapter)]):
        distances = []
        for done, guidance in enumerate(GUIDANCES):
            on_progress(Progress("calibrating", done, total, f"guidance {guidance:g}"))
            drawn = sample_latents(model, [replace(x, guidance=guidance) for x in requests])
            made = space.project(np.concatenate([style_features(model.decode(x)) for x in drawn]))
            distances.append((guidance, round(frechet_distance(made, real), 1)))
        guidance = min(distances, key=lambda pair: pair[1])[0]
        wanted = torch.cat([clip.original.latents for clip in clips]).square().mean().sqrt()
        gaps = []
        for done, scale in enumerate(NOISE_SCALES, start=len(GUIDANCES)):
            on_progress(Progress("calibrating", done, total, f"noise {scale:g}"))
            drawn = sample_latents(
                model, [replace(x, guidance=guidance, noise_scale=scale) for x in requests[:6]]
            )
            gaps.append(abs(float(torch.cat(drawn).square().mean().sqrt() - wanted)))
    on_progress(Progress("calibrating", total, total))
    return Calibration(guidance, NOISE_SCALES[gaps.index(min(gaps))], tuple(distances))

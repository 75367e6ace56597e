"""The base's own music as training clips: mixed in, an adapter's run does not forget what the base could do."""

from __future__ import annotations

from collections.abc import Sequence

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from angen.files import atomic_path
from angen.generation import GenerationRequest, sample_latents
from angen.model import MusicModel
from angen.progress import Progress, ProgressCallback, no_progress
from angen.settings import Settings
from angen.training import ClipVersion, TrainingClip


def replay_clips(
    model: MusicModel, settings: Settings, *, on_progress: ProgressCallback = no_progress
) -> list[TrainingClip]:
    """A piece for each of the base's own styles, drawn once for each base and kept in the cache."""
    styles = model.facts.own_styles
    latents = _drawn(model, settings, styles, on_progress) if styles else []
    return [
        TrainingClip(
            f"replay-{style}",
            f"replay-{style}",
            ClipVersion(piece, None, (model.conditions(f"{style} music"),)),
        )
        for style, piece in zip(styles, latents, strict=True)
    ]


def _drawn(
    model: MusicModel, settings: Settings, styles: Sequence[str], on_progress: ProgressCallback
) -> list[Tensor]:
    file = settings.cache / "replay" / f"{model.facts.base_hash[:32]}.safetensors"
    try:
        kept = load_file(file)
        return [kept[style] for style in styles]
    except (OSError, SafetensorError, KeyError):
        pass  # never drawn, or damaged: draw
    facts = model.facts
    seconds = 2 * facts.crop_blocks * facts.block_frames / facts.latent_rate_hz
    requests = [GenerationRequest(f"{style} music", seconds, seed) for seed, style in enumerate(styles)]
    made = sample_latents(
        model,
        requests,
        on_step=lambda done, total: on_progress(Progress("drawing the base's own music", done, total)),
    )
    with atomic_path(file) as temporary:
        save_file({style: x.contiguous() for style, x in zip(styles, made, strict=True)}, str(temporary))
    return made

"""Are latents of the world the base knows? Its loss on them, beside its loss on the music it draws itself.

Found latents can sound right and yet be none the base would ever draw; training on such teaches it noise. Noise,
times and the null condition are the same for both sides. Too high is noise to the base; too low is plainer than any
music it draws, as the mean latent is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from angen.model import Conditions, MusicModel
from angen.model.dit import WIDTH
from angen.training import ClipVersion, TrainingClip, validate
from angen.training.validation import TIMES

HIGH, LOW = 1.05, 0.75  # of the highest and the lowest of the base's own pieces
MIDDLE = (0.5, 0.7)  # of the times it is measured at


@dataclass(frozen=True)
class WorldCheck:
    """How the base's loss on latents compares with that on its own music.

    Attributes:
        loss: Mean over the latents.
        own_loss: Mean over its own pieces.
        highest: The loss above which latents are out of its world.
        lowest: The loss below which they are.
        off: Which of the latents are, by their place.
        is_off: Whether the mean is.
        words: The verdict, for a reader.
    """

    loss: float
    own_loss: float
    highest: float
    lowest: float
    off: tuple[int, ...]
    is_off: bool
    words: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"off": list(self.off)}


def check_world(model: MusicModel, latents: Sequence[Tensor], own: Sequence[Tensor]) -> WorldCheck:
    """Compare the base's flow-matching loss on latents with that on its own music.

    Args:
        model: The base, no adapter acting.
        latents: What shall be trained on, each (frames, C); at least one.
        own: Pieces the base drew, at least one.
    """
    losses, usual = (losses_of(model, side) for side in (latents, own))
    highest = HIGH * max(usual)
    lowest = LOW * min(usual)
    mean = float(np.mean(losses))
    off = tuple(place for place, loss in enumerate(losses) if not lowest <= loss <= highest)
    is_off = not lowest <= mean <= highest
    return WorldCheck(
        loss=round(mean, 4),
        own_loss=round(float(np.mean(usual)), 4),
        highest=round(highest, 4),
        lowest=round(lowest, 4),
        off=off,
        is_off=is_off,
        words=_words(mean, lowest, highest, len(off), len(losses)),
    )


def losses_of(model: MusicModel, pieces: Sequence[Tensor]) -> list[float]:
    """The base's loss on each piece without any condition, fixed noise; the mean over the middle times.

    Near noise nothing is known of the music yet, near music little is left to know: there all latents look alike.
    """
    nothing = Conditions("", None, torch.zeros(1, dtype=torch.int64), torch.zeros(WIDTH))
    facts = model.facts
    longest = max(len(piece) for piece in pieces)
    blocks = max(1, min(facts.crop_blocks, -(-longest // facts.block_frames)))
    crop = blocks * facts.block_frames
    losses = []
    for piece in pieces:
        clip = TrainingClip("", "", ClipVersion(piece.float(), None, (nothing,)))
        by_time = zip(TIMES, validate(model, [clip], crop).loss_by_time, strict=True)
        losses.append(float(np.mean([loss for time, loss in by_time if time in MIDDLE])))
    return losses


def _words(mean: float, lowest: float, highest: float, off: int, count: int) -> str:
    usual = f"{lowest:.2f} to {highest:.2f} for music it draws itself"
    if mean > highest:
        return (
            f"Warning: these latents are out of the base's world: its loss on them is {mean:.2f}, and {usual}. "
            "An adapter trained on them would learn noise. Invert with a higher --prior, or from a distilled encoder."
        )
    if mean < lowest:
        return (
            f"Warning: these latents are plainer than the base's world: its loss on them is {mean:.2f}, and {usual}. "
            "Invert with a lower --prior and more steps, or check that the recordings are music."
        )
    few = f" {off} of {count} pieces are not." if off else ""
    return f"These latents are of the base's world: its loss on them is {mean:.2f}, and {usual}.{few}"

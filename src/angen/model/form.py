"""Form features: which section a latent frame lies in, and how near the end of the piece is.

Ten values a frame: one flag for each of `SECTIONS`, a ramp that rises from 0 to 1 over the last eight seconds,
and a flag for what comes after the end. All zero where the form is not known.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SECTIONS = ("intro", "verse", "chorus", "bridge", "break", "solo", "inst", "outro")
FORM_DIM = len(SECTIONS) + 2
APPROACH_S = 8.0


def form_features(
    sections: Sequence[tuple[str, float]],
    frames: int,
    rate_hz: float,
    *,
    ends_s: float | None = None,
    start_s: float = 0.0,
) -> NDArray[np.float32]:
    """Features of `frames` latent frames.

    Args:
        sections: Names out of `SECTIONS` and where each begins, in seconds, rising; each lasts until the next.
        frames: How many frames.
        rate_hz: Frames a second.
        ends_s: Where the piece ends; None if it goes on.
        start_s: Time of the first frame on the same clock.

    Returns:
        Shape (frames, 10).

    Raises:
        ValueError: If a section is unknown or out of order.

    Example:
        >>> form_features([("verse", 0.0), ("chorus", 1.0)], 3, 1.0)[:, :4].tolist()
        [[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.0]]
    """
    features = np.zeros((frames, FORM_DIM), np.float32)
    times = start_s + (np.arange(frames) + 0.5) / rate_hz
    starts = [start for _, start in sections]
    if starts != sorted(starts):
        raise ValueError(f"sections must follow one another, not start at {starts}")
    for name, start in sections:
        if name not in SECTIONS:
            raise ValueError(f"{name!r} is no section; known are {', '.join(SECTIONS)}")
        after = times >= start
        features[after, : len(SECTIONS)] = 0.0
        features[after, SECTIONS.index(name)] = 1.0
    if ends_s is not None:
        features[:, -2] = np.clip(1 - (ends_s - times) / APPROACH_S, 0.0, 1.0)
        features[:, -1] = times >= ends_s
    return features

"""Key features: which notes belong to the key, and which one it rests on.

Twenty-four values, the same for each latent frame: a flag for each pitch class from C to B that is of the scale
(major, or natural minor), and a flag for the tonic. All zero where the key is not known. Pitch is in the latents
of each frame, so that is where the key is told; a word at the start of the prompt alone is not heeded.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from angen.analysis.key import transposed

KEY_DIM = 24
_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_STEPS = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}


def key_features(key: str | None) -> NDArray[np.float32]:
    """Features of a key.

    Args:
        key: As "F# minor" or "Bb major"; None, or words that name no key, for one that is not known.

    Returns:
        Shape (24,).

    Example:
        >>> np.flatnonzero(key_features("A minor")).tolist()
        [0, 2, 4, 5, 7, 9, 11, 21]
    """
    features = np.zeros(KEY_DIM, np.float32)
    try:
        tonic, mode = transposed(key or "", 0).split(" ", 1)
        steps = _STEPS[mode.lower()]
    except (ValueError, KeyError):
        return features
    number = _NAMES.index(tonic)
    features[[(number + step) % 12 for step in steps]] = 1.0
    features[12 + number] = 1.0
    return features

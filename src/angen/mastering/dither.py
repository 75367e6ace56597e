"""To integers without distortion: triangular noise of two steps, then rounding."""

from __future__ import annotations

import numpy as np

from angen.audio import Audio

_STRETCH = 2**18


def dithered(audio: Audio, bit_depth: int, seed: int) -> Audio:
    """Round to the steps of a bit depth after adding TPDF noise, so that the error is noise of constant power.

    Args:
        audio: The sound.
        bit_depth: 16 or 24; a step is 2^(1 - bits).
        seed: Of the noise: the same seed, the same samples.

    Returns:
        Samples that are whole steps, within full scale: a file of that depth holds them exactly.

    Source:
        Lipshitz, Wannamaker and Vanderkooy, "Quantization and dither: a theoretical survey" (JAES 40, 1992).
    """
    generator = np.random.default_rng(seed)
    steps = np.float32(2 ** (bit_depth - 1))
    result = np.empty_like(audio.samples)
    for first in range(0, audio.samples.shape[1], _STRETCH):
        part = audio.samples[:, first : first + _STRETCH].astype(np.float64) * steps
        part += generator.random(part.shape, dtype=np.float32)
        part -= generator.random(part.shape, dtype=np.float32)
        result[:, first : first + _STRETCH] = np.clip(np.rint(part), -steps, steps - 1) / steps
    return Audio(result, audio.rate_hz)

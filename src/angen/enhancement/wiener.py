"""Gains that leave what stands out of an unwanted power, without the twinkle of plain subtraction.

Source:
    Ephraim and Malah 1984 (the decision-directed estimate, IEEE TASSP 32(6), eq. 51); Plapous et al. 2006 (the
    second step, which does not lag behind attacks, IEEE TASLP 14(6), eqs. 17 to 20).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Wiener:
    """Gains of frame after frame; remembers the last frame.

    Args:
        bands: How many there are.
        lowest: No gain is lower, 0 to 1.
        memory: Share of the last frame in the estimate of this one, 0 to 1; less is quicker and twinkles more.
    """

    def __init__(self, bands: int, *, lowest: float, memory: float) -> None:
        self._lowest, self._memory = np.float32(lowest), np.float32(memory)
        self._clean = np.zeros(bands, np.float32)  # power left in the last frame

    def next(self, power: NDArray[np.float32], unwanted: NDArray[np.float32]) -> NDArray[np.float32]:
        """Gains for frames.

        Args:
            power: What is heard, shape (frames, bands).
            unwanted: The unwanted part of it, shape (bands,) or (frames, bands).

        Returns:
            Gains in [lowest, 1], shape (frames, bands); 1 where nothing is unwanted.
        """
        unwanted = np.maximum(np.broadcast_to(unwanted, power.shape), np.float32(1e-30))
        fresh = (1 - self._memory) * np.maximum(power - unwanted, 0)
        first = np.empty_like(power)
        for frame, heard in enumerate(power):
            clean = self._memory * self._clean + fresh[frame]
            first[frame] = clean / (clean + unwanted[frame])
            self._clean = first[frame] ** 2 * heard
        second = first**2 * power
        gains = second / (second + unwanted)
        return np.asarray(np.maximum(gains, self._lowest), dtype=np.float32)

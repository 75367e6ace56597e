"""Dropout for processors: the same law as torch's, several times quicker.

On a CPU torch draws one number after another for a mask; with LoRA on every layer that was a sixth of a step. Here a
mask comes from 16 bits an element of a small, quick source, seeded from torch's own random state. So a run is still
decided by that state alone, and passes that are computed again (gradient checkpointing) find the same mask.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

_LEVELS = 2**16


class QuickDropout(nn.Module):
    """Sets a share of elements to 0 in training and scales the others so that the mean stays.

    Args:
        share: 0 to below 1; rounded to a 65536th.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.dropped = min(_LEVELS - 1, round(share * _LEVELS))

    def forward(self, x: Tensor) -> Tensor:
        """`x` of any shape, some of it dropped."""
        if x.device.type != "cpu":
            return F.dropout(x, self.share, self.training)
        kept = self.kept(x.shape, x.dtype)
        return x if kept is None else x * kept

    def kept(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor | None:
        """Factors of this shape to multiply with, 0 or what keeps the mean; None where nothing is dropped."""
        if not self.training or not self.dropped:
            return None
        count = int(np.prod(shape))
        seed = int(torch.randint(2**63 - 1, ()))
        raw = np.random.SFC64(seed).random_raw(-(-count // 4)).view(np.uint16)[:count]
        factor = torch.tensor(_LEVELS / (_LEVELS - self.dropped), dtype=dtype)
        if dtype == torch.bfloat16:  # numpy knows it by its bits only
            bits = (raw >= self.dropped).astype(np.int16) * factor.view(torch.int16).numpy()
            return torch.from_numpy(bits).view(dtype).view(shape)
        return (torch.from_numpy(raw >= self.dropped).to(dtype) * factor).view(shape)

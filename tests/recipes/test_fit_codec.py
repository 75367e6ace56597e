import numpy as np
import torch
from recipes.angen_tiny.fit_codec import RESOLUTIONS, spectral_loss, texture_loss
from torch.nn import functional as F

from angen.model.codec import mel_filters

FRAMES = 16


def _grain(seed: int) -> torch.Tensor:
    """Log-mel spectra (2, 40, 128) of noise."""
    return torch.randn(2, 40, 128, generator=torch.Generator().manual_seed(seed))


def test_the_same_has_no_loss() -> None:
    assert float(texture_loss(_grain(0), _grain(0), FRAMES)) == 0.0


def test_other_grain_of_the_same_kind_costs_less_than_none() -> None:
    smooth = F.avg_pool1d(_grain(0), 9, stride=1, padding=4)
    other, none = (float(texture_loss(x, _grain(0), FRAMES)) for x in (_grain(1), smooth))
    assert other < 0.3 * none


def test_distance_alone_would_choose_none() -> None:
    assert float((torch.zeros(2, 40, 128) - _grain(0)).abs().mean()) < float(
        (_grain(1) - _grain(0)).abs().mean()
    )


def test_grain_belongs_to_its_moment() -> None:
    quiet_then_loud = _grain(0) * torch.linspace(0, 2, 128)
    assert float(texture_loss(quiet_then_loud.flip(-1), quiet_then_loud, FRAMES)) > 0.5


def test_its_weight_adds_to_the_spectral_loss() -> None:
    filters = {fft: mel_filters(fft, mels) for fft, mels in RESOLUTIONS}
    real = 0.1 * torch.randn(1, 30720, generator=torch.Generator().manual_seed(5))
    smooth = F.avg_pool1d(real[:, None], 9, stride=1, padding=4)[:, 0]
    plain, grained = (
        float(spectral_loss(smooth, real, np.random.default_rng(0), filters, weight)) for weight in (0.0, 6.0)
    )
    assert grained > plain

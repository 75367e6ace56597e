"""How a model's own latents are spread and move: the prior of those who look for latents.

Latents are taken as a stationary Gaussian process with a memory of one frame: channel means, covariances, and the
covariance of each frame with the one before. What a piece of latents departs from it is measured in units in which
the model's own music measures 1.

Source: vector autoregression of order one, Lütkepohl 2005, "New Introduction to Multiple Time Series Analysis", 2.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from angen.errors import ModelError

RIDGE = 1e-3  # of the mean variance, so that every covariance can be inverted


@dataclass(frozen=True)
class LatentStatistics:
    """Moments of latents.

    Attributes:
        mean: (C,).
        covariance: Of frames, (C, C).
        step: Which share of a frame's departure from the mean goes on into the next, (C, C).
        surprise: Covariance of what is new in a frame, (C, C).
    """

    mean: Tensor
    covariance: Tensor
    step: Tensor
    surprise: Tensor

    @classmethod
    def of(cls, pieces: Sequence[Tensor]) -> LatentStatistics:
        """Of pieces (frames, C), each with two frames or more.

        Raises:
            ModelError: If there are fewer frames in all than channels.
        """
        frames = torch.cat([piece.double() for piece in pieces])
        channels = frames.shape[1]
        if len(frames) <= channels or min(len(piece) for piece in pieces) < 2:
            raise ModelError(
                f"{len(frames)} latent frames in {len(pieces)} pieces say too little of {channels} channels.",
                remedy="Draw more or longer samples.",
            )
        mean = frames.mean(0)
        centred = [piece.double() - mean for piece in pieces]
        covariance = _covariance(torch.cat(centred))
        before = torch.cat([piece[:-1] for piece in centred])
        after = torch.cat([piece[1:] for piece in centred])
        lagged = after.T @ before / len(before)
        ridge = RIDGE * covariance.diagonal().mean() * torch.eye(channels, dtype=torch.float64)
        step = torch.linalg.solve(_covariance(before) + ridge, lagged.T).T
        surprise = _covariance(after - before @ step.T) + ridge
        return cls(mean.float(), (covariance + ridge).float(), step.float(), surprise.float())

    @property
    def deviation(self) -> Tensor:
        """Standard deviation of each channel (C,)."""
        return self.covariance.diagonal().sqrt()

    def departures(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """How far latents (B, F, C) are from the mean, and how far their movement is from the usual, each (B,).

        Mean squares in units of the covariances: both are 1 on average for the model's own latents, 0 for the mean.
        """
        centred = latents - self.mean.to(latents)
        place = _whitened(centred, self.covariance)
        news = _whitened(centred[:, 1:] - centred[:, :-1] @ self.step.to(latents).T, self.surprise)
        return place, news

    def draw(self, frames: int, generator: torch.Generator) -> Tensor:
        """A piece (frames, C) of such a process."""
        first, later = torch.linalg.cholesky(self.covariance), torch.linalg.cholesky(self.surprise)
        noise = torch.randn(frames, len(self.mean), generator=generator)
        rows = [first @ noise[0]]
        for row in noise[1:]:
            rows.append(self.step @ rows[-1] + later @ row)
        return torch.stack(rows) + self.mean

    def tensors(self) -> dict[str, Tensor]:
        """For a file."""
        return {name: value.contiguous() for name, value in vars(self).items()}


def _covariance(centred: Tensor) -> Tensor:
    covariance: Tensor = centred.T @ centred / len(centred)
    return covariance


def _whitened(rows: Tensor, covariance: Tensor) -> Tensor:
    """Mean square of rows (B, F, C) in units of a covariance, (B,)."""
    if rows.shape[1] == 0:
        return rows.new_zeros(len(rows))
    root = torch.linalg.cholesky(covariance.double()).to(rows)
    flat = torch.linalg.solve_triangular(root, rows.reshape(-1, rows.shape[2]).T, upper=False)
    departure: Tensor = flat.square().mean(0).reshape(rows.shape[:2]).mean(1)
    return departure

"""Phases for a magnitude spectrogram: every peak turns at its own frequency, its neighbours with it.

A spectrum frame by frame says how strong each frequency is, not where its wave stands. Here the wave of each
spectral peak goes on from where the frame before left it, at the frequency interpolated between bins, so that a held
tone stays one tone.

Source: Beauregard, Harish and Wyse, "Single pass spectrogram inversion" (IEEE DSP 2015), after the phase-locked
vocoder of Laroche and Dolson (1999).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def peak_frequencies(log_magnitude: Tensor) -> tuple[Tensor, Tensor]:
    """For every bin the peak it belongs to, and that peak's frequency.

    Args:
        log_magnitude: (..., bins).

    Returns:
        Bin of the nearest peak (..., bins) int64, and the peak's place in bins (..., bins), interpolated by a
        parabola through three values.

    Example:
        >>> nearest, place = peak_frequencies(torch.tensor([[0.0, 1.0, 2.0, 1.0, 0.0]]))
        >>> nearest.tolist(), place.tolist()
        ([[2, 2, 2, 2, 2]], [[2.0, 2.0, 2.0, 2.0, 2.0]])
    """
    bins = log_magnitude.shape[-1]
    low = torch.nn.functional.pad(log_magnitude, (1, 1), value=-math.inf)
    before, after = low[..., :-2], low[..., 2:]
    is_peak = (log_magnitude > before) & (log_magnitude >= after)
    index = torch.arange(bins, device=log_magnitude.device).expand_as(log_magnitude)
    left = torch.where(is_peak, index, -(10**6)).cummax(-1).values
    right = torch.where(is_peak, index, 10**6).flip(-1).cummin(-1).values.flip(-1)
    nearest = torch.where(index - left <= right - index, left, right).clamp(0, bins - 1)
    inner = log_magnitude[..., 1:-1]
    curve = before[..., 1:-1] - 2 * inner + after[..., 1:-1]
    shift = 0.5 * (before[..., 1:-1] - after[..., 1:-1]) / curve.clamp(max=-1e-6)
    place = index.float()
    place[..., 1:-1] += torch.where(is_peak[..., 1:-1], shift.clamp(-0.5, 0.5), 0.0)
    return nearest, place.gather(-1, nearest)


def coherent_phases(
    log_magnitude: Tensor, hop: int, fft: int, start: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Phases of spectra of a signal that goes on from frame to frame.

    Args:
        log_magnitude: (B, frames, fft / 2 + 1).
        hop: Samples between frames.
        fft: Samples of a frame.
        start: What the call for the frames before returned second; None at the beginning.

    Returns:
        Phases in radians of the frames' transforms (first sample at the frame's start), (B, frames, bins), and the
        waves' state at the last frame's centre, (B, bins).
    """
    nearest, place = peak_frequencies(log_magnitude)
    advance = 2 * math.pi * hop / fft * place
    bins = torch.arange(log_magnitude.shape[-1], device=log_magnitude.device)
    centre = (
        2.399963 * bins.float().expand_as(advance[:, 0]) if start is None else start
    )  # any spread will do
    rows = []
    for frame in range(log_magnitude.shape[1]):
        centre = torch.remainder(centre.gather(1, nearest[:, frame]) + advance[:, frame], 2 * math.pi)
        rows.append(centre)
    phases = torch.stack(rows, dim=1) - math.pi * bins if rows else log_magnitude
    return phases, centre

"""Plots of a run as PNG bytes. matplotlib's object interface only: no global figure, no display."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from angen.audio import Audio

_BASE, _ADAPTER, _FLOOR, _QUIET = "#8a8a8a", "#c2410c", "#2563eb", "#d4d4d4"


def loss_curve(
    train: Sequence[tuple[int, float]], validation: Sequence[tuple[int, float]], best_step: int
) -> bytes:
    """Training loss (each step and its running mean) and held-out loss."""
    figure = Figure(figsize=(7.5, 3.2), layout="constrained")
    axes = figure.subplots()
    steps, losses = np.array([s for s, _ in train]), np.array([loss for _, loss in train])
    if len(steps):
        axes.plot(steps, losses, color=_QUIET, linewidth=0.8, label="training, each step")
        width = min(20, len(losses))
        mean = np.convolve(losses, np.ones(width) / width, "valid")
        axes.plot(steps[width - 1 :], mean, color="#525252", label=f"training, mean of {width}")
    axes.plot(
        *zip(*validation, strict=True), color=_ADAPTER, marker="o", markersize=4, label="held-out songs"
    )
    axes.axvline(best_step, color=_ADAPTER, linestyle=":", label=f"best, step {best_step}")
    axes.set(xlabel="step", ylabel="flow-matching loss")
    axes.legend(fontsize=8, frameon=False)
    return _png(figure)


def loss_by_time(times: Sequence[float], base: Sequence[float], best: Sequence[float]) -> bytes:
    """Held-out loss at each flow time, before and after."""
    figure = Figure(figsize=(4.5, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(times, base, color=_BASE, marker="o", label="base")
    axes.plot(times, best, color=_ADAPTER, marker="o", label="adapter")
    axes.set(xlabel="time (0 noise, 1 music)", ylabel="held-out loss", xlim=(0, 1))
    axes.legend(fontsize=8, frameon=False)
    return _png(figure)


def distances(base: float, adapter: float, codec: float, floor: float) -> bytes:
    """Style distances as bars."""
    figure = Figure(figsize=(4.5, 3.2), layout="constrained")
    axes = figure.subplots()
    names = ["base", "with adapter", "codec alone", "your own songs"]
    bars = axes.bar(names, [base, adapter, codec, floor], color=[_BASE, _ADAPTER, _QUIET, _FLOOR])
    axes.bar_label(bars, fmt="%.1f", fontsize=8)
    axes.set_ylabel("style distance to your clips")
    axes.tick_params(axis="x", labelsize=8)
    return _png(figure)


def spectrogram(audio: Audio) -> bytes:
    """A small log-frequency picture of a sound."""
    figure = Figure(figsize=(4.2, 1.4), layout="constrained")
    axes = figure.subplots()
    with np.errstate(divide="ignore"):
        axes.specgram(
            audio.mono().samples[0] + 1e-7,
            NFFT=1024,
            noverlap=512,
            Fs=audio.rate_hz,
            vmin=-110,
            vmax=-30,
            cmap="magma",
        )
    axes.set(ylim=(60, audio.rate_hz / 2))
    axes.set_yscale("log")
    axes.tick_params(labelsize=6)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()

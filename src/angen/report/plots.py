"""Plots of a run as PNG bytes. matplotlib's object interface only: no global figure, no display."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from angen.audio import Audio
from angen.report.record import Near, StyleGauge, TrainPoint, ValidationPoint

_BASE, _ADAPTER, _FLOOR, _QUIET = "#8a8a8a", "#c2410c", "#2563eb", "#d4d4d4"


def loss_curve(train: Sequence[TrainPoint], validation: Sequence[ValidationPoint], best_step: int) -> bytes:
    """Training loss as logged, held-out loss with its best marked, and the learning rate below."""
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    steps = [point.step for point in train]
    if steps:
        dots = "." if len(steps) < 3 else ""
        axes.plot(
            steps,
            [x.loss for x in train],
            dots + "-",
            color=_QUIET,
            linewidth=0.8,
            label="training, logged steps",
        )
        axes.plot(
            steps, [x.mean_loss for x in train], dots + "-", color="#525252", label="training, mean of 20"
        )
        below.plot(steps, [x.rate for x in train], dots + "-", color=_FLOOR)
    axes.plot(
        [point.step for point in validation],
        [point.loss for point in validation],
        color=_ADAPTER,
        marker="o",
        markersize=4,
        label="held-out songs",
    )
    for point in validation:
        if point.step == best_step:
            axes.plot(
                [point.step],
                [point.loss],
                "*",
                color=_ADAPTER,
                markersize=13,
                label=f"best, step {best_step}",
            )
    axes.set_ylabel("flow-matching loss")
    axes.legend(fontsize=8, frameon=False)
    below.set(xlabel="step", ylabel="rate", ylim=(0, None))
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


def distances(style: StyleGauge) -> bytes:
    """Style distances as bars: in what is heard, and in latents."""
    figure = Figure(figsize=(7.5, 3.2), layout="constrained")
    heard, inner = figure.subplots(1, 2, width_ratios=(4, 3))
    names = ["base", "adapter", "codec\nalone", "songs among\nthemselves"]
    values = [style.base, style.adapter, style.codec, style.floor]
    bars = heard.bar(names, values, color=[_BASE, _ADAPTER, _QUIET, _FLOOR])
    heard.bar_label(bars, fmt="%.1f", fontsize=8)
    heard.set_ylabel("style distance to your clips")
    latent = [style.latent_base, style.latent_adapter, style.latent_floor]
    bars = inner.bar(["base", "adapter", names[-1]], latent, color=[_BASE, _ADAPTER, _FLOOR])
    inner.bar_label(bars, fmt="%.2f", fontsize=8)
    inner.set_ylabel("distance of latent frames")
    for axes in (heard, inner):
        axes.tick_params(axis="x", labelsize=8)
    return _png(figure)


def nearest(samples: Sequence[Sequence[Near]], alarm: float, watch: float) -> bytes:
    """How near each sample comes to a training song, as a share of the usual distance."""
    figure = Figure(figsize=(7.5, 2.8), layout="constrained")
    axes = figure.subplots()
    axes.axhspan(0, alarm, color="#fecaca", label="copies")
    axes.axhspan(alarm, watch, color="#fef3c7", label="close")
    axes.axhline(1, color=_QUIET, linestyle=":", label="other songs, nearest tenth")
    for space, marker, color in (("latent", "o", _ADAPTER), ("sound", "s", _FLOOR)):
        points = [(i, x.ratio) for i, near in enumerate(samples, 1) for x in near if x.space == space]
        axes.plot([i for i, _ in points], [y for _, y in points], marker, color=color, label=f"in {space}")
    axes.set(
        xlabel="sample", ylabel="distance / usual", ylim=(0, None), xlim=(0.5, max(1, len(samples)) + 0.5)
    )
    axes.set_xticks(range(1, max(1, len(samples)) + 1))
    figure.legend(fontsize=8, frameon=False, loc="outside upper center", ncols=5)
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

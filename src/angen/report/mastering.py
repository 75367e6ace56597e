"""The page of a master: before and after in numbers and plots, and both to hear at the same loudness."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from angen.audio import Audio
from angen.files import write_text
from angen.mastering import Mastered, Measurement, measure
from angen.mastering.equalizer import long_term_spectrum
from angen.report.page import _STYLE, _image, _text

EXCERPT_S = 30.0
PLAYER_RATE_HZ = 44_100
_BEFORE, _AFTER, _QUIET = "#8a8a8a", "#c2410c", "#2563eb"

_SWITCH = """
const [a, b] = document.querySelectorAll("audio"), button = document.getElementById("switch");
const only = (on, off) => on.addEventListener("play", () => off.pause());
only(a, b); only(b, a);
button.onclick = () => {
  const [from, to] = b.paused ? [a, b] : [b, a];
  to.currentTime = from.currentTime; from.pause(); to.play();
  button.textContent = "Switch (now: " + (to === b ? "after" : "before") + ")";
};
"""

_ROWS: tuple[tuple[str, str, str, str], ...] = (
    ("integrated_lufs", "Loudness", "LUFS", "of the whole, gated"),
    ("short_term_max_lufs", "Loudest 3 s", "LUFS", "short-term maximum"),
    ("momentary_max_lufs", "Loudest 0.4 s", "LUFS", "momentary maximum"),
    ("loudness_range_lu", "Loudness range", "LU", "between quiet and loud parts"),
    ("true_peak_dbtp", "True peak", "dBTP", "between the samples too"),
    ("plr_db", "Peak to loudness", "dB", "less is denser"),
    ("correlation", "Correlation", "", "1 is mono, below 0 is lost in mono"),
    ("clips", "Clips", "", "runs of three samples at full scale"),
    ("rate_hz", "Rate", "Hz", ""),
)


@dataclass(frozen=True)
class Comparison:
    """The same passage before and after, at the same loudness.

    Attributes:
        before: Of the recording.
        after: Of the master.
        loudness_lufs: Of both; None when the passage has none, and the two are as they are.
        turned_down_db: By how much the louder one was turned down.
        louder: "before" or "after".
        start_s: Where the passage begins.
    """

    before: Audio
    after: Audio
    loudness_lufs: float | None
    turned_down_db: float
    louder: str
    start_s: float


def loudness_matched(before: Audio, after: Audio, *, length_s: float = EXCERPT_S) -> Comparison:
    """Cut the passage around the loudest moment of `after` from both, and turn the louder one down."""
    start_s = _loudest_start_s(after, length_s)
    parts = [_playable(audio.span(start_s, start_s + length_s)) for audio in (before, after)]
    levels = [measure(part).integrated_lufs for part in parts]
    if levels[0] is None or levels[1] is None:
        return Comparison(parts[0], parts[1], None, 0.0, "after", start_s)
    difference_db = levels[1] - levels[0]
    louder = 1 if difference_db > 0 else 0
    gain = np.float32(10 ** (-abs(difference_db) / 20))
    parts[louder] = Audio(parts[louder].samples * gain, parts[louder].rate_hz)
    return Comparison(
        parts[0],
        parts[1],
        min(levels[0], levels[1]),
        abs(difference_db),
        ("before", "after")[louder],
        start_s,
    )


def _loudest_start_s(audio: Audio, length_s: float) -> float:
    power = np.square(audio.samples).mean(axis=0)
    hop = max(1, audio.rate_hz // 10)
    levels = np.add.reduceat(power, np.arange(0, power.size, hop), dtype=np.float64)
    width = min(levels.size, max(1, round(length_s * 10)))
    sums = np.convolve(levels, np.ones(width), "valid")
    return float(sums.argmax()) * hop / audio.rate_hz


def _playable(audio: Audio) -> Audio:
    """At a rate that every browser plays, and with room for what a lossy coder adds."""
    sound = audio if audio.rate_hz in (44_100, 48_000) else audio.resampled(PLAYER_RATE_HZ)
    peak = float(np.abs(sound.samples).max())
    return sound if peak <= 0.98 else Audio(sound.samples * np.float32(0.98 / peak), sound.rate_hz)


def write_mastering_report(path: Path, title: str, before: Audio, mastered: Mastered) -> None:
    """Write the page, atomically. It needs no other file and no network.

    Args:
        path: Of the HTML file.
        title: Of the page.
        before: The recording.
        mastered: What was made of it.
    """
    compared = loudness_matched(before, mastered.audio)
    after = mastered.audio
    spectra = _spectra(before, mastered)
    notes = "".join(f"<p>{_text(warning)}</p>" for warning in mastered.warnings)
    what_was_done = "".join(
        f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in _settings_rows(mastered)
    )
    write_text(
        path,
        f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{_text(title)}</title><style>{_STYLE}</style></head><body>
<h1>{_text(title)}</h1><p class=verdict>{_text(verdict(mastered))}</p>
{"<h2>Worth knowing</h2>" + notes if notes else ""}
<table><tr><th></th><th>before</th><th>after</th><th></th></tr>{_numbers(mastered.before, mastered.after)}</table>
<h2>Listen at the same loudness</h2>
<p class=quiet>{_text(_compared_how(compared))}</p>
<p><button id="switch">Switch</button></p>
<div class=pair><div><b>before</b>{_player(compared.before)}</div>
<div><b>after</b>{_player(compared.after)}</div></div>
<h2>Balance</h2>{_image(spectra, "long-term spectrum before and after, and the equaliser")}
<h2>Form</h2>{_image(_waveforms(before, after), "waveforms before and after")}
<h2>What was done</h2><table>{what_was_done}</table>
<script>{_SWITCH}</script></body></html>
""",
    )


def verdict(mastered: Mastered) -> str:
    """What came of it, in a sentence."""
    before, after, preset = mastered.before, mastered.after, mastered.settings.preset
    change = (after.integrated_lufs or 0.0) - (before.integrated_lufs or 0.0)
    direction = "louder" if change >= 0 else "quieter"
    return (
        f"{_value(after.integrated_lufs)} LUFS at {_value(after.true_peak_dbtp)} dBTP for {preset.name}: "
        f"{abs(change):.1f} LU {direction} than before, under a ceiling of {preset.ceiling_dbtp:g} dBTP."
    )


def _compared_how(compared: Comparison) -> str:
    if compared.loudness_lufs is None:
        return "This passage is too quiet for its loudness to be measured; both are as they are."
    return (
        f"{compared.before.duration_s:.0f} s from {compared.start_s:.0f} s on, both at "
        f"{compared.loudness_lufs:.1f} LUFS: '{compared.louder}' is turned down by "
        f"{compared.turned_down_db:.1f} dB, because what is louder always seems better."
    )


def _numbers(before: Measurement, after: Measurement) -> str:
    return "".join(
        f"<tr><th>{name}</th><td>{_value(getattr(before, field))} {unit}</td>"
        f"<td>{_value(getattr(after, field))} {unit}</td><td class=quiet>{meaning}</td></tr>"
        for field, name, unit, meaning in _ROWS
    )


def _value(value: float | int | None) -> str:
    if value is None:
        return "–"
    return (
        f"{value:.1f}"
        if isinstance(value, float) and abs(value) > 1
        else f"{value:.2f}".rstrip("0").rstrip(".")
    )


def _settings_rows(mastered: Mastered) -> Sequence[tuple[str, str]]:
    made, preset = mastered.settings, mastered.settings.preset
    glue = "none"
    if made.glue is not None:
        glue = f"{made.glue.ratio:.2f}:1 above {made.glue.threshold_db:.1f} LUFS"
        glue += f", at most {made.glue_reduction_db:.1f} dB"
    mono = "" if preset.mono_below_hz is None else f", mono below {preset.mono_below_hz:g} Hz"
    limiter = (
        f"at most {made.limiter_reduction_db:.1f} dB, {made.limiter_mean_reduction_db:.1f} dB on average"
    )
    rows = [
        ("preset", f"{preset.name}. {preset.about}"),
        ("style", f"{made.style}, intensity {made.intensity:g}"),
        ("high pass", f"{preset.high_pass_hz:g} Hz"),
        (
            "equaliser",
            f"{min(made.equalizer_db, default=0):+.1f} to {max(made.equalizer_db, default=0):+.1f} dB",
        ),
        ("glue", glue),
        ("saturation", f"drive {made.drive:.2f}"),
        ("width", f"{made.width:.2f}{mono}"),
        ("gain", f"{made.gain_db:+.1f} dB"),
        ("limiter", limiter if preset.is_limited else "none"),
        ("file", f"{made.rate_hz} Hz, {preset.bit_depth} bit, dithered (seed {made.seed})"),
    ]
    if preset.de_ess:
        rows.insert(4, ("de-esser", f"at most {made.de_ess_reduction_db:.1f} dB"))
    if made.reference_lufs is not None:
        rows.insert(1, ("reference", f"{made.reference_lufs:.1f} LUFS"))
    return rows


def _player(audio: Audio) -> str:
    buffer = io.BytesIO()
    soundfile.write(buffer, audio.samples.T, audio.rate_hz, format="MP3", subtype="MPEG_LAYER_III")
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<audio controls preload="auto" src="data:audio/mpeg;base64,{data}"></audio>'


def _spectra(before: Audio, mastered: Mastered) -> bytes:
    """Long-term spectra before and after, each against its own mean, and the equaliser's curve."""
    figure = Figure(figsize=(8.5, 3.6), layout="constrained")
    axes = figure.subplots()
    for audio, color, label in ((before, _BEFORE, "before"), (mastered.audio, _AFTER, "after")):
        spectrum = long_term_spectrum(audio)
        heard = spectrum.mid_db > spectrum.mid_db.max() - 60
        level = spectrum.mid_db - spectrum.mid_db[heard].mean()
        axes.semilogx(spectrum.frequencies_hz, level, color=color, label=label)
    made = mastered.settings
    axes.semilogx(made.equalizer_hz, made.equalizer_db, color=_QUIET, linestyle=":", label="equaliser")
    if made.side_equalizer_db is not None:
        axes.semilogx(made.equalizer_hz, made.side_equalizer_db, color=_QUIET, linewidth=0.7, label="side")
    axes.set(xlabel="Hz", ylabel="dB in thirds of an octave", ylim=(-45, 20))
    axes.legend(fontsize=8, frameon=False)
    return _png(figure)


def _waveforms(before: Audio, after: Audio) -> bytes:
    """Both as the extremes of short stretches, one above the other."""
    figure = Figure(figsize=(8.5, 3.4), layout="constrained")
    for axes, audio, color, label in zip(
        figure.subplots(2, 1, sharex=True),
        (before, after),
        (_BEFORE, _AFTER),
        ("before", "after"),
        strict=True,
    ):
        low, high = _extremes(audio)
        time_s = np.linspace(0, audio.duration_s, low.size)
        axes.fill_between(time_s, low, high, color=color, linewidth=0)
        axes.set(ylabel=label, ylim=(-1.02, 1.02), xlim=(0, audio.duration_s))
    axes.set_xlabel("s")
    return _png(figure)


def _extremes(audio: Audio, most: int = 1200) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    starts = np.arange(0, audio.samples.shape[1], math.ceil(audio.samples.shape[1] / most))
    low = np.minimum.reduceat(audio.samples.min(axis=0), starts)
    high = np.maximum.reduceat(audio.samples.max(axis=0), starts)
    return low, high


def _png(figure: Figure) -> bytes:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()

"""One HTML page with everything inside: numbers, plots, and players of base and adapter side by side."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import soundfile

from angen.audio import Audio
from angen.files import write_text
from angen.report import plots

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem }
h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; padding: .3rem .8rem .3rem 0; vertical-align: top }
th { font-weight: 600; white-space: nowrap }
tr { border-bottom: 1px solid #8883 }
img { max-width: 100%; background: #fff; border-radius: 4px }
audio { width: 100% }
.quiet { opacity: .75; font-size: .9rem }
.verdict { font-size: 1.1rem }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .2rem 1.5rem; margin: 1rem 0 1.6rem }
.pair > p { grid-column: 1 / 3; margin: 0 }
@media (max-width: 40rem) { .pair { grid-template-columns: 1fr } .pair > p { grid-column: 1 } }
"""


@dataclass(frozen=True)
class Pair:
    """The same request without and with the adapter."""

    title: str
    base: Audio
    adapter: Audio


@dataclass(frozen=True)
class ReportFacts:
    """What a report tells.

    Attributes:
        title: Of the page.
        verdict: What changed, in a sentence or two.
        numbers: Rows of name, value and explanation.
        train_losses: (step, loss).
        validations: (step, held-out loss).
        best_step: Of the adapter shown.
        times: Flow times of the two rows below.
        base_by_time: Held-out loss of the base at each time.
        best_by_time: Held-out loss of the adapter at each time.
        distances: Style distance of base, adapter, codec alone, the songs among themselves.
        pairs: To listen to.
        references: Title and sound of some of the user's own clips.
        notes: Anything the reader should know, one paragraph each.
    """

    title: str
    verdict: str
    numbers: Sequence[tuple[str, str, str]]
    train_losses: Sequence[tuple[int, float]]
    validations: Sequence[tuple[int, float]]
    best_step: int
    times: Sequence[float]
    base_by_time: Sequence[float]
    best_by_time: Sequence[float]
    distances: tuple[float, float, float, float]
    pairs: Sequence[Pair]
    references: Sequence[tuple[str, Audio]] = ()
    notes: Sequence[str] = field(default_factory=list)


def write_report(path: Path, facts: ReportFacts) -> None:
    """Write the page, atomically. It needs no other file and no network."""
    write_text(path, _page(facts))


def _page(facts: ReportFacts) -> str:
    rows = "".join(
        f"<tr><th>{_text(name)}</th><td>{_text(value)}</td><td class=quiet>{_text(meaning)}</td></tr>"
        for name, value, meaning in facts.numbers
    )
    notes = "".join(f"<p>{_text(note)}</p>" for note in facts.notes)
    curve = plots.loss_curve(facts.train_losses, facts.validations, facts.best_step)
    by_time = plots.loss_by_time(facts.times, facts.base_by_time, facts.best_by_time)
    bars = plots.distances(*facts.distances)
    references = "".join(f"<div>{_text(name)}{_sound(audio)}</div>" for name, audio in facts.references)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{_text(facts.title)}</title><style>{_STYLE}</style></head><body>
<h1>{_text(facts.title)}</h1><p class=verdict>{_text(facts.verdict)}</p>
<table>{rows}</table>
<h2>Listen: the same prompt and seed, without and with the adapter</h2>
{"".join(_pair(pair) for pair in facts.pairs)}
{f"<h2>Your own clips</h2><div class=pair>{references}</div>" if references else ""}
<h2>How it learned</h2>{_image(curve, "training and held-out loss by step")}
<h2>Where it learned</h2>{_image(by_time, "held-out loss by flow time, before and after")}
{_image(bars, "style distances")}
{"<h2>Notes</h2>" + notes if notes else ""}
</body></html>
"""


def _pair(pair: Pair) -> str:
    sides = "".join(
        f"<div><b>{name}</b>{_sound(audio)}</div>"
        for name, audio in (("base", pair.base), ("with adapter", pair.adapter))
    )
    return f"<div class=pair><p>{_text(pair.title)}</p>{sides}</div>"


def _text(text: str) -> str:
    return html.escape(text)


def _image(png: bytes, description: str) -> str:
    return f'<img alt="{_text(description)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def _sound(audio: Audio) -> str:
    return _player(audio) + _image(plots.spectrogram(audio), "spectrogram")


def _player(audio: Audio) -> str:
    buffer = io.BytesIO()
    soundfile.write(buffer, audio.samples.T, audio.rate_hz, format="MP3", subtype="MPEG_LAYER_III")
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<audio controls preload="none" src="data:audio/mpeg;base64,{data}"></audio>'

"""The report as one HTML page with everything inside: verdicts, numbers, plots, and players side by side.

It asks for nothing: no script, no font, no file beside it. Verdicts come first, in words; colour only repeats them.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import soundfile

from angen.audio import Audio
from angen.files import write_text
from angen.report import plots
from angen.report.record import Near, RunReport, SamplePair, Verdict
from angen.report.verdicts import NEAR_ALARM, NEAR_WATCH

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem }
h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; overflow-wrap: anywhere; padding: .3rem .8rem .3rem 0; vertical-align: top }
th { font-weight: 600; white-space: nowrap }
tr { border-bottom: 1px solid #8883 }
img { max-width: 100%; background: #fff; border-radius: 4px }
audio { width: 100% }
.quiet { opacity: .75; font-size: .9rem }
.verdict { font-size: 1.1rem }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .2rem 1.5rem; margin: 1rem 0 1.6rem }
.pair > p { grid-column: 1 / 3; margin: 0 }
@media (max-width: 40rem) { .pair { grid-template-columns: 1fr } .pair > p { grid-column: 1 } }
table.facts th { width: 11rem; white-space: normal }
figure { margin: 0 0 1rem }
figcaption { font-size: .9rem; opacity: .75 }
.gauge { border-left: .4rem solid #15803d; padding: .1rem 0 .1rem 1rem; margin: .9rem 0 }
.gauge.watch { border-color: #b45309 }
.gauge.alarm { border-color: #b91c1c }
.gauge h3 { font-size: 1rem; margin: 0 }
.gauge p { margin: .2rem 0 }
details { margin: 1rem 0 }
summary { cursor: pointer }
@media (max-width: 40rem) {
  body { margin: 1rem auto }
  table.facts th, table.facts td { display: block; width: auto; padding-bottom: 0 }
  table.facts tr { display: block; padding: .3rem 0 }
}
"""

PLAYED = 4
_SIGNS = {"clear": "✓ clear", "watch": "◐ watch", "alarm": "✕ alarm"}


def draw_plots(report: RunReport) -> dict[str, bytes]:
    """The plots of a report as PNG, by file name."""
    return {
        "loss.png": plots.loss_curve(report.train, report.validations, report.best_step),
        "loss_by_time.png": plots.loss_by_time(
            [float(time) for time in report.base_score.loss_by_time],
            list(report.base_score.loss_by_time.values()),
            list(report.best_score.loss_by_time.values()),
        ),
        "distances.png": plots.distances(report.style),
        "nearest.png": plots.nearest(
            [pair.nearest for pair in report.samples if not pair.is_outside], NEAR_ALARM, NEAR_WATCH
        ),
    }


def write_page(
    path: Path,
    report: RunReport,
    sounds: Mapping[str, Audio],
    pictures: Mapping[str, bytes],
    *,
    references: Sequence[tuple[str, Audio]] = (),
    previews: Sequence[tuple[str, Audio]] = (),
) -> None:
    """Write the page, atomically. It needs no other file and no network.

    Args:
        path: Of the HTML file.
        report: What it tells.
        sounds: The samples by the file names in `report.samples`.
        pictures: From `draw_plots`.
        references: Title and sound of some of the user's own clips.
        previews: Title and sound of the same request while training went on.
    """
    inside = [pair for pair in report.samples if not pair.is_outside][:PLAYED]
    outside = [pair for pair in report.samples if pair.is_outside][:2]
    parts = [
        "<h2>In short</h2>",
        _gauge("Has it learnt?", report.learning),
        _gauge("Does it sound like you?", report.style.verdict),
        _gauge("Does it copy?", report.memorisation.verdict),
        _gauge("Has it forgotten?", report.forgetting.verdict),
        "<h2>Listen: the same prompt and seed, without and with the adapter</h2>",
        *[_pair(pair, sounds) for pair in inside],
        "<h3>Other styles, which it should leave alone</h3>" if outside else "",
        *[_pair(pair, sounds) for pair in outside],
        _grid("While it learnt: one request, one seed", previews),
        _grid("Your own clips", references),
        "<h2>Numbers</h2>",
        _table(_numbers(report)),
        "<h2>How it learned</h2>",
        _figure(
            pictures["loss.png"],
            f"Training and held-out loss by step. {report.learning.words}",
            "Held-out songs are the honest curve: it falls only if what was learnt holds for songs never heard. "
            "Only points that were measured are drawn.",
        ),
        _figure(
            pictures["loss_by_time.png"],
            "Held-out loss by flow time, of base and adapter.",
            "Low times decide the form, high times the detail.",
        ),
        "<h2>How near it comes</h2>",
        _figure(
            pictures["distances.png"], f"Style distances. {report.style.verdict.words}", "Smaller is nearer."
        ),
        "<h2>How near to a copy</h2>",
        _figure(
            pictures["nearest.png"],
            f"Nearest training passage of each sample. {report.memorisation.verdict.words}",
            "Each sample against every moment of your songs. What is usual is read off songs that cannot be copies "
            "of each other. A tune in another key or with other instruments is not found.",
        ),
        _nearest_table(report),
        "<h2>The run</h2>",
        _table(_facts(report)),
        "<h2>Notes</h2>" if report.notes else "",
        *[f"<p>{_text(note)}</p>" for note in report.notes],
    ]
    title = _text(f"Adapter “{report.adapter}” on {report.base}")
    write_text(
        path,
        f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>{_STYLE}</style></head><body><main>
<h1>{title}</h1>
{"".join(parts)}
</main></body></html>
""",
    )


def _gauge(question: str, verdict: Verdict) -> str:
    return (
        f'<div class="gauge {verdict.level}"><h3>{_text(question)} '
        f"<span class=level>{_SIGNS[verdict.level]}</span></h3><p>{_text(verdict.words)}</p></div>"
    )


def _pair(pair: SamplePair, sounds: Mapping[str, Audio]) -> str:
    tempo = f" at {pair.tempo_bpm:.0f} bpm" if pair.tempo_bpm else ""
    title = f"“{pair.prompt}”{tempo}, seed {pair.seed}"
    sides = [("base", pair.base), ("with adapter", pair.adapter)]
    sides += [(f"at strength {strength}", name) for strength, name in sorted(pair.at_strength.items())]
    cells = "".join(
        f"<div><b>{name}</b>{_sound(sounds[file], f'{name}: {title}')}</div>" for name, file in sides
    )
    near = f"<p class=quiet>{_text(_nearest_words(pair.nearest))}</p>" if pair.nearest else ""
    return f"<div class=pair><p>{_text(title)}</p>{cells}{near}</div>"


def _nearest_words(places: Sequence[Near]) -> str:
    near = min(places, key=lambda place: place.ratio)
    return f"Nearest to “{near.song}” at {_clock(near.song_s)}: {near.ratio:.0%} of the usual distance, {near.level}."


def _grid(title: str, sounds: Sequence[tuple[str, Audio]]) -> str:
    cells = "".join(f"<div>{_text(name)}{_sound(audio, name)}</div>" for name, audio in sounds)
    return f"<h2>{_text(title)}</h2><div class=pair>{cells}</div>" if sounds else ""


def _sound(audio: Audio, label: str) -> str:
    return _player(audio, label) + _image(plots.spectrogram(audio), f"spectrogram of {label}")


def _figure(png: bytes, description: str, caption: str) -> str:
    return f"<figure>{_image(png, description)}<figcaption>{_text(caption)}</figcaption></figure>"


def _table(rows: Sequence[tuple[str, str, str]]) -> str:
    cells = "".join(
        f"<tr><th scope=row>{_text(name)}</th><td>{_text(value)}</td><td class=quiet>{_text(meaning)}</td></tr>"
        for name, value, meaning in rows
    )
    return f"<table class=facts>{cells}</table>"


def _nearest_table(report: RunReport) -> str:
    rows = "".join(
        f"<tr><td>{number}</td><td>{near.space}</td><td>{_text(near.song)}</td><td>{_clock(near.song_s)}</td>"
        f"<td>{_clock(near.piece_s)}</td><td>{near.distance:.2f}</td><td>{near.usual:.2f}</td><td>{near.level}</td></tr>"
        for number, pair in enumerate((x for x in report.samples if not x.is_outside), start=1)
        for near in pair.nearest
    )
    names = ("sample", "in", "song", "at", "in the sample", "distance", "usual", "")
    heads = "".join(f"<th scope=col>{name}</th>" for name in names)
    return (
        f'<details><summary>The nearest passage of each sample</summary><div style="overflow-x:auto">'
        f"<table><tr>{heads}</tr>{rows}</table></div></details>"
    )


def _numbers(report: RunReport) -> list[tuple[str, str, str]]:
    style, copies, kept = report.style, report.memorisation, report.forgetting
    best, base = report.best_score.loss, report.base_score.loss
    rows = [
        (
            "Held-out loss",
            f"{base:.4f} → {best:.4f}",
            f"base → best, step {report.best_step} of {report.steps}",
        ),
        (
            "Style distance",
            f"{style.base:.2f} → {style.adapter:.2f}",
            f"base → adapter, {style.windows} windows each; smaller is nearer",
        ),
        ("Floor", f"{style.floor:.2f}", "your own songs against each other, as many windows"),
        (
            "Codec alone",
            f"{style.codec:.2f}",
            "your clips through the model's codec: what no adapter can undo",
        ),
        (
            "In latents",
            f"{style.latent_base:.2f} → {style.latent_adapter:.2f}",
            f"the same of latent frames, floor {style.latent_floor:.2f}",
        ),
        (
            "Copies",
            f"{copies.alarms} alarms, {copies.watches} close",
            f"windows of {copies.window_s:.1f} s; usual is {copies.usual_latent:.2f} in latents, "
            f"{copies.usual_sound:.2f} in sound, from {copies.songs_compared} pieces of your songs",
        ),
        (
            "Gap",
            f"{copies.gap_base:+.3f} → {copies.gap_adapter:+.3f}",
            "held-out loss less loss on the training songs, base → adapter; it grows by learning by heart",
        ),
    ]
    if kept.base_loss is not None and kept.adapter_loss is not None:
        rows.append(
            (
                "Base's own music",
                f"{kept.base_loss:.4f} → {kept.adapter_loss:.4f}",
                f"loss on {kept.pieces} pieces of its own, base → adapter",
            )
        )
    rows.append(
        (
            "Pull",
            f"{kept.pull_inside:.0%} inside, {kept.pull_outside:.0%} outside",
            "how far the adapter moves your style's prompts, and other styles' prompts, towards your songs",
        )
    )
    return rows


def _facts(report: RunReport) -> list[tuple[str, str, str]]:
    knobs = ", ".join(f"{key} {value}" for key, value in sorted(report.config.items()))
    versions = ", ".join(f"{name} {number}" for name, number in report.versions.items())
    guidance = "the model's own" if report.guidance is None else f"{report.guidance:g}"
    return [
        (
            "Dataset",
            f"{report.dataset}: {report.songs} songs, {report.clips} clips, {report.clip_seconds / 60:.1f} min",
            f"licence of the recordings: {report.licence or 'not stated'}",
        ),
        *([("Credit", "; ".join(report.attribution), "to be named")] if report.attribution else []),
        *(
            [("Use", "not commercial", "a licence of the recordings says so")]
            if report.non_commercial
            else []
        ),
        ("Words", report.style_words or "–", "they call the style up"),
        ("Base", report.base, f"licence of the weights: {report.base_licence}; {report.base_hash[:16]}"),
        (
            "Trained",
            f"{report.seconds_training / 60:.1f} min",
            f"this report {report.seconds_report / 60:.1f} min",
        ),
        ("Measured", f"{report.measured}/", f"guidance {guidance}, starting noise {report.noise_scale:g}"),
        ("Settings", knobs or "–", ""),
        ("Versions", versions or "–", ""),
        ("Written", report.created, ""),
    ]


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _text(text: str) -> str:
    return html.escape(text)


def _image(png: bytes, description: str) -> str:
    return f'<img alt="{_text(description)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def _player(audio: Audio, label: str) -> str:
    buffer = io.BytesIO()
    soundfile.write(buffer, audio.samples.T, audio.rate_hz, format="MP3", subtype="MPEG_LAYER_III")
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<audio controls preload="none" aria-label="{_text(label)}" src="data:audio/mpeg;base64,{data}"></audio>'

"""Stems and enhancement: take a mix apart, clean it, bring it to a higher rate; and hear the difference."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import gradio as gr

from angen.enhancement.chains import STEMS
from angen.errors import EnhancementError, SilentAudioError
from angen.jobs import Job
from angen.ui.choosing import MusicChoice, chosen_paths, required_number, when_ended
from angen.ui.context import Page
from angen.ui.listening import (
    ab_html,
    ab_player,
    files_html,
    matched,
    number_text,
    report_place,
    report_table,
)
from angen.ui.problems import Told, note
from angen.ui.watch import JobWatch
from angen.workflows.stems import MODELS, has_weights

__all__ = ["build", "results_of", "submit_enhance", "submit_separate", "submit_upscale"]

RATES_HZ = (44_100, 48_000, 88_200, 96_000)
_CHAINS = [("by the name of the file", "auto"), ("vocals", "vocals"), ("drums", "drums"), ("bass", "bass"),
           ("other instruments", "other"), ("whole mix", "mix")]  # fmt: skip
_EMPTY = (
    '<p class="empty">Choose music and what to do with it: the results stand here, to hear against what they were '
    "made of. Recordings themselves stay as they are.</p>"
)


def build(page: Page) -> None:
    """Make the tab."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=320):
            music = MusicChoice(page, "Music", many=True, elem_id="stems-music")
            problem = note()
            with gr.Accordion("Separate into stems", open=True):
                model = gr.Radio(_models(), value="spleeter", label="Into", elem_id="stems-model")
                separate = gr.Button("Separate", elem_id="stems-separate")
            with gr.Accordion("Enhance", open=True):
                chain = gr.Dropdown(_CHAINS, value="auto", label="What it is")
                strength = gr.Slider(0, 1, 0.5, step=0.05, label="Strength")
                shape = gr.Checkbox(True, label="Also equaliser, transients and compression")
                enhance = gr.Button("Enhance", variant="primary", elem_id="stems-enhance")
            with gr.Accordion("Upscale", open=False):
                rate = gr.Dropdown(
                    [(f"{one / 1000:g} kHz", one) for one in RATES_HZ], value=48_000, label="To"
                )
                extend = gr.Checkbox(True, label="Add sound above a band limit, where there is one")
                upscale = gr.Button("Upscale", elem_id="stems-upscale")
            watch = JobWatch(page, ["separate", "enhance", "upscale"])
        with gr.Column(scale=3, min_width=320):
            report = report_place(_EMPTY, "Results", "stems-report")
            result = gr.Dropdown([], label="Listen to", visible=False, elem_id="stems-result")
            player = ab_player("stems-ab", "Before and after, at the same loudness")
            listen_problem = note()
            files = gr.File(label="Files", file_count="multiple", interactive=False, visible=False)
    for button, submit, fields in (
        (separate, submit_separate, [model]),
        (enhance, submit_enhance, [chain, strength, shape]),
        (upscale, submit_upscale, [rate, extend]),
    ):
        page.act(
            button.click,
            lambda *values, submit=submit: submit(page, *values),
            [music.choice, *fields],
            problem=problem,
        )
    page.act(
        result.input, lambda name, job_id: _heard(page, page.store.get(job_id), name), [result, watch.job_id], [player],
        problem=listen_problem, queue=True,
    )  # fmt: skip
    when_ended(page, watch, lambda job: _ended(page, job), [report, result, player, files])


def _models() -> list[tuple[str, str]]:
    """The separators, what each makes, and what it has to fetch first."""
    found = []
    for name, weights in MODELS.items():
        first = "" if has_weights(name) else f", fetches {weights.bytes / 1e6:.0f} MB first"
        found.append((f"{', '.join(weights.stems)} ({name}{first})", str(name)))
    return found


def submit_separate(page: Page, chosen: list[str] | None, model: str) -> Told:
    """Queue a separation.

    Raises:
        AngenError: If nothing is chosen, or the separator's package is missing.
    """
    if model not in MODELS:
        raise EnhancementError(
            f"There is no separator {model!r}.", remedy=f"Choose one of {', '.join(MODELS)}."
        )
    page.submit("separate", {"files": _paths(page, chosen), "model": model})
    return Told("On its way." if has_weights(model) else f"On its way. First comes {MODELS[model].notice}.")


def submit_enhance(page: Page, chosen: list[str] | None, chain: str, strength: Any, shape: bool) -> Told:
    """Queue an enhancement.

    Raises:
        AngenError: If nothing is chosen, or a value is out of range.
    """
    if chain != "auto" and chain not in STEMS:
        raise EnhancementError(f"There is no chain {chain!r}.", remedy="Choose one of the list.")
    amount = required_number("The strength", strength)
    if not 0 <= amount <= 1:
        raise EnhancementError(f"The strength is {amount:g}.", remedy="Use 0 to 1.")
    stem = None if chain == "auto" else chain
    page.submit(
        "enhance", {"files": _paths(page, chosen), "stem": stem, "strength": amount, "shape": bool(shape)}
    )
    return Told("On its way.")


def submit_upscale(page: Page, chosen: list[str] | None, rate_hz: Any, extend: bool) -> Told:
    """Queue an upscaling.

    Raises:
        AngenError: If nothing is chosen, or there is no such rate.
    """
    if rate_hz not in RATES_HZ:
        raise EnhancementError(f"The rate is {rate_hz!r}.", remedy="Choose one of the list.")
    page.submit("upscale", {"files": _paths(page, chosen), "rate_hz": int(rate_hz), "extend": bool(extend)})
    return Told("On its way.")


def _paths(page: Page, chosen: list[str] | None) -> list[str]:
    paths = chosen_paths(page, chosen)
    names = [path.stem.lower() for path in paths]
    if len(set(names)) < len(names):
        raise EnhancementError("Two of the pieces have one name.", remedy="Do them one after the other.")
    return [str(path) for path in paths]


def results_of(job: Job) -> dict[str, tuple[Path, Path]]:
    """What a job of this tab made: by name, the recording and the result."""
    result = job.result if isinstance(job.result, dict) else {}
    found: dict[str, tuple[Path, Path]] = {}
    for record in result.get("files") or []:
        if not isinstance(record, dict) or "error" in record:
            continue
        source = Path(str(record.get("path", "")))
        stems = record.get("stems")
        outs = (
            [record["out"]]
            if record.get("out")
            else list(stems.values())
            if isinstance(stems, dict)
            else stems or []
        )
        for out in outs:
            place = out.get("out") or out.get("path") if isinstance(out, dict) else out
            path = Path(str(place))
            if path.is_file():
                found[f"{path.parent.name}/{path.name}" if path.name in found else path.name] = (source, path)
    return found


def _ended(page: Page, job: Job) -> list[Any]:
    results = results_of(job)
    records = (job.result or {}).get("files") or [] if isinstance(job.result, dict) else []
    problems = [
        f"{Path(str(one.get('path', ''))).name}: {one['error']['message']}"
        for one in records
        if "error" in one
    ]
    rows = [row for record in records if "error" not in record for row in _rows(record)]
    table = report_table("Results", ("", "Before", "After"), rows) if rows else ""
    names = list(results)
    player = _player(page, *results[names[0]]) if names else ""
    files = [page.serve(path) for _, path in results.values()]
    return [
        table + files_html(problems, "problem"),
        gr.update(choices=names, value=names[0] if names else None, visible=len(names) > 1), player,
        gr.update(value=files, visible=bool(files)),
    ]  # fmt: skip


def _rows(record: dict[str, Any]) -> list[tuple[str, ...]]:
    name = Path(str(record.get("out") or record.get("path") or "")).stem[:32]
    before, after = record.get("before"), record.get("after")
    if isinstance(before, dict) and isinstance(after, dict):
        words = (("noise_db", "noise, dB"), ("loudness_lufs", "loudness, LUFS"), ("peak_db", "peak, dB"))
        return [
            (f"{name}: {what}", number_text(before.get(key)), number_text(after.get(key)))
            for key, what in words
            if before.get(key) is not None or after.get(key) is not None
        ]
    if record.get("rate_hz"):
        above = record.get("extended_above_hz")
        added = f"new sound above {above / 1000:g} kHz" if above else "resampled, nothing added"
        return [
            (f"{name}: rate", f"{record.get('source_rate_hz', 0) / 1000:g} kHz", f"{record['rate_hz'] / 1000:g} kHz"),
            (f"{name}: band", f"to {record.get('limit_hz', 0) / 1000:.1f} kHz", added),
        ]  # fmt: skip
    if isinstance(record.get("stems"), dict):
        return [(f"{name}: mix minus the sum of its stems, dB", "", number_text(record.get("residual_db")))]
    if record.get("silent"):
        return [(name, "silent", "silent")]
    return [(name, "", "")]


def _heard(page: Page, job: Job, name: str | None) -> list[Any]:
    results = results_of(job)
    if name not in results:
        raise EnhancementError("That result is not there any more.", remedy="Choose another.")
    return [_player(page, *results[str(name)])]


def _player(page: Page, source: Path, made: Path) -> str:
    if not source.is_file():
        return ""
    try:
        first, second, words = matched(page, source, made)
    except SilentAudioError:
        what = html.escape(made.stem)
        return f'<p class="empty">There is nothing to hear in “{what}”: this music has no such part.</p>'
    return ab_html(page, first, second, ("Before", "After"), words)

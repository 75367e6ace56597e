"""Mastering: a piece, what it is for, how it should sound; then before and after in numbers and under one switch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from angen.errors import AngenError, MasteringError
from angen.files.remembered import remembered_hash
from angen.jobs import Job
from angen.mastering.presets import PRESETS, STYLES, preset_named, style_named
from angen.ui.choosing import MusicChoice, chosen_paths, required_number, when_ended, whole_number
from angen.ui.context import Page
from angen.ui.history import Piece, find_piece, list_pieces
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

__all__ = ["build", "report_html", "submit_master"]

_ROWS = (
    ("integrated_lufs", "Loudness", "LUFS"),
    ("short_term_max_lufs", "Loudest 3 s", "LUFS"),
    ("momentary_max_lufs", "Loudest 0.4 s", "LUFS"),
    ("loudness_range_lu", "Loudness range", "LU"),
    ("true_peak_dbtp", "True peak", "dBTP"),
    ("plr_db", "Peak to loudness", "dB"),
    ("correlation", "Correlation", ""),
    ("clips", "Clips", ""),
    ("rate_hz", "Rate", "Hz"),
)
_SOUNDS = {"warm": "Warm", "balanced": "Balanced", "open": "Open"}
_EMPTY = (
    '<p class="empty">Choose a piece and press Master: its levels before and after stand here, and both to hear at '
    "the same loudness. The piece itself stays as it is.</p>"
)


def build(page: Page) -> None:
    """Make the tab."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=320):
            music = MusicChoice(page, "Piece to master", first=True, elem_id="master-piece")
            preset = gr.Dropdown(
                [(f"{one.name}: {one.about}", one.name) for one in PRESETS.values()], value="streaming",
                label="For", elem_id="master-preset",
            )  # fmt: skip
            with gr.Group(visible=False) as reference_group:
                reference = MusicChoice(page, "Reference to match", bring="Bring a reference")
            style = gr.Radio(
                [(_SOUNDS.get(one, one), one) for one in STYLES], value="balanced", label="Sound"
            )
            intensity = gr.Slider(0, 1, 0.5, step=0.05, label="Intensity, 0 is least")
            with gr.Accordion("More", open=False):
                phase = gr.Radio(["minimum", "linear"], value="minimum", label="Phase of the equaliser")
                seed = gr.Number(0, label="Seed of the dither", precision=0, minimum=0)
            go = gr.Button("Master", variant="primary", elem_id="master-go")
            problem = note()
            watch = JobWatch(page, ["master"])
        with gr.Column(scale=3, min_width=320):
            report = report_place(_EMPTY, "Report", "master-report")
            player = ab_player("master-ab", "Before and after, at the same loudness")
            files = gr.File(label="Files", file_count="multiple", interactive=False, visible=False)
            earlier = MusicChoice(page, "Earlier masters", kinds=("mastered",), bring="")
    shown = [report, player, files]
    page.quietly(
        preset.change,
        lambda name: gr.update(visible=PRESETS[name].needs_reference),
        [preset],
        [reference_group, gr.State()],
    )
    page.act(
        go.click, lambda *values: submit_master(page, *values),
        [music.choice, preset, style, intensity, reference.choice, phase, seed], problem=problem,
    )  # fmt: skip
    earlier_problem = note()
    page.act(
        earlier.choice.input, lambda piece_id: _earlier(page, piece_id), [earlier.choice], shown,
        problem=earlier_problem, queue=True,
    )  # fmt: skip
    when_ended(page, watch, lambda job: _ended(page, job), shown)


def submit_master(
    page: Page, chosen: str | None, preset: str, style: str, intensity: Any, reference: str | None, phase: str,
    seed: Any,
) -> Told:  # fmt: skip
    """Queue a mastering.

    Raises:
        AngenError: If a choice is missing or impossible.
    """
    style_named(style)
    needs = preset_named(preset).needs_reference
    if needs and not reference:
        raise MasteringError("There is no reference to match.", remedy="Choose one, or another use.")
    amount = required_number("The intensity", intensity)
    if not 0 <= amount <= 1:
        raise MasteringError(f"The intensity is {amount:g}.", remedy="Use 0 (least) to 1 (most).")
    params = {
        "files": [str(path) for path in chosen_paths(page, chosen)], "preset": preset, "style": style,
        "intensity": amount, "phase": phase, "seed": whole_number("The seed", seed),
        "reference": str(chosen_paths(page, reference)[0]) if needs else None,
    }  # fmt: skip
    page.submit("master", params)
    return Told("On its way.")


def report_html(before: dict[str, Any], after: dict[str, Any], warnings: list[str]) -> str:
    """Levels before and after, and what the owner should know."""
    rows = [
        (f"{words} {unit}".strip(), number_text(before.get(name)), number_text(after.get(name)))
        for name, words, unit in _ROWS
        if before.get(name) is not None or after.get(name) is not None
    ]
    return report_table("Levels", ("", "Before", "After"), rows) + files_html(warnings)


def _ended(page: Page, job: Job) -> list[Any]:
    made = job.result if isinstance(job.result, list) else []
    if not made or "error" in made[0]:
        error = made[0]["error"] if made else None
        words = [f"{error['message']} {error.get('remedy', '')}".strip()] if error else []
        return [files_html(words, "problem") if words else gr.skip(), gr.skip(), gr.skip()]
    one = made[0]
    return _shown(page, one["before"], one["after"], one["warnings"], Path(one["source"]), Path(one["path"]))


def _shown(
    page: Page,
    before: dict[str, Any],
    after: dict[str, Any],
    warnings: list[str],
    source: Path | None,
    path: Path,
) -> list[Any]:
    report = report_html(before, after, warnings)
    files = [page.serve(one) for one in (path, path.with_name(path.name + ".html")) if one.is_file()]
    player = ""
    if source is not None and source.is_file() and path.is_file():
        first, second, words = matched(page, source, path)
        player = ab_html(page, first, second, ("Before", "After"), words)
    return [report, player, gr.update(value=files, visible=bool(files))]


def _earlier(page: Page, piece_id: str | None) -> list[Any]:
    """A master that was made before, from the JSON beside it."""
    piece = find_piece(page.settings, piece_id)
    record = piece.record
    return _shown(
        page, record.get("before") or {}, record.get("after") or {}, [str(one) for one in record.get("warnings") or []],
        _source_of(page, piece), piece.path,
    )  # fmt: skip


def _source_of(page: Page, master: Piece) -> Path | None:
    """The recording a master was made of, where it is still here and unchanged."""
    name, digest = master.record.get("source"), master.record.get("source_sha256")
    for piece in list_pieces(page.settings, limit=1000):
        if piece.path.name == name and piece.path != master.path:
            try:
                if remembered_hash(piece.path) == digest:
                    return piece.path
            except (OSError, AngenError):
                continue
    return None

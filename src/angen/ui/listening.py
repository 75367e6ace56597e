"""Two sounds under one switch: the other goes on at the same place, at the same loudness, so that ears can judge."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from angen.audio import read_audio, write_audio
from angen.files import write_text
from angen.ui.context import Page

__all__ = [
    "ab_html", "ab_player", "files_html", "matched", "number_text", "report_place", "report_table",
]  # fmt: skip

_PLAYER_CSS = """
.ab { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: .75rem; align-items: end; }
.ab-side { padding: .5rem .75rem; border: 1px solid var(--border-color-primary); border-left-width: 4px;
  border-radius: 4px; }
.ab-side.now { border-left-color: #1f7a5c; }
.ab-side span { display: block; margin-bottom: .35rem; }
.ab-side audio { width: 100%; height: 2.5rem; }
.ab-switch { grid-column: 1 / -1; padding: .5rem .75rem; border-radius: 4px;
  border: 1px solid var(--border-color-primary); background: var(--button-secondary-background-fill);
  color: var(--button-secondary-text-color); cursor: pointer; }
.ab-switch:focus-visible { outline: 3px solid #b45309; }
.ab p { grid-column: 1 / -1; margin: 0; color: var(--body-text-color-subdued); }
"""
_REPORT_CSS = """
.report { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .25rem 0; }
.report table, .report tr, .report th, .report td { border: 0; }
.report th, .report td { text-align: left; font-weight: 400; padding: .3rem .75rem .3rem 0; overflow-wrap: anywhere;
  border-bottom: 1px solid var(--border-color-primary); }
.report thead th { font-weight: 600; white-space: nowrap; }
.report td { white-space: nowrap; }
p.told, p.problem { margin: .5rem 0 0 0; padding: .5rem .75rem; border-left: 4px solid; border-radius: 4px; }
"""
_SWITCH_JS = """
const players = () => [...element.querySelectorAll('audio')];
const say = (now) => {
  element.querySelectorAll('.ab-side').forEach((side, i) => side.classList.toggle('now', i === now));
  const button = element.querySelector('.ab-switch');
  if (button) button.textContent = 'Switch to ' + element.querySelectorAll('.ab-side')[1 - now].dataset.name;
};
element.addEventListener('play', (event) => {
  players().forEach((one, i) => { if (one === event.target) say(i); else one.pause(); });
}, true);
element.addEventListener('click', (event) => {
  const button = event.target.closest('.ab-switch');
  if (!button) return;
  const [a, b] = players();
  const sides = [...element.querySelectorAll('.ab-side')];
  const [from, to] = sides[1].classList.contains('now') ? [b, a] : [a, b];
  to.currentTime = from.currentTime;
  from.pause();
  say(to === b ? 1 : 0);
  to.play();
});
"""


def ab_player(elem_id: str, label: str) -> gr.HTML:
    """An empty place for `ab_html`."""
    return gr.HTML("", label=label, elem_id=elem_id, js_on_load=_SWITCH_JS, css_template=_PLAYER_CSS)


def report_place(value: str, label: str, elem_id: str) -> gr.HTML:
    """A place for `report_table` and sentences."""
    return gr.HTML(value, label=label, elem_id=elem_id, css_template=_REPORT_CSS)


def ab_html(page: Page, first: Path, second: Path, names: tuple[str, str], words: str = "") -> str:
    """Two players and a switch.

    Args:
        page: The page, which serves copies.
        first: A file of the workspace.
        second: Another.
        names: What they are called.
        words: A sentence under them; plain text.
    """
    sides = "".join(
        f'<div class="ab-side{" now" if number == 0 else ""}" data-name="{html.escape(name.lower(), quote=True)}">'
        f'<span>{html.escape(name)}</span><audio controls preload="metadata" '
        f'aria-label="{html.escape(name, quote=True)}" src="{_url(page, path)}"></audio></div>'
        for number, (path, name) in enumerate(zip((first, second), names, strict=True))
    )
    note = f'<p class="empty">{html.escape(words)}</p>' if words else ""
    return (
        f'<div class="ab">{sides}<button type="button" class="ab-switch">Switch to {html.escape(names[1].lower())}'
        f"</button>{note}</div>"
    )


def _url(page: Page, path: Path) -> str:
    return html.escape(f"gradio_api/file={quote(page.serve(path))}", quote=True)


def matched(page: Page, before: Path, after: Path) -> tuple[Path, Path, str]:
    """The loudest half minute of both at one loudness, kept in the cache; and what was done, as a sentence.

    Raises:
        AudioError: If one cannot be read.
    """
    from angen.report.mastering import loudness_matched

    states = "|".join(f"{path}|{path.stat().st_size}|{path.stat().st_mtime_ns}" for path in (before, after))
    key = hashlib.sha256(states.encode("utf-8", "replace")).hexdigest()[:24]
    folder = page.settings.cache / "listening" / key
    kept, words = (folder / "before.wav", folder / "after.wav"), folder / "words.txt"
    if not words.is_file():
        made = loudness_matched(read_audio(before), read_audio(after))
        write_audio(kept[0], made.before)
        write_audio(kept[1], made.after)
        said = "Both as they are: there is no loudness to match."
        if made.loudness_lufs is not None:
            said = (
                f"Both at {made.loudness_lufs:.1f} LUFS: {made.louder} is turned down by "
                f"{made.turned_down_db:.1f} dB here. The half minute from {made.start_s:.0f} s on."
            )
        write_text(words, said)
    return kept[0], kept[1], words.read_text(encoding="utf-8")


def report_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that a screen reader can read; every cell is taken as text."""
    head = "".join(f'<th scope="col">{html.escape(one)}</th>' for one in columns)
    body = "".join(
        f'<tr><th scope="row">{html.escape(row[0])}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="report"><table><caption>{html.escape(title)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def files_html(sentences: list[str], css: str = "told") -> str:
    """Sentences one under another."""
    return "".join(f'<p class="{css}">{html.escape(one)}</p>' for one in sentences)


def number_text(value: Any, digits: int = 1) -> str:
    """A number as people read it; a dash for none."""
    if value is None or isinstance(value, bool) or not isinstance(value, int | float):
        return "–"
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)

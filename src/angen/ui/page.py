"""The whole page: two tabs of tabs, a line of what runs, and the wiring that all share."""

from __future__ import annotations

import html
import importlib
import json
from typing import Any

import gradio as gr

from angen.jobs import ACTIVE, Job
from angen.settings import Settings
from angen.ui.context import Page
from angen.ui.tabs import TABS
from angen.ui.watch import clock_text

__all__ = ["build_page", "strip_html"]

FIRST = "user_audio"
_PATHS = {name: [title, name] for title, tabs in TABS.items() for name in tabs}


def build_page(settings: Settings) -> gr.Blocks:
    """The page of a workspace, not yet served. `angen.ui.prepare_environment` comes first."""
    with gr.Blocks(title="Angen studio", analytics_enabled=False, delete_cache=(3600, 86_400)) as blocks:
        page = Page(settings, blocks, gr.State(""))
        gr.HTML("<h1>Angen <span>studio</span></h1>", elem_classes="masthead")
        strip = gr.HTML("", elem_classes="strip", label="Jobs")
        page.on_beat(lambda: strip_html(page.store.list(("queued", *ACTIVE))), [], [strip])
        with gr.Tabs(overflow_behavior="wrap", elem_classes="top-tabs"):
            for title, tabs in TABS.items():
                with gr.Tab(title, id=title), gr.Tabs(overflow_behavior="wrap"):
                    for name, words in tabs.items():
                        _build_tab(page, name, words)
        _restore(page)
        page.tab, page.tab_name = None, ""
        page.add_heart()
        page.show_first()
    return blocks


def strip_html(jobs: list[Job]) -> str:
    """What runs and waits, as one line."""
    running = [job for job in reversed(jobs) if job.state != "queued"]
    waiting = len(jobs) - len(running)
    words = []
    for job in running:
        share = f" {min(1.0, job.done / job.total):.0%}" if job.total > 0 else ""
        left = f", {clock_text(job.eta_s)} left" if job.eta_s else ""
        words.append(f"{html.escape(job.title)}{share}{left}")
    if waiting:
        words.append(f"{waiting} waiting")
    if not words:
        return '<p aria-live="off" data-idle>Nothing is running.</p>'
    return f'<p aria-live="off">{" · ".join(words)}</p>'


def _build_tab(page: Page, name: str, words: str) -> None:
    with gr.Tab(words, id=name, elem_id=f"tab-{name}") as tab:
        page.tab, page.tab_name = tab, name
        importlib.import_module(f"angen.ui.tabs.{name}").build(page)
        page.add_heart()
    tab.select(None, js=f"() => window.angenRemember({json.dumps(name)})")


def _restore(page: Page) -> None:
    """Open the tab of `?tab=`, or the one that shows the job of `?job=`, as the address was when the page began."""
    where = gr.Textbox("", label="Tab to open", visible=False)
    asked = gr.Textbox("", label="Job to show", visible=False)

    def opened(name: str, job_id: str) -> list[Any]:
        job = next((one for one in page.store.list(limit=500) if job_id and one.id == job_id), None)
        if job is not None and name not in _PATHS:
            name = page.kinds.get(job.kind, "")
        return [job.id if job else "", name if name in _PATHS else FIRST]

    quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    begun = page.blocks.load(
        opened,
        [where, asked],
        [page.asked_job, where],
        js="() => [window.angenStart.tab, window.angenStart.job]",
        **quiet,
    )
    begun.then(None, where, None, js=f"(name) => window.angenOpen(({json.dumps(_PATHS)})[name])")
